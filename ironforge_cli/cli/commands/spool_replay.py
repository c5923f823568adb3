"""`ironforge spool replay`: bodies that wait are stored."""

from __future__ import annotations

from typing import Annotated

import typer

from ironforge_cli.cli.commands import collect, spool
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions, SnapshotTime
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report
from ironforge_cli.errors import UsageError
from ironforge_cli.jobs.collecting import replay as job
from ironforge_cli.jobs.collecting import spool as waiting

Force = Annotated[bool, typer.Option("--force", help="Store a body that is implausibly small, too.")]


@command
def replay(
    run: Invocation,
    *,
    names: spool.Names = None,
    region: Regions = None,
    quarantine: spool.Quarantine = False,
    snapshot_time: SnapshotTime = None,
    force: Force = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Store bodies that wait, oldest first; `collect` does so on its own. Refused ones are stored only by name.

    A body of the quarantine whose time was refused needs --snapshot-time, one that is implausibly small --force.

    Example: ironforge spool replay
    Example: ironforge spool replay --quarantine 3fa9c1 --snapshot-time 2024-01-15T03:48:02Z
    """
    if quarantine and not names:
        raise UsageError("Refused bodies are stored by name: `ironforge spool list --quarantine` shows them.")
    run.tell_once(is_table=format_ is Format.TABLE)
    storage = run.storage(lambda: run.database, home=run.home)
    bodies = waiting.chosen(run.shelves, run.regions(region), names or (), quarantine=quarantine)
    if not bodies:
        return spool.report(bodies, format_)
    replayed = job.replay(
        bodies,
        storage=storage,
        quarantine=quarantine,
        snapshot_time=snapshot_time,
        force=force,
        clock=run.clock,
        progress=run.progress(),
    )
    return collect.report(replayed, format_)
