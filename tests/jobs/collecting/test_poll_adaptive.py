"""A window that knows a region's rhythm: when it asks, and how a region that is behind catches up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import Region
from tests.clocks import EventfulClock
from tests.jobs import stored
from tests.jobs.collecting.test_poll import assert_undisturbed
from tests.jobs.polling import ATTEMPTS, STARTS, Poller, window

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector

ADAPTIVE = window(adaptive=True)


@pytest.fixture
def clock() -> EventfulClock:
    return EventfulClock(STARTS)


@pytest.fixture
def poller(make_collector: Callable[..., Collector], database: Database, clock: EventfulClock) -> Poller:
    """A machine that has stored eight hours of EU, each 20 seconds after it was published; the newest is of 11:48."""
    collector = make_collector(database, auctions=100, items=30, starts_at=STARTS - timedelta(hours=7))
    for hour in range(8):
        if hour:
            collector.publish()
        collector.collect(Region.EU)
    for (time,) in stored.rows(database, "SELECT snapshot_time FROM snapshots"):
        stored.change(
            database,
            "UPDATE snapshots SET stored_at = :at WHERE snapshot_time = :time",
            time=time,
            at=time + timedelta(seconds=20),
        )
    return Poller(collector, clock)


def test_it_asks_every_five_minutes_until_the_region_is_due_and_then_every_ten_seconds(
    poller: Poller, database: Database
) -> None:
    newest, _ = poller.collector.newest(Region.EU)
    # A publication that is seen for the first time 20 seconds after its own time, as those before.
    due = newest + timedelta(hours=1, seconds=20)
    poller.clock.after((due - STARTS).total_seconds(), lambda: poller.publish(Region.EU))
    poller.clock.slept.clear()
    polled = poller.poll(Region.EU, window=ADAPTIVE)
    (one,) = polled.regions
    assert (one.collected.outcome, polled.status) == (Outcome.STORED, ExitStatus.DONE)
    assert poller.clock.slept[:3] == [pytest.approx(295, abs=10), 300, 300]
    assert one.attempts < 15
    assert timedelta(0) <= polled.ended_at - due <= timedelta(seconds=10)
    assert_undisturbed(poller, database, Region.EU)


def test_a_region_that_is_overdue_is_asked_as_often_as_without_a_rhythm(poller: Poller) -> None:
    poller.clock.turn_to(STARTS + timedelta(hours=5))
    poller.clock.slept.clear()
    (polled,) = poller.poll(Region.EU, window=ADAPTIVE).regions
    assert polled.attempts == ATTEMPTS
    assert set(poller.clock.slept[1:]) == {30}


def test_it_keeps_the_contract_of_the_window_where_the_rhythm_is_wrong(poller: Poller, database: Database) -> None:
    # Long before it is due, as after maintenance.
    poller.publish_after(2, Region.EU)
    polled = poller.poll(Region.EU, window=ADAPTIVE)
    assert polled.regions[0].is_new
    assert polled.ended_at - STARTS <= timedelta(minutes=5)
    assert_undisturbed(poller, database, Region.EU)


def test_without_a_rhythm_it_asks_as_ever(make_collector: Callable[..., Collector], database: Database) -> None:
    poller = Poller(make_collector(database, auctions=100, items=30), EventfulClock(STARTS))
    poller.collector.clock = poller.clock
    poller.poll(Region.EU)
    assert poller.poll(Region.EU, window=ADAPTIVE).regions[0].attempts == ATTEMPTS


def test_the_last_attempt_falls_into_the_windows_end(poller: Poller) -> None:
    newest, _ = poller.collector.newest(Region.EU)
    # The region is due long after this window.
    poller.clock.turn_to(newest + timedelta(minutes=2))
    began = poller.clock.now()
    polled = poller.poll(Region.EU, window=ADAPTIVE)
    assert polled.regions[0].attempts <= 8
    assert polled.ended_at - began >= timedelta(minutes=29)


# A region that is behind


def test_a_region_that_is_behind_goes_on_for_the_hour_that_is_due(poller: Poller, database: Database) -> None:
    # The window of 12:30 was missed: that of 13:30 finds the hour of 12:48, and the one of 13:48 is due in it.
    poller.publish(Region.EU)
    poller.clock.turn_to(STARTS + timedelta(hours=1))
    poller.publish_after(18.5, Region.EU)
    polled = poller.poll(Region.EU)
    (one,) = polled.regions
    newest, _ = poller.collector.newest(Region.EU)
    assert (one.collected.outcome, one.collected.snapshot_time) == (Outcome.STORED, newest)
    assert polled.ended_at - newest < timedelta(minutes=2)
    assert len(stored.times(database, Region.EU)) == 10
    assert_undisturbed(poller, database, Region.EU)


def test_a_region_that_is_behind_ends_with_the_window_and_with_what_it_got(poller: Poller, database: Database) -> None:
    poller.publish(Region.EU)
    poller.clock.turn_to(STARTS + timedelta(hours=1))
    poller.clock.after(60, lambda: poller.collector.sandbox.set_fault("server_error", endpoint="commodities"))
    polled = poller.poll(Region.EU)
    (one,) = polled.regions
    assert (polled.status, one.is_new, one.collected.outcome) == (ExitStatus.DONE, True, Outcome.STORED)
    assert one.attempts > 10
    assert polled.without_news == ()
    assert_undisturbed(poller, database, Region.EU)


def test_a_region_whose_next_hour_is_due_after_the_window_ends_at_once(poller: Poller) -> None:
    poller.publish(Region.EU)
    poller.clock.turn_to(STARTS.replace(minute=50))
    polled = poller.poll(Region.EU)
    assert polled.regions[0].attempts == 1
    assert polled.regions[0].is_new


def test_an_hour_that_was_spooled_and_is_stored_later_in_the_window_is_a_good_end(
    poller: Poller, database: Database
) -> None:
    poller.clock.turn_to(STARTS + timedelta(hours=1))

    def go_away() -> None:
        poller.collector.database = MissingDatabase(DatabaseError("The server is away."))

    def come_back() -> None:
        poller.collector.database = database

    poller.clock.after(40, go_away)
    poller.publish_after(1, Region.EU)
    poller.clock.after(120, come_back)
    polled = poller.poll(Region.EU)
    statuses = [status for (status,) in stored.rows(database, "SELECT DISTINCT status FROM scraper_logs")]
    assert "spooled" in statuses
    assert (polled.status, polled.regions[0].is_new) == (ExitStatus.DONE, True)
    assert poller.collector.storage.shelves.spool.kept() == []
    assert_undisturbed(poller, database, Region.EU)
