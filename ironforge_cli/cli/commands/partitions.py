"""`ironforge partitions`: the days of raw snapshots, made ahead, archived, dropped past their retention, restored."""

from __future__ import annotations

from datetime import date
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ironforge_cli.archive.tables import ArchivedTables
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions, require_year
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, count, failures_of, iso, size
from ironforge_cli.cli.show.tables import Cell, Column, Words, listed
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.days import export as exporting
from ironforge_cli.jobs.days import maintain as maintaining
from ironforge_cli.jobs.days import one_day
from ironforge_cli.jobs.days.housekeeping import described
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.retention import cutoff, term_told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from ironforge_cli.jobs.days.housekeeping import Maintained
    from ironforge_cli.jobs.days.one_day import Changed, ChangedDays, HeldDay


def utc_day(text: str) -> date:
    """A day of an option.

    >>> utc_day("2024-01-15")
    datetime.date(2024, 1, 15)
    """
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day such as 2024-01-15") from None
    require_year(day, text)
    return day


Ahead = Annotated[
    int | None,
    typer.Option(
        "--ahead",
        metavar="N",
        min=0,
        max=366,
        help="Days to keep ready after today. Without it: IRONFORGE_PARTITIONS_AHEAD.",
    ),
]
Retain = Annotated[
    int | None,
    typer.Option(
        "--retain",
        min=0,
        max=36_500,
        metavar="DAYS",
        help="Drop days that began longer ago; 0 keeps all. Without it: IRONFORGE_RAW_RETENTION_DAYS.",
    ),
]


def _archive(what: str) -> Any:
    return typer.Option(
        "--archive",
        metavar="URI",
        help=f"{what}: a folder or s3://bucket/prefix. Without it: IRONFORGE_ARCHIVE_URI.",
    )


