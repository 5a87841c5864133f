"""A small Python client. It never turns an error into a pass: what failed raises.

with Client("http://127.0.0.1:8000", key) as clearmark:
    check = clearmark.check(Path("clip.mp4"))
    if check["verdict"] == "clear":
        release = clearmark.release(check["id"])
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

_POLL_S = 0.25
_FINISHED = {"done", "indexed", "rejected", "withdrawn"}


class ApiProblem(Exception):
    """The service answered with a problem document."""

    def __init__(self, *, status: int, document: dict[str, Any]) -> None:
        super().__init__(str(document.get("detail") or document.get("title") or status))
        self.status = status
        self.document = document


class Client:
    """One connection to a Clearmark service."""

    def __init__(self, url: str, key: str | None = None, *, timeout_s: float = 180.0) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        return self._json(self._http.get(path, params=parameters))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._json(self._http.post(path, json=body))

    def register_work(self, **said: Any) -> dict[str, Any]:
        """Enter a work: title, kind, policy, reservations, …"""
        return self.post("/v1/works", said)

    def add_asset(
        self, work_id: str, source: Path | dict[str, Any], *, progress: Callable[[float], None] | None = None
    ) -> dict[str, Any]:
        """Add a file, or a fingerprint document, to a work and wait until it is indexed or rejected."""
        accepted = self._send(f"/v1/works/{work_id}/assets", source, {})
        return self._until_finished(f"/v1/assets/{accepted['id']}", progress)

    def import_catalogue(
        self, path: Path, *, dry_run: bool = False, progress: Callable[[int], None] | None = None
    ) -> dict[str, Any]:
        """Register the works of a CSV, JSON Lines or DDEX ERN file, and wait until every row was looked at."""
        started = self._send("/v1/imports", path, {"dry_run": str(dry_run).lower()})
        while started["status"] in ("queued", "processing"):
            time.sleep(_POLL_S)
            started = self.get(f"/v1/imports/{started['id']}")
            if progress is not None:
                progress(started["rows_done"])
        return started

    def import_rows(self, import_id: str, *, outcome: str) -> Iterator[dict[str, Any]]:
        """The rows of an import of which that became: `registered`, `known`, `refused` or `skipped`."""
        return self._pages(f"/v1/imports/{import_id}/rows", outcome=outcome)

    def export_catalogue(self, target: Path, format: str) -> None:
        """Write one's own works to a file, as `csv` or `jsonl`."""
        self._fetch(f"/v1/exports/works.{format}", target)

    def check(
        self,
        source: Path | dict[str, Any],
        *,
        context: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> dict[str, Any]:
        """Ask whether a clip copies a registered work, and wait for the verdict."""
        accepted = self._send("/v1/checks", source, {"context": context} if context else {})
        return self._until_finished(f"/v1/checks/{accepted['id']}", progress)

    def explanation(self, check_id: str) -> str:
        """The page that explains a check's matches, once its pictures are made.

        Raises:
            ApiProblem: there is no such check, or nothing matched.
        """
        while True:
            answer = self._http.get(f"/v1/checks/{check_id}/explanation")
            if answer.status_code == httpx.codes.OK:
                return answer.text
            if answer.status_code != httpx.codes.ACCEPTED:
                self._json(answer)
            time.sleep(_POLL_S)

    def add_negative(
        self, title: str, source: Path | dict[str, Any], *, progress: Callable[[float], None] | None = None
    ) -> dict[str, Any]:
        """Add a file, or a fingerprint document, to the negative bank and wait until it is indexed or rejected."""
        accepted = self._send("/v1/negatives", source, {}, title=title)
        return self._until_finished(f"/v1/negatives/{accepted['id']}", progress)

    def negatives(self) -> Iterator[dict[str, Any]]:
        """Every entry of the negative bank."""
        return self._pages("/v1/negatives")

    def remove_negative(self, negative_id: str) -> None:
        """Take an entry out of the negative bank."""
        self._delete(f"/v1/negatives/{negative_id}")

    def grant_consent(self, work_id: str, **said: Any) -> dict[str, Any]:
        """Let a pipeline use a person's likeness or voice: grantee_id, uses, scope, …; the answer holds the token."""
        return self.post(f"/v1/works/{work_id}/consents", said)

    def consents(self, work_id: str | None = None) -> Iterator[dict[str, Any]]:
        """All consents given to one, or by a person whom one speaks for."""
        return self._pages(f"/v1/works/{work_id}/consents" if work_id else "/v1/consents")

    def revoke_consent(self, consent_id: str) -> None:
        """Take a consent back, from this moment on."""
        self._delete(f"/v1/consents/{consent_id}")

    def drafts(self, work_id: str) -> Iterator[dict[str, Any]]:
        """Clips that were made with a person whom one speaks for, as their makers say."""
        return self._pages(f"/v1/works/{work_id}/drafts")

    def release(self, check_id: str, **said: Any) -> dict[str, Any]:
        """Sign the file of a check."""
        return self.post("/v1/releases", {"check_id": check_id, **said})

    def download(self, release_id: str, target: Path) -> None:
        """Fetch the signed file."""
        self._fetch(f"/v1/releases/{release_id}/file", target)

    def _fetch(self, path: str, target: Path) -> None:
        with self._http.stream("GET", path) as answer:
            if answer.is_error:
                answer.read()
                self._json(answer)
            with target.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)

    def verify(self, path: Path) -> dict[str, Any]:
        """Ask what can be said of a file."""
        return self._send("/v1/verifications", path, {})

    def receipt(self, subject_id: str) -> bytes:
        """The file that proves what a record of the holder's own says: `registry.domain.receipt` reads it."""
        return self._content(f"/v1/ledger/receipts/{subject_id}")

    def checkpoint(self) -> tuple[str, str]:
        """The signed head of the log, and the key that signs it."""
        return self._content("/v1/ledger/checkpoint").decode(), self._content("/v1/ledger/key").decode()

    def cosigned_checkpoint(self, witnesses: Sequence[str]) -> str:
        """The newest checkpoint that these witnesses, by name, have cosigned."""
        return self._content("/v1/ledger/checkpoint", witness=witnesses).decode()

    def ledger_keys(self) -> bytes:
        """The keys of the log, and how each introduced the next: `registry.domain.handover` reads it."""
        return self._content("/v1/ledger/keys")

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the log of size `new` only adds to that of size `old`."""
        answer = self._http.get("/v1/ledger/consistency", params={"from": old, "to": new})
        if answer.is_error:
            self._json(answer)
        return [bytes.fromhex(value) for value in answer.json()]

    def _pages(self, path: str, **parameters: str) -> Iterator[dict[str, Any]]:
        while True:
            found = self.get(path, **parameters)
            yield from found["items"]
            if found["next"] is None:
                return
            parameters["cursor"] = found["next"]

    def _delete(self, path: str) -> None:
        answer = self._http.delete(path)
        if answer.is_error:
            self._json(answer)

    def _content(self, path: str, **parameters: Any) -> bytes:
        answer = self._http.get(path, params=parameters)
        if answer.is_error:
            self._json(answer)
        return answer.content

    def wait_until_ready(self, *, timeout_s: float = 60.0) -> None:
        """Wait for a service that is starting."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if self._http.get("/readyz").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"the service was not ready within {timeout_s:.0f} s")
            time.sleep(_POLL_S)

    def _send(
        self, path: str, source: Path | dict[str, Any], fields: dict[str, str], **parameters: str
    ) -> dict[str, Any]:
        if isinstance(source, dict):
            return self._json(self._http.post(path, json=source, params=parameters))
        with source.open("rb") as file:
            files = {"file": ("media", file)}
            return self._json(self._http.post(path, files=files, data=fields, params=parameters))

    def _until_finished(self, path: str, progress: Callable[[float], None] | None) -> dict[str, Any]:
        while True:
            found = self.get(path)
            if progress is not None:
                progress(found.get("progress", 0.0))
            if found["status"] in _FINISHED:
                return found
            time.sleep(_POLL_S)

    @staticmethod
    def _json(answer: httpx.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = {"detail": f"HTTP {answer.status_code}: {answer.text[:200]}"}
        if answer.is_error:
            raise ApiProblem(status=answer.status_code, document=body)
        result: dict[str, Any] = body
        return result
