"""`ironforge partitions`: the days of raw snapshots, made ahead, archived, dropped past their retention, restored."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions
from ironforge_cli.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from ironforge_cli.cli.frame.wiring import Invocation
    from ironforge_cli.cli.show.render import Report
    from ironforge_cli.jobs.days.export import Exported
    from ironforge_cli.jobs.days.housekeeping import Maintained
    from ironforge_cli.jobs.days.one_day import Changed, ChangedDays

_Part = TypeVar("_Part", bound="Changed | Exported")

app = typer.Typer(no_args_is_help=True)


def utc_day(text: str) -> date:
    """A day of an option.

    >>> utc_day("2024-01-15")
    datetime.date(2024, 1, 15)
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day such as 2024-01-15") from None


Ahead = Annotated[
    int | None,
    typer.Option(
        "--ahead", min=0, max=366, help="Days to keep ready after today. Without it: IRONFORGE_PARTITIONS_AHEAD."
    ),
]
Retain = Annotated[
    int | None,
    typer.Option(
        "--retain",
        min=0,
        max=36_500,
        metavar="DAYS",
        help="Drop days that are older; 0 keeps all. Without it: IRONFORGE_RAW_RETENTION_DAYS.",
    ),
]
ArchiveUri = Annotated[
    str | None,
    typer.Option(
        "--archive",
        metavar="URI",
        help="Folder or s3://bucket/prefix for days before they are dropped. Without it: IRONFORGE_ARCHIVE_URI.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
Day = Annotated[date, typer.Option("--date", parser=utc_day, metavar="DAY", help="The UTC day, such as 2024-01-15.")]


@command
def maintain(
    run: Invocation,
    *,
    region: Regions = None,
    ahead: Ahead = None,
    retain: Retain = None,
    archive: ArchiveUri = None,
    dry_run: DryRun = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Make the partitions of the coming days, drop the days past their retention, and prune old log rows.

    With an archive no day is dropped before it was written there and read back. Of regions that the settings name no
    more the days that are held leave, too, unless --region says which to look after.

    `collect` and `poll` do the same on their own. Nobody is kept waiting: what others use is left for the next run.

    Example: ironforge partitions maintain --ahead 14 --dry-run
    """
    from ironforge_cli.jobs.days import maintain as job  # noqa: PLC0415 - help must not wait for SQLAlchemy

    maintained = job.maintain(
        run.regions(region),
        storage=run.storage(lambda: run.database, home=run.home),
        housekeeping=run.housekeeping(ahead=ahead, retain=retain, archive=archive, regions=region),
        clock=run.clock,
        progress=run.progress(),
        dry_run=dry_run,
    )
    return _maintenance(maintained, format_)


@command
def list_(
    run: Invocation, *, region: Regions = None, archive: ArchiveUri = None, format_: FormatOption = Format.TABLE
) -> Report:
    """List the days that are held or archived, with their rows and bytes, and what else is a part of the table.

    Rows of tables above 256 MB are as the registry of stored snapshots says; smaller ones are counted.

    Example: ironforge partitions list --region eu
    """
    from ironforge_cli.cli.show.render import Report, count, iso, size  # noqa: PLC0415
    from ironforge_cli.jobs.days import one_day as job  # noqa: PLC0415

    held = job.listed(run.regions(region), database=run.database, archive=run.archive(archive))
    records: list[dict[str, Any]] = [
        {
            "region": day.region,
            "date": day.day and day.day.isoformat(),
            "table": day.table,
            "state": str(day.state),
            "starts_at": day.starts_at,
            "ends_at": day.ends_at,
            "rows": day.rows,
            "bytes": day.bytes,
            "archived_rows": day.archived_rows,
            "archived_bytes": day.archived_bytes,
        }
        for day in held
    ]
    rows = [
        (
            day.region.label,
            day.day.isoformat() if day.day else f"{_bound(day.starts_at, iso)} to {_bound(day.ends_at, iso)}",
            day.state,
            count(day.rows) if day.table else "",
            size(day.bytes) if day.table else "",
            count(day.archived_rows) if day.archived_rows is not None else "",
            size(day.archived_bytes) if day.archived_bytes is not None else "",
            day.table or "",
        )
        for day in held
    ]
    heads = ("region", "date", "state", "rows", "bytes", "archived rows", "archived bytes", "table")
    return Report(records=records, show=lambda console: _grid(console, heads, rows), format=format_)


@command
def restore(
    run: Invocation,
    *,
    date_: Day,
    region: Regions = None,
    archive: ArchiveUri = None,
    dry_run: DryRun = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Bring one day's raw snapshots back from the archive, to stay until `ironforge partitions drop` takes them.

    A day that is held gets the snapshots that it lacks. Nobody sees a day that is half there.

    Example: ironforge partitions restore --date 2024-01-15 --region eu
    """
    from ironforge_cli.jobs.days import one_day as job  # noqa: PLC0415

    changed = job.restore(
        run.regions(region),
        date_,
        storage=run.storage(lambda: run.database, home=run.home),
        archive=run.required_archive(archive),
        clock=run.clock,
        progress=run.progress(),
        dry_run=dry_run,
    )
    return _changes(changed, format_)


@command
def drop(
    run: Invocation,
    *,
    date_: Day,
    region: Regions = None,
    archive: ArchiveUri = None,
    dry_run: DryRun = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Drop one day's raw snapshots, restored ones too; statistics stay.

    With an archive the day is archived first, unless it is.

    Example: ironforge partitions drop --date 2024-01-15 --region eu --dry-run
    """
    from ironforge_cli.jobs.days import one_day as job  # noqa: PLC0415

    changed = job.drop(
        run.regions(region),
        date_,
        storage=run.storage(lambda: run.database, home=run.home),
        archive=run.archive(archive),
        clock=run.clock,
        progress=run.progress(),
        dry_run=dry_run,
    )
    return _changes(changed, format_)


@command
def export(
    run: Invocation, *, region: Regions = None, archive: ArchiveUri = None, format_: FormatOption = Format.TABLE
) -> Report:
    """Write statistics and token prices into the archive, as Parquet beside the raw days; the database keeps them.

    A month whose rows are archived as they are is left as it is.

    Example: ironforge partitions export --archive /srv/ironforge/archive
    """
    from ironforge_cli.archive.tables import ArchivedTables  # noqa: PLC0415
    from ironforge_cli.jobs.days import export as job  # noqa: PLC0415

    exported = job.export(
        run.regions(region),
        storage=run.storage(lambda: run.database, home=run.home),
        tables=ArchivedTables(run.required_archive(archive).days.store),
        clock=run.clock,
        progress=run.progress(),
    )
    return _parts(exported.files, exported.status, format_, named=lambda file: {"path": file.path})


def _maintenance(maintained: Maintained, format_: Format) -> Report:
    from ironforge_cli.cli.show.render import Report, count, size  # noqa: PLC0415
    from ironforge_cli.jobs.days.housekeeping import described  # noqa: PLC0415

    records: list[dict[str, Any]] = [
        {
            "action": str(result.action),
            "region": result.region,
            "date": result.day and result.day.isoformat(),
            "table": result.table,
            "outcome": result.outcome,
            "rows": result.rows,
            "bytes": result.bytes,
            "message": result.message,
        }
        for result in maintained.results
    ]
    rows = [
        (
            result.action,
            result.region.label if result.region else "",
            result.table or "",
            result.outcome,
            count(result.rows) if result.rows is not None else "",
            size(result.bytes) if result.bytes else "",
        )
        for result in maintained.results
        if result.table
    ]
    heads = ("action", "region", "table", "outcome", "rows", "bytes")
    return Report(
        records=records,
        show=lambda console: _grid(console, heads, rows, empty="There is nothing to do."),
        format=format_,
        status=maintained.status,
        failures=tuple(
            f"{result.region.label}: {described(result)}" if result.region else described(result)
            for result in maintained.results
            if result.status is not ExitStatus.DONE
        ),
    )


def _changes(changed: ChangedDays, format_: Format) -> Report:
    return _parts(
        changed.days, changed.status, format_, named=lambda day: {"date": day.day.isoformat(), "table": day.table}
    )


def _parts(
    parts: Sequence[_Part], status: ExitStatus, format_: Format, *, named: Callable[[_Part], dict[str, str]]
) -> Report:
    """What became of each part of the work, by the names that its kind of part has."""
    from ironforge_cli.cli.show.render import Report, count, size  # noqa: PLC0415

    records: list[Mapping[str, Any]] = [
        {
            "region": part.region,
            **named(part),
            "outcome": part.outcome,
            "rows": part.rows,
            "bytes": part.bytes,
            "message": part.message,
        }
        for part in parts
    ]
    # The first names stand before the outcome, the longest, a table or a path, at the end of the line.
    *names, last = named(parts[0]) if parts else ("path",)
    rows = [
        (
            part.region.label,
            *(named(part)[name] for name in names),
            part.outcome,
            count(part.rows) if part.rows is not None else "",
            size(part.bytes) if part.bytes else "",
            named(part)[last],
        )
        for part in parts
    ]
    return Report(
        records=records,
        show=lambda console: _grid(console, ("region", *names, "outcome", "rows", "bytes", last), rows),
        format=format_,
        status=status,
        failures=tuple(f"{part.region.label}: {part.message}" for part in parts if part.status is not ExitStatus.DONE),
    )


def _bound(moment: Any, written: Any) -> str:
    return written(moment) if moment else "…"


def _grid(
    console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "There are none."
) -> None:
    from rich.table import Table  # noqa: PLC0415

    from ironforge_cli.cli.show.render import plain  # noqa: PLC0415

    if not rows:
        console.print(empty)
        return
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        grid.add_column(head, overflow="fold", justify="right" if head.endswith(("rows", "bytes")) else "left")
    for row in rows:
        grid.add_row(*(plain(cell) for cell in row))
    console.print(grid)


app.command("maintain")(maintain)
app.command("list")(list_)
app.command("restore")(restore)
app.command("drop")(drop)
app.command("export")(export)
