"""What ends a Parquet file, put together of the ends of several writers.

The library's writer holds some 17 kB of every group of rows until the end, and then twice that: a year of groups is
more than all else that an export holds. As it is written, the same takes 2 kB. So writers take turns in one file, and
of each the bytes are kept that tell of its groups.

Source of the format: parquet.thrift of apache/parquet-format (FileMetaData, RowGroup), in Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAGIC: Final = b"PAR1"
_OFFSET: Final[Mapping[int, Any]] = {}
_ROWS_FIELD, _GROUPS_FIELD = 3, 4
# RowGroup: file_offset; columns, in each ColumnChunk file_offset and of its meta_data the places of pages and filters.
_OFFSETS: Final[Mapping[int, Any]] = {
    1: {2: _OFFSET, 3: {9: _OFFSET, 10: _OFFSET, 11: _OFFSET, 14: _OFFSET}},
    5: _OFFSET,
}
_I64, _LIST, _STRUCT = 6, 9, 12
_LONG_LIST: Final = 15
_STOP: Final = b"\0"


class Footers:
    """The ends of writers that took turns, as one end."""

    def __init__(self) -> None:
        self._before = b""
        self._after = b""
        self._groups: list[bytes] = []
        self._rows = 0

    def add(self, ending: bytes, *, begun_at: int) -> None:
        """Take what a writer wrote after its last group, who began at a place in the file as if it were the first.

        Raises `ValueError` where that ends no file.
        """
        if ending[-4:] != MAGIC or int.from_bytes(ending[-8:-4], "little") != len(ending) - 8:
            raise ValueError("this ends no Parquet file")
        reading = _ThriftReading(ending[:-8])
        fields = reading.fields()
        rows_begin, rows_at, rows_end = fields[_ROWS_FIELD]
        _, groups_at, groups_end = fields[_GROUPS_FIELD]
        reading.at = rows_at
        self._rows += reading.number()
        reading.at = groups_at
        for _ in range(reading.list_of()[0]):
            self._groups.append(reading.moved(_OFFSETS, begun_at))
        self._before = ending[:rows_begin]
        self._after = ending[groups_end:-8]
        if rows_end + 1 != groups_at:
            raise ValueError("fields of a Parquet file's end stand where they are not looked for")

    def ending(self) -> bytes:
        """What ends the file."""
        count = len(self._groups)
        short = bytes([count << 4 | _STRUCT]) if count < _LONG_LIST else bytes([0xF0 | _STRUCT]) + _varint(count)
        rows = bytes([1 << 4 | _I64]) + _varint(self._rows << 1)
        groups = bytes([1 << 4 | _LIST]) + short + b"".join(self._groups)
        length = len(self._before) + len(rows) + len(groups) + len(self._after)
        return b"".join((self._before, rows, groups, self._after, length.to_bytes(4, "little"), MAGIC))


class _ThriftReading:
    """Bytes of the compact protocol, read from a place on."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def fields(self) -> dict[int, tuple[int, int, int]]:
        """Of each field of a struct where it begins, where its value does, and where that ends."""
        found: dict[int, tuple[int, int, int]] = {}
        number = 0
        while True:
            begin = self.at
            head = self._byte()
            if head == 0:
                return found
            number = number + (head >> 4) if head >> 4 else self.number()
            value = self.at
            self._skip(head & 15, in_field=True)
            found[number] = (begin, value, self.at)

    def moved(self, offsets: Mapping[int, Any], by: int) -> bytes:
        """A struct whose offsets are of a file that began so many bytes further on; which fields they are is given."""
        parts: list[bytes] = []
        number = 0
        while True:
            begin = self.at
            head = self._byte()
            if head == 0:
                return b"".join((*parts, _STOP))
            number = number + (head >> 4) if head >> 4 else self.number()
            within = offsets.get(number)
            if within is None:
                self._skip(head & 15, in_field=True)
                parts.append(self.content[begin : self.at])
            elif head & 15 == _I64:
                place = self.at
                offset = self.number()
                # None is told as 0, and stays that.
                parts += (self.content[begin:place], _varint((offset + by if offset > 0 else 0) << 1))
            else:
                count = self.list_of()[0] if head & 15 == _LIST else 1
                parts.append(self.content[begin : self.at])
                parts += [self.moved(within, by) for _ in range(count)]

    def list_of(self) -> tuple[int, int]:
        """How many elements a list has, and of which type."""
        head = self._byte()
        return (self._varint() if head >> 4 == _LONG_LIST else head >> 4), head & 15

    def number(self) -> int:
        """A whole number."""
        found = self._varint()
        return found >> 1 ^ -(found & 1)

    def _byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]

    def _varint(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:  # noqa: PLR2004 - the bit that says that more follows
                return found

    def _skip(self, kind: int, *, in_field: bool = False) -> None:
        match kind:
            case 1 | 2:
                self.at += not in_field
            case 3:
                self.at += 1
            case 4 | 5 | 6:
                self._varint()
            case 7:
                self.at += 8
            case 8:
                length = self._varint()
                self.at += length
            case 9 | 10:
                count, of = self.list_of()
                for _ in range(count):
                    self._skip(of)
            case 12:
                self.fields()
            case _:
                raise ValueError("a Parquet file's end holds what is not known")


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:  # noqa: PLR2004 - seven bits
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