WrittenFirst = Annotated[str | None, _archive("Where days are written and read back before they are dropped")]
Looked = Annotated[str | None, _archive("The archive whose days are listed beside those that are held")]
Source = Annotated[str | None, _archive("The archive that the day is read from")]
Target = Annotated[str | None, _archive("The archive that is written to")]
Force = Annotated[
    bool, typer.Option("--force", help="Drop also what is not archived, or is of today: nothing brings it back.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
Adopt = Annotated[
    bool,
    typer.Option(
        "--adopt", help="Mark days again that have lost their comment, as by a dump without comments; see --dry-run."
    ),
]
Day = Annotated[date, typer.Option("--date", parser=utc_day, metavar="DAY", help="The UTC day, such as 2024-01-15.")]


@command
def maintain(
    run: Invocation,
    *,
    region: Regions = None,
    ahead: Ahead = None,
    retain: Retain = None,
    archive: WrittenFirst = None,
    adopt: Adopt = False,
    dry_run: DryRun = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Make the partitions of the coming days, drop the days past their retention, and prune old log rows.

    With an archive no day is dropped before it was written there and read back. Days and rows are old by the time of
    the newest snapshot of any region, or by the clock where that is earlier: a clock that is ahead costs nothing. Of
    regions that the settings name no more the days that are held leave, too, unless --region says which to look after.

    It says, too, where rows of the newest day are not those that were stored, as `ironforge status --deep` does.

    `collect` and `poll` look after days on their own. Nobody is kept waiting: what others use is left for the next run.

    Example: ironforge partitions maintain --dry-run
    Example: ironforge partitions maintain --ahead 14 --dry-run
    """
    maintained = maintaining.maintain(
        run.regions(region),
        # A place that is no archive is refused before a server is started.
        housekeeping=run.housekeeping(ahead=ahead, retain=retain, archive=archive, regions=region),
        storage=run.storage(lambda: run.database, home=run.home),
        clock=run.clock,
        progress=run.progress(),
        dry_run=dry_run,
        adopt=adopt,
        # Cron looks after days once a day, which is often enough for a look that takes seconds.
        count_rows=True,
    )
    return _maintenance(maintained, format_)


@command
def list_(
    run: Invocation, *, region: Regions = None, archive: Looked = None, format_: FormatOption = Format.TABLE
) -> Report:
    """List the days that are held or archived, with their rows and bytes, and what else is a part of the table.

    Rows of tables above 256 MB are as the registry of stored snapshots says; smaller ones are counted.

    Example: ironforge partitions list
    Example: ironforge partitions list --region eu
    """
    known = run.archive(archive)
    held = one_day.listed(run.regions(region), database=run.database, archive=known)
    return Report(
        records=_records(held, _HELD),
        show=lambda console: _grid(console, _HELD_SHOWN, held),
        format=format_,
    )


@command
def restore(
    run: Invocation,
    *,
    date_: Day,
    region: Regions = None,
    archive: Source = None,
    dry_run: DryRun = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Bring one day's raw snapshots back from the archive, to stay until `ironforge partitions drop` takes them.

    A day that is held gets the snapshots that it lacks. Nobody sees a day that is half there.

    Example: ironforge partitions restore --date 2024-01-15 --region eu
    """
    changed = one_day.restore(
        run.regions(region),
        date_,
        archive=run.required_archive(archive),
        storage=run.storage(lambda: run.database, home=run.home),
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
    archive: WrittenFirst = None,
    force: Force = False,
    dry_run: DryRun = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Drop one day's raw snapshots, restored ones too; statistics stay.

    With an archive the day is archived first, unless it is. Without one, and of today, only with --force.

    Example: ironforge partitions drop --date 2024-01-15 --region eu --dry-run
    """
    changed = one_day.drop(
        run.regions(region),
        date_,
        archive=run.archive(archive),
        storage=run.storage(lambda: run.database, home=run.home),
        clock=run.clock,
        progress=run.progress(),
        force=force,
        dry_run=dry_run,
    )
    return _changes(changed, format_)


@command
def export(
    run: Invocation, *, region: Regions = None, archive: Target = None, format_: FormatOption = Format.TABLE
) -> Report:
    """Write statistics, days and token prices into the archive, as Parquet beside raw days; the database keeps all.

    A month whose rows are archived as they are is left as it is.

    Example: ironforge partitions export
    Example: ironforge partitions export --archive /srv/ironforge/archive
    """
    exported = exporting.export(
        run.regions(region),
        tables=ArchivedTables(run.required_archive(archive).days.store),
        storage=run.storage(lambda: run.database, home=run.home),
        clock=run.clock,
        progress=run.progress(),
    )
    return Report(
        records=_records(exported.files, _FILES),
        show=lambda console: _grid(console, _FILES_SHOWN, exported.files),
        format=format_,
        status=exported.status,
        failures=failures_of(
            [(file.region.label, file.message) for file in exported.files if file.status is not ExitStatus.DONE]
        ),
    )


def _maintenance(maintained: Maintained, format_: Format) -> Report:
    of_tables = [result for result in maintained.results if result.table]
    as_of = maintained.present and maintained.present.trusted
    kept = maintained.retention_days
    term = None if kept is None else term_told(as_of, retention_days=kept)
    began_before = cutoff(as_of, retention_days=kept or 0)

    def show(console: Console) -> None:
        _grid(console, _RESULTS_SHOWN, of_tables, empty="There is nothing to do.")
        if maintained.present:
            console.print(maintained.present.told(), soft_wrap=True)
        if term is not None:
            console.print(term, soft_wrap=True)

    return Report(
        records=[
            {**record, "as_of": as_of, "began_before": began_before}
            for record in _records(maintained.results, _RESULTS)
        ],
        show=show,
        format=format_,
        status=maintained.status,
        failures=tuple(
            f"{result.region.label}: {described(result)}" if result.region else described(result)
            for result in maintained.results
            if result.status is not ExitStatus.DONE
        ),
    )


def _changes(changed: ChangedDays, format_: Format) -> Report:
    def show(console: Console) -> None:
        _grid(console, _CHANGED_SHOWN, changed.days)
        for day in changed.days:
            if day.outcome in _TOLD:
                line = f"{_TOLD[day.outcome]} {_rows(day.rows)} of {day.day} (UTC) of {day.region.label}."
                console.print(f"{line} {day.message}" if day.message else line, soft_wrap=True, markup=False)
        if changed.is_dry_run:
            console.print("This was a dry run: nothing was changed.", soft_wrap=True)

    return Report(
        records=_records(changed.days, _CHANGED),
        show=show,
        format=format_,
        status=changed.status,
        failures=failures_of(
            [(day.region.label, day.message) for day in changed.days if day.status is not ExitStatus.DONE]
        ),
    )


# What is said of a day, a file or a step: by the key of its record, and by the head of its column for people.

_Columns: TypeAlias = "Mapping[str, Callable[[Any], Any]]"


def _as_they_are(*names: str) -> _Columns:
    return {name: attrgetter(name) for name in names}


def _date(thing: Any) -> str | None:
    return thing.day and thing.day.isoformat()


def _number(value: int | None) -> str:
    return "" if value is None else count(value)


def _rows(value: int | None) -> str:
    return f"{_number(value) or 'all'} {'row' if value == 1 else 'rows'}"


def _bytes(value: int | None) -> str:
    return size(value) if value else ""


def _table_of_its_own(thing: HeldDay | Changed) -> str:
    """The name of a table, where it is not its region and its date once more."""
    usual = thing.day and DailyPartition(thing.region, thing.day).name
    return "" if thing.table is None or thing.table == usual else thing.table


def _days_or_bounds(held: HeldDay) -> str | Words:
    if held.day is not None:
        return held.day.isoformat()
    return Words(" to ".join(iso(bound) if bound else "…" for bound in (held.starts_at, held.ends_at)))


_HELD: _Columns = {
    **_as_they_are("region"),
    "date": _date,
    **_as_they_are("table"),
    "state": lambda held: str(held.state),
    **_as_they_are("starts_at", "ends_at", "rows", "bytes", "archived_rows", "archived_bytes"),
}
_HELD_SHOWN: _Columns = {
    "region": attrgetter("region.label"),
    "date": _days_or_bounds,
    "state": attrgetter("state"),
    "rows": lambda held: count(held.rows) if held.table else "",
    "bytes": lambda held: size(held.bytes) if held.table else "",
    "archived": lambda held: _number(held.archived_rows),
    "archived bytes": lambda held: "" if held.archived_bytes is None else size(held.archived_bytes),
    "table": _table_of_its_own,
}
_CUT, _GOING = {"table", "path"}, {"archived bytes"}
_RESULTS: _Columns = {
    "action": lambda result: str(result.action),
    **_as_they_are("region"),
    "date": _date,
    **_as_they_are("table", "outcome", "rows", "bytes", "message"),
}
_RESULTS_SHOWN: _Columns = {
    "action": attrgetter("action"),
    "region": lambda result: result.region.label if result.region else "",
    "table": attrgetter("table"),
    "outcome": attrgetter("outcome"),
    "rows": lambda result: _number(result.rows),
    "bytes": lambda result: _bytes(result.bytes),
}
_TOLD = {"dropped": "Dropped", "restored": "Brought back", "planned": "To be done with"}
_CHANGED: _Columns = {
    **_as_they_are("region"),
    "date": _date,
    **_as_they_are("table", "outcome", "rows", "bytes", "message"),
}
_CHANGED_SHOWN: _Columns = {
    "region": attrgetter("region.label"),
    "date": _date,
    "outcome": attrgetter("outcome"),
    "rows": lambda day: _number(day.rows),
    "bytes": lambda day: _bytes(day.bytes),
    "table": _table_of_its_own,
}
_FILES: _Columns = _as_they_are("region", "path", "outcome", "rows", "bytes", "message")
_FILES_SHOWN: _Columns = {
    "region": attrgetter("region.label"),
    "outcome": attrgetter("outcome"),
    "rows": lambda file: _number(file.rows),
    "bytes": lambda file: "" if file.bytes is None else size(file.bytes),
    "path": attrgetter("path"),
}


def _records(things: Sequence[object], columns: _Columns) -> list[dict[str, Any]]:
    return [{key: value(thing) for key, value in columns.items()} for thing in things]


def _cell(value: object) -> Cell:
    return value if isinstance(value, Words) else str(value)


def _grid(console: Console, columns: _Columns, things: Sequence[object], *, empty: str = "There are none.") -> None:
    cells: list[list[Cell]] = [[_cell(value(thing)) for value in columns.values()] for thing in things]
    # A column that has nothing to say of anything is left out.
    told = [number for number in range(len(columns)) if any(row[number] for row in cells)]
    heads = list(columns)
    shown = [
        Column(
            heads[number],
            right=heads[number].endswith(("rows", "bytes", "archived")),
            is_cut=heads[number] in _CUT,
            goes=heads[number] in _GOING,
        )
        for number in told
    ]
    listed(console, shown, ([row[number] for number in told] for row in cells), empty=empty)
