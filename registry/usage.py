"""Usage: how much a holder asks and lets out, day by day, with what verdicts and how fast.

Counts what is on record under the holder, whichever key or person asked: a check does not keep which. Verifications
need no key and are nobody's, so they are not counted here. Days are days in UTC, and the last one is today.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix, first_id
from registry.domain.policy import Verdict
from registry.models import Check, OutboxMessage, Release

MOST_DAYS: Final = 366
PENDING: Final = "pending"  # a check without a verdict yet
_READERS: Final = Scope.CHECKS_WRITE, Scope.RELEASES_WRITE, Scope.WEBHOOKS_WRITE
_TOOK_MS = Check.timings_ms["total"].as_float()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long answers took, by nearest rank: half of them at most `p50_ms`, 95 of 100 at most `p95_ms`."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a holder did, with a value for each of `days`.

    Attributes:
        checks: by verdict: every one of them, and `PENDING`.
        checked_s: seconds of media that were looked at.
        messages: webhooks.
        latency: None where nothing was answered.
        over_all: of all days together.
    """

    days: tuple[date, ...]
    checks: Mapping[str, list[int]]
    checked_s: list[float]
    releases: list[int]
    messages: list[int]
    latency: list[Latency | None]
    over_all: Latency | None

    def count(self, *, verdict: str | None = None, last: int = MOST_DAYS) -> int:
        """Checks of the last so many days, with one verdict or any."""
        counted = self.checks.values() if verdict is None else [self.checks[verdict]]
        return sum(sum(values[-last:]) for values in counted)


def usage_of(session: Session, actor: Actor, *, days: int, at: datetime) -> Usage:
    """What the actor's holder did in the last `days` days, today included."""
    actor.require(*_READERS)
    today = at.astimezone(UTC).date()
    shown = tuple(today - timedelta(days=ago) for ago in reversed(range(max(1, min(days, MOST_DAYS)))))
    checks: dict[str, list[int]] = {verdict: [0] * len(shown) for verdict in (*Verdict, PENDING)}
    checked_s = [0.0] * len(shown)
    asked = _numbered(
        actor, shown, Check, Prefix.CHECK, Check.verdict, Check.duration_s, _TOOK_MS.label("took_ms")
    )  # fmt: skip
    by_verdict = sa.select(asked.c.day, asked.c.verdict, sa.func.count(), sa.func.sum(asked.c.duration_s))
    for day, verdict, number, seconds in session.execute(by_verdict.group_by(asked.c.day, asked.c.verdict)):
        checks[verdict or PENDING][day] = number
        checked_s[day] += seconds or 0.0
    latency = _latency(session, asked, asked.c.day)
    return Usage(
        days=shown,
        checks=checks,
        checked_s=checked_s,
        releases=_counted(session, _numbered(actor, shown, Release, Prefix.RELEASE), shown),
        messages=_counted(session, _numbered(actor, shown, OutboxMessage, Prefix.WEBHOOK), shown),
        latency=[latency.get(number) for number in range(len(shown))],
        over_all=_latency(session, asked, sa.literal(0)).get(0),
    )


def _numbered(
    actor: Actor, shown: tuple[date, ...], table: type[Check | Release | OutboxMessage], prefix: Prefix,
    *columns: sa.ColumnElement[Any] | Any,
) -> sa.Subquery:  # fmt: skip
    """The holder's rows of these days, each with the number of its day, from 0.

    A number made of comparisons alone: no two databases have the same functions for days.
    """
    starts = [datetime.combine(day, time(), UTC) for day in shown]
    number = sa.case(
        *((table.created_at < start, number) for number, start in enumerate(starts[1:])), else_=len(shown) - 1
    ) if len(shown) > 1 else sa.literal(0)  # fmt: skip
    mine = table.holder_id == actor.holder_id, table.id >= first_id(prefix, at=starts[0])
    return sa.select(number.label("day"), *columns).where(*mine).subquery()


def _counted(session: Session, rows: sa.Subquery, shown: tuple[date, ...]) -> list[int]:
    counts = [0] * len(shown)
    for day, number in session.execute(sa.select(rows.c.day, sa.func.count()).group_by(rows.c.day)):
        counts[day] = number
    return counts


def _latency(session: Session, asked: sa.Subquery, by: sa.ColumnElement[int]) -> dict[int, Latency]:
    """Of the answers of each group."""
    together: dict[str, Any] = {"partition_by": by}
    ranked = (
        sa.select(
            by.label("group"),
            asked.c.took_ms,
            sa.func.row_number().over(**together, order_by=asked.c.took_ms).label("rank"),
            sa.func.count().over(**together).label("of"),
        )
        .where(asked.c.took_ms.is_not(None))
        .subquery()
    )

    def percentile(percent: int) -> sa.ColumnElement[float]:
        is_within = ranked.c.rank <= (ranked.c.of * percent + 99) // 100
        return sa.func.max(sa.case((is_within, ranked.c.took_ms)))

    query = sa.select(ranked.c.group, percentile(50), percentile(95)).group_by(ranked.c.group)
    return {group: Latency(p50_ms=half, p95_ms=most) for group, half, most in session.execute(query)}
