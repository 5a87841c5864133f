"""Live progress: a page is told what changes of what it may see, and no stream holds the service up."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.database import Database
from registry.models import Asset, Check, Import
from tests.api.conftest import Clips, Registered
from tests.api.service import RunningService, end, ok, send, start_service, until

Change = dict[str, Any]


@contextmanager
def signed_in(service: RunningService, key: str) -> Iterator[httpx.Client]:
    """A browser on the pages."""
    with service.client() as client:
        token = re.findall(r'name="token" value="(\w+)"', client.get("/sign-in").text)[0]
        assert client.post("/sign-in", data={"key": key, "token": token}).status_code == 303
        yield client


def change(service: RunningService, model: type[Asset | Check | Import], id: str, **said: Any) -> None:
    """As a job of the service would."""
    database = Database(f"sqlite:///{service.data_dir / 'clearmark.db'}")
    with database.transaction() as session:
        row = session.get_one(model, id)
        for name, value in said.items():
            setattr(row, name, value)
    database.dispose()


def told(answer: httpx.Response) -> Iterator[Change]:
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


@pytest.fixture(scope="module")
def page(service: RunningService) -> Iterator[httpx.Client]:
    with signed_in(service, service.key("Studio", "works:write", "checks:write")) as client:
        yield client


def test_each_change_is_told_until_all_are_finished(
    service: RunningService, studio: httpx.Client, page: httpx.Client, film: Registered, clips: Clips
) -> None:
    check = ok(send(studio, "/v1/checks", clips.unrelated))["id"]
    task = ok(studio.post("/v1/imports", files={"file": b"title,kind\n"}), 202)["id"]
    until(lambda: ok(studio.get(f"/v1/imports/{task}"))["status"] in ("done", "failed"))
    change(service, Asset, film.asset_id, status="queued", progress=0.0)
    change(service, Check, check, status="processing", progress=0.1)
    change(service, Import, task, status="processing", rows_done=1)
    ids = {"of": [film.asset_id, check, task, check]}
    with page.stream("GET", "/events", params=ids) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        changes = told(answer)
        first = {one["id"]: one for one in (next(changes) for _ in range(3))}
        assert [first[one]["text"] for one in (film.asset_id, check, task)] == ["Waiting", "10%", "1 row"]
        assert [first[one]["progress"] for one in (film.asset_id, check, task)] == [0.0, 0.1, None]
        assert not any(one["done"] for one in first.values())
        change(service, Asset, film.asset_id, status="indexed", progress=1.0)
        last = next(changes)
        assert last == {"id": film.asset_id, "status": "indexed", "progress": 1.0, "text": "Finished", "done": True}
        change(service, Check, check, status="done", progress=1.0)
        change(service, Import, task, status="failed")
        assert {(one["id"], one["done"]) for one in changes} == {(check, True), (task, True)}


def test_what_is_finished_is_told_at_once_and_that_is_all(page: httpx.Client, film: Registered) -> None:
    answer = page.get("/events", params={"of": film.asset_id}, headers={"Accept-Language": "id"})
    assert [one["done"] for one in told(answer)] == [True]
    assert answer.text.startswith("retry: ")


def test_what_is_not_ones_own_is_not_there(service: RunningService, page: httpx.Client, film: Registered) -> None:
    for foreign in ("ast_0", "chk_" + "0" * 32, "imp_1", "wrk_1", "", "\x00", "x" * 5000):
        assert page.get("/events", params={"of": [film.asset_id, foreign]}).status_code in (400, 404), foreign[:50]
    with signed_in(service, service.key("Stranger", "works:write")) as other:
        assert other.get("/events", params={"of": film.asset_id}).status_code == 404


def test_nobody_unknown_is_told_and_nobody_of_too_much(
    page: httpx.Client, film: Registered, anyone: httpx.Client
) -> None:
    assert anyone.get("/events", params={"of": film.asset_id}).status_code == 303
    assert page.get("/events", params={"of": [film.asset_id] * 21}).status_code == 422
    assert page.get("/events").status_code == 422


def test_streams_of_all_together_leave_room_for_everybody_else(service: RunningService, film: Registered) -> None:
    """A department with its tabs open, more of them than there is room for requests."""
    change(service, Asset, film.asset_id, status="queued", progress=0.0)
    path = f"/events?of={film.asset_id}"
    with ExitStack() as kept:
        streams: list[Iterator[str]] = []
        for _ in range(6):
            page = kept.enter_context(signed_in(service, service.key("Studio", "works:write")))
            for _ in range(20):
                answer = kept.enter_context(page.stream("GET", path))
                assert answer.status_code == 200
                streams.append(answer.iter_lines())
                next(streams[-1])
        one_more = kept.enter_context(signed_in(service, service.key("Studio", "works:write")))
        while (answer := kept.enter_context(one_more.stream("GET", path))).status_code == 200:
            streams.append(answer.iter_lines())
            next(streams[-1])
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert len(streams) == 128
        assert one_more.get("/works").status_code == 200
        assert one_more.get(path).status_code == 503, "those who came before stay"
    change(service, Asset, film.asset_id, status="indexed", progress=1.0)
    with signed_in(service, service.key("Studio", "works:write")) as page:
        until(lambda: page.get(path).status_code == 200)


def test_a_service_that_stops_does_not_wait_for_those_who_listen(tmp_path: Path, clips: Clips) -> None:
    service = start_service(tmp_path / "var", tmp_path / "stderr", sscd_model="none")
    try:
        key = service.key("Studio", "works:write", "checks:write")
        with service.client(key) as client, signed_in(service, key) as page:
            check = ok(send(client, "/v1/checks", clips.unrelated))["id"]
            change(service, Check, check, status="processing")
            with page.stream("GET", "/events", params={"of": check}) as answer:
                changes = told(answer)
                next(changes)
                began = time.monotonic()
                assert service.stop() == 0
                assert time.monotonic() - began < 10
                assert list(changes) == []
    finally:
        end(service.process)
