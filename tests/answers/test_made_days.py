"""Days that are made change no answer."""

from __future__ import annotations

from datetime import UTC, timedelta
from math import isclose
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from ironforge_cli.answers.answer import Asking, MarketAnswer
from ironforge_cli.answers.history import By, Period, history
from ironforge_cli.answers.lists import Direction, TopBy, deals, movers, top
from ironforge_cli.answers.price import price
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import price_days
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.answers import chain
from tests.answers.chain import DAY, NEWEST

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.servers import TestServer


@pytest.fixture
def database(server: TestServer) -> Generator[Database]:
    with server.prepared_database("asked", chain.install) as url:
        opened = Database(url)
        yield opened
        opened.close()


def answers(database: Database) -> dict[str, list[dict[str, Any]]]:
    asking = Asking(database=database, regions=DEFAULT_REGIONS, now=NEWEST, max_age=timedelta(hours=2))

    def over_time(words: list[str], by: By) -> MarketAnswer[Period]:
        return history(asking, words, since=None, until=None, by=by, zone=ZoneInfo("UTC"), over=9 * DAY)

    given: dict[str, MarketAnswer[Any]] = {
        "price": price(asking, ["12", "15"]),
        "days": over_time(["14", "15"], By.DAY),
        "weekdays": over_time(["15"], By.WEEKDAY),
        "top": top(asking, by=TopBy.TURNOVER, over=8 * DAY, limit=0),
        "movers": movers(asking, over=DAY, min_turnover=0, direction=Direction.BOTH, limit=0),
        "deals": deals(asking, discount=0.1, days=2, limit=0),
    }
    return {name: answer.records() for name, answer in given.items()}


def test_answers_are_the_same_before_and_after_days_are_made(database: Database) -> None:
    before = answers(database)
    with database.transaction() as connection:
        made = [
            price_days.make(connection, region, (NEWEST - days * DAY).astimezone(UTC).date())
            for region in DEFAULT_REGIONS
            for days in range(1, 10)
        ]
    assert sum(made)
    after = answers(database)
    for name, rows in before.items():
        assert [list(row) for row in rows] == [list(row) for row in after[name]]
        for row, other in zip(rows, after[name], strict=True):
            for key, value in row.items():
                same = isclose(value, other[key], rel_tol=1e-9) if isinstance(value, float) else value == other[key]
                assert same, (name, key, row, other)
