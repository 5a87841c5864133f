"""What is slow has slots of its own: where all are taken, a request is told to come again and starts nothing."""

import threading
from collections.abc import Callable

import httpx
import pytest

from api.app import create_app
from api.service import Service
from api.slots import Slots
from registry import domains
from registry.access import Scope
from registry.domains import LOOK_PAUSE
from tests import factories
from tests.fakes import Clock, FakeProbe
from tests.integration.inside import Inside

_FILE = {"file": ("x.json", b"[]")}
_SITE = {"kind": "tdmrep.json", "location": "https://studio.example"}


@pytest.fixture
def holder(service: Service) -> Inside:
    with service.database.transaction() as session:
        key = factories.key(session, factories.holder(session), Scope.WORKS_WRITE, Scope.HOLDER_WRITE).key
    return Inside(create_app(service), key)


def _busy(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:clearmark:problem:busy")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("slots", "ask"),
    [
        ("media_slots", lambda holder: holder.post("/v1/verifications", files=_FILE)),
        ("document_slots", lambda holder: holder.post("/v1/reservations/import", files=_FILE, data=_SITE)),
    ],
)
def test_without_a_slot_no_file_is_opened(
    service: Service, holder: Inside, monkeypatch: pytest.MonkeyPatch, slots: str, ask: Callable[[Inside], object]
) -> None:
    setattr(service, slots, Slots(1, waiting=0, wait_s=0))
    for opens in ("api.reading.Popen", "api.shown.extract_query"):
        monkeypatch.setattr(opens, lambda *_, **__: pytest.fail("it was opened"))
    with getattr(service, slots).taken():
        _busy(ask(holder))  # type: ignore[arg-type]


class SlowProbe(FakeProbe):
    """Answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.is_asked, self.may_answer = threading.Event(), threading.Event()

    def texts(self, name: str) -> list[str]:
        self.asked.append(name)
        self.is_asked.set()
        assert self.may_answer.wait(60)
        return []


def _claim(holder: Inside, name: str) -> str:
    answer = holder.post("/v1/domains", json={"domain": name})
    assert answer.status_code == 201, answer.text
    id_: str = answer.json()["id"]
    return id_


def test_looks_at_slow_domains_hold_up_nothing_but_other_looks(service: Service, holder: Inside) -> None:
    probe = service.probe = SlowProbe()
    service.probe_slots, service.media_slots = (Slots(1, waiting=0, wait_s=0) for _ in range(2))
    slow, other = _claim(holder, "slow.example"), _claim(holder, "other.example")
    answers: list[httpx.Response] = []
    looking = threading.Thread(target=lambda: answers.append(holder.post(f"/v1/domains/{slow}/check")))
    looking.start()
    try:
        assert probe.is_asked.wait(60)
        _busy(holder.post(f"/v1/domains/{other}/check"))
        with service.media_slots.taken():
            pass
    finally:
        probe.may_answer.set()
        looking.join()
    assert answers[0].status_code == 200
    assert probe.asked == [domains.record_name("slow.example")]
    assert holder.post(f"/v1/domains/{other}/check").status_code == 200, "a look that was refused cost no minute"


def test_a_domain_is_looked_at_once_a_minute_when_it_is_asked_for(
    service: Service, holder: Inside, clock: Clock
) -> None:
    probe = service.probe = SlowProbe()
    probe.may_answer.set()
    domain = _claim(holder, "studio.example")
    assert holder.post(f"/v1/domains/{domain}/check").status_code == 200
    clock.pass_by(LOOK_PAUSE / 2)
    refused = holder.post(f"/v1/domains/{domain}/check")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
    assert refused.json()["type"] == "urn:clearmark:problem:too-many-requests"
    assert len(probe.asked) == 1
    clock.pass_by(LOOK_PAUSE / 2)
    assert holder.post(f"/v1/domains/{domain}/check").status_code == 200


def test_a_minute_is_counted_from_the_beginning_of_a_look_that_found_nobody(holder: Inside, probe: FakeProbe) -> None:
    probe.is_down = True
    domain = _claim(holder, "silent.example")
    answers = [holder.post(f"/v1/domains/{domain}/check").status_code for _ in range(2)]
    assert answers == [422, 429]
