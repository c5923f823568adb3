from __future__ import annotations

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.days.housekeeping import Housekeeping, Maintained, Result, StepOutcome, described
from ironforge_cli.regions import Region

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


def test_what_a_run_collects_or_names_leaves_by_none() -> None:
    every = Housekeeping(ahead=1, retention_days=30, log_retention_days=30, leaving=(Region.US, Region.EU, Region.KR))
    assert every.of([Region.EU]).leaving == (Region.US, Region.KR)
    assert every.of([]) == every
