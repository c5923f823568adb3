"""What is written down when a person has seen what went wrong, value by value. No server is needed."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.repositories import runs
from ironforge_cli.db.repositories.runs import BenchmarkRow, LogRow
from ironforge_cli.jobs.health.acknowledging import acknowledge
from ironforge_cli.jobs.health.rules import Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Generator

NOW = datetime(2026, 1, 14, 12, 35, tzinfo=UTC)


class Written:
    """A database that notes what is written in each of its transactions."""

    def __init__(self) -> None:
        self.transactions: list[list[object]] = []

    @contextmanager
    def transaction(self) -> Generator[list[object]]:
        self.transactions.append([])
        yield self.transactions[-1]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    def add(transaction: list[object], row: object) -> None:
        transaction.append(row)

    for name in ("add_log", "add_benchmark"):
        monkeypatch.setattr(runs, name, add)
    return Written()


def problem(event: str | None) -> Problem:
    return Problem(ProblemKind.CRASHED, None, "Text.", event=event)


def test_what_is_past_is_written_once_in_both_logs_with_who_has_seen_it(written: Written) -> None:
    database: Any = written
    past = [problem("crashed 7"), problem("a quarantine"), problem("crashed 7")]
    given = [past[0], problem(None), *past[1:]]
    assert acknowledge(given, database=database, now=NOW, by="peter") == tuple(past)
    message = "peter has seen: a quarantine; crashed 7"
    command = "status --acknowledge"
    assert written.transactions == [
        [
            LogRow(command, None, NOW, "success", last_modified=None, error_message=message, poll_attempts=1),
            BenchmarkRow(
                operation_type="command",
                operation_name=command,
                region=None,
                start_time=NOW,
                end_time=NOW,
                duration_seconds=0.0,
                record_count=2,
                status="success",
                error_message=message,
                extra_data={"seen": ["a quarantine", "crashed 7"], "by": "peter"},
            ),
        ]
    ]


def test_where_nothing_is_past_nothing_is_written(written: Written) -> None:
    database: Any = written
    assert acknowledge([problem(None)], database=database, now=NOW, by="peter") == ()
    assert acknowledge([], database=database, now=NOW, by="peter") == ()
    assert written.transactions == []
