"""The engine in a child process: the file is opened there, and the child may die.

Decides what a dead, late or babbling child means. It sets no resource limits
itself: `command_prefix` puts them in front of the command.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance.authority import SigningIdentity, TrustAnchor
from provenance.encoding import Undecodable, decode, encode
from provenance.errors import ProvenanceError, ReadFailed, SigningFailed, UnsupportedContainer, WorkerDied
from provenance.model import IntegrityState, ManifestFacts, ReleaseClaim, SignedFile
from provenance.report import without_report
from provenance.worker import Operation, Request

MAX_ANSWER_BYTES = 16 * 1024 * 1024

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_ERRORS: dict[str, type[ProvenanceError]] = {
    error.__name__: error for error in (SigningFailed, UnsupportedContainer, ReadFailed)
}


def no_prefix(command: list[str]) -> list[str]:
    """Run the worker as it is."""
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedEngine:
    """The protocol, each call in a process of its own; this process never opens the file.

    `command_prefix` gets the command and gives back the one to run, with
    limits on memory and CPU in front of it.
    """

    identity: SigningIdentity
    trust_anchors: tuple[TrustAnchor, ...] = ()
    tsa_url: str | None = None
    timeout_s: float = 120.0
    command_prefix: Callable[[list[str]], list[str]] = no_prefix

    def sign(self, source: Path, target: Path, claim: ReleaseClaim) -> SignedFile:
        try:
            if target.exists() and source.samefile(target):
                raise SigningFailed(reason="source and target are one file")
            # The worker may be killed half-way: what it leaves is in here and goes with it.
            with tempfile.TemporaryDirectory(prefix=".signing-", dir=target.parent) as folder:
                scratch = Path(folder, "signed")
                value = self._ask(Operation.SIGN, source, target=scratch, claim=claim)
                signed = decode(SignedFile, value)
                scratch.replace(target)
            return signed
        except WorkerDied as death:
            raise SigningFailed(reason=f"signing process: {death.how}") from death
        except Undecodable as error:
            raise SigningFailed(reason="signing process: garbled") from error
        except OSError as error:
            raise SigningFailed(reason=f"file or process error: {error.strerror}") from error

    def read(self, path: Path, media_type: str) -> ManifestFacts:
        try:
            return decode(ManifestFacts, self._ask(Operation.READ, path, media_type=media_type))
        except WorkerDied as death:
            # The file did this, so it is an answer about the file.
            return without_report(IntegrityState.UNREADABLE, f"clearmark.reader.{death.how}")
        except Undecodable:
            return without_report(IntegrityState.UNREADABLE, "clearmark.reader.garbled")
        except OSError as error:
            raise ReadFailed(reason=f"process error: {error.strerror}") from error

    def _ask(
        self,
        operation: Operation,
        source: Path,
        *,
        target: Path | None = None,
        claim: ReleaseClaim | None = None,
        media_type: str | None = None,
    ) -> Any:
        request = Request(
            operation=operation,
            identity=self.identity,
            trust_anchors=self.trust_anchors,
            tsa_url=self.tsa_url,
            source=source.absolute(),
            target=target.absolute() if target is not None else None,
            claim=claim,
            media_type=media_type,
        )
        answer = self._run(operation, json.dumps(encode(request)).encode())
        match answer:
            case {"ok": True, "value": value}:
                return value
            case {"ok": False, "error": {"kind": str(kind), "fields": dict(fields)}} if kind in _ERRORS:
                try:
                    raise _ERRORS[kind](**fields)
                except TypeError as error:
                    raise WorkerDied(operation=operation, how="garbled", exit_code=0) from error
        raise WorkerDied(operation=operation, how="garbled", exit_code=0)

    def _run(self, operation: Operation, request: bytes) -> Any:
        command = self.command_prefix([sys.executable, "-P", "-m", "provenance.worker"])
        # The answer goes to a file: a worker that babbles without end fills no memory here.
        with tempfile.TemporaryFile() as answers:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=answers,
                stderr=subprocess.DEVNULL,
                cwd="/",
                # Nothing of our environment: it may hold secrets, and the worker is under attack.
                env={"PATH": os.defpath, "PYTHONPATH": str(_PACKAGE_ROOT)},
                start_new_session=True,
            )
            try:
                process.communicate(request, timeout=self.timeout_s)
            except BaseException as error:
                # The whole group: the prefix may have put a shell in between.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise WorkerDied(operation=operation, how="timeout", exit_code=None) from error
                raise
            if process.returncode != 0:
                raise WorkerDied(operation=operation, how="exit", exit_code=process.returncode)
            answers.seek(0)
            text = answers.read(MAX_ANSWER_BYTES + 1)
        try:
            if len(text) > MAX_ANSWER_BYTES:
                raise ValueError("answer too long")
            return json.loads(text)
        except ValueError as error:
            raise WorkerDied(operation=operation, how="garbled", exit_code=0) from error
