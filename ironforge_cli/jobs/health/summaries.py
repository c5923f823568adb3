"""From rows to findings: freshness, missing hours in words, the estimator's self-check, days held. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.repositories.attempts import CRASHED
from ironforge_cli.jobs.health.findings import Days, Freshness, MissingHour, SelfCheck, Shelved, Unresolved
from ironforge_cli.market import hours
from ironforge_cli.market.partitions import DailyPartition, Mark, State, covers, is_due
from ironforge_cli.market.rhythm import USUAL_STEP, Seen
from ironforge_cli.market.sales import ESTIMATOR_VERSION
from ironforge_cli.market.unmarked_days import last_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.db.repositories.attempts import Tally
    from ironforge_cli.db.repositories.health import Gap, Stored
    from ironforge_cli.market.partitions import Existing
    from ironforge_cli.market.retention import Present
    from ironforge_cli.market.rhythm import Rhythm
    from ironforge_cli.regions import Region

LATELY: Final = timedelta(hours=24)
"""A missed hour, and a refused body of one, are a problem for a day; then they are history."""
COMPARED_WITH: Final = timedelta(days=14)
FEWEST_PARTLY_SOLD: Final = 200
"""Auctions that have to be partly sold before a share of them says anything."""
_DAY: Final = timedelta(days=1)
_SAME_HOUR: Final = timedelta(minutes=30)
# A body whose time is unknown is of the publication before it was received, mostly by less than this.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_RECEIVED_WITHIN: Final = timedelta(minutes=45)

_IN_WORDS: Final = {
    "spooled": "received {} and put into the spool, since it could not be stored",
    "rejected": "Blizzard's answer was refused {}",
    "failed": "failed {}",
    "locked": "locked out {} by another run",
    CRASHED: "crashed {}",
    "running": "still at work {}",
    "success": "another snapshot was stored {}",
    "no_change": "Blizzard had published nothing new {}",
}


def freshness(stored: Sequence[Stored], rhythm: Rhythm | None, *, delay: timedelta, now: datetime) -> Freshness | None:
    """How old the newest of some stored snapshots is, and when the next should be there; None without any."""
    if not stored:
        return None
    newest = stored[0]
    # The newest may have waited, or come from a file, so that the rhythm was not learned from it.
    due_at = newest.snapshot_time + rhythm.step if rhythm else None
    return Freshness(
        snapshot_time=newest.snapshot_time,
        age_seconds=int((now - newest.snapshot_time).total_seconds()),
        auctions=newest.auctions,
        items=newest.items,
        minute=rhythm.minute if rhythm else None,
        due_at=due_at,
        delay_seconds=int(delay.total_seconds()) if rhythm else None,
        late_seconds=max(0, int((now - due_at - delay).total_seconds())) if due_at else None,
    )


def published_live(stored: Iterable[Stored]) -> list[Seen]:
    """What tells of the rhythm: snapshots that were fetched, not those that waited or came from a file."""
    return [Seen(one.snapshot_time, one.stored_at) for one in stored if one.source == "live"]


@dataclass(frozen=True, slots=True)
class Span:
    """A missing hour, and the time in which it could be fetched."""

    expected_at: datetime
    ends_at: datetime
    """When the next one was there, or expected."""
    since: datetime
    until: datetime | None
    """The stored snapshots around it; None: none is stored after it."""


def spans_of(
    gaps: Iterable[Gap], rhythm: Rhythm | None, *, silent: tuple[datetime, list[datetime]] | None
) -> list[Span]:
    """The missing hours of gaps and, with the newest snapshot's time, of the silence since; newest first."""
    step = rhythm.step if rhythm else USUAL_STEP
    found: list[Span] = []
    for gap in gaps:
        expected = hours.left_out(gap.since, gap.until, rhythm)
        ends = [*expected[1:], gap.until]
        found += [Span(hour, end, gap.since, gap.until) for hour, end in zip(expected, ends, strict=True)]
    if silent is not None:
        newest, expected = silent
        found += [Span(hour, hour + step, newest, None) for hour in expected]
    return sorted(found, key=lambda span: span.expected_at, reverse=True)


def missing_hours(
    spans: Sequence[Span],
    tallies: Iterable[Tally],
    *,
    spool: Sequence[Kept],
    quarantine: Sequence[Kept],
    oldest_log: datetime | None,
    pending_rows: int,
) -> list[MissingHour]:
    """Each missing hour with what the logs and the bodies on disk say of it."""
    ended: dict[int, list[Tally]] = {}
    for tally in tallies:
        ended.setdefault(tally.span, []).append(tally)
    found: list[MissingHour] = []
    for number, span in enumerate(spans):
        own = ended.get(number, [])
        if own:
            told = attempts_in_words(own)
        elif oldest_log is None or span.ends_at <= oldest_log:
            told = "no logs are kept of that time"
        else:
            told = "nothing ran"
        if pending_rows and not own:
            told += ", or its log rows still wait for the database"
        told += _bodies_in_words(span.expected_at, spool=spool, quarantine=quarantine)
        found.append(
            MissingHour(
                expected_at=span.expected_at,
                since=span.since,
                until=span.until,
                attempts={tally.status: tally.count for tally in own},
                explanation=f"{told[0].upper()}{told[1:]}.",
            )
        )
    return found


