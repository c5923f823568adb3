"""HTTP caches: requests-cache on SQLite, holding plain compressed data that can't run code, and no tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import requests
import zstandard
from requests_cache import CachedSession, SerializerPipeline, SQLiteCache
from requests_cache.serializers.cattrs import CattrStage
from requests_cache.serializers.pipeline import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OK: Final = 200
_BUSY_MILLISECONDS: Final = 10_000


def cached_session(file: Path, *, expire_after: int, obey_server: bool) -> CachedSession:
    """A session that keeps answers of status 200 for `expire_after` seconds, or as Blizzard's headers say.

    The file is made private (0600). Requests are stored without their `Authorization`.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    serializer = SerializerPipeline(
        [CattrStage(), Stage(dumps=_packed, loads=_unpacked)], name="msgpack+zstd", is_binary=True
    )
    return CachedSession(
        backend=SQLiteCache(file, serializer=serializer, wal=True, busy_timeout=_BUSY_MILLISECONDS),
        expire_after=expire_after,
        cache_control=obey_server,
        allowable_codes=(_OK,),
    )


def fresh_response(
    session: CachedSession, url: str, params: Mapping[str, str], *, at: float
) -> requests.Response | None:
    """The cached answer to a GET, if it has not expired `at` that time (seconds since the epoch).

    Only the expiry is read first: most looks find nothing fresh, and must not cost the reading of a 30 MB body.
    """
    cache: Any = session.cache
    key = cache.create_key(session.prepare_request(requests.Request("GET", url, params=dict(params))))
    with cache.responses.connection() as connection:
        row = connection.execute("SELECT expires FROM responses WHERE key = ?", (key,)).fetchone()
    return cache.get_response(key) if row is not None and row[0] > at else None


def forget(session: CachedSession, url: str, params: Mapping[str, str]) -> None:
    """Delete the cached answer to a GET."""
    cache: Any = session.cache
    cache.delete(cache.create_key(session.prepare_request(requests.Request("GET", url, params=dict(params)))))


def prune(session: CachedSession) -> None:
    """Delete what has expired; the file keeps its size and uses the room again."""
    cache: Any = session.cache
    cache.delete(expired=True, vacuum=False)


def _packed(response: Any) -> bytes:
    # Compressors are not safe to share between threads, and cost nothing to make.
    return zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(response))


def _unpacked(stored: bytes) -> Any:
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(stored))
