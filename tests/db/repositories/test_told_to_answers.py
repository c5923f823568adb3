"""Whoever writes a region's snapshots, statistics or raw days says so to those that keep answers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from ironforge_cli.db import generations
from ironforge_cli.db.repositories import partitions, raw_days, snapshots, stats
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.regions import Region
from tests.market.made_up import as_columns
from tests.market.made_up_rows import day_of_rows
from tests.market.reference import Auction

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

EU = Region.EU
NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
DAY = DailyPartition(EU, date(2024, 1, 15))
SUMMARY = summarise_snapshot(None, as_columns({1: Auction(7, 100, 20, "SHORT")}), at=NOON)
BODY = snapshots.Body(bytes=1, digest="ab", source="live")
ROWS = day_of_rows(DAY, snapshots=1, auctions=3)
WRITES: dict[str, Callable[[Connection], object]] = {
    "raw rows": lambda connection: snapshots.store(connection, EU, SUMMARY.book),
    "raw rows taken out": lambda connection: snapshots.remove(connection, EU, NOON),
    "a snapshot": lambda connection: snapshots.register(connection, EU, SUMMARY, BODY),
    "a snapshot computed again": lambda connection: snapshots.reregister(connection, EU, SUMMARY),
    "a snapshot taken out": lambda connection: snapshots.unregister(connection, EU, NOON),
    "statistics": lambda connection: stats.store(connection, EU, SUMMARY.statistics, at=NOON),
    "statistics taken out": lambda connection: stats.remove(connection, EU, NOON),
    "a day's rows": lambda connection: raw_days.append(connection, DAY, ROWS),
}


def numbers(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return generations.read(connection)


def test_each_write_of_a_region_raises_its_number_alone(database: Database) -> None:
    with database.transaction() as connection:
        partitions.create(connection, DAY)
        for region in (EU, Region.US):
            generations.changed(connection, region)
    for name, write in WRITES.items():
        before = numbers(database)
        with database.transaction() as connection:
            write(connection)
        after = numbers(database)
        assert after["eu"] > before["eu"], name
        assert after["us"] == before["us"], name
