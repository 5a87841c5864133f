"""Preferences: what holds for works, files and web locations, by everything that holders said of them.

Loads the declarations that bear on what is asked and the holders who may speak, for thousands of questions in
a few queries; what they come to together is decided in `registry.domain.preferences`. Who may speak: the owner
of a work, and whoever has an open claim to the same footage and is known at least as well; of a web location,
those who are known best among all who declared something about it.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from registry.domain.identifiers import validate_identifiers
from registry.domain.policy import Assurance
from registry.domain.preferences import Answer, Declaration, Scope, Use, Value, effective_preference
from registry.errors import Invalid
from registry.locations import covers, host_of
from registry.models import Asset, AssetStatus, Conflict, Holder, Reservation, Work, WorkIdentifier
from registry.reservations import in_force

# As many ids in one query as every database takes with ease.
_BATCH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one question is about: exactly one of these."""

    work_id: str | None = None
    asset_id: str | None = None
    sha256: str | None = None
    iscc: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.work_id, self.asset_id, self.sha256, self.iscc, self.url)) != 1:
            raise Invalid(field="items", problem="Each item names a work_id, a sha256, an iscc or a url, and one only.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An answer, and the ids of the declarations that decided it, oldest first."""

    answer: Answer
    declarations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The works that one question was about, and what holds for them together."""

    work_ids: tuple[str, ...]
    holding: Mapping[Use, Holding]


def query(
    session: Session, asked: Sequence[Asked], uses: Sequence[Use], *, at: datetime, territory: str | None = None
) -> list[Found]:
    """What holds for each thing asked about; of what nobody knows, everything is `unset`.

    A file may belong to works of several holders: then the owners of all of them speak.

    Args:
        territory: "EU" or ISO 3166 alpha-2; None asks for everywhere.
    """
    subjects = _subjects(session, asked)
    speakers = _Speakers.of(session, {work for one in subjects for work in one.works})
    words = _words(session, subjects, speakers, at=at)
    resolve = _Resolver(uses, at=at, territory=territory)
    return [resolve(one, speakers, words) for one in subjects]


def effective(session: Session, work: Work, uses: Sequence[Use], *, at: datetime) -> Mapping[Use, Holding]:
    """What holds for one work at a time, also for one that was withdrawn since it was found."""
    subject = _Subject(works={work.id: work.holder_id})
    speakers = _Speakers.of(session, {work.id})
    words = _words(session, [subject], speakers, at=at)
    return _Resolver(uses, at=at, territory=None)(subject, speakers, words).holding


def rivals_of(session: Session, work: Work) -> frozenset[str]:
    """Holders with an open claim to the same footage whose identity is known at least as well as the owner's.

    Without that condition anyone could weaken a studio's work by registering a copy of it.
    """
    return frozenset(_Speakers.of(session, {work.id}).rivals[work.id].values()) - {work.holder_id}


# -- what is asked about -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """Works with their holders, one asset where a file was named, a location where a URL was."""

    works: Mapping[str, str] = field(default_factory=dict)
    assets: frozenset[str] = frozenset()
    url: str | None = None


def _subjects(session: Session, asked: Sequence[Asked]) -> list[_Subject]:
    work = _found_by(session, [one.work_id for one in asked], _by_work_id)
    asset = _found_by(session, [one.asset_id for one in asked], _by_asset_id)
    file = _found_by(session, [one.sha256 for one in asked], _by_sha256)
    codes = {one.iscc for one in asked if one.iscc is not None}
    code = {written: validate_identifiers({"iscc": written})["iscc"] for written in codes}
    coded = _found_by(session, code.values(), _by_iscc)
    subjects = []
    for one in asked:
        rows = work[one.work_id] + asset[one.asset_id] + file[one.sha256] + coded[code.get(one.iscc or "")]
        subjects.append(
            _Subject(
                works={work_id: holder_id for work_id, holder_id, _ in rows},
                assets=frozenset(asset_id for *_, asset_id in rows if asset_id is not None),
                url=one.url,
            )
        )
    return subjects


# Work, holder, asset.
type _Row = tuple[str, str, str | None]
type _Finder = Callable[[Sequence[str]], sa.Select[*tuple[Any, ...]]]


def _found_by(session: Session, names: Iterable[str | None], finder: _Finder) -> dict[str | None, list[_Row]]:
    found: dict[str | None, list[_Row]] = defaultdict(list)
    for some in _batches({name for name in names if name is not None}):
        for name, *row in session.execute(finder(some).where(Work.withdrawn_at.is_(None))):
            found[name].append(tuple(row))
    return found


def _by_work_id(some: Sequence[str]) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(Work.id, Work.id, Work.holder_id, sa.null()).where(Work.id.in_(some))


def _by_asset_id(some: Sequence[str]) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(Asset.id, Work.id, Work.holder_id, Asset.id).join(Asset.work).where(Asset.id.in_(some))


def _by_sha256(some: Sequence[str]) -> sa.Select[*tuple[Any, ...]]:
    having = Asset.sha256.in_(some), Asset.status == AssetStatus.INDEXED
    return sa.select(Asset.sha256, Work.id, Work.holder_id, Asset.id).join(Asset.work).where(*having)


def _by_iscc(some: Sequence[str]) -> sa.Select[*tuple[Any, ...]]:
    having = WorkIdentifier.scheme == "iscc", WorkIdentifier.value.in_(some)
    return sa.select(WorkIdentifier.value, Work.id, Work.holder_id, sa.null()).join(Work).where(*having)


# -- who may speak -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Speakers:
    """For each work, the rival works over the same footage whose holders may speak of it too, with those."""

    rivals: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, session: Session, works: set[str]) -> "_Speakers":
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
            .where(Conflict.closed_at.is_(None), one_work.id != other_work.id)
        )
        for some in _batches(works):
            for row in session.execute(pairs.where(sa.or_(one_work.id.in_(some), other_work.id.in_(some)))):
                sides = row[:3], row[3:]
                for (work_id, _, known), (rival_id, holder_id, claimed) in (sides, sides[::-1]):
                    if Assurance(claimed) >= Assurance(known):
                        rivals[work_id][rival_id] = holder_id
        return cls(rivals)

    def works(self, subject: _Subject) -> dict[str, str]:
        """The works that are spoken of where the subject is asked about, with their holders."""
        spoken = dict(subject.works)
        for work_id in subject.works:
            spoken.update(self.rivals.get(work_id, {}))
        return spoken


# -- what they said ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Word:
    """A declaration in force, without what no longer matters."""

    id: str
    holder_id: str
    about: str | None
    use: str
    kind: tuple[str, str, str, bool]  # scope, value, territory, whether terms are shown


@dataclass(frozen=True, slots=True)
class _Words:
    """Declarations in force by what they are about; those of locations with how well their holder is known."""

    about: Mapping[str, Sequence[_Word]]
    catalogues: Mapping[str, Sequence[_Word]]
    locations: Mapping[str, Sequence[tuple[_Word, Assurance]]]

    def on(self, subject: _Subject, works: Mapping[str, str]) -> tuple[frozenset[str], list[_Word]]:
        """Who speaks of a subject, and all that they said of it, oldest first."""
        holders = frozenset(works.values())
        words = [word for name in (*works, *subject.assets) for word in self.about.get(name, ())]
        words += [word for holder in holders for word in self.catalogues.get(holder, ())]
        if subject.url is not None:
            there = [
                pair
                for pair in self.locations.get(host_of(subject.url), ())
                if covers(pair[0].about or "", subject.url)
            ]
            best = max((known.rank for _, known in there), default=0)
            heard = [word for word, known in there if known.rank == best]
            words += heard
            holders |= {word.holder_id for word in heard}
        return holders, sorted(words, key=lambda word: word.id)


def _words(session: Session, subjects: Sequence[_Subject], speakers: _Speakers, *, at: datetime) -> _Words:
    spoken = [speakers.works(subject) for subject in subjects]
    works = set().union(*spoken)
    holders = {holder for one in spoken for holder in one.values()}
    assets = set().union(*(subject.assets for subject in subjects))
    hosts = {host_of(subject.url) for subject in subjects if subject.url is not None}
    about, catalogues = defaultdict[str, list[_Word]](list), defaultdict[str, list[_Word]](list)
    locations = defaultdict[str, list[tuple[_Word, Assurance]]](list)
    for some in _batches(works):
        for word in _in_force(session, Reservation.work_id.in_(some), Reservation.scope == Scope.WORK, at=at):
            about[word.about or ""].append(word)
    for some in _batches(assets):
        for word in _in_force(session, Reservation.asset_id.in_(some), at=at):
            about[word.about or ""].append(word)
    for some in _batches(holders):
        of_all = Reservation.holder_id.in_(some), Reservation.scope == Scope.CATALOGUE
        for word in _in_force(session, *of_all, at=at):
            catalogues[word.holder_id].append(word)
    for some in _batches(hosts):
        there = list(_in_force(session, Reservation.location_host.in_(some), at=at))
        known = _assurance(session, {word.holder_id for word in there})
        for word in there:
            locations[host_of(word.about or "")].append((word, known[word.holder_id]))
    return _Words(about, catalogues, locations)


def _in_force(session: Session, *where: sa.ColumnElement[bool], at: datetime) -> Iterator[_Word]:
    said = Reservation
    about = sa.func.coalesce(said.asset_id, said.work_id, said.location)
    columns = said.id, said.holder_id, about, said.scope, said.use, said.value, said.territory, said.terms_url
    rows = session.execute(sa.select(*columns).where(*where, *in_force(at)))
    for said_id, holder_id, name, scope, use, value, territory, terms_url in rows:
        yield _Word(said_id, holder_id, name, use, (scope, value, territory, bool((terms_url or "").strip())))


def _assurance(session: Session, holders: set[str]) -> dict[str, Assurance]:
    known: dict[str, Assurance] = {}
    for some in _batches(holders):
        rows = session.execute(sa.select(Holder.id, Holder.assurance).where(Holder.id.in_(some)))
        known.update({holder_id: Assurance(assurance) for holder_id, assurance in rows})
    return known


# -- what it comes to ----------------------------------------------------------------------------


class _Resolver:
    """Asks the domain once for all that is of one pattern: most works of the world say one of a few things."""

    def __init__(self, uses: Sequence[Use], *, at: datetime, territory: str | None) -> None:
        self._uses, self._at, self._territory = uses, at, territory
        self._known: dict[object, tuple[Answer, tuple[int, ...]]] = {}

    def __call__(self, subject: _Subject, speakers: _Speakers, said: _Words) -> Found:
        holders, words = said.on(subject, speakers.works(subject))
        by_use: dict[str, list[_Word]] = {}
        for word in words:
            by_use.setdefault(word.use, []).append(word)
        # Whose words they are and about what matters only where there are several.
        is_plain = len(holders) == 1 and len(subject.works) == 1 and len(subject.assets) < 2 and subject.url is None
        holding = {}
        for use in self._uses:
            spoken = by_use.get(use)
            holding[use] = self._holding(use, spoken, holders, is_plain=is_plain) if spoken else _UNSET
        return Found(work_ids=tuple(sorted(subject.works)), holding=holding)

    def _holding(self, use: Use, words: Sequence[_Word], holders: frozenset[str], *, is_plain: bool) -> Holding:
        pattern: object = tuple([word.kind for word in words])
        if not is_plain:
            pattern = holders, tuple((word.holder_id, word.about, word.kind) for word in words)
        known = self._known.get(pattern)
        if known is None:
            known = self._known[pattern] = self._asked(use, words, holders)
        answer, places = known
        return Holding(answer=answer, declarations=tuple([words[place].id for place in places]))

    def _asked(self, use: Use, words: Sequence[_Word], holders: frozenset[str]) -> tuple[Answer, tuple[int, ...]]:
        declarations = [self._declaration(place, word) for place, word in enumerate(words)]
        found = effective_preference(declarations, use, at=self._at, owners=holders, territory=self._territory)
        return found.answer, tuple(int(said.id) for said in found.declarations)

    def _declaration(self, place: int, word: _Word) -> Declaration:
        """In force now; its id says which one it is, and keeps the order of age."""
        scope, value, territory, has_terms = word.kind
        return Declaration(
            id=f"{place:06d}",
            use=Use(word.use),
            value=Value(value),
            declared_by=word.holder_id,
            declared_at=self._at,
            valid_from=self._at,
            valid_until=None,
            withdrawn_at=None,
            superseded_at=None,
            scope=Scope(scope),
            about=word.about,
            territory=territory,
            terms_url="shown" if has_terms else None,
        )


_UNSET = Holding(answer=Answer.UNSET)


def _batches(names: Iterable[str]) -> Iterator[Sequence[str]]:
    yield from itertools.batched(sorted(names), _BATCH)
