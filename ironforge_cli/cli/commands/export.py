"""`ironforge export`: what is stored, for other programs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.answers.answer import Asking
from ironforge_cli.cli.commands.token import Since
from ironforge_cli.cli.frame.asking import span_of, words_of
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Regions, utc_time
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.output import bytes_to_stdout, say
from ironforge_cli.cli.show.render import size
from ironforge_cli.errors import UsageError
from ironforge_cli.given import named_place
from ironforge_cli.tell import sources
from ironforge_cli.tell.exporting import ExportFormat, WrittenRows, export, format_of
from ironforge_cli.tell.files import written_whole
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from typing import IO

    from ironforge_cli.jobs.evidence.runs import Clock, Progress
    from ironforge_cli.regions import Region
    from ironforge_cli.tell.exporting import QueryRows, RecordRows

Until = Annotated[
    datetime | None,
    typer.Option("--until", parser=utc_time, metavar="TIME", help="Up to this time; without it to the newest."),
]
Items = Annotated[
    list[str] | None,
    typer.Option("--item", metavar="ITEM", help="This item alone, by number or name; repeat for more, - reads stdin."),
]
FormatOfExport = Annotated[
    ExportFormat | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        case_sensitive=False,
        help="csv, jsonl or parquet. Without it as the file's name ends, else csv; parquet needs the extra archive.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="The file to write, whole or not at all; .gz and .zst are packed. Without it, or -: stdout.",
    ),
]
At = Annotated[
    datetime | None,
    typer.Option("--at", parser=utc_time, metavar="TIME", help="The newest snapshot up to this time."),
]


@command
def statistics(
    run: Invocation,
    *,
    since: Since = None,
    until: Until = None,
    region: Regions = None,
    item: Items = None,
    format_: FormatOfExport = None,
    output: Output = None,
) -> None:
    """Write the hourly statistics of every item: prices, quantities and estimated sales, as long as they are held.

    Rows of a month come in the order in which it lies: by item or by time.

    Example: ironforge export statistics --since 30d --region eu --output statistics.parquet
    Example: ironforge export statistics --since 2026-01-01 --until 2026-02-01 --output january.csv.zst
    Example: ironforge export statistics --item 210930 --since 7d --format jsonl
    """
    asking = _asking(run, region)
    _write(run, sources.statistics(asking, _span(since, until), _words(item)), format_, output)


@command
def book(
    run: Invocation,
    *,
    at: At = None,
    region: Regions = None,
    item: Items = None,
    format_: FormatOfExport = None,
    output: Output = None,
) -> None:
    """Write the order books of a snapshot: the units that every item has for sale at each price.

    Example: ironforge export book --region eu --output book.parquet
    Example: ironforge export book --at yesterday --item 210930 --format csv
    """
    _write(run, sources.book(_asking(run, region), at, _words(item)), format_, output)


@command
def tokens(
    run: Invocation,
    *,
    since: Since = None,
    until: Until = None,
    region: Regions = None,
    format_: FormatOfExport = None,
    output: Output = None,
) -> None:
    """Write what a token cost, from the first price that is stored on.

    Example: ironforge export tokens --output tokens.csv
    Example: ironforge export tokens --since 30d --region us --format jsonl
    """
    _write(run, sources.tokens(_asking(run, region), _span(since, until)), format_, output)


@command
def items(
    run: Invocation,
    *,
    region: Regions = None,
    item: Items = None,
    format_: FormatOfExport = None,
    output: Output = None,
) -> None:
    """Write the names and kinds of items, with the units for sale in the newest snapshots.

    Example: ironforge export items --output items.csv
    """
    _write(run, sources.items(_asking(run, region), _words(item)), format_, output)


@command
def recipes(
    run: Invocation,
    *,
    region: Regions = None,
    item: Items = None,
    format_: FormatOfExport = None,
    output: Output = None,
) -> None:
    """Write what recipes make and take, a row for each item that comes out or fits in.

    They are the same in every region: --region is taken so that one call fits every kind of export.

    Example: ironforge export recipes --output recipes.parquet
    Example: ironforge export recipes --item 210930 --format jsonl
    """
    _write(run, sources.recipes(_asking(run, region), _words(item)), format_, output)


@command
def crafts(
    run: Invocation,
    *,
    region: Regions = None,
    item: Items = None,
    format_: FormatOfExport = None,
    output: Output = None,
) -> None:
    """Write what every craft costs and earns now, those of which something is unknown with the reasons.

    Example: ironforge export crafts --region eu --output crafts.csv
    """
    _write(run, sources.crafts(_asking(run, region), _words(item)), format_, output)


@dataclass(frozen=True, slots=True)
class _Watching:
    progress: Progress
    clock: Clock

    def step(self, region: Region | None, name: str) -> None:
        self.progress.step(region, name)

    def check(self) -> None:
        self.clock.check()


@dataclass(frozen=True, slots=True)
class _Unseen:
    clock: Clock

    def step(self, region: Region | None, name: str) -> None:
        """What is written to the terminal itself shows how far it is."""

    def check(self) -> None:
        self.clock.check()


def _asking(run: Invocation, region: Sequence[Region] | None) -> Asking:
    # How old it may be is asked by whoever reads it.
    regions = run.regions(region)
    return Asking(database=run.database_to_read, regions=regions, now=run.clock.now(), max_age=timedelta.max)


def _span(since: Any, until: datetime | None) -> sources.Span:
    if since is None:
        return sources.Span(None, until)
    over, start = span_of(since, until)
    return sources.Span(over if start is None else start, until)


def _words(item: Sequence[str] | None) -> list[str]:
    if not item:
        return []
    words = words_of(item)
    if not words:
        raise UsageError("--item - read no id and no name from stdin.")
    return words


def _write(
    run: Invocation,
    source: AbstractContextManager[QueryRows | RecordRows],
    given: ExportFormat | None,
    output: Path | None,
) -> None:
    if output == Path("-"):
        output = None
    form = format_of(given, None if output is None else output.name)
    if output is None:
        if form is ExportFormat.PARQUET and sys.stdout.isatty():
            raise UsageError("Parquet is nothing for a terminal: name a file with --output, or pipe it.")
        watching = _Unseen(run.clock) if sys.stdout.isatty() else _Watching(run.progress(), run.clock)
        with source as rows, bytes_to_stdout() as stream:
            export(rows, form, stream, watching=watching)
        return
    written = _into_file(source, form, output, _Watching(run.progress(), run.clock))
    run.stand_still()
    if not run.shared.quiet:
        say(f"{output}: {counted(written.rows, 'row')}, {size(named_place(output).stat().st_size)}.")


def _into_file(
    source: AbstractContextManager[QueryRows | RecordRows], form: ExportFormat, output: Path, watching: _Watching
) -> WrittenRows:
    stream: IO[bytes]
    with source as rows, written_whole(output) as stream:
        return export(rows, form, stream, watching=watching)
