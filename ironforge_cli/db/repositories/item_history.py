"""An item over time, hour by hour and day by day, and its order book: what questions about one item are built on.

Nothing is computed here that QUESTIONS of prices define: rows come as they are stored. Months that lie by item are read
by item; in the others, whose rows come in the order of time, each snapshot is a look-up in the primary key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS, REGISTRY, SNAPSHOTS
from ironforge_cli.db.repositories import statistics_months

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, ScalarSelect, TextClause

    from ironforge_cli.market.statistics_months import HeldMonths
    from ironforge_cli.regions import Region

_execute = executor("history")


@dataclass(frozen=True, slots=True)
class ItemHour:
    """What a stored snapshot says of an item. Prices are copper, None where it was not for sale."""

    timestamp: datetime
    min_price: int | None
    market_value: float | None
    total_quantity: int
    num_auctions: int
    sales_low: int | None
    """Units; None, as the other sales, where they are not known."""
    estimated_sales: int | None
    sales_high: int | None


@dataclass(frozen=True, slots=True)
class ItemDay:
    """What a closed UTC day says of an item; prices and sales as the columns of the table."""

    day: date
    min_price: int | None
    median_min_price: float | None
    market_value: float | None
    lowest_market_value: float | None
    highest_market_value: float | None
    mean_quantity: float
    sales_low: int | None
    estimated_sales: int | None
    sales_high: int | None
    turnover: float | None
    covered_seconds: int
    snapshots: int
    priced_snapshots: int


@dataclass(frozen=True, slots=True)
class BookLevel:
    """What stands at one price of an item's order book."""

    price: int
    quantity: int
    auctions: int


_HOUR: Final = tuple(ItemHour.__dataclass_fields__)
_DAY: Final = tuple(ItemDay.__dataclass_fields__)


def hours_of_item(
    connection: Connection, region: Region, item_id: int, *, since: datetime, until: datetime
) -> list[ItemHour]:
    """An item's rows of the snapshots in [since, until), oldest first.

    A stored snapshot without a row of the item has none: whoever asks knows the snapshots from the registry.
    """
    found: list[ItemHour] = []
    table = PRICE_STATS[region]
    chosen = select(*(table.c[name] for name in _HOUR)).where(table.c.item_id == item_id)
    for held, first, end in _stretches(connection, region, since, until):
        if held.is_laid and _may_be_read(connection, held.name):
            rows = _by_item(held.name).bindparams(item_id=item_id, since=first, until=end)
        else:
            rows = chosen.where(
                table.c.timestamp >= first,
                table.c.timestamp < end,
                table.c.timestamp == func.any(func.array(_stored_times(region, first, end))),
            )
        found += [ItemHour(*row) for row in _execute(connection, rows)]
    return sorted(found, key=lambda hour: hour.timestamp)


def _may_be_read(connection: Connection, month: str) -> bool:
    # Who was granted the whole table alone reads months through it, a look-up a snapshot.
    granted = text("SELECT has_table_privilege(quote_ident(:name), 'SELECT')")
    return bool(_execute(connection, granted, {"name": month}).scalar_one())


def _by_item(month: str) -> TextClause:
    # The sum hides the time from the planner: by the primary key it would read a page for each hour.
    return text(
        f'SELECT {", ".join(_HOUR)} FROM "{month}" WHERE item_id = :item_id'  # noqa: S608 - names of the schema
        " AND timestamp + interval '0 s' >= :since AND timestamp + interval '0 s' < :until"
    )


def days_of_item(connection: Connection, region: Region, item_id: int, *, since: date, until: date) -> list[ItemDay]:
    """An item's closed days in [since, until), oldest first; the present day comes from its hours."""
    table = PRICE_DAYS[region].name
    statement = text(
        f"SELECT {', '.join('made.' + name for name in _DAY)}"  # noqa: S608 - names of the schema
        " FROM generate_series(CAST(:since AS date), CAST(:until AS date) - 1, interval '1 day') AS wanted (starts_at)"
        f" JOIN {table} AS made ON made.day = CAST(starts_at AS date) AND made.item_id = :item_id ORDER BY made.day"
    )
    rows = _execute(connection, statement, {"since": since, "until": until, "item_id": item_id})
    return [ItemDay(*row) for row in rows]


def book_of_item(connection: Connection, region: Region, item_id: int, *, at: datetime) -> list[BookLevel]:
    """An item's order book in a snapshot whose raw rows are held, cheapest first; empty where it was not for sale."""
    table = SNAPSHOTS[region]
    statement = (
        select(table.c.unit_price, func.sum(table.c.quantity), func.count())
        .where(table.c.snapshot_time == at, table.c.item_id == item_id)
        .group_by(table.c.unit_price)
        .order_by(table.c.unit_price)
    )
    return [
        BookLevel(int(price), int(units), int(auctions)) for price, units, auctions in _execute(connection, statement)
    ]


def _stretches(
    connection: Connection, region: Region, since: datetime, until: datetime
) -> Iterator[tuple[HeldMonths, datetime, datetime]]:
    """The partitions that hold anything of a span of time, and what of it each covers."""
    for held in statistics_months.held(connection, region):
        first = max(since, held.starts_at) if held.starts_at is not None else since
        end = min(until, held.ends_at) if held.ends_at is not None else until
        if first < end:
            yield held, first, end


def _stored_times(region: Region, since: datetime, until: datetime) -> ScalarSelect[datetime]:
    time = REGISTRY.c.snapshot_time
    return select(time).where(REGISTRY.c.region == region, time >= since, time < until).scalar_subquery()
