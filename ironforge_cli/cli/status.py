"""`ironforge status`: how things stand."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.command import command
from ironforge_cli.cli.options import Format, FormatOption, Regions, duration

if TYPE_CHECKING:
    from rich.console import Console

    from ironforge_cli.cli.render import Report
    from ironforge_cli.cli.wiring import Invocation
    from ironforge_cli.jobs.status import Health, RegionHealth

Check = Annotated[bool, typer.Option("--check", help="Exit with 4 when anything is stale or unhealthy.")]
MaxAge = Annotated[
    timedelta,
    typer.Option("--max-age", parser=duration, metavar="SPAN", help="How old a region's newest snapshot may be."),
]
Days = Annotated[int, typer.Option("--days", min=1, max=3_660, help="How far back to look for gaps.")]


@command
def status(
    run: Invocation,
    *,
    region: Regions = None,
    check: Check = False,
    max_age: MaxAge = "2h",  # pyright: ignore[reportArgumentType] - Typer parses defaults as it parses options
    days: Days = 7,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Show how fresh every region is, what is missing, which runs failed or crashed, and how large everything is.

    Works as far as it can without a database and with a role that may only read.

    Example: ironforge status --check --max-age 90m
    """
    from ironforge_cli.cli.render import Report  # noqa: PLC0415 - help must not wait for SQLAlchemy
    from ironforge_cli.jobs.status import examine  # noqa: PLC0415

    health = examine(
        run.regions(region),
        storage=run.storage(lambda: run.database, home=run.home),
        home=run.home,
        clock=run.clock,
        max_age=max_age,
        days=days,
        check=check,
    )
    return Report(
        records=[_record(health, state) for state in health.regions],
        show=lambda console: _show(health, console),
        format=format_,
        status=health.status,
        failures=health.problems,
    )


def _record(health: Health, state: RegionHealth) -> dict[str, Any]:
    return {
        "region": state.region,
        "snapshot_time": state.snapshot_time,
        "age_seconds": state.age_seconds,
        "auctions": state.auctions,
        "items": state.items,
        "self_check": state.self_check,
        "gaps": [{"since": gap.since, "until": gap.until, "missing_hours": gap.missing_hours} for gap in state.gaps],
        "last_attempts": [
            {
                "timestamp": attempt.timestamp,
                "command": attempt.command,
                "status": attempt.status,
                "error_message": attempt.error_message,
            }
            for attempt in state.last_attempts
        ],
        "spooled": state.spooled,
        "quarantined": state.quarantined,
        "crashed": [attempt.id for attempt in health.crashed if attempt.region in {None, state.region.value}],
        "database": health.database,
        "database_error": health.away,
        "bytes": dict(health.sizes),
        "disk_free": health.disk.free,
        "problems": list(health.problems),
    }


def _show(health: Health, console: Console) -> None:
    from rich.table import Table  # noqa: PLC0415

    from ironforge_cli.cli.render import count, iso, size  # noqa: PLC0415

    grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    grid.add_column("")
    for state in health.regions:
        grid.add_column(f"[bold]{state.region.label}[/]", overflow="fold")

    def row(name: str, cells: list[str]) -> None:
        grid.add_row(f"[dim]{name}[/]", *cells)

    row("newest snapshot", [iso(state.snapshot_time) if state.snapshot_time else "none" for state in health.regions])
    row("age", ["-" if state.age_seconds is None else _age(state.age_seconds) for state in health.regions])
    row("auctions", [count(state.auctions) for state in health.regions])
    row("items", [count(state.items) for state in health.regions])
    row("hours missing", [count(sum(gap.missing_hours for gap in state.gaps)) for state in health.regions])
    row("bodies in the spool", [count(state.spooled) for state in health.regions])
    row("bodies refused", [count(state.quarantined) for state in health.regions])
    row("self-check", ["-" if state.self_check is None else f"{state.self_check:.1%}" for state in health.regions])
    console.print(grid)
    for state in health.regions:
        for gap in state.gaps[:5]:
            console.print(f"{state.region.label} lacks {gap.missing_hours} h: {iso(gap.since)} to {iso(gap.until)}")
    if health.last_runs:
        runs = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), title_justify="left")
        for column in ("last runs", "began", "seconds", "status", "steps"):
            runs.add_column(column, overflow="fold", justify="right" if column == "seconds" else "left")
        for last in health.last_runs:
            runs.add_row(
                last.command,
                iso(last.started_at.replace(microsecond=0)),
                f"{last.seconds:.2f}",
                last.status,
                _steps(last.steps),
            )
        console.print()
        console.print(runs)
    console.print()
    sizes = ", ".join(f"{kind} {size(number)}" for kind, number in health.sizes.items())
    console.print(f"{health.database}: {sizes}", markup=False)
    free = f"{size(health.disk.free)} of {size(health.disk.total)} free"
    console.print(f"disk of {health.disk.folder}: {free}", markup=False)


def _age(seconds: int) -> str:
    hours, minutes = divmod(max(0, seconds) // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _steps(extra: dict[str, Any]) -> str:
    """The longest step of each region, by name."""
    regions: dict[str, dict[str, Any]] = extra.get("regions", {})
    told: list[str] = []
    for region, found in regions.items():
        steps: dict[str, float] = found.get("steps", {})
        if steps:
            name = max(steps, key=steps.__getitem__)
            told.append(f"{region}: {name} {steps[name]:.2f} s")
    return ", ".join(told)
