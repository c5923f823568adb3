"""An installation that is well, as rows and folders, and each single thing that can be wrong with it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, text, update

from ironforge_cli.db.engine import Database
from ironforge_cli.db.models import BENCHMARKS, REGISTRY, SCRAPER_LOGS, SEEDER_STATUS, TOKEN_PRICES
from ironforge_cli.db.repositories import partitions, token_prices
from ironforge_cli.db.repositories.runs import LogRow
from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.jobs.health.status import examine
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.clocks import TickingClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from sqlalchemy import Connection

    from ironforge_cli.jobs.health.status import Health
    from ironforge_cli.jobs.health.status_findings import RegionFindings
    from ironforge_cli.jobs.storage import Storage

NOW = datetime(2026, 1, 14, 12, 35, tzinfo=UTC)
NEWEST = datetime(2026, 1, 14, 12, 3, tzinfo=UTC)
"""Both regions publish at :03, and are stored at :30, when cron's window begins."""
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
AHEAD = 7
HELD_HOURS = 40
# The region that something is wrong with; the other one stays well.
ILL = Region.US
NOBODY = "postgresql://127.0.0.1:1/x"


def snapshot(region: Region, moment: datetime, **columns: Any) -> dict[str, Any]:
    """A row of the registry."""
    row = {
        "region": region,
        "snapshot_time": moment,
        "stored_at": moment + 27 * MINUTE,
        "auctions": 300_000,
        "items": 9_000,
        "bytes": 1,
        "digest": moment.isoformat(),
        "source": "live",
        "partly_sold": 50,
        "partly_sold_above_cheaper": 2,
        "estimator_version": ESTIMATOR_VERSION,
    }
    return row | columns


def attempt(region: Region, moment: datetime, *, status: str = "success", **columns: Any) -> dict[str, Any]:
    """A row of scraper_logs."""
    row = {"command": "collect", "region": region, "timestamp": moment, "status": status, "poll_attempts": 1}
    return row | columns


def ran(command: str, moment: datetime) -> dict[str, Any]:
    """A row of benchmarks."""
    return {
        "operation_type": "command",
        "operation_name": command,
        "start_time": moment,
        "end_time": moment + MINUTE,
        "duration_seconds": 60.0,
        "status": "success",
        "extra_data": {},
    }


def install(connection: Connection, *, hours: int = HELD_HOURS) -> None:
    """Two regions that were stored every hour, with their logs and partitions."""
    for region in DEFAULT_REGIONS:
        held = [NEWEST - number * HOUR for number in range(hours)]
        connection.execute(insert(REGISTRY), [snapshot(region, moment) for moment in held])
        connection.execute(insert(SCRAPER_LOGS), [attempt(region, moment + 27 * MINUTE) for moment in held])
        make_days(connection, region, range(-2, AHEAD + 1))
        token_prices.store(connection, region, at=NOW - 20 * MINUTE, price=300_000 * 10_000)
    connection.execute(insert(BENCHMARKS), [ran("partitions maintain", NOW - 8 * HOUR), ran("collect", NOW - HOUR)])
    connection.execute(insert(SEEDER_STATUS), [{"seeder_type": "recipe", "completed": False}])


def make_days(connection: Connection, region: Region, days: Iterable[int]) -> None:
    """Partitions of days counted from today."""
    for day in days:
        partitions.create(connection, day_of(region, day))


def day_of(region: Region, day: int) -> DailyPartition:
    return DailyPartition.holding(region, NOW + timedelta(days=day))


def look(
    storage: Storage,
    *,
    now: datetime = NOW,
    max_age: timedelta = 2 * HOUR,
    since: datetime = NOW - 7 * 24 * HOUR,
    until: datetime | None = None,
    regions: tuple[Region, ...] = DEFAULT_REGIONS,
    check: bool = True,
    seen_by: str | None = None,
) -> Health:
    return examine(
        regions,
        storage=storage,
        home=storage.shelves.spool.folder.parent,
        clock=TickingClock(now),
        max_age=max_age,
        since=since,
        until=until or now,
        ahead=AHEAD,
        check=check,
        seen_by=seen_by,
    )


def kinds(health: Health) -> set[ProblemKind]:
    return {problem.kind for problem in health.problems}


def ill(health: Health) -> RegionFindings:
    (found,) = (state for state in health.found.regions if state.region is ILL)
    return found


def log_attempts(storage: Storage, *rows: tuple[datetime, str, str | None]) -> None:
    with storage.database.transaction() as connection:
        connection.execute(
            insert(SCRAPER_LOGS),
            [
                attempt(ILL, moment, status=status, command="poll", error_message=message, poll_attempts=number)
                for number, (moment, status, message) in enumerate(rows, start=1)
            ],
        )


