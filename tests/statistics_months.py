"""Months of statistics for tests that write into the table themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.db.repositories import statistics_months
from ironforge_cli.market.statistics_months import StatisticsMonth
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


def make_months(connection: Connection, *times: datetime, regions: tuple[Region, ...] = tuple(Region)) -> None:
    """Have room for statistics of some times."""
    for region in regions:
        for month in sorted({StatisticsMonth.holding(region, time) for time in times}):
            statistics_months.create(connection, month)
