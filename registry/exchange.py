"""Reservations in the formats of the field, in and out: what a source says goes on record, what is on record is said.

The record hears the most restrictive of several words on one thing, while most formats hear the first or the longest
place. So what is written leaves out a permission that something stricter reaches, also later, since a file lives on;
and what is read says of such a permission that it will not be heard. Which format can say what is decided in
`registry.formats`, which words outdo which in `registry.standing`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import reservations, standing
from registry.access import Actor
from registry.domain.preferences import Scope as Reach
from registry.domain.preferences import Use, Value
from registry.errors import Invalid
from registry.formats import cawg, content_signal, content_usage, odrl, rsl, tdmai, tdmrep
from registry.formats.statements import FormatError, Reading, Remark, Statement, Written, few, named, unsaid
from registry.locations import host_of, location_host, path_of, with_scheme
from registry.models import Holder, Reservation, Work
from registry.reservations import NewReservation, not_over
from registry.works import own_work

MOST_STATEMENTS = 2000
_AT_ONCE = 100


class ExportFormat(StrEnum):
    """What reservations can be written as; the names of the contract's exports."""

    TDMREP = "tdmrep.json"
    TDMREP_META = "tdmrep.html"
    HEADERS = "headers"
    RSL = "rsl.xml"
    CONTENT_USAGE = "content-usage"
    CONTENT_SIGNAL = "content-signal"
    CAWG = "cawg"
    TDMAI = "tdmai"
    ODRL = "odrl.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is written about: a host's places where `host` is given, a work where there is one, else all of a holder."""

    holder: Holder
    work: Work | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a source is about: a work, an asset, or the places of a site, by any location of it."""

    work_id: str | None = None
    asset_id: str | None = None
    location: str | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.work_id, self.asset_id, self.location)) != 1:
            raise Invalid(field="work_id", problem="Say what it is about: a work_id, an asset_id or a location.")


# -- out -----------------------------------------------------------------------------------------


def about(session: Session, actor: Actor, *, work_id: str | None, host: str | None) -> About:
    """What the actor wants written. Raises: NotFound, Invalid."""
    work = own_work(session, actor, work_id) if work_id is not None else None
    if work is not None and host is not None:
        raise Invalid(field="host", problem="Name a work or a host, not both.")
    host = location_host(host) if host is not None else None
    return About(holder=session.get_one(Holder, actor.holder_id), work=work, host=host)


def write(session: Session, subject: About, format: ExportFormat, *, url: str, at: datetime) -> Written:
    """The words on a subject that stand from now on, in a format.

    Args:
        url: where the export is served, for formats that say it.
    Raises:
        Invalid: there is more than the format holds.
    """
    try:
        return in_format(subject, format, spoken(session, subject, at=at), url=url)
    except FormatError as error:
        raise Invalid(field="format", problem=error.problem) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The words on a subject, and what is said beside them of parts of it, with why that is not written."""

    said: Sequence[Statement]
    beside: Sequence[Statement] = ()
    remarks: Sequence[Remark] = ()


def spoken(session: Session, subject: About, *, at: datetime) -> Spoken:
    """What the holder says of a subject from now on; of several words on one thing the newest, as everywhere."""
    mine = sa.select(Reservation).where(Reservation.holder_id == subject.holder.id, *not_over(at))
    of_all = Reservation.scope == Reach.CATALOGUE
    if subject.work is not None:
        rows = session.scalars(mine.where(sa.or_(of_all, Reservation.work_id == subject.work.id))).all()
        beside, remarks = standing.of_files((row for row in rows if row.scope == Reach.ASSET), at=at)
        said = standing.statements_of((row for row in rows if row.scope != Reach.ASSET), at=at)
        return Spoken(said=said, beside=beside, remarks=remarks)
    there = Reservation.scope == Reach.LOCATION if subject.host is None else Reservation.location_host == subject.host
    said = standing.statements_of(session.scalars(mine.where(sa.or_(of_all, there))), at=at)
    if subject.host is None:
        return Spoken(said=said, beside=_of_works(session, subject, said, at=at))
    # As everywhere: a place is permitted by words on it alone, not by one on works.
    of_works, said = _parted(said, lambda one: one.location is None and one.value is Value.ALLOWED)
    problem = "It is about works, and permits nothing of a site. Say it of the site."
    return Spoken(said=said, remarks=[Remark(where=named(one), problem=problem) for one in of_works])


