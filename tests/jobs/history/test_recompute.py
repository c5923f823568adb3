"""Statistics computed again: whatever was wrong, they end as collecting would have written them."""

from __future__ import annotations

import signal
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db import locks
from ironforge_cli.errors import ExitStatus, LockedError
from ironforge_cli.jobs.history import recompute as job
from ironforge_cli.jobs.history.recomputed import RecomputeOutcome
from ironforge_cli.jobs.history.segment import Segment
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.chains import (
    Chain,
    InterruptedClock,
    every_three_hours,
    figures_of,
    hourly,
    market_snapshots,
    with_auctions_of,
)
from tests.jobs.one_process import one_recomputation, started

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock
    from tests.jobs.expected import Row


@pytest.fixture
def chain(storage: Storage, clock: TickingClock) -> Chain:
    """A day of hourly snapshots in both regions, to be stored."""
    return Chain(storage, clock, hourly())


@pytest.fixture
def long_chain(storage: Storage, clock: TickingClock) -> Chain:
    """Six days of snapshots, one every three hours, to be stored."""
    return Chain(storage, clock, every_three_hours())


def everything_of(chain: Chain) -> list[object]:
    return [chain.everything(region) for region in DEFAULT_REGIONS]


def test_whatever_is_wrong_becomes_what_collecting_wrote(any_storage: Storage, clock: TickingClock) -> None:
    chain = Chain(any_storage, clock, hourly())
    chain.store()
    right = everything_of(chain)
    chain.spoil()
    assert everything_of(chain) != right
    recomputed = chain.recompute(workers=2)
    assert everything_of(chain) == right
    assert recomputed.status is ExitStatus.DONE
    for region in recomputed.regions:
        assert region.outcome is RecomputeOutcome.RECOMPUTED
        assert (region.snapshots, region.changed, region.registry) == (24, 24, 24)
        assert (region.without_rows, region.without_previous) == (0, 0)
        assert (region.outdated, region.still_outdated) == (24, 0)
        assert (region.since, region.until) == (chain.time(0), chain.time(-1))
        assert region.auctions == len(stored.auctions(chain.database, region.region))
        assert region.statistics.rows == len(stored.statistics(chain.database, region.region)) + 24


def test_what_is_right_is_not_written(chain: Chain) -> None:
    chain.store(Region.EU)
    places = "SELECT xmin::text, ctid::text FROM {} ORDER BY 2"
    tables = ("auction_snapshots_eu", "eu_commodity_price_stats", "snapshots")
    before = [stored.rows(chain.database, places.format(table)) for table in tables]
    (eu,) = chain.recompute(Region.EU).regions
    assert [stored.rows(chain.database, places.format(table)) for table in tables] == before
    assert (eu.outcome, eu.status) == (RecomputeOutcome.NO_CHANGE, ExitStatus.DONE)
    assert (eu.snapshots, eu.changed, eu.registry, eu.auctions, eu.statistics.rows) == (24, 0, 0, 0, 0)
    assert stored.attempts(chain.database)[-1] == ("no_change", None, eu.message)


def test_a_region_without_snapshots_has_nothing_to_compute(chain: Chain) -> None:
    recomputed = chain.recompute()
    assert [region.outcome for region in recomputed.regions] == [RecomputeOutcome.NO_CHANGE] * 2
    assert recomputed.status is ExitStatus.DONE


# Ranges


def between(rows: list[Row], since: datetime, until: datetime, *, column: int) -> list[Row]:
    return [row for row in rows if since <= row[column] <= until]


def test_a_range_is_right_though_everything_around_it_is_wrong(long_chain: Chain) -> None:
    long_chain.store(Region.EU)
    auctions, statistics, registry, _ = long_chain.everything(Region.EU)
    long_chain.spoil(Region.EU)
    spoilt_auctions, spoilt_statistics, _, _ = long_chain.everything(Region.EU)
    (eu,) = long_chain.recompute(Region.EU, since=6, until=10).regions
    # The 96 hours after it rest on it, and what was compared with the last of these.
    first, last = long_chain.time(6), long_chain.time(10 + 32)
    begin, end = long_chain.time(0), long_chain.time(-1)
    second = timedelta(seconds=1)
    found_auctions, found_statistics, found_registry, _ = long_chain.everything(Region.EU)
    for found, right, spoilt, column in (
        (found_auctions, auctions, spoilt_auctions, 0),
        (found_statistics, statistics, spoilt_statistics, 1),
    ):
        assert between(found, first, last, column=column) == between(right, first, last, column=column)
        for outside in ((begin, first - second), (last + second, end)):
            assert between(found, *outside, column=column) == between(spoilt, *outside, column=column)
    assert found_registry[6:43] == registry[6:43]
    assert (eu.since, eu.until, eu.snapshots, eu.outdated) == (first, last, 37, 5)


