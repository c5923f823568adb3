"""How a piece of work ended: the one vocabulary of results, log rows and benchmarks."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ironforge_cli.errors import ExitStatus, InterruptedRunError, LockedError, RefusedAnswerError, UsageError
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from datetime import datetime


class Outcome(StrEnum):
    """How a piece of work ended, as results say it; what its row in scraper_logs says follows from that."""

    STORED = "stored"
    """What Blizzard published is in the tables."""
    DONE = "done"
    """Any other work is done."""
    NO_CHANGE = "no_change"
    SPOOLED = "spooled"
    REJECTED = "rejected"
    LOCKED = "locked"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Whoever started it mistyped something, or ended it at the terminal: nothing that anybody has to mend."""

    @classmethod
    def of(cls, error: BaseException) -> Outcome:
        """How work ended that an error ended.

        >>> Outcome.of(LockedError("Another run does it.")), Outcome.of(ValueError())
        (<Outcome.LOCKED: 'locked'>, <Outcome.FAILED: 'failed'>)
        """
        match error:
            case RefusedAnswerError():
                return cls.REJECTED
            case LockedError():
                return cls.LOCKED
            case UsageError() | InterruptedRunError(is_from_terminal=True):
                return cls.CANCELLED
            case _:
                return cls.FAILED

    @property
    def row_status(self) -> str:
        """What a row of scraper_logs says, one of LOG_STATUSES.

        >>> Outcome.STORED.row_status, Outcome.DONE.row_status, Outcome.SPOOLED.row_status
        ('success', 'success', 'spooled')
        """
        return "success" if self in {Outcome.STORED, Outcome.DONE} else self.value


class Ended(Value, frozen=True):
    """How an attempt ended: all that its row will say of it."""

    outcome: Outcome
    message: str | None = None
    last_modified: datetime | None = None
    """The time that Blizzard gave to what it answered, where it answered."""


def run_status(status: ExitStatus, outcome: Outcome | None = None) -> str:
    """What the benchmark of a run says, one of BENCHMARK_STATUSES; `outcome` is that of the error that ended it.

    >>> run_status(ExitStatus.DONE), run_status(ExitStatus.LOCKED), run_status(ExitStatus.DATABASE)
    ('success', 'locked', 'failed')
    >>> run_status(ExitStatus.INTERRUPTED, Outcome.CANCELLED), run_status(ExitStatus.INTERRUPTED)
    ('cancelled', 'failed')
    """
    if outcome is Outcome.CANCELLED:
        return "cancelled"
    names = {
        ExitStatus.DONE: "success",
        ExitStatus.NOTHING_FIRED: "success",
        ExitStatus.PARTIAL: "partial",
        ExitStatus.LOCKED: "locked",
        ExitStatus.USAGE: "cancelled",
    }
    return names.get(status, "failed")
