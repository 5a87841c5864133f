"""What holders said, and what holds for a work at any time one asks."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import domains, preferences, reservations, works
from registry.access import Actor, Scope
from registry.database import Database
from registry.domain.policy import Assurance
from registry.domain.preferences import Answer, Use, Value
from registry.domain.preferences import Scope as Reach
from registry.domains import Look, Method
from registry.errors import Forbidden, Invalid, NotFound
from registry.index import IndexEngine
from registry.locations import path_covers, path_of
from registry.models import Asset, Holder, Reservation, Work
from registry.preferences import Asked
from registry.reservations import NewReservation
from tests import factories
from tests.factories import AT, SHA256
from tests.integration.at_once import overlapping
from tests.integration.plans import index_of, plans_of

DAY = timedelta(days=1)
NOTHING_SAID = NewReservation(use=Use.TRAIN, value=Value.RESERVED)


def declare(session: Session, owner: Actor, about: Work | None, *, at: datetime = AT, **said: Any) -> Reservation:
    """A word on training; about no work, it is about the whole catalogue."""
    where: dict[str, Any] = {"work_id": about.id} if about else {"scope": Reach.CATALOGUE}
    return reservations.declare(session, owner, replace(NOTHING_SAID, **where | said), at=at)


def answer(session: Session, work: Work, *, at: datetime = AT, use: Use = Use.TRAIN) -> str:
    return preferences.effective(session, session.get_one(Work, work.id), [use], at=at)[use].answer.value


def owned(session: Session, **fields: Any) -> tuple[Actor, Work]:
    owner = factories.actor(session, **fields)
    return owner, factories.work(session, owner)


def test_silence_is_not_consent(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        declare(session, owner, work, use=Use.SEARCH, value=Value.ALLOWED)
        holding = preferences.effective(session, work, list(Use), at=AT)
    assert {use for use, effective in holding.items() if effective.answer is not Answer.UNSET} == {Use.SEARCH}
    assert holding[Use.TRAIN].declarations == ()


def test_a_new_word_supersedes_and_the_past_stays_as_it_was(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        declare(session, owner, work, value=Value.RESERVED)
        declare(session, owner, work, value=Value.ALLOWED, at=AT + 2 * DAY)
        declare(session, owner, work, value=Value.CONSTRAINED, terms_url="https://t.example", at=AT + 4 * DAY)
    with database.reading() as session:
        asked = [answer(session, work, at=AT + days * DAY) for days in (-1, 0, 1, 2, 3, 4, 5)]
        assert [row.value for row in reservations.of_work(session, owner, work.id)] == [
            "reserved",
            "allowed",
            "constrained",
        ]
    assert asked == ["unset", "reserved", "reserved", "allowed", "allowed", "constrained", "constrained"]


def test_a_word_on_another_use_or_territory_supersedes_nothing(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        other = factories.work(session, owner)
        declare(session, owner, work, value=Value.RESERVED)
        declare(session, owner, work, value=Value.ALLOWED, use=Use.SEARCH)
        declare(session, owner, work, value=Value.ALLOWED, territory="FR")
        declare(session, owner, other, value=Value.ALLOWED)
        declare(session, owner, None, value=Value.ALLOWED)
        assert answer(session, work) == "reserved"
        assert session.scalars(sa.select(Reservation).where(Reservation.superseded_at.is_not(None))).all() == []


def test_a_withdrawn_word_ends_and_stays_on_record(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        said = declare(session, owner, work)
        reservations.withdraw(session, owner, said.id, at=AT + DAY)
    with database.reading() as session:
        assert answer(session, work, at=AT + DAY - timedelta(microseconds=1)) == "reserved"
        assert answer(session, work, at=AT + DAY) == "unset"
        assert [row.id for row in reservations.of_work(session, owner, work.id)] == [said.id]


def test_a_word_is_withdrawn_once_by_who_said_it_and_where_it_was_said(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        stranger, other = owned(session)
        said = declare(session, owner, work)
        with pytest.raises(NotFound):
            reservations.withdraw(session, stranger, said.id, at=AT)
        with pytest.raises(NotFound):
            reservations.withdraw(session, owner, said.id, work_id=other.id, at=AT)
        reservations.withdraw(session, owner, said.id, work_id=work.id, at=AT)
        with pytest.raises(NotFound):
            reservations.withdraw(session, owner, said.id, at=AT)


def test_withdrawing_a_work_withdraws_what_was_said_of_it(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        said = declare(session, owner, work)
        of_all = declare(session, owner, None)
        works.withdraw(session, owner, work.id, at=AT + DAY)
    with database.reading() as session:
        assert session.get_one(Reservation, said.id).withdrawn_at == AT + DAY
        assert session.get_one(Reservation, of_all.id).withdrawn_at is None


def test_what_is_said_for_later_leaves_today_as_it_is(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        declare(session, owner, work, value=Value.RESERVED)
        declare(session, owner, work, value=Value.ALLOWED, valid_from=AT + 10 * DAY)
        asked = [answer(session, work, at=AT + days * DAY) for days in (0, 9, 10, 11)]
    assert asked == ["reserved", "reserved", "allowed", "allowed"]


def test_what_is_said_today_is_not_true_of_yesterday(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        declare(session, owner, work, valid_from=AT - 10 * DAY)
        assert [answer(session, work, at=AT + days * DAY) for days in (-5, 0)] == ["unset", "reserved"]


def test_a_word_ends_when_it_says_so(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        declare(session, owner, work, valid_until=AT + DAY)
        assert [answer(session, work, at=AT + days * DAY) for days in (0, 1)] == ["reserved", "unset"]


@pytest.mark.parametrize(
    "limits",
    [
        {"valid_until": AT},
        {"valid_until": AT - DAY},
        {"valid_from": AT - 3 * DAY, "valid_until": AT - 2 * DAY},
        {"valid_from": AT + 2 * DAY, "valid_until": AT + DAY},
    ],
)
def test_a_word_that_is_never_in_force_is_refused_and_supersedes_nothing(
    database: Database, limits: dict[str, datetime]
) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        declare(session, owner, work, value=Value.RESERVED)
        with pytest.raises(Invalid) as refused:
            declare(session, owner, work, value=Value.ALLOWED, **limits)
        assert refused.value.field == "valid_until"
        assert answer(session, work) == "reserved"


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("territory", {"territory": "Europe"}),
        ("territory", {"territory": "fr"}),
        ("terms_url", {"terms_url": "javascript:alert(1)"}),
        ("work_id", {"work_id": None}),
        ("asset_id", {"scope": Reach.ASSET}),
        ("asset_id", {"scope": Reach.ASSET, "asset_id": "ast_0"}),
        ("location", {"scope": Reach.LOCATION, "work_id": None, "location": "/films/*"}),
        ("location", {"scope": Reach.LOCATION, "work_id": None, "location": "https://*.example/"}),
        ("location", {"scope": Reach.LOCATION, "work_id": None}),
    ],
)
def test_a_word_that_makes_no_sense_is_refused(database: Database, field: str, said: dict[str, Any]) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        with pytest.raises(Invalid) as refused:
            declare(session, owner, work, **said)
        assert refused.value.field == field
    with database.reading() as session:
        assert session.scalars(sa.select(Reservation)).all() == []


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ({}, "ix_reservations_work_id"),
        ({"scope": Reach.ASSET}, "ix_reservations_asset_id"),
        ({"scope": Reach.CATALOGUE, "work_id": None}, "ix_reservations_of_catalogues"),
        ({"scope": Reach.LOCATION, "work_id": None, "location": "a.example"}, "ix_reservations_location_host"),
    ],
)
def test_what_a_word_supersedes_is_found_however_much_its_holder_said(
    sqlite_database: Database, said: dict[str, Any], index: str
) -> None:
    with sqlite_database.reading() as session:  # and nothing is kept
        owner, work = owned(session)
        uploaded(session, owner, work)
        session.flush()
        about = {"work_id": work.id} | said
        if about.get("scope") is Reach.ASSET:
            about["asset_id"] = asset_id(session, SHA256)
        word = replace(NOTHING_SAID, **about)
        plans = plans_of(session, lambda: reservations.declare(session, owner, word, at=AT))
    assert {index_of(step) for step in plans if step.startswith("SEARCH reservations ")} == {index}


def test_only_the_owner_speaks_of_a_work(database: Database) -> None:
    with database.transaction() as session:
        _, work = owned(session)
        stranger = factories.actor(session)
        with pytest.raises(NotFound):
            declare(session, stranger, work)
        with pytest.raises(NotFound):
            reservations.of_work(session, stranger, work.id)
        with pytest.raises(Forbidden):
            declare(session, factories.actor(session, Scope.CHECKS_WRITE), None)


def test_a_word_on_the_catalogue_holds_for_each_of_the_holders_works_and_no_others(database: Database) -> None:
    with database.transaction() as session:
        owner, first = owned(session)
        _, anothers = owned(session)
        declare(session, owner, None, value=Value.RESERVED)
        second = factories.work(session, owner)  # also for what comes later
        assert [answer(session, work) for work in (first, second, anothers)] == ["reserved", "reserved", "unset"]
        declare(session, owner, first, value=Value.ALLOWED)
        assert answer(session, first) == "reserved"  # the most restrictive of one owner's words wins


def test_a_permission_for_one_place_is_none_for_the_world(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        declare(session, owner, work, value=Value.ALLOWED, territory="FR")
        assert answer(session, work) == "unset"
        declare(session, owner, work, value=Value.RESERVED, territory="DE")
        assert answer(session, work) == "reserved"


def test_rivals_who_disagree_make_it_disputed(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        (first, ours), (second, theirs) = owned(session), owned(session)
        factories.asset(session, first, ours, index, factories.fingerprint(1))
        factories.asset(session, second, theirs, index, factories.fingerprint(1))
        declare(session, first, ours, value=Value.ALLOWED)
        assert answer(session, ours) == "disputed"  # the other has not agreed
        declare(session, second, theirs, value=Value.RESERVED)
        assert (answer(session, ours), answer(session, theirs)) == ("disputed", "disputed")
        declare(session, first, ours, value=Value.RESERVED, at=AT + DAY)
        assert answer(session, ours, at=AT + DAY) == "reserved"
        works.withdraw(session, second, theirs.id, at=AT + 2 * DAY)
        declare(session, first, ours, value=Value.ALLOWED, at=AT + 2 * DAY)
        assert answer(session, ours, at=AT + 2 * DAY) == "allowed"


def test_a_past_day_is_answered_as_it_was_also_when_it_was_disputed_or_the_work_is_gone(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        (first, ours), (second, theirs) = owned(session), owned(session)
        factories.asset(session, first, ours, index, factories.fingerprint(1))
        declare(session, first, ours, value=Value.ALLOWED)
        declare(session, second, theirs, value=Value.RESERVED)
        factories.asset(session, second, theirs, index, factories.fingerprint(1), at=AT + DAY)
        works.withdraw(session, second, theirs.id, at=AT + 2 * DAY)
        works.withdraw(session, first, ours.id, at=AT + 3 * DAY)
        days = [AT + number * DAY for number in range(4)]
        asked = [Asked(work_id=ours.id)]
        found = [next(preferences.query(session, asked, [Use.TRAIN], at=day)) for day in days]
        answers = [one.holding[Use.TRAIN].answer.value for one in found]
        assert answers == ["allowed", "disputed", "allowed", "unset"]


def test_at_a_site_whoever_showed_that_it_is_theirs_is_heard_before_all_others(database: Database) -> None:
    place = "https://films.studio.example/x"
    with database.transaction() as session:
        label, studio = factories.actor(session), factories.actor(session, assurance=Assurance.UNVERIFIED)
        for holder, value in ((label, Value.ALLOWED), (studio, Value.RESERVED)):
            said = NewReservation(use=Use.TRAIN, value=value, scope=Reach.LOCATION, location=place)
            reservations.declare(session, holder, said, at=AT)

        def heard(*, at: datetime) -> str:
            [found] = preferences.query(session, [Asked(url=place)], [Use.TRAIN], at=at)
            return found.holding[Use.TRAIN].answer.value

        master = replace(studio, scopes=studio.scopes | {Scope.HOLDER_WRITE})
        domain = domains.claim(session, master, "studio.example", at=AT)
        assert heard(at=AT) == "allowed"  # the one who is known better
        domains.saw(session, domain, Look(method=Method.DNS, problem=None), at=AT + DAY)
        session.flush()
        assert [heard(at=AT), heard(at=AT + DAY)] == ["allowed", "reserved"]
        domains.let_go(session, master, domain.id, at=AT + 2 * DAY)
        session.flush()
        assert [heard(at=AT + DAY), heard(at=AT + 2 * DAY)] == ["reserved", "allowed"]


def shown(session: Session, holder: Actor, name: str, method: Method) -> None:
    """A holder showed that a domain is theirs."""
    master = replace(holder, scopes=holder.scopes | {Scope.HOLDER_WRITE})
    domains.saw(session, domains.claim(session, master, name, at=AT), Look(method=method, problem=None), at=AT)
    session.flush()


def test_where_somebody_is_master_no_stranger_permits_anything(database: Database) -> None:
    url = Asked(url="https://studio.example/film")
    with database.transaction() as session:
        studio = factories.actor(session, assurance=Assurance.UNVERIFIED)
        place(session, factories.actor(session), "studio.example", value=Value.ALLOWED)
        assert ask(session, url) == "allowed"
        shown(session, studio, "studio.example", Method.FILE)
        assert ask(session, url) == "unset", "the master is silent, and silence is not consent"
        place(session, studio, "studio.example/press/", value=Value.RESERVED)
        assert ask(session, url) == "unset"
        assert ask(session, Asked(url="https://studio.example/press/kit")) == "reserved"


def test_a_record_speaks_for_what_lies_under_a_domain_and_a_file_for_its_host_alone(database: Database) -> None:
    hosts = "studio.example", "fans.studio.example", "a.fans.studio.example"
    with database.transaction() as session:
        studio, fan = factories.actor(session), factories.actor(session, assurance=Assurance.UNVERIFIED)
        for host in (*hosts, "music.example", "a.music.example"):
            place(session, studio, host, value=Value.ALLOWED)
            place(session, fan, host, value=Value.RESERVED)

        def heard(*hosts: str) -> list[str]:
            return [ask(session, Asked(url=f"https://{host}/x")) for host in hosts]

        shown(session, studio, "studio.example", Method.DNS)
        assert heard(*hosts) == ["allowed"] * 3
        shown(session, fan, "music.example", Method.FILE)
        assert heard("music.example", "a.music.example") == ["reserved", "allowed"]
        shown(session, fan, "fans.studio.example", Method.FILE)
        assert heard(*hosts) == ["allowed", "reserved", "allowed"], "a file on another host says nothing of this one"
        shown(session, fan, "studio.example", Method.FILE)
        assert heard(*hosts) == ["allowed", "reserved", "allowed"], "of two masters the one known better is heard"
        place(session, fan, "studio.example", value=Value.RESERVED)
        session.get_one(Holder, fan.holder_id).assurance = "vetted"
        assert heard(*hosts) == ["disputed", "reserved", "allowed"]


def test_on_anothers_host_a_holder_says_so_much_and_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations, "MOST_ON_ANOTHERS_HOST", 3)
    with database.transaction() as session:
        holder, other = factories.actor(session), factories.actor(session)
        _, second, _ = [place(session, holder, f"popular.example/{number}") for number in range(3)]
        with pytest.raises(Invalid, match="Show that the domain is yours"):
            place(session, holder, "popular.example/3")
        place(session, holder, "popular.example/0", value=Value.ALLOWED)  # instead of what stands
        place(session, holder, "another.example/3")
        place(session, other, "popular.example/3")
        with pytest.raises(Invalid):
            place(session, holder, "popular.example/3")
        reservations.withdraw(session, holder, second.id, at=AT)
        place(session, holder, "popular.example/3")
        with pytest.raises(Invalid):
            place(session, holder, "popular.example/4")
        shown(session, holder, "popular.example", Method.FILE)
        for number in range(4, 9):
            place(session, holder, f"popular.example/{number}")


def test_on_anothers_host_a_holder_says_less_of_places_with_a_star(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations, "MOST_WITH_STARS", 2)
    with database.transaction() as session:
        holder = factories.actor(session)
        for name in ("popular.example/*.mp4", "popular.example/*.mov", "popular.example/a"):
            place(session, holder, name)
        with pytest.raises(Invalid, match="2 with"):
            place(session, holder, "popular.example/*.avi")
        place(session, holder, "popular.example/b")


def test_a_place_is_read_once_however_many_urls_are_asked_about(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    compared: list[tuple[str, str]] = []

    def reading(location: str) -> str:
        read.append(location)
        return path_of(location)

    def comparing(place: str, path: str) -> bool:
        compared.append((place, path))
        return path_covers(place, path)

    monkeypatch.setattr(preferences, "path_of", reading)
    monkeypatch.setattr(preferences, "path_covers", comparing)
    with database.transaction() as session:
        flooder = factories.actor(session)
        for number in range(200):
            place(session, flooder, f"popular.example/a{number:03}/")
        for kind in ("mp4", "mov", "x/y"):
            place(session, flooder, f"popular.example/*.{kind}", value=Value.ALLOWED)
        place(session, flooder, "popular.example/*0*/x*/y", value=Value.ALLOWED)
        asked = [Asked(url=f"https://popular.example/a{number:03}/x") for number in range(100, 300)]
        found = list(preferences.query(session, asked, [Use.TRAIN], at=AT))
    assert [one.holding[Use.TRAIN].answer.value for one in found] == ["reserved"] * 100 + ["unset"] * 100
    assert len(read) == 204 + 200, "each place, and each URL"
    assert len(compared) == 100 + 200, "the place that begins as the URL does, and of those with a star the likely one"


def test_a_rival_that_is_less_well_known_cannot_weaken_a_work(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        studio, ours = owned(session, assurance=Assurance.DOMAIN)
        nobody, theirs = owned(session, assurance=Assurance.EMAIL)
        factories.asset(session, studio, ours, index, factories.fingerprint(1))
        factories.asset(session, nobody, theirs, index, factories.fingerprint(1))
        declare(session, studio, ours, value=Value.RESERVED)
        declare(session, nobody, theirs, value=Value.ALLOWED)
        declare(session, nobody, None, value=Value.ALLOWED)
        assert (answer(session, ours), answer(session, theirs)) == ("reserved", "disputed")
        assert preferences.rivals_of(session, ours, at=AT) == frozenset()
        assert preferences.rivals_of(session, theirs, at=AT) == {studio.holder_id}


def uploaded(session: Session, owner: Actor, work: Work, *, sha256: str = SHA256) -> None:
    asset = works.add_upload(session, owner, work.id, blob_key="asset_1", sha256=sha256, at=AT)
    asset.status = "indexed"


def test_a_file_is_asked_about_by_its_hash(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        uploaded(session, owner, work)
        declare(session, owner, work)
        asked = [Asked(sha256=SHA256), Asked(sha256="00" * 32), Asked(work_id=work.id), Asked(work_id="wrk_0")]
        found = list(preferences.query(session, asked, [Use.TRAIN, Use.SEARCH], at=AT))
    assert [(item.work_ids, item.holding[Use.TRAIN].answer.value) for item in found] == [
        ((work.id,), "reserved"), ((), "unset"), ((work.id,), "reserved"), ((), "unset"),
    ]  # fmt: skip
    assert found[0].holding[Use.SEARCH].answer is Answer.UNSET


def test_of_a_file_in_several_works_all_owners_are_heard(database: Database) -> None:
    with database.transaction() as session:
        (first, ours), (second, theirs) = owned(session), owned(session)
        uploaded(session, first, ours)
        uploaded(session, second, theirs)
        declare(session, first, ours, value=Value.ALLOWED)
        declare(session, second, theirs, value=Value.RESERVED)
        [found] = preferences.query(session, [Asked(sha256=SHA256)], [Use.TRAIN], at=AT)
    assert (found.work_ids, found.holding[Use.TRAIN].answer) == (tuple(sorted([ours.id, theirs.id])), Answer.DISPUTED)
    assert len(found.holding[Use.TRAIN].declarations) == 2


def test_of_a_withdrawn_work_nothing_is_known(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        uploaded(session, owner, work)
        declare(session, owner, work)
        works.withdraw(session, owner, work.id, at=AT + DAY)
        found = preferences.query(session, [Asked(sha256=SHA256), Asked(work_id=work.id)], [Use.TRAIN], at=AT + DAY)
    assert [(item.work_ids, item.holding[Use.TRAIN].answer) for item in found] == [((), Answer.UNSET)] * 2


def test_a_question_about_nothing_or_two_things_is_refused() -> None:
    for nothing in ({}, {"work_id": "wrk_0", "sha256": SHA256}):
        with pytest.raises(Invalid):
            Asked(**nothing)


def test_of_two_words_said_at_once_the_later_supersedes_the_earlier(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
    later = AT + timedelta(seconds=1)
    raised = overlapping(
        database,
        lambda session: declare(session, owner, work, value=Value.RESERVED),
        lambda session: declare(session, owner, work, value=Value.ALLOWED, at=later),
    )
    assert raised is None
    with database.reading() as session:
        assert (answer(session, work), answer(session, work, at=later)) == ("reserved", "allowed")


# -- about a time, a file, a place -----------------------------------------------------------------


def test_what_is_said_for_a_time_steps_aside_when_it_ends(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        standing = declare(session, owner, work, value=Value.RESERVED)
        declare(session, owner, work, value=Value.ALLOWED, at=AT + DAY, valid_until=AT + 3 * DAY)
        asked = [answer(session, work, at=AT + days * DAY) for days in (0, 1, 2, 3, 4)]
        assert asked == ["reserved", "allowed", "allowed", "reserved", "reserved"]
        assert standing.superseded_at is None
        then = reservations.of_work(session, owner, work.id, at=AT + 2 * DAY)
        assert [row.value for row in then] == ["reserved", "allowed"]
        assert [row.id for row in reservations.of_work(session, owner, work.id, at=AT)] == [standing.id]


def test_a_word_that_was_over_when_a_new_one_begins_is_not_superseded(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        word = declare(session, owner, work, value=Value.ALLOWED, valid_until=AT + DAY)
        lasting = declare(session, owner, work, value=Value.ALLOWED, valid_until=AT + 3 * DAY)
        declare(session, owner, work, value=Value.RESERVED, at=AT + DAY)
        assert (word.superseded_at, lasting.superseded_at) == (None, AT + DAY)


def ask(session: Session, asked: Asked, *, use: Use = Use.TRAIN, **how: Any) -> str:
    [found] = preferences.query(session, [asked], [use], at=how.pop("at", AT), **how)
    return found.holding[use].answer.value


def test_a_word_on_one_file_of_a_work_holds_for_that_file(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        uploaded(session, owner, work)
        uploaded(session, owner, work, sha256="11" * 32)
        film, trailer = asset_id(session, SHA256), asset_id(session, "11" * 32)
        declare(session, owner, work, value=Value.RESERVED)
        declare(session, owner, work, value=Value.ALLOWED, use=Use.SEARCH)
        declare(session, owner, work, scope=Reach.ASSET, asset_id=trailer, value=Value.RESERVED, use=Use.SEARCH)
        assert ask(session, Asked(sha256=SHA256), use=Use.SEARCH) == "allowed"
        assert ask(session, Asked(asset_id=film), use=Use.SEARCH) == "allowed"
        assert ask(session, Asked(sha256="11" * 32), use=Use.SEARCH) == "reserved"
        assert ask(session, Asked(asset_id=trailer), use=Use.SEARCH) == "reserved"
        assert ask(session, Asked(work_id=work.id), use=Use.SEARCH) == "allowed"
        assert ask(session, Asked(asset_id=trailer)) == "reserved"


def asset_id(session: Session, sha256: str) -> str:
    return session.scalars(sa.select(Asset.id).where(Asset.sha256 == sha256)).one()


def test_nobody_speaks_of_anothers_file(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        uploaded(session, owner, work)
        film = asset_id(session, SHA256)
        stranger, _ = owned(session)
        with pytest.raises(NotFound):
            reservations.declare(session, stranger, replace(NOTHING_SAID, scope=Reach.ASSET, asset_id=film), at=AT)


def test_a_work_is_asked_about_by_its_iscc_as_it_is_now(database: Database) -> None:
    iscc = "ISCC:KACT4EBWK27737D2AYCJRAL5Z36G76RFRMO4554RU26HZ4ORJGIVHDI"
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner, identifiers={"iscc": iscc})
        declare(session, owner, work)
        assert ask(session, Asked(iscc=iscc.removeprefix("ISCC:").lower())) == "reserved"
        works.change(session, owner, work.id, {"identifiers": {}}, at=AT)
        session.flush()
        assert ask(session, Asked(iscc=iscc)) == "unset"
        with pytest.raises(Invalid):
            ask(session, Asked(iscc="ISCC:1"))


def place(session: Session, holder: Actor, location: str, **said: Any) -> Reservation:
    return declare(session, holder, None, scope=Reach.LOCATION, location=location, **said)


def test_a_word_on_a_place_holds_for_what_lies_there(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        place(session, owner, "https://Studio.example/films/*/trailer")
        place(session, owner, "studio.example/press/", use=Use.SEARCH)
        for url, found in (
            ("https://studio.example/films/night/trailer", "reserved"),
            ("https://studio.example/films/a/b/trailer?hd=1", "reserved"),
            ("http://studio.example/films/trailer", "unset"),
            ("https://studio.example/Films/night/trailer", "unset"),
            ("https://studio.example/press/kit.zip", "unset"),
            ("https://other.example/films/night/trailer", "unset"),
        ):
            assert ask(session, Asked(url=url)) == found, url
        assert ask(session, Asked(url="https://studio.example/press/kit.zip"), use=Use.SEARCH) == "reserved"


def test_of_a_place_those_who_are_known_best_are_heard(database: Database) -> None:
    url = Asked(url="https://studio.example/film")
    with database.transaction() as session:
        place(session, factories.actor(session, assurance=Assurance.UNVERIFIED), "studio.example", value=Value.ALLOWED)
        assert ask(session, url) == "allowed"
        place(session, factories.actor(session, assurance=Assurance.DOMAIN), "https://studio.example/")
        assert ask(session, url) == "reserved"
        place(session, factories.actor(session, assurance=Assurance.DOMAIN), "studio.example", value=Value.ALLOWED)
        assert ask(session, url) == "disputed"


def test_many_stars_in_a_place_cost_nothing(database: Database) -> None:
    with database.transaction() as session:
        place(session, factories.actor(session), "studio.example/" + "*a" * 900 + "b")
        assert ask(session, Asked(url="https://studio.example/" + "a" * 1900)) == "unset"


def test_a_place_may_be_asked_about_for_one_country(database: Database) -> None:
    with database.transaction() as session:
        owner, work = owned(session)
        declare(session, owner, work, territory="EU")
        assert ask(session, Asked(work_id=work.id), territory="FR") == "reserved"
        assert ask(session, Asked(work_id=work.id), territory="US") == "unset"


def test_thousands_are_answered_as_each_alone(database: Database) -> None:
    with database.transaction() as session:
        random = np.random.default_rng(3)
        owners = [factories.actor(session) for _ in range(3)]
        rows = [factories.work(session, owners[int(random.integers(3))]) for _ in range(12)]
        by_id = {owner.holder_id: owner for owner in owners}
        for number in range(40):
            work = rows[int(random.integers(len(rows)))]
            value = list(Value)[int(random.integers(3))]
            terms = "https://terms.example/" if random.integers(2) else None
            use, later = list(Use)[int(random.integers(6))], AT + number * timedelta(seconds=1)
            declare(session, by_id[work.holder_id], work, use=use, value=value, terms_url=terms, at=later)
        declare(session, owners[0], None, use=Use.TDM)
        at = AT + DAY
        together = preferences.query(session, [Asked(work_id=work.id) for work in rows] * 200, list(Use), at=at)
        alone = [preferences.effective(session, work, list(Use), at=at) for work in rows]
    assert [one.holding for one in together] == alone * 200
    assert len({holding.answer for one in alone for holding in one.values()}) == 4


# -- locations -----------------------------------------------------------------------------------

SPELLED = ["studio2.example", "studio2.example/", "https://studio2.example", "http://STUDIO2.example:443/"]


def test_a_later_word_on_one_place_supersedes_however_it_is_spelled(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        rows = [
            declare(session, owner, None, scope=Reach.LOCATION, location=spelled, value=value, at=AT + number * DAY)
            for number, (spelled, value) in enumerate(zip(SPELLED, [*Value, Value.ALLOWED], strict=True))
        ]
        assert {row.location for row in rows} == {"studio2.example/"}
        assert [row.superseded_at is None for row in rows] == [False, False, False, True]
        asked = Asked(url="http://studio2.example:80/x")
        [found] = preferences.query(session, [asked], [Use.TRAIN], at=AT + 9 * DAY)
        assert (found.holding[Use.TRAIN].answer, found.holding[Use.TRAIN].declarations) == ("allowed", (rows[-1].id,))


@pytest.mark.parametrize("spelled", ["studio2.example", "HTTPS://Studio2.example:443", "http://studio2.example/#top"])
def test_a_word_from_before_locations_had_one_spelling_is_superseded_too(database: Database, spelled: str) -> None:
    with database.transaction() as session:
        owner, other = factories.actor(session), factories.actor(session)
        said: dict[str, Any] = {"scope": Reach.LOCATION, "location": "studio2.example/"}
        old, anothers = declare(session, owner, None, **said), declare(session, other, None, **said)
        elsewhere = declare(session, owner, None, **said | {"location": "studio2.example/a"})
        old.location, anothers.location = spelled, spelled
        session.flush()
        declare(session, owner, None, **said, at=AT + DAY)
        assert [row.superseded_at for row in (old, elsewhere, anothers)] == [AT + DAY, None, None]
        assert old.location == spelled, "the ledger commits to it"


@pytest.mark.parametrize(
    "said",
    [{"scope": Reach.CATALOGUE, "location": "https://studio.example/"}, {"scope": Reach.LOCATION, "location": "ftp://x"},
     {"scope": Reach.LOCATION, "location": None}],
)  # fmt: skip
def test_a_location_is_of_the_web_and_of_a_word_on_a_location(database: Database, said: dict[str, Any]) -> None:
    with database.transaction() as session, pytest.raises(Invalid) as refused:
        declare(session, factories.actor(session), None, **said)
    assert refused.value.field == "location"
