"""A ring of reserved instants: bytes of a fixed number that know the last reservations and forget the older ones.

Little endian: a header, then an entry for each of the last `capacity` reservations, that of number n at place n modulo
capacity. Adding one writes its entry, then the header: 60 bytes, however many there are. Who is killed between the two
has reserved nothing, since the place that he wrote to was that of a reservation nobody asks for any more. Both end with
a checksum, and an entry bears its number, so that what a power cut left is told from what was written.

Instants are those of a clock that never goes back. It is this machine's as long as that doesn't, either; where somebody
sets it back, the header's `ahead` grows by as much, and every reservation has thereby been set back with it.
"""

from __future__ import annotations

import math
import os
import struct
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from zlib import crc32

from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MAGIC: Final = b"ironring"
# Magic, capacity, number of the next reservation, the latest time seen, seconds ahead; the checksum.
_HEADER: Final = struct.Struct("<8sQQdd")
# Instant, the number's lower half; the checksum.
_ENTRY: Final = struct.Struct("<dI")
_CHECKSUM: Final = struct.Struct("<I")
HEADER_BYTES: Final = _HEADER.size + _CHECKSUM.size
ENTRY_BYTES: Final = _ENTRY.size + _CHECKSUM.size
_HALF: Final = 0xFFFF_FFFF


class RingBytes(Protocol):
    """Where the bytes of a ring are."""

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes; fewer where there are fewer."""
        ...

    def write(self, offset: int, content: bytes) -> None:
        """Write over some bytes."""
        ...

    def replace(self, content: bytes) -> None:
        """Put other bytes in the place of all: either those of before are there afterwards, or these."""
        ...

    def size(self) -> int:
        """How many bytes there are."""
        ...


class DamagedRingError(Exception):
    """The bytes are not those of a ring."""


class Memory:
    """Bytes of this process alone."""

    def __init__(self, content: bytes) -> None:
        self._content = bytearray(content)

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes."""
        return bytes(self._content[offset : offset + size])

    def write(self, offset: int, content: bytes) -> None:
        """Write over some bytes."""
        self._content[offset : offset + len(content)] = content

    def replace(self, content: bytes) -> None:
        """Hold other bytes."""
        self._content = bytearray(content)

    def size(self) -> int:
        """How many bytes there are."""
        return len(self._content)