def attempts_in_words(tallies: Sequence[Tally]) -> str:
    """How the attempts of an hour ended.

    >>> from ironforge_cli.db.repositories.attempts import Tally
    >>> attempts_in_words([Tally(0, "no_change", 57, None), Tally(0, "rejected", 1, "The body is cut.")])
    "Blizzard's answer was refused once (The body is cut.); Blizzard had published nothing new 57 times"
    """
    ended = {tally.status: tally for tally in tallies}
    told: list[str] = []
    for status, words in _IN_WORDS.items():
        if status in ended:
            message = f" ({ended[status].message})" if ended[status].message else ""
            told.append(words.format(_times(ended[status].count)) + message)
    return "; ".join(told)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _bodies_in_words(expected: datetime, *, spool: Sequence[Kept], quarantine: Sequence[Kept]) -> str:
    if any(is_of(kept, expected) for kept in spool):
        return "; its body waits in the spool, and the next run stores it"
    if any(is_of(kept, expected) for kept in quarantine):
        return "; a refused body of it is kept: `ironforge spool list --quarantine`"
    return ""


def is_of(kept: Kept, hour: datetime) -> bool:
    """Whether a body is of the snapshot of a time, give or take; by when it was received where it bears no time."""
    if kept.snapshot_time is not None:
        return abs(kept.snapshot_time - hour) <= _SAME_HOUR
    return -_CLOCKS_DIFFER <= kept.received_at - hour <= _RECEIVED_WITHIN


def shelved(bodies: Sequence[Kept], sizes: Mapping[str, int]) -> Shelved:
    """What a shelf holds; `sizes` are its files' by their bodies' names."""
    received = sorted(bodies, key=lambda kept: kept.received_at)
    return Shelved(
        bodies=len(bodies),
        bytes=sum(sizes.get(kept.name, 0) for kept in bodies),
        oldest_at=received[0].received_at if received else None,
        newest_at=received[-1].received_at if received else None,
        newest_reason=received[-1].reason if received else None,
    )


def unresolved(quarantine: Iterable[Kept], stored: Sequence[Stored], *, now: datetime) -> list[Unresolved]:
    """The bodies that were refused within the last 24 hours and whose hour is not stored."""
    return [
        Unresolved(kept.name, kept.received_at, kept.reason)
        for kept in quarantine
        if kept.received_at > now - LATELY and not any(is_of(kept, one.snapshot_time) for one in stored)
    ]


def self_check(stored: Sequence[Stored], *, now: datetime) -> SelfCheck | None:
    """The estimator's check on itself, now and before; None without a snapshot."""
    if not stored:
        return None
    newest, day = stored[0], now - LATELY
    return SelfCheck(
        newest=_share([newest], fewest=1),
        day=_share([one for one in stored if one.snapshot_time > day], fewest=FEWEST_PARTLY_SOLD),
        before=_share(
            [one for one in stored if day - COMPARED_WITH < one.snapshot_time <= day], fewest=FEWEST_PARTLY_SOLD
        ),
        version=newest.estimator_version,
        computed_otherwise=sum(one.estimator_version != ESTIMATOR_VERSION for one in stored),
    )


def _share(stored: Sequence[Stored], *, fewest: int) -> float | None:
    partly_sold = sum(one.partly_sold or 0 for one in stored)
    above = sum(one.partly_sold_above_cheaper or 0 for one in stored)
    return above / partly_sold if partly_sold >= fewest else None


def days(
    region: Region,
    tables: Sequence[Existing],
    *,
    present: Present,
    ahead: int,
    retention_days: int,
    is_default_used: bool,
) -> Days:
    """The partitions of a region: what is held, what is ready, and what should be gone.

    A day leaves when its first instant is older than the retention; a day later it should be gone.
    """
    attached = [table for table in tables if table.state is State.ATTACHED and not table.is_default]
    today = DailyPartition.holding(region, present.clock)
    ready = 0
    while ready <= ahead and covers(attached, DailyPartition(region, today.day + ready * _DAY)):
        ready += 1
    starts = [table.starts_at for table in attached if table.starts_at is not None]
    last_days = [last.day for table in attached if (last := last_day(table)) is not None]
    past_retention = {
        table.name: last
        for table in tables
        if table.mark is not Mark.RESTORED
        and (last := last_day(table)) is not None
        and is_due(last, now=present.clock - _DAY, retention_days=retention_days)
    }
    newest = present.newest.get(region)
    return Days(
        held=sum(table.state is not State.DETACHED for table in tables),
        oldest=min(starts).date() if starts else None,
        newest=max(last_days, default=None),
        ahead=ready - 1 if ready else None,
        past_retention=tuple(past_retention),
        held_back=tuple(
            name
            for name, last in past_retention.items()
            if last.holds(newest) or not is_due(last, now=present.trusted, retention_days=retention_days)
        ),
        detaching=tuple(table.name for table in tables if table.state is State.DETACHING),
        default=next((table.name for table in tables if table.is_default), None),
        is_default_used=is_default_used,
    )
