"""`ironforge stats`: statistics computed anew, and held against the market."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions, utc_time
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, count, failures_of, iso
from ironforge_cli.cli.show.tables import Column, Table, by_region
from ironforge_cli.errors import ExitStatus, UsageError
from ironforge_cli.jobs.days import checking
from ironforge_cli.jobs.history import recompute as job
from ironforge_cli.jobs.history.recomputed import Extent

if TYPE_CHECKING:
    from rich.console import Console

    from ironforge_cli.jobs.days.checking import CheckedRegion
    from ironforge_cli.jobs.history.recomputed import RecomputedRegion, RecomputedStatistics

_MOST_WORKERS = 4

Since = Annotated[
    datetime | None,
    typer.Option("--since", parser=utc_time, metavar="TIME", help="The first snapshot's time at the earliest."),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        "--until",
        parser=utc_time,
        metavar="TIME",
        help="The last one's at the latest; the 96 hours after it, which rest on it, are computed too.",
    ),
]
Outdated = Annotated[
    bool, typer.Option("--outdated", help="Only where another version of the estimator was at work, and between.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change and by how much, and write nothing.")]
ArchiveUri = Annotated[
    str | None,
    typer.Option(
        "--archive",
        metavar="URI",
        help="Read raw snapshots that have left their table from this folder or s3://…; else IRONFORGE_ARCHIVE_URI.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        max=8,
        help="How many snapshots to compute at once; as many as there are cores, up to 4.",
    ),
]


@command
def recompute(
    run: Invocation,
    *,
    region: Regions = None,
    since: Since = None,
    until: Until = None,
    outdated: Outdated = False,
    dry_run: DryRun = False,
    archive: ArchiveUri = None,
    workers: Workers = None,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Compute statistics, sales and expiry windows again from the raw snapshots that are held or archived.

    The result is what collecting would write today. Statistics whose raw snapshots are gone stay as they are. It can
    be ended at any moment and started again, beside hourly collections.

    Example: ironforge stats recompute --dry-run
    Example: ironforge stats recompute --region eu --since 2024-01-15 --dry-run
    """
    if since is not None and until is not None and since > until:
        raise UsageError(f"--since {since.isoformat()} is after --until {until.isoformat()}.")
    archived = run.archive(archive)
    recomputed = job.recompute(
        run.regions(region),
        storage=run.storage(lambda: run.database, home=run.home),
        clock=run.clock,
        extent=Extent(since=since, until=until, outdated=outdated),
        dry_run=dry_run,
        archive=archived.days if archived else None,
        workers=workers or min(os.cpu_count() or 1, _MOST_WORKERS),
        progress=run.progress(),
    )
    return _report(recomputed, format_)


def _report(recomputed: RecomputedStatistics, format_: Format) -> Report:
    return Report(
        records=[_record(region) for region in recomputed.regions],
        show=lambda console: _show(recomputed, console),
        format=format_,
        status=recomputed.status,
        failures=failures_of(
            [
                (region.region.label, region.message)
                for region in recomputed.regions
                if region.status is not ExitStatus.DONE
            ]
        ),
    )


def _record(region: RecomputedRegion) -> dict[str, Any]:
    statistics = region.statistics
    return {
        "region": region.region,
        "outcome": region.outcome,
        "since": region.since,
        "until": region.until,
        "snapshots": region.snapshots,
        "changed": region.changed,
        "registry_changed": region.registry,
        "without_rows": region.without_rows,
        "without_previous": region.without_previous,
        "outdated": region.outdated,
        "still_outdated": region.still_outdated,
        "windows_changed": region.auctions,
        "rows_changed": statistics.rows,
        "rows_added": statistics.added,
        "rows_removed": statistics.removed,
        "columns": {
            name: {"rows": change.rows, "largest": change.largest, "total": change.total}
            for name, change in statistics.columns.items()
        },
        "message": region.message,
        "steps": {name: round(seconds, 4) for name, seconds in region.steps.items()},
    }


