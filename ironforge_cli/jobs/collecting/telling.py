"""What is said and measured of how a collection ended."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Generator

    from ironforge_cli.jobs.collecting.outcomes import Collected, CollectedRegion
    from ironforge_cli.jobs.evidence.runs import Run

log = logging.getLogger(__name__)


@contextmanager
def harmless(what: str) -> Generator[None]:
    """Let what stands beside the work fail: that is said, and takes back nothing of what is done."""
    try:
        yield
    except Exception:
        log.exception("%s failed. What is done stays done.", what)


def tell(collected: CollectedRegion, *, more: str = "") -> None:
    """Say in one line how a region's collection ended well; what failed is said by whoever reports it.

    `more` is added to the line of a stored snapshot.
    """
    if collected.status is not ExitStatus.DONE:
        return
    label, time = collected.region.label, collected.snapshot_time
    replayed = (
        f" {counted(collected.replayed, 'body', 'bodies')} from the spool "
        f"{'was' if collected.replayed == 1 else 'were'} stored, too."
        if collected.replayed
        else ""
    )
    fields = {"region": collected.region.value, "outcome": collected.outcome.value, "snapshot_time": time}
    if collected.counts is not None and time is not None:
        text = f"{label}: stored {time.isoformat()}, {counted(collected.counts.auctions, 'auction')}{more}.{replayed}"
        fields |= {"auctions": collected.counts.auctions}
        if collected.message:
            text = f"{text} {collected.message}"
    else:
        text = f"{label}: {collected.message}{replayed}"
    log.log(logging.WARNING if collected.is_odd else logging.INFO, "%s", text, extra={"fields": fields})


def summarise(run: Run, collected: Collected) -> None:
    """Tell the run's benchmark how its pieces ended."""
    run.status = collected.status
    run.outcome = next((one.outcome for one in collected.regions if one.outcome is Outcome.CANCELLED), None)
    run.record_count = sum(region.counts.auctions for region in collected.regions if region.counts)
    failures = [
        f"{piece.region.label}{kind}: {piece.message}"
        for kind, pieces in (("", collected.regions), (" token", collected.tokens))
        for piece in pieces
        if piece.status is not ExitStatus.DONE
    ]
    run.message = " ".join(failures) or None
    run.extra = {
        "regions": {
            region.region: {"outcome": region.outcome, "steps": rounded_steps(region)} for region in collected.regions
        },
        "token": {token.region: token.outcome for token in collected.tokens},
    }


def rounded_steps(region: CollectedRegion) -> dict[str, float]:
    """Seconds of each step, as benchmarks keep them."""
    return {name: round(seconds, 4) for name, seconds in region.steps.items()}
