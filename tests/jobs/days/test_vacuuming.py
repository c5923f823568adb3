"""Vacuuming ends with its time, and what one table refuses hinders no other."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.repositories import vacuuming as tables
from ironforge_cli.db.repositories.vacuuming import Untidy
from ironforge_cli.errors import BusyError, DatabaseError, ExitStatus, InterruptedRunError
from ironforge_cli.jobs.days import vacuuming
from ironforge_cli.jobs.days.housekeeping import StepOutcome
from tests.clocks import TickingClock

if TYPE_CHECKING:
    from collections.abc import Generator

NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)


class Vacuumed:
    """A database of three tables of which each takes some seconds, or raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *what: float | Exception) -> None:
        self.clock = TickingClock(NOW)
        self.what = dict(zip("abc", what, strict=True))
        self.seen: list[tuple[str, timedelta]] = []
        monkeypatch.setattr(tables, "needed", self._needed)
        monkeypatch.setattr(tables, "vacuum", self._vacuum)

    @contextmanager
    def connect(self, *, autocommit: bool) -> Generator[None]:
        assert autocommit
        yield

    def _needed(self, _: object) -> list[Untidy]:
        return [Untidy(name, rows=ord(name), dead=7) for name in self.what]

    def _vacuum(self, _: object, name: str, *, limit: timedelta) -> None:
        self.seen.append((name, limit))
        what = self.what[name]
        if isinstance(what, Exception):
            raise what
        self.clock.sleep(what)

    def run(self) -> list[tuple[Any, ...]]:
        database: Any = self
        results = vacuuming.vacuumed(database, clock=self.clock)
        return [(result.table, result.outcome, result.rows, result.message, result.status) for result in results]


def done(name: str) -> tuple[Any, ...]:
    return (name, StepOutcome.DONE, ord(name), None, ExitStatus.DONE)


def test_each_gets_what_is_left_of_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Vacuumed(monkeypatch, 50, 69, 9)
    assert work.run() == [done("a"), done("b"), done("c")]
    assert work.seen == [(name, timedelta(seconds=left)) for name, left in (("a", 120), ("b", 70), ("c", 1))]


def test_what_does_not_fit_is_left_for_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Vacuumed(monkeypatch, 50, 70, 9).run() == [done("a"), done("b")]
    # Cut off within its limit: no failure, and no other is begun.
    assert Vacuumed(monkeypatch, 50, BusyError("Cut off."), 9).run() == [done("a")]


def test_what_one_table_refuses_is_told_and_hinders_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ("b", StepOutcome.FAILED, ord("b"), "Refused.", ExitStatus.DATABASE)
    assert Vacuumed(monkeypatch, 1, DatabaseError("Refused."), 1).run() == [done("a"), refused, done("c")]


def test_a_run_that_is_asked_to_end_begins_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Vacuumed(monkeypatch, 1, 1, 1)

    def check() -> None:
        if work.seen:
            raise InterruptedRunError("SIGTERM")

    monkeypatch.setattr(work.clock, "check", check)
    with pytest.raises(InterruptedRunError):
        work.run()
    assert [name for name, _ in work.seen] == ["a"]


def test_what_would_be_vacuumed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Vacuumed(monkeypatch, 1, 1, 1)
    connection: Any = None
    assert [(one.action, one.outcome, one.table) for one in vacuuming.told(connection)] == [
        ("vacuum", StepOutcome.PLANNED, name) for name in "abc"
    ]
    assert work.seen == []
