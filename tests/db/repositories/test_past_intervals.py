"""What stored intervals add up to is what the memory of them does, to the bit; and only their hours are read."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import insert, text

from ironforge_cli.db.models import PRICE_STATS, REGISTRY
from ironforge_cli.db.repositories import past_intervals, snapshots, stats
from ironforge_cli.market.estimate import WINDOW, PastSums
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.past import Past
from ironforge_cli.market.sales import REACH
from ironforge_cli.market.statistics import Summary, summarise_snapshot
from ironforge_cli.regions import Region
from tests.jobs.chains import market_snapshots
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

BODY = snapshots.Body(bytes=1, digest="0" * 64, source="live")
HOUR = timedelta(hours=1)
# The window and the day lie across two months.
BEGINS = datetime(2024, 1, 31, 8, 30, tzinfo=UTC)


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    """A connection whose work is rolled back after the test."""
    with shared.connect() as opened:
        yield opened


@pytest.fixture
def stored(connection: Connection) -> tuple[Past, list[Summary]]:
    """Twenty hours of a market, of which one is the region's first, and what is remembered of them."""
    past, summaries = Past(), list[Summary]()
    for number, (_, auctions) in enumerate(market_snapshots(20)):
        at = BEGINS + number * HOUR
        previous = summaries[-1].book if summaries else None
        summary = summarise_snapshot(previous, auctions, at=at, earlier=past.earlier(at))
        stats.store(connection, Region.EU, summary.statistics, at=at)
        snapshots.register(connection, Region.EU, summary, BODY)
        if summary.statistics.sales is not None:
            past.add(summary.statistics.sales, ended_at=at, seconds=3600)
        past.add_snapshot(at, int(auctions.auction_id[-1]))
        summaries.append(summary)
    return past, summaries


def assert_equal(found: PastSums, expected: PastSums) -> None:
    assert (found.intervals, found.seconds) == (expected.intervals, expected.seconds)
    item_id = np.union1d(found.item_id, expected.item_id)
    one, other = found.of(item_id), expected.of(item_id)
    for column in fields(PastSums)[2:]:
        assert getattr(one, column.name).tolist() == getattr(other, column.name).tolist(), column.name


@pytest.mark.parametrize("hour", [20, 15.5])
def test_sums_over_the_month_before_equal_those_of_the_memory(
    connection: Connection, stored: tuple[Past, list[Summary]], hour: float
) -> None:
    past, summaries = stored
    at = BEGINS + hour * HOUR
    found = past_intervals.earlier(connection, Region.EU, at)
    if hour < 20:
        past = Past()
        for number, summary in enumerate(summaries[:16]):
            if summary.statistics.sales is not None:
                past.add(summary.statistics.sales, ended_at=BEGINS + number * HOUR, seconds=3600)
            past.add_snapshot(BEGINS + number * HOUR, int(summary.book.auctions.auction_id[-1]))
    expected = past.earlier(at)
    assert found.sums.seen.any()
    # What ends at midnight belongs to the day that begins.
    assert found.sums.today.any() == (hour == 20)
    assert_equal(found.sums, expected.sums)
    assert found.highest_ids == expected.highest_ids


def test_hours_of_another_version_count_as_none_and_date_no_lots(
    connection: Connection, stored: tuple[Past, list[Summary]]
) -> None:
    _, summaries = stored
    at = BEGINS + 20 * HOUR
    connection.execute(
        text("UPDATE snapshots SET estimator_version = 1, highest_auction_id = NULL WHERE snapshot_time <= :at"),
        {"at": BEGINS + 17 * HOUR},
    )
    found = past_intervals.earlier(connection, Region.EU, at)
    past = Past()
    for number in (18, 19):
        sales = summaries[number].statistics.sales
        assert sales is not None
        past.add(sales, ended_at=BEGINS + number * HOUR, seconds=3600)
    assert_equal(found.sums, past.sums(at))
    assert len(found.highest_ids) == 2
    first = past_intervals.earlier(connection, Region.US, at)
    assert (first.sums.intervals, len(first.sums.item_id), first.highest_ids) == (0, 0, ())
    assert past_intervals.stored_interval(connection, Region.EU, BEGINS) is None
    interval = past_intervals.stored_interval(connection, Region.EU, BEGINS + 19 * HOUR)
    assert interval is not None
    assert interval[0].seen_sales.tolist() == sales.seen_sales.tolist()


