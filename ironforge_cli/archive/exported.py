"""Rows that leave as one Parquet file: typed by what they are, written piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ironforge_cli.archive.arrow import arrow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A Parquet file being written to a stream that need not be seekable."""

    writer: Any
    schema: Any

    @classmethod
    def begin(cls, stream: IO[bytes], types: Mapping[str, ValueType]) -> Self:
        """Write what precedes all rows. Raises `ConfigurationError` without pyarrow, and `OSError`."""
        schema = arrow().core.schema([(name, _type_of(one)) for name, one in types.items()])
        writer = arrow().parquet.ParquetWriter(stream, schema, compression="zstd", write_page_checksum=True)
        return cls(writer, schema)

    def write_columns(
        self, columns: Mapping[str, tuple[NDArray[Any], NDArray[np.bool_] | None]], constants: Mapping[str, str]
    ) -> None:
        """Write a piece of n rows, whose columns are arrays with what is null in them, or one text for all rows."""
        core = arrow().core
        rows = len(next(iter(columns.values()))[0])
        arrays: list[Any] = []
        for field in self.schema:
            if field.name in constants:
                arrays.append(core.repeat(core.scalar(constants[field.name], field.type), rows))
                continue
            values, nulls = columns[field.name]
            if values.dtype.kind == "M":
                arrays.append(core.array(values.view(np.int64), core.int64(), mask=nulls).cast(field.type))
            else:
                arrays.append(core.array(values, field.type, mask=nulls))
        self.writer.write_table(core.Table.from_arrays(arrays, schema=self.schema), row_group_size=max(1, rows))

    def write_records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write a piece of rows by their names; None is null."""
        core = arrow().core
        arrays = [core.array([one[field.name] for one in records], field.type) for field in self.schema]
        self.writer.write_table(core.Table.from_arrays(arrays, schema=self.schema))

    def abandon(self) -> None:
        """Write nothing more: what is not ended is no file, whoever reads it."""
        # The library would end it on its own as soon as nobody holds it.
        self.writer.is_open = False

    def end(self) -> None:
        """Write what follows all rows; without it the file is none."""
        self.writer.close()


def _type_of(one: ValueType) -> Any:
    core = arrow().core
    match one:
        case ValueType.TIME:
            return core.timestamp("us", tz="UTC")
        case ValueType.TEXTS:
            return core.list_(core.string())
        case _:
            return getattr(core, one.value)()
