"""What is said, counted and measured of how a collection ended."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.collecting.outcomes import Collected, CollectedRegion, CollectedToken
from ironforge_cli.jobs.collecting.storing import SnapshotCounts
from ironforge_cli.jobs.collecting.telling import harmless, summarise, tell
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Run
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.handed import NOON

COUNTS = SnapshotCounts(1_234, 5, None, None, None, None, None, None, None, None, 0)


def region_end(**changes: Any) -> CollectedRegion:
    stored = CollectedRegion(Region.EU, Outcome.STORED, ExitStatus.DONE, snapshot_time=NOON, counts=None, message=None)
    return replace(stored, **changes)


def token_end(**changes: Any) -> CollectedToken:
    stored = CollectedToken(Region.EU, Outcome.STORED, ExitStatus.DONE, updated_at=NOON, price=7, message=None)
    return replace(stored, **changes)


@pytest.mark.parametrize(
    ("end", "level", "text"),
    [
        ({"counts": COUNTS}, "INFO", "EU: stored 2026-01-14T12:00:07+00:00, 1,234 auctions, at last."),
        (
            {"counts": COUNTS, "replayed": 2},
            "INFO",
            "EU: stored 2026-01-14T12:00:07+00:00, 1,234 auctions, at last. 2 bodies from the spool were stored, too.",
        ),
        (
            {"counts": COUNTS, "replayed": 1, "message": "One made no sense."},
            "INFO",
            (
                "EU: stored 2026-01-14T12:00:07+00:00, 1,234 auctions, at last. 1 body from the spool was stored, too. "
                "One made no sense."
            ),
        ),
        ({"outcome": Outcome.NO_CHANGE, "message": "Night."}, "INFO", "EU: Night."),
        (
            {"outcome": Outcome.NO_CHANGE, "message": "Night.", "replayed": 1, "region": Region.US},
            "INFO",
            "US: Night. 1 body from the spool was stored, too.",
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


def test_a_run_that_somebody_ended_at_the_terminal_is_cancelled() -> None:
    run = Run()
    ended = region_end(region=Region.US, outcome=Outcome.CANCELLED, status=ExitStatus.INTERRUPTED)
    summarise(run, Collected(regions=(region_end(), ended), tokens=()))
    assert (run.status, run.outcome) == (ExitStatus.INTERRUPTED, Outcome.CANCELLED)
    summarise(run, Collected(regions=(region_end(),), tokens=()))
    assert run.outcome is None


def test_what_fails_beside_the_work_is_told_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with harmless("Summing up"):
        raise ZeroDivisionError("by zero")
    (told,) = caplog.records
    assert (told.levelname, told.message) == ("ERROR", "Summing up failed. What is done stays done.")
    assert told.exc_info is not None
