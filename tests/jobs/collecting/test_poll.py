"""A window of attempts: when it asks, when it ends, and that no region waits for another."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db import locks
from ironforge_cli.errors import ExitStatus, InterruptedRunError
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.clocks import EventfulClock
from tests.jobs import stored
from tests.jobs.markets import ONE_AND_THE_OTHERS
from tests.jobs.polling import ATTEMPTS, STARTS, Poller, window

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector

every_region = pytest.mark.parametrize("region", ONE_AND_THE_OTHERS)


@pytest.fixture
def clock() -> EventfulClock:
    return EventfulClock(STARTS)


@pytest.fixture
def poller(make_collector: Callable[..., Collector], database: Database, clock: EventfulClock) -> Poller:
    return Poller(make_collector(database, auctions=200, items=40), clock)


def numbers(database: Database, region: Region) -> list[tuple[str, int]]:
    return [
        (status, number)
        for status, number in stored.rows(
            database,
            "SELECT status, poll_attempts FROM scraper_logs WHERE region = :region AND command = 'poll' ORDER BY id",
            region=region.value,
        )
    ]


def assert_undisturbed(poller: Poller, database: Database, region: Region, *, hours: list[int] | None = None) -> None:
    expected = poller.collector.expected(region, hours=hours)
    assert stored.auctions(database, region) == expected.auctions
    assert stored.statistics(database, region) == expected.statistics
    assert stored.registry(database, region) == expected.registry


# The window


def test_the_first_run_on_an_empty_database_collects_at_once(poller: Poller, database: Database) -> None:
    polled = poller.poll()
    assert polled.status is ExitStatus.DONE
    assert [(one.attempts, one.is_new) for one in polled.regions] == [(1, True), (1, True)]
    assert poller.clock.slept == []
    for region in DEFAULT_REGIONS:
        assert_undisturbed(poller, database, region)
    assert [token.outcome for token in polled.tokens] == [Outcome.STORED, Outcome.STORED]


@every_region
def test_a_region_is_asked_on_the_clocks_grid_until_it_publishes(
    poller: Poller, database: Database, region: Region
) -> None:
    poller.poll(region)
    poller.publish_after(18.2, region)
    asked_at: list[float] = []
    poller.clock.slept.clear()
    polled = poller.poll(region)
    for seconds in poller.clock.slept:
        asked_at.append((asked_at[-1] if asked_at else STARTS.timestamp()) + seconds)
    assert all(moment % 30 == pytest.approx(0) for moment in asked_at)
    (one,) = polled.regions
    # 18.2 minutes after 12:30:05 is 12:48:17; the next tick is 12:48:30.
    assert (one.attempts, one.is_new, one.collected.outcome) == (38, True, Outcome.STORED)
    assert polled.ended_at == STARTS.replace(minute=48, second=30)
    assert one.delay == polled.ended_at - poller.collector.newest(region)[0]
    assert numbers(database, region)[1:] == [*(("no_change", n) for n in range(1, 38)), ("success", 38)]
    assert_undisturbed(poller, database, region)
    assert poller.statuses(region) == [200, *[304] * 37, 200]


@every_region
def test_a_window_in_which_nothing_is_published_ends_well_and_says_so(
    poller: Poller, database: Database, region: Region
) -> None:
    poller.poll(region)
    polled = poller.poll(region)
    assert polled.status is ExitStatus.DONE
    assert polled.without_news == (region,)
    assert polled.regions[0].attempts == ATTEMPTS
    assert timedelta(minutes=29) < polled.ended_at - polled.started_at <= timedelta(minutes=30)
    assert numbers(database, region)[1:] == [("no_change", number) for number in range(1, ATTEMPTS + 1)]
    *_, run = stored.benchmarks(database, "command")
    assert run[5]["attempts"] == {region.value: ATTEMPTS}


def test_the_token_is_taken_along_every_ten_minutes(poller: Poller) -> None:
    poller.poll(Region.EU)
    before = sum(1 for one in poller.collector.sandbox.requests if one.endpoint == "token")
    # Longer than an answer counts as fresh.
    poller.clock.jump(120)
    poller.poll(Region.EU)
    asked = sum(1 for one in poller.collector.sandbox.requests if one.endpoint == "token") - before
    assert (before, asked) == (1, 3)


def test_a_token_price_that_fails_is_asked_for_again_and_judged_by_its_last_attempt(poller: Poller) -> None:
    poller.poll(Region.EU)
    poller.collector.sandbox.set_fault("empty", endpoint="token", count=2)
    seldom = window(interval=timedelta(minutes=2))
    polled = poller.poll(Region.EU, window=seldom)
    assert polled.status is ExitStatus.DONE
    poller.collector.sandbox.set_fault("empty", endpoint="token")
    polled = poller.poll(Region.EU, window=seldom)
    assert polled.status is ExitStatus.PARTIAL
    assert polled.regions[0].attempts == 16


def test_each_region_ends_when_it_has_something_new(poller: Poller, database: Database) -> None:
    poller.poll()
    poller.publish_after(3, Region.US)
    polled = poller.poll(window=window(length=timedelta(minutes=5)))
    eu, us = polled.regions
    assert (eu.is_new, us.is_new) == (False, True)
    # Who goes on is asked for last, however many attempts a busy machine made of either.
    assert [one.region for one in poller.collector.sandbox.requests if one.endpoint == "commodities"][-1] is Region.EU
    assert polled.without_news == (Region.EU,)
    assert poller.asked(Region.US) == 1 + us.attempts
    for region in DEFAULT_REGIONS:
        assert_undisturbed(poller, database, region)


def test_what_was_published_between_two_windows_is_stored_at_once_by_the_next(
    poller: Poller, database: Database
) -> None:
    poller.poll()
    poller.publish()
    poller.clock.slept.clear()
    polled = poller.poll()
    assert [one.attempts for one in polled.regions] == [1, 1]
    assert poller.clock.slept == []
    for region in DEFAULT_REGIONS:
        assert_undisturbed(poller, database, region)


def test_a_window_of_no_length_asks_once(poller: Poller) -> None:
    poller.poll()
    polled = poller.poll(window=window(length=timedelta(0)))
    assert [one.attempts for one in polled.regions] == [1, 1]


def test_a_snapshot_that_another_run_stored_meanwhile_ends_the_window(poller: Poller) -> None:
    poller.poll(Region.EU)

    def other() -> None:
        poller.publish(Region.EU)
        poller.collector.collect(Region.EU)

    poller.clock.after(95, other)
    (polled,) = poller.poll(Region.EU).regions
    assert (polled.is_new, polled.collected.outcome, polled.attempts) == (True, Outcome.NO_CHANGE, 5)


# Faults


@pytest.mark.parametrize(("fault", "status"), [("html_5xx", ExitStatus.UNAVAILABLE), ("truncated", ExitStatus.REFUSED)])
@every_region
def test_a_region_that_keeps_failing_disturbs_no_other(
    poller: Poller, database: Database, region: Region, fault: str, status: ExitStatus
) -> None:
    other = next(one for one in DEFAULT_REGIONS if one is not region)
    poller.poll()
    poller.collector.sandbox.set_fault(fault, region=region, endpoint="commodities")
    poller.publish(region)
    poller.publish_after(4, other)
    polled = poller.poll(window=window(length=timedelta(minutes=6)))
    ended = {one.collected.region: one for one in polled.regions}
    assert ended[region].collected.status is status
    assert ended[other].collected.outcome is Outcome.STORED
    assert polled.status is ExitStatus.PARTIAL
    assert_undisturbed(poller, database, other)

    poller.collector.sandbox.clear_faults()
    assert poller.poll(region).status is ExitStatus.DONE
    assert_undisturbed(poller, database, region)


@every_region
def test_a_refused_answer_is_asked_for_again_with_growing_pauses(
    poller: Poller, database: Database, region: Region
) -> None:
    poller.poll(region)
    poller.publish(region)
    poller.collector.sandbox.set_fault("truncated", region=region, endpoint="commodities")
    poller.clock.slept.clear()
    polled = poller.poll(region)
    assert polled.status is ExitStatus.REFUSED
    # To the ticks: half a minute, one, two, four and eight minutes, and once more before the window ends.
    assert poller.clock.slept == [25, 60, 120, 240, 480, 480, pytest.approx(390)]
    assert poller.asked(region) == 1 + 8
    shelves = poller.collector.storage.shelves
    assert len(shelves.quarantine.kept(region)) == 1
    assert {status for status, _ in numbers(database, region)[1:]} == {"rejected"}


@every_region
def test_a_whole_answer_after_a_refused_one_is_stored_in_the_same_window(
    poller: Poller, database: Database, region: Region
) -> None:
    poller.poll(region)
    poller.publish(region)
    poller.collector.sandbox.set_fault("empty_auctions", region=region, count=2)
    polled = poller.poll(region)
    assert (polled.status, polled.regions[0].attempts) == (ExitStatus.DONE, 3)
    assert_undisturbed(poller, database, region)


@every_region
def test_a_body_repeated_under_a_new_time_ends_no_window_and_is_received_once_more_when_the_hour_is_overdue(
    poller: Poller, database: Database, region: Region
) -> None:
    poller.poll(region)
    poller.collector.sandbox.set_fault("same_body_new_time", region=region)
    poller.collector.sandbox.advance(region)
    polled = poller.poll(region)
    assert polled.without_news == (region,)
    statuses = poller.statuses(region)
    assert (statuses[:3], statuses.count(200), statuses.count(304)) == ([200, 200, 304], 3, ATTEMPTS - 2)
    assert len(stored.times(database, region)) == 1
    poller.collector.sandbox.clear_faults()
    poller.publish(region)
    assert poller.poll(region).regions[0].is_new
    assert_undisturbed(poller, database, region)


# Locks


def test_a_second_window_ends_at_once_and_leaves_its_row(poller: Poller, database: Database) -> None:
    folder = poller.collector.storage.locks_folder
    with locks.Polling(Region.EU, folder=folder):
        polled = poller.poll()
    eu, us = polled.regions
    assert (eu.collected.status, eu.attempts) == (ExitStatus.LOCKED, 1)
    assert us.collected.outcome is Outcome.STORED
    assert polled.status is ExitStatus.PARTIAL
    assert numbers(database, Region.EU) == [("locked", 1)]
    with locks.Polling(Region.EU, folder=folder):
        assert poller.poll(Region.EU).status is ExitStatus.LOCKED


def test_a_window_on_another_machine_is_found_by_the_databases_lock(poller: Poller, database: Database) -> None:
    elsewhere = poller.collector.home / "elsewhere"
    with locks.Polling(Region.EU, folder=elsewhere) as other:
        other.hold(database)
        assert poller.poll(Region.EU).status is ExitStatus.LOCKED
    assert poller.poll(Region.EU).status is ExitStatus.DONE


def test_a_collect_runs_beside_a_window(poller: Poller) -> None:
    results: list[ExitStatus] = []
    poller.poll(Region.EU)
    poller.clock.after(45, lambda: results.append(poller.collector.collect(Region.EU).status))
    poller.poll(Region.EU, window=window(length=timedelta(minutes=2)))
    assert results == [ExitStatus.DONE]


def test_a_window_takes_its_lock_again_after_the_server_cut_its_sessions_off(
    poller: Poller, database: Database
) -> None:
    poller.poll(Region.EU)
    held: list[bool] = []

    def cut_off() -> None:
        with database.connect(autocommit=True) as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def look() -> None:
        with database.connect() as connection:
            held.append(locks.is_held(connection, locks.poll_lock(Region.EU)))

    poller.clock.after(40, look)
    poller.clock.after(45, cut_off)
    poller.clock.after(100, look)
    poller.publish_after(2, Region.EU)
    polled = poller.poll(Region.EU)
    assert (polled.status, polled.regions[0].is_new) == (ExitStatus.DONE, True)
    assert held == [True, True]
    assert stored.held_locks(database) == 0
    assert_undisturbed(poller, database, Region.EU)


# Clocks and signals


def test_a_machine_that_slept_past_the_window_asks_once_more(poller: Poller, database: Database) -> None:
    poller.poll(Region.EU)

    def asleep() -> None:
        poller.clock.jump(3_600)
        poller.publish(Region.EU)

    poller.clock.after(40, asleep)
    polled = poller.poll(Region.EU)
    assert (polled.regions[0].attempts, polled.regions[0].is_new) == (3, True)
    assert_undisturbed(poller, database, Region.EU)


@pytest.mark.parametrize("hours", [-1, 1, -24 * 400, 24 * 400])
def test_a_clock_that_is_set_neither_ends_a_window_nor_keeps_it_open(
    poller: Poller, database: Database, hours: int
) -> None:
    poller.poll(Region.EU)
    poller.clock.after(100, lambda: poller.clock.turn_to(poller.clock.now() + timedelta(hours=hours)))
    poller.publish_after(8, Region.EU)
    polled = poller.poll(Region.EU)
    assert (polled.status, polled.regions[0].is_new) == (ExitStatus.DONE, True)
    assert polled.regions[0].attempts == pytest.approx(17, abs=1)
    assert max(poller.clock.slept) <= 30
    assert_undisturbed(poller, database, Region.EU)


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_the_wait_and_leaves_finished_rows(
    poller: Poller, database: Database, signal_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    poller.poll()

    def interrupted(_: float) -> None:
        raise InterruptedRunError(signal_name)

    monkeypatch.setattr(poller.clock, "sleep", interrupted)
    polled = poller.poll()
    assert polled.status is InterruptedRunError(signal_name).status
    assert {row[0] for row in stored.attempts(database)} == {"success", "no_change"}
    assert stored.benchmarks(database, "command")[-1][3] == "failed"
    assert stored.held_locks(database) == 0
