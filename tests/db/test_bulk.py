from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg import sql
from sqlalchemy import text

from ironforge_cli.db.bulk import (
    BLOCK_ROWS,
    CopyColumn,
    Kind,
    LabelColumn,
    copy_in,
    exact_sum,
    fetch_columns,
    packed,
    streamed_columns,
)
from ironforge_cli.db.engine import Database
from ironforge_cli.db.transactions import driver
from ironforge_cli.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from numpy.typing import NDArray


BEFORE_2000 = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
AFTER_2000 = datetime(2000, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
LABELS = ("SHORT", "MEDIUM", "LONG", "VERY_LONG")
TABLE = """
    CREATE TABLE packed_rows (
        id bigint PRIMARY KEY, small smallint, middle integer, large bigint, real_number double precision,
        moment timestamptz, label time_left NOT NULL, same integer NOT NULL
    )
"""


class Row(NamedTuple):
    small: int | None
    middle: int | None
    large: int | None
    real_number: float | None
    moment: datetime | None
    label: str


def integers(bits: int) -> st.SearchStrategy[int]:
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return st.integers(least, most) | st.sampled_from([least, most, 0, -1])


def tables(*, nulls: bool) -> st.SearchStrategy[list[Row]]:
    def perhaps(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.none() | values if nulls else values

    row = st.builds(
        Row,
        small=perhaps(integers(16)),
        middle=perhaps(integers(32)),
        large=perhaps(integers(64)),
        real_number=perhaps(st.floats()),
        moment=perhaps(st.datetimes(timezones=st.just(UTC))),
        label=st.sampled_from(LABELS),
    )
    return st.lists(row, max_size=30)


@pytest.fixture(scope="module", autouse=True)
def packed_rows(shared: Database) -> None:
    """A table for every kind of column, beside the others."""
    with shared.transaction() as connection:
        connection.execute(text(TABLE))


def columns_of(rows: Sequence[Row]) -> list[CopyColumn | LabelColumn]:
    """Columns of rows; what stands where a value is null must not matter, so it is a different thing each time."""

    def column(name: str, kind: Kind, filler: Any) -> CopyColumn:
        values = [getattr(row, name) for row in rows]
        nulls = np.array([value is None for value in values], np.bool_)
        filled = [filler if value is None else value for value in values]
        if kind is Kind.TIMESTAMPTZ:
            filled = [value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in filled]
        return CopyColumn(name, kind, np.array(filled, kind.native), nulls)

    return [
        CopyColumn("id", Kind.INT8, np.arange(len(rows))),
        column("small", Kind.INT2, 7),
        column("middle", Kind.INT4, -1),
        LabelColumn("label", np.array([LABELS.index(row.label) for row in rows], np.uint8), LABELS),
        column("large", Kind.INT8, 2**40),
        column("real_number", Kind.FLOAT8, float("nan")),
        CopyColumn("same", Kind.INT4, 1_234),
        column("moment", Kind.TIMESTAMPTZ, np.datetime64("NaT")),
    ]


def selected(database: Database) -> list[Row]:
    with database.connect() as connection:
        found = connection.execute(
            text("SELECT small, middle, large, real_number, moment, label::text FROM packed_rows ORDER BY id")
        )
        return [Row(*row) for row in found]


def comparable(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Rows whose floats are bytes, so that NaN is itself and -0.0 is not 0.0."""

    def exact(number: float | None) -> bytes | None:
        return None if number is None else struct.pack("d", math.nan if math.isnan(number) else number)

    return [(*row._replace(real_number=None), exact(row.real_number)) for row in rows]


def load(database: Database, rows: Sequence[Row]) -> None:
    with database.transaction() as connection:
        connection.execute(text("TRUNCATE packed_rows"))
        copy_in(connection, "packed_rows", columns_of(rows), rows=len(rows), slice_name="test")


@settings(max_examples=40, deadline=None)
@given(rows=tables(nulls=True))
@example(rows=[])
@example(rows=[Row(None, None, None, None, None, "LONG")])
@example(rows=[Row(-32_768, 2**31 - 1, -(2**63), float("-inf"), BEFORE_2000, "SHORT")])
@example(rows=[Row(32_767, -(2**31), 2**63 - 1, -0.0, AFTER_2000, "VERY_LONG")])
def test_whatever_is_packed_reads_back_the_same(shared: Database, rows: list[Row]) -> None:
    load(shared, rows)
    assert comparable(selected(shared)) == comparable(rows)


def many_rows(count: int) -> list[Row]:
    random = np.random.default_rng(count)
    null = random.random((count, 5)) < 0.2
    whole = random.integers(-(2**63), 2**63 - 1, count)
    return [
        Row(
            small=None if null[row, 0] else int(whole[row]) % 2**15,
            middle=None if null[row, 1] else int(whole[row]) % 2**31,
            large=None if null[row, 2] else int(whole[row]),
            real_number=None if null[row, 3] else float(whole[row]) / 3,
            moment=None if null[row, 4] else datetime(1990, 1, 1, tzinfo=UTC) + timedelta(microseconds=row * 10**11),
            label=LABELS[int(whole[row]) % 4],
        )
        for row in range(count)
    ]


@pytest.mark.parametrize("count", [BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1])
def test_blocks_of_many_patterns_lose_no_row_at_their_edges(shared: Database, count: int) -> None:
    rows = many_rows(count)
    load(shared, rows)
    assert comparable(selected(shared)) == comparable(rows)


def test_rows_of_all_labels_keep_their_order(shared: Database) -> None:
    codes = (np.arange(2 * BLOCK_ROWS + 10) % 3).astype(np.uint8)
    columns = [
        CopyColumn("id", Kind.INT8, np.arange(len(codes))),
        CopyColumn("same", Kind.INT4, 1),
        LabelColumn("label", codes, LABELS),
    ]
    with shared.transaction() as connection:
        connection.execute(text("TRUNCATE packed_rows"))
        copy_in(connection, "packed_rows", columns, rows=len(codes), slice_name="test")
        stored = np.array(connection.execute(text("SELECT id FROM packed_rows ORDER BY ctid")).scalars().all())
    assert stored.tolist() == list(range(len(codes)))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 14, 12, 30, 0, 123_456, tzinfo=UTC),
        BEFORE_2000,
        datetime(2026, 1, 14, 21, 30, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_one_time_for_every_row_is_stored_to_the_microsecond(shared: Database, moment: datetime) -> None:
    columns = [
        CopyColumn("id", Kind.INT8, np.arange(2)),
        CopyColumn("moment", Kind.TIMESTAMPTZ, moment),
        CopyColumn("same", Kind.INT4, 1),
        LabelColumn("label", np.zeros(2, np.uint8), LABELS),
    ]
    with shared.transaction() as connection:
        connection.execute(text("TRUNCATE packed_rows"))
        copy_in(connection, "packed_rows", columns, rows=2, slice_name="test")
        assert connection.execute(text("SELECT moment FROM packed_rows")).scalars().all() == [moment, moment]


def test_a_refused_row_leaves_nothing_of_its_snapshot(shared: Database) -> None:
    load(shared, [])
    ids = np.arange(3 * BLOCK_ROWS)
    ids[-1] = 0
    columns = [
        CopyColumn("id", Kind.INT8, ids),
        CopyColumn("same", Kind.INT4, 1),
        LabelColumn("label", np.zeros(len(ids), np.uint8), LABELS),
    ]
    with pytest.raises(DatabaseError, match=r"packed_rows_pkey.*SQLSTATE 23505"), shared.transaction() as connection:
        copy_in(connection, "packed_rows", columns, rows=len(ids), slice_name="test")
    assert selected(shared) == []


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (CopyColumn("wrong", Kind.INT4, np.array([2**40])), "wants int32, not int64"),
        (CopyColumn("wrong", Kind.INT8, np.array([1.5])), "wants int64, not float64"),
        (CopyColumn("wrong", Kind.INT8, np.array([2**63], np.uint64)), "wants int64, not uint64"),
        (CopyColumn("wrong", Kind.TIMESTAMPTZ, np.array([1])), "wants datetime64"),
        (CopyColumn("wrong", Kind.INT8, np.array(["2026-01-14"], "M8[us]")), "wants int64, not datetime64"),
        (CopyColumn("wrong", Kind.TIMESTAMPTZ, np.array(["2026-01-14"], "M8[ns]")), "wants datetime64"),
        (CopyColumn("wrong", Kind.INT8, 1.5), "wants int64, not 1.5"),
        (CopyColumn("wrong", Kind.TIMESTAMPTZ, 0), "wants datetime64"),
        (CopyColumn("wrong", Kind.TIMESTAMPTZ, datetime(2026, 1, 14)), "offset-naive"),  # noqa: DTZ001 - a naive one is refused
    ],
)
def test_values_that_would_not_keep_their_worth_are_refused(column: CopyColumn, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        packed([column], rows=1)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (CopyColumn("wrong", Kind.INT4, np.array([1], "i4")), "shape"),
        (CopyColumn("wrong", Kind.INT4, np.array([1, 2, 3], "i4")), "shape"),
        (CopyColumn("wrong", Kind.INT4, np.array([1, 2], "i4"), np.array([True])), "shape"),
        (LabelColumn("wrong", np.array([1], np.uint8), LABELS), "shape"),
        (LabelColumn("wrong", np.array([0, 4], np.uint8), LABELS), "code of 4, which has no label"),
        (CopyColumn("wrong", Kind.TIMESTAMPTZ, np.array(["2026-01-14", "NaT"], "M8[us]")), "a time that is none"),
        (CopyColumn("wrong", Kind.TIMESTAMPTZ, np.array(["2026-01-14", "-5000-01-01"], "M8[us]")), "before 4713 BC"),
    ],
)
def test_columns_that_do_not_fit_the_rows_are_refused(column: CopyColumn | LabelColumn, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        packed([column], rows=2)


def test_one_value_too_large_for_its_column_is_refused() -> None:
    with pytest.raises(OverflowError):
        packed([CopyColumn("wrong", Kind.INT2, 40_000)], rows=1)


def test_nothing_is_sent_when_a_column_is_refused(shared: Database) -> None:
    with shared.transaction() as connection:
        with pytest.raises(TypeError, match="wants int32"):
            copy_in(connection, "packed_rows", [CopyColumn("middle", Kind.INT4, 0.5)], rows=1, slice_name="test")
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def fetched(database: Database, query: str, kinds: Sequence[Kind]) -> list[NDArray[Any]]:
    with database.connect() as connection:
        return fetch_columns(connection, sql.SQL(query), [], kinds, slice_name="test")  # pyright: ignore[reportArgumentType] - a test's own text


EVERY_KIND = (Kind.INT2, Kind.INT4, Kind.INT8, Kind.FLOAT8, Kind.TIMESTAMPTZ)


@settings(max_examples=25, deadline=None)
@given(rows=tables(nulls=False))
def test_columns_that_are_fetched_are_those_that_select_returns(shared: Database, rows: list[Row]) -> None:
    load(shared, rows)
    query = "SELECT small, middle, large, real_number, moment FROM packed_rows ORDER BY id"
    columns = fetched(shared, query, EVERY_KIND)
    assert [column.dtype for column in columns] == [kind.native for kind in EVERY_KIND]
    small, middle, large, real_number, moment = (column.tolist() for column in columns)
    together = [
        Row(*values[:4], values[4].replace(tzinfo=UTC), row.label)
        for values, row in zip(zip(small, middle, large, real_number, moment, strict=True), rows, strict=True)
    ]
    assert comparable(together) == comparable(selected(shared)) == comparable(rows)


def test_no_rows_are_fetched_as_empty_columns_of_their_types(shared: Database) -> None:
    load(shared, [])
    columns = fetched(shared, "SELECT small, middle, large, real_number, moment FROM packed_rows", EVERY_KIND)
    assert [(len(column), column.dtype) for column in columns] == [(0, kind.native) for kind in EVERY_KIND]


@pytest.mark.parametrize("query", ["VALUES (1), (NULL)", "VALUES (NULL::integer)"])
def test_a_null_is_not_fetched_as_a_number(shared: Database, query: str) -> None:
    with pytest.raises(DatabaseError, match="holds nulls"):
        fetched(shared, query, [Kind.INT4])


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("SELECT 1::bigint", Kind.FLOAT8),
        ("SELECT 1::double precision", Kind.INT8),
        ("SELECT 1::integer", Kind.INT8),
        ("SELECT now()", Kind.INT8),
        ("SELECT now()::timestamp", Kind.TIMESTAMPTZ),
        ("SELECT ARRAY[1, 2]", Kind.INT4),
    ],
)
def test_a_column_of_another_type_is_not_fetched(shared: Database, query: str, kind: Kind) -> None:
    with pytest.raises(DatabaseError, match=f"where {kind.name} is expected"):
        fetched(shared, query, [kind])


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "294276-12-31"])
def test_a_time_that_numpy_can_not_hold_is_not_fetched(shared: Database, moment: str) -> None:
    with pytest.raises(DatabaseError, match="no end, or is too far off"):
        fetched(shared, f"SELECT '{moment}'::timestamptz", [Kind.TIMESTAMPTZ])


def test_rows_that_only_the_driver_saw_are_committed_and_rolled_back_like_any(shared: Database) -> None:
    load(shared, [])
    columns = columns_of([Row(1, 1, 1, 1.0, None, "LONG")])
    with shared.connect() as connection:
        copy_in(connection, "packed_rows", columns, rows=1, slice_name="test")
    assert selected(shared) == []
    with shared.connect() as connection:
        copy_in(connection, "packed_rows", columns, rows=1, slice_name="test")
        connection.commit()
    assert len(selected(shared)) == 1


def test_what_killed_the_connection_is_what_is_reported(shared: Database) -> None:
    def be_killed() -> None:
        with shared.transaction() as connection:
            process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with shared.connect(autocommit=True) as other:
                other.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
            with driver(connection) as speaking:
                speaking.execute("SELECT 1")

    with pytest.raises(DatabaseError, match="SQLSTATE 57P01"):
        be_killed()
    with shared.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_only_psycopg_is_spoken_to() -> None:
    class Foreign:
        class connection:  # noqa: N801 - as SQLAlchemy's attribute is called
            driver_connection = object()

    with pytest.raises(TypeError, match="psycopg"), driver(Foreign()):  # pyright: ignore[reportArgumentType] - a connection of another library's
        raise AssertionError


def test_a_copy_is_named_for_its_slice_in_pg_stat_activity(shared: Database) -> None:
    with shared.connect() as connection:
        copy_in(connection, "packed_rows", columns_of([]), rows=0, slice_name="test")
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        fetch_columns(connection, sql.SQL("SELECT 1"), [], [Kind.INT4], slice_name="test")
        with shared.connect() as other:
            query = text("SELECT query FROM pg_stat_activity WHERE pid = :process")
            assert other.execute(query, {"process": process}).scalar_one().startswith("/* ironforge test */ SELECT")


def test_a_small_query_takes_no_workers_where_any_would(shared: Database) -> None:
    # So set, the server does everything in a worker that may be done there, and a function of ours may.
    query = sql.SQL("SELECT pg_temp.process()")
    with shared.connect() as connection, driver(connection) as speaking:
        name = "debug_parallel_query" if speaking.info.server_version >= 160_000 else "force_parallel_mode"
        speaking.execute(
            "CREATE FUNCTION pg_temp.process() RETURNS int PARALLEL SAFE LANGUAGE plpgsql"
            " AS 'BEGIN RETURN pg_backend_pid(); END'"
        )
        speaking.execute(sql.SQL("SET LOCAL {} = on").format(sql.Identifier(name)))
        found = [
            fetch_columns(connection, query, [], [Kind.INT4], slice_name="test", without_workers=alone)[0].tolist()
            for alone in (False, True)
        ]
        assert found[0] != found[1] == [speaking.info.backend_pid]


def test_errors_of_the_driver_reach_the_caller_as_they_are(shared: Database) -> None:
    with shared.connect() as connection, pytest.raises(psycopg.errors.UndefinedTable):
        copy_in(connection, "not_there", [CopyColumn("id", Kind.INT8, 1)], rows=1, slice_name="test")


@pytest.mark.parametrize("at_once", [1, 3, 7, 8, 1_000])
def test_columns_that_are_streamed_are_those_that_are_fetched_piece_by_piece(shared: Database, at_once: int) -> None:
    query = (
        "SELECT number::smallint, number * 7, number * 5000000000, number / 3.0::float8,"
        " '1999-12-31 23:59:59.5+00'::timestamptz + number * interval '1 s' FROM generate_series(1, 7) AS number"
    )
    wanted = fetched(shared, query, EVERY_KIND)
    with shared.connect() as connection:
        pieces = list(streamed_columns(connection, sql.SQL(query), EVERY_KIND, rows_at_once=at_once, slice_name="test"))
        none = streamed_columns(
            connection, sql.SQL("SELECT 1 WHERE FALSE"), [Kind.INT4], rows_at_once=at_once, slice_name="test"
        )
        assert list(none) == []
    assert max(len(piece[0]) for piece in pieces) <= at_once
    for place, column in enumerate(wanted):
        assert np.concatenate([piece[place] for piece in pieces]).tolist() == column.tolist()


@pytest.mark.parametrize("values", ["(1), (NULL), (3)", "(NULL::int)", "(1::bigint), (2)"])
def test_a_streamed_column_that_holds_nulls_or_another_type_is_refused(shared: Database, values: str) -> None:
    query = sql.SQL(f"SELECT * FROM (VALUES {values}) AS given (number)")  # pyright: ignore[reportArgumentType] - a test's own text
    with shared.connect() as connection, pytest.raises(psycopg.DataError):
        list(streamed_columns(connection, query, [Kind.INT4], rows_at_once=2, slice_name="test"))


@settings(max_examples=20)
@given(
    prices=st.lists(st.floats(0, 1e9, allow_subnormal=False), min_size=1, max_size=30),
    random=st.randoms(use_true_random=False),
)
def test_prices_have_one_sum_in_whatever_order_they_are_added_up(
    shared: Database, prices: list[float], random: Random
) -> None:
    query = sql.SQL("SELECT {total} FROM unnest(%s::float8[]) AS given (price)").format(total=exact_sum("price"))
    mixed = random.sample(prices, len(prices))
    with shared.connect() as connection:
        found = [fetch_columns(connection, query, [one], [Kind.FLOAT8], slice_name="x")[0] for one in (prices, mixed)]
    assert found[0] == found[1]
    assert math.isclose(found[0][0], math.fsum(prices), rel_tol=1e-12, abs_tol=1e-9)
