"""How things stand, for a person: one column a region, then missing hours, runs, seeders and sizes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.cli.show.render import count, gold, iso, size
from ironforge_cli.cli.show.tables import Column, Table, Words, by_region
from ironforge_cli.cli.show.verdict import ago, line
from ironforge_cli.wording import counted, how_long

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from ironforge_cli.db.repositories.vacuuming import VacuumedTable
    from ironforge_cli.jobs.health.status import Health
    from ironforge_cli.jobs.health.status_findings import RegionFindings, Shelved, StatusFindings

_UNKNOWN: Final = "unknown"
_SHOWN_LINES: Final = 12
"""Of each region; --format json has all of them."""


def show(health: Health, console: Console) -> None:
    """Print all of it; problems go to stderr."""
    found = health.found
    console.print(line(health), soft_wrap=True)
    if found.is_unused:
        return
    console.print()
    _show_regions(found, console)
    for state in found.regions:
        _show_missing(state, console)
    if found.last_runs:
        console.print()
        _runs(found).show(console)
    console.print()
    if found.seeders:
        told = ", ".join(
            f"{seeder.seeder} {'complete' if seeder.completed else 'incomplete'}"
            f"{f' ({ago(seeder.completed_at, found.now)})' if seeder.completed_at else ''}"
            f"{f', build {seeder.newer_build} is newer' if seeder.newer_build else ''}"
            for seeder in found.seeders
        )
        console.print(f"seeders: {told}", soft_wrap=True, markup=False)
    for problem in health.seen:
        by = found.seen.get(problem.event or "", "somebody")
        console.print(f"seen by {by}: {problem.text}", markup=False, soft_wrap=True)
    if found.pending_rows:
        console.print(f"log rows that wait for the database: {count(found.pending_rows)}", soft_wrap=True, markup=False)
    sizes = ", ".join(f"{kind} {size(number)}" for kind, number in (found.sizes or {}).items()) or _UNKNOWN
    console.print(f"{found.database}: {sizes}", soft_wrap=True, markup=False)
    if found.vacuumed:
        console.print(_vacuumed(found.vacuumed, found.now), soft_wrap=True, markup=False)
    free = f"{size(found.disk.free)} of {size(found.disk.total)} free"
    console.print(f"disk of {found.disk.folder}: {free}", soft_wrap=True, markup=False)


def _vacuumed(tables: Sequence[VacuumedTable], now: datetime) -> str:
    """Of the larger tables the one that was vacuumed longest ago, and those that want it."""
    never = datetime.min.replace(tzinfo=UTC)
    oldest = min(tables, key=lambda table: table.vacuumed_at or never)
    when = ago(oldest.vacuumed_at, now) if oldest.vacuumed_at else "never"
    wanting = [table.name for table in tables if table.is_wanted]
    wanted = f"; wanted by {', '.join(wanting)}" if wanting else "; nothing wants it"
    return f"vacuumed: {counted(len(tables), 'large table')}, {oldest.name} longest ago ({when}){wanted}"


def _show_regions(found: StatusFindings, console: Console) -> None:
    asked: dict[str, Callable[[RegionFindings], str]] = {
        "newest snapshot": lambda state: (
            ago(state.freshness.snapshot_time, found.now) if state.freshness else _none_yet(state, found)
        ),
        "next": lambda state: _next(state, found.now),
        "usually at": _rhythm,
        "auctions": lambda state: count(state.freshness and state.freshness.auctions),
        "auctions left out": lambda state: count(state.freshness and state.freshness.skipped),
        "items": lambda state: count(state.freshness and state.freshness.items),
        "hours missing": lambda state: count(len(state.missing)) if state.freshness else "-",
        "last attempt": lambda state: _last_attempt(state, found),
        "token price": lambda state: (
            f"{gold(state.token.price)}, {ago(state.token.updated_at, found.now)}" if state.token else "none"
        ),
        "days held": _days,
        "days ready ahead": lambda state: _ahead(state, found.ahead),
        "self-check": _self_check,
    }
    on_disk: dict[str, Callable[[RegionFindings], str]] = {
        "bodies in the spool": lambda state: _shelf(state.spool, found.now),
        "bodies refused": lambda state: _shelf(state.quarantine, found.now),
        "last refused": lambda state: _UNKNOWN if state.quarantine is None else state.quarantine.newest_reason or "-",
    }
    cells = {
        name: [Words(_UNKNOWN if found.away is not None else cell(state)) for state in found.regions]
        for name, cell in asked.items()
    }
    cells |= {name: [Words(cell(state)) for state in found.regions] for name, cell in on_disk.items()}
    by_region([state.region.label for state in found.regions], cells, console)


def _none_yet(state: RegionFindings, found: StatusFindings) -> str:
    at_work = [attempt.timestamp for attempt in found.at_work if attempt.region == state.region.value]
    return f"none; a first one is under way, begun {ago(min(at_work), found.now)}" if at_work else "none"


def _last_attempt(state: RegionFindings, found: StatusFindings) -> str:
    if any(attempt.region == state.region.value for attempt in found.at_work):
        return "at work now"
    return ago(state.last_attempt_at, found.now)


def _rhythm(state: RegionFindings) -> str:
    fresh = state.freshness
    if fresh is None or fresh.minute is None or fresh.delay_seconds is None:
        return "not learned yet"
    return f":{fresh.minute:02}, stored within {how_long(timedelta(seconds=fresh.delay_seconds))}"


def _next(state: RegionFindings, now: datetime) -> str:
    fresh = state.freshness
    if fresh is None or fresh.due_at is None:
        return "-"
    if fresh.late_seconds:
        return f"{how_long(timedelta(seconds=fresh.late_seconds))} later than usual"
    return f"due in {how_long(fresh.due_at - now)}" if fresh.due_at > now else "due now"


def _days(state: RegionFindings) -> str:
    days = state.days
    if days is None or days.oldest is None or days.newest is None:
        return "-" if days is None else count(days.held)
    return f"{count(days.held)}: {days.oldest.isoformat()} to {days.newest.isoformat()}"


def _ahead(state: RegionFindings, wanted: int) -> str:
    if state.days is None:
        return "-"
    return "not even today" if state.days.ahead is None else f"{state.days.ahead} of {wanted}"


def _self_check(state: RegionFindings) -> str:
    check = state.self_check
    if check is None or check.newest is None:
        return "-"
    others = f"; {count(check.computed_otherwise)} of another version" if check.computed_otherwise else ""
    lately = f"; a day {check.day:.1%}" if check.day is not None else ""
    before = f", before {check.before:.1%}" if check.before is not None else ""
    return f"{check.newest:.1%}{lately}{before}{others}"


def _shelf(shelved: Shelved | None, now: datetime) -> str:
    if shelved is None:
        return _UNKNOWN
    if not shelved.bodies or shelved.oldest_at is None:
        return count(shelved.bodies)
    return f"{count(shelved.bodies)}, {size(shelved.bytes)}, oldest {how_long(now - shelved.oldest_at)}"


def _show_missing(state: RegionFindings, console: Console) -> None:
    lines = [(why, list(hours)) for why, hours in groupby(state.missing, key=lambda hour: hour.explanation)]
    for why, hours in lines[:_SHOWN_LINES]:
        first, *more_hours = sorted(iso(hour.expected_at.replace(microsecond=0)) for hour in hours)
        which = f"{counted(len(hours), 'hour')}, {first} to {more_hours[-1]}" if more_hours else first
        console.print(f"{state.region.label} lacks {which}: {why}", soft_wrap=True, markup=False)
    more = sum(len(hours) for _, hours in lines[_SHOWN_LINES:])
    if more:
        console.print(
            f"{state.region.label} lacks {more:,} more: --format json lists them all", soft_wrap=True, markup=False
        )


def _runs(found: StatusFindings) -> Table:
    columns = (
        Column("last runs"),
        Column("began"),
        Column("seconds", right=True),
        Column("status"),
        Column("steps", is_cut=True, goes=True),
    )
    runs = Table(columns)
    for last in found.last_runs:
        runs.add(last.command, ago(last.started_at, found.now), f"{last.seconds:.2f}", last.status, _steps(last.steps))
    return runs


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
