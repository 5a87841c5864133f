"""Many questions at once are answered as the domain answers each, and read no more than they ask about."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from registry import preferences
from registry.database import Database
from registry.domain.policy import Assurance
from registry.domain.preferences import Answer, Declaration, Scope, Use, Value, effective_preference
from registry.domains import Method
from registry.errors import Invalid
from registry.locations import host_of, path_covers, path_of
from registry.models import Asset, Conflict, Domain, Holder, Reservation, Work
from registry.preferences import Asked, Found
from tests.effort import examples
from tests.factories import AT
from tests.integration.plans import index_of, plans_of

DAY = timedelta(days=1)
TERRITORIES = ("worldwide", "EU", "FR", "US")

# -- a small world ---------------------------------------------------------------------------------

KNOWN = {"hld_anna": Assurance.VETTED, "hld_ben": Assurance.VETTED, "hld_carl": Assurance.EMAIL}
OWNERS = {
    "wrk_1": "hld_anna", "wrk_2": "hld_anna", "wrk_3": "hld_ben", "wrk_4": "hld_carl", "wrk_5": "hld_carl",
    "wrk_6": "hld_carl",
}  # fmt: skip
# Each with its work and its hash: some files are in several works, one twice in the same.
ASSETS = {
    "ast_1": ("wrk_1", "1" * 64), "ast_2": ("wrk_1", "2" * 64), "ast_3": ("wrk_2", "2" * 64),
    "ast_4": ("wrk_3", "3" * 64), "ast_5": ("wrk_4", "3" * 64), "ast_6": ("wrk_5", "4" * 64),
    "ast_7": ("wrk_5", "4" * 64), "ast_8": ("wrk_6", "5" * 64),
}  # fmt: skip
LONG_AGO = AT - timedelta(days=30)
# The same footage as its owner's other work, as another's, as that of somebody known better; the last is settled.
CONFLICTS = (("ast_1", "ast_3", None), ("ast_1", "ast_4", None), ("ast_5", "ast_3", None), ("ast_6", "ast_4", LONG_AGO))
RIVALS = {"wrk_1": {"wrk_2", "wrk_3"}, "wrk_2": {"wrk_1"}, "wrk_3": {"wrk_1"}, "wrk_4": {"wrk_2"}}
LOCATIONS = ("https://studio.example/films/", "studio.example/*/trailer", "fans.studio.example", "press.example")
URLS = (
    "https://studio.example/films/trailer", "https://studio.example/a/trailer", "https://fans.studio.example/trailer",
    "http://press.example/kit", "x:/",
)  # fmt: skip
DOMAINS = ("studio.example", "fans.studio.example")


def furnish(session: Session) -> None:
    times = {"created_at": AT, "updated_at": AT}
    for number, (holder_id, assurance) in enumerate(KNOWN.items()):
        session.add(Holder(id=holder_id, name=f"Holder {number}", assurance=assurance.value, created_at=AT))
    session.flush()
    for work_id, holder_id in OWNERS.items():
        said = {"title": "Night Train", "kind": "film", "identifiers": {}, "creators": [], "policy": "block"}
        session.add(Work(id=work_id, holder_id=holder_id, **said, **times))
    session.flush()
    for asset_id, (work_id, sha256) in ASSETS.items():
        session.add(Asset(id=asset_id, work_id=work_id, sha256=sha256, status="indexed", created_at=AT))
    session.flush()
    for number, (one, other, closed_at) in enumerate(CONFLICTS):
        about = {"asset_id": one, "rival_asset_id": other, "seconds": 9.0}
        session.add(Conflict(id=f"cfl_{number}", **about, opened_at=LONG_AGO, closed_at=closed_at))
    session.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A domain that a holder showed to be theirs, and how."""

    holder_id: str
    name: str
    method: Method
    verified_at: datetime
    lapsed_at: datetime | None


def show(session: Session, every: Sequence[Shown]) -> None:
    for number, one in enumerate(every):
        session.add(Domain(id=f"dmn_{number}", proof="", created_at=AT, **asdict(one)))
    session.flush()


# -- what is said in it ----------------------------------------------------------------------------

DAYS = st.integers(-3, 1).map(lambda days: AT + days * DAY)
# Nearly all that is said holds without an end, everywhere, for one use: else words would seldom meet.
ENDS = st.sampled_from([None, None, None, None, None, AT, AT + DAY])


