"""`ironforge status`: how things stand."""

from __future__ import annotations

import os
import platform
import pwd
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, Regions, duration, utc_time
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.prometheus import metrics
from ironforge_cli.cli.show.render import Report
from ironforge_cli.cli.show.status_table import show
from ironforge_cli.errors import UsageError
from ironforge_cli.jobs.health import status as job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ironforge_cli.jobs.health.status import Health
    from ironforge_cli.jobs.health.status_findings import MissingHour, RegionFindings, Shelved


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
Days = Annotated[int, typer.Option("--days", min=1, max=3_660, help="How far back to list missing hours.")]
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
Acknowledge = Annotated[
    bool,
    typer.Option(
        "--acknowledge",
        help="Say that you have seen what failed, crashed or was missed: it is no problem any more. What is wrong "
        "now stays one.",
    ),
]
FormatOption = Annotated[
    StatusFormat, typer.Option("--format", help="How to write the result; prometheus is for node_exporter.")
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
    acknowledge: Acknowledge = False,
    format_: FormatOption = StatusFormat.TABLE,
) -> Report:
    """Show how fresh every region is, which hours are missing and why, what waits, what failed, and sizes.

    With --check any problem is a failure; which hours are listed changes nothing about that. Works as far as it can
    without a database and with a role that may only read.

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
        seen_by=_who(run) if acknowledge else None,
    )
    return Report(
        records=[_record(health, state) for state in health.found.regions],
        show=lambda console: show(health, console),
        status=health.status,
        failures=tuple(problem.text for problem in health.problems),
        format=Format.TABLE if format_ is StatusFormat.PROMETHEUS else Format(format_.value),
        text=_metrics(health) if format_ is StatusFormat.PROMETHEUS else None,
    )


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


def _metrics(health: Health) -> str:
    return metrics(health)


def _record(health: Health, state: RegionFindings) -> dict[str, Any]:
    found, fresh, check, days, streak = health.found, state.freshness, state.self_check, state.days, state.streak
    return {
        "region": state.region,
        "snapshot_time": fresh and fresh.snapshot_time,
        "age_seconds": fresh and fresh.age_seconds,
        "auctions": fresh and fresh.auctions,
        "items": fresh and fresh.items,
        "self_check": check and check.newest,
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
        "spooled": state.spool.bodies,
        "quarantined": state.quarantine.bodies,
        "crashed": [attempt.id for attempt in found.crashed if attempt.region in {None, state.region.value}],
        "database": found.database,
        "database_error": str(found.away) if found.away else None,
        "bytes": dict(found.sizes or {}),
        "disk_free": found.disk.free,
        "problems": [problem.text for problem in health.problems],
        "acknowledged": [problem.text for problem in health.seen],
        "problem_kinds": sorted({problem.kind.value for problem in health.problems}),
        "publishes_at_minute": fresh and fresh.minute,
        "due_at": fresh and fresh.due_at,
        "usual_delay_seconds": fresh and fresh.delay_seconds,
        "late_seconds": fresh and fresh.late_seconds,
        "missing": _hours(state.missing),
        "last_attempt_at": state.last_attempt_at,
        "last_good_attempt_at": streak and streak.last_good_at,
        "attempts_since_good": dict(streak.counts) if streak else None,
        "spool": _shelf(state.spool),
        "quarantine": _shelf(state.quarantine),
        "pending_log_rows": found.pending_rows,
        "partitions": days
        and {
            "held": days.held,
            "oldest": days.oldest and days.oldest.isoformat(),
            "newest": days.newest and days.newest.isoformat(),
            "ahead": days.ahead,
            "ahead_wanted": found.ahead,
            "past_retention": days.past_retention,
            "detaching": days.detaching,
            "default": days.default,
        },
        "self_check_day": check and check.day,
        "self_check_before": check and check.before,
        "estimator_version": check and check.version,
        "computed_otherwise": check and check.computed_otherwise,
        "seeders": [
            {
                "seeder": seeder.seeder,
                "completed": seeder.completed,
                "completed_at": seeder.completed_at,
                "build": seeder.build,
                "newer_build": seeder.newer_build,
            }
            for seeder in found.seeders
        ],
        "last_runs": [
            {
                "command": last.command,
                "started_at": last.started_at,
                "seconds": last.seconds,
                "status": last.status,
                "error_message": last.message,
            }
            for last in found.last_runs
        ],
    }


def _hours(missing: Iterable[MissingHour]) -> list[dict[str, Any]]:
    return [
        {
            "expected_at": hour.expected_at,
            "since": hour.since,
            "until": hour.until,
            "attempts": dict(hour.attempts),
            "explanation": hour.explanation,
        }
        for hour in missing
    ]


def _shelf(shelved: Shelved) -> dict[str, Any]:
    return {
        "bodies": shelved.bodies,
        "bytes": shelved.bytes,
        "oldest_at": shelved.oldest_at,
        "newest_at": shelved.newest_at,
        "newest_reason": shelved.newest_reason,
    }