def forget(storage: Storage, *, hours_ago: int, logs: bool = True) -> None:
    """Take an hour away, and what the logs say of the time in which it could be fetched."""
    moment = NEWEST - hours_ago * HOUR
    with storage.database.transaction() as connection:
        hour = REGISTRY.c.snapshot_time == moment
        connection.execute(delete(REGISTRY).where(REGISTRY.c.region == ILL, hour))
        if logs:
            time = SCRAPER_LOGS.c.timestamp
            own = (SCRAPER_LOGS.c.region == ILL, time >= moment, time < moment + HOUR)
            connection.execute(delete(SCRAPER_LOGS).where(*own))


# What makes an installation ill, each of one kind alone. Each takes the storage and returns the one to look at.


@contextmanager
def changing(storage: Storage) -> Generator[Connection]:
    with storage.database.transaction() as connection:
        yield connection


def without_database(storage: Storage) -> Storage:
    return replace(storage, database=Database(NOBODY))


def without_schema(storage: Storage) -> Storage:
    with changing(storage) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '20000101_0000'"))
    return storage


def unreadable(storage: Storage) -> Storage:
    storage.shelves.spool.folder.joinpath("log-rows.jsonl").mkdir(parents=True)
    return storage


def without_snapshot(storage: Storage) -> Storage:
    with changing(storage) as connection:
        connection.execute(delete(REGISTRY).where(REGISTRY.c.region == ILL))
        connection.execute(delete(SCRAPER_LOGS).where(SCRAPER_LOGS.c.region == ILL))
    return storage


def stale(storage: Storage) -> Storage:
    with changing(storage) as connection:
        newer = REGISTRY.c.snapshot_time > NEWEST - 3 * HOUR
        connection.execute(delete(REGISTRY).where(REGISTRY.c.region == ILL, newer))
    return storage


def late(storage: Storage) -> Storage:
    with changing(storage) as connection:
        connection.execute(delete(REGISTRY).where(REGISTRY.c.region == ILL))
        published = [NEWEST - 83 * MINUTE - number * HOUR for number in range(HELD_HOURS)]
        rows = [snapshot(ILL, moment, stored_at=moment + MINUTE) for moment in published]
        connection.execute(insert(REGISTRY), rows)
    return storage


def from_the_future(storage: Storage) -> Storage:
    with changing(storage) as connection:
        connection.execute(insert(REGISTRY), [snapshot(ILL, NOW + 10 * MINUTE)])
    return storage


def with_old_price(storage: Storage) -> Storage:
    with changing(storage) as connection:
        connection.execute(update(TOKEN_PRICES[ILL]).values(timestamp=NOW - 2 * HOUR - MINUTE))
    return storage


def missed(storage: Storage) -> Storage:
    with changing(storage) as connection:
        hour = REGISTRY.c.snapshot_time == NEWEST - 5 * HOUR
        connection.execute(delete(REGISTRY).where(REGISTRY.c.region == ILL, hour))
    return storage


def idle(storage: Storage) -> Storage:
    with changing(storage) as connection:
        lately = SCRAPER_LOGS.c.timestamp > NOW - 2 * HOUR - MINUTE
        connection.execute(delete(SCRAPER_LOGS).where(SCRAPER_LOGS.c.region == ILL, lately))
    return storage


def _attempted(storage: Storage, *statuses: str) -> Storage:
    rows = [
        attempt(ILL, NOW - (len(statuses) - number) * MINUTE, status=status, error_message=f"It {status}.")
        for number, status in enumerate(statuses)
    ]
    with changing(storage) as connection:
        connection.execute(insert(SCRAPER_LOGS), rows)
    return storage


def locked_out(storage: Storage) -> Storage:
    return _attempted(storage, "locked", "locked", "locked")


def failing(storage: Storage) -> Storage:
    return _attempted(storage, "failed", "rejected", "locked")


def crashed(storage: Storage) -> Storage:
    return _attempted(storage, "running")


def failed_run(storage: Storage) -> Storage:
    row = attempt(ILL, NOW - HOUR, status="failed", command="partitions maintain", error_message="The disk is full.")
    with changing(storage) as connection:
        connection.execute(insert(SCRAPER_LOGS), [row])
    return storage


def keep(storage: Storage, *, quarantine: bool, moment: datetime | None, received_at: datetime = NOW - MINUTE) -> None:
    """Put a body onto a shelf."""
    shelf = storage.shelves.quarantine if quarantine else storage.shelves.spool
    shelf.keep(
        f"{moment} {received_at}".encode(),
        region=ILL,
        snapshot_time=moment,
        headers={},
        received_at=received_at,
        reason="It was cut off.",
    )


