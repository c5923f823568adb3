"""Prices of the WoW token: storing them, and the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from ironforge_cli.db.engine import executor
from ironforge_cli.db.generations import changed
from ironforge_cli.db.models import TOKEN_PRICES

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

_execute = executor("stats")


def store(connection: Connection, region: Region, *, at: datetime, price: int) -> bool:
    """Keep a token price, in the caller's transaction; False where that time is there already."""
    table = TOKEN_PRICES[region]
    statement = insert(table).values(timestamp=at, price=price).on_conflict_do_nothing().returning(table.c.price)
    is_new = _execute(connection, statement).scalar_one_or_none() is not None
    if is_new:
        changed(connection, region)
    return is_new


def newest(connection: Connection, region: Region) -> tuple[datetime, int] | None:
    """The newest token price that is held: its time, and copper."""
    table = TOKEN_PRICES[region]
    row = _execute(
        connection, select(table.c.timestamp, table.c.price).order_by(table.c.timestamp.desc()).limit(1)
    ).one_or_none()
    return None if row is None else (row[0], row[1])
