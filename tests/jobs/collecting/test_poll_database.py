"""A window whose database goes and comes: what was received waits, in order, and nothing is asked for in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.clocks import EventfulClock
from tests.jobs import stored
from tests.jobs.collecting.test_poll import assert_undisturbed
from tests.jobs.polling import ATTEMPTS, STARTS, Poller

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector


@pytest.fixture
def clock() -> EventfulClock:
    return EventfulClock(STARTS)


@pytest.fixture
def poller(make_collector: Callable[..., Collector], any_database: Database, clock: EventfulClock) -> Poller:
    poller = Poller(make_collector(any_database, auctions=200, items=40), clock)
    poller.poll()
    return poller


def go_away(poller: Poller) -> None:
    poller.collector.database = MissingDatabase(DatabaseError("The server is away."))


def test_a_database_that_comes_back_within_a_window_gets_what_waited(poller: Poller, any_database: Database) -> None:
    go_away(poller)
    poller.publish_after(5, Region.EU)

    def back() -> None:
        poller.collector.database = any_database

    poller.clock.after(60 * 3, back)
    polled = poller.poll(Region.EU)
    assert polled.status is ExitStatus.DONE
    assert polled.regions[0].is_new
    assert poller.collector.storage.shelves.spool.kept() == []
    assert_undisturbed(poller, any_database, Region.EU)
    statuses = [row[0] for row in stored.attempts(any_database, Region.EU)]
    # The first attempt without a database took what Blizzard had, which turned out to be known.
    assert "spooled" in statuses
    assert statuses[-1] == "success"


def test_a_database_that_is_away_for_a_window_ends_it_with_74_and_the_next_one_stores_the_hours_in_order(
    poller: Poller, any_database: Database
) -> None:
    go_away(poller)
    for _ in range(2):
        poller.publish_after(10)
        polled = poller.poll()
        assert polled.status is ExitStatus.DATABASE
    poller.collector.database = any_database
    poller.publish()
    polled = poller.poll()
    assert polled.status is ExitStatus.DONE
    for region in DEFAULT_REGIONS:
        assert_undisturbed(poller, any_database, region)
    assert poller.collector.storage.shelves.spool.kept() == []


def test_without_a_database_an_hour_that_was_stored_before_ends_no_window(poller: Poller) -> None:
    go_away(poller)
    polled = poller.poll(Region.EU)
    # What is published still may be stored already: the window waits for the hour after it.
    assert polled.regions[0].attempts == ATTEMPTS
    assert not polled.regions[0].is_new
    assert polled.status is ExitStatus.DATABASE
    assert poller.statuses(Region.EU)[-1] == 304


def test_an_hour_published_while_the_database_is_away_ends_the_window_in_the_spool(poller: Poller) -> None:
    go_away(poller)
    poller.publish_after(18.2, Region.EU)
    (polled,) = poller.poll(Region.EU).regions
    assert (polled.collected.outcome, polled.is_new, polled.attempts) == (Outcome.SPOOLED, True, 38)


def test_a_database_that_goes_away_after_the_start_sends_the_new_hour_to_the_spool(
    poller: Poller, any_database: Database
) -> None:
    poller.clock.after(60, lambda: go_away(poller))
    poller.publish_after(18.2, Region.EU)
    (polled,) = poller.poll(Region.EU).regions
    assert (polled.collected.outcome, polled.is_new, polled.collected.status) == (
        Outcome.SPOOLED,
        True,
        ExitStatus.DATABASE,
    )
    # What was stored before is known: it is neither asked for nor kept again.
    assert len(poller.collector.storage.shelves.spool.kept(Region.EU)) == 1
    poller.collector.database = any_database
    poller.publish(Region.EU)
    (polled,) = poller.poll(Region.EU).regions
    assert (polled.collected.replayed, polled.collected.outcome) == (1, Outcome.STORED)
    assert_undisturbed(poller, any_database, Region.EU)