def spooled(storage: Storage) -> Storage:
    keep(storage, quarantine=False, moment=NEWEST + HOUR)
    return storage


def refused(storage: Storage) -> Storage:
    keep(storage, quarantine=True, moment=NOW - MINUTE)
    return storage


def waiting_rows(storage: Storage) -> Storage:
    row = LogRow("collect", ILL, NOW, "failed", last_modified=None, error_message=None, poll_attempts=1)
    storage.pending.add(row)
    return storage


def _without_days(storage: Storage, *days: int) -> Storage:
    with changing(storage) as connection:
        for day in days:
            connection.execute(text(f"DROP TABLE {day_of(ILL, day).name}"))
    return storage


def without_tomorrow(storage: Storage) -> Storage:
    return _without_days(storage, 1)


def without_days_ahead(storage: Storage) -> Storage:
    return _without_days(storage, 6, 7)


def past_retention(storage: Storage) -> Storage:
    with changing(storage) as connection:
        make_days(connection, ILL, [-31])
    return storage


def with_default(storage: Storage) -> Storage:
    parent = f"auction_snapshots_{ILL}"
    with changing(storage) as connection:
        connection.execute(text(f"CREATE TABLE rest PARTITION OF {parent} DEFAULT"))
        connection.execute(
            text(
                f"INSERT INTO {parent} (snapshot_time, auction_id, unit_price, item_id, quantity, time_left,"
                " expires_after_min, expires_before_min) VALUES ('2020-01-01', 1, 1, 1, 1, 'LONG', 0, 1)"
            )
        )
    return storage


def detaching(storage: Storage) -> Storage:
    with changing(storage) as connection:
        make_days(connection, ILL, [AHEAD + 1])
        # As a DETACH … CONCURRENTLY that was cut off leaves it.
        connection.execute(text("SET LOCAL allow_system_table_mods = on"))
        table = {"name": day_of(ILL, AHEAD + 1).name}
        pending = "UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = CAST(:name AS regclass)"
        connection.execute(text(pending), table)
    return storage


def misjudged(storage: Storage) -> Storage:
    with changing(storage) as connection:
        lately = REGISTRY.c.snapshot_time > NOW - 24 * HOUR
        mine = update(REGISTRY).where(REGISTRY.c.region == ILL, lately)
        connection.execute(mine.values(partly_sold_above_cheaper=20))
    return storage


def estimated_otherwise(storage: Storage) -> Storage:
    with changing(storage) as connection:
        mine = update(REGISTRY).where(REGISTRY.c.region == ILL)
        connection.execute(mine.values(estimator_version=ESTIMATOR_VERSION - 1))
    return storage


def no_longer_seeded(storage: Storage) -> Storage:
    with changing(storage) as connection:
        connection.execute(update(SEEDER_STATUS).values(completed_at=NOW - 24 * HOUR))
    return storage


def as_it_is(storage: Storage) -> Storage:
    return storage


ILLS: dict[ProblemKind, Callable[[Storage], Storage]] = {
    ProblemKind.DATABASE: without_database,
    ProblemKind.SCHEMA: without_schema,
    ProblemKind.UNREADABLE: unreadable,
    ProblemKind.NO_SNAPSHOT: without_snapshot,
    ProblemKind.STALE: stale,
    ProblemKind.LATE: late,
    ProblemKind.FUTURE: from_the_future,
    ProblemKind.TOKEN_STALE: with_old_price,
    ProblemKind.MISSING_HOUR: missed,
    ProblemKind.NOTHING_RAN: idle,
    ProblemKind.LOCKED_OUT: locked_out,
    ProblemKind.FAILING: failing,
    ProblemKind.CRASHED: crashed,
    ProblemKind.FAILED_RUN: failed_run,
    ProblemKind.SPOOL: spooled,
    ProblemKind.QUARANTINE: refused,
    ProblemKind.PENDING_LOGS: waiting_rows,
    ProblemKind.NO_PARTITION: without_tomorrow,
    ProblemKind.AHEAD: without_days_ahead,
    ProblemKind.PAST_RETENTION: past_retention,
    ProblemKind.DEFAULT_PARTITION: with_default,
    ProblemKind.DETACHING: detaching,
    ProblemKind.SELF_CHECK: misjudged,
    ProblemKind.ESTIMATOR: estimated_otherwise,
    ProblemKind.SEEDER: no_longer_seeded,
    # A disk can't be filled for a test: that is done where it is looked at.
    ProblemKind.DISK: as_it_is,
}
