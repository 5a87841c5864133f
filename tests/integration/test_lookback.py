"""Looking back: what was checked before a work came is searched for it, others' alone, once, from where it ended."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api import housekeeping
from api.routes import conflicts
from api.runner import Runner
from api.service import Service
from fingerprinting.model import Fingerprint
from registry import ledger, lookback, works
from registry.access import ROLE_SCOPES, Actor, Role, Scope
from registry.checks import FindingDecision
from registry.domain.policy import Policy
from registry.domain.telling import rough_score
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.index import fingerprint_of
from registry.jobs import JobKind
from registry.models import Account, Check, Finding, Holder, Job, LookBack, Mail, Membership, OutboxMessage, Release
from tests import factories
from tests.factories import AT
from tests.fakes import Clock
from tests.integration.inside import Browser

LATER = AT + timedelta(hours=1)
FILM, OTHER = factories.fingerprint(1, seconds=12), factories.fingerprint(2, seconds=12)


def _asked(service: Service, shown: Fingerprint, who: Actor | None = None) -> str:
    with service.database.transaction() as session:
        asker = who or factories.actor_of(factories.holder(session, webhook_url="https://x.example/"))
        check = factories.check(session, asker, service.index, shown)
        assert check.verdict == "clear"
        return check.id


def _asker(session: Session, check: Check) -> Actor:
    return factories.actor_of(session.get_one(Holder, check.holder_id))


def _looked_back(service: Service, owner: Actor | None = None, **said: object) -> str:
    """A film that comes an hour later, looked for to the end."""
    with service.database.transaction() as session:
        holder = owner or factories.actor_of(factories.holder(session, webhook_url="https://y.example/"))
        work = factories.work(session, holder, at=LATER, **said)
        asset = factories.asset(session, holder, work, service.index, FILM, at=LATER)
        row = lookback.arrange(session, asset, at=LATER)
        job_id = session.scalars(sa.select(Job.id).where(Job.subject_id == row.id)).one()
    Runner(service).run(job_id)
    return row.id


@pytest.fixture(autouse=True)
def _an_hour_later(clock: Clock) -> None:
    clock.at = LATER


def _findings(service: Service) -> list[Finding]:
    with service.database.reading() as session:
        return list(session.scalars(sa.select(Finding)))


def test_what_was_clear_before_the_work_came_is_found(service: Service) -> None:
    piece = factories.mixed(OTHER, factories.fingerprint(1, seconds=8, start_s=2))
    check_id = _asked(service, piece)
    _asked(service, OTHER)
    row_id = _looked_back(service)
    [finding] = _findings(service)
    assert (finding.check_id, finding.verdict, finding.decision) == (check_id, "block", None)
    [segment] = finding.segments
    assert segment["query_start_s"] == pytest.approx(12, abs=1)
    assert segment["reference_start_s"] == pytest.approx(2, abs=1)
    with service.database.reading() as session:
        row = session.get_one(LookBack, row_id)
        assert (row.looked_at, row.found, row.finished_at) == (2, 1, LATER)
        assert session.get_one(Check, check_id).verdict == "clear"  # what was answered stays


def test_of_a_finding_the_longest_stretch_is_played(service: Service) -> None:
    check_id = _asked(service, FILM)
    with service.database.transaction() as session:
        owner, check = factories.holder(session), session.get_one(Check, check_id)
        factories.release(session, _asker(session, check), check)
        browser = Browser(service, factories.key(session, owner).key)
    _looked_back(service, factories.actor_of(owner))
    with service.database.transaction() as session:
        finding = session.scalars(sa.select(Finding)).one()
        [one] = finding.segments
        late = {**one, "query_start_s": one["query_end_s"] - 1}
        finding.segments = [late, one]
    page = browser.get(f"/matches/findings/{finding.id}").text
    assert f'data-query="{one["query_start_s"]} {one["query_end_s"]}"' in page


def test_of_a_confidential_work_the_asker_is_told_a_rough_score_and_its_holder_the_exact_one(service: Service) -> None:
    check_id = _asked(service, FILM)
    with service.database.transaction() as session:
        check = session.get_one(Check, check_id)
        owner, asker, reviewer = factories.actor(session), _asker(session, check), factories.reviewer(session)
        factories.release(session, asker, check)
    _looked_back(service, owner, confidential=True)
    [finding] = _findings(service)
    [exact] = {segment["score"] for segment in finding.segments}
    assert exact != rough_score(exact)
    told = [
        {segment.score for segment in conflicts.get_finding(finding.id, who, service).segments}
        for who in (asker, owner, reviewer)
    ]
    assert told == [{rough_score(exact)}, {exact}, {exact}]


def test_ones_own_output_is_no_finding(service: Service) -> None:
    with service.database.transaction() as session:
        owner = factories.actor(session)
    _asked(service, FILM, owner)
    _looked_back(service, owner)
    assert _findings(service) == []


def test_a_work_whose_holder_only_wants_to_be_told_makes_no_finding(service: Service) -> None:
    _asked(service, FILM)
    _looked_back(service, policy=Policy.NOTIFY)
    assert _findings(service) == []


def test_the_holder_and_the_pipeline_are_told_and_the_ledger_knows(service: Service) -> None:
    check_id = _asked(service, FILM)
    with service.database.transaction() as session:
        check = session.get_one(Check, check_id)
        factories.release(session, _asker(session, check), check)
    _looked_back(service)
    [finding] = _findings(service)
    with service.database.transaction() as session:
        told = session.scalars(sa.select(OutboxMessage).where(OutboxMessage.event == "finding.made")).all()
        by_holder = {message.holder_id: message.payload for message in told}
        assert by_holder[finding.check.holder_id]["check_id"] == check_id
        assert "check_id" not in by_holder[finding.work.holder_id]
        assert ledger.last_entry_of(session, finding.id) is not None
        assert list(ledger.verify(session, verifier_key=service.ledger.verifier_key)) == []


def test_it_goes_on_where_it_ended_and_finds_nothing_twice(service: Service) -> None:
    for _ in range(3):
        _asked(service, FILM)
    row_id = _looked_back(service)
    with service.database.transaction() as session:
        row = session.get_one(LookBack, row_id)
        assert lookback.next_past(session, row, limit=10) == []
        first = session.scalars(sa.select(Finding)).first()
        assert first is not None
        session.delete(first)
        row.item_number = 0
    with service.database.transaction() as session:
        row = session.get_one(LookBack, row_id)
        past = lookback.next_past(session, row, limit=10)
        alone = service.index.one_alone(session, row.asset_id)
        assert alone is not None
        made = lookback.note(
            session, row, [(one, alone.in_query(one.fingerprint)) for one in past], factories.RULES, at=LATER
        )
        assert len(made) == 1


def test_what_was_asked_after_the_work_came_was_asked_about_it(service: Service, clock: Clock) -> None:
    row_id = _looked_back(service)
    clock.pass_by(timedelta(hours=1))
    with service.database.transaction() as session:
        factories.check(session, factories.actor(session), service.index, FILM, at=clock())
        assert lookback.next_past(session, session.get_one(LookBack, row_id), limit=10) == []


def test_fingerprints_of_checks_are_kept_as_long_as_the_operator_says(service: Service, clock: Clock) -> None:
    released, checked = _asked(service, FILM), _asked(service, FILM)
    with service.database.transaction() as session:
        check = session.get_one(Check, released)
        factories.release(session, _asker(session, check), check)
    clock.pass_by(timedelta(days=366))
    housekeeping.forget_fingerprints(service)
    with service.database.transaction() as session:
        assert fingerprint_of(session, checked) is None
        holder = factories.actor(session)
        asset = factories.asset(session, holder, factories.work(session, holder), service.index, FILM, at=clock())
        row = lookback.arrange(session, asset, at=clock())
        # Its release is kept.
        assert [past.check_id for past in lookback.next_past(session, row, limit=10)] == [released]


def test_a_reviewer_decides_once_and_may_disable_the_release(service: Service) -> None:
    check_id = _asked(service, FILM)
    with service.database.transaction() as session:
        check = session.get_one(Check, check_id)
        release = factories.release(session, _asker(session, check), check)
    _looked_back(service)
    [finding] = _findings(service)
    assert finding.release_id == release.id
    with service.database.transaction() as session:
        reviewer = factories.reviewer(session)
        with pytest.raises(Invalid, match="finding that holds"):
            lookback.decide(
                session, reviewer, finding.id, FindingDecision.DISMISS, "A parody.", disables=True, at=LATER
            )
        lookback.decide(session, reviewer, finding.id, FindingDecision.UPHOLD, "A copy.", disables=True, at=LATER)
        assert session.get_one(Release, release.id).state == "disabled"
        with pytest.raises(Conflict, match="decided already"):
            lookback.decide(session, reviewer, finding.id, FindingDecision.DISMISS, "Or not.", at=LATER)


def test_a_finding_is_seen_by_those_concerned_alone(service: Service) -> None:
    _asked(service, FILM)
    _looked_back(service)
    [finding] = _findings(service)
    with service.database.transaction() as session:
        stranger = factories.actor(session)
        with pytest.raises(NotFound):
            lookback.visible(session, stranger, finding.id)
        with pytest.raises(Forbidden):
            lookback.decide(session, stranger, finding.id, FindingDecision.UPHOLD, "Mine.", at=LATER)
        assert session.scalars(lookback.listed(stranger, is_open=True)).all() == []
        who = Actor(holder_id=finding.check.holder_id, scopes=frozenset({Scope.CHECKS_WRITE}))
        assert [row.id for row in session.scalars(lookback.listed(who, is_open=True))] == [finding.id]


def test_what_never_went_out_is_told_to_the_holder_only_once_upheld(service: Service) -> None:
    _asked(service, FILM)
    _looked_back(service)
    [finding] = _findings(service)
    holder = Actor(holder_id=finding.work.holder_id, scopes=frozenset({Scope.WORKS_WRITE}))
    with service.database.transaction() as session:
        assert session.scalars(lookback.listed(holder, is_open=False)).all() == []
        with pytest.raises(NotFound):
            lookback.visible(session, holder, finding.id)
        told = sa.select(OutboxMessage.event).where(OutboxMessage.holder_id == holder.holder_id)
        assert "finding.made" not in session.scalars(told).all()
        reviewer = factories.reviewer(session)
        lookback.decide(session, reviewer, finding.id, FindingDecision.UPHOLD, "A copy.", at=LATER)
        assert lookback.visible(session, holder, finding.id).id == finding.id
        assert [row.id for row in session.scalars(lookback.listed(holder, is_open=False))] == [finding.id]
        assert "finding.decided" in session.scalars(told).all()


def _with_a_reader(session: Session, email: str) -> Actor:
    holder = factories.holder(session)
    account = Account(id=f"acc_{email}", email=email, name="Somebody", email_confirmed_at=AT, created_at=AT)
    session.add(account)
    session.add(Membership(account_id=account.id, holder_id=holder.id, role="owner", added_at=AT))
    return factories.actor_of(holder)


def test_people_are_written_to(service: Service) -> None:
    with service.database.transaction() as session:
        pipeline, studio = (_with_a_reader(session, email) for email in ("paul@x.example", "ada@x.example"))
    check_id = _asked(service, FILM, pipeline)
    with service.database.transaction() as session:
        factories.release(session, pipeline, session.get_one(Check, check_id))
    _looked_back(service, studio)
    [finding] = _findings(service)
    with service.database.transaction() as session:
        reviewer = factories.reviewer(session)
        lookback.decide(session, reviewer, finding.id, FindingDecision.UPHOLD, "A copy.", at=LATER)
        letters = [(mail.recipient, mail.subject) for mail in session.scalars(sa.select(Mail))]
    assert sorted(letters) == [
        ("ada@x.example", "“Night Train”: an earlier output copies it"),
        ("ada@x.example", "“Night Train”: the copy was looked at"),
        ("paul@x.example", "An earlier output of yours copies “Night Train”"),
        ("paul@x.example", "The likeness to “Night Train” was looked at"),
    ]


def test_a_title_adds_no_line_to_a_letter_and_a_reason_stands_in_it_whole(service: Service) -> None:
    with service.database.transaction() as session:
        pipeline = _with_a_reader(session, "paul@x.example")
    _asked(service, FILM, pipeline)
    _looked_back(service, title="Film\r\nBcc: b@evil.example\n\nYour account was attacked.")
    [finding] = _findings(service)
    reason = "A copy. " * 100
    with service.database.transaction() as session:
        legal = replace(pipeline, scopes=ROLE_SCOPES[Role.LEGAL])
        assert lookback.visible(session, legal, finding.id) is not None, "letters go to them too"
        assert session.scalars(lookback.listed(legal, is_open=True)).all() != []
        lookback.decide(session, factories.reviewer(session), finding.id, FindingDecision.UPHOLD, reason, at=LATER)
        texts = [str(mail.text) for mail in session.scalars(sa.select(Mail))]
    assert len(texts) == 2
    for text in texts:
        assert "Your account was attacked." in text
        assert not [line for line in text.splitlines() if line.startswith(("Bcc", "Your account"))]
    assert [reason.strip() in text for text in texts].count(True) == 1


def test_a_clip_that_was_found_to_copy_a_later_work_is_not_released(service: Service) -> None:
    check_id = _asked(service, FILM)
    _looked_back(service)
    [finding] = _findings(service)
    with service.database.transaction() as session:
        check = session.get_one(Check, check_id)
        with pytest.raises(Conflict, match="copy a work that came after it"):
            factories.release(session, _asker(session, check), check)
        reviewer = factories.reviewer(session)
        lookback.decide(session, reviewer, finding.id, FindingDecision.DISMISS, "A parody.", at=LATER)
        factories.release(session, _asker(session, check), check)


def test_an_asset_that_came_through_its_job_is_looked_for(service: Service) -> None:
    check_id = _asked(service, FILM)
    with service.database.transaction() as session:
        holder = factories.actor(session)
        work = factories.work(session, holder, at=LATER)
        asset = works.add_fingerprint(session, holder, work.id, FILM, at=LATER)
        job_id, _ = works.job_of(session, asset)
    Runner(service).run(job_id)
    with service.database.reading() as session:
        looking = session.scalars(sa.select(Job.id).where(Job.kind == JobKind.LOOK_BACK)).one()
    Runner(service).run(looking)
    assert [finding.check_id for finding in _findings(service)] == [check_id]


def test_a_release_is_not_looked_at_twice(service: Service) -> None:
    check_id = _asked(service, FILM)
    with service.database.transaction() as session:
        check = session.get_one(Check, check_id)
        factories.release(session, _asker(session, check), check)
    row_id = _looked_back(service)
    with service.database.reading() as session:
        assert session.get_one(LookBack, row_id).looked_at == 1
