"""The SQLite file of an HTTP cache: private, shared by processes and threads, waited for no longer than a second."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ironforge_cli.blizzard.headers import http_time
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from pathlib import Path

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS: Final = 1.0
"""For a lock that another process holds."""
REST_SECONDS: Final = 60.0
"""A file that failed is left alone for so long, so that what fails slowly is not tried at each request."""
END_OF_LABEL: Final = b"\n"
"""An entry begins with its `Last-Modified`, then comes this, then the rest."""
_LONGEST_LABEL: Final = 64
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS responses (key TEXT PRIMARY KEY, value BLOB, expires INTEGER)",
    "CREATE INDEX IF NOT EXISTS expires_idx ON responses (expires)",
)


class RestingError(Exception):
    """The file failed a moment ago, and is left alone."""


class CacheFile:
    """Entries by key, each with its expiry in seconds since the epoch. Safe to share between threads.

    It is opened when it is used first. All methods raise `sqlite3.Error` or `OSError` where the file fails, and
    `RestingError` for a minute afterwards. A damaged file is deleted, and begun anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._rests_until = float("-inf")

    def read(self, key: str) -> bytes | None:
        """An entry."""
        with self._used() as connection:
            row = connection.execute("SELECT value FROM responses WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def is_fresh(self, key: str, *, at: float, longest: float | None, newer_than: datetime | None) -> bool:
        """Whether there is an entry that has not expired at a time, and whose label is newer than another (aware UTC).

        One that has more than `longest` seconds left was stored before the clock was set back, and is not fresh. Only
        the expiry and the first bytes are read: most looks find nothing, and must not cost the reading of 30 MB.
        """
        with self._used() as connection:
            row = connection.execute("SELECT rowid, expires FROM responses WHERE key = ?", (key,)).fetchone()
            if row is None or row[1] is None or row[1] <= at:
                return False
            # Expiries are rounded to the second.
            if longest is not None and row[1] > at + longest + 1:
                return False
            return newer_than is None or _is_newer(connection, row[0], newer_than)

    def write(self, key: str, value: bytes, *, expires: int | None) -> None:
        """Put an entry in the place of the one before."""
        with self._used() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO responses (key, value, expires) VALUES (?, ?, ?)", (key, value, expires)
            )

    def delete(self, key: str) -> None:
        """Delete an entry, if it is there."""
        with self._used() as connection:
            connection.execute("DELETE FROM responses WHERE key = ?", (key,))

    def delete_all(self) -> None:
        """Delete every entry; the file keeps its size and uses the room again."""
        with self._used() as connection:
            connection.execute("DELETE FROM responses")

    def delete_expired(self, *, at: float) -> None:
        """Delete what has expired at that time; the file keeps its size and uses the room again."""
        with self._used() as connection:
            # Most of the time there is none, and looking needs no lock.
            if connection.execute("SELECT 1 FROM responses WHERE expires <= ? LIMIT 1", (at,)).fetchone():
                connection.execute("DELETE FROM responses WHERE expires <= ?", (at,))

    def keys(self) -> list[str]:
        """The keys of all entries."""
        with self._used() as connection:
            return [key for (key,) in connection.execute("SELECT key FROM responses")]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, owners_rights(self.path.parent):
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _used(self) -> Generator[sqlite3.Connection]:
        """The file's one connection, for one thread at a time: SQLite's module mixes up what threads read at once."""
        # SQLite makes files beside the first as it goes.
        with self._lock, owners_rights(self.path.parent):
            if time.monotonic() < self._rests_until:
                raise RestingError
            try:
                if self._connection is None:
                    self._connection = self._opened()
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                self._rests_until = time.monotonic() + REST_SECONDS
                self.close()
                if _is_damage(error):
                    self._remove(error)
                raise

    def _opened(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        try:
            return _connected(self.path)
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise
            self._remove(error)
        self.path.touch(mode=0o600)
        return _connected(self.path)

    def _remove(self, error: Exception) -> None:
        log.warning("The cache %s is damaged (%s); it is begun anew", self.path, error)
        for part in (self.path, *(self.path.with_name(f"{self.path.name}-{end}") for end in ("wal", "shm"))):
            part.unlink(missing_ok=True)


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=LONGEST_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # Readers then don't wait for who writes.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        for statement in _SCHEMA:
            connection.execute(statement)
    except BaseException:
        # Also where Ctrl-C ends it: the connection is nobody's yet, and its file would stay locked.
        connection.close()
        raise
    return connection


def _is_damage(error: Exception) -> bool:
    # Extended codes carry the plain one in their lowest byte.
    return isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED


def _is_newer(connection: sqlite3.Connection, row: int, than: datetime) -> bool:
    """Whether an entry's label says that it was modified after a time."""
    with connection.blobopen("responses", "value", row, readonly=True) as entry:
        label = entry.read(_LONGEST_LABEL).partition(END_OF_LABEL)[0]
    modified = http_time(label.decode("ascii", "replace"))
    return modified is not None and modified > than
