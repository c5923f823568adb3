"""Rows that leave for files: statistics, books and token prices of a region, streamed as the server writes them.

Nothing here is held beside one piece, however long the span is. A month of statistics is read in the order in which
its rows lie, by item or by time: to sort a year would take a disk of its own.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from ironforge_cli.db.bulk import Kind, copied_out, streamed_columns
from ironforge_cli.db.models import PRICE_STATS, SNAPSHOTS, TOKEN_PRICES
from ironforge_cli.db.repositories import months_to_read
from ironforge_cli.db.repositories.asking import OneLook
from ironforge_cli.db.repositories.exports import NULLS, is_null, kind_of
from ironforge_cli.db.transactions import driver, reader
from ironforge_cli.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Table

    from ironforge_cli.db.repositories.asking import Source
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

ROWS_AT_ONCE: Final = 2_048
"""Rows of a piece of columns."""
_SLICE: Final = "export"
_TRIES: Final = 5
# What lies in order comes in order: from the table's beginning, by one process.
_EXPORTING: Final = (
    "/* ironforge export */ SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = 0;"
    " SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0"
)
_read = reader(_SLICE)

Columns: TypeAlias = "dict[str, tuple[NDArray[Any], NDArray[np.bool_] | None]]"
"""Values of every column, and where they are null; None where they can't be."""


@dataclass(frozen=True, slots=True)
class ExportedColumn:
    """A column as the server has it."""

    name: str
    kind: Kind
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class ExportedPart:
    """Rows of a region that one statement gives."""

    region: Region
    query: sql.Composable
    """Gives the columns, by their names."""
    columns: tuple[ExportedColumn, ...]


@dataclass(frozen=True, slots=True)
class _Month:
    """A partition of statistics, and whether it may be read by its own name."""

    region: Region
    table: str
    starts_at: datetime | None
    ends_at: datetime | None
    is_readable: bool


@contextmanager
def exporting(database: Source | OneLook) -> Generator[Transaction]:
    """A look at the database that may take hours, writes nothing and keeps nobody from storing an hour.

    Raises as `Database.connect`.
    """
    if isinstance(database, OneLook):
        yield database.connection
        return
    with database.transaction() as connection:
        with driver(connection) as speaking:
            speaking.execute(_EXPORTING)
        yield connection


def statistics_columns(region: Region) -> tuple[ExportedColumn, ...]:
    """The columns of a region's hourly statistics: what a row is of, then the others in the table's order."""
    return _columns_of(PRICE_STATS[region])


def token_columns(region: Region) -> tuple[ExportedColumn, ...]:
    """The columns of a region's token prices."""
    return _columns_of(TOKEN_PRICES[region])


def book_columns() -> tuple[ExportedColumn, ...]:
    """The columns of a book, as the question of that name has them."""
    whole = ("price", "quantity", "auctions", "cumulative_quantity", "cumulative_cost")
    return (
        ExportedColumn("item_id", Kind.INT4),
        ExportedColumn("snapshot_time", Kind.TIMESTAMPTZ),
        *(ExportedColumn(name, Kind.INT8) for name in whole),
    )


