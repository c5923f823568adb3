"""`ironforge spool list|drop`: bodies that wait to be stored, and refused ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, count, iso
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.errors import UsageError
from ironforge_cli.jobs.collecting import spool as job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ironforge_cli.blizzard.spool import Kept

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Bodies by the beginning of their digest.")]
Quarantine = Annotated[bool, typer.Option("--quarantine", help="Refused bodies instead of those that wait.")]
All = Annotated[bool, typer.Option("--all", help="Every body, without naming any.")]
_COLUMNS = (
    Column("name"),
    Column("region"),
    Column("snapshot"),
    Column("bytes", right=True),
    Column("why", is_text=True),
)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be dropped, and drop nothing.")]


@command
def list_(
    run: Invocation, *, region: Regions = None, quarantine: Quarantine = False, format_: FormatOption = Format.TABLE
) -> Report:
    """List bodies that wait to be stored or, with --quarantine, those that were refused and why.

    Example: ironforge spool list
    Example: ironforge spool list --quarantine
    """
    return report(job.listed(run.shelves, run.regions(region), quarantine=quarantine), format_)


@command
def drop(
    run: Invocation,
    *,
    names: Names = None,
    region: Regions = None,
    quarantine: Quarantine = False,
    all_: All = False,
    dry_run: DryRun = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Remove bodies for good: those that are named, or all.

    An hour that is dropped from the spool is gone.

    Example: ironforge spool drop 3fa9c1 --dry-run
    Example: ironforge spool drop --quarantine --all
    """
    if not names and not all_:
        raise UsageError("Name the bodies to drop, or give --all. `ironforge spool list` shows them.")
    bodies = job.chosen(run.shelves, run.regions(region), names or (), quarantine=quarantine)
    if not dry_run:
        job.drop(bodies, shelves=run.shelves, quarantine=quarantine)
    told = (
        f"{count(len(bodies))} {'body' if len(bodies) == 1 else 'bodies'}, {count(sum(b.bytes for b in bodies))} bytes"
    )
    ending = f"This was a dry run: nothing was dropped of {told}." if dry_run else f"Dropped {told}."
    return report(bodies, format_, outcome="planned" if dry_run else "dropped", ending=ending)


def report(bodies: Sequence[Kept], format_: Format, *, outcome: str | None = None, ending: str | None = None) -> Report:
    """Bodies that wait, or that were refused, as a list, and what became of them where that was asked for."""

    def table(console: Console) -> None:
        rows = (
            (
                body.name,
                body.region.label,
                iso(body.snapshot_time) if body.snapshot_time else "unknown",
                count(body.bytes),
                body.reason,
            )
            for body in bodies
        )
        listed(console, _COLUMNS, rows, empty="There are none.")
        if ending is not None:
            console.print(ending, soft_wrap=True)

    records: list[dict[str, Any]] = [
        {
            "name": body.name,
            "digest": body.digest,
            "region": body.region,
            "snapshot_time": body.snapshot_time,
            "received_at": body.received_at,
            "bytes": body.bytes,
            "reason": body.reason,
            "path": body.path,
            **({} if outcome is None else {"outcome": outcome}),
        }
        for body in bodies
    ]
    return Report(records=records, show=table, format=format_)
