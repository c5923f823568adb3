"""The hours of which nothing is stored, each with what the logs and the bodies on disk say of it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.repositories.attempts import CRASHED
from ironforge_cli.jobs.health.shelved_bodies import is_of
from ironforge_cli.jobs.health.status_findings import MissingHour
from ironforge_cli.market import hours
from ironforge_cli.market.rhythm import USUAL_STEP
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.db.repositories.attempts import AttemptTally
    from ironforge_cli.db.repositories.health import Gap
    from ironforge_cli.market.rhythm import Rhythm

_IN_WORDS: Final = {
    "spooled": "received {} and put into the spool, since it could not be stored",
    "rejected": "Blizzard's answer was refused {}",
    "failed": "failed {}",
    "locked": "locked out {} by another run",
    CRASHED: "crashed {}",
    "cancelled": "ended {} by whoever started it",
    "running": "still at work {}",
    "success": "another snapshot was stored {}",
    "no_change": "Blizzard had published nothing new {}",
}


class HourSpan(Value, frozen=True):
    """A missing hour, and the time in which it could be fetched."""

    expected_at: datetime
    ends_at: datetime
    """When the next one was there, or expected."""
    since: datetime
    until: datetime | None
    """The stored snapshots around it; None: none is stored after it."""


def hour_spans(
    gaps: Iterable[Gap], rhythm: Rhythm | None, *, silent: tuple[datetime, list[datetime]] | None
) -> list[HourSpan]:
    """The missing hours of gaps and, with the newest snapshot's time, of the silence since; newest first."""
    step = rhythm.step if rhythm else USUAL_STEP
    found: list[HourSpan] = []
    for gap in gaps:
        expected = hours.left_out(gap.since, gap.until, rhythm)
        ends = [*expected[1:], gap.until]
        found += [HourSpan(hour, end, gap.since, gap.until) for hour, end in zip(expected, ends, strict=True)]
    if silent is not None:
        newest, expected = silent
        found += [HourSpan(hour, hour + step, newest, None) for hour in expected]
    return sorted(found, key=lambda span: span.expected_at, reverse=True)


def missing_hours(
    spans: Sequence[HourSpan],
    tallies: Iterable[AttemptTally],
    *,
    spool: Sequence[Kept],
    quarantine: Sequence[Kept],
    oldest_log: datetime | None,
    pending_rows: int,
) -> list[MissingHour]:
    """Each missing hour with what the logs and the bodies on disk say of it."""
    ended: dict[int, list[AttemptTally]] = {}
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


def attempts_in_words(tallies: Sequence[AttemptTally]) -> str:
    """How the attempts of an hour ended.

    >>> from ironforge_cli.db.repositories.attempts import AttemptTally
    >>> attempts_in_words([AttemptTally(0, "no_change", 57, None), AttemptTally(0, "rejected", 1, "The body is cut.")])
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