class OnDisk:
    """Bytes of a file that need not be there yet; private to its owner. Close it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = -1
        with suppress(FileNotFoundError), owners_rights(file.parent):
            self._descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return self._descriptor >= 0

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes."""
        return os.pread(self._descriptor, size, offset)

    def write(self, offset: int, content: bytes) -> None:
        """Write over some bytes."""
        _write(self._descriptor, content, offset)

    def replace(self, content: bytes) -> None:
        """Write a new file beside the old one and put it in its place."""
        with owners_rights(self._file.parent):
            descriptor = self._written_anew(content)
        self.close()
        self._descriptor = descriptor

    def _written_anew(self, content: bytes) -> int:
        beside = self._file.with_name(f"{self._file.name}.new")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, content, 0)
            beside.rename(self._file)
        except BaseException:
            # Also where Ctrl-C ends it: half a file is left to nobody, nor an open descriptor.
            os.close(descriptor)
            beside.unlink(missing_ok=True)
            raise
        return descriptor

    def size(self) -> int:
        """How many bytes there are."""
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Let go of the file."""
        if self.exists:
            os.close(self._descriptor)
            self._descriptor = -1


def _write(descriptor: int, content: bytes, offset: int) -> None:
    while content:
        # A disk that fills up takes a part before it says so.
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


@dataclass(slots=True)
class Ring:
    """A ring in a store. Who uses it sees to it that nobody else does meanwhile."""

    store: RingBytes
    capacity: int
    following: int
    """Number of the next reservation; the first was 0."""
    latest: float
    """The latest time that was seen, by the clock that never goes back."""
    ahead: float
    """Seconds by which that clock is ahead of this machine's."""

    @classmethod
    def begun(cls, store: RingBytes, *, capacity: int) -> Self:
        """Put an empty ring into a store."""
        ring = cls(store, capacity=capacity, following=0, latest=0.0, ahead=0.0)
        ring._rewrite([])
        return ring

    @classmethod
    def read(cls, store: RingBytes) -> Self:
        """The ring of a store; raises `DamagedRingError` where there is none."""
        header = _checked(store.read(0, HEADER_BYTES), _HEADER, "header")
        magic, capacity, following, latest, ahead = header
        if magic != _MAGIC:
            raise DamagedRingError("it is another program's")
        if store.size() != HEADER_BYTES + capacity * ENTRY_BYTES:
            raise DamagedRingError("it is not as long as it should be")
        return cls(store, capacity=capacity, following=following, latest=latest, ahead=ahead)

    def grow(self, capacity: int) -> None:
        """Have room for more, and keep what is known."""
        instants = self.instants()
        self.capacity = capacity
        self._rewrite(instants)

    def reserve(self, now: float, *, windows: Sequence[tuple[int, float]], within: float = math.inf) -> float:
        """Reserve the earliest instant that passes none of the windows: (limit, seconds); by the ring's own clock.

        `now` and the instant less `ahead` are this machine's time. The capacity is greater than any limit. An instant
        that is not `within` so many seconds from `latest` is not reserved, and another may come of the next call.
        """
        # Nothing can have been reserved later than now, whatever that is called.
        self.ahead = max(self.ahead, self.latest - now)
        instant = self.latest = now + self.ahead
        for limit, seconds in windows:
            before = self._before(limit)
            if before is not None:
                instant = max(instant, before + seconds)
        if instant - self.latest > within:
            return instant
        last = self._before(1)
        if last is None or last <= instant:
            self.store.write(self._offset(self.following), _entry(instant, self.following))
            self.following += 1
            self.store.write(0, self._header())
        else:
            # Somebody with a lower limit waits for a later one.
            instants = self.instants()
            instants.insert(bisect_right(instants, instant), instant)
            self._rewrite(instants[-self.capacity :])
        return instant

    def reach(self, instant: float, *, now: float) -> None:
        """Know that an instant has come, even if this machine's clock says otherwise."""
        self.latest = max(self.latest, instant)
        self.ahead = max(self.ahead, self.latest - now)
        self.store.write(0, self._header())

    def instants(self) -> list[float]:
        """Every reservation that is known, in order, by the ring's own clock."""
        return [self._at(number) for number in range(max(0, self.following - self.capacity), self.following)]

    def _before(self, places: int) -> float | None:
        return self._at(self.following - places) if places <= self.following else None

    def _at(self, number: int) -> float:
        entry = _checked(self.store.read(self._offset(number), ENTRY_BYTES), _ENTRY, "entry")
        if entry[1] != number & _HALF:
            raise DamagedRingError("an entry is missing")
        return float(entry[0])

    def _rewrite(self, instants: Sequence[float]) -> None:
        self.following = len(instants)
        entries = b"".join(_entry(instant, number) for number, instant in enumerate(instants))
        # All of it is written, so that a disk that fills up later has no say in it.
        self.store.replace(self._header() + entries.ljust(self.capacity * ENTRY_BYTES, b"\0"))

    def _offset(self, number: int) -> int:
        return HEADER_BYTES + number % self.capacity * ENTRY_BYTES

    def _header(self) -> bytes:
        return _with_checksum(_HEADER.pack(_MAGIC, self.capacity, self.following, self.latest, self.ahead))


def _entry(instant: float, number: int) -> bytes:
    return _with_checksum(_ENTRY.pack(instant, number & _HALF))


def _with_checksum(content: bytes) -> bytes:
    return content + _CHECKSUM.pack(crc32(content))


def _checked(content: bytes, form: struct.Struct, what: str) -> tuple[Any, ...]:
    if len(content) != form.size + _CHECKSUM.size or content != _with_checksum(content[: form.size]):
        raise DamagedRingError(f"its {what} is cut or changed")
    return form.unpack(content[: form.size])
