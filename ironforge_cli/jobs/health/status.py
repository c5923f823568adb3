"""How things stand: what is stored, missing, late, waiting and held, which runs failed, and what of it is a problem."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import revisions
from ironforge_cli.db.repositories import attempts, health, partitions, thinning_checks, token_prices, vacuuming
from ironforge_cli.db.repositories.lost_rows import odd_snapshots
from ironforge_cli.db.repositories.newest_times import newest_times
from ironforge_cli.db.repositories.seeders import seeder_states
from ironforge_cli.errors import ConfigurationError, DatabaseError, ExitStatus, IronforgeError
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Evidence, Silent
from ironforge_cli.jobs.evidence.windows import killed_windows
from ironforge_cli.jobs.health import freshness, held_days, missing_hours, shelved_bodies
from ironforge_cli.jobs.health.acknowledging import acknowledge
from ironforge_cli.jobs.health.crashes import UPKEEP
from ironforge_cli.jobs.health.rules import problems, seen
from ironforge_cli.jobs.health.status_findings import Disk, RegionFindings, StatusFindings
from ironforge_cli.market import hours, rhythm
from ironforge_cli.market.hours import GAP
from ironforge_cli.market.retention import Present
from ironforge_cli.values import Value, replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.repositories.health import Gap
    from ironforge_cli.jobs.evidence.runs import Clock
    from ironforge_cli.jobs.evidence.windows import KilledWindow
    from ironforge_cli.jobs.health.missing_hours import HourSpan
    from ironforge_cli.jobs.health.rules import Problem
    from ironforge_cli.jobs.health.status_findings import MissingHour, Shelved
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.market.rhythm import Rhythm
    from ironforge_cli.regions import Region

COMMAND: Final = "status"
_CRASHES_OF: Final = timedelta(days=7)
_RUNS_OF: Final = timedelta(days=90)
_ATTEMPTS_OF: Final = timedelta(days=30)
_LAST_ATTEMPTS: Final = 5
# Sixteen days of snapshots: what the self-check is compared with, and more than the rhythm is learned from.
_SNAPSHOTS: Final = 400


class Health(Value, frozen=True):
    """How everything stands."""

    found: StatusFindings
    problems: tuple[Problem, ...]
    """What a person should look at; none where all is well."""
    status: ExitStatus
    """Done; or, where that was asked for and there are problems, unhealthy; or why something could not be asked."""
    seen: tuple[Problem, ...] = ()
    """What a person has looked at."""


def examine(
    regions: Sequence[Region],
    *,
    storage: Storage,
    home: Path,
    clock: Clock,
    max_age: timedelta,
    since: datetime,
    until: datetime,
    ahead: int,
    check: bool,
    deep: bool = False,
    seen_by: str | None = None,
) -> Health:
    """Look at everything, and name what is wrong: with `check` that is a failure.

    Missing hours are listed from `since` to `until`; what is judged does not depend on them. `ahead` days should have
    their partitions. `deep` counts the rows of each region's newest day, too, which takes seconds. Changes nothing but
    its own evidence, which a role that may only read does without. With `seen_by` whatever is past counts as seen by
    that person from now on; raises `DatabaseError` where that can't be written down.
    """
    evidence = Evidence(storage.database, pending=None, command=COMMAND, clock=clock)
    with evidence.run() as run, evidence.attempt(None, progress=Silent()) as attempt:
        found = _Examination(
            storage, home=home, now=clock.now(), max_age=max_age, since=since, until=until, ahead=ahead
        ).of(regions)
        if deep and found.away is None:
            found = _counted(found, storage.database)
        if seen_by is not None:
            past = acknowledge(problems(found), database=storage.database, now=clock.now(), by=seen_by)
            found = replace(found, seen={**found.seen, **{problem.event: seen_by for problem in past if problem.event}})
        told = problems(found)
        unasked = found.away or found.unreadable
        health_ = Health(
            found=found,
            problems=told,
            seen=seen(found),
            status=ExitStatus.UNHEALTHY if check and told else unasked.status if unasked else ExitStatus.DONE,
        )
        run.status = health_.status
        run.message = " ".join(problem.text for problem in told) or None
        attempt.ends(Outcome.DONE if health_.status is ExitStatus.DONE else Outcome.FAILED, run.message)
    return health_


def _counted(found: StatusFindings, database: Database) -> StatusFindings:
    """The same, with the rows of each region's newest day counted."""
    try:
        return replace(
            found,
            regions=tuple(
                replace(state, lost_rows=tuple(odd_snapshots(database, state.region))) for state in found.regions
            ),
        )
    except DatabaseError as error:
        return replace(found, away=error)


