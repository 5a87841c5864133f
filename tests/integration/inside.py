"""Requests to a service in the process of the test, from whatever address it likes: no socket is opened."""

from typing import Any

import anyio
import httpx
from fastapi import FastAPI

from api.app import create_app
from api.pages.forms import TOKEN
from api.pages.visit import SIGN_IN, VISIT, SignedIn
from api.service import Service
from tests.people import cookie_of


class Inside:
    """A client of an application; each request runs to its end."""

    def __init__(self, app: FastAPI, key: str | None = None, *, address: str = "203.0.113.7") -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def get(self, path: str, **how: Any) -> httpx.Response:
        return anyio.run(lambda: self._ask("GET", path, how))

    def post(self, path: str, **how: Any) -> httpx.Response:
        return anyio.run(lambda: self._ask("POST", path, how))

    async def _ask(self, method: str, path: str, how: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=self._transport, base_url="http://clearmark.example", headers=self._headers
        ) as client:
            return await client.request(method, path, **how)


class Browser(Inside):
    """A browser in which somebody signed in with a key, and whose forms have their token."""

    def __init__(self, service: Service, key: str) -> None:
        super().__init__(create_app(service))
        visit = "v" * 32
        self._headers = {"Cookie": f"{SIGN_IN}={cookie_of(service, key)}; {VISIT}={visit}"}
        self._token = service.seals.token(visit, SignedIn(credential=key))

    def send(self, path: str, said: dict[str, str], *, files: dict[str, Any] | None = None) -> httpx.Response:
        return self.post(path, data={TOKEN: self._token, **said}, files=files)
