"""When something has to be over, by the clock of whoever sets it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE_SECONDS: Final = 5.0
"""An exchange may go on so much longer than the end: no answer is broken off at its last byte."""


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

    def for_an_exchange(self) -> Deadline:
        """Until when an exchange that begins now may go on: shortly past this, or past now where this is over.

        A machine that slept past the end asks once more when it wakes, and an answer needs its time then, too.

        >>> Deadline(at=12.0, monotonic=lambda: 10.0).for_an_exchange().left
        7.0
        >>> Deadline(at=12.0, monotonic=lambda: 3_600.0).for_an_exchange().left
        5.0
        """
        return replace(self, at=max(self.at, self.monotonic()) + GRACE_SECONDS)
