"""`ironforge collect`: one collection cycle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.blizzard.packed import unpacked
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions, SnapshotTime
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, count, failures_of, gold, iso
from ironforge_cli.cli.show.tables import Column, Table, by_region
from ironforge_cli.errors import ExitStatus, UsageError
from ironforge_cli.jobs.collecting import collect as job
from ironforge_cli.jobs.collecting.outcomes import NOTHING_NEW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from ironforge_cli.jobs.collecting.collect import Collected
    from ironforge_cli.jobs.collecting.poll import PolledRegion
    from ironforge_cli.regions import Region

_STDIN = Path("-")

From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        allow_dash=True,
        help="Store a saved body, also one packed by gzip or zstd, instead of asking Blizzard; - reads stdin. Needs "
        "one --region and --snapshot-time.",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Ask even for what is known, and take a body that is implausibly small, or what of it makes sense.",
    ),
]


@command
def collect(
    run: Invocation,
    *,
    region: Regions = None,
    from_: From = None,
    snapshot_time: SnapshotTime = None,
    force: Force = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Store what each region has published since its last stored snapshot, and the token price.

    Asks Blizzard only for something newer; with nothing new it costs next to nothing. Each region is stored whole or
    not at all, and none hinders another.

    Example: ironforge collect
    Example: ironforge collect --region eu --format json
    """
    run.tell_once(is_table=format_ is Format.TABLE)
    if from_ is not None:
        collected = _ingested(run, from_, region=region, snapshot_time=snapshot_time, force=force)
    elif snapshot_time is not None:
        raise UsageError("--snapshot-time says which hour a saved body is of: give the body too, with --from.")
    else:
        regions = run.regions(region)
        # Settings that are missing are told before a server is started.
        run.settings.credentials()
        storage = run.storage(run.collecting_database, home=run.home)
        collected = job.collect(
            regions,
            market=run.client,
            storage=storage,
            clock=run.clock,
            progress=run.progress(),
            force=force,
            upkeep=run.upkeep(),
        )
    return report(collected, format_)


def _ingested(run: Invocation, file: Path, *, region: Regions, snapshot_time: Any, force: bool) -> Collected:
    if region is None or len(set(region)) != 1:
        raise UsageError("--from stores one body of one region: say which with --region, such as --region eu.")
    if snapshot_time is None:
        raise UsageError(
            "--from needs --snapshot-time: the Last-Modified that Blizzard gave with the body, such as "
            "2024-01-15T03:48:02Z."
        )
    try:
        content = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}.") from error
    return job.ingest(
        unpacked(content, name="What came by stdin" if file == _STDIN else str(file)),
        region=region[0],
        snapshot_time=snapshot_time,
        storage=run.storage(lambda: run.database, home=run.home),
        clock=run.clock,
        progress=run.progress(),
        force=force,
        # What comes through a pipe is nowhere else.
        file=file if file.is_file() else None,
    )


def report(collected: Collected, format_: Format, *, polled: Mapping[Region, PolledRegion] | None = None) -> Report:
    """What a collection, a window of them or the replay of bodies has to say; `polled` tells of the window."""
    failures = [
        (f"{piece.region.label}{kind}", piece.message)
        for kind, pieces in (("", collected.regions), (" token price", collected.tokens))
        for piece in pieces
        if piece.status is not ExitStatus.DONE
    ]
    return Report(
        records=records(collected, polled=polled),
        show=lambda console: show(collected, console, polled=polled),
        details=lambda console: show_steps(collected, console),
        format=format_,
        status=collected.status,
        failures=failures_of(failures),
    )


