from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db import generations
from ironforge_cli.db.repositories import token_prices
from ironforge_cli.errors import DatabaseError
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    """A connection whose work is rolled back after the test."""
    with shared.connect() as opened:
        yield opened


def test_a_token_price_is_kept_once_a_time_and_region(connection: Connection) -> None:
    assert token_prices.newest(connection, Region.EU) is None
    assert token_prices.store(connection, Region.EU, at=NOON, price=3_000_000_000)
    assert not token_prices.store(connection, Region.EU, at=NOON, price=1)
    assert token_prices.store(connection, Region.US, at=NOON, price=2_500_000_000)
    assert token_prices.store(connection, Region.EU, at=NOON - HOUR, price=1)
    assert token_prices.newest(connection, Region.EU) == (NOON, 3_000_000_000)
    assert token_prices.newest(connection, Region.US) == (NOON, 2_500_000_000)


def test_whoever_keeps_a_regions_answers_is_told_of_a_new_price_alone(connection: Connection) -> None:
    def told() -> set[str]:
        return connection.info.pop(generations._KEY, set())  # pyright: ignore[reportPrivateUsage] - what is to be told at the end

    assert token_prices.newest(connection, Region.EU) is None
    token_prices.store(connection, Region.EU, at=NOON, price=1)
    assert told() == {"eu"}
    token_prices.store(connection, Region.EU, at=NOON, price=2)
    assert told() == set()


def test_a_token_price_of_nothing_is_refused(shared: Database) -> None:
    def store() -> None:
        with shared.transaction() as connection:
            token_prices.store(connection, Region.EU, at=NOON, price=0)

    with pytest.raises(DatabaseError, match="ck_eu_token_price_price"):
        store()
