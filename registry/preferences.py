"""Preferences: what holds for works, files and web locations, by everything that holders said of them.

Loads the declarations that bear on what is asked and the holders who may speak, for thousands of questions in
a few queries; what they come to together is decided in `registry.domain.preferences`. Who may speak: the owner
of a work, and whoever had an open claim to the same footage at the time asked and is known at least as well; of a web
location, those alone who showed that its host answers for them; where nobody did, those known best among all who
declared something.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from registry import domains
from registry.database import among
from registry.domain.identifiers import validate_identifiers
from registry.domain.policy import Assurance
from registry.domain.preferences import Answer, Declaration, Scope, Use, Value, check_territory, effective_preference
from registry.errors import Invalid
from registry.locations import host_of, path_covers, path_of
from registry.models import Asset, AssetStatus, Conflict, Holder, Reservation, Work, WorkIdentifier
from registry.prefixes import Prefixes
from registry.reservations import in_force

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one question is about: exactly one of these."""

    work_id: str | None = None
    asset_id: str | None = None
    sha256: str | None = None
    iscc: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if [self.work_id, self.asset_id, self.sha256, self.iscc, self.url].count(None) != 4:
            raise Invalid(field="items", problem="Each item names a work_id, a sha256, an iscc or a url, and one only.")


class Holding(NamedTuple):
    """An answer, and the ids of the declarations that decided it, oldest first."""

    answer: Answer
    declarations: tuple[str, ...] = ()


class Found(NamedTuple):
    """The works that one question was about, and what holds for them together."""

    work_ids: tuple[str, ...]
    holding: Mapping[Use, Holding]


def query(
    session: Session, asked: Sequence[Asked], uses: Sequence[Use], *, at: datetime, territory: str | None = None
) -> Iterator[Found]:
    """What holds for each thing asked about; of what nobody knows, everything is `unset`.

    A file may belong to works of several holders: then the owners of all of them speak. All is loaded when this
    returns; each answer is made when it is taken, so that ten thousand are never there at once.

    Args:
        territory: "EU" or ISO 3166 alpha-2; None asks for everywhere.
    Raises:
        Invalid: `territory` is none of these, or an ISCC is no ISCC.
    """
    subjects = _subjects(session, asked, at=at)
    resolve = _Resolver(uses, at=at, territory=None if territory is None else check_territory(territory))
    speakers = _Speakers.of(session, {work for one in subjects for work in one.works}, at=at)
    spoken = [speakers.works(one) for one in subjects]
    said = _words(session, subjects, spoken, at=at)
    return map(resolve, subjects, spoken, itertools.repeat(said))


def effective(session: Session, work: Work, uses: Sequence[Use], *, at: datetime) -> Mapping[Use, Holding]:
    """What holds for one work at a time, also for one that was withdrawn since it was found."""
    subject = _Subject({work.id: work.holder_id}, [], None)
    spoken = _Speakers.of(session, {work.id}, at=at).works(subject)
    said = _words(session, [subject], [spoken], at=at)
    return _Resolver(uses, at=at, territory=None)(subject, spoken, said).holding


def rivals_of(session: Session, work: Work, *, at: datetime) -> frozenset[str]:
    """Holders with an open claim to the same footage whose identity is known at least as well as the owner's.

    Without that condition anyone could weaken a studio's work by registering a copy of it.
    """
    return frozenset(_Speakers.of(session, {work.id}, at=at).rivals[work.id].values()) - {work.holder_id}


# -- what is asked about -------------------------------------------------------------------------


class _Subject(NamedTuple):
    """Works with their holders, their assets where a file was named, a location where a URL was."""

    works: dict[str, str]
    assets: list[str]
    url: str | None