@st.composite
def declarations(draw: st.DrawFn) -> Declaration:
    scope = draw(st.sampled_from(Scope))
    holder_id, about = draw(
        {
            Scope.WORK: st.sampled_from([(holder_id, work_id) for work_id, holder_id in OWNERS.items()]),
            Scope.ASSET: st.sampled_from([(OWNERS[work_id], asset_id) for asset_id, (work_id, _) in ASSETS.items()]),
            Scope.CATALOGUE: st.sampled_from([(holder_id, None) for holder_id in KNOWN]),
            Scope.LOCATION: st.tuples(st.sampled_from(list(KNOWN)), st.sampled_from(LOCATIONS)),
        }[scope]
    )
    return Declaration(
        id="",
        use=draw(st.sampled_from([Use.TRAIN, Use.TRAIN, Use.TRAIN, Use.SEARCH])),
        value=draw(st.sampled_from(Value)),
        declared_by=holder_id,
        declared_at=draw(DAYS),
        valid_from=draw(DAYS),
        valid_until=draw(ENDS),
        withdrawn_at=draw(ENDS),
        superseded_at=draw(ENDS),
        scope=scope,
        about=about,
        territory=draw(st.sampled_from(["worldwide", *TERRITORIES])),
        terms_url=draw(st.sampled_from([None, "", " \t", "https://terms.example/1", "https://terms.example/2"])),
    )


def domains() -> st.SearchStrategy[list[Shown]]:
    one = st.builds(
        Shown, holder_id=st.sampled_from(list(KNOWN)), name=st.sampled_from(DOMAINS), method=st.sampled_from(Method),
        verified_at=DAYS, lapsed_at=ENDS,
    )  # fmt: skip
    return st.lists(one, max_size=3, unique_by=lambda shown: (shown.holder_id, shown.name))


def numbered(said: Sequence[Declaration]) -> list[Declaration]:
    """With ids that sort by time, as those of the registry do."""
    return [replace(one, id=f"rsv_{one.declared_at:%Y%m%d}_{number:04}") for number, one in enumerate(said)]


def put_on_record(session: Session, said: Sequence[Declaration]) -> None:
    for one in said:
        fields = asdict(one)
        fields["holder_id"], about = fields.pop("declared_by"), fields.pop("about")
        match one.scope:
            case Scope.WORK:
                fields["work_id"] = about
            case Scope.ASSET:
                fields |= {"asset_id": about, "work_id": ASSETS[about][0]}
            case Scope.LOCATION:
                fields |= {"location": about, "location_host": host_of(about)}
        session.add(Reservation(**fields))
    session.flush()


# -- what the domain makes of it -------------------------------------------------------------------


def questions() -> list[Asked]:
    return [
        *(Asked(work_id=work_id) for work_id in (*OWNERS, "wrk_0")),
        *(Asked(asset_id=asset_id) for asset_id in (*ASSETS, "ast_0")),
        *(Asked(sha256=sha256) for sha256 in (number * 64 for number in "123456")),
        *(Asked(url=url) for url in URLS),
    ]


def masters(shown: Sequence[Shown], host: str, *, at: datetime) -> set[str]:
    """Who speaks of a host alone."""
    answering = [one for one in shown if one.verified_at <= at and (one.lapsed_at is None or one.lapsed_at > at)]
    here = {one.holder_id for one in answering if one.name == host}
    _, _, above = host.partition(".")
    by_record = [one for one in answering if one.method is Method.DNS]
    return here or (masters(by_record, above, at=at) if above else set())


def bearing(
    said: Sequence[Declaration], shown: Sequence[Shown], asked: Asked, *, at: datetime
) -> tuple[set[str], set[str], list[Declaration]]:
    """The works asked about, who speaks of them, and what was said that bears on them."""
    if asked.url is not None:
        there = [
            one
            for one in said
            if one.scope is Scope.LOCATION
            and one.in_force(at)
            and one.about
            and host_of(one.about) == host_of(asked.url)
            and path_covers(path_of(one.about), path_of(asked.url))
        ]
        if only := masters(shown, host_of(asked.url), at=at):
            there = [one for one in there if one.declared_by in only]
        best = max((KNOWN[one.declared_by].rank for one in there), default=0)
        heard = [one for one in there if KNOWN[one.declared_by].rank == best]
        return set(), {one.declared_by for one in heard}, heard
    assets = {name for name, (_, sha256) in ASSETS.items() if asked.asset_id == name or asked.sha256 == sha256}
    works = {ASSETS[name][0] for name in assets} | {name for name in OWNERS if asked.work_id == name}
    spoken = works.union(*(RIVALS.get(work_id, set()) for work_id in works))
    owners = {OWNERS[work_id] for work_id in spoken}
    about: dict[Scope, set[Any]] = {Scope.WORK: spoken, Scope.ASSET: assets, Scope.CATALOGUE: {None}}
    return works, owners, [one for one in said if one.about in about.get(one.scope, ())]


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    said=st.lists(declarations(), min_size=10, max_size=40).map(numbered),
    shown=domains(),
    at=DAYS,
    territory=st.none() | st.sampled_from(TERRITORIES),
)
def test_whatever_was_said_many_are_answered_as_the_domain_answers_each(
    database: Database, said: list[Declaration], shown: list[Shown], at: datetime, territory: str | None
) -> None:
    asked, uses = questions(), [Use.SEARCH, Use.TRAIN, Use.TDM]
    with database.reading() as session:  # and nothing is kept
        furnish(session)
        show(session, shown)
        put_on_record(session, said)
        together = list(preferences.query(session, asked, uses, at=at, territory=territory))
    for one, found in zip(asked, together, strict=True):
        works, owners, bear = bearing(said, shown, one, at=at)
        assert found.work_ids == tuple(sorted(works))
        assert list(found.holding) == uses
        for use in uses:
            expected = effective_preference(bear, use, at=at, owners=frozenset(owners), territory=territory)
            ids = tuple(declaration.id for declaration in expected.declarations)
            assert found.holding[use] == (expected.answer, ids), (one, use)


