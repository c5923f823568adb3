"""`ironforge archive`: the place that raw days go to before they are dropped, made once, listed and checked."""

from __future__ import annotations

from operator import attrgetter
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, count, failures_of, iso, size
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.errors import ConfigurationError, ExitStatus, combined_status
from ironforge_cli.jobs.days import archives as job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ironforge_cli.jobs.days.archives import ArchivedDay, CheckedArchive, CheckedDay, MadeArchive

Uri = Annotated[
    str | None,
    typer.Argument(metavar="URI", help="A folder or s3://bucket/prefix. Without it: IRONFORGE_ARCHIVE_URI."),
]
ArchiveUri = Annotated[
    str | None,
    typer.Option(
        "--archive",
        metavar="URI",
        help="The archive: a folder or s3://bucket/prefix. Without it: IRONFORGE_ARCHIVE_URI.",
    ),
]
Sample = Annotated[
    int | None,
    typer.Option("--sample", min=1, max=100_000, metavar="N", help="Look at so many days, chosen by chance."),
]


@command
def init(run: Invocation, *, uri: Uri = None, format_: FormatOption = Format.TABLE) -> Report:
    """Make a folder or an S3 prefix an archive, once: no command uses a place that is none.

    An archive stays as it is, and one of before there were markers gets its own. Says what is there.

    Example: ironforge archive init /srv/ironforge/archive
    """
    store = run.store(uri)
    if store is None:
        raise ConfigurationError("No archive is named: say where to make one, or set IRONFORGE_ARCHIVE_URI.")
    made = job.init(store, now=run.clock.now())
    record = {
        "archive": made.name,
        "made_at": made.made_at,
        "was_made": made.was_made,
        "days": {region.value: len(days) for region, days in made.days.items()},
        "tables": made.tables,
    }

    def show(console: Console) -> None:
        for line in _told(made):
            console.print(line, soft_wrap=True, markup=False)

    return Report(records=[record], show=show, format=format_)


@command
def list_(
    run: Invocation, *, region: Regions = None, archive: ArchiveUri = None, format_: FormatOption = Format.TABLE
) -> Report:
    """List the days that the archive holds, with their rows and bytes, as their manifests say.

    Example: ironforge archive list --region eu
    """
    days = job.listed(run.regions(region), archive=run.required_archive(archive))
    names = ("snapshots", "rows", "bytes", "archived_at", "message")
    columns = [Column("region"), Column("date")]
    columns += [Column(name, right=True) for name in ("snapshots", "rows", "bytes")] + [Column("archived")]
    rows = [
        (
            day.region.label,
            day.day.isoformat(),
            count(day.snapshots),
            count(day.rows),
            "-" if day.bytes is None else size(day.bytes),
            iso(day.archived_at.replace(microsecond=0)) if day.archived_at else "-",
        )
        for day in days
    ]
    return Report(
        records=_records(days, names),
        show=lambda console: listed(console, columns, rows, empty="The archive holds no days."),
        format=format_,
        status=combined_status([day.status for day in days]),
        failures=_failures(days),
    )


@command
def check(
    run: Invocation,
    *,
    region: Regions = None,
    archive: ArchiveUri = None,
    sample: Sample = None,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Read the archive back, and compare each day with its manifest and with the database where that holds it too.

    Changes nothing. A day takes about as long as to archive it; --sample looks at some of them.

    Example: ironforge archive check --sample 10
    """
    held = run.required_archive(archive)
    checked = job.check(
        run.regions(region),
        archive=held,
        database=run.storage(lambda: run.database, home=run.home).database,
        clock=run.clock,
        progress=run.progress(),
        sample=sample,
        # Which days are looked at has to differ from run to run, and is no secret.
        chance=Random(),  # noqa: S311 - see above
    )
    away = [f"No day was compared with the database: {checked.away}"] if checked.away else []
    names = ("verdict", "rows", "bytes", "in_database", "message")
    return Report(
        records=_records(checked.days, names),
        show=lambda console: _show_checked(checked, console),
        format=format_,
        status=checked.status,
        failures=(*_failures(checked.days), *away),
    )


def _show_checked(checked: CheckedArchive, console: Console) -> None:
    compared = {True: "compared", False: "not held", None: "unknown"}
    columns = [Column("region"), Column("date"), Column("verdict")]
    columns += [Column(name, right=True) for name in ("rows", "bytes")] + [Column("database")]
    rows = [
        (
            day.region.label,
            day.day.isoformat(),
            str(day.verdict),
            count(day.rows),
            "-" if day.bytes is None else size(day.bytes),
            compared[day.in_database],
        )
        for day in checked.days
    ]
    listed(console, columns, rows, empty="The archive holds no days.")
    if len(rows) < checked.of:
        console.print(f"{len(rows)} of {checked.of} days were looked at.", soft_wrap=True)


def _told(made: MadeArchive) -> list[str]:
    """What there is to say of an archive that was made, in lines."""
    moment = iso(made.made_at.replace(microsecond=0))
    holds = [
        f"{region.label}: {len(days)} {'day' if len(days) == 1 else 'days'}, {days[0]} to {days[-1]}"
        for region, days in made.days.items()
    ]
    if made.tables:
        holds.append(f"{made.tables} {'file' if made.tables == 1 else 'files'} of statistics, days and token prices")
    if made.was_made:
        first = f"{made.name} is an archive since {moment}; nothing was changed."
    elif holds:
        first = f"{made.name} was an archive without a marker, and has one now."
    else:
        first = f"{made.name} is an archive now."
    return [first, f"It holds {'; '.join(holds)}." if holds else "It holds nothing yet."]


def _records(days: Sequence[ArchivedDay | CheckedDay], names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"region": day.region, "date": day.day.isoformat(), **{name: attrgetter(name)(day) for name in names}}
        for day in days
    ]


def _failures(days: Sequence[ArchivedDay | CheckedDay]) -> tuple[str, ...]:
    return failures_of(
        [(f"{day.region.label} {day.day}", day.message) for day in days if day.status is not ExitStatus.DONE]
    )
