"""HTTP caches: requests-cache on SQLite, holding plain compressed data that can't run code, and no tokens."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import sqlite3
import threading
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
import requests
import zstandard
from requests_cache import CachedSession, SerializerPipeline, SQLiteCache
from requests_cache.backends.base import BaseCache
from requests_cache.backends.sqlite import SQLiteDict
from requests_cache.serializers.cattrs import CattrStage
from requests_cache.serializers.pipeline import Stage

from ironforge_cli.blizzard.headers import header, http_time
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from datetime import datetime
    from pathlib import Path

log = logging.getLogger(__name__)

_OK: Final = 200
_BUSY_MILLISECONDS: Final = 10_000
_END_OF_LABEL: Final = b"\n"
_LONGEST_LABEL: Final = 64
_OUT_OF_ROOM: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
# Names of caches in memory, each another.
_in_memory: Final = itertools.count()
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# What an answer's `Vary` can name; the rest of a request, its token first of all, has no place in a file.
_KEPT_OF_A_REQUEST: Final = {"accept", "accept-encoding"}


def cached_session(file: Path, *, expire_after: int, obey_server: bool) -> CachedSession:
    """A session that keeps answers of status 200 for `expire_after` seconds, or as Blizzard's headers say.

    The file is made private (0600), and made anew where it is damaged. Of a request only its address is stored. On a
    full disk the answers are kept in memory: a cache must not cost an hour. Raises `ConfigurationError` where the file
    can't be written for another reason.
    """
    serializer = SerializerPipeline(
        [CattrStage(), Stage(dumps=_packed, loads=_unpacked)], name="msgpack+zstd", is_binary=True
    )
    # SQLite keeps its files open, and gives those beside the first, which it makes as it goes, to that one's owner.
    with owners_rights(file.parent):
        backend = _File(file if _is_usable(file) else None, serializer=serializer)
    return CachedSession(
        backend=backend,
        expire_after=expire_after,
        cache_control=obey_server,
        allowable_codes=(_OK,),
    )


def fresh_response(
    session: CachedSession,
    url: str,
    params: Mapping[str, str],
    *,
    at: float,
    longest: int | None = None,
    newer_than: datetime | None = None,
) -> requests.Response | None:
    """The cached answer to a GET, if it has not expired `at` that time (seconds since the epoch).

    One that has more than `longest` seconds left was stored before the clock was set back, and is not fresh; one whose
    `Last-Modified` is not `newer_than` (aware UTC) is of no use. Only the expiry and the first bytes are read until
    then: most looks find nothing, and must not cost the reading of a 30 MB body.
    """
    cache: Any = session.cache
    key = _key(session, url, params)
    with cache.responses.connection() as connection:
        row = connection.execute("SELECT rowid, expires FROM responses WHERE key = ?", (key,)).fetchone()
        if row is None or row[1] is None or row[1] <= at:
            return None
        # Expiries are rounded to the second.
        if longest is not None and row[1] > at + longest + 1:
            return None
        if newer_than is not None and not _is_newer(connection, row[0], newer_than):
            return None
    return cache.get_response(key)


def _is_newer(connection: sqlite3.Connection, row: int, than: datetime) -> bool:
    """Whether an entry's label says that it was modified after a time."""
    with connection.blobopen("responses", "value", row, readonly=True) as entry:
        label = entry.read(_LONGEST_LABEL).partition(_END_OF_LABEL)[0]
    modified = http_time(label.decode("ascii", "replace"))
    return modified is not None and modified > than


def forget(session: CachedSession, url: str, params: Mapping[str, str]) -> None:
    """Delete the cached answer to a GET."""
    cache: Any = session.cache
    cache.delete(_key(session, url, params))


def forget_all(session: CachedSession) -> None:
    """Delete every cached answer; the file keeps its size and uses the room again."""
    cache: Any = session.cache
    with cache.responses.connection(commit=True) as connection:
        connection.execute("DELETE FROM responses")


def prune(session: CachedSession) -> None:
    """Delete what has expired; the file keeps its size and uses the room again."""
    cache: Any = session.cache
    cache.delete(expired=True, vacuum=False)


def _key(session: CachedSession, url: str, params: Mapping[str, str]) -> str:
    cache: Any = session.cache
    return cache.create_key(session.prepare_request(requests.Request("GET", url, params=dict(params))))


