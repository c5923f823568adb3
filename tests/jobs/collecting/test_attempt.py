"""One attempt: its failure is a result, and what is said, counted and kept of it. No server is needed for that."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import (
    ConfigurationError,
    CredentialsError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    LockedError,
    RefusedAnswerError,
    UnavailableError,
)
from ironforge_cli.jobs.collecting.attempt import (
    attempted,
    collect_token,
    look_after,
    summarise,
    tell,
    with_something_stored,
)
from ironforge_cli.jobs.collecting.outcomes import Collected, CollectedRegion, CollectedToken, Outcome
from ironforge_cli.jobs.collecting.storing import Counts
from ironforge_cli.jobs.days.housekeeping import Housekeeping
from ironforge_cli.jobs.days.maintain import upkeep_by
from ironforge_cli.jobs.evidence.runs import Run, Silent
from ironforge_cli.jobs.storage import Workplace, evidence_of
from ironforge_cli.regions import Region
from tests.conftest import storage_in
from tests.jobs.handed import NOON

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.errors import IronforgeError
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

AWAY = DatabaseError("The server is away.")
COUNTS = Counts(1_234, 5, None, None, None, None, None, None, None, None)
every_region = pytest.mark.parametrize("region", Region)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


def region_end(**changes: Any) -> CollectedRegion:
    stored = CollectedRegion(Region.EU, Outcome.STORED, ExitStatus.DONE, snapshot_time=NOON, counts=None, message=None)
    return replace(stored, **changes)


def token_end(**changes: Any) -> CollectedToken:
    stored = CollectedToken(Region.EU, Outcome.STORED, ExitStatus.DONE, updated_at=NOON, price=7, message=None)
    return replace(stored, **changes)


# The attempt


def attempt_at(
    storage: Storage, clock: TickingClock, cycle: Callable[[Attempt], CollectedRegion], region: Region = Region.EU
) -> CollectedRegion:
    evidence = evidence_of(storage, command="collect", clock=clock)
    workplace = Workplace.at(storage, evidence=evidence, decoding=threading.Lock())
    return attempted(region, cycle, workplace=workplace, clock=clock, progress=Silent())


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
    storage: Storage, clock: TickingClock, region: Region, error: IronforgeError, outcome: Outcome
) -> None:
    def cycle(attempt: Attempt) -> CollectedRegion:
        with attempt.step("download"):
            clock.sleep(2)
            raise error

    found = attempt_at(storage, clock, cycle, region)
    assert (found.region, found.outcome, found.status, found.message) == (region, outcome, error.status, str(error))
    assert (found.snapshot_time, found.counts, found.steps) == (None, None, {"download": 2.0})


def test_a_failure_whose_body_went_to_the_spool_says_so(storage: Storage, clock: TickingClock) -> None:
    def cycle(attempt: Attempt) -> CollectedRegion:
        attempt.spooled_time = NOON
        raise AWAY

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


# What is said


@pytest.mark.parametrize(
    ("end", "level", "text"),
    [
        ({"counts": COUNTS}, "INFO", "EU: stored 2026-01-14T12:00:07+00:00, 1,234 auctions, at last."),
        (
            {"counts": COUNTS, "replayed": 2},
            "INFO",
            "EU: stored 2026-01-14T12:00:07+00:00, 1,234 auctions, at last. 2 from the spool were stored first.",
        ),
        ({"outcome": Outcome.NO_CHANGE, "message": "Night."}, "INFO", "EU: Night."),
        (
            {"outcome": Outcome.NO_CHANGE, "message": "Night.", "replayed": 1, "region": Region.US},
            "INFO",
            "US: Night. 1 from the spool were stored first.",
        ),
        ({"outcome": Outcome.NO_CHANGE, "message": "Again.", "is_odd": True}, "WARNING", "EU: Again."),
        # What failed is said by whoever reports it.
        ({"status": ExitStatus.REFUSED, "message": "Cut."}, None, None),
        ({"status": ExitStatus.PARTIAL, "counts": COUNTS}, None, None),
    ],
)
def test_a_good_end_is_one_line_and_a_bad_one_is_none_of_its(
    caplog: pytest.LogCaptureFixture, end: dict[str, Any], level: str | None, text: str | None
) -> None:
    with caplog.at_level(logging.INFO):
        tell(region_end(**end), more=", at last")
    assert [(record.levelname, record.message) for record in caplog.records] == ([(level, text)] if level else [])


def test_the_figures_of_a_line_are_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        tell(region_end(counts=COUNTS))
        tell(region_end(outcome=Outcome.NO_CHANGE, region=Region.US))
    assert [vars(record)["fields"] for record in caplog.records] == [
        {"region": "eu", "outcome": "stored", "snapshot_time": NOON, "auctions": 1_234},
        {"region": "us", "outcome": "no_change", "snapshot_time": NOON},
    ]


def test_a_run_s_benchmark_counts_what_was_stored_and_tells_each_failure() -> None:
    run = Run()
    collected = Collected(
        regions=(
            region_end(counts=COUNTS, steps={"download": 1.23456}),
            region_end(region=Region.US, outcome=Outcome.REJECTED, status=ExitStatus.REFUSED, message="Cut."),
        ),
        tokens=(
            token_end(outcome=Outcome.FAILED, status=ExitStatus.UNAVAILABLE, message="Down."),
            token_end(region=Region.US, outcome=Outcome.NO_CHANGE, message="Old."),
        ),
    )
    summarise(run, collected)
    assert (run.status, run.record_count) == (ExitStatus.PARTIAL, 1_234)
    assert run.message == "US: Cut. EU token: Down."
    assert run.extra == {
        "regions": {
            "eu": {"outcome": "stored", "steps": {"download": 1.2346}},
            "us": {"outcome": "rejected", "steps": {}},
        },
        "token": {"eu": "failed", "us": "no_change"},
    }
    summarise(run, Collected(regions=(region_end(),), tokens=()))
    assert (run.status, run.record_count, run.message) == (ExitStatus.DONE, 0, None)


def test_days_are_looked_after_where_something_was_stored_unless_the_run_was_asked_to_end() -> None:
    counted, replayed = region_end(counts=COUNTS), region_end(region=Region.US, replayed=1)
    idle, stopped = region_end(outcome=Outcome.NO_CHANGE), region_end(status=ExitStatus.TERMINATED)
    assert with_something_stored(Collected((counted, replayed), ())) == [Region.EU, Region.US]
    assert with_something_stored(Collected((idle, replayed), ())) == [Region.US]
    assert with_something_stored(Collected((idle,), (token_end(),))) == []
    assert with_something_stored(Collected((replace(counted, status=ExitStatus.PARTIAL),), ())) == [Region.EU]
    assert with_something_stored(Collected((stopped, replayed), ())) == []


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("counts", [COUNTS, None])
def test_days_are_looked_after_where_that_is_asked_for_and_something_was_stored(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture, counts: Counts | None, *, asked: bool
) -> None:
    housekeeping = Housekeeping(ahead=1, retention_days=30, log_retention_days=30) if asked else None
    upkeep = upkeep_by(housekeeping, clock=clock) if housekeeping else None
    look_after(Collected((region_end(counts=counts),), ()), storage=storage, upkeep=upkeep)
    # Without a database all that comes of it is a warning.
    assert [record.message for record in caplog.records] == ([f"Partitions: {AWAY}"] if asked and counts else [])


# The token


@dataclass
class Priced:
    """Gives the price of a token, or fails."""

    error: Exception | None = None

    def token_price(self, region: Region) -> tuple[datetime, int]:
        if self.error is not None:
            raise self.error
        return NOON, {Region.EU: 7, Region.US: 8}[region]


@pytest.mark.parametrize("reason", [AWAY, ConfigurationError("The schema is too old.")])
@every_region
def test_a_price_that_the_database_does_not_take_waits_on_disk(
    tmp_path: Path, clock: TickingClock, region: Region, reason: IronforgeError
) -> None:
    storage = storage_in(tmp_path, MissingDatabase(reason))
    found = collect_token(region, market=Priced(), storage=storage, clock=clock)
    assert (found.region, found.outcome, found.status) == (region, Outcome.SPOOLED, reason.status)
    assert (found.updated_at, found.price) == (NOON, {Region.EU: 7, Region.US: 8}[region])
    assert found.message == f"{reason} The price waits on disk: the next run with a database stores it."
    assert storage.pending.waiting() == 1


def test_a_price_that_can_not_even_wait_is_a_failure(storage: Storage, clock: TickingClock, tmp_path: Path) -> None:
    (tmp_path / "spool" / "log-rows.jsonl" / "inside").mkdir(parents=True)
    found = collect_token(Region.EU, market=Priced(), storage=storage, clock=clock)
    assert (found.outcome, found.status, found.price) == (Outcome.FAILED, ExitStatus.CONFIGURATION, None)


@pytest.mark.parametrize(
    ("error", "outcome", "status", "message"),
    [
        (RefusedAnswerError("Cut."), Outcome.REJECTED, ExitStatus.REFUSED, "Cut."),
        (UnavailableError("Down."), Outcome.FAILED, ExitStatus.UNAVAILABLE, "Down."),
        (CredentialsError("Wrong."), Outcome.FAILED, ExitStatus.CREDENTIALS, "Wrong."),
        (
            ZeroDivisionError("by zero"),
            Outcome.FAILED,
            ExitStatus.BUG,
            "An unexpected error, please report it: ZeroDivisionError: by zero",
        ),
    ],
)
def test_a_price_that_does_not_come_is_a_result_and_leaves_nothing(
    storage: Storage,
    clock: TickingClock,
    caplog: pytest.LogCaptureFixture,
    *,
    error: Exception,
    outcome: Outcome,
    status: ExitStatus,
    message: str,
) -> None:
    found = collect_token(Region.EU, market=Priced(error), storage=storage, clock=clock)
    # Of a bug there is a traceback.
    assert [record.exc_info is not None for record in caplog.records] == [True] * (status is ExitStatus.BUG)
    assert (found.outcome, found.status, found.message) == (outcome, status, message)
    assert (found.updated_at, found.price) == (None, None)
    assert storage.pending.waiting() == 0


def test_a_price_is_not_asked_for_by_a_run_that_was_asked_to_end(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> None:
        raise InterruptedRunError("SIGINT")

    monkeypatch.setattr(clock, "check", check)
    found = collect_token(Region.EU, market=Priced(), storage=storage, clock=clock)
    assert (found.outcome, found.status) == (Outcome.FAILED, ExitStatus.INTERRUPTED)
    assert storage.pending.waiting() == 0


# Where it works


@pytest.mark.parametrize(("days", "retention"), [(0, None), (1, timedelta(days=1)), (30, timedelta(days=30))])
def test_no_days_of_retention_are_for_ever(
    storage: Storage, clock: TickingClock, days: int, retention: timedelta | None
) -> None:
    evidence = evidence_of(storage, command="collect", clock=clock)
    kept = replace(storage, retention_days=days)
    workplace = Workplace.at(kept, evidence=evidence, decoding=threading.Lock())
    assert (workplace.retention, workplace.away) == (retention, AWAY)