def _subjects(session: Session, asked: Sequence[Asked], *, at: datetime) -> list[_Subject]:
    code = {one.iscc: validate_identifiers({"iscc": one.iscc})["iscc"] for one in asked if one.iscc is not None}
    # By its id a work is found on any day that it was on record; by what it holds, while it is.
    on_record, is_there = sa.or_(Work.withdrawn_at.is_(None), Work.withdrawn_at > at), Work.withdrawn_at.is_(None)
    work = _found_by(session, Work.id, {one.work_id for one in asked}, on_record)
    asset = _found_by(session, Asset.id, {one.asset_id for one in asked}, Asset.work_id == Work.id, on_record)
    indexed = Asset.work_id == Work.id, Asset.status == AssetStatus.INDEXED
    file = _found_by(session, Asset.sha256, {one.sha256 for one in asked}, *indexed, is_there)
    is_iscc = WorkIdentifier.work_id == Work.id, WorkIdentifier.scheme == "iscc"
    coded = _found_by(session, WorkIdentifier.value, set(code.values()), *is_iscc, is_there)
    return [
        work.get(one.work_id)
        or file.get(one.sha256)
        or asset.get(one.asset_id)
        or coded.get(code.get(one.iscc or ""))
        or _Subject({}, [], one.url)
        for one in asked
    ]


def _found_by(
    session: Session, column: InstrumentedAttribute[Any], names: set[str | None], *where: sa.ColumnElement[bool]
) -> Mapping[str | None, _Subject]:
    """What is there under each name in `column`; None is no name."""
    found: dict[str | None, _Subject] = {}
    if wanted := {name for name in names if name is not None}:
        asset = Asset.id if column.class_ is Asset else sa.null()
        query = sa.select(column, Work.id, Work.holder_id, asset).where(among(session, column, wanted))
        for name, work_id, holder_id, asset_id in _rows(session, query.where(*where)):
            subject = found.get(name)
            if subject is None:
                subject = found[name] = _Subject({}, [], None)
            subject.works[work_id] = holder_id
            if asset_id is not None:
                subject.assets.append(asset_id)
    return found


# -- who may speak -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Speakers:
    """For each work, the rival works over the same footage whose holders may speak of it too, with those."""

    rivals: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, session: Session, works: set[str], *, at: datetime) -> "_Speakers":
        rivals: dict[str, dict[str, str]] = defaultdict(dict)
        (one, one_work, one_holder), (other, other_work, other_holder) = (
            (aliased(Asset), aliased(Work), aliased(Holder)) for _ in range(2)
        )
        pairs = (
            sa.select(
                one_work.id, one_holder.id, one_holder.assurance, other_work.id, other_holder.id, other_holder.assurance
            )
            .select_from(Conflict)
            .join(one, one.id == Conflict.asset_id)
            .join(one_work, one_work.id == one.work_id)
            .join(one_holder, one_holder.id == one_work.holder_id)
            .join(other, other.id == Conflict.rival_asset_id)
            .join(other_work, other_work.id == other.work_id)
            .join(other_holder, other_holder.id == other_work.holder_id)
            .where(Conflict.opened_at <= at, sa.or_(Conflict.closed_at.is_(None), Conflict.closed_at > at))
            .where(one_work.id != other_work.id)
            .where(sa.or_(among(session, one_work.id, works), among(session, other_work.id, works)))
        )
        for row in session.execute(pairs):
            sides = row[:3], row[3:]
            for (work_id, _, known), (rival_id, holder_id, claimed) in (sides, sides[::-1]):
                if Assurance(claimed) >= Assurance(known):
                    rivals[work_id][rival_id] = holder_id
        return cls(rivals)

    def works(self, subject: _Subject) -> Mapping[str, str]:
        """The works that are spoken of where the subject is asked about, with their holders."""
        if self.rivals.keys().isdisjoint(subject.works):
            return subject.works
        spoken = dict(subject.works)
        for work_id in subject.works:
            spoken |= self.rivals.get(work_id, {})
        return spoken


