"""The Python client. It never turns an error into a pass: what fails raises, and what is not known is held.

with Client("https://clearmark.example", key) as clearmark:
    gate = clearmark.gate("clip.mp4")
    if gate.decision is Decision.RELEASE:
        release = clearmark.release(gate.check["id"], title="A quiet street")
        clearmark.download(release["id"], "signed.mp4")

Answers are the JSON objects of the API, typed in `clearmark.client.results`.
"""

from clearmark.client.errors import (
    BadAnswer,
    CannotFingerprint,
    ClearmarkError,
    Misconfigured,
    NotReady,
    Problem,
    Unknown,
    Unreachable,
)
from clearmark.client.exchange import Retries
from clearmark.client.gate import Decision, Gate, judge
from clearmark.client.http import AsyncClient, Client

__all__ = [
    "AsyncClient",
    "BadAnswer",
    "CannotFingerprint",
    "ClearmarkError",
    "Client",
    "Decision",
    "Gate",
    "Misconfigured",
    "NotReady",
    "Problem",
    "Retries",
    "Unknown",
    "Unreachable",
    "judge",
]
