"""Binary COPY: whole columns to PostgreSQL and back. The only module that speaks it.

Source of the format: PostgreSQL's manual, page `COPY`, section "Binary Format". A row's length depends only on which of
its values are null and on the label of an enum, so rows of one such pattern are packed by numpy at once, as records of
a big-endian structured dtype.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from ironforge_cli.market.auctions import Bool, UInt8

BLOCK_ROWS: Final = 5_000
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Kind(Enum):
    """Types of columns that are loaded in bulk; the value is the big-endian dtype of their binary form."""

    INT2 = ">i2"
    INT4 = ">i4"
    INT8 = ">i8"
    FLOAT8 = ">f8"
    TIMESTAMPTZ = ">i8 "


@dataclass(frozen=True, slots=True)
class Column:
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


def copy_in(
    connection: Connection, table: str, columns: Sequence[Column | LabelColumn], *, rows: int, slice_name: str
) -> None:
    """Append `rows` rows to a table, in the caller's transaction, in blocks of `BLOCK_ROWS`.

    The order of the rows is kept between blocks; inside a block, rows of one pattern come together. Raises
    `psycopg.Error` where PostgreSQL refuses them.
    """
    statement = sql.SQL("{} COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.SQL(f"/* ironforge {slice_name} */"),  # pyright: ignore[reportArgumentType] - a constant of the caller's
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
    )
    with raw(connection).cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_HEADER)
        for block in packed(columns, rows=rows):
            copy.write(block)
        copy.write(_TRAILER)


def fetch_columns(
    connection: Connection, query: sql.Composable, parameters: Sequence[Any], kinds: Sequence[Kind]
) -> list[NDArray[Any]]:
    """Read the rows of a query as one native array a column; every value must be there (not null).

    The query is wrapped so that PostgreSQL sends each column as one array: the client's work no longer grows with the
    number of rows.
    """
    names = [sql.Identifier(f"c{position}") for position in range(len(kinds))]
    statement = sql.SQL("SELECT {} FROM ({}) AS wanted ({})").format(
        sql.SQL(", ").join(sql.SQL("array_agg({})").format(name) for name in names), query, sql.SQL(", ").join(names)
    )
    with raw(connection).cursor(binary=True) as cursor:
        cursor.execute(statement, parameters)
        result = cursor.pgresult
        if result is None:
            raise psycopg.DataError("the server sent no result")
        return [_array(result.get_value(0, position), kind) for position, kind in enumerate(kinds)]


def raw(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under SQLAlchemy's, in the same transaction."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"a psycopg connection is wanted, not {type(driver).__name__}")
    return cast("psycopg.Connection[Any]", driver)


def packed(columns: Sequence[Column | LabelColumn], *, rows: int) -> Generator[bytes]:
    """The binary form of a table's rows, `BLOCK_ROWS` a piece, without the format's header and trailer."""
    patterns = _patterns(columns, rows)
    templates = {int(pattern): _template(columns, int(pattern)) for pattern in np.unique(patterns)}
    for start in range(0, rows, BLOCK_ROWS):
        block = patterns[start : start + BLOCK_ROWS]
        first = int(block[0])
        if (block == first).all():
            yield _pack(templates[first], columns, slice(start, start + len(block)), len(block))
            continue
        pieces: list[bytes] = []
        for pattern in np.unique(block):
            chosen = start + np.flatnonzero(block == pattern)
            pieces.append(_pack(templates[int(pattern)], columns, chosen, len(chosen)))
        yield b"".join(pieces)


def _patterns(columns: Sequence[Column | LabelColumn], rows: int) -> NDArray[np.int64]:
    """A number for each row that tells which of its values are null and which labels it has."""
    patterns = np.zeros(rows, dtype=np.int64)
    for column in columns:
        if isinstance(column, LabelColumn):
            patterns = patterns * len(column.labels) + column.codes
        elif column.nulls is not None:
            patterns = patterns * 2 + column.nulls
    return patterns


def _template(columns: Sequence[Column | LabelColumn], pattern: int) -> NDArray[np.void]:
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
        dtype = np.dtype(column.kind.value.strip())
        fields += [(value, dtype.str), (length, ">i4")]
        constants[length] = dtype.itemsize
        if not isinstance(column.values, np.ndarray):
            constants[value] = _microseconds(column.values) if isinstance(column.values, datetime) else column.values
    template = np.zeros((), dtype=[("fields", ">i2"), *reversed(fields)])
    for name, constant in constants.items():
        template[name] = constant
    return template


def _pack(
    template: NDArray[np.void],
    columns: Sequence[Column | LabelColumn],
    chosen: slice | NDArray[np.intp],
    rows: int,
) -> bytes:
    records = np.full(rows, template)
    names = template.dtype.names or ()
    for position, column in enumerate(columns):
        name = f"value{position}"
        if isinstance(column, Column) and isinstance(column.values, np.ndarray) and name in names:
            records[name] = column.values[chosen]
    return records.tobytes()


def _microseconds(moment: datetime) -> int:
    """PostgreSQL's binary form of a time: microseconds since 2000, exactly."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _array(binary: bytes | None, kind: Kind) -> NDArray[Any]:
    """Decode the binary form of a one-dimensional array without nulls; None is how an empty one comes."""
    native = np.dtype(kind.value.strip())
    if binary is None:
        return np.zeros(0, dtype=native.newbyteorder("="))
    elements = np.frombuffer(binary, dtype=[("length", ">i4"), ("value", native)], offset=20)
    if np.frombuffer(binary, dtype=">i4", count=2)[1] or len(np.flatnonzero(elements["length"] != native.itemsize)):
        raise psycopg.DataError("a column holds nulls, or values of another type, where none are expected")
    return elements["value"].astype(native.newbyteorder("="))
