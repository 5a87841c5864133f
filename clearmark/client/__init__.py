"""The Python client. It never turns an error into a pass: what fails raises, and what is not known is held.

with Client("https://clearmark.example", key) as clearmark:
    gate = clearmark.gate("clip.mp4")
    if gate.decision is Decision.RELEASE:
        release = clearmark.release(gate.check["id"], title="A quiet street")
        clearmark.download(release["id"], "signed.mp4")

Answers are the JSON objects of the API, typed in `clearmark.client.results`. `Resolver` asks services of the C2PA's
Soft Binding Resolution API, Clearmark's or others', for credentials that a file has lost.
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
    Unsupported,
)
from clearmark.client.exchange import Retries
from clearmark.client.gate import Decision, Gate, judge
from clearmark.client.http import AsyncClient, Client
from clearmark.client.resolver import Recovered, Resolver

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
    "Recovered",
    "Resolver",
    "Retries",
    "Unknown",
    "Unreachable",
    "Unsupported",
    "judge",
]
