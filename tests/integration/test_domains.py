"""Domains: what only their master can publish shows a holder; one day's failure ends nothing, several in a row do."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from api.runner import Runner
from api.service import Service
from registry import domains
from registry.access import Actor, Scope
from registry.domain.policy import Assurance
from registry.domains import FAILURES_TO_LAPSE, SILENCES_TO_LAPSE, Method, Unreachable
from registry.errors import Forbidden, Invalid, NotFound
from registry.jobs import MAX_ATTEMPTS, JobKind
from registry.models import Domain, Holder, Job
from tests import factories
from tests.factories import AT
from tests.fakes import Clock, FakeProbe


@pytest.fixture
def master(service: Service) -> Actor:
    with service.database.transaction() as session:
        return factories.actor(session, Scope.HOLDER_WRITE, assurance=Assurance.UNVERIFIED)


def _claimed(service: Service, master: Actor, name: str = "studio.example") -> Domain:
    with service.database.transaction() as session:
        return domains.claim(session, master, name, at=service.now())


def _looked(service: Service, domain: Domain) -> None:
    with service.database.transaction() as session:
        row = session.get_one(Domain, domain.id)
        domains.saw(session, row, domains.look(service.probe, row.name, row.proof), at=service.now())


def _assurance(service: Service, master: Actor) -> str:
    with service.database.reading() as session:
        return session.get_one(Holder, master.holder_id).assurance


def _run_due(service: Service) -> None:
    with service.database.reading() as session:
        due = sa.select(Job.id).where(Job.kind == JobKind.DOMAIN, Job.state == "queued", Job.run_at <= service.now())
        found = list(session.scalars(due))
    for job_id in found:
        Runner(service).run(job_id)


@pytest.mark.parametrize("method", list(Method))
def test_a_text_that_only_the_domains_master_can_publish_shows_the_holder(
    service: Service, master: Actor, probe: FakeProbe, method: Method
) -> None:
    domain = _claimed(service, master)
    _looked(service, domain)
    assert _assurance(service, master) == "unverified"
    if method is Method.DNS:
        probe.records[domains.record_name("studio.example")] = ["v=spf1", f" {domain.proof} "]
    else:
        probe.files["studio.example"] = f"something\n{domain.proof}\n"
    _looked(service, domain)
    assert _assurance(service, master) == "domain"
    with service.database.reading() as session:
        row = session.get_one(Domain, domain.id)
        assert (row.method, row.problem, row.verified_at) == (method.value, None, AT)


def test_anothers_text_shows_nothing(service: Service, master: Actor, probe: FakeProbe) -> None:
    domain = _claimed(service, master)
    probe.records[domains.record_name("studio.example")] = [domain.proof[:-1], "clearmark-verification="]
    probe.files["studio.example"] = f"x{domain.proof}"
    _looked(service, domain)
    assert _assurance(service, master) == "unverified"


def test_a_domain_lapses_when_its_text_is_gone_for_some_days(
    service: Service, master: Actor, probe: FakeProbe, clock: Clock
) -> None:
    domain = _claimed(service, master)
    name = domains.record_name("studio.example")
    probe.records[name] = [domain.proof]
    _looked(service, domain)
    clock.pass_by(timedelta(days=1))
    _run_due(service)
    probe.records.clear()
    for day in range(FAILURES_TO_LAPSE):
        assert _assurance(service, master) == "domain", f"after {day} days"
        clock.pass_by(timedelta(days=1))
        _run_due(service)
    assert _assurance(service, master) == "unverified"
    clock.pass_by(timedelta(days=2))
    _run_due(service)  # nobody looks any more
    probe.records[name] = [domain.proof]
    _looked(service, domain)
    assert _assurance(service, master) == "domain"


def test_one_bad_day_is_forgotten(service: Service, master: Actor, probe: FakeProbe, clock: Clock) -> None:
    domain = _claimed(service, master)
    name = domains.record_name("studio.example")
    for found in ([domain.proof], [], [], [domain.proof], [], []):
        probe.records[name] = found
        _looked(service, domain)
        clock.pass_by(timedelta(days=1))
    assert _assurance(service, master) == "domain"


def test_some_days_without_an_answer_are_not_held_against_a_domain(
    service: Service, master: Actor, probe: FakeProbe, clock: Clock
) -> None:
    domain = _claimed(service, master)
    probe.records[domains.record_name("studio.example")] = [domain.proof]
    _looked(service, domain)
    probe.is_down = True
    for _ in range(SILENCES_TO_LAPSE - 1):
        clock.pass_by(timedelta(days=1))
        _run_due(service)
    assert _assurance(service, master) == "domain"
    with pytest.raises(Unreachable):
        domains.look(probe, domain.name, domain.proof)
    probe.is_down = False
    clock.pass_by(timedelta(days=1))
    _run_due(service)
    with service.database.reading() as session:
        assert session.get_one(Domain, domain.id).checked_at == service.now()


def test_a_domain_about_which_nobody_answers_lapses_in_the_end(
    service: Service, master: Actor, probe: FakeProbe, clock: Clock
) -> None:
    domain = _claimed(service, master)
    probe.records[domains.record_name("studio.example")] = [domain.proof]
    _looked(service, domain)
    probe.is_down = True
    for day in range(SILENCES_TO_LAPSE):
        assert _assurance(service, master) == "domain", f"after {day} days"
        clock.pass_by(timedelta(days=1))
        _run_due(service)
    assert _assurance(service, master) == "unverified"
    with service.database.reading() as session:
        row = session.get_one(Domain, domain.id)
        assert (row.lapsed_at, row.problem) == (service.now(), "no answer about _clearmark.studio.example")


def test_silence_does_not_hasten_what_ends_a_domain(
    service: Service, master: Actor, probe: FakeProbe, clock: Clock
) -> None:
    domain = _claimed(service, master)
    probe.records[domains.record_name("studio.example")] = [domain.proof]
    _looked(service, domain)
    probe.records.clear()

    def later(*, silent: bool) -> str:
        probe.is_down = silent
        clock.pass_by(timedelta(days=1))
        _run_due(service)
        return _assurance(service, master)

    for _ in range(FAILURES_TO_LAPSE - 1):
        assert {later(silent=True) for _ in range(SILENCES_TO_LAPSE - 1)} == {"domain"}
        assert later(silent=False) == "domain"
    assert later(silent=True) == "domain"
    assert later(silent=False) == "unverified"


def test_a_file_is_found_where_the_dns_is_silent(service: Service, master: Actor, probe: FakeProbe) -> None:
    domain = _claimed(service, master)
    probe.is_down, probe.files["studio.example"] = True, domain.proof
    _looked(service, domain)
    assert _assurance(service, master) == "domain"


def test_however_often_a_domain_is_claimed_and_let_go_one_look_at_it_is_arranged(
    service: Service, master: Actor, probe: FakeProbe, clock: Clock
) -> None:
    def looks() -> int:
        with service.database.reading() as session:
            waiting = sa.select(sa.func.count()).where(Job.kind == JobKind.DOMAIN, Job.state == "queued")
            return session.scalars(waiting).one()

    for _ in range(4):
        domain = _claimed(service, master)
        probe.records[domains.record_name("studio.example")] = [domain.proof]
        _looked(service, domain)
        assert looks() == 1
        with service.database.transaction() as session:
            domains.let_go(session, master, domain.id, at=service.now())
    domain = _claimed(service, master)
    probe.records[domains.record_name("studio.example")] = [domain.proof]
    _looked(service, domain)
    for _ in range(3):
        clock.pass_by(timedelta(days=1))
        _run_due(service)
        assert looks() == 1


def test_a_domain_is_looked_at_again_also_when_a_job_was_given_up(
    service: Service, master: Actor, probe: FakeProbe, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = _claimed(service, master)
    probe.records[domains.record_name("studio.example")] = [domain.proof]
    _looked(service, domain)

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(FakeProbe, "texts", broken)
        for _ in range(MAX_ATTEMPTS):
            clock.pass_by(timedelta(days=1))
            _run_due(service)
    clock.pass_by(timedelta(days=1))
    _run_due(service)
    with service.database.reading() as session:
        assert session.get_one(Domain, domain.id).checked_at == service.now()


def test_a_domain_that_is_let_go_no_longer_counts(
    service: Service, master: Actor, probe: FakeProbe, clock: Clock
) -> None:
    domain = _claimed(service, master)
    probe.records[domains.record_name("studio.example")] = [domain.proof]
    _looked(service, domain)
    with service.database.transaction() as session:
        with pytest.raises(NotFound):
            domains.let_go(session, factories.actor(session, Scope.HOLDER_WRITE), domain.id, at=AT)
        domains.let_go(session, master, domain.id, at=AT)
        assert domains.of_holder(session, master) == []
        with pytest.raises(NotFound):
            domains.own(session, master, domain.id)
    assert _assurance(service, master) == "unverified"
    clock.pass_by(timedelta(days=2))
    _run_due(service)
    again = _claimed(service, master)
    assert again.proof != domain.proof, "what stands there still is of another time"
    _looked(service, again)
    assert _assurance(service, master) == "unverified"


@pytest.mark.parametrize(
    ("written", "name"),
    [("Studio.Example.", "studio.example"), (" münchen.example ", "xn--mnchen-3ya.example")],
)
def test_a_domain_is_written_in_one_way(service: Service, master: Actor, written: str, name: str) -> None:
    assert _claimed(service, master, written).name == name
    assert _claimed(service, master, name).id == _claimed(service, master, written).id


@pytest.mark.parametrize(
    "name",
    ["localhost", "10.0.0.1", "[::1]", "https://studio.example", "studio.example/x", "a..example", "-a.example",
     "studio.example:80", "user@studio.example", "_x.example", "x" * 64 + ".example", "a." * 130 + "io", "\x00.io"],
)  # fmt: skip
def test_what_is_no_domain_is_refused(service: Service, master: Actor, name: str) -> None:
    with pytest.raises(Invalid, match="domain name alone"):
        _claimed(service, master, name)


def test_who_may_not_speak_for_the_holder_cannot_name_a_domain(service: Service) -> None:
    with service.database.transaction() as session, pytest.raises(Forbidden):
        domains.claim(session, factories.actor(session), "studio.example", at=AT)


def test_those_answer_for_a_holder_that_are_shown_now(service: Service, master: Actor, probe: FakeProbe) -> None:
    shown, gone, _never = (_claimed(service, master, f"{name}.example") for name in ("shown", "gone", "never"))
    for domain in (shown, gone):
        probe.files[domain.name] = domain.proof
        _looked(service, domain)
    with service.database.transaction() as session:
        assert domains.answering(session, master.holder_id) == ["gone.example", "shown.example"]
        domains.let_go(session, master, gone.id, at=service.now())
        assert domains.answering(session, master.holder_id) == ["shown.example"]
        assert domains.answering(session, factories.actor(session).holder_id) == []