def _of_works(session: Session, subject: About, said: Iterable[Statement], *, at: datetime) -> list[Statement]:
    """What is said of some work or file of the holder's against a use that is permitted, the strictest first."""
    permitted = {one.use for one in said if one.value is Value.ALLOWED}
    if not permitted:
        return []
    of_one = Reservation.holder_id == subject.holder.id, Reservation.scope.in_((Reach.WORK, Reach.ASSET))
    excepted = Reservation.use.in_(permitted), Reservation.value != Value.ALLOWED, *not_over(at)
    words = session.execute(sa.select(Reservation.use, Reservation.value).distinct().where(*of_one, *excepted))
    return sorted((Statement(use=Use(use), value=Value(value)) for use, value in words), key=standing.rank)


def in_format(subject: About, format: ExportFormat, words: Spoken, *, url: str = "") -> Written:
    """Words on a subject in a format, without what they would permit too much. Raises: FormatError."""
    says = _SAYS.get(format, _Says())
    said, outdone = standing.consistent(words.said, lands=says.lands, times=says.times)
    said, reached = standing.unreached(said, words.beside)
    written = _written(subject, format, said, url=url)
    # A file of text ends with the end of a line, also where it is the value of one header.
    text = written.text if written.text.endswith("\n") or not written.text else f"{written.text}\n"
    return replace(
        written, text=text, left_out=tuple(dict.fromkeys([*words.remarks, *outdone, *reached, *written.left_out]))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Says:
    """Whether a format can say where and when something holds."""

    lands: bool = False
    times: bool = False


_SAYS = {ExportFormat.RSL: _Says(lands=True), ExportFormat.ODRL: _Says(lands=True, times=True)}


def _written(subject: About, format: ExportFormat, said: Sequence[Statement], *, url: str) -> Written:
    paths = [replace(one, location=path_of(one.location) if one.location else None) for one in said]
    match format:
        case ExportFormat.TDMREP:
            return tdmrep.write_file(said, host=subject.host)
        case ExportFormat.TDMREP_META:
            return _everywhere(said, tdmrep.write_html_meta)
        case ExportFormat.HEADERS:
            return _everywhere(said, _headers)
        case ExportFormat.RSL:
            return rsl.write(paths if subject.host else [replace(one, location=_url(one.location)) for one in said])
        case ExportFormat.CONTENT_USAGE:
            return content_usage.write_header(said) if subject.work else content_usage.write_robots(paths)
        case ExportFormat.CONTENT_SIGNAL:
            return content_signal.write_header(said) if subject.work else content_signal.write_robots(paths)
        case ExportFormat.CAWG:
            return cawg.write(said)
        case ExportFormat.TDMAI:
            return tdmai.write(said, iscc=subject.work.identifiers.get("iscc") if subject.work else None)
        case ExportFormat.ODRL:
            return odrl.write_policy(said, policy_url=url, assigner_name=subject.holder.name)


def _url(location: str | None) -> str | None:
    return with_scheme(location) if location else None


def _everywhere(said: Sequence[Statement], write: Callable[[Sequence[Statement]], Written]) -> Written:
    """What holds for all of a site or for the file; what is about a place has no room in a header or a page."""
    whole, apart = _parted(said, lambda one: one.location is None or path_of(one.location) == "/")
    problem = "It is about a place, and this goes with every answer."
    left_out = [Remark(where=named(one), problem=problem) for one in apart]
    kept, reached = standing.unreached([replace(one, location=None) for one in whole], apart)
    written = write(kept)
    return replace(written, left_out=(*left_out, *reached, *written.left_out))


def _headers(said: Sequence[Statement]) -> Written:
    """The header lines of all formats that have one; what none of them can say is left out."""
    tdm = tdmrep.write_headers(said)
    others = {"Content-Usage": content_usage.write_header(said), "Content-Signal": content_signal.write_header(said)}
    lines = [*tdm.lines, *(f"{name}: {one.text.strip()}" for name, one in others.items() if one.text.strip())]
    left_out = unsaid(tdm.left_out, *[one.left_out for one in others.values()])
    return Written(text="".join(f"{line}\n" for line in lines), media_type="text/plain", left_out=left_out)


def _parted(said: Iterable[Statement], is_one: Callable[[Statement], bool]) -> tuple[list[Statement], list[Statement]]:
    """Those that are, and those that are not."""
    are: list[Statement] = []
    are_not: list[Statement] = []
    for one in said:
        (are if is_one(one) else are_not).append(one)
    return are, are_not


# -- in ------------------------------------------------------------------------------------------

_NOTHING = Remark(
    where="the file", problem="Nothing in it reserves or allows a use, read as what it was called. Is it that?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What of a source goes on record, and what does not, or will not be heard as it was meant."""

    declarations: tuple[NewReservation, ...]
    remarks: tuple[Remark, ...]


def take(session: Session, actor: Actor, reading: Reading, target: Target, *, at: datetime) -> Taken:
    """What a source comes to on record; nothing is stored. Raises: Invalid, NotFound."""
    if len(reading.statements) > MOST_STATEMENTS:
        raise Invalid(field="file", problem=f"It says more than {MOST_STATEMENTS} things. Import parts of it.")
    current, ended = _parted(reading.statements, lambda said: said.valid_until is None or said.valid_until > at)
    current, never = _parted(current, _begins_before_it_ends)
    over = [Remark(where=named(said), problem="It has ended.") for said in ended]
    over += [Remark(where=named(said), problem="It ends before it begins.") for said in never]
    if target.location is not None:
        placed, remarks = _on_site(current, location_host(target.location))
    else:
        placed, remarks = _on_work(current)
    kept, unheard = standing.consistent(placed)
    # Of two words on one thing the newer alone would be heard: the stricter speaks over the other while it lasts, and
    # of two as strict the first.
    strictest_first = sorted(kept, key=standing.rank)
    words = standing.heard(((said.use, said.location, said.territory), said) for said in reversed(strictest_first))
    declarations = tuple(reservations.checked(session, actor, _declaration(said, target), at=at) for said in words)
    if target.work_id is not None:
        own_work(session, actor, target.work_id)
    reservations.require_room(session, actor, declarations, at=at)
    nothing = [] if reading.statements else [_NOTHING]
    return Taken(declarations=declarations, remarks=few([*nothing, *reading.remarks, *over, *remarks, *unheard]))


def _begins_before_it_ends(said: Statement) -> bool:
    begins, ends = standing.lasting(said)
    return begins < ends


def declare(session: Session, actor: Actor, taken: Taken, *, at: datetime) -> list[Reservation]:
    """Put what was taken on record."""
    return reservations.declare_all(session, actor, taken.declarations, at=at)


def portions(taken: Taken) -> Iterator[Taken]:
    """What was taken, so much at a time that others may write between.

    What they change may still stop it half way; to send the file again is safe, its words take the place of their own.
    """
    for some in itertools.batched(taken.declarations, _AT_ONCE):
        yield replace(taken, declarations=some)


def _on_site(statements: Iterable[Statement], host: str) -> tuple[list[Statement], list[Remark]]:
    placed, remarks = [], []
    for said in statements:
        location = said.location or "/"
        is_path = location.startswith(("/", "*"))
        if not is_path and host_of(location) != host:
            remarks.append(Remark(where=named(said), problem=f"It is about another site than {host}."))
            continue
        path = location if is_path else path_of(location)
        if path.endswith("$"):
            if said.value is Value.ALLOWED:
                problem = "The end of a path cannot be said; a permission is not taken for more than it was given for."
                remarks.append(Remark(where=named(said), problem=problem))
                continue
            path = path[:-1]
        placed.append(replace(said, location=f"{host}{path if path.startswith('/') else f'/{path}'}"))
    return placed, remarks


def _on_work(statements: Iterable[Statement]) -> tuple[list[Statement], list[Remark]]:
    placed, remarks = [], []
    for said in statements:
        if said.location is None:
            placed.append(said)
        else:
            remarks.append(
                Remark(where=named(said), problem="It is about a place, not about the file. Name a location.")
            )
    return placed, remarks


def _declaration(said: Statement, target: Target) -> NewReservation:
    reach: Mapping[str, object]
    if target.location is not None:
        reach = {"scope": Reach.LOCATION, "location": said.location}
    elif target.asset_id is not None:
        reach = {"scope": Reach.ASSET, "asset_id": target.asset_id}
    else:
        reach = {"scope": Reach.WORK, "work_id": target.work_id}
    return NewReservation(
        use=said.use, value=said.value, territory=said.territory, terms_url=said.terms_url, contact=said.contact,
        valid_from=said.valid_from, valid_until=said.valid_until, **reach,  # type: ignore[arg-type]
    )  # fmt: skip
