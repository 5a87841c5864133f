"""How the web server runs: whose word on a caller's address is believed."""

import threading
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from fastapi import FastAPI

from api import server
from api.server import config_of
from api.service import Service
from api.settings import Settings, SettingsError, load_settings


def _seen(settings: Settings, *, peer: str) -> tuple[str, str]:
    """The address and scheme by which an application knows a caller whose proxy, or they, said something else."""
    seen: list[tuple[str, str]] = []

    class App(FastAPI):
        async def __call__(self, scope: Any, _receive: Any, _send: Any) -> None:
            seen.append((scope["client"][0], scope["scheme"]))

    config = config_of(App(), settings)
    config.load()
    said = [(b"x-forwarded-for", b"198.51.100.9"), (b"x-forwarded-proto", b"https")]
    scope: Any = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": said}
    anyio.run(config.loaded_app, scope, None, None)
    return seen[0]


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.7"])
def test_nobody_is_believed_who_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peer: str) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert _seen(Settings(data_dir=tmp_path), peer=peer) == (peer, "http")
    assert _seen(Settings(data_dir=tmp_path, trusted_proxies="10.0.0.8"), peer=peer) == (peer, "http")


def test_a_proxy_that_is_named_is_believed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, trusted_proxies="10.0.0.0/24, ::1")
    for peer in ("10.0.0.7", "::1"):
        assert _seen(settings, peer=peer) == ("198.51.100.9", "https")


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.1 10.0.0.2", "127.0.0.1,x"])
def test_what_is_no_address_is_no_proxy(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SettingsError, match="CLEARMARK_TRUSTED_PROXIES"):
        load_settings(data_dir=tmp_path, trusted_proxies=wrong)


def test_an_index_that_could_not_be_loaded_is_loaded_once_the_database_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_LOADS_AGAIN_S", 0.01)
    outcomes: list[Exception | None] = [OSError("away"), OSError("away"), None]

    class Loading:
        def load_index(self) -> None:
            if (outcome := outcomes.pop(0)) is not None:
                raise outcome

    server._make_ready(cast("Service", Loading()), threading.Event())
    assert outcomes == []
    assert len(caplog.records) == 2


def test_a_service_that_ends_loads_no_index_any_more() -> None:
    ended, asked = threading.Event(), []
    ended.set()

    class Away:
        def load_index(self) -> None:
            asked.append(1)
            raise OSError("away")

    server._make_ready(cast("Service", Away()), ended)
    assert asked == [1]
