"""Whatever changes what answers read raises the number of its region, or the catalogue's; nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db import generations
from ironforge_cli.db.generations import CATALOGUE, changed
from ironforge_cli.db.repositories import catalogue, imports, outputs, partitions, token_prices
from ironforge_cli.db.repositories.outputs import Output
from ironforge_cli.market.catalogue import Item
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
ITEM = Item(1, "a", None, None, None, None, None, None, None)
RECIPE = "INSERT INTO recipes (id, faction, data) VALUES (7, 'Neutral', '{}')"
WRITES: dict[str, tuple[str, Callable[[Connection], object]]] = {
    "a token's price": (
        "eu",
        lambda connection: token_prices.store(connection, Region.EU, at=datetime.now(UTC), price=1),
    ),
    "items": (CATALOGUE, lambda connection: catalogue.store_items(connection, [ITEM])),
    "recipes that are gone": (CATALOGUE, lambda connection: catalogue.delete_recipes(connection, [7])),
    "ranks": (CATALOGUE, lambda connection: imports.replace_ranks(connection, {1: 2}, source="mine")),
    "vendors' prices": (CATALOGUE, lambda connection: imports.replace_prices(connection, {1: 2}, source="mine")),
    "an import that is forgotten": (CATALOGUE, lambda connection: imports.forget(connection, "mine")),
    "what recipes make": (
        CATALOGUE,
        lambda connection: outputs.replace_outputs(
            connection, [Output(7, "Neutral", 1, "name", "", None, None)], of=["name"]
        ),
    ),
    "slots": (CATALOGUE, lambda connection: outputs.replace_slots(connection, [], source="file", detail="mine")),
}


def numbers(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return generations.read(connection)


@pytest.fixture
def written(database: Database) -> Database:
    with database.transaction() as connection:
        connection.execute(text(RECIPE))
        for scope in ("eu", "us", CATALOGUE):
            changed(connection, scope)
    return database


def test_each_write_raises_its_own_number(written: Database) -> None:
    for name, (scope, write) in WRITES.items():
        before = numbers(written)
        with written.transaction() as connection:
            # What takes the recipe away comes back for those after it.
            connection.execute(text(f"{RECIPE} ON CONFLICT DO NOTHING"))
            write(connection)
        after = numbers(written)
        assert after[scope] > before[scope], name
        assert {key: value for key, value in after.items() if key != scope} == {
            key: value for key, value in before.items() if key != scope
        }, name


def test_what_changes_nothing_raises_nothing(written: Database) -> None:
    with written.transaction() as connection:
        assert token_prices.store(connection, Region.EU, at=NOON, price=1)
    before = numbers(written)
    with written.transaction() as connection:
        assert not token_prices.store(connection, Region.EU, at=NOON, price=1)
        partitions.create(connection, DailyPartition(Region.EU, NOON.date()))
        assert not catalogue.delete_recipes(connection, [99]).any
        connection.execute(text("SELECT 1"))
    assert numbers(written) == before


def test_a_rollback_takes_the_number_back_and_leaves_nothing_for_the_next(written: Database) -> None:
    before = numbers(written)
    with written.connect() as connection:
        changed(connection, Region.EU)
        connection.rollback()
        connection.execute(text("SELECT 1"))
        connection.commit()
    assert numbers(written) == before


def test_the_number_rises_as_the_last_step_so_that_nobody_waits_for_a_long_one(written: Database) -> None:
    before = numbers(written)
    with written.transaction() as long, written.transaction() as short:
        changed(long, Region.EU)
        long.execute(text("SELECT 1"))
        changed(short, Region.EU)
        short.commit()
        between = numbers(written)
    assert before["eu"] < between["eu"] < numbers(written)["eu"]


def test_a_day_that_leaves_and_comes_back_is_told(written: Database) -> None:
    partition = DailyPartition(Region.EU, NOON.date())
    with written.transaction() as connection:
        partitions.create(connection, partition)
    found = [numbers(written)]
    with written.connect(autocommit=True) as connection:
        partitions.detach(connection, partition)
    found.append(numbers(written))
    with written.transaction() as connection:
        partitions.create(connection, partition)
    found.append(numbers(written))
    with written.connect(autocommit=True) as connection:
        partitions.detach(connection, partition)
    with written.transaction() as connection:
        partitions.drop(connection, partition)
    found.append(numbers(written))
    told = [one["eu"] for one in found]
    assert told == sorted(set(told))
    assert {one["us"] for one in found} == {found[0]["us"]}


def test_numbers_are_of_the_clock_so_that_those_of_a_former_database_never_come_back(written: Database) -> None:
    told = datetime.fromtimestamp(numbers(written)["eu"] / 1_000_000, tz=UTC)
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=5)


def test_a_connection_that_broke_is_rolled_back_without_being_made_anew_and_says_nothing(written: Database) -> None:
    before = numbers(written)
    with written.connect() as connection:
        connection.execute(text("SELECT 1"))
        changed(connection, Region.EU)
        connection.invalidate()
        connection.rollback()
        assert connection.invalidated
    assert numbers(written) == before
