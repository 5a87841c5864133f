"""Words that stand: what declarations come to from a moment on, so that they can be handed on as they will be heard.

Of several words on one thing the newest is heard, one that is said for a time only while it lasts: words become
stretches of time that do not overlap. Where words on several things meet, the strictest is heard; so a permission that
something stricter reaches, now or later, is taken out. What is taken out is told.
"""

import heapq
import itertools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from registry.domain.preferences import STRICTEST_FIRST, WORLDWIDE, Use, Value, contains
from registry.formats.statements import Remark, Statement, distinct, named
from registry.locations import host_of, path_covers, path_of
from registry.models import Reservation
from registry.reaching import Reaching

_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def statements_of(rows: Iterable[Reservation], *, at: datetime) -> list[Statement]:
    """What rows that stand at `at` say from then on; of what has begun, it is not said when."""
    in_turn = sorted(rows, key=lambda row: (row.declared_at, row.id))
    return heard((_about(row), _statement(row, at=at)) for row in in_turn)


def of_files(rows: Iterable[Reservation], *, at: datetime) -> tuple[list[Statement], list[Remark]]:
    """What rows on single files of a work say, and that it is not said where all of the work is spoken of."""
    by_file: dict[str | None, list[Reservation]] = {}
    for row in rows:
        by_file.setdefault(row.asset_id, []).append(row)
    said = {file: statements_of(some, at=at) for file, some in by_file.items()}
    problem = "It is about one file of the work, and this is about all of it."
    remarks = [Remark(where=f"{named(one)}, of {file}", problem=problem) for file in said for one in said[file]]
    return [one for ones in said.values() for one in ones], remarks


def _about(row: Reservation) -> Hashable:
    return row.holder_id, row.scope, row.work_id, row.asset_id, row.location, row.use, row.territory


def _statement(row: Reservation, *, at: datetime) -> Statement:
    ends = [end for end in (row.valid_until, row.superseded_at, row.withdrawn_at) if end is not None]
    return Statement(
        use=Use(row.use),
        value=Value(row.value),
        location=f"{host_of(row.location)}{path_of(row.location)}" if row.location else None,
        territory=row.territory,
        terms_url=row.terms_url,
        contact=row.contact,
        valid_from=row.valid_from if row.valid_from > at else None,
        valid_until=min(ends, default=None),
    )


def heard(words: Iterable[tuple[Hashable, Statement]]) -> list[Statement]:
    """Words with what they are about, each spoken over by those that come after it, while these last."""
    said: dict[Hashable, list[Statement]] = {}
    for about, word in words:
        said.setdefault(about, []).append(word)
    return [one for ones in said.values() for one in _stretches(ones)]


def _stretches(words: Sequence[Statement]) -> Iterator[Statement]:
    """When each word is the newest of those that last; they are given oldest first."""
    times = [lasting(word) for word in words]
    to_begin = sorted(range(len(words)), key=lambda turn: times[turn], reverse=True)
    lasts: list[int] = []  # a heap of turns, negative: the newest is on top; what is over goes when it comes there
    speaks, since = None, _EVER[0]
    for moment in sorted(set(itertools.chain.from_iterable(times))):
        while to_begin and times[to_begin[-1]][0] == moment:
            heapq.heappush(lasts, -to_begin.pop())
        while lasts and times[-lasts[0]][1] <= moment:
            heapq.heappop(lasts)
        newest = -lasts[0] if lasts else None
        if newest != speaks:
            if speaks is not None:
                yield _during(words[speaks], since, moment)
            speaks, since = newest, moment


def _during(said: Statement, begins: datetime, ends: datetime) -> Statement:
    own_beginning, own_end = lasting(said)
    return replace(
        said,
        valid_from=said.valid_from if begins == own_beginning else begins,
        valid_until=said.valid_until if ends == own_end else ends,
    )


def together(one: Statement, other: Statement) -> bool:
    """Whether there is a time at which both hold."""
    (begins, ends), (others_beginning, others_end) = lasting(one), lasting(other)
    return begins < others_end and others_beginning < ends


def lasting(said: Statement) -> tuple[datetime, datetime]:
    """[start, end)"""
    return said.valid_from or _EVER[0], said.valid_until or _EVER[1]


def consistent(
    statements: Iterable[Statement], *, lands: bool = True, times: bool = True
) -> tuple[list[Statement], list[Remark]]:
    """The statements without those that something stricter on the same use outdoes, and these as remarks.

    Args:
        lands, times: whether it can be written where and when a statement holds. What cannot is read as everywhere and
            always, and so are the restrictions compared.
    """
    every = distinct(statements)
    wide = [_wide(one, lands=lands, times=times) for one in every]
    said: dict[tuple[Use, int], list[tuple[Statement, Statement]]] = {}
    for one, word in zip(every, wide, strict=True):
        said.setdefault((one.use, rank(one)), []).append((one, word))
    words = {about: Reaching((word.location, (one, word)) for one, word in some) for about, some in said.items()}
    kept, remarks = [], []
    for one, word in zip(every, wide, strict=True):
        above = filter(None, (words.get((one.use, stricter)) for stricter in range(rank(one))))
        reaching = itertools.chain.from_iterable(some.to(word.location) for some in above)
        outdoing = next((meant for meant, other in reaching if _holds_over(other, word)), None)
        if outdoing is None:
            kept.append(one)
        else:
            remarks.append(_outdone(one, outdoing))
    return kept, remarks


def unreached(statements: Iterable[Statement], unwritten: Sequence[Statement]) -> tuple[list[Statement], list[Remark]]:
    """The statements without the permissions that something stricter reaches which is not written beside them.

    Wherever and whenever: nobody who reads the one will know of the other.
    """
    restricted: dict[Use, Statement] = {}
    for other in unwritten:
        if other.value is not Value.ALLOWED:
            restricted.setdefault(other.use, other)
    kept, remarks = [], []
    for one in distinct(statements):
        reached = restricted.get(one.use) if one.value is Value.ALLOWED else None
        if reached is None:
            kept.append(one)
        else:
            remarks.append(_outdone(one, reached))
    return kept, remarks


def _outdone(one: Statement, stricter: Statement) -> Remark:
    return Remark(where=named(one), problem=f"A stricter word holds there: {named(stricter)}.")


def _wide(said: Statement, *, lands: bool, times: bool) -> Statement:
    """A restriction as it is read when it cannot be said where and when it holds."""
    if said.value is Value.ALLOWED:
        return said
    said = said if lands else replace(said, territory=WORLDWIDE)
    return said if times else replace(said, valid_from=None, valid_until=None)


def _holds_over(other: Statement, one: Statement) -> bool:
    """Whether `other`, stricter and of a place that reaches that of `one`, holds in all lands that it does, and when.

    A permission is outdone by what holds at any time that it does, wherever some path may lie in both places; a
    restriction stands where and while nothing stricter does.
    """
    if not contains(other.territory, one.territory):
        return False
    if one.value is Value.ALLOWED:
        return together(one, other)
    if other.location is not None and (
        one.location is None or not path_covers(path_of(other.location), path_of(one.location))
    ):
        return False
    (begins, ends), (others_beginning, others_end) = lasting(one), lasting(other)
    return others_beginning <= begins and ends <= others_end


def rank(said: Statement) -> int:
    """How strict it is: the strictest has the lowest."""
    return STRICTEST_FIRST.index(said.value)
