"""The feed and copies made of it: whatever is done to the registry, a copy answers as the service does.

The service here is a database and a key; pages travel as they do over HTTP, signed and opened.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.offline import opened
from registry import access, conflicts, copies, domains, feed, reservations, works
from registry.access import Actor
from registry.copies import BadCopy, Synced
from registry.database import Database
from registry.domain import tokens
from registry.domain.feed import BadPage, Kind, Page, SetBack, open_page, sign_page
from registry.domain.policy import Assurance
from registry.domain.preferences import EU, WORLDWIDE, Scope, Use, Value
from registry.domains import Look, Method
from registry.errors import Invalid, RegistryError
from registry.index import IndexEngine
from registry.models import (
    Asset,
    AssetStatus,
    Base,
    Conflict,
    Domain,
    FeedRow,
    Heads,
    Holder,
    Reservation,
    Work,
    WorkIdentifier,
)
from registry.preferences import Asked, Found, query
from registry.reservations import NewReservation
from tests import factories
from tests.factories import AT, SHA256

HOUR = timedelta(hours=1)
ISCCS = ("ISCC:KACT4EBWK27737D2", "ISCC:KACT4EBWK27737D2AYCJRAL5Z36G76RFRMO4554RU26HZ4ORJGIVHDI")
PLACES = (
    "https://films.example/", "https://films.example/new/*.mp4", "FILMS.example/new", "https://fans.films.example/",
    "https://music.example/",
)  # fmt: skip
URLS = (
    "https://films.example/new/a.mp4", "https://films.example/old", "https://fans.films.example/x",
    "https://music.example/x", "https://a.example/",
)  # fmt: skip
DOMAINS = ("films.example", "fans.films.example")


@dataclass(slots=True, kw_only=True)
class Service:
    """What a copy is made of; `change` is what happens to a page on its way."""

    database: Database
    keys: tokens.TokenKeys = field(default_factory=lambda: tokens.TokenKeys([tokens.generate_pem()]))
    limit: int = 1000
    at: datetime = AT
    asked: list[int] = field(default_factory=list)
    change: Callable[[str], str] = lambda token: token

    def signing_keys(self) -> Mapping[str, Any]:
        return self.keys.public()

    def feed_page(self, since: int) -> str:
        self.asked.append(since)
        with self.database.reading() as session:
            page = feed.page(session, issuer="here", since=since, limit=self.limit, at=self.at)
        return self.change(sign_page(page, self.keys))


@pytest.fixture
def source(database: Database) -> Service:
    return Service(database=database)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path / "copy.db", make=True) as made:
        yield made


def sync(copy: Database, source: Service, **how: Any) -> Synced:
    return copies.sync(copy, source, now=lambda: source.at, **how)


def page(database: Database, *, since: int = 0, limit: int = 1000) -> Page:
    with database.reading() as session:
        return feed.page(session, issuer="here", since=since, limit=limit, at=AT)


def said(database: Database) -> list[tuple[str, str]]:
    """What the log says changed, oldest first."""
    with database.reading() as session:
        return [(row.kind, row.subject_id) for row in session.scalars(sa.select(FeedRow).order_by(FeedRow.sequence))]


def head(database: Database) -> int:
    with database.reading() as session:
        return session.scalars(sa.select(Heads.feed_sequence)).one()


# -- a copy answers as the service ---------------------------------------------------------------


class Life:
    """Everything that a registry's users do, at random: each step is a transaction, an hour after the last."""

    def __init__(self, database: Database, index: IndexEngine, seed: int) -> None:
        self.database, self.index, self.random = database, index, random.Random(seed)
        self.at = AT
        with database.transaction() as session:
            known = (Assurance.UNVERIFIED, Assurance.EMAIL, Assurance.EMAIL)
            self.actors = [factories.actor(session, assurance=assurance) for assurance in known]

    def step(self) -> None:
        self.at += HOUR
        doing = self.random.choices(list(_STEPS), list(_STEPS.values()))[0]
        try:
            with self.database.transaction() as session:
                doing(self, session)
        except (RegistryError, _ChangedTheirMind):
            pass

    def one[Row: Base](self, session: Session, kind: type[Row], *where: Any) -> Row:
        rows = session.scalars(sa.select(kind).where(*where).order_by(sa.inspect(kind).primary_key[0])).all()
        if not rows:
            raise _ChangedTheirMind
        return self.random.choice(rows)

    def owner(self, work: Work) -> Actor:
        return next(actor for actor in self.actors if actor.holder_id == work.holder_id)

    def register(self, session: Session) -> None:
        factories.work(session, self.random.choice(self.actors), identifiers=self.identifiers(), at=self.at)

    def identifiers(self) -> dict[str, str]:
        every = {"iscc": self.random.choice(ISCCS), "reference": f"R-{self.random.randrange(99)}"}
        return {name: every[name] for name in self.random.sample(list(every), self.random.randrange(3))}

    def rename(self, session: Session) -> None:
        work = self.one(session, Work, Work.withdrawn_at.is_(None))
        changes = {"title": f"Title {self.at}", "identifiers": self.identifiers()}
        works.change(session, self.owner(work), work.id, changes, at=self.at)

    def withdraw_work(self, session: Session) -> None:
        work = self.one(session, Work, Work.withdrawn_at.is_(None))
        works.withdraw(session, self.owner(work), work.id, at=self.at)

    def add_file(self, session: Session) -> None:
        """Of three clips and their three files, so that claims meet."""
        work, clip = self.one(session, Work, Work.withdrawn_at.is_(None)), self.random.randrange(3)
        sha256 = f"{clip:064x}"
        row = works.add_upload(session, self.owner(work), work.id, blob_key="x", sha256=sha256, at=self.at)
        works.store_asset(session, row, factories.fingerprint(clip), at=self.at)
        if self.random.random() < 0.2:
            works.reject_asset(session, row, reason="silent", problem="Silent.", at=self.at)
        elif self.random.random() < 0.9:
            conflicts.settle_asset(session, row, self.index.rivals(session, row.id), not_claimed=(), at=self.at)

    def withdraw_file(self, session: Session) -> None:
        works.withdraw_asset(session, self.one(session, Asset, Asset.status == AssetStatus.INDEXED), at=self.at)

    def decide(self, session: Session) -> None:
        self.one(session, Conflict, Conflict.closed_at.is_(None)).closed_at = self.at

    def vouch(self, session: Session) -> None:
        holder = session.get_one(Holder, self.random.choice(self.actors).holder_id)
        holder.assurance = self.random.choice([Assurance.EMAIL, Assurance.DOMAIN])

    def show_domain(self, session: Session) -> None:
        """Claim it, and mostly show it; one that was shown is found, not found, or let go."""
        pick = self.random.choice
        actor = replace(pick(self.actors), scopes=frozenset({access.Scope.HOLDER_WRITE}))
        row = domains.claim(session, actor, pick(DOMAINS), at=self.at)
        if self.random.random() < 0.2:
            domains.let_go(session, actor, row.id, at=self.at)
        elif self.random.random() < 0.8:
            domains.saw(session, row, Look(method=pick([*Method, None]), problem=None), at=self.at)

    def declare(self, session: Session) -> None:
        pick = self.random.choice
        actor = pick(self.actors)
        about: dict[str, Any] = {"scope": pick(list(Scope))}
        match about["scope"]:
            case Scope.WORK:
                about["work_id"] = self.one(session, Work, Work.holder_id == actor.holder_id).id
            case Scope.ASSET:
                about["asset_id"] = self.one(session, Asset).id
            case Scope.LOCATION:
                about["location"] = pick(PLACES)
        begins = pick([None, None, self.at + 5 * HOUR])
        new = NewReservation(
            use=pick([Use.TRAIN, Use.TDM]), value=pick(list(Value)), territory=pick([WORLDWIDE, EU, "FR"]),
            terms_url=pick([None, "https://terms.example/"]), contact=pick([None, "rights@studio.example"]),
            valid_from=begins, valid_until=pick([None, None, self.at + 9 * HOUR]), **about,
        )  # fmt: skip
        reservations.declare(session, actor, new, at=self.at)

    def take_back(self, session: Session) -> None:
        row = self.one(session, Reservation, Reservation.withdrawn_at.is_(None))
        actor = next(actor for actor in self.actors if actor.holder_id == row.holder_id)
        reservations.withdraw(session, actor, row.id, at=self.at)

    def change_their_mind(self, session: Session) -> None:
        """All of it, or half: as an import does with a row that turns out to be wrong."""
        attempt = session.begin_nested()
        self.declare(session)
        attempt.rollback()
        self.register(session)
        if self.random.random() < 0.5:
            raise _ChangedTheirMind

    def questions(self) -> list[Asked]:
        with self.database.reading() as session:
            about_works = [Asked(work_id=id_) for id_ in session.scalars(sa.select(Work.id))]
            about_assets = [Asked(asset_id=id_) for id_ in session.scalars(sa.select(Asset.id))]
        files = [Asked(sha256=f"{clip:064x}") for clip in range(3)]
        return [*about_works, *about_assets, *files, *map(_by_iscc, ISCCS), *map(_by_url, URLS)]


