"""Which closed days are made, by whom, and what becomes of those that can't be; the rows are tested beside the SQL."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.repositories import price_days, statistics_months
from ironforge_cli.errors import BusyError, DatabaseError, ExitStatus, InterruptedRunError
from ironforge_cli.jobs.days import closing
from ironforge_cli.jobs.days.housekeeping import Housekeeping, MonthsKept, StepOutcome
from ironforge_cli.jobs.days.planning import Planning
from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.market.retention import Present
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.clocks import TickingClock

if TYPE_CHECKING:
    from collections.abc import Generator

NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)
DAYS = [date(2026, 1, number) for number in (9, 10, 11, 12, 13)]
MONTHS = Housekeeping(ahead=1, retention_days=30, log_retention_days=400, months=MonthsKept())
CONNECTION: Any = object()


class Steps:
    """A database that only notes what is done with it; some days can't be made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **refused: Exception) -> None:
        self.noted: list[object] = []
        self.refused = refused
        monkeypatch.setattr(price_days, "missing", self._missing)
        monkeypatch.setattr(price_days, "make", self._make)
        monkeypatch.setattr(statistics_months, "limit_waiting", self._limit)
        self.database = self

    @contextmanager
    def connect(self) -> Generator[Any]:
        yield CONNECTION

    @contextmanager
    def transaction(self) -> Generator[Any]:
        yield CONNECTION
        self.noted.append("committed")

    def _missing(self, _: object, region: Region) -> list[date]:
        return DAYS if region is Region.EU else []

    def _limit(self, _: object) -> None:
        self.noted.append("limited")

    def _make(self, _: object, region: Region, day: date) -> int:
        assert region is Region.EU
        self.noted.append(day.day)
        if error := self.refused.get(f"on_{day.day}"):
            raise error
        return 10 * day.day

    def planning(self, housekeeping: Housekeeping = MONTHS) -> Planning:
        storage: Any = self
        return Planning(storage, housekeeping, Present(NOW, {}))

    def made(self, *, quick: bool, clock: TickingClock | None = None) -> list[tuple[Any, ...]]:
        attempt = Attempt(clock=clock or TickingClock(NOW), region=Region.EU, progress=Silent())
        found = list(closing.made(Region.EU, self.planning(), attempt=attempt, quick=quick))
        assert {(result.action, result.region) for result in found} == {("make day", Region.EU)}
        assert list(attempt.steps) == ["make day"]
        return [(result.day.day if result.day else None, result.outcome, result.rows) for result in found]


def test_a_run_that_collects_makes_the_newest_two_and_maintenance_all(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    assert closing.due(CONNECTION, Region.EU, steps.planning(), quick=False) == DAYS
    assert closing.due(CONNECTION, Region.EU, steps.planning(), quick=True) == DAYS[-2:]
    assert closing.due(CONNECTION, Region.US, steps.planning(), quick=True) == []
    unkept = steps.planning(replace(MONTHS, months=None))
    assert closing.due(CONNECTION, Region.EU, unkept, quick=False) == ()
    assert steps.made(quick=True) == [(12, StepOutcome.DONE, 120), (13, StepOutcome.DONE, 130)]
    assert steps.noted == ["limited", 12, "committed", "limited", 13, "committed"]
    assert len(steps.made(quick=False)) == 5


def test_a_day_that_can_not_be_made_hinders_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch, on_10=BusyError("Waited in vain."), on_11=DatabaseError("Refused."))
    attempt = Attempt(clock=TickingClock(NOW), region=Region.EU, progress=Silent())
    _, busy, failed, *others = closing.made(Region.EU, steps.planning(), attempt=attempt, quick=False)
    assert (busy.outcome, busy.day, busy.message, busy.status) == (
        StepOutcome.POSTPONED,
        DAYS[1],
        "Waited in vain. The next run goes on.",
        ExitStatus.DATABASE,
    )
    assert (failed.outcome, failed.day, failed.message, failed.status) == (
        StepOutcome.FAILED,
        DAYS[2],
        "Refused.",
        ExitStatus.DATABASE,
    )
    assert [result.outcome for result in others] == [StepOutcome.DONE, StepOutcome.DONE]
    assert steps.noted.count("committed") == 3


def test_a_run_that_is_asked_to_end_ends_between_two_days(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(TickingClock):
        def check(self) -> None:
            if steps.noted:
                raise InterruptedRunError("SIGTERM")

    steps = Steps(monkeypatch)
    with pytest.raises(InterruptedRunError):
        steps.made(quick=False, clock=Asked(NOW))
    assert steps.noted == ["limited", 9, "committed"]
    interrupted = Steps(monkeypatch, on_9=InterruptedRunError("SIGINT"))
    with pytest.raises(InterruptedRunError):
        interrupted.made(quick=False)
    assert interrupted.noted == ["limited", 9]


@pytest.mark.parametrize(("number", "said"), [(1, "1 day from"), (30, "about 1 min"), (90, "about 3 min")])
def test_what_would_be_made_is_told_in_a_line(number: int, said: str) -> None:
    days = [DAYS[0] + timedelta(days=one) for one in range(number)]
    (line,) = closing.told(Region.EU, days)
    assert (line.outcome, line.day, line.region) == (StepOutcome.PLANNED, DAYS[0], Region.EU)
    assert said in (line.message or "")
    assert f"from 2026-01-09 to {days[-1]}, " in (line.message or "")


def test_nothing_is_told_of_no_days() -> None:
    assert list(closing.told(Region.EU, [])) == []
