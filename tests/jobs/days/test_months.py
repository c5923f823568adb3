from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from sqlalchemy import text

from ironforge_cli.archive.days import ArchivedDays
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.db import schema
from ironforge_cli.db.repositories import statistics_months, vacuuming
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.jobs.days.housekeeping import MonthsKept
from ironforge_cli.market.statistics_months import StatisticsMonth
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.db.catalog import alembic
from tests.jobs.day_tables import EU, KEPT, TODAY, execute, found, maintain, register, told, upkeep
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.repositories.vacuuming import VacuumedTable
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

MONTHS = replace(KEPT, months=MonthsKept())
PARENT = "eu_commodity_price_stats"
LAID = StatisticsMonth(Region.EU, date(2025, 11, 1))
JANUARY, FEBRUARY = (f"{PARENT}_2026_0{number}" for number in (1, 2))
MADE = [("create month", JANUARY, "done"), ("create month", FEBRUARY, "done")]


def write(database: Database, month: str, *, items: int = 3, hours: int = 4) -> None:
    """Store some hours of a month, in the order in which hours come."""
    execute(
        database,
        f"INSERT INTO {PARENT} (timestamp, item_id, num_auctions, total_quantity, market_value, estimated_sales,"
        " sales_low, sales_high) SELECT CAST(:at AS timestamptz) + hour * interval '1 h', item, 1, item * hour,"
        " nullif(hour, 2) / 3.0, hour, 0, 9".replace(":at", f"'{month}-10T00:00Z'")
        + f" FROM generate_series(1, {hours}) AS hour, generate_series({items}, 1, -1) AS item"
        " ORDER BY hour, item DESC",
    )


def rows(database: Database) -> list[tuple[Any, ...]]:
    return found(database, f"SELECT {PARENT}.*::text FROM {PARENT} ORDER BY timestamp, item_id")


def by_place(database: Database, table: str) -> list[int]:
    return [item for (item,) in found(database, f"SELECT item_id FROM {table} ORDER BY ctid")]


def held(database: Database) -> dict[str, bool]:
    with database.connect() as connection:
        return {one.name: one.is_laid for one in statistics_months.held(connection, Region.EU)}


def of_months(maintained: Any) -> list[tuple[str, str | None, str]]:
    return [step for step in told(maintained) if step[1] is not None and step[1].startswith(PARENT)]


@pytest.fixture
def closed(any_storage: Storage) -> Database:
    """Hours of a closed month; US' newest snapshot says that it is closed."""
    with any_storage.database.transaction() as connection:
        make_months(connection, LAID.starts_at, regions=EU)
    write(any_storage.database, "2025-11")
    register(any_storage.database, TODAY, Region.US)
    return any_storage.database


def test_months_are_made_and_a_closed_one_is_laid_by_item(
    any_storage: Storage, closed: Database, clock: TickingClock
) -> None:
    before = rows(closed)
    assert by_place(closed, LAID.name) == [3, 2, 1] * 4
    shown = maintain(any_storage, clock, MONTHS, dry_run=True)
    assert [result.message for result in shown.results if result.table == LAID.name] == [
        "about 1 min for 0 rows; needs 1 MB free meanwhile"
    ]
    assert (held(closed), rows(closed)) == ({LAID.name: False}, before)
    done = maintain(any_storage, clock, MONTHS)
    assert of_months(done) == [*MADE, ("lay by item", LAID.name, "done")]
    assert [step[:2] for step in told(shown)] == [step[:2] for step in told(done)]
    assert by_place(closed, LAID.name) == [1] * 4 + [2] * 4 + [3] * 4
    assert rows(closed) == before
    assert held(closed) == {LAID.name: True, JANUARY: False, FEBRUARY: False}
    assert maintain(any_storage, clock, MONTHS).results == ()
    indexes = found(closed, f"SELECT indexdef FROM pg_indexes WHERE tablename = '{LAID.name}'")
    assert sorted("brin (item_id)" in index for (index,) in indexes) == [False, True]


def test_a_run_that_collects_makes_months_and_lays_none(
    any_storage: Storage, closed: Database, clock: TickingClock
) -> None:
    maintained = upkeep(any_storage, clock, MONTHS)
    assert of_months(maintained) == MADE
    assert held(closed)[LAID.name] is False


def copied(database: Database) -> None:
    with database.transaction() as connection:
        statistics_months.begin_copying(connection, LAID)
    with database.transaction() as connection:
        assert statistics_months.copy_by_item(connection, LAID, out_of=LAID.name) == 12


