"""A short load: whatever is asked at once, answers are right or say when to come again, and nothing is left behind."""

from collections.abc import Callable, Iterator
from http import HTTPStatus

import httpx
import pytest

from tests.api.service import errors_of, finished, ok, until
from tests.load.__main__ import main
from tests.load.clips import distinct, form
from tests.load.serving import Served, served
from tests.load.steps import Step, grown_bytes, grows, knee, step
from tests.load.traffic import Asked, Kind, fault_of
from tests.load.usage import Usage

_MIX = {Kind.CHECK: 2.0, Kind.VERIFY: 4.0, Kind.PAGE: 4.0, Kind.REGISTER: 1.0}
_CLIENTS, _SECONDS = 6, 6.0


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("load")
    with served("embedded", folder, files=1, size="160:120", sscd_model="none") as target:
        yield target
        assert target.service is not None
        assert errors_of(target.service) == []


def test_mixed_traffic_gets_answers_or_is_told_when_to_come_again(house: Served) -> None:
    done = step(house, _MIX, clients=_CLIENTS, seconds=_SECONDS)
    assert done.faults == []
    assert {one.kind for one in done.answered} >= {Kind.CHECK, Kind.VERIFY, Kind.PAGE}
    with house.house.client() as client:
        # What was accepted is done, and whoever was refused finds everything free again.
        assert until(lambda: client.get("/v1/checks", params={"limit": 1}).json()["items"][0]["status"] == "done")
        body, kind = form(house.house.signed[0])
        found = ok(client.post("/v1/verifications", content=body, headers={"Content-Type": kind}))
        assert (found["integrity"]["state"], found["recovered"][0]["how"]) == ("intact", "sha256")
    assert done.after.cpu_s > done.before.cpu_s


def test_the_same_bytes_are_opened_once_and_answered_alike(house: Served) -> None:
    with house.house.client() as client:

        def verified(content: bytes) -> dict[str, object]:
            body, kind = form(content)
            found = ok(client.post("/v1/verifications", content=body, headers={"Content-Type": kind}))
            return {name: found[name] for name in found if name not in ("id", "verified_at", "sha256")}

        def cost_s(ask: Callable[[], object], *, times: int) -> float:
            """Processor time of one; the least of three, for a service does other things meanwhile."""
            found = []
            for _ in range(3):
                before = house.usage().cpu_s
                for _ in range(times):
                    ask()
                found.append((house.usage().cpu_s - before) / times)
            return min(found)

        fresh = distinct(house.house.signed[0])
        assert verified(fresh) == verified(fresh)
        known_s = cost_s(lambda: verified(fresh), times=5)
        assert known_s < cost_s(lambda: verified(distinct(house.house.signed[0])), times=1) / 2


def test_a_work_that_is_registered_later_is_found_in_bytes_that_are_known(house: Served) -> None:
    content = house.house.unreleased[0]
    body, kind = form(content)
    headers = {"Content-Type": kind}
    with house.house.client() as client:
        before = ok(client.post("/v1/verifications", content=body, headers=headers))
        said = {"title": "Later", "kind": "clip", "policy": "notify"}
        work = ok(client.post("/v1/works", json=said), HTTPStatus.CREATED)["id"]
        asset = ok(client.post(f"/v1/works/{work}/assets", content=body, headers=headers), HTTPStatus.ACCEPTED)["id"]
        assert finished(client, f"/v1/assets/{asset}")["status"] == "indexed"
        after = ok(client.post("/v1/verifications", content=body, headers=headers))
        assert work in {match["work_id"] for match in after["registry_matches"]}
        assert client.delete(f"/v1/works/{work}").is_success
        gone = ok(client.post("/v1/verifications", content=body, headers=headers))
        assert gone["registry_matches"] == before["registry_matches"] == []


def test_more_at_once_than_there_is_room_for_is_refused_and_not_broken(house: Served) -> None:
    done = step(house, {Kind.CHECK: 1.0}, clients=24, seconds=3.0)
    assert done.faults == []
    assert set(done.statuses) <= {200, 202, 503}
    assert done.statuses[200]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (httpx.Response(200), None),
        (httpx.Response(500, text="oh"), "500 oh"),
        (httpx.Response(503), "503 without Retry-After"),
        (
            httpx.Response(503, headers={"Retry-After": "2", "Content-Type": "application/problem+json"}),
            None,
        ),
        (httpx.Response(422), "422"),
    ],
)
def test_what_counts_as_an_error(answer: httpx.Response, fault: str | None) -> None:
    answer.request = httpx.Request("GET", "http://localhost/x")
    found = fault_of(answer)
    assert found is None if fault is None else found is not None and fault in found


def _answered(clients: int, times: int) -> Step:
    nothing = Usage(cpu_s=0, rss_bytes=0, children_bytes=0)
    asked = [Asked(kind=Kind.PAGE, took_s=0.1, status=200, fault=None)] * times
    return Step(clients=clients, took_s=1.0, asked=asked, before=nothing, after=nothing)


def test_the_knee_is_where_more_clients_bring_no_more() -> None:
    steps = [_answered(clients, times) for clients, times in ((1, 10), (2, 19), (4, 20), (8, 19))]
    assert knee(steps).clients == 2


def test_memory_that_goes_up_and_down_does_not_grow() -> None:
    flat = [(5.0 * i, (300 << 20) + (i % 3) * (4 << 20)) for i in range(60)]
    leaking = [(5.0 * i, (300 << 20) + i * (2 << 20)) for i in range(60)]
    assert not grows(flat)
    assert grows(leaking)
    assert grown_bytes(leaking) > 60 << 20


def test_only_this_machine_is_put_under_load(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--url", "http://192.0.2.1:8000"])
    assert "is not this machine" in capsys.readouterr().err
