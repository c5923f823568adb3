"""What looking after partitions does step by step, what it leaves where one is refused, and what it writes of that."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import ArchiveError, BusyError, ConfigurationError, ExitStatus
from ironforge_cli.jobs.days import maintain as job
from ironforge_cli.jobs.days import one_day as by_day
from ironforge_cli.jobs.days.housekeeping import StepOutcome
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.jobs.day_tables import (
    EU,
    KEPT,
    PARENT,
    TODAY,
    ago,
    execute,
    found,
    held,
    hold,
    log_row,
    log_rows,
    maintain,
    register,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

BENCHMARK = "SELECT status, record_count, error_message, extra_data->'steps' FROM benchmarks ORDER BY id DESC LIMIT 1"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for locks as long as a test may."""
    monkeypatch.setattr(partitions, "LOCK_PATIENCE", timedelta(milliseconds=50))


@dataclass
class Watching:
    """An archive that takes every day, and looks at the day's table while it is asked."""

    database: Database
    refuses: bool = False
    seen: list[tuple[str, date, str]] = field(default_factory=list["tuple[str, date, str]"])

    def keep(self, database: Database, partition: DailyPartition) -> int:
        assert database is self.database
        self.seen.append(("keep", partition.day, held(self.database)[partition.name]))
        return 7

    def require_kept(self, connection: Connection, partition: DailyPartition) -> None:
        # Whoever got at it now could store something that nobody compares any more.
        with pytest.raises(BusyError):
            self._touch(partition)
        comment = connection.execute(text(f"SELECT obj_description('{partition.name}'::regclass)")).scalar_one()
        self.seen.append(("require_kept", partition.day, str(comment).rpartition(", ")[2]))
        if self.refuses:
            raise ArchiveError("It does not hold the day.")

    def _touch(self, partition: DailyPartition) -> None:
        with self.database.transaction() as other:
            partitions.limit_waiting(other)
            partitions.mark(other, partition, partitions.Mark.MADE)


@contextmanager
def reading(database: Database) -> Generator[Connection]:
    """Somebody reads the whole table, as long as the block lasts."""
    with database.connect() as reader:
        reader.execute(text(f"SELECT count(*) FROM {PARENT}"))
        yield reader


# The order of the steps


def test_a_day_is_archived_while_it_is_attached_and_compared_when_nobody_else_gets_at_it(
    storage: Storage, clock: TickingClock
) -> None:
    hold(storage.database, 41, 40)
    archive = Watching(storage.database)
    maintained = maintain(storage, clock, replace(KEPT, archive=archive))
    assert archive.seen == [
        seen
        for day in (41, 40)
        for seen in (("keep", ago(day).day, "attached"), ("require_kept", ago(day).day, "leaving"))
    ]
    assert [(result.action, result.rows) for result in maintained.results if result.day == ago(40).day] == [
        ("archive", 7),
        ("detach", None),
        ("drop", None),
    ]
    assert found(storage.database, BENCHMARK) == [
        ("success", 14, None, {"create": 2, "archive": 2, "detach": 2, "drop": 2})
    ]


def test_dropping_a_day_by_its_date_takes_the_same_steps(storage: Storage, clock: TickingClock) -> None:
    hold(storage.database, 2, 1)
    archive = Watching(storage.database)
    by_day.drop(EU, ago(2).day, storage=storage, archive=archive, clock=clock)
    assert archive.seen == [("keep", ago(2).day, "attached"), ("require_kept", ago(2).day, "leaving")]
    assert held(storage.database) == {ago(1).name: "attached"}


@pytest.mark.parametrize("by_date", [False, True])
def test_a_day_that_is_not_found_in_the_archive_at_the_last_moment_stays(
    storage: Storage, clock: TickingClock, *, by_date: bool
) -> None:
    hold(storage.database, 40)
    archive = Watching(storage.database, refuses=True)
    if by_date:
        status = by_day.drop(EU, ago(40).day, storage=storage, archive=archive, clock=clock).status
    else:
        status = maintain(storage, clock, replace(KEPT, ahead=0, archive=archive)).results[-1].status
    assert status is ExitStatus.CONFIGURATION
    assert found(storage.database, f"SELECT count(*) FROM {ago(40).name}") == [(1,)]
    # A later run goes on with it.
    archive.refuses = False
    assert maintain(storage, clock, replace(KEPT, archive=archive)).status is ExitStatus.DONE
    assert ago(40).name not in held(storage.database)


