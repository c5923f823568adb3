"""Spans of whole tables that leave for files: where they begin and end, and what of them is null."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import BigInteger, Date, Integer, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from ironforge_cli.db.bulk import Kind
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS, TOKEN_PRICES
from ironforge_cli.db.repositories import exported_rows, exports, price_days, statistics_months
from ironforge_cli.db.repositories.asking import OneLook
from ironforge_cli.db.transactions import session_of
from ironforge_cli.values import replace
from tests.db.repositories.asked_market import FIRST, LAST, US, store_book, store_market
from tests.db.repositories.test_price_days import DAY, EU, HOUR, STARTS

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection, Table

    from ironforge_cli.db.engine import Database
    from ironforge_cli.market.statistics_months import HeldMonths

NEXT = timedelta(microseconds=1)


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    with shared.connect() as opened:
        store_market(opened)
        yield opened


def test_a_span_is_from_the_first_that_may_be_held_to_the_last(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exports.statistics_span(connection, EU) == (FIRST, LAST)
    assert exports.statistics_span(connection, US) == (LAST + HOUR, LAST + HOUR)
    assert exports.token_span(connection, EU) == (STARTS, STARTS + 2 * HOUR)
    assert exports.days_span(connection, EU) is None
    price_days.make(connection, EU, DAY)
    assert exports.days_span(connection, EU) == (STARTS, STARTS)
    connection.execute(text("UPDATE eu_commodity_price_days SET day = '2024-02-28' WHERE item_id = 8"))
    assert exports.days_span(connection, EU) == (datetime(2024, 2, 28, tzinfo=UTC), STARTS)
    # Of what has left with its month the registry still tells.
    held = statistics_months.held(connection, EU)
    (march,) = [one for one in held if one.starts_at == STARTS]
    april = replace(march, starts_at=datetime(2024, 4, 1, tzinfo=UTC))

    def spanned(*months: HeldMonths) -> object:
        monkeypatch.setattr(statistics_months, "held", lambda *_: list(months))  # pyright: ignore[reportUnknownArgumentType,reportUnknownLambdaType] - any two
        return exports.statistics_span(connection, EU)

    assert spanned(march, april) == (STARTS, LAST)
    assert spanned(replace(march, starts_at=None), march) == (FIRST, LAST)
    assert spanned(april) is None
    assert spanned() is None


def test_nothing_stored_has_no_span(shared: Database) -> None:
    with shared.connect() as connection:
        for span in (exports.statistics_span, exports.token_span, exports.days_span):
            assert span(connection, EU) is None


def columns(connection: Connection, table: Table, since: datetime, until: datetime) -> dict[str, list[Any]]:
    found = exports.columns(connection, table, since, until)
    nullable = {column.name for column in table.columns if column.nullable}
    assert {name for name, (_, nulls) in found.items() if nulls is not None} == nullable
    return {
        name: [
            None if null else value
            for value, null in zip(values.tolist(), [False] * len(values) if nulls is None else nulls, strict=True)
        ]
        for name, (values, nulls) in found.items()
    }


def test_columns_are_those_of_the_rows_of_a_span_with_what_is_null(connection: Connection) -> None:
    hours = PRICE_STATS[EU]
    assert exports.count(connection, hours, STARTS, STARTS + 2 * HOUR) == 5
    assert exports.count(connection, hours, STARTS + NEXT, STARTS + 2 * HOUR + NEXT) == 5
    found = columns(connection, hours, STARTS + 2 * HOUR, LAST)
    assert len(found["item_id"]) == 2
    at = found["item_id"].index(7)
    row = {name: values[at] for name, values in found.items()}
    assert (row["min_price"], row["market_value"], row["median_price"], row["evidence"]) == (None, None, None, None)
    assert (row["estimated_sales"], row["total_quantity"], row["interval_seconds"]) == (4, 0, 3600)
    assert row["timestamp"] == (STARTS + 2 * HOUR).replace(tzinfo=None)
    assert columns(connection, TOKEN_PRICES[EU], STARTS, STARTS + HOUR)["price"] == [100]
    price_days.make(connection, EU, DAY)
    days = PRICE_DAYS[EU]
    made = columns(connection, days, STARTS, STARTS + 24 * HOUR)
    assert made["day"] == [DAY] * 4
    assert made["turnover"][made["item_id"].index(10)] is None
    assert columns(connection, days, STARTS + 24 * HOUR, STARTS + 48 * HOUR)["day"] == []
    assert columns(connection, days, STARTS - 24 * HOUR, STARTS)["day"] == []


@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (BigInteger(), Kind.INT8),
        (SmallInteger(), Kind.INT2),
        (Integer(), Kind.INT4),
        (Date(), Kind.INT4),
        (PRICE_STATS[EU].c.market_value.type, Kind.FLOAT8),
        (TIMESTAMP(timezone=True), Kind.TIMESTAMPTZ),
    ],
)
def test_a_column_is_read_as_its_type_asks(of: object, kind: Kind) -> None:
    assert exports.kind_of(of) is kind


def test_columns_of_texts_are_not_exported() -> None:
    with pytest.raises(TypeError, match="are not exported"):
        exports.kind_of(Text())


def exported(connection: Connection, *parts: exported_rows.ExportedPart) -> list[str]:
    return b"".join(piece for part in parts for piece in exported_rows.as_csv(connection, part)).decode().splitlines()


def test_hours_leave_from_after_a_moment_to_another_in_each_form(connection: Connection) -> None:
    asked: dict[str, Any] = {"since": FIRST, "until": {EU: STARTS + HOUR}, "items": [7]}
    *earlier, part = exported_rows.statistics_parts(connection, [EU, US], **asked)
    assert exported(connection, *earlier) == []
    first, second = exported(connection, part)
    assert first.startswith('"eu",2024-03-01T00:00:00Z,7,')
    assert second.startswith('"eu",2024-03-01T01:00:00Z,7,')
    lines = b"".join(exported_rows.as_json_lines(connection, part)).decode().splitlines()
    told = [json.loads(line) for line in lines]
    assert [(one["region"], one["timestamp"], one["market_value"]) for one in told] == [
        ("eu", "2024-03-01T00:00:00Z", 12.5),
        ("eu", "2024-03-01T01:00:00Z", 11.5),
    ]
    (piece,) = exported_rows.as_columns(connection, part)
    assert list(piece) == [one.name for one in part.columns] == list(told[0])[1:]
    # What a row is of comes first, and is never null.
    assert [name for name, (_, nulls) in piece.items() if nulls is None][:2] == ["timestamp", "item_id"]
    values, nulls = piece["median_price"]
    assert nulls is not None
    assert np.isnan(values).all()
    assert nulls.all()
    every = exported_rows.statistics_parts(connection, [EU], since=None, until={EU: LAST}, items=None)
    assert len(exported(connection, *every)) == 9


def test_a_book_leaves_by_its_levels_with_what_they_add_up_to(connection: Connection) -> None:
    store_book(connection)
    part = exported_rows.book_part(EU, at=STARTS, items=None)
    told = [line.split(",", 3)[3] for line in exported(connection, part)]
    assert told == ["12,4,2,4,48", "15,2,1,6,78", "3,1,1,1,3"]
    assert len(exported(connection, exported_rows.book_part(EU, at=STARTS, items=[8]))) == 1


def test_tokens_leave_oldest_first(connection: Connection) -> None:
    connection.execute(text("UPDATE eu_token_price SET price = price WHERE price = 100"))
    part = exported_rows.token_part(EU, since=None, until=STARTS + HOUR)
    assert exported(connection, part) == ['"eu",2024-03-01T00:00:00Z,100', '"eu",2024-03-01T01:00:00Z,101']


def test_an_export_reads_only_and_takes_its_time(shared: Database) -> None:
    with exported_rows.exporting(shared) as connection:
        names = "transaction_read_only", "statement_timeout", "synchronize_seqscans", "max_parallel_workers_per_gather"
        said = [session_of(connection).execute(f"SHOW {name}").fetchall()[0][0] for name in names]
        assert said == ["on", "0", "off", "0"]
        with exported_rows.exporting(OneLook(connection)) as same:
            assert same is connection
