"""The client-side rate limit: one for all regions, threads and processes that share a folder.

A request reserves the earliest instant at which sending it passes neither limit, then sleeps until then. Reservations
are in a small file of fixed size (`reservations.py`), used under a lock, so that requests queue fairly. Who would have
to wait for long, as at the end of the hour's limit, reserves nothing, sleeps, and asks again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from ironforge_cli.blizzard.reservations import DamagedRingError, Memory, OnDisk, Ring
from ironforge_cli.errors import UnavailableError
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.reservations import RingBytes

log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

# A request leaves a little after its reserved instant, never before it; without this margin a late one followed by a
# punctual one could put one too many into a second.
_MARGIN: Final = 1.04
_SECOND: Final = 1.0 * _MARGIN
_MARGIN_SECONDS: Final = _SECOND - 1.0
_MOST_TURNS: Final = 5
"""Who wakes up later than that margin reserves anew, so often at most: a machine that is always late gets on, too."""
_HOUR: Final = 3600.0
_WORTH_SAYING_SECONDS: Final = 10.0
_FAR_SECONDS: Final = 5.0
_LONGEST_LOCK_SECONDS: Final = 2.0
_LOCK_PAUSE_SECONDS: Final = 0.001
# No setting allows more in an hour (Blizzard's own limit): rings are all alike, and one that was made under a low limit
# knows what a high one asks for.
_LEAST_CAPACITY: Final = 36_001


def reserved_for_collecting(per_hour: int) -> int:
    """How many of an hour's requests seeding leaves to collecting: a tenth, at least 300, and half at most.

    >>> [reserved_for_collecting(limit) for limit in (30_000, 2_000, 100, 1)]
    [3000, 300, 50, 0]
    """
    return max(per_hour // 10, min(300, per_hour // 2))


class RateLimit:
    """At most so many requests in any second and any hour, over every process that uses the same file.

    `now` gives seconds since the epoch (processes share no other clock), `sleep` waits. Of the hour's requests so many
    are left to others as `leaves` says: whoever is given less waits while they are used up. Without a `longest_wait`
    in seconds a request waits for the hour's limit however long that takes.
    """

    def __init__(
        self,
        file: Path,
        *,
        per_second: int,
        per_hour: int,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        leaves: int = 0,
        longest_wait: float = float("inf"),
    ) -> None:
        self._file = file
        self._windows = ((per_second, _SECOND), (max(1, per_hour - leaves), _HOUR))
        self._capacity = max(_LEAST_CAPACITY, per_second + 1, per_hour + 1)
        self._now = now
        self._sleep = sleep
        self._longest_wait = longest_wait
        self._in_memory: Memory | None = None
        self._lock = threading.Lock()
        with suppress(OSError), owners_rights(file.parent):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def wait(self, deadline: Deadline | None = None) -> None:
        """Return when a request may be sent; raises `UnavailableError` at once where that is past the deadline.

        Where the file can't be used this process counts for itself alone, from then on.
        """
        turns = 0
        while turns < _MOST_TURNS:
            allowed = self._longest_wait if deadline is None else min(self._longest_wait, max(0.0, deadline.left))
            # Who waits for long holds no place meanwhile: killed, it would leave one that nobody uses, in the way of
            # those who may go before.
            instant, delay, is_reserved = self._with_ring(self._reserve_within(min(_FAR_SECONDS, allowed)))
            if delay <= 0:
                return
            if delay > allowed:
                raise UnavailableError(
                    f"The limit of requests is reached: the next one may leave in {delay:,.0f} s, and this run does not"
                    " wait for that. The next run tries again; IRONFORGE_REQUESTS_PER_HOUR and "
                    "IRONFORGE_REQUESTS_PER_SECOND are the limits."
                )
            if delay > _WORTH_SAYING_SECONDS:
                log.warning("The limit of requests an hour is reached: the next one leaves in %.0f s", delay)
            due = self._now() + delay
            self._sleep(delay)
            reached = self._now()
            # Unless that is known, a clock that was set back makes the next request wait for this time once more.
            self._with_ring(lambda ring, instant=instant, reached=reached: ring.reach(instant, now=reached))
            # On a busy machine sleepers wake up late, and many at once: they would leave in the second of others.
            if is_reserved and reached - due <= _MARGIN_SECONDS:
                return
            turns += is_reserved

    def _reserve_within(self, seconds: float) -> Callable[[Ring], tuple[float, float, bool]]:
        """Reserve an instant that is so near: by the ring's clock, the seconds until then, and whether it was."""

        def reserve(ring: Ring) -> tuple[float, float, bool]:
            # Read while nobody else uses the ring: nothing can have been reserved at a later time.
            now = self._now()
            instant = ring.reserve(now, windows=self._windows, within=seconds)
            return instant, instant - ring.ahead - now, instant - ring.latest <= seconds

        return reserve

    def _with_ring(self, use: Callable[[Ring], _Result]) -> _Result:
        with self._lock:
            if self._in_memory is None:
                try:
                    with _locked(self._file), closing(OnDisk(self._file)) as store:
                        if not store.exists:
                            Ring.begun(store, capacity=self._capacity)
                        return self._used(store, use)
                except OSError as error:
                    log.warning(
                        "The request counter %s can't be used (%s): requests are counted for this run alone. If that "
                        "stays so, make its folder writable for this user, or delete the file",
                        self._file,
                        error.strerror or error,
                    )
                self._in_memory = self._known()
            return self._used(self._in_memory, use)

    def _known(self) -> Memory:
        """What the file knows, as far as it can be read, for this process alone."""
        with suppress(OSError, DamagedRingError):
            with owners_rights(self._file.parent):
                memory = Memory(self._file.read_bytes())
            Ring.read(memory).instants()
            return memory
        memory = Memory(b"")
        Ring.begun(memory, capacity=self._capacity)
        return memory

    def _used(self, store: RingBytes, use: Callable[[Ring], _Result]) -> _Result:
        try:
            ring = Ring.read(store)
            if ring.capacity < self._capacity:
                ring.grow(self._capacity)
            return use(ring)
        except DamagedRingError as error:
            # What a power cut left must not stop every run from now on; the count begins anew.
            log.warning("The request counter %s is damaged (%s); it is begun anew", self._file, error)
        return use(Ring.begun(store, capacity=self._capacity))


@contextmanager
def _locked(file: Path) -> Generator[None]:
    """Keep every other process away from a file; raises `OSError` where one holds it for longer than a moment."""
    # A file of its own: the one that it guards is replaced now and then. Opened anew each time, since forks that share
    # a descriptor share its lock, too.
    with owners_rights(file.parent):
        descriptor = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor)
        try:
            yield
        finally:
            # A process that was forked meanwhile holds the descriptor, too: closing it would not be enough.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    """Take a lock that everybody holds for a fraction of a millisecond, unless it was stopped meanwhile."""
    until = time.monotonic() + _LONGEST_LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError("another process holds it") from None
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return
