"""What storing a snapshot takes beside the usual way: SQLAlchemy's insert() in batches, statistics in plain Python.

Run it with `uv run python -m tests.benchmarks.alternatives`; it takes about half a minute.

Both begin with the same decoded snapshot and the one before, and end with the same rows committed: the auctions with
their windows, and a row of statistics an item. One is what `collect` does. The other computes prices and sales by the
plain rules that tests hold ours against (`tests/market/reference.py`: loops over tuples and dicts, exact fractions) and
inserts the same rows by SQLAlchemy Core, 5,000 a batch. They write into the tables of the two regions, in turn. Medians
are printed, and the median of the ratios of each round. That the figures are the same is tested elsewhere, and
compared here once more for the items' cheapest prices and numbers.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select

from ironforge_cli.db.engine import Database
from ironforge_cli.db.models import PRICE_STATS, SNAPSHOTS
from ironforge_cli.db.repositories import partitions, snapshots, stats
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.regions import Region
from ironforge_cli.sandbox.market import SimulatedMarket, default_profiles
from tests.benchmarks.estimator_accuracy import as_collected
from tests.benchmarks.stage import ITEMS, home_folder, options, running_server
from tests.market import reference, reference_estimate
from tests.market.made_up import as_snapshot
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ironforge_cli.market.auctions import Auctions, Book

ROUNDS: Final = 3
BATCH: Final = 5_000
OURS, PLAIN = Region.EU, Region.US
_BEGINS: Final = datetime(2026, 1, 14, 1, 3, 7, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one way."""

    statistics: float
    rows: float

    @property
    def together(self) -> float:
        """Seconds of all of it."""
        return self.statistics + self.rows


@dataclass(frozen=True, slots=True)
class Held:
    """A snapshot that was stored, as both ways know it."""

    book: Book
    plain: reference.Snapshot
    windows: reference.Windows


def ours(database: Database, before: Held, auctions: Auctions, *, at: datetime) -> tuple[Taken, Book]:
    """Compute and store as `collect` does."""
    began = time.perf_counter()
    summary = summarise_snapshot(before.book, auctions, at=at)
    computed = time.perf_counter()
    with database.transaction() as connection:
        snapshots.store(connection, OURS, summary.book)
        stats.store(connection, OURS, summary.statistics, at=at)
    return Taken(statistics=computed - began, rows=time.perf_counter() - computed), summary.book


def plainly(
    database: Database, before: Held, auctions: reference.Snapshot, *, at: datetime
) -> tuple[Taken, reference.Windows]:
    """Compute by loops, and store by batches of insert()."""
    began = time.perf_counter()
    hour = reference.compare(before.plain, before.windows, auctions, old_time=before.book.snapshot_time, new_time=at)
    rows_of_statistics = list(_statistics(before.plain, auctions, hour, at=at, interval=at - before.book.snapshot_time))
    computed = time.perf_counter()
    rows = [
        {
            "snapshot_time": at,
            "auction_id": key,
            "unit_price": auction.price,
            "item_id": auction.item,
            "quantity": auction.quantity,
            "time_left": auction.time_left,
            "expires_after_min": hour.windows[key][0],
            "expires_before_min": hour.windows[key][1],
        }
        for key, auction in auctions.items()
    ]
    with database.transaction() as connection:
        for table, wanted in ((SNAPSHOTS[PLAIN], rows), (PRICE_STATS[PLAIN], rows_of_statistics)):
            for first in range(0, len(wanted), BATCH):
                connection.execute(insert(table), wanted[first : first + BATCH])
    return Taken(statistics=computed - began, rows=time.perf_counter() - computed), hour.windows


