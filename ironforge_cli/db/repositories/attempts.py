"""What the logs say of the attempts to collect: since the last good one, and in given spans of time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from ironforge_cli.db import locks
from ironforge_cli.db.engine import executor
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

CRASHED: Final = "crashed"
"""What a row still `running` is called whose owner is gone; one whose owner lives stays `running`."""

_LAST_GOOD: Final = text(
    "SELECT timestamp FROM scraper_logs WHERE region = :region AND command IN ('collect', 'poll')"
    " AND status IN ('success', 'no_change') AND timestamp BETWEEN :since AND :until ORDER BY timestamp DESC LIMIT 1"
)
_BAD: Final = text(
    "SELECT status, count(*), count(*) FILTER (WHERE poll_attempts = 1), min(timestamp), max(timestamp)"
    " FROM scraper_logs WHERE region = :region AND command IN ('collect', 'poll')"
    " AND status NOT IN ('running', 'success', 'no_change', 'cancelled')"
    " AND timestamp BETWEEN :since AND :until GROUP BY status"
)
_LAST_MESSAGE: Final = text(
    "SELECT error_message FROM scraper_logs WHERE region = :region AND command IN ('collect', 'poll')"
    " AND status NOT IN ('running', 'cancelled') AND timestamp BETWEEN :since AND :until"
    " ORDER BY timestamp DESC LIMIT 1"
)
_TALLIES: Final = text(
    "SELECT span.number - 1, log.status, count(*),"
    " (array_agg(log.error_message ORDER BY log.timestamp DESC) FILTER (WHERE log.error_message IS NOT NULL))[1],"
    " array_agg(log.id) FILTER (WHERE log.status = 'running')"
    " FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))"
    " WITH ORDINALITY AS span (starts_at, ends_at, number)"
    " JOIN scraper_logs AS log ON log.region = :region AND log.command IN ('collect', 'poll')"
    " AND log.timestamp >= span.starts_at AND log.timestamp < span.ends_at"
    " GROUP BY span.number, log.status ORDER BY span.number, log.status"
)

_execute = executor("status")


class Streak(Value, frozen=True):
    """The attempts at a region since the last one that ended well."""

    last_good_at: datetime | None
    counts: Mapping[str, int]
    """Finished attempts by their status; none where the last one ended well."""
    runs: int
    """Runs of `collect`, or windows of `poll`, that these attempts began."""
    first_at: datetime | None
    last_at: datetime | None
    message: str | None
    """Of the last of them."""


class AttemptTally(Value, frozen=True):
    """The attempts in one span of time that ended alike."""

    span: int
    """Which of the spans that were asked for."""
    status: str
    """One of LOG_STATUSES, or CRASHED."""
    count: int
    message: str | None
    """The last one's."""


def streak(connection: Connection, region: Region, *, since: datetime, until: datetime) -> Streak:
    """The attempts to collect a region since the last one that ended well, or since a time."""
    span = {"region": region, "since": since, "until": until}
    last_good: datetime | None = _execute(connection, _LAST_GOOD, span).scalar_one_or_none()
    rows = _execute(connection, _BAD, span | {"since": last_good or since}).all()
    return Streak(
        last_good_at=last_good,
        counts={status: count for status, count, *_ in rows},
        runs=sum(runs for _, _, runs, _, _ in rows),
        first_at=min((first for *_, first, _ in rows), default=None),
        last_at=max((newest for *_, newest in rows), default=None),
        message=_execute(connection, _LAST_MESSAGE, span).scalar_one_or_none() if rows else None,
    )


def tallies(connection: Connection, region: Region, spans: Sequence[tuple[datetime, datetime]]) -> list[AttemptTally]:
    """Count the attempts to collect a region in each of some spans, the end of each excluded, by how they ended."""
    found: list[AttemptTally] = []
    given = {"region": region, "starts": [start for start, _ in spans], "ends": [end for _, end in spans]}
    for number, status, count, message, running in _execute(connection, _TALLIES, given) if spans else ():
        gone = sum(not locks.is_held(connection, locks.run_lock(log_id)) for log_id in running or ())
        if gone:
            found.append(AttemptTally(number, CRASHED, gone, message))
        if count > gone:
            found.append(AttemptTally(number, status, count - gone, message))
    return found


def oldest_log(connection: Connection, region: Region) -> datetime | None:
    """The time of the oldest row about a region: of what was before, nothing is known any more."""
    statement = text("SELECT timestamp FROM scraper_logs WHERE region = :region ORDER BY timestamp LIMIT 1")
    return _execute(connection, statement, {"region": region}).scalar_one_or_none()
