"""Statistics, days and token prices as columns, to be written elsewhere: a span of time of a whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from psycopg import sql
from sqlalchemy import BigInteger, Date, Double, Integer, SmallInteger, func, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_DAYS, REGISTRY, TOKEN_PRICES
from ironforge_cli.db.repositories import statistics_months
from ironforge_cli.db.repositories.asked_spans import starts_at

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray
    from sqlalchemy import Connection, Table

    from ironforge_cli.regions import Region

# Where a column may be null, this stands for it on the way: no price, count or time is that.
NULLS: Final = {Kind.INT2: str(-(2**15)), Kind.INT4: str(-(2**31)), Kind.INT8: str(-(2**63)), Kind.FLOAT8: "NaN"}
_execute = executor("export")


def statistics_span(connection: Connection, region: Region) -> tuple[datetime, datetime] | None:
    """The first and the last snapshot of a region whose hours may be held; None where there is none.

    By the registry, from the oldest month on that is there: the hours themselves are not read.
    """
    starts = [one.starts_at for one in statistics_months.held(connection, region)]
    if not starts:
        return None
    time = REGISTRY.c.snapshot_time
    within = select(func.min(time), func.max(time)).where(REGISTRY.c.region == region)
    bounded = [start for start in starts if start is not None]
    if len(bounded) == len(starts):
        within = within.where(time >= min(bounded))
    first, last = _execute(connection, within).one()
    return None if first is None else (first, last)


def token_span(connection: Connection, region: Region) -> tuple[datetime, datetime] | None:
    """The first and the last price of a region's token; None where there is none."""
    time = TOKEN_PRICES[region].c.timestamp
    first, last = _execute(connection, select(func.min(time), func.max(time))).one()
    return None if first is None else (first, last)


def days_span(connection: Connection, region: Region) -> tuple[datetime, datetime] | None:
    """The first and the last day of a region that are made, by their beginnings; None where there is none."""
    day = PRICE_DAYS[region].c.day
    first, last = _execute(connection, select(func.min(day), func.max(day))).one()
    return None if first is None else (starts_at(first), starts_at(last))


def count(connection: Connection, table: Table, since: datetime, until: datetime) -> int:
    """How many rows of a table that has a column `timestamp` are of [since, until)."""
    time = table.c.timestamp
    counted = select(func.count()).select_from(table).where(time >= since, time < until)
    return int(_execute(connection, counted).scalar_one())


def columns(
    connection: Connection, table: Table, since: datetime, until: datetime
) -> dict[str, tuple[NDArray[Any], NDArray[np.bool_] | None]]:
    """The rows of [since, until): the values of each column, and where they are null; None where they can't be.

    Of a table of days those that begin in the span.
    """
    kinds = {column.name: kind_of(column.type) for column in table.columns}
    nullable = {column.name for column in table.columns if column.nullable}
    days = [column.name for column in table.columns if isinstance(column.type, Date)]
    chosen = [
        sql.SQL("{} - DATE '1970-01-01'").format(sql.Identifier(name))
        if name in days
        else sql.SQL("coalesce({}, {})").format(sql.Identifier(name), sql.Literal(NULLS[kind]))
        if name in nullable
        else sql.Identifier(name)
        for name, kind in kinds.items()
    ]
    query = sql.SQL("SELECT {} FROM {} WHERE {time} >= %s AND {time} < %s").format(
        sql.SQL(", ").join(chosen), sql.Identifier(table.name), time=sql.Identifier(days[0] if days else "timestamp")
    )
    bounds = [since.date(), until.date()] if days else [since, until]
    found = fetch_columns(connection, query, bounds, list(kinds.values()), slice_name="export")
    return {
        name: (values.astype("M8[D]"), None)
        if name in days
        else (values, is_null(values, kind) if name in nullable else None)
        for (name, kind), values in zip(kinds.items(), found, strict=True)
    }


def is_null(values: NDArray[Any], kind: Kind) -> NDArray[np.bool_]:
    """Where values of a column that may be null stand for one, as `NULLS` says."""
    return np.isnan(values) if kind is Kind.FLOAT8 else values == int(NULLS[kind])


def kind_of(of: object) -> Kind:
    """How a column of a type is read, a day by its number. Raises `TypeError` where it is not exported."""
    match of:
        case BigInteger():
            return Kind.INT8
        case SmallInteger():
            return Kind.INT2
        case Integer() | Date():
            return Kind.INT4
        case Double():
            return Kind.FLOAT8
        case TIMESTAMP():
            return Kind.TIMESTAMPTZ
        case _:
            raise TypeError(f"columns of the type {of} are not exported")