# -- what they said ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Statement:
    """What a declaration says, whatever it is about: most of a million say one of a few things, each here once."""

    scope: Scope
    use: Use
    value: Value
    territory: str
    has_terms: bool


class _Word(NamedTuple):
    """A declaration in force, without what no longer matters. Ids tell the time: by them, words sort by age."""

    id: str
    holder_id: str
    about: str
    statement: _Statement


_ID = attrgetter("id")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """Declarations in force: by work or asset, by the holder of a catalogue, by the host of a location.

    Of a host that answers for somebody, only what they said: nobody else speaks of it.
    """

    about: Mapping[str, Sequence[_Word]]
    catalogues: Mapping[str, Sequence[_Word]]
    hosts: Mapping[str, "_Places"]
    known: Mapping[str, Assurance]  # how well, whoever said something of a location

    def on(self, subject: _Subject, works: Mapping[str, str]) -> tuple[frozenset[str], list[_Word]]:
        """Who speaks of a subject, and all that they said of it, oldest first."""
        holders = frozenset(works.values())
        words: list[_Word] = []
        for name in works:
            words += self.about.get(name, ())
        for name in subject.assets:
            words += self.about.get(name, ())
        for holder in holders:
            words += self.catalogues.get(holder, ())
        if subject.url is not None:
            heard = self._heard_at(subject.url)
            words += heard
            holders |= {word.holder_id for word in heard}
        words.sort(key=_ID)
        return holders, words

    def _heard_at(self, url: str) -> list[_Word]:
        places = self.hosts.get(host_of(url))
        there = places.covering(url) if places else []
        ranks = [self.known[word.holder_id].rank for word in there]
        best = max(ranks, default=None)
        return [word for word, rank in zip(there, ranks, strict=True) if rank == best]


class _Places:
    """What was said of the places of one host; each place is read once, however many URLs are asked about."""

    def __init__(self, words: Iterable[_Word]) -> None:
        said: dict[str, list[_Word]] = {}
        for word in words:
            said.setdefault(path_of(word.about), []).append(word)
        # With each place what is longest of it between its stars: where that is not in a path, the rest need not be.
        self._said = Prefixes(
            (place.partition("*")[0], (place, max(place.split("*"), key=len), words)) for place, words in said.items()
        )

    def covering(self, url: str) -> list[_Word]:
        path = path_of(url)
        return [
            word
            for place, longest, said in self._said.beginning(path)
            if longest in path and path_covers(place, path)
            for word in said
        ]


def _words(
    session: Session, subjects: Sequence[_Subject], spoken: Sequence[Mapping[str, str]], *, at: datetime
) -> _Words:
    works = set().union(*spoken)
    assets = set().union(*[subject.assets for subject in subjects])
    holders = {holder for one in spoken for holder in one.values()}
    hosts = {host_of(subject.url) for subject in subjects if subject.url is not None}
    there = _in_force(session, Scope.LOCATION, Reservation.location_host, hosts, at=at)
    for host, masters in domains.masters(session, there.keys(), at=at).items():
        there[host] = [word for word in there[host] if word.holder_id in masters]
    return _Words(
        about=_in_force(session, Scope.WORK, Reservation.work_id, works, at=at)
        | _in_force(session, Scope.ASSET, Reservation.asset_id, assets, at=at),
        catalogues=_in_force(session, Scope.CATALOGUE, Reservation.holder_id, holders, at=at),
        hosts={host: _Places(words) for host, words in there.items()},
        known=_assurance(session, {word.holder_id for words in there.values() for word in words}),
    )


