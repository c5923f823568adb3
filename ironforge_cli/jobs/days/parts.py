"""Work in parts of which none hinders another: days of each region, files of an export. One run's frame and result."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from ironforge_cli.errors import ExitStatus, InterruptedRunError, IronforgeError, combined_status
from ironforge_cli.jobs.evidence.runs import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager

    from ironforge_cli.jobs.evidence.runs import Evidence, Run


class EndedPart(Protocol):
    """What became of one part."""

    @property
    def rows(self) -> int | None:
        """How many rows it worked on."""
        ...

    @property
    def message(self) -> str | None:
        """What went wrong; None: nothing."""
        ...

    @property
    def status(self) -> ExitStatus:
        """How it ended."""
        ...


_EndedPart = TypeVar("_EndedPart", bound="EndedPart | None")


@contextmanager
def run_alone(evidence: Evidence, lock: AbstractContextManager[None]) -> Generator[Run]:
    """One run of a command, with its evidence, that is the only one of its kind.

    Entering raises what the lock does, `LockedError` where another run holds it; a row says so.
    """
    with evidence.run() as run, ExitStack() as locked:
        try:
            locked.enter_context(lock)
        except IronforgeError:
            with evidence.attempt(None, progress=Silent()):
                raise
        yield run


def failure_told(work: Callable[[], _EndedPart], *, failed: Callable[[IronforgeError], _EndedPart]) -> _EndedPart:
    """What became of a part; a failure is a result, too, unless somebody asked the program to end."""
    try:
        return work()
    except InterruptedRunError:
        raise
    except IronforgeError as error:
        return failed(error)


def conclude(run: Run, parts: Sequence[EndedPart]) -> None:
    """Let the run's benchmark say what became of its parts together."""
    run.status = combined_status([part.status for part in parts])
    run.record_count = sum(part.rows or 0 for part in parts)
    run.message = messages_of(parts)


def messages_of(parts: Sequence[EndedPart]) -> str | None:
    """What went wrong in any of the parts; None: nothing."""
    return " ".join(part.message for part in parts if part.message) or None