def test_a_run_after_one_that_was_ended_behind_its_range_finishes_what_rests_on_it(long_chain: Chain) -> None:
    long_chain.store(Region.EU)
    right = long_chain.everything(Region.EU)
    # As left by a run that was ended between the range and the end of what rests on it.
    long_chain.spoil(Region.EU, since=15, until=42)
    long_chain.recompute(Region.EU, since=6, until=10)
    assert long_chain.everything(Region.EU) == right


def test_of_another_estimator_only_those_and_what_rests_on_them_are_computed(long_chain: Chain) -> None:
    long_chain.store()
    right = everything_of(long_chain)
    long_chain.spoil(Region.US, since=4, until=10, windows=False, figures=False)
    planned = long_chain.recompute(outdated=True, dry_run=True)
    assert [(region.outdated, region.still_outdated) for region in planned.regions] == [(0, 0), (7, 0)]
    assert [region.registry for region in planned.regions] == [0, 7]
    eu, us = long_chain.recompute(outdated=True).regions
    assert (eu.outcome, eu.snapshots) == (RecomputeOutcome.NO_CHANGE, 0)
    assert (us.outcome, us.since, us.snapshots, us.registry) == (
        RecomputeOutcome.RECOMPUTED,
        long_chain.time(4),
        39,
        7,
    )
    assert everything_of(long_chain) == right
    again = long_chain.recompute(outdated=True)
    assert [region.snapshots for region in again.regions] == [0, 0]


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_stretches_side_by_side_end_as_one_after_the_other(long_chain: Chain, workers: int) -> None:
    long_chain.store(Region.EU)
    right = long_chain.everything(Region.EU)
    long_chain.spoil(Region.EU)
    (eu,) = long_chain.recompute(Region.EU, workers=workers).regions
    assert long_chain.everything(Region.EU) == right
    assert (eu.snapshots, eu.changed) == (48, 48)


