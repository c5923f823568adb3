"""Rows that somebody deleted or added behind ironforge's back, found by counting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import lost_rows, partitions
from ironforge_cli.db.repositories.lost_rows import odd_snapshots
from ironforge_cli.jobs.days.housekeeping import StepOutcome
from ironforge_cli.jobs.days.maintain import maintain
from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.jobs.health.status import examine
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from tests.jobs.chains import Chain, every_three_hours
from tests.jobs.day_tables import KEPT
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.health.status import Health
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

LAST = -1
ADDED = (
    "INSERT INTO eu_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions) VALUES (999999, :at, 1, 1)"
)
REGISTERED = (
    "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, estimator_version) VALUES"
)
RAW = (
    "INSERT INTO auction_snapshots_eu (snapshot_time, auction_id, item_id, unit_price, quantity, time_left,"
    " expires_after_min, expires_before_min) VALUES"
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


@pytest.mark.parametrize(("hours", "is_of_the_day"), [(-1e-6, False), (0, True), (24 - 1e-6, True), (24, False)])
@pytest.mark.parametrize(
    ("statement", "counts"),
    [
        (ADDED, (None, None, 0, 1)),
        (
            f"{REGISTERED} ('eu', :at, 5, 3, 1, 'x', 'live', 1)",
            (5, 3, 0, 0),
        ),
        (
            f"{RAW} (:at, 1, 1, 1, 1, 'SHORT', 0, 30)",
            (None, None, 1, 0),
        ),
    ],
    ids=["statistics", "registry", "rows"],
)
def test_the_newest_day_is_a_utc_day(
    shared: Database, statement: str, counts: tuple[int | None, ...], hours: float, *, is_of_the_day: bool
) -> None:
    midnight = datetime(2024, 3, 1, tzinfo=UTC)
    at = midnight + timedelta(hours=hours)
    with shared.connect() as connection:
        make_months(connection, at, regions=(Region.EU,))
        partitions.create(connection, DailyPartition.holding(Region.EU, at))
        for region, moment in (("eu", midnight + timedelta(hours=12)), ("us", at + timedelta(days=9))):
            connection.execute(
                text(f"{REGISTERED} (:region, :at, 0, 0, 1, 'x', 'live', 1)"),
                {"region": region, "at": moment},
            )
        connection.execute(text(statement), {"at": at})
        found = [one for one in lost_rows._counted(connection, Region.EU) if one.snapshot_time == at]  # pyright: ignore[reportPrivateUsage] - in a transaction that is undone
    # A snapshot that is newer makes another day the newest.
    is_newer = statement.startswith(REGISTERED) and hours == 24
    assert [(one.auctions, one.items, one.rows, one.statistics) for one in found] == (
        [counts] if is_of_the_day or is_newer else []
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
