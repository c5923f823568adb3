"""Each path answers with what the command of the same name prints, in every format."""

from __future__ import annotations

import csv
import io
import json
import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from pyarrow import parquet

from ironforge_cli.db.engine import Database
from ironforge_cli.web.app import create_app
from ironforge_cli.web.service import Service
from tests.answers import chain
from tests.web.client import Answer, Client
from tests.web.conftest import Clock, settings
from tests.web.random_market import thrown_about

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.answers.conftest import Ask
    from tests.servers import TestServer

LATER: Final = "36500d"
SAME: Final = {
    "/v1/eu/items/12/price": "price 12 --region eu",
    "/v1/us/items/15/price?quantity=25": "price 15 --region us --quantity 25",
    "/v1/eu/items/16/book": "book 16 --region eu",
    "/v1/eu/items/14/book?at=2026-01-14T12:30Z": "book 14 --region eu --at 2026-01-14T12:30Z",
    "/v1/eu/items/11/history": "history 11 --region eu",
    "/v1/us/items/11/history?since=9d&by=day": "history 11 --region us --since 9d --by day",
    "/v1/eu/items/15/history?since=30d&by=weekday&tz=Europe/Paris": (
        "history 15 --region eu --since 30d --by weekday --tz Europe/Paris"
    ),
    "/v1/eu/items/13/history?by=hour-of-week&since=2026-01-10&until=2026-01-13T05:00Z": (
        "history 13 --region eu --by hour-of-week --since 2026-01-10 --until 2026-01-13T05:00Z"
    ),
    "/v1/eu/items/13/history?limit=5": "history 13 --region eu --limit 5",
    "/v1/eu/items/14/explain": "explain 14 --region eu",
    "/v1/us/items/16/explain?figure=market_value": "explain 16 --region us --figure market_value",
    "/v1/eu/top": "top --region eu",
    "/v1/us/top?by=units&over=7d&limit=3": "top --region us --by units --over 7d --limit 3",
    "/v1/eu/movers?min_turnover=0": "movers --region eu --min-turnover 0",
    "/v1/eu/movers?min_turnover=1g50s&over=7d&direction=up": "movers --region eu --min-turnover 1g50s --over 7d --up",
    "/v1/eu/deals": "deals --region eu",
    "/v1/us/deals?discount=5%25&days=30": "deals --region us --discount 5% --days 30",
    "/v1/us/token": "token --region us",
    "/v1/eu/token?since=3d&limit=4": "token --region eu --since 3d --limit 4",
    "/v1/spread": "spread",
    "/v1/spread?min_turnover=100&limit=2": "spread --min-turnover 100 --limit 2",
    "/v1/items?search=dra": "find dra",
    "/v1/items?search=nothing+like+it": "find 'nothing like it'",
    "/v1/eu/crafts": "crafts --region eu",
    "/v1/us/crafts?all=true&batch=3&profession=alchemy": "crafts --region us --all --batch 3 --profession alchemy",
    "/v1/eu/crafts?all=true&tier=old&rank=2&multicraft=300&resourcefulness=90&optional=true": (
        "crafts --region eu --all --tier old --rank 2 --multicraft 300 --resourcefulness 90 --optional"
    ),
    "/v1/eu/crafts?min_profit=0&min_sold=0.5": "crafts --region eu --min-profit 0 --min-sold 0.5",
    "/v1/eu/crafts/3?batch=2": "craft 3 --region eu --batch 2",
}
"""Each path, and the command whose JSON it is."""
LISTS: Final = (
    "/v1/regions",
    "/v1/eu/prices",
    "/v1/items/12",
    "/v1/us/items/15/price?quantity=25",
    "/v1/eu/items/11/history?since=9d",
    "/v1/eu/items/11/history?by=weekday",
    "/v1/eu/items/16/explain",
    "/v1/eu/crafts?all=true",
    "/v1/us/token",
)


