"""`ironforge snapshots`: what is stored, snapshot by snapshot, and taking one out again."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions, exact_time, utc_time
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, count, iso, size
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.errors import UsageError
from ironforge_cli.jobs.history import dropping as job
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ironforge_cli.db.repositories.snapshots import RegistryRow

Since = Annotated[
    datetime | None, typer.Option("--since", parser=utc_time, metavar="TIME", help="Of this time or later.")
]
Until = Annotated[
    datetime | None, typer.Option("--until", parser=utc_time, metavar="TIME", help="Of this time or earlier.")
]
Limit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=1_000_000, help="The newest so many of each region.")
]
Times = Annotated[
    list[datetime],
    typer.Argument(parser=exact_time, metavar="TIME", help="Times of snapshots, as `snapshots list` shows them."),
]
_COLUMNS = (
    Column("region"),
    Column("snapshot"),
    *(Column(head, right=True) for head in ("auctions", "items", "bytes", "sold")),
    Column("source", is_cut=True, goes=True),
)
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask; needed where nobody sits at a terminal.")]


@command
def list_(
    run: Invocation,
    *,
    region: Regions = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 24,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Show the stored snapshots of each region with their sizes, the newest last.

    Example: ironforge snapshots list
    Example: ironforge snapshots list --region eu --limit 48
    """
    rows = job.listed(run.database, run.regions(region), since=since, until=until, limit=limit)
    return _report(rows, format_)


@command
def drop(
    run: Invocation,
    *,
    times: Times,
    region: Regions = None,
    yes: Yes = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Take snapshots out for good: raw rows, statistics and registry; those that follow are computed anew.

    Each in one transaction, however it ends. What is archived of it stays in the archive.

    Example: ironforge snapshots drop 2031-01-15T03:48:02Z --region eu
    """
    regions = run.regions(region) if region else ()
    if len(regions) != 1:
        raise UsageError("Say of which region the snapshots are, with --region: of one at a time.")
    database = run.database
    rows = job.chosen(database, regions[0], times)
    if not yes:
        _ask(regions[0].label, [f"{iso(row.snapshot_time)} ({counted(row.auctions, 'auction')})" for row in rows])
    dropped = job.drop(
        regions[0],
        rows,
        storage=run.storage(lambda: database, home=run.home),
        clock=run.clock,
        progress=run.progress(),
    )
    warnings = [
        f"{regions[0].label}: the snapshot after {iso(one.snapshot.snapshot_time)} is still compared with it, since "
        "raw rows that it would rest on are not held. Its sales cover both intervals."
        for one in dropped
        if one.is_followed_by_old
    ]
    return _report(
        [one.snapshot for one in dropped],
        format_,
        recomputed=[one.recomputed for one in dropped],
        warnings=tuple(warnings),
    )


def _ask(label: str, snapshots: Sequence[str]) -> None:
    if not sys.stdin.isatty():
        raise UsageError("Dropping can't be undone: give --yes where nobody can be asked.")
    if not typer.confirm(f"Drop {', '.join(snapshots)} of {label} for good?", err=True):
        raise UsageError("Nothing was dropped.")


def _report(
    rows: Sequence[RegistryRow],
    format_: Format,
    *,
    recomputed: Sequence[int] | None = None,
    warnings: tuple[str, ...] = (),
) -> Report:

    records: list[dict[str, Any]] = [
        {
            "region": row.region,
            "snapshot_time": row.snapshot_time,
            "auctions": row.auctions,
            "skipped": row.skipped,
            "items": row.items,
            "bytes": row.bytes,
            "source": row.source,
            "stored_at": row.stored_at,
            "interval_seconds": row.interval_seconds,
            "estimated_sales": row.estimated_sales,
            "estimator_version": row.estimator_version,
            **({} if recomputed is None else {"dropped": True, "recomputed_after": recomputed[number]}),
        }
        for number, row in enumerate(rows)
    ]

    def table(console: Console) -> None:
        shown = (
            (
                row.region.label,
                iso(row.snapshot_time),
                count(row.auctions),
                count(row.items),
                size(row.bytes),
                count(row.estimated_sales),
                row.source,
            )
            for row in rows
        )
        listed(console, _COLUMNS, shown, empty="There are none.")
        if rows and recomputed is not None:
            again = sum(recomputed)
            console.print(f"Dropped {len(rows)}; {counted(again, 'snapshot')} after computed anew.")

    return Report(records=records, show=table, format=format_, warnings=warnings)
