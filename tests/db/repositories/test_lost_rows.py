"""Rows that somebody deleted or added behind ironforge's back, found by counting."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories.lost_rows import odd_snapshots
from ironforge_cli.jobs.days.housekeeping import StepOutcome
from ironforge_cli.jobs.days.maintain import maintain
from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.jobs.health.status import examine
from ironforge_cli.regions import Region
from tests.jobs.chains import Chain, every_three_hours
from tests.jobs.day_tables import KEPT

if TYPE_CHECKING:
    from ironforge_cli.jobs.health.status import Health
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

LAST = -1
ADDED = (
    "INSERT INTO eu_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions) VALUES (999999, :at, 1, 1)"
)


@pytest.fixture
def chain(storage: Storage, clock: TickingClock) -> Chain:
    made = Chain(storage, clock, every_three_hours())
    made.store(Region.EU)
    clock.turn_to(made.time(LAST) + timedelta(minutes=30))
    return made


def looked(chain: Chain, *, deep: bool) -> Health:
    now = chain.clock.now()
    return examine(
        (Region.EU,),
        storage=chain.storage,
        home=chain.storage.locks_folder.parent,
        clock=chain.clock,
        max_age=timedelta(days=900),
        since=now - timedelta(days=1),
        until=now,
        ahead=0,
        check=True,
        deep=deep,
    )


def test_what_was_stored_is_whole(chain: Chain) -> None:
    assert odd_snapshots(chain.database, Region.EU) == []
    assert odd_snapshots(chain.database, Region.US) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM auction_snapshots_eu WHERE snapshot_time = :at AND auction_id % 2 = 0", "rows"),
        ("DELETE FROM auction_snapshots_eu WHERE snapshot_time = :at", "rows"),
        ("DELETE FROM eu_commodity_price_stats WHERE timestamp = :at", "statistics"),
        ("DELETE FROM snapshots WHERE region = 'eu' AND snapshot_time = :at", "registry"),
        (
            ADDED,
            "statistics",
        ),
    ],
)
def test_rows_of_the_newest_day_that_were_deleted_or_added_are_found(chain: Chain, statement: str, what: str) -> None:
    # Not the very newest, which says which day is.
    at = chain.time(LAST - 1)
    assert at.date() == chain.time(LAST).date()
    chain.execute(statement, at=at)
    (odd,) = odd_snapshots(chain.database, Region.EU)
    assert odd.snapshot_time == at
    assert (odd.rows != odd.auctions, odd.statistics != odd.items) == (
        what in {"rows", "registry"},
        what in {"statistics", "registry"},
    )


def test_a_deep_look_makes_a_problem_of_it_and_another_does_not_look(chain: Chain) -> None:
    (region,) = looked(chain, deep=True).found.regions
    assert region.lost_rows == ()
    chain.take_raw_rows(Region.EU, LAST)
    health = looked(chain, deep=False)
    assert health.found.regions[0].lost_rows is None
    assert ProblemKind.LOST_ROWS not in {problem.kind for problem in health.problems}
    health = looked(chain, deep=True)
    (told,) = [problem.text for problem in health.problems if problem.kind is ProblemKind.LOST_ROWS]
    assert told.startswith(f"EU: the rows of 1 snapshot of {chain.time(LAST):%Y-%m-%d} are not those that were stored")


def test_upkeep_of_days_tells_it_and_fails(chain: Chain, storage: Storage, clock: TickingClock) -> None:
    chain.take_raw_rows(Region.EU, LAST)
    results = maintain((Region.EU,), storage=storage, housekeeping=KEPT, clock=clock, count_rows=True).results
    (told,) = [result for result in results if result.action == "report"]
    assert (told.outcome, told.region) == (StepOutcome.FAILED, Region.EU)
    assert "are not those that were stored" in str(told.message)
    again = maintain((Region.EU,), storage=storage, housekeeping=KEPT, clock=clock).results
    assert [result for result in again if result.action == "report"] == []