class _ChangedTheirMind(Exception):
    pass


_STEPS: dict[Callable[[Life, Session], None], int] = {
    Life.register: 3, Life.rename: 2, Life.withdraw_work: 1, Life.add_file: 6, Life.withdraw_file: 1, Life.decide: 1,
    Life.vouch: 2, Life.declare: 10, Life.take_back: 2, Life.change_their_mind: 1,
    Life.show_domain: 2,
}  # fmt: skip


def _by_iscc(iscc: str) -> Asked:
    return Asked(iscc=iscc)


def _by_url(url: str) -> Asked:
    return Asked(url=url)


def answers(database: Database, asked: list[Asked], *, at: datetime, territory: str | None) -> list[Found]:
    with database.reading() as session:
        return list(query(session, asked, list(Use), at=at, territory=territory))


def declarations(database: Database) -> dict[str, dict[str, Any]]:
    """All that was ever declared, with everything that a query's details show of it."""
    names = Base.metadata.tables["reservations"].columns.keys()
    with database.reading() as session:
        return {row.id: {name: getattr(row, name) for name in names} for row in session.scalars(sa.select(Reservation))}


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_whatever_happens_a_copy_answers_as_the_service(
    database: Database, index: IndexEngine, source: Service, copy: Database, tmp_path: Path, seed: int
) -> None:
    life = Life(database, index, seed)
    heard: set[str] = set()
    for turn in range(5):
        for _ in range(18):
            life.step()
        source.at, source.limit = life.at, life.random.choice([1, 3, 7, 1000])
        sync(copy, source)
        asked = life.questions()
        for at in (life.at, life.at - 7 * HOUR, life.at + 6 * HOUR):
            for territory in (None, "FR", "US"):
                expected = answers(database, asked, at=at, territory=territory)
                assert answers(copy, asked, at=at, territory=territory) == expected, f"turn {turn}, {at}, {territory}"
                heard |= {holding.answer for found in expected for holding in found.holding.values()}
        assert declarations(copy) == declarations(database)
    assert {"reserved", "allowed", "disputed", "unset"} <= heard, "the life was dull"
    with opened(tmp_path / "later.db", make=True) as later:
        assert sync(later, source).items < head(database), "what changed twice is told once"
        asked = life.questions()
        assert answers(later, asked, at=life.at, territory=None) == answers(copy, asked, at=life.at, territory=None)