class _Rows(SQLiteDict):
    """A table of a cache file, for as many threads as like, that says when the file can't be written.

    The library gives every thread the same connection, and lets them read through it at once: from Python 3.12 on
    SQLite's module refuses that, or mixes up their rows. Here a connection is one thread's for as long as a block uses
    it. When a file can't be written the library would try for ever.
    """

    @contextlib.contextmanager
    def connection(self, commit: bool = False) -> Generator[sqlite3.Connection]:  # noqa: FBT001, FBT002 - the library calls it so
        """The table's connection, for one thread at a time; with `commit` in a transaction of its own."""
        library: Any = self
        with library._lock, super().connection(commit=commit) as connection:
            yield connection

    @contextlib.contextmanager
    def _acquire_sqlite_lock(self) -> Generator[None]:
        connection: Any = self._connection
        library: Any = self
        with library._lock:
            connection.execute("BEGIN IMMEDIATE")
            self._active_transaction = True
            try:
                yield
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
            finally:
                self._active_transaction = False


class _File(SQLiteCache):
    """A cache file made of such tables; without a `file` it is in this process's memory, for as long as it is open."""

    def __init__(self, file: Path | None, *, serializer: SerializerPipeline) -> None:
        library: Any = BaseCache
        # Tables of one cache in memory share its pages: what one thread writes, another could not read meanwhile.
        lock = threading.RLock()
        if file is None:
            name = f"file:ironforge-cache-{next(_in_memory)}?mode=memory&cache=shared"
            options: dict[str, Any] = {"uri": True, "lock": lock}
        else:
            name = str(file)
            options = {"wal": True, "busy_timeout": _BUSY_MILLISECONDS, "lock": lock}
        library.__init__(self, cache_name=name)
        self.responses = _Rows(name, table_name="responses", serializer=serializer, **options)
        self.redirects = _Rows(name, table_name="redirects", serializer=None, **options)


def is_out_of_room(error: Exception) -> bool:
    """Whether a file could not be written for want of room on its disk."""
    if isinstance(error, sqlite3.Error):
        # Extended codes carry the plain one in their lowest byte.
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _OUT_OF_ROOM
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _is_usable(file: Path) -> bool:
    """Whether a cache file can be written; not on a full disk. Raises `ConfigurationError` for any other reason."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        try:
            _try_writing(file)
        except sqlite3.Error as error:
            if error.sqlite_errorcode not in _DAMAGED:
                raise
            log.warning("The cache %s is damaged (%s); it is begun anew", file, error)
            for part in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
                part.unlink(missing_ok=True)
            file.touch(mode=0o600)
            _try_writing(file)
    except (OSError, sqlite3.Error) as error:
        if is_out_of_room(error):
            log.warning("The disk of %s is full (%s): the run goes on without a cache", file, error)
            return False
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(
            f"The cache {file} can't be used ({reason}). Make its folder writable for this user, or delete the file."
        ) from error
    return True


def _try_writing(file: Path) -> None:
    with contextlib.closing(
        sqlite3.connect(file, timeout=_BUSY_MILLISECONDS / 1000, isolation_level=None)
    ) as connection:
        # A write that is rolled back: beginning one does not touch a damaged page.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("ROLLBACK")


def _packed(response: Any) -> bytes:
    """An entry: a line with its `Last-Modified`, then all of it, compressed."""
    # requests-cache redacts the last request alone: those before a redirect would keep their tokens.
    kept = {key: value for key, value in response.items() if key not in {"history", "_next"}}
    request: dict[str, Any] = dict(kept.get("request") or {})
    headers: dict[str, str] = request.get("headers") or {}
    request["headers"] = {name: value for name, value in headers.items() if name.lower() in _KEPT_OF_A_REQUEST}
    modified = http_time(header(kept.get("headers") or {}, "Last-Modified") or "")
    label = b"" if modified is None else format_datetime(modified, usegmt=True).encode()
    # Compressors are not safe to share between threads, and cost nothing to make.
    packed = zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode({**kept, "request": request}))
    return label + _END_OF_LABEL + packed


def _unpacked(stored: bytes) -> Any:
    try:
        packed = stored[stored.index(_END_OF_LABEL) + 1 :]
        return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=dict[str, Any])
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        # requests-cache takes a ValueError for an answer that it does not hold.
        raise ValueError(f"not written by this version: {error}") from error
