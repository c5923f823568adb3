"""How things stand: the freshness of every region, gaps, crashed and last runs, what waits on disk, sizes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import schema
from ironforge_cli.db.repositories import health
from ironforge_cli.errors import ConfigurationError, DatabaseError, ExitStatus, IronforgeError
from ironforge_cli.jobs.runs import Evidence, Silent
from ironforge_cli.jobs.storing import GAP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.jobs.collect import Storage
    from ironforge_cli.jobs.runs import Clock
    from ironforge_cli.regions import Region

COMMAND: Final = "status"
LEAST_FREE_SHARE: Final = 0.05
"""Of a disk; with less left it is told as a problem."""
_CRASHES_OF: Final = timedelta(days=7)
_TOLD_FOR: Final = timedelta(hours=24)
"""A missed hour is a problem for a day; then it is history, and told by the gaps alone."""
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class RegionHealth:
    """How one region stands."""

    region: Region
    snapshot_time: datetime | None
    """Of the newest stored snapshot."""
    age_seconds: int | None
    auctions: int | None
    items: int | None
    self_check: float | None
    """The share of partly sold auctions above an untouched cheaper one: 0 where buyers took the cheapest first."""
    gaps: tuple[health.Gap, ...]
    last_attempts: tuple[health.Attempt, ...]
    spooled: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system that data lie on."""

    folder: Path
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Health:
    """How everything stands."""

    database: str
    away: str | None
    """Why the database can't be asked; None where it can."""
    regions: tuple[RegionHealth, ...]
    crashed: tuple[health.Attempt, ...]
    last_runs: tuple[health.LastRun, ...]
    sizes: Mapping[str, int]
    """Bytes by kind of data."""
    disk: Disk
    problems: tuple[str, ...]
    """What a person should look at; none where all is well."""
    status: ExitStatus
    """Done; or, where that was asked for and there are problems, unhealthy; or why the database was away."""


def examine(
    regions: Sequence[Region],
    *,
    storage: Storage,
    home: Path,
    clock: Clock,
    max_age: timedelta,
    days: int,
    check: bool,
) -> Health:
    """Look at everything, and name what is wrong: with `check` that is a failure.

    Changes nothing but its own evidence, which a role that may only read does without.
    """
    evidence = Evidence(storage.database, pending=None, command=COMMAND, clock=clock)
    with evidence.run() as run, evidence.attempt(None, progress=Silent()) as attempt:
        found = _found(regions, storage=storage, home=home, clock=clock, max_age=max_age, days=days, check=check)
        run.status = found.status
        run.message = attempt.message = " ".join(found.problems) or None
        attempt.status = "success" if found.status is ExitStatus.DONE else "failed"
    return found


def _found(
    regions: Sequence[Region],
    *,
    storage: Storage,
    home: Path,
    clock: Clock,
    max_age: timedelta,
    days: int,
    check: bool,
) -> Health:
    now = clock.now()
    away: IronforgeError | None = None
    crashed: list[health.Attempt] = []
    last_runs: list[health.LastRun] = []
    sizes: dict[str, int] = {}
    states: list[RegionHealth] = []
    try:
        with storage.database.connect() as connection:
            schema.require_current(connection)
            for region in regions:
                newest = health.newest(connection, region)
                states.append(
                    _region_health(
                        region,
                        newest=newest,
                        gaps=health.gaps(
                            connection,
                            region,
                            since=now - timedelta(days=days),
                            longest_seconds=int(GAP.total_seconds()),
                        ),
                        attempts=health.last_attempts(connection, region, limit=5),
                        storage=storage,
                        now=now,
                    )
                )
            crashed = health.crashed(connection, since=now - _CRASHES_OF)
            last_runs = health.last_runs(connection, limit=5)
            sizes = health.sizes(connection, tuple(regions))
    except (DatabaseError, ConfigurationError) as error:
        away = error
        states = [
            _region_health(region, newest=None, gaps=[], attempts=[], storage=storage, now=now) for region in regions
        ]
    disk = _disk(home)
    problems = _problems(states, away=away, crashed=crashed, disk=disk, max_age=max_age, now=now)
    unasked = away.status if away else ExitStatus.DONE
    return Health(
        database=storage.database.description,
        away=str(away) if away else None,
        regions=tuple(states),
        crashed=tuple(crashed),
        last_runs=tuple(last_runs),
        sizes=sizes,
        disk=disk,
        problems=tuple(problems),
        status=ExitStatus.UNHEALTHY if check and problems else unasked,
    )


def _region_health(
    region: Region,
    *,
    newest: health.Newest | None,
    gaps: list[health.Gap],
    attempts: list[health.Attempt],
    storage: Storage,
    now: datetime,
) -> RegionHealth:
    partly_sold = newest.partly_sold if newest else None
    above = newest.partly_sold_above_cheaper if newest else None
    return RegionHealth(
        region=region,
        snapshot_time=newest.snapshot_time if newest else None,
        age_seconds=int((now - newest.snapshot_time).total_seconds()) if newest else None,
        auctions=newest.auctions if newest else None,
        items=newest.items if newest else None,
        self_check=above / partly_sold if partly_sold and above is not None else None,
        gaps=tuple(gaps),
        last_attempts=tuple(attempts),
        spooled=len(storage.shelves.spool.kept(region)),
        quarantined=len(storage.shelves.quarantine.kept(region)),
    )


def _disk(home: Path) -> Disk:
    folder = next(path for path in (home, *home.parents) if path.exists())
    usage = shutil.disk_usage(folder)
    return Disk(folder=folder, free=usage.free, total=usage.total)


def _problems(
    regions: Sequence[RegionHealth],
    *,
    away: IronforgeError | None,
    crashed: Sequence[health.Attempt],
    disk: Disk,
    max_age: timedelta,
    now: datetime,
) -> list[str]:
    found = [str(away)] if away else []
    for state in regions:
        label = state.region.label
        if away is None and state.age_seconds is None:
            found.append(f"{label}: no snapshot is stored. Run `ironforge collect`.")
        elif state.age_seconds is not None and state.age_seconds > max_age.total_seconds():
            age = timedelta(seconds=state.age_seconds)
            found.append(f"{label}: the newest snapshot is {age} old. Does cron run `ironforge collect`?")
        elif state.age_seconds is not None and state.age_seconds < -_CLOCKS_DIFFER.total_seconds():
            found.append(f"{label}: the newest snapshot is in the future, so that nothing newer is ever stored.")
        found += [
            f"{label}: {gap.missing_hours} h are missing between {gap.since.isoformat()} and {gap.until.isoformat()}."
            for gap in state.gaps
            if gap.until > now - _TOLD_FOR
        ]
        if state.spooled:
            found.append(f"{label}: {state.spooled} bodies wait in the spool: `ironforge spool list`.")
    found += [
        f"The run {attempt.id} ({attempt.command}{f' {attempt.region}' if attempt.region else ''}) "
        f"of {attempt.timestamp.isoformat()} crashed."
        for attempt in crashed
        if not _has_recovered(attempt, regions)
    ]
    if disk.free < LEAST_FREE_SHARE * disk.total:
        found.append(f"The disk of {disk.folder} is nearly full: {disk.free / 1e9:.1f} GB are left.")
    return found


def _has_recovered(crashed: health.Attempt, regions: Sequence[RegionHealth]) -> bool:
    """Whether a later attempt at the same region ended well."""
    return any(
        attempt.timestamp > crashed.timestamp and attempt.status in {"success", "no_change"}
        for state in regions
        if state.region.value == crashed.region
        for attempt in state.last_attempts
    )
