"""One attempt at a region: its failure is a result, and its row says what the result says."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from ironforge_cli.db.silence import LONGEST_ANSWER_SECONDS, answered_within
from ironforge_cli.errors import IronforgeError
from ironforge_cli.jobs.collecting.outcomes import failed
from ironforge_cli.jobs.collecting.telling import harmless, rounded_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress
    from ironforge_cli.jobs.storage import Workplace
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)


def attempted(
    region: Region,
    cycle: Callable[[Attempt], CollectedRegion],
    *,
    workplace: Workplace,
    clock: Clock,
    progress: Progress,
    number: int = 1,
) -> CollectedRegion:
    """Run one region's cycle with its evidence; its failure is a result, so that it can't hinder another region."""
    started_at, started = clock.now(), clock.monotonic()
    with (
        answered_within(LONGEST_ANSWER_SECONDS),
        workplace.evidence.attempt(region, progress=progress, number=number) as attempt,
    ):
        collected = replace(_ended(region, cycle, attempt), steps=attempt.steps)
        collected.tell(attempt)
    if collected.counts is not None:
        with harmless(f"{region.label}: writing how long it took"):
            workplace.evidence.benchmark(
                "snapshot",
                region=region,
                started_at=started_at,
                seconds=clock.monotonic() - started,
                record_count=collected.counts.auctions,
                extra={
                    "steps": rounded_steps(collected),
                    "snapshot_time": collected.snapshot_time.isoformat() if collected.snapshot_time else None,
                },
            )
    return collected


def _ended(region: Region, cycle: Callable[[Attempt], CollectedRegion], attempt: Attempt) -> CollectedRegion:
    try:
        return cycle(attempt)
    except IronforgeError as error:
        return failed(region, error)
    except Exception as error:
        # A bug that one region's data brings to light must not cost the other region its hour.
        log.exception("%s: an unexpected error", region.label)
        return failed(region, error)
