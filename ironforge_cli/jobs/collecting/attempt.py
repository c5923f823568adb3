"""One attempt at one piece of work, a region's snapshot or its token price: its failure is a result."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ironforge_cli.db.repositories import stats
from ironforge_cli.errors import (
    STOPPED,
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    IronforgeError,
    RefusedAnswerError,
)
from ironforge_cli.jobs.collecting.outcomes import CollectedRegion, CollectedToken, Outcome, in_spool
from ironforge_cli.jobs.evidence.pending import TokenRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ironforge_cli.jobs.collecting.outcomes import Collected
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress, Run
    from ironforge_cli.jobs.storage import Storage, Workplace
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

Upkeep: TypeAlias = "Callable[[Sequence[Region], Storage], object]"
"""What is done for the days of regions of which something was stored; it raises nothing."""


class TokenSource(Protocol):
    """Where the price of a token comes from: Blizzard's API, as `BlizzardClient` speaks it."""

    def token_price(self, region: Region) -> tuple[datetime, int]:
        """When the price of a token was set, and the price in copper."""
        ...


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
    attempt: Attempt | None = None
    try:
        with workplace.evidence.attempt(region, progress=progress, number=number) as attempt:
            collected = cycle(attempt)
    except IronforgeError as error:
        return _failed(region, attempt, status=error.status, message=str(error))
    except Exception as error:
        # A bug that one region's data brings to light must not cost the other region its hour.
        log.exception("%s: an unexpected error", region.label)
        message = f"An unexpected error, please report it: {type(error).__name__}: {error}"
        return _failed(region, attempt, status=ExitStatus.BUG, message=message)
    if collected.counts is not None:
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


def _failed(region: Region, attempt: Attempt | None, *, status: ExitStatus, message: str) -> CollectedRegion:
    failed = CollectedRegion(
        region=region,
        outcome=Outcome(attempt.status) if attempt is not None else Outcome.FAILED,
        status=status,
        snapshot_time=None,
        counts=None,
        message=message,
        steps=attempt.steps if attempt is not None else {},
    )
    if attempt is None or attempt.spooled_time is None:
        return failed
    return replace(failed, snapshot_time=attempt.spooled_time, message=f"{message} {in_spool(attempt.spooled_time)}")


def tell(collected: CollectedRegion, *, more: str = "") -> None:
    """Say in one line how a region's collection ended well; what failed is said by whoever reports it.

    `more` is added to the line of a stored snapshot.
    """
    if collected.status is not ExitStatus.DONE:
        return
    label, time = collected.region.label, collected.snapshot_time
    replayed = f" {collected.replayed} from the spool were stored first." if collected.replayed else ""
    fields = {"region": collected.region.value, "outcome": collected.outcome.value, "snapshot_time": time}
    if collected.counts is not None and time is not None:
        text = f"{label}: stored {time.isoformat()}, {collected.counts.auctions:,} auctions{more}.{replayed}"
        fields |= {"auctions": collected.counts.auctions}
    else:
        text = f"{label}: {collected.message}{replayed}"
    log.log(logging.WARNING if collected.is_odd else logging.INFO, "%s", text, extra={"fields": fields})


def collect_token(region: Region, *, market: TokenSource, storage: Storage, clock: Clock) -> CollectedToken:
    """Store a region's token price, if it is new; one that the database can't take waits on disk."""
    try:
        clock.check()
        updated_at, price = market.token_price(region)
        try:
            with storage.database.transaction() as connection:
                new = stats.store_token_price(connection, region, at=updated_at, price=price)
        except (DatabaseError, ConfigurationError) as error:
            storage.pending.add(TokenRow(region, timestamp=updated_at, price=price))
            message = f"{error} The price waits on disk: the next run with a database stores it."
            return CollectedToken(region, Outcome.SPOOLED, error.status, updated_at, price, message)
    except IronforgeError as error:
        outcome = Outcome.REJECTED if isinstance(error, RefusedAnswerError) else Outcome.FAILED
        return CollectedToken(region, outcome, error.status, updated_at=None, price=None, message=str(error))
    except Exception as error:
        # As with a region: a bug here must not hide what became of the snapshots.
        log.exception("%s token price: an unexpected error", region.label)
        message = f"An unexpected error, please report it: {type(error).__name__}: {error}"
        return CollectedToken(region, Outcome.FAILED, ExitStatus.BUG, updated_at=None, price=None, message=message)
    outcome = Outcome.STORED if new else Outcome.NO_CHANGE
    return CollectedToken(region, outcome, ExitStatus.DONE, updated_at=updated_at, price=price, message=None)


def summarise(run: Run, collected: Collected) -> None:
    """Tell the run's benchmark how its pieces ended."""
    run.status = collected.status
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


def look_after(collected: Collected, *, storage: Storage, upkeep: Upkeep | None) -> None:
    """Look after the days when a snapshot was stored."""
    stored = with_something_stored(collected)
    if upkeep is not None and stored:
        upkeep(stored, storage)


def with_something_stored(collected: Collected) -> list[Region]:
    """The regions whose tables have grown; none where somebody asked the program to end, so that it does so now."""
    if collected.status in STOPPED:
        return []
    return [region.region for region in collected.regions if region.counts is not None or region.replayed]
