"""One vocabulary: how work ended, by the error that ended it, and what its rows say."""

from __future__ import annotations

import pytest

from ironforge_cli.errors import (
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    LockedError,
    RefusedAnswerError,
    UnavailableError,
    UsageError,
)
from ironforge_cli.jobs.evidence.outcomes import Ended, Outcome, run_status


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RefusedAnswerError("x"), Outcome.REJECTED),
        (LockedError("x"), Outcome.LOCKED),
        (UsageError("x"), Outcome.CANCELLED),
        (InterruptedRunError("SIGINT", is_from_terminal=True), Outcome.CANCELLED),
        # What a service or a shutdown ends is nobody's choice at a terminal.
        (InterruptedRunError("SIGINT"), Outcome.FAILED),
        (InterruptedRunError("SIGTERM"), Outcome.FAILED),
        (DatabaseError("x"), Outcome.FAILED),
        (UnavailableError("x"), Outcome.FAILED),
        (KeyboardInterrupt(), Outcome.FAILED),
    ],
)
def test_an_error_is_an_outcome(error: BaseException, outcome: Outcome) -> None:
    assert Outcome.of(error) is outcome


def test_a_row_says_success_where_the_work_is_done_and_else_the_outcome() -> None:
    said = {outcome: outcome.row_status for outcome in Outcome}
    assert said == {
        Outcome.STORED: "success",
        Outcome.DONE: "success",
        Outcome.NO_CHANGE: "no_change",
        Outcome.SPOOLED: "spooled",
        Outcome.REJECTED: "rejected",
        Outcome.LOCKED: "locked",
        Outcome.FAILED: "failed",
        Outcome.CANCELLED: "cancelled",
    }
    assert Ended(Outcome.DONE) == Ended(Outcome.DONE, None, None)


def test_a_run_says_how_it_ended_by_its_code_unless_somebody_ended_it() -> None:
    good = {
        ExitStatus.DONE: "success",
        ExitStatus.NOTHING_FIRED: "success",
        ExitStatus.PARTIAL: "partial",
        ExitStatus.LOCKED: "locked",
        ExitStatus.USAGE: "cancelled",
    }
    assert {status: run_status(status) for status in ExitStatus} == {
        status: good.get(status, "failed") for status in ExitStatus
    }
    assert {run_status(status, Outcome.CANCELLED) for status in ExitStatus} == {"cancelled"}
    assert run_status(ExitStatus.DONE, Outcome.FAILED) == "success"
