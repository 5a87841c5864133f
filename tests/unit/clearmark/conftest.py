"""A service that answers as a test says, asked by either client: whatever holds of one holds of the other."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import httpx
import pytest

from clearmark.client import AsyncClient, Client, Retries

URL = "http://clearmark.example"
type Said = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass(slots=True)
class Scripted:
    """A service that gives these answers, one after another and the last one for ever; time passes only by waiting."""

    kind: Literal["sync", "async"]
    answers: list[Said] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    now_s: float = 0.0
    retries: Retries = field(default_factory=lambda: Retries(random_0_1=lambda: 1.0))

    def says(self, *answers: Said) -> None:
        self.answers = list(answers)

    def ask(self, name: str, *arguments: Any, **more: Any) -> Any:
        """Make one call; a list is gone through to its end."""
        if self.kind == "sync":
            return self._ask(name, arguments, more)
        return anyio.run(self._ask_async, name, arguments, more)

    @property
    def sent(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("idempotency-key") for request in self.requests]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, httpx.Response):
            return answer(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds

    def _ask(self, name: str, arguments: tuple[Any, ...], more: dict[str, Any]) -> Any:
        transport = httpx.MockTransport(self._answer)
        with Client(URL, "cm_key", retries=self.retries, transport=transport) as client:
            client._sleep = self._wait  # type: ignore[method-assign]
            client._now_s = lambda: self.now_s
            made = getattr(client, name)(*arguments, **more)
            return list(made) if inspect.isgenerator(made) else made

    async def _ask_async(self, name: str, arguments: tuple[Any, ...], more: dict[str, Any]) -> Any:
        async def wait(seconds: float) -> None:
            self._wait(seconds)

        transport = httpx.MockTransport(self._answer)
        async with AsyncClient(URL, "cm_key", retries=self.retries, transport=transport) as client:
            client._sleep = wait  # type: ignore[method-assign]
            client._now_s = lambda: self.now_s
            made = getattr(client, name)(*arguments, **more)
            return [item async for item in made] if inspect.isasyncgen(made) else await made


@pytest.fixture(params=["sync", "async"])
def service(request: pytest.FixtureRequest) -> Scripted:
    return Scripted(request.param)


def problem(
    status: int, name: str = "invalid", *, headers: dict[str, str] | None = None, **members: Any
) -> httpx.Response:
    """A problem document as the service writes it."""
    document = {"type": f"urn:clearmark:problem:{name}", "title": name, "status": status, "detail": "No.", **members}
    return httpx.Response(status, json=document, headers=headers)


def done(verdict: object = "clear", **members: Any) -> dict[str, Any]:
    """A check that was answered."""
    reasons = [{"code": "no_match", "message": "Nothing matches.", "work_id": None}]
    return {"id": "chk_1", "status": "done", "progress": 1, "verdict": verdict, "reasons": reasons, **members}


QUEUED = {"id": "chk_1", "status": "queued", "progress": 0, "verdict": None, "reasons": []}
