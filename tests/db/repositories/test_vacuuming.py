"""Which tables want vacuuming is told by counts, each at its very edge; and vacuuming has its time and no more."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import vacuuming
from ironforge_cli.db.repositories.vacuuming import Untidy
from ironforge_cli.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.repositories.vacuuming import VacuumedTable

LIMIT = "SELECT current_setting('statement_timeout')"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database: Database) -> Generator[Connection]:
    """A connection that commits by itself: what a transaction does is counted when it ends."""
    with database.connect(autocommit=True) as opened:
        yield opened


def run(connection: Connection, *statements: str) -> None:
    """Run statements, of which the server counts the rows at once."""
    for statement in statements:
        connection.exec_driver_sql(statement)
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")


def filled(table: str, first: int, last: int) -> str:
    at = "TIMESTAMPTZ '2026-01-01Z' + n * interval '1 s'"
    return f"INSERT INTO {table} SELECT {at}, 1 FROM generate_series({first}, {last}) AS n"


def told(connection: Connection) -> list[VacuumedTable]:
    last = vacuuming.last_vacuums(connection)
    assert last is not None
    return list(last)


def wanting(connection: Connection) -> dict[str, tuple[int, int]]:
    """The tables that want it, by both questions, which agree."""
    needed = {one.name: (one.rows, one.dead) for one in vacuuming.needed(connection)}
    assert {one.name: (one.rows, one.dead) for one in told(connection) if one.is_wanted} == needed
    return needed


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuuming, "_LARGER", 1)


@pytest.mark.usefixtures("both")
def test_a_table_wants_it_from_the_first_row_beyond_what_is_left(connection: Connection) -> None:
    prices = "eu_token_price"
    run(connection, *(f"ALTER TABLE {one}_token_price SET (autovacuum_enabled = false)" for one in ("eu", "us")))
    # Changed since it was analyzed: a thousand, and a tenth of what is there.
    run(connection, filled(prices, 1, 1_111), filled("us_token_price", 1, 1_112))
    assert wanting(connection) == {"us_token_price": (1_112, 0)}
    # Written since it was vacuumed: a thousand and a fifth.
    run(connection, f"ANALYZE {prices}", filled(prices, 1_112, 1_250))
    assert set(wanting(connection)) == {"us_token_price"}
    run(connection, filled(prices, 1_251, 1_251))
    # What there is most to do of comes first.
    assert vacuuming.needed(connection) == [Untidy(prices, 1_251, 0), Untidy("us_token_price", 1_112, 0)]
    vacuuming.vacuum(connection, prices, limit=MINUTE)
    vacuuming.vacuum(connection, "us_token_price", limit=MINUTE)
    assert wanting(connection) == {}
    # Dead: as much.
    oldest = f"DELETE FROM {prices} WHERE timestamp IN (SELECT timestamp FROM {prices} ORDER BY 1 LIMIT {{}})"
    run(connection, filled(prices, 1_252, 1_252), oldest.format(1_042), f"ANALYZE {prices}")
    assert wanting(connection) == {}
    run(connection, oldest.format(1))
    assert wanting(connection) == {prices: (209, 1_043)}


@pytest.mark.usefixtures("both")
def test_tables_of_others_and_days_that_leave_whole_want_none(connection: Connection) -> None:
    theirs = ("elsewhere.eu_token_price", "eu_token_price_2026_1", "eur_token_price", "xeu_token_price", "generated")
    ours = ("eu_token_price_2026_01", "us_commodity_price_days_before", "eu_commodity_price_stats_2026_02")
    run(connection, "CREATE SCHEMA elsewhere")
    for table in (*theirs, *ours, "auction_snapshots_eu_2026_01_01"):
        run(connection, f"CREATE TABLE {table} AS SELECT n FROM generate_series(1, 1200) n")
    assert list(wanting(connection)) == sorted(ours)
    # Nor does what belongs to a role that this one can't act for.
    run(connection, "CREATE ROLE keeps_a_table", "CREATE ROLE acts", f"ALTER TABLE {ours[0]} OWNER TO keeps_a_table")
    try:
        run(connection, f"ALTER TABLE {ours[1]} OWNER TO acts", "SET ROLE acts")
        assert [one.name for one in vacuuming.needed(connection)] == [ours[1]]
    finally:
        run(connection, "RESET ROLE", "DROP OWNED BY acts, keeps_a_table", "DROP ROLE acts, keeps_a_table")


def test_tables_are_told_with_their_times_from_a_size_on(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuuming, "_LARGER", 5)
    assert told(connection) == []
    stored = [datetime(2026, 1, day, tzinfo=UTC) for day in (3, 2, 4)]
    for at in stored:
        connection.execute(
            text(
                "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source,"
                " estimator_version, stored_at) VALUES ('eu', :at, 1, 1, 1, 'x', 'live', 1, :at)"
            ),
            {"at": at},
        )
    run(connection, filled("eu_token_price", 1, 4), filled("us_token_price", 1, 5), "ANALYZE us_token_price")
    (only,) = told(connection)
    assert (only.name, only.rows, only.dead, only.is_wanted) == ("us_token_price", 5, 0, False)
    assert (only.vacuumed_at, only.stored_since) == (None, stored[1])
    assert only.analyzed_at is not None
    run(connection, "VACUUM us_token_price")
    (only,) = told(connection)
    assert only.vacuumed_at is not None
    assert only.analyzed_at is not None
    assert only.vacuumed_at > only.analyzed_at


@pytest.mark.parametrize(
    ("limit", "set_to"),
    [(timedelta(milliseconds=1_500), "1500ms"), (timedelta(0), "1ms"), (-MINUTE, "1ms"), (MINUTE, "1min")],
)
def test_vacuuming_has_its_time_and_leaves_no_limit_behind(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, limit: timedelta, set_to: str
) -> None:
    seen: list[Any] = []

    class Speaking:
        def execute(self, statement: Any) -> None:
            seen.extend((connection.exec_driver_sql(LIMIT).scalar_one(), statement.as_string()))
            raise psycopg.errors.QueryCanceled

    @contextmanager
    def driver(given: Connection) -> Generator[Speaking]:
        assert given is connection
        yield Speaking()

    monkeypatch.setattr(vacuuming, "driver", driver)
    with pytest.raises(BusyError, match="Vacuuming snapshots took longer than there was time"):
        vacuuming.vacuum(connection, "snapshots", limit=limit)
    assert seen == [set_to, '/* ironforge vacuum */ VACUUM (ANALYZE, SKIP_LOCKED) "snapshots"']
    assert connection.exec_driver_sql(LIMIT).scalar_one() == "0"


def test_behind_a_pooler_no_limit_is_set_and_none_taken_away(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(connection, "SET statement_timeout = '7s'")
    monkeypatch.setattr(vacuuming, "session_of", lambda _: SimpleNamespace(is_pooled=True))  # pyright: ignore[reportUnknownArgumentType,reportUnknownLambdaType] - any connection
    vacuuming.vacuum(connection, "snapshots", limit=MINUTE)
    assert connection.exec_driver_sql(LIMIT).scalar_one() == "7s"


def test_a_session_that_is_lost_while_vacuuming_is_not_asked_for_more(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def driver(_: Connection) -> Generator[None]:
        connection.invalidate()
        raise psycopg.OperationalError("lost")
        yield

    monkeypatch.setattr(vacuuming, "driver", driver)
    with pytest.raises(psycopg.OperationalError, match="lost"):
        vacuuming.vacuum(connection, "snapshots", limit=MINUTE)
    assert connection.invalidated


def test_a_table_that_somebody_has_locked_is_left(database: Database, connection: Connection) -> None:
    with database.connect() as other:
        other.exec_driver_sql("LOCK TABLE us_token_price")
        vacuuming.vacuum(connection, "us_token_price", limit=MINUTE)
    vacuumed = "SELECT last_vacuum IS NULL FROM pg_stat_user_tables WHERE relname = 'us_token_price'"
    assert connection.exec_driver_sql(vacuumed).scalar_one()