@pytest.fixture(scope="module", params=[0.25, pytest.param(0.75, marks=pytest.mark.slow)])
def market(request: pytest.FixtureRequest, server: TestServer) -> Generator[tuple[str, Client]]:
    """A random market: its URL, and the service over it, whose data never grow stale."""
    clock = Clock()
    with server.migrated_database() as url:
        database = Database(url)
        with database.transaction() as connection:
            thrown_about(connection, request.param)
        said = settings(max_age=timedelta(days=36_500))
        service = Service(lambda: database, said, now=clock.now, monotonic=clock.monotonic)
        with Client(create_app(service)) as client:
            yield url, client
        database.close()


def without_ages(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in {"age_seconds", "stale"}} for row in rows]


@pytest.mark.parametrize("path", SAME)
def test_a_body_is_what_the_command_prints(
    path: str, market: tuple[str, Client], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, client = market
    monkeypatch.setenv("IRONFORGE_READ_URL", url)
    answer = client.get(path)
    assert answer.status == 200, answer
    assert answer.json == without_ages(ask(*shlex.split(SAME[path]), "--max-age", LATER))


def rows_of_csv(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


def as_csv(key: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case list():
            return ";".join(value) if key == "reasons" else str(len(value))  # pyright: ignore[reportUnknownArgumentType] - of JSON
        case bool():
            return str(value)
        case _:
            return str(value)


@pytest.mark.parametrize("path", LISTS)
def test_every_format_has_the_same_values(path: str, market: tuple[str, Client]) -> None:
    _, client = market
    mark = "&" if "?" in path else "?"
    rows = client.get(f"{path}{mark}format=json").json
    columns = client.get(f"{path}{mark}format=columns").json
    assert [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)] == rows
    lines = client.get(f"{path}{mark}format=jsonl").body.decode().splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = client.get(f"{path}{mark}format=csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert rows_of_csv(table) == [{key: as_csv(key, value) for key, value in row.items()} for row in rows]
    if "explain" in path:
        return
    whole = client.get(f"{path}{mark}format=parquet")
    read_table: Any = parquet.read_table  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - the library has no types
    read: list[dict[str, Any]] = read_table(io.BytesIO(whole.body)).to_pylist()
    told = [
        {key: f"{value:%Y-%m-%dT%H:%M:%SZ}" if hasattr(value, "tzinfo") else value for key, value in row.items()}
        for row in read
    ]
    assert told == rows


def test_prices_are_those_of_the_command_in_whole_copper(
    market: tuple[str, Client], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"market_value", "median_price", "usual_price", "weighted_market_value", "turnover_per_day"}
    url, client = market
    monkeypatch.setenv("IRONFORGE_READ_URL", url)
    printed = {row["item_id"]: row for row in ask("price", *map(str, chain.ITEMS), "--region", "eu")}
    found = client.get("/v1/eu/prices?format=json&ids=" + ",".join(map(str, chain.ITEMS))).json
    assert [row["item_id"] for row in found] == sorted(chain.ITEMS)
    for row in found:
        assert set(printed[row["item_id"]]) - set(row) == {"age_seconds", "stale", "mean_price", "max_price"}
        for key, value in row.items():
            said = printed[row["item_id"]][key]
            if isinstance(said, float):
                said = round(said) if key in whole else round(said, 4)
            assert value == said, (row["item_id"], key)
    every = client.get("/v1/eu/prices?format=json").json
    assert every == [row for row in found if row["item_id"] in {one["item_id"] for one in every}]


def test_an_item_is_told_with_its_ranks(client: Client) -> None:
    rows = client.get("/v1/items/13").json
    assert [(row["item_id"], row["rank"]) for row in rows] == [(13, 2), (12, 1)]


def test_regions_say_how_fresh_they_are(client: Client) -> None:
    rows = client.get("/v1/regions").json
    assert list(rows[0]) == ["region", "snapshot_time", "next_due_at", "auctions", "items", "token_price"]
    assert [row["region"] for row in rows] == ["eu", "us"]
    assert rows[0]["snapshot_time"] == "2026-01-14T12:03:07Z"
    assert rows[0]["next_due_at"] == "2026-01-14T13:08:07Z"
