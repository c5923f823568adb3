"""The client-side rate limit: one for all regions, threads and processes that share a folder.

A request reserves the earliest instant at which sending it passes neither limit, then sleeps until then. Reservations
are rows of a small SQLite file, so that processes queue fairly and none polls.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ironforge_cli.blizzard.cache import is_out_of_room
from ironforge_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

# A request leaves a little after its reserved instant, never before it; without this margin a late one followed by a
# punctual one could put one too many into a second.
_MARGIN: Final = 1.04
_SECOND: Final = 1.0 * _MARGIN
_HOUR: Final = 3600.0
_BUSY_SECONDS: Final = 30
_WORTH_SAYING_SECONDS: Final = 10.0
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class RateLimit:
    """At most so many requests in any second and any hour, over every process that uses the same file.

    `now` gives seconds since the epoch (processes share no other clock), `sleep` waits.
    """

    def __init__(
        self, file: Path, *, per_second: int, per_hour: int, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._file = file
        self._windows = ((per_second, _SECOND), (per_hour, _HOUR))
        self._now = now
        self._sleep = sleep
        self._in_memory: sqlite3.Connection | None = None
        self._memory_lock = threading.Lock()

    def wait(self) -> None:
        """Return when a request may be sent.

        On a full disk this process counts for itself alone. Raises `ConfigurationError` where the file can't be written
        for another reason.
        """
        delay = self._reserved() - self._now()
        if delay > _WORTH_SAYING_SECONDS:
            log.warning("The limit of requests an hour is reached: the next one leaves in %.0f s", delay)
        if delay > 0:
            self._sleep(delay)

    def _reserved(self) -> float:
        try:
            try:
                return self._reserve()
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in _DAMAGED:
                    raise
                # What a power cut left must not stop every run from now on; the count begins anew.
                log.warning("The request counter %s is damaged (%s); it is begun anew", self._file, error)
                self._file.unlink(missing_ok=True)
                return self._reserve()
        except (OSError, sqlite3.Error) as error:
            if is_out_of_room(error):
                return self._reserve_in_memory(error)
            raise ConfigurationError(
                f"The request counter {self._file} can't be used ({error}). "
                "Make its folder writable for this user, or delete the file."
            ) from error

    def _reserve(self) -> float:
        self._file.touch(mode=0o600)
        # A connection per request costs a fraction of a millisecond and is safe in every thread and after a fork.
        with closing(sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            # A new file's pages: each request writes a few of them.
            connection.execute("PRAGMA page_size = 512")
            connection.execute("PRAGMA synchronous = OFF")
            return self._reserve_on(connection)

    def _reserve_in_memory(self, error: Exception) -> float:
        with self._memory_lock:
            if self._in_memory is None:
                log.warning("The disk of %s is full (%s): requests are counted for this run alone", self._file, error)
                self._in_memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            return self._reserve_on(self._in_memory)

    def _reserve_on(self, connection: sqlite3.Connection) -> float:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE IF NOT EXISTS slots (at REAL NOT NULL, made REAL NOT NULL)")
        connection.execute("CREATE INDEX IF NOT EXISTS slots_at ON slots (at)")
        connection.execute("CREATE INDEX IF NOT EXISTS slots_made ON slots (made)")
        now = self._now()
        self._follow_clock(connection, now)
        slot = self._earliest(connection, now)
        connection.execute("INSERT INTO slots VALUES (?, ?)", (slot, now))
        connection.execute("COMMIT")
        return slot

    def _follow_clock(self, connection: sqlite3.Connection, now: float) -> None:
        """Forget what is over; where the clock was set back, set the reservations back with it."""
        (newest,) = connection.execute("SELECT max(made) FROM slots").fetchone()
        if newest is not None and newest > now:
            # The clock is read under the file's lock: nothing else can have made a reservation later than now. All
            # of them were made before this instant, whatever it is called; it is the latest that they can have been.
            connection.execute("UPDATE slots SET at = at - ?, made = made - ?", (newest - now, newest - now))
        connection.execute("DELETE FROM slots WHERE at < ?", (now - _HOUR,))

    def _earliest(self, connection: sqlite3.Connection, now: float) -> float:
        slot = now
        for limit, seconds in self._windows:
            row = connection.execute("SELECT at FROM slots ORDER BY at DESC LIMIT 1 OFFSET ?", (limit - 1,)).fetchone()
            if row is not None:
                slot = max(slot, float(row[0]) + seconds)
        return slot