def _statistics(
    before: reference.Snapshot, auctions: reference.Snapshot, hour: reference.Hour, *, at: datetime, interval: timedelta
) -> Iterator[dict[str, Any]]:
    lots: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for auction in auctions.values():
        lots[auction.item].append((auction.quantity, auction.price))
    seconds = int(interval.total_seconds())
    withdrawn = sum(fate == "WITHDRAWN" for fate in hour.fate.values())
    counted = reference_estimate.count(before, auctions, hour)
    # As on our side: nothing is known of earlier hours.
    rows = reference_estimate.estimate(counted, (), withdrawn=withdrawn, at=at, seconds=seconds).rows
    for item, listed in hour.items.items():
        sold = rows[item]
        book = reference.runs(lots[item])
        yield {
            "item_id": item,
            "timestamp": at,
            "min_price": book[0][0] if book else None,
            "max_price": book[-1][0] if book else None,
            "mean_price": float(reference.mean_of_runs(book)) if book else None,
            "median_price": float(reference.median_of_runs(book)) if book else None,
            "market_value": float(reference.market_value_of_runs(book)) if book else None,
            "cheapest_15_percent_price": reference.cheapest_15_percent_of_runs(book) if book else None,
            "total_quantity": sum(count for _, count in book),
            "num_auctions": len(book),
            "estimated_sales": sold and sold.estimate,
            "sales_low": sold and sold.low,
            "sales_high": sold and sold.high,
            "new_listings": listed.new_listings,
            "new_auctions": listed.new_auctions,
            "seen_sales": sold and float(sold.seen),
            "unseen_sales": sold and float(sold.unseen),
            "new_at_floor": sold and sold.new_at_floor,
            "evidence": sold and sold.evidence,
            "interval_seconds": seconds,
        }


def _require_equal(database: Database, *, at: datetime) -> None:
    """End the benchmark where the two ways stored different figures."""
    with database.connect() as connection:
        ours_and_plain = [
            connection.execute(
                select(table.c.item_id, table.c.min_price, table.c.num_auctions, table.c.sales_low, table.c.sales_high)
                .where(table.c.timestamp == at)
                .order_by(table.c.item_id)
            ).all()
            for table in (PRICE_STATS[OURS], PRICE_STATS[PLAIN])
        ]
    if ours_and_plain[0] != ours_and_plain[1]:
        raise SystemExit("The two ways stored different figures: the comparison means nothing.")


def measure(*, auctions: int, rounds: int, server: str) -> list[tuple[Taken, Taken]]:
    """Store so many hours both ways."""
    with home_folder() as home, running_server(server, home=home) as running:
        database = Database(running.url)
        with database.transaction() as connection:
            for region in (OURS, PLAIN):
                partitions.create(connection, DailyPartition.holding(region, _BEGINS))
                make_months(connection, _BEGINS, regions=(region,))
        profiles = default_profiles(seed=1, items=ITEMS)
        market = SimulatedMarket(profiles=profiles, auctions=auctions, seed=1, starts_at=_BEGINS)
        first = as_collected(market.listings())
        plain = as_snapshot(first)
        held = Held(summarise_snapshot(None, first, at=_BEGINS).book, plain, reference.first_windows(plain))
        taken: list[tuple[Taken, Taken]] = []
        for number in range(1, rounds + 1):
            market.advance(hours=1)
            at, now = _BEGINS + number * _HOUR, as_collected(market.listings())
            plain = as_snapshot(now)
            by_us, book = ours(database, held, now, at=at)
            by_loops, windows = plainly(database, held, plain, at=at)
            _require_equal(database, at=at)
            held = Held(book, plain, windows)
            taken.append((by_us, by_loops))
        database.close()
        return taken


def report(taken: list[tuple[Taken, Taken]], *, auctions: int) -> str:
    """The figures as a table for people."""
    lines = [
        f"{auctions:,} auctions, medians of {len(taken)} rounds\n\n",
        f"{'seconds':<34}{'ironforge':>12}{'plain':>12}{'ratio':>12}\n",
    ]
    parts: dict[str, Callable[[Taken], float]] = {
        "statistics: prices and sales": lambda way: way.statistics,
        f"rows: COPY, and batches of {BATCH:,}": lambda way: way.rows,
        "together": lambda way: way.together,
    }
    for name, part in parts.items():
        seconds = [median(part(pair[way]) for pair in taken) for way in (0, 1)]
        ratio = median(part(plain) / part(us) for us, plain in taken)
        lines.append(f"{name:<34}{seconds[0]:>12.3f}{seconds[1]:>12.2f}{ratio:>10.0f} x\n")
    return "".join(lines)


def main() -> None:
    """Print the figures."""
    asked = options(__doc__, rounds=ROUNDS)
    sys.stdout.write(
        report(measure(auctions=asked.auctions, rounds=asked.rounds, server=asked.server), auctions=asked.auctions)
    )


if __name__ == "__main__":
    main()