def statistics_parts(
    connection: Transaction,
    regions: Sequence[Region],
    *,
    since: datetime | None,
    until: dict[Region, datetime],
    items: Sequence[int] | None,
) -> list[ExportedPart]:
    """The hours of regions after `since`, up to each one's `until`: a part for each month, oldest first.

    In the caller's transaction, for whose rest no month is put in another's place. Raises `BusyError` where months
    change faster than they are found.
    """
    for _ in range(_TRIES):
        found = _months(connection, regions)
        readable = [one.table for one in found if one.is_readable]
        if readable:
            names = sql.SQL(", ").join(map(sql.Identifier, readable))
            with driver(connection) as speaking:
                speaking.execute(sql.SQL("/* ironforge export */ LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
        if _months(connection, regions) == found:
            break
    else:
        raise BusyError("The months of statistics are being laid anew: export again in a minute.")
    parts: list[ExportedPart] = []
    for month in found:
        end = until.get(month.region)
        is_over = since is not None and month.ends_at is not None and month.ends_at <= since
        if end is None or is_over or (month.starts_at is not None and month.starts_at > end):
            continue
        conditions: list[sql.Composable] = [sql.SQL("timestamp <= {}").format(_moment(end))]
        if since is not None:
            conditions.append(sql.SQL("timestamp > {}").format(_moment(since)))
        if not month.is_readable:
            # Who was granted the whole table alone reads months through it.
            if month.starts_at is not None:
                conditions.append(sql.SQL("timestamp >= {}").format(_moment(month.starts_at)))
            if month.ends_at is not None:
                conditions.append(sql.SQL("timestamp < {}").format(_moment(month.ends_at)))
        if items is not None:
            conditions.append(sql.SQL("item_id = ANY({})").format(sql.Literal(list(items))))
        table = month.table if month.is_readable else PRICE_STATS[month.region].name
        parts.append(_part(month.region, table, statistics_columns(month.region), conditions))
    return parts


def token_part(region: Region, *, since: datetime | None, until: datetime) -> ExportedPart:
    """The prices of a token in (since, until], oldest first."""
    conditions: list[sql.Composable] = [sql.SQL("timestamp <= {}").format(_moment(until))]
    if since is not None:
        conditions.append(sql.SQL("timestamp > {}").format(_moment(since)))
    part = _part(region, TOKEN_PRICES[region].name, token_columns(region), conditions)
    return ExportedPart(region, sql.SQL("{} ORDER BY timestamp").format(part.query), part.columns)


def book_part(region: Region, *, at: datetime, items: Sequence[int] | None) -> ExportedPart:
    """The price levels of a snapshot whose raw rows are held, by item and the cheapest first."""
    wanted = sql.SQL("")
    if items is not None:
        wanted = sql.SQL(" AND item_id = ANY({})").format(sql.Literal(list(items)))
    query = sql.SQL(
        "SELECT item_id, {at} AS snapshot_time, price, quantity, auctions,"
        " CAST(sum(quantity) OVER so_far AS bigint) AS cumulative_quantity,"
        " CAST(sum(quantity * price) OVER so_far AS bigint) AS cumulative_cost"
        " FROM (SELECT item_id, unit_price AS price, CAST(sum(quantity) AS bigint) AS quantity, count(*) AS auctions"
        " FROM {table} WHERE snapshot_time = {at}{wanted} GROUP BY item_id, unit_price) AS levels"
        " WINDOW so_far AS (PARTITION BY item_id ORDER BY price) ORDER BY item_id, price"
    ).format(at=_moment(at), table=sql.Identifier(SNAPSHOTS[region].name), wanted=wanted)
    return ExportedPart(region, query, book_columns())


def as_csv(connection: Transaction, part: ExportedPart) -> Iterator[bytes]:
    """A part's rows as CSV, without a heading: the region first, times in ISO 8601."""
    return copied_out(connection, _told(part), quoted=["region"], slice_name=_SLICE)


def as_json_lines(connection: Transaction, part: ExportedPart) -> Iterator[bytes]:
    """A part's rows as JSON, a line each."""
    query = sql.SQL("SELECT row_to_json(told) FROM ({}) AS told").format(_told(part))
    return copied_out(connection, query, quoted=None, slice_name=_SLICE)


def as_columns(connection: Transaction, part: ExportedPart) -> Iterator[Columns]:
    """A part's rows by column, without the region, `ROWS_AT_ONCE` at a time."""
    chosen = [
        sql.SQL("coalesce({}, {})").format(sql.Identifier(one.name), sql.Literal(NULLS[one.kind]))
        if one.nullable
        else sql.Identifier(one.name)
        for one in part.columns
    ]
    query = sql.SQL("SELECT {} FROM ({}) AS part").format(sql.SQL(", ").join(chosen), part.query)
    kinds = [one.kind for one in part.columns]
    for found in streamed_columns(connection, query, kinds, rows_at_once=ROWS_AT_ONCE, slice_name=_SLICE):
        yield {
            one.name: (values, is_null(values, one.kind) if one.nullable else None)
            for one, values in zip(part.columns, found, strict=True)
        }
        # Nothing of a piece is held while the next one comes.
        del found


def _told(part: ExportedPart) -> sql.Composed:
    """The part's rows with their region, and times as ISO 8601 has them."""
    told = [
        sql.SQL("replace(replace(CAST({name} AS text), ' ', 'T'), '+00', 'Z') AS {name}").format(
            name=sql.Identifier(one.name)
        )
        if one.kind is Kind.TIMESTAMPTZ
        else sql.Identifier(one.name)
        for one in part.columns
    ]
    return sql.SQL("SELECT {} AS region, {} FROM ({}) AS part").format(
        sql.Literal(part.region.value), sql.SQL(", ").join(told), part.query
    )


def _columns_of(table: Table) -> tuple[ExportedColumn, ...]:
    found = [ExportedColumn(one.name, kind_of(one.type), nullable=bool(one.nullable)) for one in table.columns]
    return tuple(sorted(found, key=lambda one: one.nullable or one.name not in table.primary_key.columns))


def _part(
    region: Region, table: str, columns: tuple[ExportedColumn, ...], conditions: Sequence[sql.Composable]
) -> ExportedPart:
    query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.SQL(", ").join(sql.Identifier(one.name) for one in columns),
        sql.Identifier(table),
        sql.SQL(" AND ").join(conditions),
    )
    return ExportedPart(region, query, columns)


def _months(connection: Transaction, regions: Sequence[Region]) -> list[_Month]:
    may_read = "SELECT has_table_privilege(quote_ident(%(name)s), 'SELECT')"
    return [
        _Month(
            region,
            one.name,
            one.starts_at,
            one.ends_at,
            is_readable=_read(connection, may_read, {"name": one.name})[0][0],
        )
        for region in regions
        for one in months_to_read.to_read(connection, region)
    ]


def _moment(at: datetime) -> sql.Composed:
    return sql.SQL("CAST({} AS timestamptz)").format(sql.Literal(at.isoformat()))
