"""Days of prices follow whatever changes their hours: late bodies, recomputation, snapshots that are dropped."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import price_days
from ironforge_cli.errors import DatabaseError
from ironforge_cli.jobs.history.dropping import chosen, drop
from ironforge_cli.regions import Region
from tests.jobs.chains import Chain, every_three_hours

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.market.auctions import Auctions
    from tests.clocks import TickingClock

EU = Region.EU
DAYS = "eu_commodity_price_days"


@cache
def first_snapshots() -> list[tuple[datetime, Auctions]]:
    """One object for all tests, so that what the job stored once is copied."""
    return every_three_hours()[:26]


@pytest.fixture
def chain(storage: Storage, clock: TickingClock) -> Chain:
    """More than three days, a snapshot every three hours."""
    return Chain(storage, clock, first_snapshots())


def days(database: Database) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(f"SELECT * FROM {DAYS} ORDER BY day, item_id"))]


def make(database: Database) -> None:
    with database.transaction() as connection:
        for day in price_days.missing(connection, EU):
            price_days.make(connection, EU, day)


def made_anew(database: Database) -> list[tuple[Any, ...]]:
    """What the days would be, made from the hours as they are."""
    with database.transaction() as connection:
        connection.execute(text(f"DELETE FROM {DAYS}"))
    make(database)
    return days(database)


@pytest.mark.parametrize("late", [8, 15])
def test_a_late_body_makes_its_days_again(chain: Chain, late: int) -> None:
    chain.store(EU, but=(late,))
    make(chain.database)
    before = days(chain.database)
    chain.store_one(EU, late)
    after = days(chain.database)
    assert after != before
    assert after == made_anew(chain.database)


def test_a_late_body_that_can_not_be_committed_changes_no_day(chain: Chain) -> None:
    chain.store(EU, but=(8,))
    make(chain.database)
    before = days(chain.database)
    chain.execute(
        "CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$",
    )
    chain.execute(
        "CREATE CONSTRAINT TRIGGER break AFTER INSERT ON snapshots DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION break()"
    )
    with pytest.raises(DatabaseError, match="broken"):
        chain.store_one(EU, 8)
    assert days(chain.database) == before


@pytest.mark.parametrize("numbers", [(0,), (8, 9, 10, 11, 12, 13, 14, 15)])
def test_a_dropped_snapshot_makes_its_days_again(chain: Chain, numbers: tuple[int, ...]) -> None:
    chain.store(EU)
    make(chain.database)
    before = days(chain.database)
    rows = chosen(chain.database, EU, [chain.time(number) for number in numbers])
    drop(EU, rows, storage=chain.storage, clock=chain.clock)
    after = days(chain.database)
    assert after != before
    assert after == made_anew(chain.database)


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_computed_again_makes_its_days_again(chain: Chain, workers: int) -> None:
    chain.store(EU)
    make(chain.database)
    right = days(chain.database)
    chain.spoil(EU, since=3, until=20)
    assert made_anew(chain.database) != right
    chain.recompute(EU, workers=workers)
    assert days(chain.database) == right == made_anew(chain.database)


def test_a_day_that_is_not_made_yet_is_left_to_whoever_makes_it(chain: Chain) -> None:
    chain.store(EU)
    chain.spoil(EU)
    chain.recompute(EU)
    assert days(chain.database) == []
