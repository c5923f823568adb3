"""Items over time, hour by hour and day by day: what questions about some items are built on.

Rows come as they are stored. Months that lie by item are read by item; in the others, whose rows come in the order of
time, each snapshot is a look-up in the primary key: a span of time there holds all items' rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS
from ironforge_cli.db.repositories import statistics_months

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.market.statistics_months import HeldMonths
    from ironforge_cli.regions import Region


@dataclass(frozen=True, slots=True)
class HourRow:
    """What one snapshot says of one item; prices in copper, None when sold out."""

    item_id: int
    timestamp: datetime
    min_price: int | None
    market_value: float | None
    cheapest_15_percent_price: int | None
    median_price: float | None
    mean_price: float | None
    max_price: int | None
    total_quantity: int
    num_auctions: int
    sales_low: int | None
    """Units since the snapshot before; None where nothing is known, as the two below."""
    estimated_sales: int | None
    sales_high: int | None


@dataclass(frozen=True, slots=True)
class DayRow:
    """What one closed UTC day says of one item, in copper and units; see `PRICE_DAYS`."""

    day: date
    min_price: int | None
    market_value: float | None
    mean_quantity: float
    sales_low: int | None
    estimated_sales: int | None
    sales_high: int | None
    covered_seconds: int
    snapshots: int
    priced_snapshots: int


_HOUR: Final = ", ".join(HourRow.__slots__)
_DAY: Final = ", ".join(DayRow.__slots__)
_NEXT: Final = timedelta(microseconds=1)
_execute = executor("history")


def hours_at(
    connection: Connection, region: Region, items: Sequence[int], times: Sequence[datetime]
) -> dict[tuple[datetime, int], HourRow]:
    """What the snapshots of some times say of some items: each a look-up. An item without a row there has none."""
    rows = _execute(connection, _looked_up(region), {"items": list(items), "times": list(times)}) if times else ()
    return {(row.timestamp, row.item_id): row for row in (HourRow(*values) for values in rows)}


def hours_of_item(
    connection: Connection, region: Region, item_id: int, times: Sequence[datetime]
) -> dict[datetime, HourRow]:
    """What the snapshots of some times, in order, say of an item, however many they are."""
    found: list[Any] = []
    for held, chosen in _in_partitions(connection, region, times):
        if held.is_laid and _may_be_read(connection, held.name):
            given = {"item": item_id, "since": chosen[0], "until": chosen[-1] + _NEXT}
            wanted = set(chosen)
            found += [row for row in _execute(connection, _by_item(held.name), given) if row.timestamp in wanted]
        else:
            found += _execute(connection, _looked_up(region), {"items": [item_id], "times": chosen})
    return {row.timestamp: row for row in (HourRow(*values) for values in found)}


def without_hours(connection: Connection, region: Region, times: Sequence[datetime]) -> set[datetime]:
    """Those times of stored snapshots whose hours have left with their month: nothing of them is known here."""
    there = {time for _, chosen in _in_partitions(connection, region, times) for time in chosen}
    return set(times) - there


def days_of_item(connection: Connection, region: Region, item_id: int, *, since: date, until: date) -> list[DayRow]:
    """An item's days that are made in [since, until), oldest first; the present day comes from its hours."""
    made = PRICE_DAYS[region].name
    statement = text(
        f"SELECT {_DAY} FROM generate_series(CAST(:since AS date), CAST(:until AS date) - 1, interval '1 day')"  # noqa: S608 - names of our own
        f" AS wanted (starts_at) JOIN {made} ON day = CAST(starts_at AS date) AND item_id = :item ORDER BY day"
    )
    rows = _execute(connection, statement, {"since": since, "until": until, "item": item_id})
    return [DayRow(*row) for row in rows]


def _looked_up(region: Region) -> Any:
    return text(
        f"SELECT {_HOUR} FROM {PRICE_STATS[region].name}"  # noqa: S608 - names of our own
        " WHERE timestamp = ANY(:times) AND item_id = ANY(:items)"
    )


def _by_item(month: str) -> Any:
    # The sum hides the time from the planner: by the primary key it would read a page for each hour.
    return text(
        f'SELECT {_HOUR} FROM "{month}" WHERE item_id = :item'  # noqa: S608 - names of the schema
        " AND timestamp + interval '0 s' >= :since AND timestamp + interval '0 s' < :until"
    )


def _may_be_read(connection: Connection, month: str) -> bool:
    # Who was granted the whole table alone reads months through it, a look-up a snapshot.
    granted = text("SELECT has_table_privilege(quote_ident(:name), 'SELECT')")
    return bool(_execute(connection, granted, {"name": month}).scalar_one())


def _in_partitions(
    connection: Connection, region: Region, times: Sequence[datetime]
) -> Iterator[tuple[HeldMonths, list[datetime]]]:
    """The partitions that hold any of some times, and which of these."""
    for held in statistics_months.held(connection, region) if times else ():
        chosen = [
            time
            for time in times
            if (held.starts_at is None or held.starts_at <= time) and (held.ends_at is None or time < held.ends_at)
        ]
        if chosen:
            yield held, chosen