def test_stretches_agree_even_on_auctions_that_last_longer_than_any_can(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain(storage, clock, with_auctions_of(market_snapshots(48, hours=4), hours=120))
    chain.store(Region.EU)
    right = chain.everything(Region.EU)
    chain.spoil(Region.EU)
    carried: list[Segment] = []
    carry_on = Segment.carry_on

    def watched(segment: Segment) -> bool:
        carried.append(segment)
        return carry_on(segment)

    monkeypatch.setattr(Segment, "carry_on", watched)
    chain.recompute(Region.EU, workers=3)
    assert carried
    assert chain.everything(Region.EU) == right


# What is not held


def test_what_has_no_raw_rows_stays_and_the_oldest_held_snapshot_seeds_the_chain(chain: Chain) -> None:
    chain.store(Region.EU)
    _, statistics, registry, _ = chain.everything(Region.EU)
    gone, seed = 9, 9
    chain.take_raw_rows(Region.EU, *range(gone))
    held = stored.auctions(chain.database, Region.EU)
    chain.spoil(Region.EU, since=seed + 1)
    # What is stored of these counts for the intervals that follow them.
    chain.execute("UPDATE eu_commodity_price_stats SET min_price = 1 WHERE timestamp <= :at", at=chain.time(seed))
    spoilt = stored.statistics(chain.database, Region.EU)
    (eu,) = chain.recompute(Region.EU).regions
    assert (eu.without_rows, eu.without_previous, eu.snapshots) == (gone, 1, 24 - gone - 1)
    assert (eu.outdated, eu.still_outdated) == (24 - gone - 1, 0)
    auctions, recomputed, recomputed_registry, _ = chain.everything(Region.EU)
    assert auctions == held
    seeded = chain.time(seed)
    assert [row for row in recomputed if row[1] <= seeded] == [row for row in spoilt if row[1] <= seeded]
    assert [row for row in recomputed if row[1] > seeded] == [row for row in statistics if row[1] > seeded]
    assert recomputed_registry[seed + 1 :] == registry[seed + 1 :]


def test_a_snapshot_of_which_only_a_part_is_held_counts_as_not_held(chain: Chain) -> None:
    chain.store(Region.EU)
    right = stored.statistics(chain.database, Region.EU)
    part = "DELETE FROM auction_snapshots_eu WHERE snapshot_time = :at AND auction_id % 2 = 0"
    chain.execute(part, at=chain.time(5))
    (eu,) = chain.recompute(Region.EU).regions
    assert (eu.without_rows, eu.without_previous, eu.snapshots, eu.changed) == (1, 1, 22, 0)
    assert stored.statistics(chain.database, Region.EU) == right


# Dry runs


def test_a_dry_run_says_what_the_run_does_and_writes_nothing(long_chain: Chain) -> None:
    long_chain.store()
    long_chain.take_raw_rows(Region.US, *range(5))
    long_chain.spoil(since=20, until=40)
    before = everything_of(long_chain)
    planned = long_chain.recompute(since=22, dry_run=True, workers=3)
    assert everything_of(long_chain) == before
    assert [region.outcome for region in planned.regions] == [RecomputeOutcome.PLANNED] * 2
    done = long_chain.recompute(since=22)
    assert figures_of(planned) == figures_of(done)
    assert everything_of(long_chain) != before
    for region in planned.regions:
        assert region.statistics.added > 0
        assert region.statistics.removed == 19
        change = region.statistics.columns["min_price"]
        assert change.largest == 1
        assert change.total == change.rows > 0


def test_a_dry_run_needs_no_lock(chain: Chain) -> None:
    chain.store(Region.EU)
    with locks.storing(chain.database, Region.EU):
        assert chain.recompute(Region.EU, dry_run=True).status is ExitStatus.DONE


# Ended, killed, beside others


def test_a_run_that_is_ended_anywhere_goes_on_where_it_was(long_chain: Chain) -> None:
    long_chain.store()
    right = everything_of(long_chain)
    long_chain.spoil()
    done: list[int] = []
    for looks in (0, 1, 2, 3, 7, 20, 45, 70, 71, 72, 73, 110):
        clock = InterruptedClock(long_chain.clock.now(), looks=looks)
        recomputed = long_chain.recompute(clock=clock, workers=2)
        assert recomputed.status is ExitStatus.TERMINATED
        statuses = {status for status, *_ in stored.attempts(long_chain.database)}
        assert statuses <= {"failed", "success", "no_change"}
        done.append(sum(row[-1] for region in DEFAULT_REGIONS for row in stored.registry(long_chain.database, region)))
        assert stored.held_locks(long_chain.database) == 0
    assert done == sorted(done)
    assert done[-1] > 0
    assert long_chain.recompute(workers=4).status is ExitStatus.DONE
    assert everything_of(long_chain) == right


def test_runs_that_are_killed_at_any_step_leave_nothing_behind(chain: Chain, tmp_path: Path) -> None:
    chain.store()
    right = everything_of(chain)
    chain.spoil()
    for steps in (1, 3, 4, 9, 22, 51, 76):
        run = started(one_recomputation, url=chain.database.url, home=str(tmp_path), kill_at=steps)
        run.join()
        assert run.exitcode == -signal.SIGKILL
    last = started(one_recomputation, url=chain.database.url, home=str(tmp_path))
    last.join()
    assert last.exitcode == ExitStatus.DONE
    assert everything_of(chain) == right
    assert stored.held_locks(chain.database) == 0


def test_who_stores_a_region_keeps_it_and_the_other_is_done(chain: Chain) -> None:
    chain.store()
    right = everything_of(chain)
    chain.spoil(Region.US)
    with locks.storing(chain.database, Region.EU):
        recomputed = chain.recompute()
    assert recomputed.status is ExitStatus.PARTIAL
    assert [region.status for region in recomputed.regions] == [ExitStatus.LOCKED, ExitStatus.DONE]
    assert everything_of(chain) == right
    assert sorted(status for status, *_ in stored.attempts(chain.database)) == ["locked", "success"]


def test_two_recomputations_of_a_region_do_not_run_at_once(chain: Chain) -> None:
    chain.store(Region.EU)
    with locks.recomputing(chain.database, Region.EU):
        recomputed = chain.recompute(Region.EU)
    assert recomputed.status is ExitStatus.LOCKED


class Hook:
    """Progress that does something when a recomputation takes its n-th step, and waits for it to begin to wait."""

    def __init__(self, at_step: int, work: Callable[[], None], is_waiting: Callable[[], bool]) -> None:
        self._left = at_step
        self._work = work
        self._is_waiting = is_waiting
        self.thread: threading.Thread | None = None

    def step(self, region: Region | None, name: str) -> None:
        del region, name
        self._left -= 1
        if self._left == 0:
            self.thread = threading.Thread(target=self._work)
            self.thread.start()
            while not self._is_waiting():
                pass


WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


# One that belongs between snapshots that were computed again already, and the newest.
@pytest.mark.parametrize("late", [10, 47])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_collection_meanwhile_waits_for_a_batch_only_and_is_reckoned_with(
    long_chain: Chain, monkeypatch: pytest.MonkeyPatch, late: int, workers: int
) -> None:
    monkeypatch.setattr(job, "BATCH_SNAPSHOTS", 3)
    # The clock of tests goes faster than whoever is waited for.
    monkeypatch.setattr(job, "PATIENCE_SECONDS", 10**9)
    long_chain.store(Region.EU)
    right = long_chain.everything(Region.EU)
    chain_without(long_chain, late)
    long_chain.spoil(Region.EU)
    done_before: list[int] = []

    def collect() -> None:
        with locks.storing(long_chain.database, Region.EU):
            done_before.append(sum(row[-1] for row in stored.registry(long_chain.database, Region.EU)))
            long_chain.store_one(Region.EU, late)

    hook = Hook(45 * workers, collect, lambda: stored.rows(long_chain.database, WAITING) == [(1,)])
    recomputed = long_chain.recompute(Region.EU, progress=hook, workers=workers)
    assert recomputed.status is ExitStatus.DONE
    assert hook.thread is not None
    hook.thread.join()
    # It had its turn long before the recomputation was through.
    assert 10 < done_before[0] < 35
    assert long_chain.everything(Region.EU) == right


def chain_without(chain: Chain, number: int) -> None:
    """Take a snapshot out, as if it had not come yet."""
    for table, column in (("auction_snapshots_eu", "snapshot_time"), ("eu_commodity_price_stats", "timestamp")):
        chain.execute(f"DELETE FROM {table} WHERE {column} = :at", at=chain.time(number))
    chain.execute("DELETE FROM snapshots WHERE region = 'eu' AND snapshot_time = :at", at=chain.time(number))


def test_who_keeps_the_lock_for_good_ends_it_with_what_is_done(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "BATCH_SNAPSHOTS", 5)
    chain.store(Region.EU)
    right = chain.everything(Region.EU)
    chain.spoil(Region.EU)
    ended = threading.Event()

    def keep() -> None:
        with locks.storing(chain.database, Region.EU):
            ended.wait()

    hook = Hook(10, keep, lambda: stored.rows(chain.database, WAITING) == [(1,)])
    recomputed = chain.recompute(Region.EU, progress=hook)
    ended.set()
    assert hook.thread is not None
    hook.thread.join()
    assert recomputed.status is ExitStatus.LOCKED
    assert recomputed.regions[0].snapshots == 5
    assert timedelta(seconds=sum(chain.clock.slept)) >= timedelta(seconds=job.PATIENCE_SECONDS)
    assert chain.recompute(Region.EU).status is ExitStatus.DONE
    assert chain.everything(Region.EU) == right


def test_a_collection_beside_another_collection_does_not_wait(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    def waited(*_: object, **__: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(locks, "_acquire_waiting", waited)
    held = locks.storing(chain.database, Region.EU)
    with held, pytest.raises(LockedError, match="storing EU"), locks.storing(chain.database, Region.EU):
        pass


# Evidence


def test_each_run_leaves_its_rows(chain: Chain) -> None:
    chain.store()
    chain.spoil()
    recomputed = chain.recompute()
    commands = "SELECT command, region, status, last_modified FROM scraper_logs ORDER BY region"
    assert stored.rows(chain.database, commands) == [
        ("stats recompute", region, "success", None) for region in ("eu", "us")
    ]
    ((name, region, records, status, message, extra),) = stored.benchmarks(chain.database, "command")
    assert (name, region, status, message) == ("stats recompute", None, "success", None)
    assert records == sum(one.statistics.rows for one in recomputed.regions)
    assert extra["dry_run"] is False
    assert {one: told["changed"] for one, told in extra["regions"].items()} == {"eu": 24, "us": 24}
    assert extra["regions"]["eu"]["steps"].keys() == {"read", "compare", "store", "make day", "commit"}
    assert stored.benchmarks(chain.database, "snapshot") == []
