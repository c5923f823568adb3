"""Exports: rows of one kind, streamed into a file or a pipe at bounded memory.

Rows that the server writes are passed on as they come; others are written one by one. Raw auctions are no source: what
leaves is aggregated.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from ironforge_cli.archive.exported import ParquetFile, ValueType
from ironforge_cli.db.bulk import Kind
from ironforge_cli.db.repositories import exported_rows
from ironforge_cli.errors import UsageError
from ironforge_cli.tell.files import PACKED, UnseekableStream
from ironforge_cli.tell.records import csv_heading, csv_line, json_line, plain_value
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from ironforge_cli.db.repositories.exported_rows import Columns, ExportedColumn, ExportedPart
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

_RECORDS_AT_ONCE: Final = 5_000
_OTHER_FORMATS: Final = (".json", ".tsv", ".xls", ".xlsx", ".ods", ".feather", ".arrow", ".orc", ".avro", ".db", ".sql")
"""Endings of files that no export is: CSV in them would be found late."""
_TYPES: Final = {
    Kind.INT2: ValueType.INT16,
    Kind.INT4: ValueType.INT32,
    Kind.INT8: ValueType.INT64,
    Kind.FLOAT8: ValueType.REAL,
    Kind.TIMESTAMPTZ: ValueType.TIME,
}


class ExportFormat(StrEnum):
    """How the rows of an export are written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Watching(Protocol):
    """Who sees how far an export is, and may end it."""

    def step(self, region: Region | None, name: str) -> None:
        """So far is a region."""
        ...

    def check(self) -> None:
        """Raise `InterruptedRunError` where somebody asked for the end."""
        ...


class Lines(NamedTuple):
    """Whole rows as text."""

    region: Region | None
    rows: int
    text: bytes


@dataclass(frozen=True, slots=True)
class QueryRows:
    """Rows that the server writes, part by part, in a transaction of the caller's."""

    connection: Transaction
    columns: tuple[ExportedColumn, ...]
    """Without the region, which stands first."""
    parts: tuple[ExportedPart, ...]

    @property
    def types(self) -> dict[str, ValueType]:
        """The columns and what their values are."""
        return {"region": ValueType.TEXT, **{one.name: _TYPES[one.kind] for one in self.columns}}

    def as_lines(self, form: ExportFormat) -> Generator[Lines]:
        """Lines of each region, some at a time."""
        write = exported_rows.as_csv if form is ExportFormat.CSV else exported_rows.as_json_lines
        for part in self.parts:
            for lines in write(self.connection, part):
                # No text in them has an end of a line.
                yield Lines(part.region, lines.count(b"\n"), lines)

    def into_parquet(self, file: ParquetFile, told: Callable[[Region | None, int], None]) -> None:
        """Write all of it."""
        for part in self.parts:
            for columns in exported_rows.as_columns(self.connection, part):
                file.write_columns(columns, {"region": part.region.value})
                told(part.region, _length(columns))
                # Not held while the next one comes.
                del columns


@dataclass(frozen=True, slots=True)
class RecordRows:
    """Rows that come one by one, by the names of their values."""

    types: Mapping[str, ValueType]
    records: Iterable[Mapping[str, Any]]

    def as_lines(self, form: ExportFormat) -> Generator[Lines]:
        """Lines, some at a time."""
        write = csv_line if form is ExportFormat.CSV else json_line
        for some in self._some():
            yield Lines(None, len(some), b"".join(map(write, some)))

    def into_parquet(self, file: ParquetFile, told: Callable[[Region | None, int], None]) -> None:
        """Write all of it."""
        for some in self._some():
            file.write_records(
                [
                    {
                        name: value if self.types[name] is ValueType.TIME else plain_value(value)
                        for name, value in one.items()
                    }
                    for one in some
                ]
            )
            told(None, len(some))

    def _some(self) -> Iterator[list[Mapping[str, Any]]]:
        left = iter(self.records)
        while some := list(islice(left, _RECORDS_AT_ONCE)):
            yield some


@dataclass(frozen=True, slots=True)
class WrittenRows:
    """What was written."""

    rows: int
    bytes: int
    """Before packing."""


def export(source: QueryRows | RecordRows, form: ExportFormat, stream: IO[bytes], *, watching: Watching) -> WrittenRows:
    """Write all rows of a source into a stream, which need not be seekable.

    Raises `ConfigurationError` where Parquet is asked for without pyarrow, `InterruptedRunError`, and `OSError` of the
    stream.
    """
    out = UnseekableStream(stream)
    rows: dict[Region | None, int] = {}

    def told(region: Region | None, more: int) -> None:
        rows[region] = rows.get(region, 0) + more
        watching.check()
        watching.step(region, f"{counted(rows[region], 'row')}, {out.written / 1e6:,.1f} MB in all")

    watching.check()
    if form is ExportFormat.PARQUET:
        file = ParquetFile.begin(cast("IO[bytes]", out), source.types)
        try:
            source.into_parquet(file, told)
            file.end()
        except BaseException:
            file.abandon()
            raise
        return WrittenRows(sum(rows.values()), out.written)
    if form is ExportFormat.CSV:
        out.write(csv_heading(source.types))
    # What the server still has to say is told to end before its transaction does.
    with closing(source.as_lines(form)) as pieces:
        for lines in pieces:
            out.write(lines.text)
            told(lines.region, lines.rows)
    return WrittenRows(sum(rows.values()), out.written)


def format_of(given: ExportFormat | None, name: str | None) -> ExportFormat:
    """The format that was asked for, else that of a file's name, else CSV.

    Raises `UsageError` where a file of Parquet is to be packed once more, or a name ends as another format's do.

    >>> format_of(None, "prices.jsonl.gz"), format_of(None, None), format_of(ExportFormat.CSV, "x.txt")
    (<ExportFormat.JSONL: 'jsonl'>, <ExportFormat.CSV: 'csv'>, <ExportFormat.CSV: 'csv'>)
    """
    plain, packed = (name or "").lower(), False
    for ending in PACKED:
        if plain.endswith(ending):
            plain, packed = plain.removesuffix(ending), True
            break
    if given is None and plain.endswith(_OTHER_FORMATS):
        raise UsageError(f"{name}: there are csv, jsonl and parquet. Say by --format which of them it is to be.")
    plain = plain.replace(".ndjson", ".jsonl")
    by_name = next((one for one in ExportFormat if plain.endswith(f".{one.value}")), ExportFormat.CSV)
    form = by_name if given is None else given
    if packed and form is ExportFormat.PARQUET:
        raise UsageError(f"{name}: Parquet packs its pages itself; give the file a name that ends in .parquet.")
    return form


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values()))[0])
