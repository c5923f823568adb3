from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from ironforge_cli.db.models import BENCHMARKS, SCRAPER_LOGS
from ironforge_cli.db.repositories import runs
from ironforge_cli.db.repositories.runs import BenchmarkRow, LogRow
from ironforge_cli.errors import DatabaseError
from ironforge_cli.regions import Region
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from ironforge_cli.db.engine import Database

NOON = datetime(2024, 1, 15, 12, 0, 0, 123_456, tzinfo=UTC)
HOUR = timedelta(hours=1)
BEGUN = LogRow(
    command="collect",
    region=Region.EU,
    timestamp=NOON,
    status="running",
    last_modified=None,
    error_message=None,
    poll_attempts=3,
)
FINISHED = replace(BEGUN, status="rejected", last_modified=NOON - HOUR, error_message="Blizzard's answer was cut.")
BENCHMARK = BenchmarkRow(
    operation_type="command",
    operation_name="collect",
    region=None,
    start_time=NOON,
    end_time=NOON + HOUR,
    duration_seconds=3_600.5,
    record_count=2**40,
    status="partial",
    error_message="EU: …",
    extra_data={"steps": {"store": 0.25}, "regions": ["eu"]},
)


def logs(database: Database) -> list[LogRow]:
    query = text(
        "SELECT command, region, timestamp, status, last_modified, error_message, poll_attempts, id"
        " FROM scraper_logs ORDER BY id"
    )
    with database.connect() as connection:
        return [LogRow(*row) for row in connection.execute(query)]


def start(database: Database, row: LogRow) -> int:
    with database.transaction() as connection:
        return runs.start(connection, row)


def add(database: Database, *rows: LogRow) -> None:
    with database.transaction() as connection:
        for row in rows:
            runs.add_log(connection, row)


def test_an_attempt_is_running_until_its_row_is_finished(any_database: Database) -> None:
    number = start(any_database, BEGUN)
    assert logs(any_database) == [replace(BEGUN, id=number)]
    finished = replace(FINISHED, id=number)
    add(any_database, finished)
    assert logs(any_database) == [finished]


def test_attempts_of_both_regions_and_of_none_are_told_apart(any_database: Database) -> None:
    begun = [replace(BEGUN, region=region) for region in (Region.EU, Region.US, None)]
    numbers = [start(any_database, row) for row in begun]
    finished = [replace(FINISHED, region=row.region, id=number) for row, number in zip(begun, numbers, strict=True)]
    add(any_database, *reversed(finished))
    assert logs(any_database) == finished


@pytest.mark.parametrize("region", [Region.US, None])
def test_a_row_whose_beginning_could_not_be_written_is_written_whole_and_once(
    any_database: Database, region: Region | None
) -> None:
    late = replace(FINISHED, region=region)
    add(any_database, late, late)
    (stored,) = logs(any_database)
    assert replace(stored, id=None) == late
    add(any_database, replace(late, timestamp=NOON + HOUR), replace(late, command="poll"))
    assert len(logs(any_database)) == 3


def test_a_row_of_a_database_that_was_made_anew_does_not_overwrite_another(any_database: Database) -> None:
    number = start(any_database, replace(BEGUN, region=Region.US))
    add(any_database, replace(FINISHED, id=number))
    assert [(row.region, row.status) for row in logs(any_database)] == [("us", "running"), ("eu", "rejected")]


def test_a_message_that_postgresql_can_not_hold_does_not_cost_the_row(any_database: Database) -> None:
    odd = "of \udcff\x00, 鉱石"
    with any_database.transaction() as connection:
        runs.add_log(connection, replace(FINISHED, error_message=odd))
        runs.add_benchmark(connection, replace(BENCHMARK, error_message=odd))
    assert [row.error_message for row in logs(any_database)] == [r"of \udcff\x00, 鉱石"]
    with any_database.connect() as connection:
        assert connection.execute(text("SELECT error_message FROM benchmarks")).scalar_one() == r"of \udcff\x00, 鉱石"


def test_a_status_that_is_not_published_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseError, match="ck_scraper_logs_status"):
        add(database, replace(FINISHED, status="splendid"))


def newest_repeated_time(database: Database) -> datetime | None:
    with database.connect() as connection:
        return runs.newest_repeated_time(connection, Region.EU, since=NOON)


def test_the_newest_repeated_time_is_that_of_this_region_since_then(any_database: Database) -> None:
    repeated = replace(BEGUN, status="no_change", last_modified=NOON + HOUR)
    others: list[dict[str, Any]] = [
        {"region": Region.US},
        {"status": "success"},
        {"status": "rejected"},
        {"last_modified": None},
        {"last_modified": NOON},
        {"timestamp": NOON - timedelta(days=2)},
    ]
    for hour, other in enumerate(others):
        differs: dict[str, Any] = {"timestamp": NOON + hour * HOUR, "last_modified": NOON + 9 * HOUR} | other
        add(any_database, replace(repeated, **differs))
    assert newest_repeated_time(any_database) is None
    # The clock of this machine may be slow, by a day at most.
    add(any_database, replace(repeated, timestamp=NOON - 24 * HOUR))
    assert newest_repeated_time(any_database) == NOON + HOUR
    add(any_database, replace(repeated, timestamp=NOON - HOUR, last_modified=NOON + 2 * HOUR))
    assert newest_repeated_time(any_database) == NOON + 2 * HOUR


