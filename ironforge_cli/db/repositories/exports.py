"""Statistics and token prices as columns, to be written elsewhere: a span of time of a whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from psycopg import sql
from sqlalchemy import BigInteger, Double, Integer, SmallInteger, func, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.engine import executor

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray
    from sqlalchemy import Connection, Table

# Where a column may be null, this stands for it on the way: no price, count or time is that.
NULLS: Final = {Kind.INT2: str(-(2**15)), Kind.INT4: str(-(2**31)), Kind.INT8: str(-(2**63)), Kind.FLOAT8: "NaN"}
_execute = executor("export")


def span(connection: Connection, table: Table) -> tuple[datetime, datetime] | None:
    """The first and the last time of a table that has a column `timestamp`; None where it is empty."""
    first, last = _execute(connection, select(func.min(table.c.timestamp), func.max(table.c.timestamp))).one()
    return None if first is None else (first, last)


def count(connection: Connection, table: Table, since: datetime, until: datetime) -> int:
    """How many rows of a table that has a column `timestamp` are of [since, until)."""
    time = table.c.timestamp
    counted = select(func.count()).select_from(table).where(time >= since, time < until)
    return int(_execute(connection, counted).scalar_one())


def columns(
    connection: Connection, table: Table, since: datetime, until: datetime
) -> dict[str, tuple[NDArray[Any], NDArray[np.bool_] | None]]:
    """The rows of [since, until): the values of each column, and where they are null; None where they can't be."""
    kinds = {column.name: kind_of(column.type) for column in table.columns}
    nullable = {column.name for column in table.columns if column.nullable}
    chosen = [
        sql.SQL("coalesce({}, {})").format(sql.Identifier(name), sql.Literal(NULLS[kind]))
        if name in nullable
        else sql.Identifier(name)
        for name, kind in kinds.items()
    ]
    query = sql.SQL("SELECT {} FROM {} WHERE timestamp >= %s AND timestamp < %s").format(
        sql.SQL(", ").join(chosen), sql.Identifier(table.name)
    )
    found = fetch_columns(connection, query, [since, until], list(kinds.values()), slice_name="export")
    return {
        name: (values, is_null(values, kind) if name in nullable else None)
        for (name, kind), values in zip(kinds.items(), found, strict=True)
    }


def is_null(values: NDArray[Any], kind: Kind) -> NDArray[np.bool_]:
    """Where values of a column that may be null stand for one, as `NULLS` says."""
    return np.isnan(values) if kind is Kind.FLOAT8 else values == int(NULLS[kind])


def kind_of(of: object) -> Kind:
    """How a column of a type is read. Raises `TypeError` where it is not exported."""
    match of:
        case BigInteger():
            return Kind.INT8
        case SmallInteger():
            return Kind.INT2
        case Integer():
            return Kind.INT4
        case Double():
            return Kind.FLOAT8
        case TIMESTAMP():
            return Kind.TIMESTAMPTZ
        case _:
            raise TypeError(f"columns of the type {of} are not exported")
