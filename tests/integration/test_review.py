"""The reviewers' queue and the list of decisions: what comes first, what is beside it, and who decided it."""

import csv
import io
from datetime import timedelta
from http import HTTPStatus

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.app import create_app
from api.pages.visit import SIGN_IN
from api.service import Service
from registry import audit, checks, conflicts, negatives, quarantine, review
from registry.access import Actor, Scope
from registry.audit import Kind
from registry.checks import DecisionValue
from registry.database import Database
from registry.domain.conflicts import Outcome, Position
from registry.domain.policy import Assurance, Policy
from registry.errors import Forbidden, Invalid, NotFound
from registry.index import IndexEngine
from registry.models import AdminAction, Asset, Check, Holder
from registry.quarantine import FloodLimits, QuarantineDecision
from registry.review import Level, Order, Show, Wanted
from tests import factories
from tests.factories import AT
from tests.integration.inside import Inside
from tests.people import cookie_of

MINUTE = timedelta(minutes=1)
EVERYTHING = Wanted()
LIMITS = FloodLimits(checks=2, askers=2, window=timedelta(hours=1))


def registered(
    session: Session, index: IndexEngine, seed: int, *, policy: Policy = Policy.REVIEW,
    assurance: Assurance = Assurance.VETTED, title: str = "Night Train",
) -> Asset:  # fmt: skip
    owner = factories.actor(session, assurance=assurance)
    work = factories.work(session, owner, policy=policy, title=title)
    return factories.asset(session, owner, work, index, factories.fingerprint(seed))


def asked(
    session: Session, index: IndexEngine, seed: int, *,
    minutes: int = 0, seconds: float = 12.0, asker: Actor | None = None,
) -> Check:  # fmt: skip
    shown = factories.fingerprint(seed, seconds=seconds)
    row = factories.check(session, asker or factories.actor(session), index, shown, at=AT + minutes * MINUTE)
    assert row.verdict == "review", row.reasons
    return row


def ids(session: Session, who: Actor, wanted: Wanted = EVERYTHING) -> list[str]:
    return [one.check.id for one in review.queue(session, who, wanted)]


