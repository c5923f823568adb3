"""Bodies of answers, encoded, kept to be sent again for as long as they are of the present state; in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable

_OVERHEAD: Final = 1_000
"""Of an entry beside its body: its key, headers and the objects that hold them."""


@dataclass(frozen=True, slots=True)
class KeptBody:
    """An answer as it is sent, and of which state it is."""

    generation: str
    etag: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Bodies:
    """The bodies that were asked for last, up to so many bytes together; safe to use from several threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, KeptBody] = OrderedDict()
        self.bytes = 0
        """Of all that are kept."""

    def get(self, key: Hashable) -> KeptBody | None:
        """What is kept of a query, of whichever state."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            return kept

    def keep(self, key: Hashable, body: KeptBody) -> None:
        """Keep an answer in place of an older one; those that nobody asked for longest give way.

        One that would take an eighth of the room by itself is not kept.
        """
        size = len(body.body) + _OVERHEAD
        with self._lock:
            self._forget(key)
            if size > self._most // 8:
                return
            self._kept[key] = body
            self.bytes += size
            while self.bytes > self._most:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: Hashable) -> None:
        former = self._kept.pop(key, None)
        if former is not None:
            self.bytes -= len(former.body) + _OVERHEAD
