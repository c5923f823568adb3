"""Bodies that wait on disk, stored by an operator's word."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ironforge_cli.errors import STOPPED, ConfigurationError, ExitStatus, UsageError
from ironforge_cli.jobs.collecting.collect import ingest_received, require_possible
from ironforge_cli.jobs.collecting.intake import Received
from ironforge_cli.jobs.collecting.outcomes import Collected, failed
from ironforge_cli.jobs.collecting.spool import shelf_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.jobs.evidence.runs import Clock, Progress
    from ironforge_cli.jobs.storage import Storage

COMMAND: Final = "spool replay"


def replay(
    bodies: Sequence[Kept],
    *,
    storage: Storage,
    quarantine: bool,
    snapshot_time: datetime | None,
    force: bool,
    clock: Clock,
    progress: Progress,
) -> Collected:
    """Store bodies, each as a snapshot of its time or of `snapshot_time`; what is stored is dropped.

    It ends after the body at work where somebody asks the program to end, and where the database is away: the others
    wait. A body's own time is Blizzard's, and stands whatever this machine's clock says.

    It stays where it is evidence: where auctions were left out of its snapshot, and it is the first of such of its day.

    Raises `UsageError` where a body has no time and none is given, or one is given for several, before anything is
    stored.
    """
    if snapshot_time is not None and len(bodies) != 1:
        raise UsageError("--snapshot-time is the time of one body: name that one.")
    if snapshot_time is not None:
        require_possible(snapshot_time, clock=clock)
    timed: list[tuple[Kept, datetime]] = []
    for body in bodies:
        time = snapshot_time or body.snapshot_time
        if time is None:
            raise UsageError(
                "Blizzard gave this body no time that can be used: say which hour it is of, with --snapshot-time."
            )
        timed.append((body, time))
    shelf = shelf_of(storage.shelves, quarantine=quarantine)
    results: list[Collected] = []
    for body, time in timed:
        received = Received.kept_on(shelf, body, source="quarantine" if quarantine else "spool", snapshot_time=time)
        result = ingest_received(
            received, command=COMMAND, storage=storage, clock=clock, progress=progress, force=force
        )
        (region,) = result.regions
        if not region.is_held:
            result = replace(result, regions=(replace(region, status=ExitStatus.REFUSED),))
        elif not result.status and not shelf.is_evidence(body):
            try:
                shelf.drop(body)
            except ConfigurationError as error:
                result = replace(result, regions=(replace(failed(body.region, error), counts=region.counts),))
        results.append(result)
        if region.status in STOPPED or region.is_unreachable:
            break
    return Collected(regions=tuple(region for result in results for region in result.regions), tokens=())
