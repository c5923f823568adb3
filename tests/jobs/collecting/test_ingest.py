"""Saved bodies: a missed hour that comes later leaves the same tables as one that came in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import Region
from tests.jobs import stored
from tests.jobs.expected import expected_after
from tests.jobs.markets import with_auctions

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector

NOON = datetime(2026, 1, 14, 12, 0, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)


def body_of(*auctions: tuple[int, int, int, int, str]) -> bytes:
    """A body of auctions: id, item, price, quantity and time left."""
    listed = [
        {"id": key, "item": {"id": item}, "quantity": quantity, "unit_price": price, "time_left": time_left}
        for key, item, price, quantity, time_left in auctions
    ]
    return json.dumps({"auctions": listed}).encode()


def assert_stored_as_if_in_order(collector: Collector, region: Region, bodies: list[tuple[datetime, bytes]]) -> None:
    expected = expected_after(bodies)
    assert stored.auctions(collector.database, region) == expected.auctions
    assert stored.statistics(collector.database, region) == expected.statistics
    assert stored.registry(collector.database, region) == expected.registry


@pytest.mark.parametrize("order", ["543210", "024135", "305142", "504132"])
def test_in_whatever_order_hours_come_the_tables_end_the_same(
    any_database: Database, make_collector: Callable[..., Collector], order: str
) -> None:
    collector = make_collector(any_database, auctions=250, items=40)
    collector.publish(hours=5)
    bodies = collector.published[Region.US]
    for came, hour in enumerate(map(int, order)):
        at, body = bodies[hour]
        collected = collector.ingest(Region.US, at, body)
        assert collected.status is ExitStatus.DONE
        assert collected.regions[0].outcome is Outcome.STORED
        assert stored.attempts(any_database, Region.US)[came] == ("success", at, None)
    assert_stored_as_if_in_order(collector, Region.US, bodies)
    sources = stored.rows(any_database, "SELECT DISTINCT source FROM snapshots")
    assert sources == [("file",)]
    assert stored.everything(any_database, Region.EU) == ([], [], [], [])


def test_a_missed_hour_put_in_later_equals_a_run_that_missed_none(
    any_database: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(any_database)
    for hour in range(6):
        if hour not in {2, 3}:
            assert collector.collect(Region.EU).status is ExitStatus.DONE
        collector.publish()
    for hour in (3, 2):
        collected = collector.ingest(Region.EU, *collector.published[Region.EU][hour])
        assert collected.regions[0].outcome is Outcome.STORED
    assert_stored_as_if_in_order(collector, Region.EU, collector.published[Region.EU][:6])
    assert collector.collect(Region.EU).regions[0].outcome is Outcome.STORED
    assert_stored_as_if_in_order(collector, Region.EU, collector.published[Region.EU])


def test_what_vanished_two_hours_after_a_late_body_is_judged_anew(collector: Collector) -> None:
    # MEDIUM at two snapshots in a row must have expired by the third; without the first it looks sold.
    bodies = [
        (NOON, body_of((1, 7, 100, 5, "MEDIUM"), (3, 9, 900, 1, "VERY_LONG"))),
        (NOON + HOUR, body_of((1, 7, 100, 5, "MEDIUM"))),
        (NOON + 2 * HOUR, body_of((2, 8, 100, 5, "LONG"))),
    ]
    for at, body in (bodies[1], bodies[2], bodies[0]):
        assert collector.ingest(Region.EU, at, body).status is ExitStatus.DONE
    assert_stored_as_if_in_order(collector, Region.EU, bodies)
    ((estimate, high),) = stored.rows(
        collector.database,
        "SELECT estimated_sales, sales_high FROM eu_commodity_price_stats WHERE item_id = 7 AND timestamp = :at",
        at=NOON + 2 * HOUR,
    )
    assert (estimate, high) == (0, 5)


def test_a_late_body_reaches_past_two_days_where_a_window_does(collector: Collector) -> None:
    bodies = [
        (NOON, body_of((1, 7, 100, 5, "VERY_LONG"))),
        (NOON + 47 * HOUR, body_of((1, 7, 100, 5, "MEDIUM"))),
        (NOON + 48 * HOUR + timedelta(minutes=5), body_of((2, 8, 100, 5, "LONG"))),
    ]
    for at, body in (bodies[1], bodies[2], bodies[0]):
        assert collector.ingest(Region.EU, at, body).status is ExitStatus.DONE
    assert_stored_as_if_in_order(collector, Region.EU, bodies)


def test_a_body_of_a_time_that_is_stored_changes_nothing(collector: Collector) -> None:
    collector.collect(Region.EU)
    at, body = collector.newest(Region.EU)
    before = stored.everything(collector.database, Region.EU)
    same = collector.ingest(Region.EU, at, body)
    other = collector.ingest(Region.EU, at, with_auctions(body, auctions=300), force=True)
    assert [collected.regions[0].outcome for collected in (same, other)] == [Outcome.NO_CHANGE, Outcome.NO_CHANGE]
    assert "this body" in (same.regions[0].message or "")
    assert "another body, which stays" in (other.regions[0].message or "")
    assert stored.everything(collector.database, Region.EU) == before
    assert [row[0] for row in stored.attempts(collector.database)] == ["success", "no_change", "no_change"]


def test_a_saved_body_under_a_later_time_is_told_and_does_not_stop_the_next_hour(collector: Collector) -> None:
    collector.collect(Region.EU)
    at, body = collector.newest(Region.EU)
    repeated = collector.ingest(Region.EU, at + 3 * HOUR, body)
    assert repeated.regions[0].outcome is Outcome.NO_CHANGE
    assert "again" in (repeated.regions[0].message or "")
    collector.publish()
    assert collector.collect(Region.EU).regions[0].outcome is Outcome.STORED
    assert_stored_as_if_in_order(collector, Region.EU, collector.published[Region.EU])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"<html>", "HTML"),
        (b'{"auctions":[]}', "lists no auctions"),
        (b'{"auctions":null}', "auctions"),
        (b"[]", "malformed"),
        (body_of((1, 7, 100, 5, "LONG"), (1, 7, 200, 5, "LONG")), "auction 1 comes more than once"),
        (body_of((2, 7, 0, 5, "LONG")), r"`$.auctions[0].unit_price`"),
        (body_of((1, 7, 100, 5, "LONG"))[:-3], "cut off at byte"),
        (body_of((1, 7, 100, 5, "LONG")).replace(b"LONG", b"LO\xffNG"), "not UTF-8"),
    ],
)
def test_a_saved_body_that_makes_no_sense_is_refused_whatever_is_forced(
    collector: Collector, body: bytes, told: str
) -> None:
    for force in (False, True):
        collected = collector.ingest(Region.EU, NOON, body, force=force)
        assert collected.status is ExitStatus.REFUSED
        assert told in (collected.regions[0].message or "")
        assert stored.attempts(collector.database)[-1] == ("rejected", NOON, collected.regions[0].message)
    assert stored.everything(collector.database, Region.EU) == ([], [], [], [])
    assert stored.rows(collector.database, "SELECT count(*) FROM snapshots") == [(0,)]
    assert [row[3] for row in stored.benchmarks(collector.database, "command")] == ["failed", "failed"]
    assert stored.benchmarks(collector.database, "snapshot") == []


def test_a_body_of_the_other_region_is_refused(collector: Collector) -> None:
    at, body = collector.newest(Region.US)
    collected = collector.ingest(Region.EU, at, body)
    assert collected.status is ExitStatus.REFUSED
    assert "dynamic-us" in (collected.regions[0].message or "")
    assert stored.auctions(collector.database, Region.EU) == []


def test_an_implausibly_small_saved_body_needs_force(collector: Collector) -> None:
    for _ in range(3):
        collector.collect(Region.EU)
        collector.publish()
    at, body = collector.newest(Region.EU)
    small = with_auctions(body, auctions=100)
    assert collector.ingest(Region.EU, at, small).status is ExitStatus.REFUSED
    assert len(stored.times(collector.database, Region.EU)) == 3
    assert collector.ingest(Region.EU, at, small, force=True).regions[0].outcome is Outcome.STORED
    assert_stored_as_if_in_order(collector, Region.EU, [*collector.published[Region.EU][:3], (at, small)])
