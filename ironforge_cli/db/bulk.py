"""Binary COPY: whole columns to PostgreSQL and back. The only module that speaks it.

Source of the format: PostgreSQL's manual, page `COPY`, section "Binary Format". A row's length depends only on which of
its values are null and on the label of an enum, so rows of one such pattern are packed by numpy at once, as records of
a big-endian structured dtype.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, LiteralString

import numpy as np
import psycopg
from psycopg import sql

from ironforge_cli.db.transactions import driver

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.auctions import Bool, Int64, UInt8

BLOCK_ROWS: Final = 5_000
_PIECE_BYTES: Final = 1 << 18
_NOT_AS_LONG: Final = "a column holds nulls, or is of another type than was expected"
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
# PostgreSQL counts microseconds from 2000, numpy from 1970, and PostgreSQL's first day is in 4713 BC.
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NUMPY_EPOCH: Final = np.datetime64("2000-01-01", "us")
_FIRST: Final = np.datetime64("-4712-01-01", "us")
_LAST: Final = np.iinfo(np.int64).max - int(_NUMPY_EPOCH.astype(np.int64))


class Kind(Enum):
    """Types of columns that are loaded in bulk: PostgreSQL's number of the type, and the dtype of their values.

    Times are `datetime64[us]` in UTC.
    """

    INT2 = 21, "i2"
    INT4 = 23, "i4"
    INT8 = 20, "i8"
    FLOAT8 = 701, "f8"
    TIMESTAMPTZ = 1184, "M8[us]"

    oid: int
    native: np.dtype[Any]
    wire: np.dtype[Any]
    """The dtype of the binary form."""

    def __init__(self, oid: int, native: str) -> None:
        self.oid = oid
        self.native = np.dtype(native)
        self.wire = np.dtype(f">i{self.native.itemsize}" if self.native.kind == "M" else f">{native}")


@dataclass(frozen=True, slots=True)
class CopyColumn:
    """A column to load: its name, and n values or one for every row.

    `nulls` is true where the column is null; values there are not looked at.
    """

    name: str
    kind: Kind
    values: NDArray[Any] | int | float | datetime
    nulls: Bool | None = None


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """A column of an enum to load: n codes, which number `labels`."""

    name: str
    codes: UInt8
    labels: tuple[str, ...]


def exact_sum(value: LiteralString) -> sql.Composable:
    """The sum of prices, the same in whatever order they are added up: workers take them as they come.

    Whole copper is added up for itself, and so are the parts of it, in steps of 2**-40: both sums are whole numbers,
    which floats keep exactly.
    """
    return sql.SQL(
        "(sum(trunc({value})) + sum(round((({value}) - trunc({value})) * 1099511627776)) / 1099511627776)"
    ).format(value=sql.SQL(value))


def copy_in(
    connection: Transaction, table: str, columns: Sequence[CopyColumn | LabelColumn], *, rows: int, slice_name: str
) -> None:
    """Append `rows` rows to a table, in the caller's transaction, in blocks of `BLOCK_ROWS`.

    The order of the rows is kept. Raises as `packed`, and `psycopg.Error` where PostgreSQL refuses the rows; then
    none of them is there.
    """
    blocks = packed(columns, rows=rows)
    statement = sql.SQL("{} COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        _comment(slice_name),
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
    )
    with driver(connection) as speaking, speaking.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_HEADER)
        for block in blocks:
            copy.write(block)
        copy.write(_TRAILER)


def fetch_columns(
    connection: Transaction,
    query: sql.Composable,
    parameters: Sequence[Any] | Mapping[str, Any],
    kinds: Sequence[Kind],
    *,
    slice_name: str,
    without_workers: bool = False,
) -> list[NDArray[Any]]:
    """Read the rows of a query as one native array a column, in an order that all columns share.

    The query is wrapped so that PostgreSQL sends each column as one array: the client's work no longer grows with the
    number of rows. Where all of it takes some milliseconds it is read sooner `without_workers`: to start them takes
    longer than they save. Raises `psycopg.DataError` where a value is null or of another type than `kinds` says.
    """
    before, after = _around(slice_name, len(kinds), without_workers=without_workers)
    with driver(connection) as speaking, speaking.cursor(binary=True) as cursor:
        cursor.execute(before + query + after, parameters)
        result = cursor.pgresult
        if result is None:
            raise psycopg.DataError("the server sent no result")
        return [_array(result.get_value(0, position), kind) for position, kind in enumerate(kinds)]


@cache
def _around(slice_name: str, columns: int, *, without_workers: bool) -> tuple[sql.SQL, sql.SQL]:
    """What stands before and after a query whose columns come as arrays."""
    names = [f"c{position}" for position in range(columns)]
    wanted = [f"array_agg({name})" for name in names]
    if without_workers:
        # Beside a function that may change the session the planner never takes workers, and this setting is nobody's.
        wanted.append("set_config('ironforge.workers', 'none', true)")
    before = f"/* ironforge {slice_name} */ SELECT {', '.join(wanted)} FROM ("  # noqa: S608 - made of constants
    after = f") AS wanted ({', '.join(names)})"
    return sql.SQL(before), sql.SQL(after)  # pyright: ignore[reportArgumentType] - made of constants


def copied_out(
    connection: Transaction, query: sql.Composable, *, quoted: Sequence[str] | None, slice_name: str
) -> Iterator[bytes]:
    """The rows of a query as PostgreSQL writes them, in pieces of whole rows; nothing is held beside a piece.

    As CSV with some columns `quoted`, where a null is nothing at all. With None as lines of rows that have one column,
    of text without a backslash or the end of a line in it.
    """
    form = sql.SQL("FORMAT text")
    if quoted is not None:
        names = sql.SQL(", ").join(map(sql.Identifier, quoted))
        form = sql.SQL("FORMAT csv, FORCE_QUOTE ({})").format(names) if quoted else sql.SQL("FORMAT csv")
    statement = sql.SQL("{} COPY ({}) TO STDOUT ({})").format(_comment(slice_name), query, form)
    with driver(connection) as speaking, speaking.cursor() as cursor, cursor.copy(statement) as copy:
        # The server sends a row at a time.
        held = bytearray()
        for row in copy:
            held += row
            if len(held) >= _PIECE_BYTES:
                yield bytes(held)
                held.clear()
    if held:
        yield bytes(held)


def streamed_columns(
    connection: Transaction,
    query: sql.Composable,
    kinds: Sequence[Kind],
    *,
    rows_at_once: int,
    slice_name: str,
) -> Iterator[list[NDArray[Any]]]:
    """The rows of a query as `fetch_columns` gives them, so many at a time, in the order of the rows.

    No column may be null: then every row is as long as the others, and numpy reads a piece of them at once. Raises
    `psycopg.DataError` where one is, or where a value is of another type than `kinds` says.
    """
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for position, kind in enumerate(kinds):
        fields += [(f"length{position}", ">i4"), (f"value{position}", kind.wire.str)]
    record = np.dtype(fields)
    statement = sql.SQL("{} COPY ({}) TO STDOUT (FORMAT BINARY)").format(_comment(slice_name), query)
    enough = rows_at_once * record.itemsize
    with driver(connection) as speaking, speaking.cursor() as cursor, cursor.copy(statement) as copy:
        held = bytearray()
        is_begun = False
        for row in copy:
            held += row
            if not is_begun and len(held) >= len(_HEADER):
                del held[: len(_HEADER)]
                is_begun = True
            if len(held) >= enough:
                # What ends the stream may be in it already, and is no row.
                rows = (len(held) - len(_TRAILER)) // record.itemsize
                rest = held[rows * record.itemsize :]
                yield _records(held, record, kinds, rows=rows)
                held = rest
    if not held.endswith(_TRAILER) or (len(held) - len(_TRAILER)) % record.itemsize:
        raise psycopg.DataError(_NOT_AS_LONG)
    rows = (len(held) - len(_TRAILER)) // record.itemsize
    if rows:
        yield _records(held, record, kinds, rows=rows)


def _records(binary: bytearray, record: np.dtype[Any], kinds: Sequence[Kind], *, rows: int) -> list[NDArray[Any]]:
    records = np.frombuffer(binary, dtype=record, count=rows)
    if (records["fields"] != len(kinds)).any():
        raise psycopg.DataError(_NOT_AS_LONG)
    found: list[NDArray[Any]] = []
    for position, kind in enumerate(kinds):
        if (records[f"length{position}"] != kind.wire.itemsize).any():
            raise psycopg.DataError(_NOT_AS_LONG)
        found.append(_native(records[f"value{position}"], kind))
    return found


def packed(columns: Sequence[CopyColumn | LabelColumn], *, rows: int) -> Generator[bytes]:
    """The binary form of a table's rows, `BLOCK_ROWS` a piece, without the format's header and trailer.

    Raises, before the first piece, `TypeError` where values would not keep their worth in the column's type and
    `ValueError` where there are not `rows` of them, a code has no label or a time is none that PostgreSQL knows;
    `OverflowError` where one value for every row is too large.
    """
    for column in columns:
        _require_sound(column, rows)
    patterns = _patterns(columns, rows)
    templates = {int(pattern): _template(columns, int(pattern)) for pattern in np.unique(patterns)}
    return _blocks(columns, patterns, templates)


def _require_sound(column: CopyColumn | LabelColumn, rows: int) -> None:
    if isinstance(column, LabelColumn):
        _require_length(column.name, column.codes, rows)
        if rows and int(column.codes.max()) >= len(column.labels):
            raise ValueError(f"the column {column.name} has a code of {column.codes.max()}, which has no label")
        return
    if column.nulls is not None:
        _require_length(column.name, column.nulls, rows)
    values, native = column.values, column.kind.native
    if not isinstance(values, np.ndarray):
        wanted: dict[str, tuple[type, ...]] = {"M": (datetime,), "f": (int, float), "i": (int,)}
        if not isinstance(values, wanted[native.kind]):
            raise TypeError(f"the column {column.name} wants {native}, not {values!r}")
        return
    _require_length(column.name, values, rows)
    # An assignment between arrays would cut silently what does not fit.
    if not np.can_cast(values.dtype, native, casting="safe"):
        raise TypeError(f"the column {column.name} wants {native}, not {values.dtype}")
    if native.kind == "M" and not ((values >= _FIRST) | (column.nulls if column.nulls is not None else False)).all():
        raise ValueError(f"the column {column.name} holds a time that is none, or before 4713 BC")


def _require_length(name: str, values: NDArray[Any], rows: int) -> None:
    if values.shape != (rows,):
        raise ValueError(f"the column {name} has values of the shape {values.shape} for {rows} rows")


def _patterns(columns: Sequence[CopyColumn | LabelColumn], rows: int) -> NDArray[np.int64]:
    """A number for each row that tells which of its values are null and which labels it has."""
    patterns = np.zeros(rows, dtype=np.int64)
    for column in columns:
        if isinstance(column, LabelColumn):
            patterns = patterns * len(column.labels) + column.codes
        elif column.nulls is not None:
            patterns = patterns * 2 + column.nulls
    return patterns


def _template(columns: Sequence[CopyColumn | LabelColumn], pattern: int) -> NDArray[np.void]:
    """One record of a pattern, with everything filled in that all its rows share."""
    fields: list[tuple[str, str]] = []
    constants: dict[str, Any] = {"fields": len(columns)}
    for position in range(len(columns) - 1, -1, -1):
        column = columns[position]
        length, value = f"length{position}", f"value{position}"
        if isinstance(column, LabelColumn):
            pattern, code = divmod(pattern, len(column.labels))
            label = column.labels[code].encode()
            fields += [(value, f"S{len(label)}"), (length, ">i4")]
            constants |= {length: len(label), value: label}
            continue
        null = 0
        if column.nulls is not None:
            pattern, null = divmod(pattern, 2)
        if null:
            fields.append((length, ">i4"))
            constants[length] = -1
            continue
        wire = column.kind.wire
        fields += [(value, wire.str), (length, ">i4")]
        constants[length] = wire.itemsize
        if not isinstance(column.values, np.ndarray):
            constants[value] = _microseconds(column.values) if isinstance(column.values, datetime) else column.values
    template = np.zeros((), dtype=[("fields", ">i2"), *reversed(fields)])
    for name, constant in constants.items():
        template[name] = constant
    return template


def _blocks(
    columns: Sequence[CopyColumn | LabelColumn], patterns: NDArray[np.int64], templates: dict[int, NDArray[np.void]]
) -> Generator[bytes]:
    known = np.array(sorted(templates), np.int64)
    lengths: Int64 = np.array([templates[int(pattern)].dtype.itemsize for pattern in known], np.int64)
    # Rows of different lengths are laid into lines of the longest; the mask takes the padding out again. So their order
    # is kept exactly, without which the primary key's index is half as large again.
    longest = int(lengths.max(initial=0))
    filled: Bool = np.less.outer(np.arange(longest), lengths).T
    for start in range(0, len(patterns), BLOCK_ROWS):
        code = np.searchsorted(known, patterns[start : start + BLOCK_ROWS])
        first = int(code[0])
        if (code == first).all():
            yield _pack(templates[int(known[first])], columns, slice(start, start + len(code)), len(code))
            continue
        lines = np.zeros((len(code), longest), np.uint8)
        for place in np.unique(code):
            rows = np.flatnonzero(code == place)
            records = _pack(templates[int(known[place])], columns, start + rows, len(rows))
            lines[rows, : lengths[place]] = np.frombuffer(records, np.uint8).reshape(len(rows), -1)
        yield lines[filled[code]].tobytes()


def _pack(
    template: NDArray[np.void],
    columns: Sequence[CopyColumn | LabelColumn],
    chosen: slice | NDArray[np.intp],
    rows: int,
) -> bytes:
    records = np.full(rows, template)
    names = template.dtype.names or ()
    for position, column in enumerate(columns):
        name = f"value{position}"
        if isinstance(column, CopyColumn) and isinstance(column.values, np.ndarray) and name in names:
            values = column.values[chosen]
            records[name] = (values - _NUMPY_EPOCH).astype(np.int64) if column.kind is Kind.TIMESTAMPTZ else values
    return records.tobytes()


def _microseconds(moment: datetime) -> int:
    """PostgreSQL's binary form of a time: microseconds since 2000, exactly."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _array(binary: bytes | None, kind: Kind) -> NDArray[Any]:
    """Decode the binary form of a one-dimensional array without nulls; None is how an empty one comes."""
    if binary is None:
        return np.zeros(0, dtype=kind.native)
    dimensions, has_nulls, oid = np.frombuffer(binary, dtype=">i4", count=3).tolist()
    if has_nulls:
        raise psycopg.DataError("a column holds nulls where none are expected")
    if dimensions != 1 or oid != kind.oid:
        raise psycopg.DataError(f"a column is of the type with the OID {oid} where {kind.name} is expected")
    elements = np.frombuffer(binary, dtype=[("length", ">i4"), ("value", kind.wire)], offset=20)["value"]
    return _native(elements, kind)


def _native(elements: NDArray[Any], kind: Kind) -> NDArray[Any]:
    """Values as they came, as this machine knows them."""
    if kind is not Kind.TIMESTAMPTZ:
        return elements.astype(kind.native)
    if ((elements > _LAST) | (elements < -_LAST)).any():
        raise psycopg.DataError("a column holds a time that has no end, or is too far off")
    return _NUMPY_EPOCH + elements.astype("m8[us]")


def _comment(slice_name: str) -> sql.SQL:
    return sql.SQL(f"/* ironforge {slice_name} */")  # pyright: ignore[reportArgumentType] - a constant of the caller's