def test_a_copy_knows_no_titles_no_names_and_no_references(database: Database, source: Service, copy: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session, name="Very Secret Studio")
        numbers = {"reference": "SECRET-1", "isrc": "USRC17607839", "iscc": ISCCS[0]}
        work = factories.work(session, owner, title="Secret Film", creators=["Secret Person"], identifiers=numbers)
        row = works.add_upload(session, owner, work.id, blob_key="secret-blob", sha256=SHA256, at=AT)
        waiting = page(database)
    sync(copy, source)
    told = sign_page(page(database), source.keys) + (copy.url.database or "")
    assert "ecret" not in repr(page(database)) + told
    assert SHA256 not in repr(page(database)), "a file that is not indexed is not found by its hash"
    assert waiting.items == [], "nobody hears of what is not committed"
    assert b"ecret" not in Path(copy.url.database or "").read_bytes()
    with database.transaction() as session:
        session.get_one(Asset, row.id).status = AssetStatus.INDEXED.value
    assert SHA256 in repr(page(database))
    with database.transaction() as session:
        works.withdraw(session, owner, work.id, at=AT)
    assert not {SHA256, ISCCS[0]} & set(repr(page(database)).split("'"))


def test_what_somebody_says_is_theirs_is_not_told_until_it_was_shown(
    database: Database, source: Service, copy: Database
) -> None:
    with database.transaction() as session:
        speaker = factories.actor(session, access.Scope.HOLDER_WRITE)
        domain = domains.claim(session, speaker, "secret-project.example", at=AT)
    assert "secret-project" not in repr(page(database))
    assert page(database).is_last
    for found in (Look(method=None, problem="not there"), Look(method=Method.FILE, problem=None)):
        sync(copy, source)
        with copy.reading() as session:
            assert session.scalars(sa.select(Domain)).all() == []
        with database.transaction() as session:
            domains.saw(session, session.get_one(Domain, domain.id), found, at=AT)
    for method, lapsed_at in (("file", None), ("dns", None), ("dns", AT)):
        with database.transaction() as session:
            row = session.get_one(Domain, domain.id)
            row.method, row.lapsed_at = method, lapsed_at
        sync(copy, source)
        with copy.reading() as session:
            [told] = session.scalars(sa.select(Domain)).all()
        assert (told.name, told.method, told.verified_at, told.lapsed_at) == (
            "secret-project.example", method, AT, lapsed_at,
        )  # fmt: skip


