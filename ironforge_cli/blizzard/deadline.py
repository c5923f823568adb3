"""When something has to be over, by the clock of whoever sets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE_SECONDS: Final = 5.0
"""An exchange that was begun before the end may go on so much longer: no answer is broken off at its last byte."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment after which nothing is begun any more: no wait, no attempt, no request.

    >>> deadline = Deadline(at=100.0, monotonic=lambda: 97.5)
    >>> deadline.left, deadline.allows(2), deadline.allows(3)
    (2.5, True, False)
    """

    at: float
    """In seconds of `monotonic`."""
    monotonic: Callable[[], float]
    """A clock that is never set."""

    @property
    def left(self) -> float:
        """Seconds until then; negative afterwards."""
        return self.at - self.monotonic()

    def allows(self, seconds: float) -> bool:
        """Whether that long a wait ends in time."""
        return seconds <= self.left


def seconds_for_an_exchange(deadline: Deadline | None, *, usual: float) -> float:
    """How long an exchange with a server may take: as long as usual, and no longer than shortly past a deadline.

    >>> seconds_for_an_exchange(None, usual=300.0)
    300.0
    >>> seconds_for_an_exchange(Deadline(at=12.0, monotonic=lambda: 10.0), usual=300.0)
    7.0
    """
    return usual if deadline is None else min(usual, max(0.0, deadline.left + GRACE_SECONDS))
