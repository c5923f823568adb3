"""One attempt: its failure is a result, and its row says what the result says. No server is needed for that."""

from __future__ import annotations

import json
import logging
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.waiting import Wait

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.silence import limited
from ironforge_cli.errors import (
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    LockedError,
    RefusedAnswerError,
    UnavailableError,
)
from ironforge_cli.jobs.collecting import attempt as attempting
from ironforge_cli.jobs.collecting.attempt import attempted
from ironforge_cli.jobs.collecting.outcomes import CollectedRegion, failed
from ironforge_cli.jobs.collecting.storing import SnapshotCounts
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.jobs.storage import Workplace, evidence_of
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.conftest import storage_in
from tests.jobs.handed import NOON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psycopg.abc import PQGen

    from ironforge_cli.errors import IronforgeError
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

AWAY = DatabaseError("The server is away.")
COUNTS = SnapshotCounts(1_234, 5, None, None, None, None, None, None, None, None, 0)
every_region = pytest.mark.parametrize("region", Region)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


def region_end(**changes: Any) -> CollectedRegion:
    stored = CollectedRegion(Region.EU, Outcome.STORED, ExitStatus.DONE, snapshot_time=NOON, counts=None, message=None)
    return replace(stored, **changes)


def attempt_at(
    storage: Storage,
    clock: TickingClock,
    cycle: Callable[[Attempt], CollectedRegion],
    region: Region = Region.EU,
    **more: int,
) -> CollectedRegion:
    evidence = evidence_of(storage, command="collect", clock=clock)
    workplace = Workplace.at(storage, evidence=evidence, decoding=threading.Lock())
    return attempted(region, cycle, workplace=workplace, clock=clock, progress=Silent(), **more)


def rows_of(folder: Path, table: str) -> list[dict[str, Any]]:
    """What waits for the database of one table."""
    lines = (folder / "spool" / "log-rows.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["row"] for line in map(json.loads, lines) if line["table"] == table]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RefusedAnswerError("Cut."), Outcome.REJECTED),
        (LockedError("Taken."), Outcome.LOCKED),
        (UnavailableError("Down."), Outcome.FAILED),
        (InterruptedRunError("SIGTERM"), Outcome.FAILED),
    ],
)
@every_region
def test_what_went_wrong_is_a_result_with_the_error_s_own_code(
    storage: Storage,
    clock: TickingClock,
    caplog: pytest.LogCaptureFixture,
    *,
    region: Region,
    error: IronforgeError,
    outcome: Outcome,
) -> None:
    def cycle(attempt: Attempt) -> CollectedRegion:
        with attempt.step("download"):
            clock.sleep(2)
            raise error

    found = attempt_at(storage, clock, cycle, region)
    assert (found.region, found.outcome, found.status, found.message) == (region, outcome, error.status, str(error))
    assert (found.snapshot_time, found.counts, found.steps) == (None, None, {"download": 2.0})
    # What is told of it is its reporter's: no bug was met.
    assert caplog.records == []


@pytest.mark.parametrize(("more", "number"), [({}, 1), ({"number": 3}, 3)])
def test_the_row_says_what_the_result_says_and_which_attempt_it_was(
    storage: Storage, clock: TickingClock, tmp_path: Path, more: dict[str, int], number: int
) -> None:
    def cycle(_: Attempt) -> CollectedRegion:
        clock.sleep(90)
        return failed(Region.US, RefusedAnswerError("Cut."), last_modified=NOON)

    began = clock.now()
    attempt_at(storage, clock, cycle, Region.US, **more)
    (row,) = rows_of(tmp_path, "scraper_logs")
    assert (row["command"], row["region"], row["status"], row["error_message"]) == ("collect", "us", "rejected", "Cut.")
    assert (datetime.fromisoformat(row["timestamp"]), row["poll_attempts"]) == (began, number)
    assert datetime.fromisoformat(row["last_modified"]) == NOON


def test_a_failure_whose_body_went_to_the_spool_says_so(storage: Storage, clock: TickingClock) -> None:
    def cycle(_: Attempt) -> CollectedRegion:
        return failed(Region.EU, AWAY, spooled=NOON)

    found = attempt_at(storage, clock, cycle)
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.SPOOLED, ExitStatus.DATABASE, NOON)
    assert (found.message or "").startswith(f"{AWAY} The snapshot of {NOON.isoformat()} is in the spool")


def test_a_bug_is_a_result_too_and_asks_to_be_reported(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    def cycle(_: Attempt) -> CollectedRegion:
        raise ZeroDivisionError("by zero")

    found = attempt_at(storage, clock, cycle)
    assert (found.outcome, found.status) == (Outcome.FAILED, ExitStatus.BUG)
    assert found.message == "An unexpected error, please report it: ZeroDivisionError: by zero"
    (told,) = caplog.records
    assert (told.message, told.levelno) == ("EU: an unexpected error", logging.ERROR)
    assert told.exc_info is not None


def test_a_row_that_can_not_be_finished_takes_no_stored_hour_back(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored = region_end(counts=COUNTS)

    def cycle(_: Attempt) -> CollectedRegion:
        def fail(**_: object) -> None:
            raise ZeroDivisionError("by zero")

        monkeypatch.setattr(storage.database, "transaction", fail)
        return stored

    assert attempt_at(storage, clock, cycle) == stored
    assert "ZeroDivisionError: by zero" in caplog.text
    # The row and the benchmark.
    assert storage.pending.waiting() == 2


def test_the_benchmark_of_a_stored_snapshot_says_how_long_it_took_and_of_what(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    def cycle(attempt: Attempt) -> CollectedRegion:
        with attempt.step("store"):
            clock.sleep(1.25)
        return region_end(counts=COUNTS)

    began = clock.now()
    attempt_at(storage, clock, cycle)
    (row,) = rows_of(tmp_path, "benchmarks")
    assert (row["operation_type"], row["region"], row["record_count"]) == ("snapshot", "eu", 1_234)
    assert datetime.fromisoformat(row["start_time"]) == began
    assert (row["duration_seconds"], datetime.fromisoformat(row["end_time"])) == (1.25, clock.now())
    assert row["extra_data"] == {"steps": {"store": 1.25}, "snapshot_time": NOON.isoformat()}


def test_an_attempt_that_stored_nothing_has_no_benchmark(storage: Storage, clock: TickingClock) -> None:
    attempt_at(storage, clock, lambda _: region_end(outcome=Outcome.NO_CHANGE))
    # Its row alone.
    assert storage.pending.waiting() == 1


def test_no_statement_of_an_attempt_is_waited_for_without_end(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempting, "LONGEST_ANSWER_SECONDS", 0.0)

    def silent() -> PQGen[None]:
        yield Wait.R

    def cycle(_: Attempt) -> CollectedRegion:
        waiting = limited(silent())
        next(waiting)
        waiting.send(0)
        raise AssertionError("it was waited for")

    assert "not answered within 0 s" in (attempt_at(storage, clock, cycle).message or "")
