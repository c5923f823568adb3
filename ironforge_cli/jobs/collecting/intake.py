"""Bodies that are at hand: storing a saved one under its time, and keeping a refused one."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from ironforge_cli.blizzard import payloads
from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import ExitStatus, IronforgeError
from ironforge_cli.jobs.collecting.outcomes import CollectedRegion, Outcome, repeated_body, unchanged
from ironforge_cli.jobs.collecting.storing import require_plausible, store_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.storage import Workplace
    from ironforge_cli.regions import Region


def store_body(
    body: bytes,
    *,
    region: Region,
    snapshot_time: datetime,
    source: str,
    workplace: Workplace,
    attempt: Attempt,
    force: bool,
) -> CollectedRegion:
    """Store a saved body as the snapshot of a time, also between others, unless that time is stored already.

    Who calls holds the region's lock. `source` is one of SNAPSHOT_SOURCES. Raises as the storing does, and
    `RefusedAnswerError`; nothing is stored then.
    """
    digest = sha256(body).hexdigest()
    with workplace.database.connect() as connection:
        stored = snapshots.at(connection, region, snapshot_time)
        before = snapshots.before(connection, region, snapshot_time)
    if stored is not None:
        held = stored.digest == digest
        same = "this body" if held else "another body, which stays"
        told = unchanged(attempt, region, snapshot_time, f"That time is stored already, with {same}.")
        return replace(told, is_held=held)
    if before is not None and before.digest == digest:
        return repeated_body(attempt, region, snapshot_time, before.snapshot_time)
    with attempt.step("decode"), workplace.decoding:
        auctions = payloads.commodities(body, region=region)
    if not force:
        with workplace.database.connect() as connection:
            require_plausible(connection, region, auctions, at=snapshot_time)
    counts = store_snapshot(
        auctions,
        region=region,
        at=snapshot_time,
        body=snapshots.Body(bytes=len(body), digest=digest, source=source),
        database=workplace.database,
        attempt=attempt,
    )
    return CollectedRegion(
        region=region,
        outcome=Outcome.STORED,
        status=ExitStatus.DONE,
        snapshot_time=snapshot_time,
        counts=counts,
        message=None,
        steps=attempt.steps,
    )


def quarantined(
    body: bytes,
    *,
    headers: Mapping[str, str],
    snapshot_time: datetime | None,
    region: Region,
    reason: str,
    workplace: Workplace,
    attempt: Attempt,
) -> str:
    """Keep a refused body and say where; that it can't be kept is said too, and hides nothing."""
    try:
        kept = workplace.shelves.quarantine.keep(
            body,
            region=region,
            snapshot_time=snapshot_time,
            headers=headers,
            received_at=attempt.clock.now(),
            reason=reason,
        )
    except IronforgeError as error:
        return f"The body could not be kept: {error}"
    return f"The body is kept: `ironforge spool list --quarantine` shows it as {kept.name}."
