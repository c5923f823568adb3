"""The client-side rate limit: one for all regions, threads and processes that share a folder.

A request reserves the earliest instant at which sending it passes neither limit, then sleeps until then. Reservations
are in a small file of fixed size (`ring.py`), used under a lock, so that requests queue fairly and none polls.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from ironforge_cli.blizzard.cache import is_out_of_room
from ironforge_cli.blizzard.ring import DamagedRingError, Memory, OnDisk, Ring
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ironforge_cli.blizzard.ring import Store

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
# No setting allows more in an hour (Blizzard's own limit): rings are all alike, and one that was made under a low limit
# knows what a high one asks for.
_LEAST_CAPACITY: Final = 36_001


class RateLimit:
    """At most so many requests in any second and any hour, over every process that uses the same file.

    `now` gives seconds since the epoch (processes share no other clock), `sleep` waits.
    """

    def __init__(
        self, file: Path, *, per_second: int, per_hour: int, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._file = file
        self._windows = ((per_second, _SECOND), (per_hour, _HOUR))
        self._capacity = max(_LEAST_CAPACITY, per_second + 1, per_hour + 1)
        self._now = now
        self._sleep = sleep
        self._in_memory: Memory | None = None
        self._memory_lock = threading.Lock()

    def wait(self) -> None:
        """Return when a request may be sent.

        On a full disk this process counts for itself alone, from then on. Raises `ConfigurationError` where the file
        can't be written for another reason.
        """
        for _ in range(_MOST_TURNS):
            instant, delay = self._with_ring(self._reserve)
            if delay <= 0:
                return
            if delay > _WORTH_SAYING_SECONDS:
                log.warning("The limit of requests an hour is reached: the next one leaves in %.0f s", delay)
            due = self._now() + delay
            self._sleep(delay)
            reached = self._now()
            # Unless that is known, a clock that was set back makes the next request wait for this time once more.
            self._with_ring(lambda ring, instant=instant, reached=reached: ring.reach(instant, now=reached))
            # On a busy machine sleepers wake up late, and many at once: they would leave in the second of others.
            if reached - due <= _MARGIN_SECONDS:
                return

    def _reserve(self, ring: Ring) -> tuple[float, float]:
        """Reserve an instant: by the ring's clock, and the seconds until then."""
        # Read while nobody else uses the ring: nothing can have been reserved at a later time.
        now = self._now()
        instant = ring.reserve(now, windows=self._windows)
        return instant, instant - ring.ahead - now

    def _with_ring(self, use: Callable[[Ring], _Result]) -> _Result:
        if self._in_memory is None:
            try:
                with _locked(self._file), closing(OnDisk(self._file)) as store:
                    if not store.exists:
                        Ring.begun(store, capacity=self._capacity)
                    return self._used(store, use)
            except OSError as error:
                if not is_out_of_room(error):
                    raise ConfigurationError(
                        f"The request counter {self._file} can't be used ({error}). "
                        "Make its folder writable for this user, or delete the file."
                    ) from error
                full = error
        else:
            full = None
        with self._memory_lock:
            if self._in_memory is None:
                log.warning("The disk of %s is full (%s): requests are counted for this run alone", self._file, full)
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

    def _used(self, store: Store, use: Callable[[Ring], _Result]) -> _Result:
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
    """Keep every other thread and process away from a file."""
    # A file of its own: the one that it guards is replaced now and then. Opened anew each time, since threads and
    # forks that share a descriptor share its lock, too.
    with owners_rights(file.parent):
        descriptor = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # A process that was forked meanwhile holds the descriptor, too: closing it would not be enough.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