# Plans


def test_the_plan_of_every_region_is_shown_with_what_is_in_the_way_and_written_nowhere(
    storage: Storage, clock: TickingClock
) -> None:
    hold(storage.database, 40)
    us = DailyPartition(Region.US, TODAY)
    execute(
        storage.database,
        f"CREATE TABLE {us.name} (LIKE {PARENT} INCLUDING ALL)",
        log_row(TODAY - timedelta(days=500)),
        log_row(TODAY - timedelta(days=500)),
    )
    shown = job.maintain(
        DEFAULT_REGIONS,
        storage=storage,
        housekeeping=replace(KEPT, ahead=0, archive=Watching(storage.database)),
        clock=clock,
        dry_run=True,
    )
    assert told(shown) == [
        ("create", ago(0).name, "planned"),
        ("archive", ago(40).name, "planned"),
        ("detach", ago(40).name, "planned"),
        ("drop", ago(40).name, "planned"),
        ("report", None, "failed"),
        ("prune", "scraper_logs", "planned"),
    ]
    assert [(result.region, result.day, result.rows) for result in shown.results[3:]] == [
        (Region.EU, ago(40).day, None),
        (Region.US, None, None),
        (None, None, 2),
    ]
    assert (shown.results[3].bytes or 0) > 0
    assert shown.status is ExitStatus.PARTIAL
    assert found(storage.database, "SELECT count(*) FROM scraper_logs") == [(2,)]
    assert found(storage.database, "SELECT count(*) FROM benchmarks") == [(0,)]


def test_only_what_is_spooled_for_a_region_and_has_a_time_makes_its_days(storage: Storage, clock: TickingClock) -> None:
    east = timezone(timedelta(hours=13))
    for region, moment in (
        # By UTC the day before.
        (Region.EU, datetime.combine(ago(1).day, datetime.min.time(), tzinfo=east)),
        (Region.US, datetime.combine(ago(5).day, datetime.min.time(), tzinfo=UTC)),
        (Region.EU, None),
    ):
        storage.shelves.spool.keep(
            f"{moment}".encode(), region=region, snapshot_time=moment, headers={}, received_at=clock.now(), reason="x"
        )
    maintained = maintain(storage, clock, replace(KEPT, ahead=0))
    assert [result.day for result in maintained.results] == [ago(number).day for number in (2, 1, 0)]


# What is refused


def test_what_was_not_done_is_told_in_the_rows_of_the_run_and_of_its_region(
    storage: Storage, clock: TickingClock
) -> None:
    hold(storage.database, 40)
    with reading(storage.database):
        maintained = job.maintain(DEFAULT_REGIONS, storage=storage, housekeeping=KEPT, clock=clock)
    (undone,) = [result for result in maintained.results if result.outcome is StepOutcome.POSTPONED]
    assert (undone.region, undone.status) == (Region.EU, ExitStatus.DATABASE)
    said = f"detach {ago(40).name} was postponed: {undone.message}"
    assert "The next run goes on." in said
    # The row tells of nothing twice: what was blocked rests on what was not done.
    assert found(storage.database, "SELECT region, status, error_message FROM scraper_logs ORDER BY id") == [
        ("eu", "failed", said),
        ("us", "success", None),
        (None, "no_change", None),
    ]
    assert found(storage.database, BENCHMARK) == [
        ("partial", 0, said, {"create": 4, "detach": 0, "drop": 0}),
    ]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_schema_that_is_none_of_this_programs_is_left_alone(
    storage: Storage, clock: TickingClock, *, dry_run: bool
) -> None:
    hold(storage.database, 40)
    execute(storage.database, "UPDATE alembic_version SET version_num = 'unheard_of'")
    with pytest.raises(ConfigurationError):
        maintain(storage, clock, dry_run=dry_run)
    assert found(storage.database, f"SELECT count(*) FROM {PARENT}") == [(1,)]
    assert log_rows(storage.database) == ([] if dry_run else [("partitions maintain", None, "failed")])