def test_intervals_count_from_the_moment_on_at_which_a_window_a_day_and_the_reach_begin(connection: Connection) -> None:
    midnight = datetime(2024, 1, 31, tzinfo=UTC)
    at = midnight + WINDOW / 2
    second = timedelta(seconds=1)
    # When, the interval before it, and units seen: each number is there once, so that a sum tells what it is of.
    hours = [
        (at - REACH - second, 100, 1),
        (at - REACH, 200, 2),
        (at - WINDOW, 400, 4),
        (at - WINDOW + timedelta(microseconds=1), 800, 8),
        (midnight - second, 1_600, 16),
        (midnight, 3_200, 32),
        (at - second, 6_400, 64),
        (at, 12_800, 128),
    ]
    for region, more in ((Region.EU, 0), (Region.US, 1_000)):
        make_months(connection, *(moment for moment, *_ in hours), regions=(region,))
        for moment, seconds, seen in hours:
            registered = {
                "region": region,
                "snapshot_time": moment,
                "auctions": 1,
                "items": 1,
                "bytes": 1,
                "digest": "x",
                "source": "live",
                "interval_seconds": seconds,
                "highest_auction_id": more + seen,
                "estimator_version": ESTIMATOR_VERSION,
            }
            connection.execute(insert(REGISTRY).values(registered))
            row = {
                "item_id": 7,
                "timestamp": moment,
                "total_quantity": 1,
                "num_auctions": 1,
                "evidence": 2,
                "seen_sales": more + seen,
                "unseen_sales": 1,
                "new_at_floor": seen,
                "interval_seconds": seconds,
            }
            connection.execute(insert(PRICE_STATS[region]).values(row))
    found = past_intervals.earlier(connection, Region.EU, at)
    sums = found.sums
    assert (sums.intervals, sums.seconds) == (4, 800 + 1_600 + 3_200 + 6_400)
    assert sums.item_id.tolist() == [7]
    assert (sums.plain.tolist(), sums.evident.tolist(), sums.supplied.tolist()) == ([4], [4], [4])
    assert sums.seen.tolist() == [8 + 16 + 32 + 64]
    assert sums.new_at_floor.tolist() == [8 + 16 + 32 + 64]
    assert (sums.unknown.tolist(), sums.unknown_seconds.tolist()) == ([0], [0])
    assert sums.today.tolist() == [32 + 64 + 2]
    assert found.highest_ids == (2, 4, 8, 16, 32, 64)
    assert past_intervals.highest_id(connection, Region.EU, at) == 128
    assert past_intervals.highest_id(connection, Region.US, at) == 1_128
    assert past_intervals.highest_id(connection, Region.EU, at + second) is None
    # Of what nothing is known the time is added up.
    statement = text("UPDATE eu_commodity_price_stats SET evidence = NULL, seen_sales = NULL, unseen_sales = NULL")
    with connection.begin_nested() as savepoint:
        connection.execute(statement)
        nothing = past_intervals.earlier(connection, Region.EU, at).sums
        savepoint.rollback()
    assert (nothing.plain.tolist(), nothing.evident.tolist(), nothing.seen.tolist()) == ([0], [0], [0])
    assert (nothing.unknown.tolist(), nothing.unknown_seconds.tolist()) == ([4], [800 + 1_600 + 3_200 + 6_400])
    # A day can have begun before its window.
    later = past_intervals.earlier(connection, Region.EU, midnight + 2 * WINDOW - second).sums
    assert (later.intervals, later.plain.tolist(), later.seen.tolist()) == (0, [0], [0])
    assert later.today.tolist() == [32 + 64 + 128 + 3]
    # What has no snapshot before it, or another version judged, is no interval.
    interval = past_intervals.stored_interval(connection, Region.EU, at - second)
    assert interval is not None
    assert interval[1] == 6_400
    connection.execute(text("UPDATE snapshots SET interval_seconds = NULL WHERE snapshot_time = :at"), {"at": at})
    assert past_intervals.stored_interval(connection, Region.EU, at) is None
    connection.execute(
        text("UPDATE snapshots SET interval_seconds = 1, estimator_version = 1 WHERE snapshot_time = :at"), {"at": at}
    )
    assert past_intervals.stored_interval(connection, Region.EU, at) is None