# -- what may be asked -----------------------------------------------------------------------------


def train(found: Iterator[Found]) -> list[Answer]:
    return [one.holding[Use.TRAIN].answer for one in found]


@pytest.mark.parametrize("name", ['"', "\\", "'); --", "]", "\u2028", "%s", ":x", "é\U0001f3ac", "", "null"])
def test_a_name_finds_what_is_called_so_and_nothing_else(database: Database, name: str) -> None:
    with database.reading() as session:
        furnish(session)
        session.add(Work(id=name, holder_id="hld_anna", title="T", kind="film", identifiers={}, creators=[],
                         policy="block", created_at=AT, updated_at=AT))  # fmt: skip
        session.flush()
        found = preferences.query(session, [Asked(work_id=name), Asked(work_id=name + " ")], [Use.TRAIN], at=AT)
        assert [one.work_ids for one in found] == [(name,), ()]


def test_ten_thousand_strangers_hide_nobody(database: Database) -> None:
    with database.reading() as session:
        furnish(session)
        put_on_record(session, numbered([word(Scope.WORK, "wrk_1", Value.ALLOWED)]))
        asked = [Asked(work_id=f"wrk_x{number}") for number in range(9_999)]
        answers = train(preferences.query(session, [*asked, Asked(work_id="wrk_1")], [Use.TRAIN], at=AT + DAY))
    assert answers == [*[Answer.UNSET] * 9_999, Answer.DISPUTED]


def test_words_on_two_files_are_not_taken_for_two_words_on_one(database: Database) -> None:
    """What is of one pattern is resolved once: here the values are the same, and what they are about is not."""
    with database.reading() as session:
        furnish(session)
        twice = [word(Scope.ASSET, "ast_8", Value.RESERVED), word(Scope.ASSET, "ast_8", Value.ALLOWED)]
        apart = [word(Scope.ASSET, "ast_6", Value.RESERVED), word(Scope.ASSET, "ast_7", Value.ALLOWED)]
        put_on_record(session, numbered([*twice, *apart]))
        asked = [Asked(asset_id="ast_8"), Asked(sha256="4" * 64)]
        answers = train(preferences.query(session, asked, [Use.TRAIN], at=AT))
    assert answers == [Answer.ALLOWED, Answer.RESERVED]


def word(scope: Scope, about: str, value: Value) -> Declaration:
    owner = OWNERS[about if scope is Scope.WORK else ASSETS[about][0]]
    return Declaration(
        id="", use=Use.TRAIN, value=value, declared_by=owner, declared_at=AT, valid_from=AT, valid_until=None,
        withdrawn_at=None, superseded_at=None, scope=scope, about=about, territory="worldwide", terms_url=None,
    )  # fmt: skip


def test_no_such_territory_is_refused_also_where_nothing_was_said(database: Database) -> None:
    with database.reading() as session, pytest.raises(Invalid) as refused:
        preferences.query(session, [Asked(work_id="wrk_0")], [Use.TRAIN], at=AT, territory="Europe")
    assert refused.value.field == "territory"


# -- what is read for it ---------------------------------------------------------------------------


def test_sqlite_reads_no_more_than_it_is_asked_about(sqlite_database: Database) -> None:
    """It plans without counting: once it read every indexed file, and all that the holders ever said."""
    with sqlite_database.reading() as session:
        furnish(session)
        asked = [Asked(work_id="wrk_1"), Asked(sha256="1" * 64), Asked(asset_id="ast_1"), Asked(url=URLS[0])]
        plans = plans_of(session, lambda: list(preferences.query(session, asked, list(Use), at=AT)))
    used = {index_of(step) for step in plans if step.startswith("SEARCH reservations ")}
    assert used == {
        "ix_reservations_work_id", "ix_reservations_asset_id",
        "ix_reservations_of_catalogues", "ix_reservations_location_host",
    }  # fmt: skip
    assert "SEARCH assets USING INDEX ix_assets_sha256 (sha256=?)" in plans
    scanned = {step.split(" ")[1] for step in plans if step.startswith("SCAN ")}
    assert {name for name in scanned if not name.startswith("anon_")} == {"conflicts"}  # and the names asked for
