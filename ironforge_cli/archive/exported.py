"""Rows that leave as one Parquet file: typed by what they are, written piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, Final, Self

from ironforge_cli.archive.arrow import arrow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


_ROWS_A_GROUP: Final = 98_304
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

    writer: Any
    schema: Any
    held: list[Any] = field(default_factory=list[Any])
    """Pieces that are written as one group of rows: what is told of a group takes memory until the end."""

    @classmethod
    def begin(cls, stream: IO[bytes], types: Mapping[str, ValueType]) -> Self:
        """Write what precedes all rows. Raises `ConfigurationError` without pyarrow, and `OSError`."""
        schema = arrow().core.schema([(name, _type_of(one)) for name, one in types.items()])
        writer = arrow().parquet.ParquetWriter(
            stream,
            schema,
            compression="zstd",
            write_page_checksum=True,
            # A page of each column waits until it is full.
            data_page_size=_PAGE_BYTES,
            # Numbers nearly all differ: a dictionary of them takes more memory, and packs no better.
            use_dictionary=[name for name, one in types.items() if one is ValueType.TEXT],
        )
        return cls(writer, schema)

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
        # The library would end it on its own as soon as nobody holds it.
        self.writer.is_open = False
        self.held.clear()

    def end(self) -> None:
        """Write what follows all rows; without it the file is none."""
        self._write_held()
        self.writer.close()

    def _write(self, table: Any) -> None:
        self.held.append(table)
        if sum(map(len, self.held)) >= _ROWS_A_GROUP:
            self._write_held()

    def _write_held(self) -> None:
        if self.held:
            table = arrow().core.concat_tables(self.held)
            self.held.clear()
            self.writer.write_table(table, row_group_size=len(table))


def _type_of(one: ValueType) -> Any:
    core = arrow().core
    match one:
        case ValueType.TIME:
            return core.timestamp("us", tz="UTC")
        case ValueType.TEXTS:
            return core.list_(core.string())
        case _:
            return getattr(core, one.value)()
