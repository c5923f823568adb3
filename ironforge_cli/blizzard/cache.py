"""Answers kept for the next request, of this process or another: a convenience, which can fail in any way."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from requests.exceptions import RequestException

from ironforge_cli.blizzard.cache_file import CacheFile, RestingError
from ironforge_cli.blizzard.headers import kept_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from requests import Response

    from ironforge_cli.blizzard.cache_entries import Entries

log = logging.getLogger(__name__)

_Value = TypeVar("_Value")


class AnswerCache:
    """Answers by address. Nothing that goes wrong in it reaches who asks, or takes longer than about a second.

    It is said once, and what is looked for is then not there. Answers are kept for `seconds`, or, without, for as long
    as their headers say. `now` gives seconds since the epoch. Safe to share between threads.
    """

    def __init__(self, path: Path, *, seconds: int | None, now: Callable[[], float]) -> None:
        self._file = CacheFile(path)
        self._seconds = seconds
        self._now = now
        self._entries: Entries | None = None
        self._has_complained = False
        self._forgotten: set[str] = set()

    def find(self, url: str, params: Mapping[str, str], *, newer_than: datetime | None = None) -> Response | None:
        """The answer to a GET that is kept and still good, with `newer_than` (aware UTC) if it was modified later."""

        def look(entries: Entries) -> Response | None:
            key = entries.key(url, params)
            # One that is kept for longer than can be was stored before the clock was set back.
            is_good = key not in self._forgotten and self._file.is_fresh(
                key, at=self._now(), longest=self._seconds, newer_than=newer_than
            )
            return entries.find(key) if is_good else None

        return self._tried(look)

    def keep(self, url: str, params: Mapping[str, str], response: Response) -> None:
        """Keep the answer to a GET, in the place of the one before."""

        def put(entries: Entries) -> None:
            seconds = kept_for(response.headers) if self._seconds is None else self._seconds
            if seconds > 0:
                expires = datetime.fromtimestamp(self._now() + seconds, tz=UTC)
                key = entries.key(url, params)
                entries.keep(key, response, expires=expires)
                self._forgotten.discard(key)

        self._tried(put)

    def forget(self, url: str, params: Mapping[str, str]) -> None:
        """Drop the answer to a GET."""

        def drop(entries: Entries) -> None:
            key = entries.key(url, params)
            # A file that can't be written must not give it to this process once more.
            self._forgotten.add(key)
            self._file.delete(key)

        self._tried(drop)

    def forget_all(self) -> None:
        """Drop every answer."""
        self._tried(lambda _: self._file.delete_all())

    def prune(self) -> None:
        """Drop what is good no more: bodies of 30 MB must not pile up."""
        self._tried(lambda _: self._file.delete_expired(at=self._now()))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _tried(self, use: Callable[[Entries], _Value]) -> _Value | None:
        try:
            return use(self._opened())
        except (RestingError, RequestException):
            # An address that can't be asked is told by whoever asks.
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, of which library: the answer counts, not the cache
            self._complain(error)
            return None

    def _opened(self) -> Entries:
        if self._entries is None:
            # Even the library may be one that doesn't get on with the others.
            from ironforge_cli.blizzard.cache_entries import Entries  # noqa: PLC0415 - a failure here is the cache's

            self._entries = Entries(self._file)
        return self._entries

    def _complain(self, error: Exception) -> None:
        level = logging.DEBUG if self._has_complained else logging.WARNING
        self._has_complained = True
        log.log(
            level,
            "The HTTP cache %s can't be used (%s: %s): Blizzard is asked without it. If that stays so, make its folder "
            "writable for this user, or delete the file",
            self._file.path,
            type(error).__name__,
            error,
        )
