"""Rows that leave as one Parquet file: typed by what they are, written piece by piece."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, Final, Self

from ironforge_cli.archive.arrow import arrow
from ironforge_cli.archive.footers import Footers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


_ROWS_A_GROUP: Final = 49_152
_GROUPS_A_WRITER: Final = 32
"""What a writer holds of each group, some 17 kB, leaves with it."""
_PAGE_BYTES: Final = 1 << 16


class ValueType(Enum):
    """What the values of a column are."""

    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    REAL = "float64"
    TEXT = "string"
    TRUTH = "bool_"
    TIME = "time"
    """Microseconds since 1970, UTC."""
    TEXTS = "texts"
    """A list of texts."""


@dataclass(slots=True)
class ParquetFile:
    """A Parquet file being written to a stream that need not be seekable."""

    stream: _KeptEnds
    schema: Any
    options: dict[str, Any]
    writer: Any
    footers: Footers = field(default_factory=Footers)
    begun_at: int = 0
    """The place in the file at which the writer began whose turn it is."""
    groups: int = 0
    """Those of the writer whose turn it is."""
    held: list[Any] = field(default_factory=list[Any])
    """Pieces that are written as one group of rows."""

    @classmethod
    def begin(cls, stream: IO[bytes], types: Mapping[str, ValueType]) -> Self:
        """Write what precedes all rows. Raises `ConfigurationError` without pyarrow, and `OSError`."""
        schema = arrow().core.schema([(name, _type_of(one)) for name, one in types.items()])
        options: dict[str, Any] = {
            "compression": "zstd",
            "write_page_checksum": True,
            # A page of each column waits until it is full.
            "data_page_size": _PAGE_BYTES,
            # Numbers nearly all differ: a dictionary of them takes more memory, and packs no better.
            "use_dictionary": [name for name, one in types.items() if one is ValueType.TEXT],
        }
        kept = _KeptEnds(stream)
        return cls(kept, schema, options, arrow().parquet.ParquetWriter(kept, schema, **options))

    def write_columns(
        self, columns: Mapping[str, tuple[NDArray[Any], NDArray[np.bool_] | None]], constants: Mapping[str, str]
    ) -> None:
        """Write a piece of n rows, whose columns are arrays with what is null in them, or one text for all rows."""
        core = arrow().core
        rows = len(next(iter(columns.values()))[0])
        arrays: list[Any] = []
        for column in self.schema:
            if column.name in constants:
                arrays.append(core.repeat(core.scalar(constants[column.name], column.type), rows))
                continue
            values, nulls = columns[column.name]
            arrays.append(core.array(values, column.type, mask=nulls))
        self._write(core.Table.from_arrays(arrays, schema=self.schema))

    def write_records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write a piece of rows by their names; None is null."""
        core = arrow().core
        arrays = [core.array([one[column.name] for one in records], column.type) for column in self.schema]
        self._write(core.Table.from_arrays(arrays, schema=self.schema))

    def abandon(self) -> None:
        """Write nothing more: what is not ended is no file, whoever reads it."""
        # The library ends it on its own as soon as nobody holds it, and can't be told not to.
        self.stream.is_withheld = True

    def end(self) -> None:
        """Write what follows all rows; without it the file is none."""
        self._write_held()
        self.stream.is_withheld = True
        self._end_writer()
        self.stream.is_withheld = False
        self.stream.write(self.footers.ending())

    def _write(self, table: Any) -> None:
        self.held.append(table)
        if sum(map(len, self.held)) >= _ROWS_A_GROUP:
            self._write_held()

    def _write_held(self) -> None:
        if self.held:
            table = arrow().core.concat_tables(self.held)
            self.held.clear()
            if self.groups == _GROUPS_A_WRITER:
                # What it wrote last lies between groups, where nobody looks.
                self._end_writer()
                self.begun_at, self.groups = self.stream.written, 0
                self.writer = arrow().parquet.ParquetWriter(self.stream, self.schema, **self.options)
            self.writer.write_table(table, row_group_size=len(table))
            self.groups += 1

    def _end_writer(self) -> None:
        self.stream.kept = bytearray()
        self.writer.close()
        self.footers.add(bytes(self.stream.kept), begun_at=self.begun_at)
        self.stream.kept = None


class _KeptEnds(io.RawIOBase):
    """A stream that can keep a copy of what is written, or withhold it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.kept: bytearray | None = None
        self.is_withheld = False
        self.written = 0

    def writable(self) -> bool:
        """Whether it takes bytes: it does."""
        return True

    def write(self, data: bytes, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - buffers come as well
        """Write all of it."""
        if self.kept is not None:
            self.kept += data
        if not self.is_withheld:
            self._stream.write(data)
        length = memoryview(data).nbytes
        self.written += length
        return length

    def close(self) -> None:
        """Leave the stream behind it open: whoever opened that closes it."""


def _type_of(one: ValueType) -> Any:
    core = arrow().core
    match one:
        case ValueType.TIME:
            return core.timestamp("us", tz="UTC")
        case ValueType.TEXTS:
            return core.list_(core.string())
        case _:
            return getattr(core, one.value)()
