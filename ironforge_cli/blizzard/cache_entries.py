"""Answers as entries of a cache: requests-cache's keys and forms of an answer, over a file of our own.

This is the library's documented place for other kinds of storage. What it makes of an answer is packed as plain data
that can't run code, and holds no token (`docs/decisions/0017`).
"""

from __future__ import annotations

from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import requests
import zstandard
from requests_cache import BaseCache, BaseStorage, CachedResponse, CattrStage, SerializerPipeline, Stage

from ironforge_cli.blizzard.cache_file import END_OF_LABEL
from ironforge_cli.blizzard.headers import header, http_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from ironforge_cli.blizzard.cache_file import CacheFile

# What an answer's `Vary` can name; the rest of a request, its token first of all, has no place in a file.
_KEPT_OF_A_REQUEST = {"accept", "accept-encoding"}


class Entries:
    """The answers of a file. Raises whatever goes wrong, of whichever library."""

    def __init__(self, file: CacheFile) -> None:
        # The library says of few of its values what they are.
        self._cache: Any = BaseCache(cache_name=str(file.path))
        self._cache.responses = _Storage(file)
        # What is looked for is as a rule kept a moment later, and commodities are asked for twice a minute.
        self._key = lru_cache(maxsize=256)(self._made_key)

    def key(self, url: str, params: Mapping[str, str]) -> str:
        """What the answer to a GET is found by; raises `requests.RequestException` for an address that is none."""
        return self._key(url, tuple(params.items()))

    def _made_key(self, url: str, params: tuple[tuple[str, str], ...]) -> str:
        return self._cache.create_key(requests.Request("GET", url, params=dict(params)).prepare())

    def find(self, key: str) -> requests.Response | None:
        """An answer; None where there is none, or none that can be read."""
        return self._cache.get_response(key)

    def keep(self, key: str, response: requests.Response, *, expires: datetime) -> None:
        """Put an answer in the place of the one before."""
        self._cache.save_response(response, key, expires)


class _Storage(BaseStorage[str, CachedResponse]):
    def __init__(self, file: CacheFile) -> None:
        packing = SerializerPipeline(
            [CattrStage(), Stage(dumps=_packed, loads=_unpacked)], name="msgpack+zstd", is_binary=True
        )
        library: Any = super()
        library.__init__(serializer=packing)
        self._file = file

    def __getitem__(self, key: str) -> CachedResponse:
        value = self._file.read(key)
        library: Any = self
        answer: CachedResponse | None = None if value is None else library.deserialize(key, value)
        if answer is None:
            raise KeyError(key)
        return answer

    def __setitem__(self, key: str, value: CachedResponse) -> None:
        # Packing takes a while: nobody waits for the file meanwhile.
        library: Any = self
        self._file.write(key, library.serialize(value), expires=value.expires_unix)

    def __delitem__(self, key: str) -> None:
        self._file.delete(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.keys())

    def __len__(self) -> int:
        return len(self._file.keys())


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
    return label + END_OF_LABEL + packed


def _unpacked(stored: bytes) -> Any:
    try:
        packed = stored[stored.index(END_OF_LABEL) + 1 :]
        return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=dict[str, Any])
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        # requests-cache takes a ValueError for an answer that it does not hold.
        raise ValueError(f"not written by this version: {error}") from error
