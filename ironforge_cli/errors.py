"""What can go wrong, grouped by what the caller should do next, and the exit codes that say so to cron."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExitStatus(IntEnum):
    """Exit codes of every command. A released number never changes its meaning."""

    DONE = 0, "done; also: nothing new"
    BUG = 1, "a bug: an unexpected error (traceback with `-vv` or `--log-format json`)"
    USAGE = 2, "wrong usage"
    PARTIAL = 3, "partial: at least one region or part succeeded and at least one failed"
    UNHEALTHY = 4, "`status --check`: stale or unhealthy; `--fail-stale`: the answer is stale"
    REFUSED = 65, "Blizzard's answer was refused: malformed, truncated, empty or implausible"
    UNAVAILABLE = 69, "Blizzard is unavailable after all retries"
    UNWRITTEN = 73, "the work is done, and its result could not be written, as to a full disk"
    DATABASE = 74, "the database is unavailable or refused the work"
    LOCKED = 75, "another run holds the lock"
    CREDENTIALS = 77, "Blizzard refused the credentials"
    CONFIGURATION = 78, "configuration error"
    HANGUP = 129, "ended by SIGHUP, after a clean stop"
    INTERRUPTED = 130, "ended by SIGINT, after a clean stop"
    TERMINATED = 143, "ended by SIGTERM, after a clean stop"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> ExitStatus:
        """Make a member whose value is the code alone; the meaning is documentation."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


class IronforgeError(Exception):
    """An error with a message for people: what happened, and what to do about it.

    `exit_status` is the code of a command that ends with an error of this kind, `status` that of this very one.
    """

    exit_status: ClassVar[ExitStatus] = ExitStatus.BUG

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.status: ExitStatus = self.exit_status


class UsageError(IronforgeError):
    """The command was called in a way that can't work; call it differently."""

    exit_status = ExitStatus.USAGE


class NothingThereError(UsageError):
    """What was asked for, an item, a recipe or an hour, is not among what is stored."""


class ConfigurationError(IronforgeError):
    """A setting, a folder or the database's schema has to be put right by a person."""

    exit_status = ExitStatus.CONFIGURATION


class ArchiveError(ConfigurationError):
    """The archive can't be written or read, or does not hold what it should; nothing is dropped for want of it."""


class CredentialsError(IronforgeError):
    """Blizzard refused the API client's id and secret; asking again won't help."""

    exit_status = ExitStatus.CREDENTIALS


class UnavailableError(IronforgeError):
    """Blizzard could not be reached, or kept failing, after all retries; a later run may succeed."""

    exit_status = ExitStatus.UNAVAILABLE


class RefusedAnswerError(IronforgeError):
    """Blizzard's answer arrived whole but can't be trusted; nothing of it was stored."""

    exit_status = ExitStatus.REFUSED


class DatabaseError(IronforgeError):
    """The database is unavailable, or refused the work; a later run may succeed."""

    exit_status = ExitStatus.DATABASE


class UnreachableError(DatabaseError):
    """The server is away, stopping or out of something: whatever is tried next there would end the same way."""


class BusyError(DatabaseError):
    """Another session held a lock for longer than was waited for; the same work may succeed a moment later."""


class OutputError(IronforgeError):
    """What a command prints could not be written; its work is done."""

    exit_status = ExitStatus.UNWRITTEN


class LockedError(IronforgeError):
    """Another run does this work already; nothing has to be done."""

    exit_status = ExitStatus.LOCKED


class InterruptedRunError(IronforgeError):
    """Somebody asked the program to end; it stopped between two steps and left nothing half done."""

    def __init__(self, signal_name: str, *, is_from_terminal: bool = False) -> None:
        super().__init__(f"Ended by {signal_name}, after a clean stop: nothing is half done.")
        self.status = _BY_SIGNAL[signal_name]
        self.is_from_terminal = is_from_terminal
        """Whether a person did so who sat before it."""


_BY_SIGNAL = {
    "SIGHUP": ExitStatus.HANGUP,
    "SIGINT": ExitStatus.INTERRUPTED,
    "SIGTERM": ExitStatus.TERMINATED,
}

STOPPED = frozenset(_BY_SIGNAL.values())
"""Exit codes of commands that somebody asked to end."""

# The first of these that occurred among several different failures is the command's exit code.
_WORST_FIRST = (
    ExitStatus.CONFIGURATION,
    ExitStatus.CREDENTIALS,
    ExitStatus.DATABASE,
    ExitStatus.UNAVAILABLE,
    ExitStatus.REFUSED,
    ExitStatus.LOCKED,
    ExitStatus.UNWRITTEN,
    ExitStatus.BUG,
)


def combined_status(outcomes: Sequence[ExitStatus]) -> ExitStatus:
    """The exit code of a command whose parts ended as `outcomes`, each `DONE` or a failure.

    >>> combined_status([ExitStatus.DONE, ExitStatus.DONE]).name
    'DONE'
    >>> combined_status([ExitStatus.DONE, ExitStatus.REFUSED]).name
    'PARTIAL'
    >>> combined_status([ExitStatus.REFUSED, ExitStatus.REFUSED]).name
    'REFUSED'
    >>> combined_status([ExitStatus.REFUSED, ExitStatus.DATABASE]).name
    'DATABASE'
    >>> combined_status([ExitStatus.DONE, ExitStatus.TERMINATED]).name
    'TERMINATED'
    """
    stopped = [outcome for outcome in outcomes if outcome in STOPPED]
    if stopped:
        return stopped[0]
    failures = [outcome for outcome in outcomes if outcome is not ExitStatus.DONE]
    if not failures:
        return ExitStatus.DONE
    if len(failures) < len(outcomes) or ExitStatus.PARTIAL in failures:
        return ExitStatus.PARTIAL
    return next((status for status in _WORST_FIRST if status in failures), failures[0])
