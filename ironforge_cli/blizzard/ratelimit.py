"""The client-side rate limit: one for all regions, threads and processes that share a folder.

A request reserves the earliest instant at which sending it passes neither limit, then sleeps until then. Reservations
are rows of a small SQLite file, so that processes queue fairly and none polls.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ironforge_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A request leaves a little after its reserved instant, never before it; without this margin a late one followed by a
# punctual one could put one too many into a second.
_MARGIN: Final = 1.04
_SECOND: Final = 1.0 * _MARGIN
_HOUR: Final = 3600.0
_BUSY_SECONDS: Final = 30


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

    def wait(self) -> None:
        """Return when a request may be sent. Raises `ConfigurationError` where the file can't be written."""
        delay = self._reserve() - self._now()
        if delay > 0:
            self._sleep(delay)

    def _reserve(self) -> float:
        try:
            # A connection per request costs a fraction of a millisecond and is safe in every thread and after a fork.
            with closing(sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute("CREATE TABLE IF NOT EXISTS reservations (at REAL NOT NULL)")
                connection.execute("CREATE INDEX IF NOT EXISTS reservations_at ON reservations (at)")
                connection.execute("BEGIN IMMEDIATE")
                slot = self._earliest(connection)
                connection.execute("INSERT INTO reservations VALUES (?)", (slot,))
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"The request counter {self._file} can't be used ({error}). "
                "Make its folder writable, or delete the file."
            ) from error
        return slot

    def _earliest(self, connection: sqlite3.Connection) -> float:
        now = self._now()
        # Reservations beyond any queue's length are those of a clock that was since set back.
        connection.execute("DELETE FROM reservations WHERE at < ? OR at > ?", (now - _HOUR, now + _HOUR))
        slot = now
        for limit, seconds in self._windows:
            row = connection.execute(
                "SELECT at FROM reservations ORDER BY at DESC LIMIT 1 OFFSET ?", (limit - 1,)
            ).fetchone()
            if row is not None:
                slot = max(slot, float(row[0]) + seconds)
        return slot