class _Bodies(Value, frozen=True):
    """What waits or was refused of a region."""

    spool: list[Kept] | None
    quarantine: list[Kept] | None
    """None, as the one above: they can't be read."""


class _Examination:
    """One look at everything."""

    def __init__(
        self,
        storage: Storage,
        *,
        home: Path,
        now: datetime,
        max_age: timedelta,
        since: datetime,
        until: datetime,
        ahead: int,
    ) -> None:
        self._storage = storage
        self._home = home
        self._now = now
        self._max_age = max_age
        self._since = since
        self._until = until
        self._ahead = ahead
        self._unreadable: IronforgeError | None = None
        self._pending_rows: int | None = None

    def of(self, regions: Sequence[Region]) -> StatusFindings:
        self._pending_rows = self._waiting_rows()
        bodies = {
            region: _Bodies(self._kept(region, quarantine=False), self._kept(region, quarantine=True))
            for region in regions
        }
        found = StatusFindings(
            now=self._now,
            max_age=self._max_age,
            database=self._storage.database.description,
            away=None,
            regions=tuple(_on_disk(region, found) for region, found in bodies.items()),
            disk=_disk(self._home),
            killed_windows=self._killed_windows(),
            pending_rows=self._pending_rows,
            unreadable=self._unreadable,
            ahead=self._ahead,
            retention_days=self._storage.retention_days,
        )
        try:
            with self._storage.database.connect() as connection:
                revisions.require_current(connection)
                running = health.running(connection, since=self._now - _CRASHES_OF)
                return replace(
                    found,
                    regions=tuple(
                        self._in_database(connection, state, bodies[state.region]) for state in found.regions
                    ),
                    # Looking is no work.
                    at_work=tuple(one for one, is_owned in running if is_owned and one.command != COMMAND),
                    crashed=tuple(attempt for attempt, is_owned in running if not is_owned),
                    upkeep=tuple(health.last_upkeep(connection, commands=UPKEEP, since=self._now - _CRASHES_OF)),
                    seen=health.acknowledged(connection, since=self._now - _CRASHES_OF),
                    last_runs=tuple(health.last_runs(connection, since=self._now - _RUNS_OF)),
                    seeders=tuple(seeder_states(connection).values()),
                    sizes=health.sizes(connection, tuple(regions)),
                    vacuumed=vacuuming.last_vacuums(connection),
                )
        except (DatabaseError, ConfigurationError) as error:
            return replace(found, away=error)

    def _waiting_rows(self) -> int | None:
        try:
            return self._storage.pending.waiting()
        except ConfigurationError as error:
            self._unreadable = error
            return None

    def _killed_windows(self) -> tuple[KilledWindow, ...] | None:
        try:
            return tuple(killed_windows(self._storage.locks_folder))
        except ConfigurationError as error:
            self._unreadable = error
            return None

    def _kept(self, region: Region, *, quarantine: bool) -> list[Kept] | None:
        shelves = self._storage.shelves
        try:
            found = (shelves.quarantine if quarantine else shelves.spool).kept(region)
        except ConfigurationError as error:
            self._unreadable = error
            return None
        odd = next((kept for kept in found if not kept.is_readable), None)
        if odd is not None:
            self._unreadable = ConfigurationError(f"{odd.path}: {odd.reason}. Look at it, or remove it.")
        return found

    def _in_database(self, connection: Connection, state: RegionFindings, bodies: _Bodies) -> RegionFindings:
        region, now = state.region, self._now
        stored = health.stored(connection, region, limit=_SNAPSHOTS)
        live = freshness.published_live(stored)
        learned = rhythm.learned(live)
        delay = hours.usual_delay(live)
        silent = hours.overdue(stored[0].snapshot_time, now, learned, delay=delay) if stored else []
        looking = _Hours(connection, region, rhythm=learned, bodies=bodies, pending_rows=self._pending_rows)
        day_ago = now - shelved_bodies.LATELY
        gaps = looking.gaps(self._since, self._until)
        return replace(
            state,
            freshness=freshness.freshness(stored, learned, delay=delay, now=now),
            self_check=freshness.self_check(stored, now=now, thinned=thinning_checks.newest(connection, region)),
            days=held_days.held_days(
                region,
                partitions.existing(connection, region),
                present=Present(now, newest_times(connection)),
                ahead=self._ahead,
                retention_days=self._storage.retention_days,
                is_default_used=health.is_default_used(connection, region),
            ),
            streak=attempts.streak(connection, region, since=now - _ATTEMPTS_OF, until=now),
            token=freshness.token_freshness(token_prices.newest(connection, region), now=now),
            gaps=tuple(gap for gap in gaps if gap.until > self._since),
            missing=looking.missing(
                missing_hours.hour_spans(gaps, learned, silent=(stored[0].snapshot_time, silent) if stored else None),
                since=self._since,
                until=self._until,
            ),
            missing_lately=looking.missing(
                missing_hours.hour_spans(looking.gaps(day_ago, now), learned, silent=None), since=day_ago, until=now
            ),
            last_attempts=tuple(health.last_attempts(connection, region, limit=_LAST_ATTEMPTS)),
            unresolved=tuple(shelved_bodies.unresolved(bodies.quarantine or (), stored, now=now)),
        )