def test_a_copy_that_was_left_is_taken_and_one_that_is_outdated_is_made_again(
    any_storage: Storage, closed: Database, clock: TickingClock
) -> None:
    copied(closed)
    with closed.transaction() as connection:
        statistics_months.make_room(connection, Region.EU, LAID.starts_at)
        connection.execute(text(f"UPDATE {PARENT} SET num_auctions = 77 WHERE item_id = 2"))
    before = rows(closed)
    (_, _, laid) = [result for result in maintain(any_storage, clock, MONTHS).results if result.table in held(closed)]
    assert (laid.table, laid.rows) == (LAID.name, 12)
    assert rows(closed) == before
    # Laid again by a copy that is whole, nothing is read.
    copied(closed)
    execute(closed, f"COMMENT ON TABLE {LAID.name} IS 'ironforge: EU statistics of 2025-11 (UTC)'")
    (laid,) = maintain(any_storage, clock, MONTHS).results
    assert (laid.table, laid.rows, rows(closed)) == (LAID.name, 0, before)


def test_an_hour_that_is_written_while_a_month_is_copied_is_kept(
    any_storage: Storage, closed: Database, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_by_item = statistics_months.copy_by_item

    def copy_and_write(*given: Any, **options: Any) -> int:
        copied_rows = copy_by_item(*given, **options)
        with closed.transaction() as other:
            statistics_months.make_room(other, Region.EU, LAID.starts_at)
            other.execute(text(f"UPDATE {PARENT} SET num_auctions = 77"))
        return copied_rows

    monkeypatch.setattr(statistics_months, "copy_by_item", copy_and_write)
    maintained = maintain(any_storage, clock, MONTHS)
    assert of_months(maintained)[-1] == ("lay by item", LAID.name, "postponed")
    assert maintained.status is ExitStatus.PARTIAL
    monkeypatch.undo()
    maintain(any_storage, clock, MONTHS)
    assert held(closed)[LAID.name]
    assert found(closed, f"SELECT DISTINCT num_auctions FROM {PARENT}") == [(77,)]


def test_who_reads_for_long_makes_a_month_wait_and_nobody_else(
    any_storage: Storage, closed: Database, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics_months, "LOCK_PATIENCE", statistics_months.LOCK_PATIENCE / 20)
    with closed.connect() as reader:
        reader.execute(text(f"SELECT count(*) FROM {PARENT}"))
        assert of_months(maintain(any_storage, clock, MONTHS))[-1] == ("lay by item", LAID.name, "postponed")
    assert len(rows(closed)) == 12


def test_a_copy_that_differs_changes_nothing(closed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(closed)
    execute(
        closed,
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.num_auctions := NEW.num_auctions + 1; RETURN NEW; END $$",
    )
    run = statistics_months._run  # pyright: ignore[reportPrivateUsage] - where a disk would go wrong

    def spoilt(connection: Any, statement: Any) -> None:
        run(connection, statement)
        if "CREATE TABLE" in statement.as_string():
            connection.execute(
                text(f"CREATE TRIGGER spoil BEFORE INSERT ON {LAID.name}_new FOR EACH ROW EXECUTE FUNCTION spoil()")
            )

    monkeypatch.setattr(statistics_months, "_run", spoilt)
    with closed.transaction() as connection:
        statistics_months.begin_copying(connection, LAID)

    def copy() -> None:
        with closed.transaction() as connection:
            statistics_months.copy_by_item(connection, LAID, out_of=LAID.name)

    with pytest.raises(DatabaseError, match="12 rows that are not the 12"):
        copy()
    assert rows(closed) == before


def test_a_month_past_its_retention_is_dropped_after_it_was_archived(
    any_storage: Storage, closed: Database, clock: TickingClock, tmp_path: Path
) -> None:
    archive = Archive(ArchivedDays(FolderStore(tmp_path / "archive")), now=clock.now)
    kept = replace(KEPT, months=MonthsKept(retention_months=1, archive=archive))
    maintained = maintain(any_storage, clock, kept)
    assert of_months(maintained) == [*MADE, ("drop month", LAID.name, "done")]
    assert [result.rows for result in maintained.results if result.table == LAID.name] == [12]
    assert rows(closed) == []
    assert (tmp_path / "archive/statistics/region=eu/month=2025-11/statistics.parquet").is_file()
    # A late hour of it has a place again.
    with closed.transaction() as connection:
        statistics_months.make_room(connection, Region.EU, LAID.starts_at)
    assert LAID.name in held(closed)


def test_a_month_that_can_not_be_archived_stays(
    any_storage: Storage, closed: Database, clock: TickingClock, tmp_path: Path
) -> None:
    (tmp_path / "archive").touch()
    archive = Archive(ArchivedDays(FolderStore(tmp_path / "archive")), now=clock.now)
    kept = replace(KEPT, months=MonthsKept(retention_months=1, archive=archive))
    maintained = maintain(any_storage, clock, kept)
    assert of_months(maintained)[-1] == ("drop month", LAID.name, "failed")
    assert len(rows(closed)) == 12


def test_what_was_stored_before_there_were_months_is_taken_over_and_split(
    any_storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = any_storage.database
    with alembic(database) as config:
        command.downgrade(config, "20261127_0015")
    for month in ("2025-09", "2025-11"):
        write(database, month)
    execute(database, f"GRANT SELECT ON {PARENT} TO PUBLIC")
    columns = "timestamp, item_id, num_auctions, total_quantity, market_value, estimated_sales"
    query = f"SELECT {columns} FROM {PARENT} ORDER BY timestamp, item_id"
    before = found(database, query)
    schema.upgrade(database)
    table = f"{PARENT}_before"
    assert (found(database, query), held(database)) == (before, {table: False})
    assert found(database, f"SELECT has_table_privilege('pg_monitor', '{PARENT}', 'SELECT')") == [(True,)]
    # It is full when the present month is over.
    clock.turn_to(datetime.now(tz=UTC) + timedelta(days=70))
    register(database, clock.now().date(), Region.US)
    shown = maintain(any_storage, clock, MONTHS, dry_run=True)
    assert ("split into months", table, "planned") in told(shown)

    def interrupted(*_: Any, **__: Any) -> None:
        raise DatabaseError("The server went away.")

    copy_by_item = statistics_months.copy_by_item

    def copy_the_first(connection: Any, month: StatisticsMonth, *, out_of: str) -> int:
        return interrupted() or 0 if month == LAID else copy_by_item(connection, month, out_of=out_of)

    monkeypatch.setattr(statistics_months, "copy_by_item", copy_the_first)
    assert ("split into months", table, "failed") in told(maintain(any_storage, clock, MONTHS))
    monkeypatch.undo()
    monkeypatch.setattr(statistics_months, "put_in_place", interrupted)
    assert ("split into months", table, "failed") in told(maintain(any_storage, clock, MONTHS))
    assert found(database, query) == before
    monkeypatch.undo()
    split = [one for one in maintain(any_storage, clock, MONTHS).results if one.table == table]
    # What was copied before is not copied again.
    assert [(one.outcome, one.rows) for one in split] == [("done", 0)]
    assert found(database, query) == before
    assert [name for name, laid in held(database).items() if laid] == [f"{PARENT}_2025_09", LAID.name]
    assert table not in held(database)


def test_a_month_stays_until_its_days_are_made(any_storage: Storage, closed: Database, clock: TickingClock) -> None:
    for hour in range(1, 5):
        execute(
            closed,
            "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, estimator_version)"
            f" VALUES ('eu', '2025-11-10T0{hour}:00Z', 1, 1, 1, 'x', 'live', 1)",
        )
    register(closed, TODAY)
    kept = replace(KEPT, months=MonthsKept(retention_months=1))
    execute(closed, "ALTER TABLE eu_commodity_price_days ADD CONSTRAINT none CHECK (item_id < 0)")
    maintained = maintain(any_storage, clock, kept)
    assert ("make day", "failed") in [(result.action, result.outcome) for result in maintained.results]
    assert of_months(maintained)[-1] == ("drop month", LAID.name, "postponed")
    execute(closed, "ALTER TABLE eu_commodity_price_days DROP CONSTRAINT none")
    assert of_months(maintain(any_storage, clock, kept))[-1] == ("drop month", LAID.name, "done")
    assert found(closed, "SELECT DISTINCT day::text, snapshots FROM eu_commodity_price_days") == [("2025-11-10", 4)]


def test_what_was_written_in_bulk_is_vacuumed_and_analyzed_and_that_is_told(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = storage.database
    with database.transaction() as connection:
        make_months(connection, LAID.following.starts_at, regions=EU)
    write(database, "2025-12", items=300, hours=5)
    with database.connect(autocommit=True) as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.execute(text("SELECT 1"))
    shown = maintain(storage, clock, MONTHS, dry_run=True)
    table = LAID.following.name
    monkeypatch.setattr(vacuuming, "_LARGER", 1_000)

    def last() -> VacuumedTable:
        with database.connect() as connection:
            found = vacuuming.last_vacuums(connection)
        assert found is not None
        (only,) = [one for one in found if one.name == table]
        return only

    assert (last().rows, last().vacuumed_at, last().analyzed_at, last().is_wanted) == (1500, None, None, True)
    assert ("vacuum", table, "planned") in told(shown)
    assert ("vacuum", table, "done") in told(maintain(storage, clock, MONTHS))
    with database.connect(autocommit=True) as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    vacuumed = last()
    assert None not in {vacuumed.vacuumed_at, vacuumed.analyzed_at}
    assert not vacuumed.is_wanted
    assert found(database, f"SELECT reltuples::int, relallvisible > 0 FROM pg_class WHERE relname = '{table}'") == [
        (1500, True)
    ]
    assert [action for action, *_ in told(maintain(storage, clock, MONTHS))] == []
