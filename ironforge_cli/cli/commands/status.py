"""`ironforge status`: how things stand."""

from __future__ import annotations

import os
import platform
import pwd
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, Regions, duration, utc_time
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.prometheus import metrics
from ironforge_cli.cli.show.render import Report, one_document
from ironforge_cli.cli.show.status_document import document, rows
from ironforge_cli.cli.show.status_table import show
from ironforge_cli.cli.show.verdict import line
from ironforge_cli.errors import UsageError
from ironforge_cli.jobs.health import status as job

if TYPE_CHECKING:
    from ironforge_cli.jobs.health.status import Health


class StatusFormat(StrEnum):
    """How the state is written to stdout: as other results are, or as metrics."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PROMETHEUS = "prometheus"


Check = Annotated[bool, typer.Option("--check", help="Exit with 4 when anything is stale or unhealthy.")]
MaxAge = Annotated[
    timedelta,
    typer.Option("--max-age", parser=duration, metavar="SPAN", help="How old a region's newest snapshot may be."),
]
Days = Annotated[int, typer.Option("--days", metavar="N", min=1, max=3_660, help="How far back to list missing hours.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since", parser=utc_time, metavar="TIME", help="List missing hours from then on; instead of --days."
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option("--until", parser=utc_time, metavar="TIME", help="List missing hours up to then. Without it: now."),
]
Deep = Annotated[
    bool,
    typer.Option("--deep", help="Count the rows of each region's newest day, too: were any deleted? It takes seconds."),
]
Acknowledge = Annotated[
    bool,
    typer.Option(
        "--acknowledge",
        help="Say that you have seen what failed, crashed or was missed: it is no problem any more. What is wrong "
        "now stays one.",
    ),
]
FormatOption = Annotated[
    StatusFormat,
    typer.Option(
        "--format",
        metavar="FORMAT",
        case_sensitive=False,
        help="How to write the result; prometheus is for node_exporter.",
    ),
]


@command
def status(
    run: Invocation,
    *,
    region: Regions = None,
    check: Check = False,
    max_age: MaxAge = "2h",  # pyright: ignore[reportArgumentType] - Typer parses defaults as it parses options
    days: Days = 7,
    since: Since = None,
    until: Until = None,
    deep: Deep = False,
    acknowledge: Acknowledge = False,
    format_: FormatOption = StatusFormat.TABLE,
) -> Report:
    """Show how fresh every region is, which hours are missing and why, what waits, what failed, and sizes.

    With --check any problem is a failure; which hours are listed changes nothing about that. Works as far as it can
    without a database and with a role that may only read.

    Example: ironforge status
    Example: ironforge status --check --max-age 90m
    """
    now = run.clock.now()
    until = until or now
    since = since or _days_before(until, days)
    if since >= until:
        raise UsageError(f"--since {since.isoformat()} is not before --until {until.isoformat()}: give an earlier one.")
    # It only looks: a home that is not there, or is read-only for who asks, is no hindrance.
    storage = run.storage(lambda: run.database, home=run.settings.home)
    health = job.examine(
        run.regions(region),
        storage=storage,
        home=run.settings.home,
        clock=run.clock,
        max_age=max_age,
        since=since,
        until=until,
        ahead=run.settings.partitions_ahead,
        check=check,
        deep=deep,
        seen_by=_who(run) if acknowledge else None,
    )
    text: str | None = None
    match format_:
        case StatusFormat.PROMETHEUS:
            text = metrics(health)
        case StatusFormat.JSON:
            text = one_document(document(health), indent=2)
        case StatusFormat.JSONL:
            text = one_document(document(health))
        case _:
            pass
    # What nobody has begun is no news to whoever sees it in the table.
    is_told = check or not health.found.is_unused or format_ is not StatusFormat.TABLE
    return Report(
        records=rows(health),
        show=lambda console: show(health, console),
        status=health.status,
        failures=_failures(health) if is_told else (),
        format=Format.TABLE if format_ is StatusFormat.PROMETHEUS else Format(format_.value),
        text=text,
    )


def _failures(health: Health) -> tuple[str, ...]:
    """What is wrong, a line each; where nothing was ever begun that is the one thing to say."""
    if health.found.is_unused:
        return (line(health).plain,)
    return tuple(problem.text for problem in health.problems)


def _who(run: Invocation) -> str:
    """Who sits there: the account, that which `sudo` was called by, and the machine."""
    account = run.environment.get("SUDO_USER")
    if not account:
        try:
            account = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            account = str(os.getuid())
    return f"{account} on {platform.node()}"


def _days_before(moment: datetime, days: int) -> datetime:
    try:
        return moment - timedelta(days=days)
    except OverflowError:
        raise UsageError(f"--until {moment.isoformat()} is too early: give a later one.") from None
