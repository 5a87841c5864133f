"""The engine in child processes: a file is opened there, and the child may die.

Decides what a dead, late or babbling child means, and keeps the process that forks them alive. The key is used
here: a child sends what is to be signed, once for each time-stamp authority that may be asked and no more.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from provenance import frames
from provenance.authority import Credentials
from provenance.encoding import Undecodable, decode, encode
from provenance.errors import (
    IdentityInvalid,
    KeyUnavailable,
    ProvenanceError,
    ReadFailed,
    SigningFailed,
    TimeStampFailed,
    UnsupportedContainer,
    WorkerDied,
)
from provenance.isolation import WorkerLimits
from provenance.keys import SigningKey
from provenance.model import Ingredient, IntegrityState, ManifestFacts, ReleaseClaim, SignedFile
from provenance.report import without_report
from provenance.timestamps import tries
from provenance.worker import MESSAGE_BYTES, Operation, Request

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_ERRORS: dict[str, type[ProvenanceError]] = {
    error.__name__: error
    for error in (SigningFailed, TimeStampFailed, UnsupportedContainer, ReadFailed, IdentityInvalid, KeyUnavailable)
}
# How a child ends that never got to its file: whatever that was, the file did not do it.
UNSTARTED = "unstarted"
# A child that is late is ended where it was forked; we wait a little longer than that.
_GRACE_S = 2.0


class IsolatedEngine:
    """The protocol, each call in a process of its own; this process never opens the file."""

    def __init__(self, credentials: Callable[[], Credentials], *, limits: WorkerLimits | None = None) -> None:
        """
        Args:
            credentials: asked at each call, so that a new certificate or trust list needs no new start.
        """
        self._credentials = credentials
        self._limits = limits or WorkerLimits()
        self._forks = _ForkServer()

    def sign(
        self, source: Path, target: Path, claim: ReleaseClaim, ingredients: tuple[Ingredient, ...] = ()
    ) -> SignedFile:
        credentials = self._credentials()
        try:
            if target.exists() and source.samefile(target):
                raise SigningFailed(reason="source and target are one file")
            # The worker may be killed half-way: what it leaves is in here and goes with it.
            with tempfile.TemporaryDirectory(prefix=".signing-", dir=target.parent) as folder:
                scratch = Path(folder, "signed")
                request = self._request(credentials, Operation.SIGN, source, scratch, claim, ingredients)
                signed = decode(SignedFile, self._ask(request, credentials.signer.key))
                scratch.replace(target)
            return signed
        except WorkerDied as death:
            raise SigningFailed(reason=f"signing process: {death.how}") from death
        except Undecodable as error:
            raise SigningFailed(reason="signing process: garbled") from error
        except OSError as error:
            raise SigningFailed(reason=f"file or process error: {error.strerror}") from error

    def read(self, path: Path, media_type: str, manifest_store: bytes | None = None) -> ManifestFacts:
        credentials = self._credentials()
        request = self._request(credentials, Operation.READ, path, media_type=media_type, manifest_store=manifest_store)
        try:
            return decode(ManifestFacts, self._ask(request, None))
        except WorkerDied as death:
            if death.how == UNSTARTED:
                raise ReadFailed(reason="no process to read it in") from death
            # The file did this, so it is an answer about the file.
            return without_report(IntegrityState.UNREADABLE, f"clearmark.reader.{death.how}")
        except Undecodable:
            return without_report(IntegrityState.UNREADABLE, "clearmark.reader.garbled")
        except OSError as error:
            raise ReadFailed(reason=f"process error: {error.strerror}") from error

    def close(self) -> None:
        """End the process that forks, and with it every child."""
        self._forks.close()

    def _request(
        self,
        credentials: Credentials,
        operation: Operation,
        source: Path,
        target: Path | None = None,
        claim: ReleaseClaim | None = None,
        ingredients: tuple[Ingredient, ...] = (),
        *,
        media_type: str | None = None,
        manifest_store: bytes | None = None,
    ) -> Request:
        return Request(
            operation=operation,
            identity=credentials.signer.identity,
            trust_anchors=credentials.trust_anchors,
            former_sha256=credentials.former_sha256,
            tsa_urls=credentials.tsa_urls,
            limits=self._limits,
            source=source.absolute(),
            target=target.absolute() if target is not None else None,
            claim=claim,
            ingredients=ingredients,
            media_type=media_type,
            manifest_store=manifest_store,
        )

    def _ask(self, request: Request, key: SigningKey | None) -> Any:
        with self._forks.fork(self._limits.wall_s) as connection:
            return converse(connection, request, key, wall_s=self._limits.wall_s + _GRACE_S)


def converse(connection: socket.socket, request: Request, key: SigningKey | None, *, wall_s: float) -> Any:
    """Send a request, sign what its child asks to have signed, and take the value of its answer.

    Args:
        key: None for a request that signs nothing.
        wall_s: for all of it.
    Raises:
        WorkerDied: no usable answer came.
        ProvenanceError: the answer is that error.
    """
    operation, deadline_s = request.operation, time.monotonic() + wall_s
    died = partial(WorkerDied, operation=operation)
    signatures = len(tries(request.tsa_urls)) if key is not None else 0
    began = is_signed = False
    try:
        frames.send(connection, encode(request), deadline_s=deadline_s)
        while True:
            match frames.receive(connection, deadline_s=deadline_s):
                case None:
                    if time.monotonic() > deadline_s - 2 * _GRACE_S:  # it was late, and ended for that
                        raise TimeoutError
                    raise died(how="exit" if began else UNSTARTED)
                case {"began": True} if not began:
                    began = True
                case {"sign": str(data)} if key is not None and signatures > 0:
                    signatures, is_signed = signatures - 1, True
                    frames.send(connection, _signature(key, decode(bytes, data)), deadline_s=deadline_s)
                case {"ok": True, "value": value}:
                    return value
                case {"ok": False, "error": {"kind": str(kind), "fields": dict(fields)}} if kind in _ERRORS:
                    raise _error(kind, fields, operation)
                case _:
                    raise died(how="garbled")
    except TimeoutError as error:
        if is_signed and request.tsa_urls:  # what comes after the signature is theirs
            raise TimeStampFailed(reason="no authority answered in time") from error
        raise died(how="timeout") from error
    except (frames.Garbled, Undecodable) as error:
        raise died(how="garbled") from error
    except (BrokenPipeError, ConnectionResetError) as error:
        raise died(how="exit" if began else UNSTARTED) from error


def _signature(key: SigningKey, data: bytes) -> dict[str, Any]:
    try:
        return {"signature": encode(key.sign(data))}
    except KeyUnavailable as error:
        return {"refused": error.reason}


def _error(kind: str, fields: dict[str, Any], operation: Operation) -> ProvenanceError:
    try:
        return _ERRORS[kind](**fields)
    except TypeError:
        return WorkerDied(operation=operation, how="garbled")


class _ForkServer:
    """The process that forks: started with the first request, and again when it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def fork(self, wall_s: float) -> socket.socket:
        """A socket to a new child, which has `wall_s` seconds; OSError when none could be had."""
        ours, theirs = socket.socketpair()
        try:
            with self._lock, theirs:
                line = f"{wall_s:<{MESSAGE_BYTES}.3f}".encode()
                try:
                    socket.send_fds(self._running(), [line], [theirs.fileno()])
                except OSError:  # it died since the last request
                    self._stop()
                    socket.send_fds(self._running(), [line], [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        return ours

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _running(self) -> socket.socket:
        if self._control is None or self._process is None or self._process.poll() is not None:
            self._stop()
            self._control, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "provenance.worker", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    # Nothing of our environment: it may hold secrets, and the workers are under attack.
                    env={"PATH": os.defpath, "PYTHONPATH": str(_PACKAGE_ROOT)},
                    pass_fds=[theirs.fileno()],
                )
        return self._control

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            self._process.kill()
            self._process.wait()
        self._control = self._process = None
