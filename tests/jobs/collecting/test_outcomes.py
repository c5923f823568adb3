"""What the ends of single pieces make of a whole run, and how the ends that mean nothing new are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.collecting.outcomes import (
    Collected,
    CollectedRegion,
    CollectedToken,
    Outcome,
    repeated_body,
    unchanged,
)
from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.regions import Region
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
    found = unchanged(attempt, Region.US, NOON, "It is night.")
    assert (found.region, found.outcome, found.status) == (Region.US, Outcome.NO_CHANGE, DONE)
    assert (found.snapshot_time, found.counts, found.message) == (NOON, None, "It is night.")
    assert (found.is_held, found.is_odd, found.replayed, found.steps) == (True, False, 0, {"download": 1.5})
    # The row of an attempt says no more than that; why is told to whoever reads along.
    assert (attempt.status, attempt.message) == ("no_change", None)


def test_a_repeated_body_is_worth_a_look_and_its_row_says_why(attempt: Attempt) -> None:
    found = repeated_body(attempt, Region.US, NOON + HOUR, NOON)
    assert (found.outcome, found.status, found.is_odd) == (Outcome.NO_CHANGE, DONE, True)
    assert found.snapshot_time == NOON + HOUR
    assert (found.message or "").startswith(
        f"The body of {(NOON + HOUR).isoformat()} is that of {NOON.isoformat()} again"
    )
    assert (attempt.status, attempt.message) == ("no_change", found.message)
