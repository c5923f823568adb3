"""What one seeder's end means for the next, and what its rows say of it. No server is needed for that."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.traffic import Traffic
from ironforge_cli.db import locks, revisions
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.repositories import runs
from ironforge_cli.db.repositories.catalogue import Changes
from ironforge_cli.errors import (
    ConfigurationError,
    CredentialsError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    IronforgeError,
    LockedError,
    RefusedAnswerError,
    UnavailableError,
    UsageError,
)
from ironforge_cli.jobs.catalogue import seed as job
from ironforge_cli.jobs.catalogue.seed import SEEDERS, seed
from ironforge_cli.jobs.catalogue.work import Seeded, SeededPart, SeedOutcome, Trial
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.db.repositories.runs import BenchmarkRow, LogRow
    from ironforge_cli.jobs.catalogue.work import Work
    from tests.clocks import TickingClock


class Rows(MissingDatabase):
    """A database that only notes what rows are written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(DatabaseError("It is there."))
        self.logged: list[tuple[object, ...]] = []
        self.measured: list[tuple[object, ...]] = []
        for name, does in (("next_log_id", self._next), ("start", self._start), ("add_log", self._log)):
            monkeypatch.setattr(runs, name, does)
        monkeypatch.setattr(runs, "add_benchmark", self._measure)
        monkeypatch.setattr(locks, "owning", self._held)
        monkeypatch.setattr(locks, "seeding", self._held)
        monkeypatch.setattr(revisions, "require_current", self._start)

    @contextmanager
    def connect(self, *, autocommit: bool = False) -> Generator[Any]:
        yield autocommit

    @contextmanager
    def transaction(self) -> Generator[Any]:
        yield None

    @contextmanager
    def _held(self, *_: object) -> Generator[None]:
        yield

    def _next(self, _: object) -> int:
        return 7

    def _start(self, *_: object) -> None:
        pass

    def _log(self, _: object, row: LogRow) -> None:
        self.logged.append((row.command, row.status, row.error_message))

    def _measure(self, _: object, row: BenchmarkRow) -> None:
        self.measured.append((row.operation_name, row.status, row.record_count, row.error_message))


class Source:
    """Counts a request whenever a seeder runs."""

    def __init__(self) -> None:
        self.requests = self.forgotten = 0

    @property
    def traffic(self) -> Traffic:
        return Traffic(requests=self.requests, cache_hits=2 * self.requests)

    def forget_static(self) -> None:
        self.forgotten += 1


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    return Rows(monkeypatch)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, rows: Rows, clock: TickingClock
) -> Callable[..., tuple[Seeded, list[str], Source]]:
    """Run every seeder, of which the first ends as a test says and the others are current."""

    def seeded(first: SeededPart | Exception, *, force: bool = False) -> tuple[Seeded, list[str], Source]:
        source, tried = Source(), list[str]()

        def runs_as(name: str) -> Callable[[Work], SeededPart]:
            def work(_: Work) -> SeededPart:
                tried.append(name)
                source.requests += 3
                clock.sleep(1.5)
                if name == SEEDERS[0]:
                    if isinstance(first, Exception):
                        raise first
                    return first
                return SeededPart(name, SeedOutcome.CURRENT, ExitStatus.DONE)

            return work

        monkeypatch.setattr(job, "_RUNS", {name: runs_as(name) for name in SEEDERS})
        given: Any = source
        found = seed(
            SEEDERS,
            source=given,
            database=rows,
            pending=None,
            region=Region.EU,
            clock=clock,
            at_once=1,
            trial=Trial(force=True) if force else None,
        )
        return found, tried, source

    return seeded


@pytest.mark.parametrize(
    ("error", "outcome", "is_the_end"),
    [
        (DatabaseError("Away."), SeedOutcome.FAILED, True),
        (CredentialsError("Wrong."), SeedOutcome.FAILED, True),
        (ConfigurationError("Old."), SeedOutcome.FAILED, True),
        (LockedError("Held."), SeedOutcome.LOCKED, True),
        (UnavailableError("Down."), SeedOutcome.FAILED, True),
        (RefusedAnswerError("Cut."), SeedOutcome.FAILED, False),
    ],
)
def test_what_would_end_the_next_seeder_as_well_leaves_it_untried(
    run: Callable[..., tuple[Seeded, list[str], Source]],
    rows: Rows,
    error: IronforgeError,
    outcome: SeedOutcome,
    *,
    is_the_end: bool,
) -> None:
    found, tried, _ = run(error)
    assert tried == list(SEEDERS[:1] if is_the_end else SEEDERS)
    first = found.parts[0]
    assert (first.seeder, first.outcome, first.status, first.message) == (
        "recipes",
        outcome,
        error.status,
        str(error),
    )
    assert len(found.parts) == len(tried)
    assert rows.logged[0] == (
        "seed recipes",
        {SeedOutcome.LOCKED: "locked"}.get(outcome, "failed" if is_the_end else "rejected"),
        str(error),
    )
    assert rows.measured[0][1:] == ("locked" if outcome is SeedOutcome.LOCKED else "failed", 0, str(error))


@pytest.mark.parametrize("error", [InterruptedRunError("SIGTERM"), UsageError("There is no such profession.")])
def test_whoever_ends_it_or_mistyped_something_is_answered_by_an_error(
    run: Callable[..., tuple[Seeded, list[str], Source]], error: IronforgeError
) -> None:
    with pytest.raises(type(error)):
        run(error)


@pytest.mark.parametrize(
    ("part", "status"),
    [
        (SeededPart("recipes", SeedOutcome.COMPLETED, ExitStatus.DONE, changes=Changes(1, 20, 300)), "success"),
        (SeededPart("recipes", SeedOutcome.CURRENT, ExitStatus.DONE, message="All there."), "no_change"),
        (SeededPart("recipes", SeedOutcome.INCOMPLETE, ExitStatus.PARTIAL, message="Cut."), "failed"),
    ],
)
def test_a_seeder_s_rows_say_how_it_ended_and_how_much_it_changed(
    run: Callable[..., tuple[Seeded, list[str], Source]], rows: Rows, part: SeededPart, status: str
) -> None:
    found, _, source = run(part)
    assert rows.logged[0] == ("seed recipes", status, part.message)
    said = "partial" if part.status is ExitStatus.PARTIAL else "success"
    changed = part.changes.inserted + part.changes.updated + part.changes.deleted
    assert rows.measured[0] == ("seed recipes", said, changed, part.message)
    # Each counts its own requests and seconds.
    assert [(one.traffic, one.seconds) for one in found.parts] == [(Traffic(requests=3, cache_hits=6), 1.5)] * 4
    assert source.forgotten == 0


def test_by_force_everything_is_forgotten_once_before_the_first_seeder(
    run: Callable[..., tuple[Seeded, list[str], Source]],
) -> None:
    _, _, source = run(SeededPart("recipes", SeedOutcome.COMPLETED, ExitStatus.DONE), force=True)
    assert source.forgotten == 1