# -- the log -------------------------------------------------------------------------------------


def test_what_changes_no_answer_is_not_on_the_log(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        asset = works.add_upload(session, owner, work.id, blob_key="x", sha256=SHA256, at=AT)
    before = said(database)
    assert before == [("holder", owner.holder_id), ("work", work.id), ("asset", asset.id)]
    with database.transaction() as session:
        works.change(session, owner, work.id, {"title": "Another", "year": 1999}, at=AT)
        session.get_one(Asset, asset.id).progress = 0.5
        session.get_one(Holder, owner.holder_id).kind = "person"
    assert said(database) == before


def test_the_log_has_no_gaps_and_no_rows_of_what_was_taken_back(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        attempt = session.begin_nested()
        factories.work(session, owner)
        attempt.rollback()
        kept = factories.work(session, owner)
    with pytest.raises(Invalid), database.transaction() as session:  # noqa: PT012 - the block is what is taken back
        factories.work(session, owner)
        factories.work(session, owner, title=" ")
    with database.transaction() as session:
        factories.work(session, owner)
    with database.reading() as session:
        assert session.scalars(sa.select(FeedRow.sequence).order_by(FeedRow.sequence)).all() == [1, 2, 3]
    assert head(database) == 3
    assert said(database)[1] == ("work", kept.id)


@pytest.mark.parametrize("statement", [sa.update(Holder), sa.delete(Reservation), sa.insert(Conflict)], ids=str)
def test_a_statement_that_nobody_could_note_is_refused(database: Database, statement: Any) -> None:
    with database.transaction() as session, pytest.raises(TypeError, match="copies would not hear of it"):
        session.execute(statement.values(id="x") if not isinstance(statement, sa.Delete) else statement)


def test_what_copies_keep_is_not_deleted(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.holder(session)
    with pytest.raises(TypeError, match="end it instead"), database.transaction() as session:
        session.delete(session.get_one(Holder, owner.id))


def test_who_writes_to_the_tables_themselves_notes_it(database: Database, source: Service, copy: Database) -> None:
    with database.transaction() as session:
        owner = factories.holder(session, assurance=Assurance.EMAIL)
    sync(copy, source)
    with database.transaction() as session:
        session.execute(sa.update(Base.metadata.tables["holders"]).values(assurance="domain"))
        feed.note(session, Kind.HOLDER, [owner.id])
    sync(copy, source)
    with copy.reading() as session:
        assert session.scalars(sa.select(Holder.assurance)).all() == ["domain"]


def test_every_column_that_is_told_is_one_that_is_noted(database: Database) -> None:
    """Whatever of a row reaches the copy: when it changes, the row is on the log again."""
    later = AT + HOUR
    with database.transaction() as session:
        owner, other = factories.actor(session), factories.actor(session)
        work, rival = factories.work(session, owner, identifiers={"iscc": ISCCS[0]}), factories.work(session, other)
        asset, another = (
            works.add_upload(session, who, which.id, blob_key="x", sha256=SHA256, at=AT)
            for who, which in ((owner, work), (other, rival))
        )
        new = NewReservation(use=Use.TRAIN, value=Value.RESERVED, work_id=work.id)
        word = reservations.declare(session, owner, new, at=AT)
        session.add(
            Conflict(id="cfl_1", asset_id=another.id, rival_asset_id=asset.id, seconds=9.0, opened_at=AT)
        )  # fmt: skip
    changes: list[tuple[type[Base], Any, str, Any]] = [
        (Holder, owner.holder_id, "assurance", "email"),
        (Work, work.id, "holder_id", other.holder_id), (Work, work.id, "withdrawn_at", later),
        (WorkIdentifier, (work.id, "iscc"), "value", ISCCS[1]),
        (Asset, asset.id, "work_id", rival.id), (Asset, asset.id, "sha256", "cd" * 32),
        (Asset, asset.id, "status", "indexed"), (Conflict, "cfl_1", "closed_at", later),
        *((Reservation, word.id, name, value) for name, value in {
            "holder_id": other.holder_id, "scope": "asset", "work_id": rival.id, "asset_id": asset.id,
            "location": "https://x.example/", "location_host": "x.example", "use": "tdm", "value": "allowed",
            "territory": "EU", "terms_url": "https://t.example/", "contact": "me", "declared_at": later,
            "valid_from": later, "valid_until": later, "withdrawn_at": later, "superseded_at": later,
        }.items()),
    ]  # fmt: skip
    for model, key, name, value in changes:
        before = head(database)
        with database.transaction() as session:
            setattr(session.get_one(model, key), name, value)
        assert head(database) == before + 1, f"{model.__name__}.{name}"


# -- pages ---------------------------------------------------------------------------------------


def _words(database: Database, count: int, **about: Any) -> list[str]:
    """So many declarations of one new holder."""
    there = NewReservation(use=Use.TRAIN, value=Value.RESERVED, scope=Scope.LOCATION, location="x.example", **about)
    with database.transaction() as session:
        owner = factories.actor(session)
        places = (f"{number}.example" for number in range(count))
        return [reservations.declare(session, owner, replace(there, location=one), at=AT).id for one in places]


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7, 1000])
def test_pages_of_any_size_hold_everything_once(database: Database, limit: int) -> None:
    ids = _words(database, 5)
    seen, since = [], 0
    while True:
        found = page(database, since=since, limit=limit)
        assert len(found.items) <= limit
        seen += [fact.id for fact in found.items]
        since = found.next
        if found.is_last:
            break
    assert seen[1:] == ids
    assert page(database, since=since).items == []


def test_a_page_ends_where_it_would_become_too_large(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_PAYLOAD_BYTES", 100_000)
    _words(database, 7, terms_url="https://t.example/" + "\x01" * 6000)
    found = page(database)
    assert 0 < len(found.items) < 8
    assert not found.is_last
    keys = tokens.TokenKeys([tokens.generate_pem()])
    assert len(sign_page(found, keys)) < 100_000 * 4 / 3 + 1000
    count, since = 0, 0
    while (found := page(database, since=since)).items:
        count, since = count + len(found.items), found.next
    assert count == 8, "one that is too large alone has a page of its own"


def test_while_writes_go_on_no_change_is_missed_and_each_page_begins_where_the_last_ended(
    database: Database, source: Service, copy: Database
) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
    source.limit = 2
    done = threading.Event()

    def write() -> None:
        for number in range(25):
            with database.transaction() as session:
                new = NewReservation(use=Use.TRAIN, value=list(Value)[number % 3], work_id=work.id)
                reservations.declare(session, owner, new, at=AT + number * HOUR)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        sync(copy, source)
    writer.join()
    sync(copy, source)
    assert declarations(copy) == declarations(database)
    assert source.asked == sorted(source.asked)
    with copy.reading() as session:
        assert copies.place_of(session).sequence == head(database)


# -- what a copy refuses -------------------------------------------------------------------------


@pytest.fixture
def filled(source: Service, copy: Database) -> list[str]:
    """A copy with three declarations, of a service that goes on to have more."""
    ids = _words(source.database, 3)
    sync(copy, source)
    _words(source.database, 5)
    source.limit = 2
    return ids


def _refused(copy: Database, source: Service, error: type[Exception], says: str, **how: Any) -> None:
    """A sync fails, and the copy is what it was."""
    with copy.reading() as session:
        before = copies.place_of(session), declarations(copy)
    with pytest.raises(error, match=says):
        sync(copy, source, **how)
    with copy.reading() as session:
        assert (copies.place_of(session), declarations(copy)) == before


@pytest.mark.usefixtures("filled")
def test_a_changed_byte_in_the_third_page_leaves_the_copy_as_it_was(source: Service, copy: Database) -> None:
    def change(token: str) -> str:
        return token if len(source.asked) < 4 else token[:200] + ("A" if token[200] != "A" else "B") + token[201:]

    source.change = change
    _refused(copy, source, tokens.BadToken, "signed")
    assert len(source.asked) == 4, "the pages before it were good"
    source.change = lambda token: token
    sync(copy, source)
    assert declarations(copy) == declarations(source.database)


@pytest.mark.usefixtures("filled")
def test_a_page_that_is_held_back_is_noticed(source: Service, copy: Database) -> None:
    known = head(source.database) - 6

    def skip(token: str) -> str:
        hidden = open_page(token, keys=source.signing_keys())
        with source.database.reading() as session:
            return sign_page(
                feed.page(session, issuer="here", since=hidden.next, limit=source.limit, at=AT), source.keys
            )  # fmt: skip

    source.change = skip
    _refused(copy, source, BadPage, f"not after {known}: pages are missing")


@pytest.mark.usefixtures("filled")
def test_an_old_page_that_is_shown_again_is_noticed(source: Service, copy: Database) -> None:
    source.at = AT + HOUR
    sync(copy, source)
    source.at = AT
    _refused(copy, source, BadPage, "before what was read")


@pytest.mark.usefixtures("filled")
def test_a_new_key_is_believed_only_when_somebody_says_so(source: Service, copy: Database) -> None:
    source.keys = tokens.TokenKeys([tokens.generate_pem()])
    _refused(copy, source, tokens.UnknownKey, "not signed by a known key")
    sync(copy, source, trust_new_keys=True)
    assert declarations(copy) == declarations(source.database)
    source.at += HOUR
    sync(copy, source)


@pytest.mark.usefixtures("filled")
def test_a_log_that_was_set_back_is_noticed_also_when_it_has_grown_again(
    source: Service, copy: Database, database: Database
) -> None:
    """As after a backup was put back: numbers that the copy has read mean something else now."""
    with database.transaction() as session:
        session.execute(sa.delete(FeedRow).where(FeedRow.sequence > 2))
        session.execute(sa.update(Heads).values(feed_sequence=2))
    _refused(copy, source, SetBack, "had 4 rows and now has 2")
    with database.transaction() as session:
        feed.note(session, Kind.HOLDER, [*session.scalars(sa.select(Holder.id))] * 2)
    assert head(database) > 4
    _refused(copy, source, SetBack, "another row 4")


def test_a_feed_that_leaves_out_what_it_speaks_of_is_refused(source: Service, copy: Database) -> None:
    _words(source.database, 1)

    def without_holders(token: str) -> str:
        found = open_page(token, keys=source.signing_keys())
        found.items[:] = [fact for fact in found.items if fact.kind is not Kind.HOLDER]
        return sign_page(found, source.keys)

    source.change = without_holders
    with pytest.raises(BadPage, match="do not fit together"):
        sync(copy, source)
    with copy.reading() as session, pytest.raises(BadCopy, match="nothing in it yet"):
        copies.place_of(session)


def test_a_service_with_nothing_on_record_gives_an_empty_copy(source: Service, copy: Database) -> None:
    assert sync(copy, source).items == 0
    assert {
        holding.answer for holding in answers(copy, [Asked(work_id="x")], at=AT, territory=None)[0].holding.values()
    } == {"unset"}
    assert sync(copy, source).items == 0


@pytest.mark.usefixtures("filled")
def test_whoever_asks_a_copy_while_it_is_synced_sees_it_as_it_was(source: Service, copy: Database) -> None:
    before = declarations(copy)
    seen: list[object] = []

    def look(token: str) -> str:
        seen.append(declarations(copy))
        return token

    source.change = look
    sync(copy, source)
    assert len(seen) > 2
    assert all(one == before for one in seen)
    assert declarations(copy) != before
