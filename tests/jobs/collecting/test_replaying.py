"""What becomes of the spool is told with the hour that was asked for, and never instead of it. No server is needed."""

from __future__ import annotations

from dataclasses import replace

from ironforge_cli.errors import ExitStatus, UnavailableError
from ironforge_cli.jobs.collecting.outcomes import failed, unchanged
from ironforge_cli.jobs.collecting.replaying import Replayed
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import Region
from tests.jobs.handed import NOON

GOOD = unchanged(Region.US, NOON, "It is night.")


def test_what_was_stored_from_the_spool_is_counted_with_the_hour() -> None:
    assert Replayed(stored=0).told_with(GOOD) == GOOD
    assert Replayed(stored=3).told_with(GOOD) == replace(GOOD, replayed=3)


def test_bodies_that_stay_make_a_good_hour_partial_and_leave_it_its_outcome() -> None:
    told = Replayed(stored=1, problems=("Cut.", "Away.")).told_with(GOOD)
    assert (told.outcome, told.status, told.replayed) == (Outcome.NO_CHANGE, ExitStatus.PARTIAL, 1)
    assert told.message == "Not all of the spool could be stored: Cut. Away."


def test_an_hour_that_failed_keeps_its_own_code_and_reason() -> None:
    down = failed(Region.US, UnavailableError("Down."))
    assert Replayed(stored=1, problems=("Cut.",)).told_with(down) == replace(down, replayed=1)
