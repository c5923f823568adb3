from __future__ import annotations

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.days.housekeeping import Maintained, Result, StepOutcome, described

DONE = Result("create", StepOutcome.DONE)
POSTPONED = Result("detach", StepOutcome.POSTPONED, status=ExitStatus.DATABASE)
BLOCKED = Result("drop", StepOutcome.BLOCKED)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ((), ExitStatus.DONE),
        ((DONE, DONE), ExitStatus.DONE),
        ((DONE, POSTPONED), ExitStatus.PARTIAL),
        # What was not begun is no success beside the failure that it rests on.
        ((POSTPONED, BLOCKED), ExitStatus.DATABASE),
        ((POSTPONED, BLOCKED, DONE), ExitStatus.PARTIAL),
    ],
)
def test_what_was_done_beside_what_was_not_is_partial(results: tuple[Result, ...], status: ExitStatus) -> None:
    assert Maintained(results).status is status


def test_a_step_that_was_not_done_is_one_line() -> None:
    assert (
        described(Result("detach", StepOutcome.POSTPONED, table="t", message="Busy."))
        == "detach t was postponed: Busy."
    )
    assert described(Result("drop", StepOutcome.BLOCKED, table="t")) == "drop t was blocked."
    assert described(Result("plan", StepOutcome.FAILED, message="Why.")) == "plan was failed: Why."