class _Hours(Value, frozen=True):
    """Looks for the hours that a region lacks, and for what is known of each."""

    connection: Connection
    region: Region
    rhythm: Rhythm | None
    bodies: _Bodies
    pending_rows: int | None

    def gaps(self, since: datetime, until: datetime) -> list[Gap]:
        longest = int(GAP.total_seconds())
        return health.gaps(self.connection, self.region, since=since, until=until, longest_seconds=longest)

    def missing(self, spans: Sequence[HourSpan], *, since: datetime, until: datetime) -> tuple[MissingHour, ...]:
        wanted = [span for span in spans if since <= span.expected_at < until]
        if not wanted:
            return ()
        return tuple(
            missing_hours.missing_hours(
                wanted,
                attempts.tallies(self.connection, self.region, [(span.expected_at, span.ends_at) for span in wanted]),
                spool=self.bodies.spool or (),
                quarantine=self.bodies.quarantine or (),
                oldest_log=attempts.oldest_log(self.connection, self.region),
                pending_rows=self.pending_rows or 0,
            )
        )


def _on_disk(region: Region, bodies: _Bodies) -> RegionFindings:
    return RegionFindings(
        region=region,
        spool=_shelved(bodies.spool),
        quarantine=_shelved(bodies.quarantine),
    )


def _shelved(bodies: Sequence[Kept] | None) -> Shelved | None:
    return None if bodies is None else shelved_bodies.shelved(bodies, _file_sizes(bodies))


def _file_sizes(bodies: Sequence[Kept]) -> dict[str, int]:
    """Bytes on disk of some bodies, by their names; a body that somebody stored meanwhile has none."""
    found: dict[str, int] = {}
    for kept in bodies:
        with suppress(FileNotFoundError):
            found[kept.name] = kept.path.stat().st_size
    return found


def _disk(home: Path) -> Disk:
    folder = next(path for path in (home, *home.parents) if path.exists())
    usage = shutil.disk_usage(folder)
    return Disk(folder=folder, free=usage.free, total=usage.total)
