"""Explanations of what is stored: they end in it, and say where they can't be made again."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from sqlalchemy import insert, text

from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.explain import FIGURES, PRICES, explain
from ironforge_cli.db.engine import Database
from ironforge_cli.db.models import PRICE_STATS, REGISTRY, SNAPSHOTS
from ironforge_cli.db.repositories import partitions, statistics_months
from ironforge_cli.errors import UsageError
from ironforge_cli.market import prices, sales
from ironforge_cli.market.auctions import Auctions, Book
from ironforge_cli.market.explained_sales import SALES
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.past import Past
from ironforge_cli.market.statistics_months import StatisticsMonth
from ironforge_cli.market.time_left import TimeLeft
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.market.made_up import later, whole_market
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from tests.answers.conftest import Ask
    from tests.servers import TestServer

EU: Final = Region.EU
START: Final = datetime(2026, 1, 14, 9, 3, 7, tzinfo=UTC)
TIMES: Final = tuple(START + timedelta(hours=hours) for hours in (0, 1, 2, 4))
VERSIONS: Final = (2, 1, 2, 2)
"""Of the estimate, of each snapshot."""
ESTIMATED: Final = (
    "evidence",
    "seen_sales",
    "unseen_sales",
    "new_at_floor",
    "estimated_sales",
    "sales_low",
    "sales_high",
)


def install(connection: Connection) -> None:
    """Four snapshots of one region, the second of which an older estimate judged."""
    make_months(connection, *TIMES, regions=(EU,))
    partitions.create(connection, DailyPartition(EU, START.date()))
    random = np.random.default_rng(27)
    auctions = whole_market(random, auctions=500, items=40)
    book: Book | None = None
    past = Past()
    for at, version in zip(TIMES, VERSIONS, strict=True):
        comparison = None
        if book is not None:
            auctions = _later(random, auctions, at)
            compared = sales.compare(book, auctions, at=at)
            assert compared.counts.withdrawn
            # Where little is cancelled, pairs alone are evidence, too.
            comparison = replace(compared, counts=replace(compared.counts, withdrawn=1))
        windows = sales.first_windows(auctions) if comparison is None else comparison.windows
        seconds = None if book is None else int((at - book.snapshot_time).total_seconds())
        book = Book(auctions=auctions, windows=windows, snapshot_time=at)
        figures: dict[int, dict[str, Any]] = {}
        priced = prices.summarise(auctions)
        for place, item in enumerate(priced.item_id.tolist()):
            figures[item] = {one.name: getattr(priced, one.name)[place].item() for one in fields(priced)}
        if comparison is not None and version > 1:
            rows = past.estimated(comparison.counts, ended_at=at, seconds=seconds or 0)
            columns = [getattr(rows, one.name) for one in fields(rows)][2:]
            for place, item in enumerate(rows.item_id.tolist()):
                row = figures.setdefault(item, {"item_id": item, "total_quantity": 0, "num_auctions": 0})
                row |= dict(zip(ESTIMATED, (column[place].item() for column in columns), strict=True))
                new = comparison.is_new & (auctions.item_id == item)
                row |= {"new_listings": int(auctions.quantity[new].sum()), "new_auctions": int(new.sum())}
        elif comparison is not None:
            for row in figures.values():
                row |= {"estimated_sales": 3, "sales_low": 2, "sales_high": 9, "new_listings": 0, "new_auctions": 0}
        names = [column.name for column in PRICE_STATS[EU].columns]
        given = [
            {**dict.fromkeys(names), **row, "timestamp": at, "interval_seconds": seconds} for row in figures.values()
        ]
        connection.execute(insert(PRICE_STATS[EU]), given)
        connection.execute(
            insert(REGISTRY).values(
                region=EU,
                snapshot_time=at,
                auctions=len(auctions),
                items=len(figures),
                bytes=1,
                digest="x",
                source="live",
                interval_seconds=seconds,
                withdrawn_auctions=None if comparison is None else comparison.counts.withdrawn,
                estimator_version=version,
            )
        )
        raw = zip(
            auctions.auction_id.tolist(),
            auctions.item_id.tolist(),
            auctions.unit_price.tolist(),
            auctions.quantity.tolist(),
            [TimeLeft(code).name for code in auctions.time_left.tolist()],
            windows.expires_after_min.tolist(),
            windows.expires_before_min.tolist(),
            strict=True,
        )
        columns_of_raw = ("auction_id", "item_id", "unit_price", "quantity", "time_left")
        windows_of_raw = ("expires_after_min", "expires_before_min")
        connection.execute(
            insert(SNAPSHOTS[EU]),
            [{"snapshot_time": at, **dict(zip((*columns_of_raw, *windows_of_raw), row, strict=True))} for row in raw],
        )


def _later(random: np.random.Generator, auctions: Auctions, at: datetime) -> Auctions:
    following = later(random, auctions)
    is_new = following.auction_id >= 10**12
    return Auctions.from_columns(
        auction_id=np.where(is_new, following.auction_id - 10**12 + at.hour * 10**10, following.auction_id),
        item_id=following.item_id,
        unit_price=following.unit_price,
        quantity=following.quantity,
        time_left=following.time_left,
    )


@pytest.fixture
def database(server: TestServer) -> Generator[Database]:
    with server.prepared_database("explained", install) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture
def asking(database: Database) -> Asking:
    return Asking(database=database, regions=(EU,), now=TIMES[-1], max_age=timedelta(hours=2))


def stored(database: Database, at: datetime) -> dict[int, dict[str, Any]]:
    with database.transaction() as connection:
        rows = connection.execute(PRICE_STATS[EU].select().where(PRICE_STATS[EU].c.timestamp == at)).mappings()
        return {row["item_id"]: dict(row) for row in rows}


def test_each_figure_ends_in_what_is_stored_and_is_made_again_while_its_auctions_are_held(
    asking: Asking, database: Database
) -> None:
    rows = stored(database, TIMES[-1])
    assert {row["evidence"] for row in rows.values()} == {0, 1, 2}
    assert len(rows) > 30
    for item, row in rows.items():
        found = explain(asking, str(item)).rows
        assert [one.figure for one in found] == list(FIGURES)
        for one in found:
            assert one.value == one.steps[-1].value == row[one.figure], (item, one.figure)
            assert "stats recompute" not in one.steps[-1].text
            assert len(one.steps) > 1 or one.figure in {"min_price", "max_price", "total_quantity", "num_auctions"} | {
                *("new_listings", "new_auctions", "new_at_floor")
            }


def test_what_cannot_be_made_again_says_why_and_ends_in_what_is_stored(asking: Asking, database: Database) -> None:
    item = max(stored(database, TIMES[1]))
    old = {one.figure: one for one in explain(asking, str(item), at=TIMES[1]).rows}
    assert "version 1" in old["estimated_sales"].steps[0].text
    assert "stats recompute --region eu --since 2026-01-14T10:03:07Z" in old["estimated_sales"].steps[0].text
    assert old["estimated_sales"].value == 3
    first = {one.figure: one for one in explain(asking, str(item), at=TIMES[0]).rows}
    assert {first[name].value for name in SALES} == {None}
    assert "first snapshot" in first["sales_low"].steps[-1].text
    with database.transaction() as connection:
        connection.execute(text("UPDATE eu_commodity_price_stats SET market_value = 1.5, sales_high = 10 ^ 9"))
    changed = {one.figure: one for one in explain(asking, str(item)).rows}
    assert changed["market_value"].value == changed["market_value"].steps[-1].value == 1.5
    assert "ironforge stats recompute" in changed["market_value"].steps[-1].text
    with database.transaction() as connection:
        connection.execute(text("DELETE FROM auction_snapshots_eu"))
    for some, row in list(stored(database, TIMES[-1]).items())[::5]:
        gone = {one.figure: one for one in explain(asking, str(some)).rows}
        assert all(gone[name].value == gone[name].steps[-1].value == row[name] for name in FIGURES)
        assert all("have left the database" in gone[name].steps[0].text for name in (*PRICES, *SALES))


def test_of_an_hour_that_has_left_with_its_month_nothing_is_known(asking: Asking, database: Database) -> None:
    item = str(max(stored(database, TIMES[-1])))
    with database.transaction() as connection:
        # What is known of the item besides is its name.
        connection.execute(text("INSERT INTO items (id, item_name) VALUES (:item, 'Ore')"), {"item": item})
        statistics_months.drop(connection, StatisticsMonth.holding(EU, START), at_change=0)
    found = explain(asking, item).rows
    assert {one.value for one in found} == {None}
    assert all("with their month" in one.steps[-1].text for one in found)


def test_an_item_that_neither_snapshot_has_has_no_price_and_sold_nothing(ask: Ask) -> None:
    found = {row["figure"]: row["value"] for row in ask("explain", "15", "--region", "eu")}
    assert found["min_price"] is None
    assert found["estimated_sales"] == found["total_quantity"] == 0


def test_one_figure_is_chosen_by_its_name(asking: Asking, database: Database) -> None:
    item = str(max(stored(database, TIMES[-1])))
    assert [one.figure for one in explain(asking, item, figure="market_value").rows] == ["market_value"]
    with pytest.raises(UsageError, match="min_price"):
        explain(asking, item, figure="gold")
