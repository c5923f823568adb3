"""Snapshots taken out again: what is left is what collecting without them would have stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db import locks
from ironforge_cli.errors import LockedError, UsageError
from ironforge_cli.jobs.history.dropping import chosen, drop, listed
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.chains import Chain, hourly

if TYPE_CHECKING:
    from ironforge_cli.jobs.history.dropping import DroppedSnapshot
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock


@pytest.fixture
def chain(storage: Storage, clock: TickingClock) -> Chain:
    """Six hours of snapshots, to be stored."""
    return Chain(storage, clock, hourly()[:6])


def dropped(chain: Chain, *numbers: int, region: Region = Region.EU) -> list[DroppedSnapshot]:
    rows = chosen(chain.database, region, [chain.time(number) for number in numbers])
    return drop(region, rows, storage=chain.storage, clock=chain.clock)


@pytest.mark.parametrize("numbers", [(0,), (2,), (5,), (1, 2), (3, 0), (0, 1, 2, 3, 4, 5)], ids=str)
def test_what_is_left_is_what_would_be_there_without_them(chain: Chain, numbers: tuple[int, ...]) -> None:
    chain.store(Region.US)
    other = chain.everything(Region.US)
    chain.store(Region.EU, but=numbers)
    wanted = chain.everything(Region.EU)
    for table in ("auction_snapshots_eu", "eu_commodity_price_stats"):
        chain.execute(f"DELETE FROM {table}")
    chain.execute("DELETE FROM snapshots WHERE region = 'eu'")
    chain.store(Region.EU)
    found = dropped(chain, *numbers)
    assert chain.everything(Region.EU) == wanted
    assert chain.everything(Region.US) == other
    assert [one.snapshot.snapshot_time for one in found] == [chain.time(number) for number in numbers]
    assert [one.is_followed_by_old for one in found] == [False] * len(numbers)


def test_one_is_said_to_be_followed_by_what_rests_on_it_where_raw_rows_are_not_held(chain: Chain) -> None:
    chain.store(Region.EU)
    chain.take_raw_rows(Region.EU, 1)
    before = stored.statistics(chain.database, Region.EU)
    (one,) = dropped(chain, 2)
    # Those after the one that follows count an interval fewer.
    assert (one.is_followed_by_old, one.recomputed) == (True, 2)
    after = stored.statistics(chain.database, Region.EU)
    kept = [row for row in before if row[1] not in {chain.time(number) for number in (2, 4, 5)}]
    assert [row for row in after if row[1] <= chain.time(3)] == kept
    assert chain.recompute(Region.EU).regions[0].changed == 0
    # What follows has no rows itself, and then what was before has none either.
    chain.take_raw_rows(Region.EU, 5)
    (one,) = dropped(chain, 4)
    assert (one.is_followed_by_old, one.recomputed) == (True, 0)
    chain.take_raw_rows(Region.EU, 1)
    (one,) = dropped(chain, 3)
    assert (one.is_followed_by_old, one.recomputed) == (True, 0)


def test_a_time_of_which_nothing_is_stored_drops_nothing(chain: Chain) -> None:
    chain.store(Region.EU, but=(3,))
    with pytest.raises(UsageError, match="No snapshot of EU at 2026-01-14T04:03:07"):
        dropped(chain, 2, 3)
    assert stored.times(chain.database, Region.EU) == [chain.time(number) for number in (0, 1, 2, 4, 5)]


def test_a_run_says_how_many_auctions_it_took_out(chain: Chain) -> None:
    chain.store(Region.EU)
    found = dropped(chain, 1, 2)
    ((_, _, records, status, message, _),) = stored.benchmarks(chain.database, "command")
    assert (records, status, message) == (sum(one.snapshot.auctions for one in found), "success", None)
    assert records > 0


def test_a_region_that_is_at_work_is_left_alone(chain: Chain) -> None:
    chain.store(Region.EU)
    with locks.storing(chain.database, Region.EU), pytest.raises(LockedError):
        dropped(chain, 2)
    assert len(stored.times(chain.database, Region.EU)) == 6
    dropped(chain, 2)
    assert [row[0] for row in stored.attempts(chain.database)] == ["locked", "success"]


def test_the_newest_of_each_region_are_listed_oldest_first(chain: Chain) -> None:
    chain.store()
    rows = listed(chain.database, DEFAULT_REGIONS, since=None, until=chain.time(4), limit=2)
    assert [(row.region, row.snapshot_time) for row in rows] == [
        (region, chain.time(number)) for region in DEFAULT_REGIONS for number in (3, 4)
    ]
    assert [row.auctions for row in rows[:2]] == [len(chain.snapshots[number][1]) for number in (3, 4)]