def test_a_region_that_can_not_be_looked_at_hinders_no_other(storage: Storage, clock: TickingClock) -> None:
    execute(storage.database, f"ALTER TABLE {PARENT} RENAME TO away")
    maintained = job.maintain(DEFAULT_REGIONS, storage=storage, housekeeping=replace(KEPT, ahead=0), clock=clock)
    assert told(maintained) == [
        ("plan", None, "failed"),
        ("create", DailyPartition(Region.US, TODAY).name, "done"),
    ]
    assert (maintained.results[0].region, maintained.results[0].status) == (Region.EU, ExitStatus.CONFIGURATION)
    assert PARENT in (maintained.results[0].message or "")
    assert maintained.status is ExitStatus.PARTIAL
    assert [status for *_, status in log_rows(storage.database)] == ["failed", "success", "no_change"]


# Patience


def test_a_lock_is_waited_for_three_times_and_not_again_for_steps_of_the_kind(
    storage: Storage, clock: TickingClock
) -> None:
    hold(storage.database, 0)
    execute(storage.database, f"ALTER TABLE {PARENT} DETACH PARTITION {ago(0).name}")
    with storage.database.connect() as holder:
        holder.execute(text(f"LOCK TABLE {PARENT} IN SHARE UPDATE EXCLUSIVE MODE"))
        maintained = maintain(storage, clock)
        assert told(maintained) == [
            ("attach", ago(0).name, "postponed"),
            ("create", ago(-1).name, "postponed"),
        ]
    assert clock.slept == [1.0, 1.0]
    assert maintain(storage, clock).status is ExitStatus.DONE


def test_where_a_detaching_can_not_be_finished_no_other_is_tried(storage: Storage, clock: TickingClock) -> None:
    hold(storage.database, 41, 40)
    with reading(storage.database):
        maintain(storage, clock)
        clock.slept.clear()
        maintained = maintain(storage, clock)
    assert told(maintained) == [
        ("finish", ago(41).name, "postponed"),
        ("drop", ago(41).name, "blocked"),
        ("detach", ago(40).name, "postponed"),
        ("drop", ago(40).name, "blocked"),
    ]
    assert clock.slept == [1.0, 1.0]


def test_a_detaching_that_was_cut_off_is_finished_by_the_next_try_of_the_same_run(
    storage: Storage, clock: TickingClock
) -> None:
    hold(storage.database, 40)
    with ExitStack() as stack:
        reader = stack.enter_context(reading(storage.database))

        class Releasing(type(clock)):
            def sleep(self, seconds: float) -> None:
                assert held(storage.database)[ago(40).name] == "detaching"
                reader.rollback()
                super().sleep(seconds)

        patient = Releasing(clock.now())
        maintained = maintain(storage, patient, replace(KEPT, ahead=0))
    assert told(maintained)[1:] == [("detach", ago(40).name, "done"), ("drop", ago(40).name, "done")]
    assert patient.slept == [1.0]


def test_rows_are_told_of_what_was_done_alone(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ironforge_cli.db.repositories.runs.PRUNED_AT_ONCE", 1)
    database = storage.database
    register(database, TODAY)
    execute(database, *[log_row(TODAY - timedelta(days=500 + number)) for number in range(3)])
    with database.connect() as holder:

        class Locking(type(clock)):
            """After one row is gone somebody locks the table."""

            def check(self) -> None:
                if found(database, "SELECT count(*) FROM scraper_logs WHERE command = 'x'") == [(2,)]:
                    holder.execute(text("LOCK TABLE scraper_logs IN SHARE MODE"))

        clock = Locking(clock.now())
        with monkeypatch.context() as patched:
            patched.setattr(job, "prune", _released(holder))
            maintained = maintain(storage, clock, replace(KEPT, ahead=0))
    (failed,) = [result for result in maintained.results if result.action == "prune"]
    assert (failed.outcome, failed.rows, failed.status) == (StepOutcome.FAILED, 1, ExitStatus.DATABASE)
    ((status, records, message, _),) = found(database, BENCHMARK)
    assert (status, records) == ("partial", 0)
    assert str(message).startswith("prune scraper_logs was failed: ")


def _released(holder: Connection) -> Any:
    """Pruning whose results are seen when the lock is given back, so that the run can write its rows."""
    prune = job.prune

    def pruned(*arguments: Any, **options: Any) -> Any:
        results = list(prune(*arguments, **options))
        holder.rollback()
        return results

    return pruned
