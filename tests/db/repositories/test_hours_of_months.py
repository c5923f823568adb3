from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import statistics_months, stats
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.market.statistics_months import StatisticsMonth
from ironforge_cli.regions import Region
from tests.market.made_up import as_columns
from tests.market.reference import Auction
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

NOON = datetime(2024, 2, 15, 12, tzinfo=UTC)
PARENT = "eu_commodity_price_stats"
FEBRUARY = StatisticsMonth(Region.EU, date(2024, 2, 1))
JANUARY = FEBRUARY.previous


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    """A connection whose work is rolled back after the test."""
    with shared.connect() as opened:
        yield opened


def store(connection: Connection, at: datetime) -> None:
    market = as_columns({1: Auction(7, 100, 20, "SHORT")})
    stats.store(connection, Region.EU, summarise_snapshot(None, market, at=at).statistics, at=at)


def places(connection: Connection) -> list[tuple[str, datetime]]:
    found = connection.execute(text(f"SELECT tableoid::regclass::text, timestamp FROM {PARENT}"))
    return [(name, moment) for name, moment in found]


def test_an_hour_opens_its_own_month_alone(database: Database) -> None:
    with database.transaction() as connection:
        make_months(connection, JANUARY.starts_at, NOON, regions=(Region.EU,))
    with database.connect() as other, database.transaction() as connection:
        other.execute(text(f"LOCK TABLE {JANUARY.name} IN ACCESS EXCLUSIVE MODE"))
        connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        store(connection, NOON)
        assert places(other) == []
        other.rollback()
        assert places(connection) == [(FEBRUARY.name, NOON)]


@pytest.mark.parametrize(
    ("name", "bounds", "goes_to"),
    [
        (FEBRUARY.name, "FOR VALUES FROM ('2024-02-01Z') TO ('2024-03-01Z')", FEBRUARY.name),
        (FEBRUARY.name, "FOR VALUES FROM (MINVALUE) TO (MAXVALUE)", FEBRUARY.name),
        (FEBRUARY.name, "FOR VALUES FROM ('2024-02-15 12:00Z') TO ('2024-02-15 12:00:00.000001Z')", FEBRUARY.name),
        (FEBRUARY.name, "DEFAULT", PARENT),
        ("theirs", "FOR VALUES FROM ('2024-01-01Z') TO ('2025-01-01Z')", PARENT),
        ("theirs", "FOR VALUES FROM ('2024-02-15Z') TO ('2024-02-16Z')", PARENT),
        (JANUARY.name, "FOR VALUES FROM ('2024-02-01Z') TO ('2024-03-01Z')", PARENT),
    ],
)
def test_an_hour_goes_where_its_time_belongs_whoever_made_the_partition(
    connection: Connection, name: str, bounds: str, goes_to: str
) -> None:
    connection.execute(text(f"CREATE TABLE {name} (LIKE {PARENT} INCLUDING ALL)"))
    connection.execute(text(f"ALTER TABLE {PARENT} ATTACH PARTITION {name} {bounds}"))
    assert statistics_months.make_room(connection, Region.EU, NOON) == goes_to
    store(connection, NOON)
    assert places(connection) == [(name, NOON)]


def test_a_month_of_other_bounds_takes_what_is_in_them_and_no_more(connection: Connection) -> None:
    connection.execute(text(f"CREATE TABLE {FEBRUARY.name} (LIKE {PARENT} INCLUDING ALL)"))
    bounds = "FOR VALUES FROM ('2024-02-15 12:00Z') TO ('2024-02-20Z')"
    connection.execute(text(f"ALTER TABLE {PARENT} ATTACH PARTITION {FEBRUARY.name} {bounds}"))
    connection.execute(text(f"CREATE TABLE theirs PARTITION OF {PARENT} DEFAULT"))
    before, after = NOON - timedelta(microseconds=1), datetime(2024, 2, 20, tzinfo=UTC)
    for at in (before, NOON, after):
        store(connection, at)
    assert sorted(places(connection)) == [(FEBRUARY.name, NOON), ("theirs", before), ("theirs", after)]


def test_who_was_granted_the_whole_table_alone_writes_through_it(connection: Connection) -> None:
    make_months(connection, NOON, regions=(Region.EU,))
    connection.execute(text("CREATE ROLE only_the_whole"))
    connection.execute(text(f"GRANT SELECT, INSERT ON {PARENT} TO only_the_whole"))
    connection.execute(text("GRANT SELECT, INSERT, UPDATE ON statistics_months, generations TO only_the_whole"))
    connection.execute(text("SET LOCAL ROLE only_the_whole"))
    store(connection, NOON)
    connection.execute(text("RESET ROLE"))
    assert places(connection) == [(FEBRUARY.name, NOON)]


def test_triggers_on_the_whole_table_see_every_hour(connection: Connection) -> None:
    make_months(connection, NOON, regions=(Region.EU,))
    connection.execute(
        text(
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN CREATE TABLE seen AS SELECT 1; RETURN NULL; END $$"
        )
    )
    connection.execute(text(f"CREATE TRIGGER see AFTER INSERT ON {PARENT} FOR EACH STATEMENT EXECUTE FUNCTION see()"))
    store(connection, NOON)
    assert places(connection) == [(FEBRUARY.name, NOON)]
    assert connection.execute(text("SELECT to_regclass('seen') IS NOT NULL")).scalar_one()