def records(collected: Collected, *, polled: Mapping[Region, PolledRegion] | None = None) -> list[dict[str, Any]]:
    """One record a region, for programs."""
    tokens = {token.region: token for token in collected.tokens}
    found: list[dict[str, Any]] = []
    for region in collected.regions:
        counts, token = region.counts, tokens.get(region.region)
        found.append(
            {
                "region": region.region,
                "outcome": region.outcome,
                "snapshot_time": region.snapshot_time,
                "replayed": region.replayed,
                "auctions": counts and counts.auctions,
                "skipped": counts and counts.skipped,
                "items": counts and counts.items,
                "interval_seconds": counts and counts.interval_seconds,
                "new_auctions": counts and counts.new_auctions,
                "gone_auctions": counts and counts.gone_auctions,
                "sales_low": counts and counts.sales_low,
                "estimated_sales": counts and counts.estimated_sales,
                "sales_high": counts and counts.sales_high,
                "expired_units": counts and counts.expired_units,
                "withdrawn_units": counts and counts.withdrawn_units,
                "token_outcome": token and token.outcome,
                "token_price": token and token.price,
                "token_updated_at": token and token.updated_at,
                "message": region.message,
                "steps": {name: round(seconds, 4) for name, seconds in region.steps.items()},
                **(_window_record(polled[region.region]) if polled else {}),
            }
        )
    return found


def _window_record(polled: PolledRegion) -> dict[str, Any]:
    return {
        "attempts": polled.attempts,
        "is_new": polled.is_new,
        "delay_seconds": polled.delay and round(polled.delay.total_seconds(), 1),
    }


def show(collected: Collected, console: Console, *, polled: Mapping[Region, PolledRegion] | None = None) -> None:
    """A table with a column a region, for people."""
    rows: dict[str, list[str]] = {}

    def row(name: str, cells: list[str]) -> None:
        if any(cells):
            rows[name] = cells

    tokens = {token.region: token for token in collected.tokens}
    stored = [region.counts for region in collected.regions]
    row("", [region.outcome.replace("_", " ") for region in collected.regions])
    row("snapshot", [iso(region.snapshot_time) if region.snapshot_time else "" for region in collected.regions])
    windows = [polled[region.region] for region in collected.regions] if polled else []
    row("attempts", [count(window.attempts) for window in windows])
    row(
        "after it was published",
        [f"{window.delay.total_seconds():,.0f} s" if window.delay else "" for window in windows],
    )
    row("from the spool", [count(region.replayed) if region.replayed else "" for region in collected.regions])
    row("auctions", [count(counts.auctions) if counts else "" for counts in stored])
    row("auctions left out", [count(counts.skipped) if counts and counts.skipped else "" for counts in stored])
    row("items", [count(counts.items) if counts else "" for counts in stored])
    row("new", [count(counts.new_auctions) if counts else "" for counts in stored])
    row("gone", [count(counts.gone_auctions) if counts else "" for counts in stored])
    row(
        "units sold",
        [
            ""
            if counts is None
            else "-"
            if counts.estimated_sales is None
            else f"{count(counts.estimated_sales)}  ({count(counts.sales_low)} to {count(counts.sales_high)})"
            for counts in stored
        ],
    )
    row("units expired", [count(counts.expired_units) if counts else "" for counts in stored])
    row("units withdrawn", [count(counts.withdrawn_units) if counts else "" for counts in stored])
    row(
        "token",
        [
            gold(token.price) if (token := tokens.get(region.region)) is not None and token.price else ""
            for region in collected.regions
        ],
    )
    by_region([region.region.label for region in collected.regions], rows, console)
    told: dict[str, list[str]] = {}
    for region in collected.regions:
        # A window without news is told below the table, with its times.
        if region.message and region.status is ExitStatus.DONE and not (polled and region.message == NOTHING_NEW):
            told.setdefault(region.message, []).append(region.region.label)
    for message, labels in told.items():
        console.print(f"{', '.join(labels)}: {message}", soft_wrap=True, markup=False)


def show_steps(collected: Collected, console: Console) -> None:
    """A table with a line a step: how many seconds it took of each region."""
    table = Table(
        [Column("seconds"), *(Column(region.region.label, right=True) for region in collected.regions)], gap=3
    )
    for step in dict.fromkeys(step for region in collected.regions for step in region.steps):
        seconds = [region.steps.get(step) for region in collected.regions]
        table.add(step, *("" if taken is None else f"{taken:.2f}" for taken in seconds))
    table.show(console)
