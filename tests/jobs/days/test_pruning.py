from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db.models import BENCHMARKS, SCRAPER_LOGS
from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import ExitStatus, InterruptedRunError
from ironforge_cli.jobs.days.housekeeping import StepOutcome
from ironforge_cli.jobs.days.pruning import Pruning, is_due, prune, prunings
from tests.jobs.day_tables import benchmark, execute, found, log_row

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database
    from tests.clocks import TickingClock

NOW = datetime(2026, 1, 14, 12, 30, tzinfo=UTC)
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
BEFORE = NOW - 10 * DAY


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for locks as long as a test may."""
    monkeypatch.setattr(partitions, "LOCK_PATIENCE", timedelta(milliseconds=50))


def counts(database: Database) -> list[tuple[Any, ...]]:
    return found(database, "SELECT (SELECT count(*) FROM scraper_logs), (SELECT count(*) FROM benchmarks)")


@pytest.mark.parametrize("row", [log_row, benchmark])
def test_rows_go_once_one_of_them_is_a_whole_day_older_than_it_may_be(database: Database, row: Any) -> None:
    def due() -> bool:
        with database.connect() as connection:
            return is_due(connection, retention_days=10, now=NOW)

    assert not due()
    # Rows are numbered as they come: the first is the oldest.
    execute(database, row(BEFORE - DAY), row(BEFORE - 3 * DAY))
    assert not due()
    execute(database, "TRUNCATE scraper_logs, benchmarks", row(BEFORE - DAY - INSTANT), row(NOW))
    assert due()


def test_where_no_time_is_trusted_nothing_is_old(database: Database) -> None:
    execute(database, log_row(NOW - 4_000 * DAY))
    with database.connect() as connection:
        assert not is_due(connection, retention_days=10, now=None)
        assert prunings(connection, retention_days=10, now=None) == []


def test_a_row_goes_when_it_is_older_than_the_setting_and_not_before(database: Database, clock: TickingClock) -> None:
    for row in (log_row, benchmark):
        execute(database, row(BEFORE - INSTANT), row(BEFORE))
    execute(database, log_row(BEFORE - DAY))
    with database.connect() as connection:
        assert prunings(connection, retention_days=10, now=NOW) == [
            Pruning(SCRAPER_LOGS, BEFORE, 2),
            Pruning(BENCHMARKS, BEFORE, 1),
        ]
    done = list(prune(database, retention_days=10, clock=clock, now=NOW))
    assert [(one.action, one.outcome, one.table, one.rows, one.message) for one in done] == [
        ("prune", StepOutcome.DONE, "scraper_logs", 2, f"rows older than {BEFORE.isoformat()}"),
        ("prune", StepOutcome.DONE, "benchmarks", 1, f"rows older than {BEFORE.isoformat()}"),
    ]
    assert counts(database) == [(1, 1)]
    assert list(prune(database, retention_days=10, clock=clock, now=NOW)) == []


def test_a_table_that_is_locked_is_told_and_the_other_is_pruned(database: Database, clock: TickingClock) -> None:
    execute(database, log_row(BEFORE - DAY), benchmark(BEFORE - DAY))
    with database.connect() as holder:
        holder.execute(text("LOCK TABLE scraper_logs IN SHARE MODE"))
        logs, benchmarks = prune(database, retention_days=10, clock=clock, now=NOW)
    assert (logs.outcome, logs.table, logs.rows, logs.status) == (
        StepOutcome.FAILED,
        "scraper_logs",
        0,
        ExitStatus.DATABASE,
    )
    assert "lock" in (logs.message or "")
    assert (benchmarks.outcome, benchmarks.rows) == (StepOutcome.DONE, 1)
    assert counts(database) == [(1, 0)]


def test_a_signal_ends_it_between_two_transactions_and_what_went_is_gone(
    database: Database, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ironforge_cli.db.repositories.runs.PRUNED_AT_ONCE", 2)
    execute(database, *[log_row(BEFORE - DAY) for _ in range(4)])

    class Asked(type(clock)):
        looks = 0

        def check(self) -> None:
            self.looks += 1
            if self.looks == 2:
                raise InterruptedRunError("SIGTERM")

    with pytest.raises(InterruptedRunError):
        list(prune(database, retention_days=10, clock=Asked(NOW), now=NOW))
    assert counts(database) == [(2, 0)]
    # As many as go at once may be the last.
    (done,) = prune(database, retention_days=10, clock=clock, now=NOW)
    assert done.rows == 2