def test_what_is_likeliest_a_copy_to_be_stopped_comes_first_and_then_what_waits_longest(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        who = factories.reviewer(session)
        registered(session, index, 1)
        registered(session, index, 2, policy=Policy.BLOCK, assurance=Assurance.UNVERIFIED)
        old, new = asked(session, index, 1, seconds=8), asked(session, index, 1, minutes=1, seconds=8)
        urgent = asked(session, index, 2, minutes=2)
        assert ids(session, who) == [urgent.id, old.id, new.id]
        assert ids(session, who, Wanted(order=Order.AGE)) == [old.id, new.id, urgent.id]
        first, second, _ = review.queue(session, who)
        assert (first.risk.level, first.risk.is_sure, first.risk.asks_block) == (Level.HIGH, True, True)
        assert (first.risk.is_vetted, first.risk.is_long, first.titles) == (False, True, ["Night Train"])
        assert (second.risk.is_vetted, second.risk.is_long, second.risk.asks_block) == (True, False, False)


@pytest.mark.parametrize("order", list(Order))
def test_the_queue_is_walked_in_pages_and_from_one_check_to_the_next(
    database: Database, index: IndexEngine, order: Order
) -> None:
    wanted = Wanted(order=order)
    with database.transaction() as session:
        who = factories.reviewer(session)
        registered(session, index, 1)
        registered(session, index, 2, policy=Policy.BLOCK, assurance=Assurance.UNVERIFIED)
        for minutes, seed in enumerate((1, 2, 1, 2, 1)):
            asked(session, index, seed, minutes=minutes)
        whole = ids(session, who, wanted)
        paged: list[str] = []
        place = None
        while page := review.queue(session, who, wanted, after=place, limit=2):
            paged += [one.check.id for one in page]
            place = page[-1].place
        assert paged == whole
        for number, check_id in enumerate(whole):
            case = review.look(session, who, check_id, wanted)
            assert (case.number, case.waiting) == (number + 1, 5)
            assert case.before == (whole[number - 1] if number else None)
            assert case.after == (whole[number + 1] if number < 4 else None)
        checks.review(session, who, whole[1], DecisionValue.REJECT, "A copy.", at=AT)
        decided = review.look(session, who, whole[1], wanted)
        assert (decided.number, decided.waiting, decided.before, decided.after) == (None, 4, whole[0], whole[2])
        assert review.first(session, who, wanted) == whole[0]
        with pytest.raises(Invalid):
            review.queue(session, who, wanted, after="nonsense")


def test_a_part_of_the_queue_is_shown_by_what_matches_and_who_asked(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        who, asker = factories.reviewer(session), factories.actor(session)
        work = registered(session, index, 1).work
        person = factories.person(session, factories.actor(session), policy=Policy.REVIEW)
        other = registered(session, index, 2, title="Other")
        theirs, another = asked(session, index, 1, asker=asker), asked(session, index, 2, minutes=1)
        named = checks.ask(session, asker, context={"persons": [person.id]}, at=AT + 2 * MINUTE)
        nothing = factories.fingerprint(9)
        found = checks.search(session, index, nothing, timeout_s=30)
        checks.answer(session, named, found, factories.EVIDENCE, fingerprint=nothing, at=AT, rules=factories.RULES)
        assert named.verdict == "review"
        assert set(ids(session, who, Wanted(show=Show.SURE))) == {theirs.id, another.id}
        assert ids(session, who, Wanted(show=Show.PERSONS)) == [named.id]
        assert ids(session, who, Wanted(show=Show.DOUBTED)) == [named.id]
        assert set(ids(session, who, Wanted(show=Show.VIDEO))) == {theirs.id, another.id}
        assert ids(session, who, Wanted(show=Show.AUDIO)) == []
        assert set(ids(session, who, Wanted(asker=asker.holder_id))) == {theirs.id, named.id}
        assert ids(session, who, Wanted(work=other.work_id)) == [another.id]
        case = review.look(session, who, named.id)
        assert [draft.work_id for draft in case.persons] == [person.id]
        assert case.queued.risk.names_person
        assert list(review.look(session, who, theirs.id).works) == [work.id]


def test_a_reviewer_sees_what_was_decided_before_about_the_asker_and_the_work(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        who, asker = factories.reviewer(session), factories.actor(session)
        registered(session, index, 1)
        registered(session, index, 2)
        same_work = asked(session, index, 1)
        same_asker = asked(session, index, 2, asker=asker)
        checks.review(session, who, same_work.id, DecisionValue.REJECT, "A copy.", at=AT)
        checks.review(session, who, same_asker.id, DecisionValue.APPROVE, "Licensed.", at=AT + MINUTE)
        case = review.look(session, who, asked(session, index, 1, minutes=2, asker=asker).id)
        assert (case.of_asker.approved, case.of_asker.rejected) == (1, 0)
        assert [check.id for check in case.of_asker.latest] == [same_asker.id]
        assert (case.of_works.approved, case.of_works.rejected) == (0, 1)
        assert [check.id for check in case.of_works.latest] == [same_work.id]


def test_what_waits_is_counted_by_kind_and_the_operator_s_own_for_them_alone(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        registered(session, index, 1)
        asked(session, index, 1)
        registered(session, index, 1, title="The same")
        for _ in range(2):
            asker = factories.actor(session)
            row = factories.check(session, asker, index, factories.fingerprint(1), sha256=None, flood=LIMITS, at=AT)
            assert row.verdict == "review"
        reviewer, operator = factories.reviewer(session), factories.operator(session)
        counts = {one.kind: (one.count, one.since) for one in review.waiting(session, reviewer)}
        assert counts == {review.Kind.CHECKS: (3, AT), review.Kind.FINDINGS: (0, None)}
        counts = {one.kind: (one.count, one.since) for one in review.waiting(session, operator)}
        assert counts[review.Kind.CONFLICTS] == (1, AT)
        assert counts[review.Kind.QUARANTINES][0] == 2, "both files match it all"
        held = review.held(session, operator)
        assert [one.quarantine.askers for one in held] == [2, 2]
        assert {len(one.checks) for one in held} == {2, 3}
        assert review.flood(session, operator, held[0].asset.id).quarantine.id == held[0].quarantine.id
        with pytest.raises(NotFound):
            review.flood(session, operator, "ast_0")


def test_the_bank_says_in_how_many_works_its_material_was_found(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index, 1)
        operator = factories.operator(session)
        used = factories.negative(session, index, factories.fingerprint(1, seconds=6))
        unused = factories.negative(session, index, factories.fingerprint(9), at=AT + MINUTE)
        assert [(one.entry.id, one.works) for one in review.bank(session, operator)] == [(unused.id, 0), (used.id, 1)]
        assert [one.entry.id for one in review.bank(session, operator, before=unused.id)] == [used.id]


def test_all_of_it_is_for_reviewers_and_the_bank_for_the_operator(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index, 1)
        check, holder, reviewer = asked(session, index, 1), factories.actor(session), factories.reviewer(session)
        for act in (
            lambda: review.waiting(session, holder), lambda: review.queue(session, holder),
            lambda: review.look(session, holder, check.id), lambda: audit.decisions(session, holder),
            lambda: audit.people(session, holder), lambda: review.held(session, reviewer),
            lambda: review.flood(session, reviewer, "ast_0"), lambda: review.bank(session, reviewer),
        ):  # fmt: skip
            with pytest.raises(Forbidden):
                act()
        clear = factories.check(session, holder, index, factories.fingerprint(77))
        with pytest.raises(NotFound):
            review.look(session, reviewer, clear.id)


def test_every_decision_of_a_person_is_listed_with_who_made_it_and_where_the_ledger_has_it(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        reviewer, operator = factories.reviewer(session), factories.operator(session)
        earlier, later = registered(session, index, 1), registered(session, index, 1, title="The same")
        check = asked(session, index, 1)
        checks.review(session, reviewer, check.id, DecisionValue.REJECT, "A copy.", at=AT + MINUTE)
        [conflict] = conflicts.open_of(session, later.id)
        for asset, position in ((earlier, Position.MINE), (later, Position.MINE)):
            said = conflicts.NewStatement(position=position, text="We shot it.")
            conflicts.state_a_position(session, factories.actor_of(asset.work.holder), conflict.id, said, at=AT)
        conflicts.decide(session, operator, conflict.id, Outcome.EARLIER, "The slate.", at=AT + 2 * MINUTE)
        entry = factories.negative(session, index, factories.fingerprint(9), at=AT + 3 * MINUTE)
        negatives.remove(session, operator, entry.id, at=AT + 4 * MINUTE)
        session.flush()
        act = session.scalars(sa.select(AdminAction)).one()
        rows = audit.decisions(session, reviewer)
        assert [(row.kind, row.record, row.decision) for row in rows] == [
            (Kind.OPERATOR, act.id, "negative_removed"), (Kind.NEGATIVE, entry.id, "added"),
            (Kind.CONFLICT, conflict.id, "earlier"), (Kind.CHECK, check.id, "reject"),
        ]  # fmt: skip
        assert [row.at for row in rows] == [AT + n * MINUTE for n in (4, 3, 2, 1)]
        assert all(row.entry is not None for row in rows)
        assert len({row.entry for row in rows}) == 4
        name = session.get_one(Holder, reviewer.holder_id).name
        assert (rows[-1].who, rows[-1].by, rows[-1].reason) == (name, reviewer.holder_id, "A copy.")
        assert (rows[0].by, rows[0].about) == (operator.holder_id, entry.id)
        assert [row.kind for row in audit.decisions(session, reviewer, kind=Kind.CHECK)] == [Kind.CHECK]
        assert [row.kind for row in audit.decisions(session, reviewer, by=operator.holder_id)] == [
            Kind.OPERATOR, Kind.CONFLICT,
        ]  # fmt: skip
        assert audit.people(session, reviewer)[reviewer.holder_id] == name
        walked = [audit.decisions(session, reviewer, limit=1)[0]]
        while more := audit.decisions(session, reviewer, before=walked[-1].place, limit=1):
            walked += more
        assert walked == rows
        for wrong in (
            "~", "x~y", "2026-01-01~a~0", f"{AT.isoformat()}~a~b", f"{AT.isoformat()}~a~{'9' * 40}",
            f"{AT.isoformat()}~a~-1", "0001-01-01T00:00:00+14:00~a~0",
        ):  # fmt: skip
            with pytest.raises(Invalid):
                audit.decisions(session, reviewer, before=wrong)


def test_quarantines_vetting_and_keys_are_named_in_the_list(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        operator = factories.operator(session)
        asset = registered(session, index, 1, policy=Policy.BLOCK)
        for _ in range(2):
            factories.check(
                session, factories.actor(session), index, factories.fingerprint(1), sha256=None, flood=LIMITS
            )  # fmt: skip
        quarantine.decide(session, operator, asset.id, QuarantineDecision.RELEASE, "A hit.", at=AT + MINUTE)
        [row] = audit.decisions(session, operator, kind=Kind.QUARANTINE)
        assert (row.about, row.decision, row.reason, row.entry is not None) == (asset.id, "release", "A hit.", True)
        key = factories.key(session, session.get_one(Holder, operator.holder_id), Scope.ADMIN)
        assert audit.named(session, key.id) is not None
        assert audit.named(session, None) is None


def test_the_list_is_a_table_in_which_no_cell_is_a_formula(service: Service, index: IndexEngine) -> None:
    with service.database.transaction() as session:
        reviewer = factories.reviewer(session)
        registered(session, index, 1)
        for number, reason in enumerate(("=1+1", "@SUM(A1)", 'A "copy",\nand more.')):
            check = asked(session, index, 1, minutes=number)
            checks.review(session, reviewer, check.id, DecisionValue.REJECT, reason, at=AT + number * MINUTE)
        key = factories.key(session, session.get_one(Holder, reviewer.holder_id), Scope.REVIEW).key
    cookie = cookie_of(service, key)
    answer = Inside(create_app(service)).get("/review/audit.csv", headers={"Cookie": f"{SIGN_IN}={cookie}"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["reason"] for row in rows] == ['A "copy",\nand more.', "'@SUM(A1)", "'=1+1"]
    assert {(row["kind"], row["decision"], row["ledger entry"].isdigit()) for row in rows} == {
        ("check", "reject", True)
    }


def test_a_place_that_no_list_gave_is_refused(service: Service) -> None:
    with service.database.transaction() as session:
        reviewer = factories.reviewer(session)
        key = factories.key(session, session.get_one(Holder, reviewer.holder_id), Scope.REVIEW).key
    browser, cookie = Inside(create_app(service)), {"Cookie": f"{SIGN_IN}={cookie_of(service, key)}"}
    nines = "9" * 5000
    for path in (f"/review/notices?cursor={nines}", f"/review/notices?view=all&cursor={nines}",
                 f"/review/audit?cursor={AT.isoformat().replace('+', '%2B')}~x~{nines[:40]}"):  # fmt: skip
        assert browser.get(path, headers=cookie).status_code == HTTPStatus.UNPROCESSABLE_ENTITY, path
    assert browser.get(f"/review/notices?cursor={nines[:40]}", headers=cookie).status_code == HTTPStatus.OK