def test_a_benchmark_is_stored_as_it_is_and_found_by_its_start(any_database: Database) -> None:
    with any_database.transaction() as connection:
        assert not runs.has_benchmark(connection, BENCHMARK)
        runs.add_benchmark(connection, BENCHMARK)
        runs.add_benchmark(connection, replace(BENCHMARK, operation_type="snapshot", region=Region.EU))
        assert runs.has_benchmark(connection, BENCHMARK)
        assert runs.has_benchmark(connection, replace(BENCHMARK, operation_type="snapshot", region=Region.EU))
        for other in (
            replace(BENCHMARK, region=Region.EU),
            replace(BENCHMARK, operation_name="poll"),
            replace(BENCHMARK, start_time=NOON + HOUR),
        ):
            assert not runs.has_benchmark(connection, other)
        query = text(
            "SELECT operation_type, operation_name, region, start_time, end_time, duration_seconds, record_count,"
            " status, error_message, extra_data FROM benchmarks WHERE operation_type = 'command'"
        )
        assert BenchmarkRow(*connection.execute(query).one()) == BENCHMARK


TABLES = pytest.mark.parametrize("table", [SCRAPER_LOGS, BENCHMARKS], ids=lambda table: table.name)


def begun_at(connection: Connection, table: Table, *moments: datetime) -> None:
    """Write rows that began at some times, in that order."""
    for moment in moments:
        if table is SCRAPER_LOGS:
            runs.add_log(connection, replace(FINISHED, timestamp=moment))
        else:
            runs.add_benchmark(connection, replace(BENCHMARK, start_time=moment, end_time=NOON + 99 * HOUR))


def held(connection: Connection, table: Table) -> list[datetime]:
    column = table.c.timestamp if table is SCRAPER_LOGS else table.c.start_time
    return list(connection.execute(select(column).order_by(table.c.id)).scalars())


@TABLES
def test_rows_before_a_time_are_pruned_some_at_once_the_oldest_first(
    shared: Database, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    monkeypatch.setattr(runs, "PRUNED_AT_ONCE", 2)
    with shared.connect() as connection:
        assert runs.oldest(connection, table) is None
        begun_at(connection, table, *(NOON + hour * HOUR for hour in range(5)))
        assert runs.oldest(connection, table) == NOON
        before = NOON + 3 * HOUR
        assert runs.count_before(connection, table, before) == 3
        assert runs.prune(connection, table, before=before) == 2
        assert held(connection, table) == [NOON + hour * HOUR for hour in (2, 3, 4)]
        assert runs.prune(connection, table, before=before) == 1
        assert runs.prune(connection, table, before=before) == 0
        assert held(connection, table) == [NOON + hour * HOUR for hour in (3, 4)]
        assert runs.oldest(connection, table) == NOON + 3 * HOUR


def test_ids_are_drawn_once_and_kept_by_the_row(shared: Database) -> None:
    with shared.connect() as connection:
        one, two = runs.next_log_id(connection), runs.next_log_id(connection)
        assert one < two
        assert runs.start(connection, replace(BEGUN, id=one)) == one
        assert runs.start(connection, BEGUN) > two


def test_receptions_that_repeat_are_those_of_that_time_and_region_whose_message_begins_so(shared: Database) -> None:
    message = "100% of it_ repeats"
    repeated = replace(BEGUN, status="no_change", last_modified=NOON, error_message=f"{message}: nothing was stored.")
    others: list[dict[str, Any]] = [
        {"region": Region.US},
        {"status": "rejected"},
        {"last_modified": NOON + HOUR},
        {"last_modified": None},
        {"error_message": None},
        {"error_message": f"It said: {message}"},
        # What stands for any letters elsewhere stands for itself here.
        {"error_message": "100 parts of it_ repeats"},
        {"error_message": "100% of its repeats"},
    ]
    with shared.connect() as connection:
        for hour, other in enumerate(others):
            runs.add_log(connection, replace(repeated, timestamp=NOON + hour * HOUR, **other))
        assert runs.received_repetitions(connection, Region.EU, time=NOON, beginning=message) == []
        for hour in (20, 21):
            runs.add_log(connection, replace(repeated, timestamp=NOON + hour * HOUR))
        runs.add_log(connection, replace(repeated, timestamp=NOON + 22 * HOUR, error_message=message))
        found = runs.received_repetitions(connection, Region.EU, time=NOON, beginning=message)
    assert sorted(found) == [NOON + hour * HOUR for hour in (20, 21, 22)]