def _show(recomputed: RecomputedStatistics, console: Console) -> None:
    rows: dict[str, list[str]] = {}

    def row(name: str, cells: list[str]) -> None:
        rows[name] = cells

    regions = recomputed.regions
    row("", [region.outcome.replace("_", " ") for region in regions])
    row("from", [iso(region.since) if region.since else "-" for region in regions])
    row("to", [iso(region.until) if region.until else "-" for region in regions])
    row("snapshots computed", [count(region.snapshots) for region in regions])
    row("snapshots changed", [count(region.changed) for region in regions])
    row("left: raw rows not held", [count(region.without_rows) for region in regions])
    row("left: snapshot before not held", [count(region.without_previous) for region in regions])
    row("of another estimator before", [count(region.outdated) for region in regions])
    row("of another estimator after", [count(region.still_outdated) for region in regions])
    row("expiry windows changed", [count(region.auctions) for region in regions])
    row("rows of statistics changed", [count(region.statistics.rows) for region in regions])
    by_region([region.region.label for region in regions], rows, console)
    heads = ("region", "column", "rows", "largest change", "all changes")
    changes = Table([Column(head, right=head not in {"region", "column"}) for head in heads], gap=3)
    for region in regions:
        for name, change in region.statistics.columns.items():
            sizes = (f"{change.largest:,.6g}", f"{change.total:,.6g}")
            changes.add(region.region.label, name, count(change.rows), *sizes)
    if changes.rows:
        console.print()
        changes.show(console)
    for region in regions:
        if region.message and region.status is ExitStatus.DONE:
            console.print(f"{region.region.label}: {region.message}", soft_wrap=True, markup=False)


@command
def check(run: Invocation, *, region: Regions = None, format_: FormatOption = Format.TABLE) -> Report:
    """Hold the estimates of the last day against the market itself; it alarms, and changes no estimate.

    A day looked at half as often should come to nearly the same, and of the lots seen sold as many should have been
    listed just before a snapshot as the estimate of what nobody sees supposes. Nothing that it finds fails the command:
    `ironforge status --check` does, with what was found here.

    Example: ironforge stats check
    Example: ironforge stats check --region eu --format json
    """
    found = checking.check(run.regions(region), database=run.database, clock=run.clock)
    return Report(
        records=[_check_record(one) for one in found],
        show=lambda console: _show_checks(found, console),
        format=format_,
    )


def _check_record(found: CheckedRegion) -> dict[str, Any]:
    thinned = found.thinning
    return {
        "region": found.region,
        "since": thinned and thinned.since,
        "until": thinned and thinned.until,
        "items": thinned and thinned.items,
        "thinning_ratio": thinned and thinned.ratio,
        "sold_lots_phase": found.figures.phase,
        "withdrawn_an_hour": found.figures.withdrawn_an_hour,
        "passed_by": found.figures.passed_by,
        "doubts": [doubt.name.lower() for doubt in found.doubts],
    }


def _show_checks(found: list[CheckedRegion], console: Console) -> None:
    def share(value: float | None) -> str:
        return "too little" if value is None else f"{value:.1%}"

    def ratio(value: float | None) -> str:
        return "too little" if value is None else f"{value:.2f}"

    days = [one.thinning for one in found]
    figures = [one.figures for one in found]
    rows = {
        "from": [iso(day.since) if day else "-" for day in days],
        "to": [iso(day.until) if day else "-" for day in days],
        "looked at half as often": [ratio(day.ratio if day else None) for day in days],
        "phase of sold lots": [ratio(one.phase) for one in figures],
        "withdrawn an hour": [share(one.withdrawn_an_hour) for one in figures],
        "cheaper ones passed by": [share(one.passed_by) for one in figures],
        "doubts": [count(len(one.doubts)) for one in found],
    }
    by_region([one.region.label for one in found], rows, console)
    for one in found:
        for doubt in one.doubts:
            console.print(f"{one.region.label}: {doubt.value}.", soft_wrap=True, highlight=False)