def _in_force(
    session: Session, scope: Scope, column: InstrumentedAttribute[Any], names: Set[str], *, at: datetime
) -> dict[str, list[_Word]]:
    """What was said in a scope, under each name in `column`."""
    found: dict[str, list[_Word]] = defaultdict(list)
    if not names:
        return found
    said = Reservation
    columns = column, said.id, said.holder_id, said.location, said.use, said.value, said.territory, said.terms_url
    # Written out, the scope leads to the index of words on catalogues alone.
    of_scope = said.scope == sa.literal_column(f"'{scope}'")
    query = sa.select(*columns).where(among(session, column, names), of_scope, *in_force(at))
    statements: dict[tuple[str | None, ...], _Statement] = {}
    for name, said_id, holder_id, location, use, value, territory, terms_url in _rows(session, query):
        statement = statements.get(written := (use, value, territory, terms_url))
        if statement is None:
            has_terms = bool(terms_url and terms_url.strip())
            statement = statements[written] = _Statement(scope, Use(use), Value(value), territory, has_terms)
        found[name].append(_Word(said_id, holder_id, location or name, statement))
    return found


def _assurance(session: Session, holders: Set[str]) -> dict[str, Assurance]:
    rows = session.execute(sa.select(Holder.id, Holder.assurance).where(among(session, Holder.id, holders)))
    return {holder_id: Assurance(assurance) for holder_id, assurance in rows}


def _rows[*Columns](session: Session, query: sa.Select[*Columns]) -> Iterator[sa.Row[*Columns]]:
    """Rows as they are: of tens of thousands, a session would copy each once more."""
    session.flush()
    for some in session.connection().execute(query).partitions(_ROWS_AT_ONCE):
        yield from some


# -- what it comes to ----------------------------------------------------------------------------


class _Resolver:
    """Asks the domain once for all that is of one pattern: most works of the world say one of a few things."""

    def __init__(self, uses: Sequence[Use], *, at: datetime, territory: str | None) -> None:
        self._at, self._territory = at, territory
        self._silence = dict.fromkeys(uses, _UNSET)
        self._known: dict[object, tuple[Answer, tuple[int, ...]]] = {}

    def __call__(self, subject: _Subject, works: Mapping[str, str], said: _Words) -> Found:
        holders, words = said.on(subject, works)
        by_use: dict[Use, list[_Word]] = {}
        for word in words:
            by_use.setdefault(word.statement.use, []).append(word)
        # Who said it and about what matters only where there are several: of one work its holder alone speaks.
        is_plain = len(works) == 1 and len(subject.assets) < 2 and subject.url is None
        holding = self._silence.copy()
        for use, on_it in by_use.items():
            if use in holding:
                holding[use] = self._holding(use, on_it, holders, is_plain=is_plain)
        return Found(tuple(sorted(subject.works)), holding)

    def _holding(self, use: Use, words: Sequence[_Word], holders: frozenset[str], *, is_plain: bool) -> Holding:
        pattern: object
        if is_plain:
            pattern = words[0].statement if len(words) == 1 else tuple([word.statement for word in words])
        else:
            pattern = holders, tuple([word[1:] for word in words])
        known = self._known.get(pattern)
        if known is None:
            known = self._known[pattern] = self._asked(use, words, holders)
        answer, places = known
        return Holding(answer, tuple([words[place].id for place in places]))

    def _asked(self, use: Use, words: Sequence[_Word], holders: frozenset[str]) -> tuple[Answer, tuple[int, ...]]:
        declarations = [self._declaration(place, word) for place, word in enumerate(words)]
        found = effective_preference(declarations, use, at=self._at, owners=holders, territory=self._territory)
        return found.answer, tuple(int(said.id) for said in found.declarations)

    def _declaration(self, place: int, word: _Word) -> Declaration:
        """In force now; its id says which one it is, and keeps the order of age."""
        said = word.statement
        return Declaration(
            id=f"{place:06d}",
            use=said.use,
            value=said.value,
            declared_by=word.holder_id,
            declared_at=self._at,
            valid_from=self._at,
            valid_until=None,
            withdrawn_at=None,
            superseded_at=None,
            scope=said.scope,
            about=word.about,
            territory=said.territory,
            terms_url="shown" if said.has_terms else None,
        )


_UNSET = Holding(answer=Answer.UNSET)
