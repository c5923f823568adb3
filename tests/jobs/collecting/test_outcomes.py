"""What the ends of single pieces make of a whole run, and how the ends that mean nothing new are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import (
    BusyError,
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    LockedError,
    RefusedAnswerError,
    UnavailableError,
    UnreachableError,
)
from ironforge_cli.jobs.collecting.outcomes import (
    Collected,
    CollectedRegion,
    CollectedToken,
    failed,
    repeated_body,
    unchanged,
)
from ironforge_cli.jobs.evidence.outcomes import Ended, Outcome
from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.handed import HOUR, NOON

if TYPE_CHECKING:
    from tests.clocks import TickingClock

DONE, PARTIAL, REFUSED = ExitStatus.DONE, ExitStatus.PARTIAL, ExitStatus.REFUSED
DATABASE, TERMINATED = ExitStatus.DATABASE, ExitStatus.TERMINATED


def region(status: ExitStatus) -> CollectedRegion:
    return CollectedRegion(Region.EU, Outcome.STORED, status, snapshot_time=None, counts=None, message=None)


def token(status: ExitStatus) -> CollectedToken:
    return CollectedToken(Region.EU, Outcome.STORED, status, updated_at=None, price=None, message=None)


@pytest.mark.parametrize(
    ("regions", "tokens", "status"),
    [
        ([DONE, DONE], [DONE, DONE], DONE),
        ([DONE], [], DONE),
        ([DONE, REFUSED], [DONE, DONE], PARTIAL),
        ([DONE, DONE], [REFUSED, DONE], PARTIAL),
        ([DONE, DONE], [REFUSED, REFUSED], PARTIAL),
        # A token price never makes up for a region.
        ([REFUSED, REFUSED], [DONE, DONE], REFUSED),
        ([REFUSED], [DATABASE], REFUSED),
        ([REFUSED, DATABASE], [REFUSED, DONE], DATABASE),
        ([PARTIAL], [DONE], PARTIAL),
        ([PARTIAL, REFUSED], [DONE, DONE], PARTIAL),
        ([TERMINATED, DONE], [REFUSED, DONE], TERMINATED),
    ],
)
def test_a_run_is_judged_by_its_regions_which_a_token_price_can_only_make_partial(
    regions: list[ExitStatus], tokens: list[ExitStatus], status: ExitStatus
) -> None:
    collected = Collected(
        regions=tuple(region(one) for one in regions),
        tokens=tuple(token(one) for one in tokens),
    )
    assert collected.status is status


@pytest.fixture
def attempt(clock: TickingClock) -> Attempt:
    return Attempt(clock=clock, region=Region.EU, progress=Silent(), steps={"download": 1.5})


def test_nothing_new_is_a_good_end_that_says_why(attempt: Attempt) -> None:
    found = unchanged(Region.US, NOON, "It is night.", last_modified=NOON)
    assert (found.region, found.outcome, found.status) == (Region.US, Outcome.NO_CHANGE, DONE)
    assert (found.snapshot_time, found.counts, found.message) == (NOON, None, "It is night.")
    assert (found.is_held, found.is_odd, found.replayed, found.last_modified) == (True, False, 0, NOON)
    # The row of an attempt says no more than that; why is told to whoever reads along.
    found.tell(attempt)
    assert attempt.ended == Ended(Outcome.NO_CHANGE, None, NOON)


def test_a_repeated_body_is_worth_a_look_and_its_row_says_why(attempt: Attempt) -> None:
    found = repeated_body(Region.US, NOON + HOUR, NOON)
    assert (found.outcome, found.status, found.is_odd) == (Outcome.NO_CHANGE, DONE, True)
    assert found.snapshot_time == NOON + HOUR
    assert (found.message or "").startswith(
        f"The body of {(NOON + HOUR).isoformat()} is that of {NOON.isoformat()} again"
    )
    found.tell(attempt)
    assert attempt.ended == Ended(Outcome.NO_CHANGE, found.message)


def test_what_came_from_the_spool_alone_is_a_success_of_the_attempt(attempt: Attempt) -> None:
    replace(unchanged(Region.EU, NOON, "It is night."), replayed=1).tell(attempt)
    assert (attempt.ended.outcome.row_status, attempt.ended.message) == ("success", None)
    replace(failed(Region.EU, UnavailableError("Down.")), replayed=1).tell(attempt)
    assert (attempt.ended.outcome.row_status, attempt.ended.message) == ("failed", "Down.")


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        (RefusedAnswerError("Cut."), Outcome.REJECTED, ExitStatus.REFUSED),
        (LockedError("Taken."), Outcome.LOCKED, ExitStatus.LOCKED),
        (UnavailableError("Down."), Outcome.FAILED, ExitStatus.UNAVAILABLE),
        (InterruptedRunError("SIGTERM"), Outcome.FAILED, ExitStatus.TERMINATED),
        (ZeroDivisionError("by zero"), Outcome.FAILED, ExitStatus.BUG),
    ],
)
def test_an_error_is_a_result_with_its_own_code_and_one_whose_body_waits_says_where(
    error: Exception, outcome: Outcome, status: ExitStatus
) -> None:
    found = failed(Region.US, error, last_modified=NOON)
    assert (found.outcome, found.status, found.snapshot_time, found.last_modified) == (outcome, status, None, NOON)
    assert str(error) in (found.message or "")
    spooled = failed(Region.US, error, last_modified=NOON, spooled=NOON)
    assert (spooled.outcome, spooled.status, spooled.snapshot_time) == (Outcome.SPOOLED, status, NOON)
    assert (spooled.message or "").startswith(f"{found.message} The snapshot of {NOON.isoformat()} is in the spool")


@pytest.mark.parametrize(
    ("error", "is_unreachable"),
    [
        (UnreachableError("It is away."), True),
        # Somebody holds what any other body would wait for, too.
        (BusyError("It is busy."), True),
        (DatabaseError("It refuses this one."), False),
        (ConfigurationError("Its schema is old."), False),
        (UnavailableError("Blizzard is away."), False),
    ],
)
def test_only_a_database_that_takes_no_other_body_either_is_away(error: Exception, *, is_unreachable: bool) -> None:
    assert failed(Region.EU, error).is_unreachable is is_unreachable
