"""Every metric by findings made by hand, each of whose values is another."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ironforge_cli.cli.show.prometheus import metrics
from ironforge_cli.db.repositories.attempts import Streak
from ironforge_cli.db.repositories.health import LastRun, LoggedAttempt
from ironforge_cli.db.repositories.seeders import SeederState
from ironforge_cli.db.repositories.thinning_checks import ThinningCheck
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.evidence.windows import KilledWindow, OpenWindow
from ironforge_cli.jobs.health.rules import Problem, ProblemKind
from ironforge_cli.jobs.health.status import Health
from ironforge_cli.jobs.health.status_findings import (
    Days,
    Disk,
    Freshness,
    MissingHour,
    RegionFindings,
    SelfCheck,
    Shelved,
    StatusFindings,
)
from ironforge_cli.regions import Region
from ironforge_cli.values import replace


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(1_768_000_000 + seconds, tz=UTC)


MISSING = MissingHour(at(0), at(0), None, {}, "nobody tried")
EU = RegionFindings(
    region=Region.EU,
    freshness=Freshness(
        snapshot_time=at(1),
        age_seconds=-2,
        auctions=3,
        items=4,
        minute=5,
        due_at=at(6),
        delay_seconds=700,
        late_seconds=8,
        skipped=44,
    ),
    self_check=SelfCheck(
        newest=0.9,
        day=0.125,
        before=0.25,
        version=11,
        computed_otherwise=45,
        phase=0.5,
        withdrawn_an_hour=0.0625,
        thinned=ThinningCheck(at(900), at(900), 900, 0.75),
    ),
    days=Days(12, date(2026, 1, 1), date(2026, 1, 2), 13, ("a", "b"), ("c",), None, is_default_used=False),
    streak=Streak(at(14), {"failed": 15, "locked": 16}, 900, at(13), at(17), None),
    missing=(MISSING,) * 18,
    missing_lately=(MISSING,) * 19,
    spool=Shelved(20, 21, at(22), at(900)),
    quarantine=Shelved(23, 24, at(900), at(25)),
)
US = RegionFindings(
    region=Region.US,
    days=Days(1, None, None, None, (), (), None, is_default_used=False),
    streak=Streak(None, {}, 0, None, None, None),
)
CRASHED = LoggedAttempt(1, "collect", "eu", at(0), "running", None)
KILLED = KilledWindow(OpenWindow("poll", (Region.EU,), at(0), at(1)), at(1), Path("/locks/a.window"))
FOUND = StatusFindings(
    now=at(30),
    max_age=timedelta(hours=2),
    database="prices",
    away=None,
    regions=(EU, US),
    disk=Disk(Path("/"), free=31, total=32),
    crashed=(CRASHED,) * 33,
    killed_windows=(KILLED,) * 42,
    last_runs=(
        LastRun("collect", at(34), 3.5, "success", None, {}, None),
        LastRun("poll", at(36), 37.0, "partial", None, {}, None),
    ),
    seeders=(
        SeederState("recipe", True, at(38), None, None, None),  # noqa: FBT003 - a row
        SeederState("item", False, None, None, None, None),  # noqa: FBT003 - a row
    ),
    sizes={"raw": 39, "statistics": 40},
    pending_rows=41,
)
PROBLEMS = (
    Problem(ProblemKind.STALE, Region.EU, "x"),
    Problem(ProblemKind.STALE, Region.US, "y"),
    Problem(ProblemKind.SCHEMA, None, "z"),
)


def samples(found: StatusFindings) -> list[str]:
    """Every sample but those of problems' kinds, without the names' common beginning."""
    health = Health(found=found, problems=PROBLEMS, status=ExitStatus.DONE)
    lines = [line for line in metrics(health).splitlines() if not line.startswith("#")]
    return [line.removeprefix("ironforge_") for line in lines if not line.startswith("ironforge_problem{")]


def test_each_metric_tells_its_own_figure() -> None:
    assert samples(FOUND) == [
        "status_timestamp_seconds 1768000030",
        "problems 3",
        "database_up 1",
        'snapshot_timestamp_seconds{region="eu"} 1768000001',
        'snapshot_age_seconds{region="eu"} -2',
        'snapshot_auctions{region="eu"} 3',
        'snapshot_skipped_auctions{region="eu"} 44',
        'snapshot_items{region="eu"} 4',
        'publication_minute{region="eu"} 5',
        'snapshot_due_timestamp_seconds{region="eu"} 1768000006',
        'snapshot_late_seconds{region="eu"} 8',
        'missing_hours{region="eu"} 18',
        'missing_hours_last_day{region="eu"} 19',
        'attempt_timestamp_seconds{region="eu"} 1768000017',
        'good_attempt_timestamp_seconds{region="eu"} 1768000014',
        'bad_attempts{region="eu"} 31',
        'bad_attempts{region="us"} 0',
        'spool_bodies{region="eu"} 20',
        'spool_bodies{region="us"} 0',
        'spool_bytes{region="eu"} 21',
        'spool_bytes{region="us"} 0',
        'spool_oldest_timestamp_seconds{region="eu"} 1768000022',
        'quarantine_bodies{region="eu"} 23',
        'quarantine_bodies{region="us"} 0',
        'quarantine_bytes{region="eu"} 24',
        'quarantine_bytes{region="us"} 0',
        'quarantine_newest_timestamp_seconds{region="eu"} 1768000025',
        "pending_log_rows 41",
        'partitions{region="eu"} 12',
        'partitions{region="us"} 1',
        'partitions_ahead_days{region="eu"} 13',
        'partitions_ahead_days{region="us"} -1',
        'partitions_past_retention{region="eu"} 2',
        'partitions_past_retention{region="us"} 0',
        'self_check_ratio{region="eu"} 0.125',
        'self_check_before_ratio{region="eu"} 0.25',
        'thinning_ratio{region="eu"} 0.75',
        'sold_lots_phase_ratio{region="eu"} 0.5',
        'withdrawn_ratio{region="eu"} 0.0625',
        'computed_otherwise_snapshots{region="eu"} 45',
        'estimator_version{region="eu"} 11',
        'seeder_complete{seeder="recipe"} 1',
        'seeder_complete{seeder="item"} 0',
        'seeder_completed_timestamp_seconds{seeder="recipe"} 1768000038',
        'last_run_timestamp_seconds{command="collect"} 1768000034',
        'last_run_timestamp_seconds{command="poll"} 1768000036',
        'last_run_duration_seconds{command="collect"} 3.5',
        'last_run_duration_seconds{command="poll"} 37',
        'last_run_success{command="collect"} 1',
        'last_run_success{command="poll"} 0',
        "crashed_runs 33",
        "killed_windows 42",
        'bytes{kind="raw"} 39',
        'bytes{kind="statistics"} 40',
        "disk_free_bytes 31",
        "disk_size_bytes 32",
    ]


def test_each_kind_of_problem_is_there_or_not() -> None:
    text = metrics(Health(found=FOUND, problems=PROBLEMS, status=ExitStatus.DONE))
    for kind in ProblemKind:
        assert f'ironforge_problem{{kind="{kind}"}} {int(kind in {ProblemKind.STALE, ProblemKind.SCHEMA})}\n' in text


def test_what_nobody_could_ask_the_database_has_no_sample() -> None:
    away = replace(
        FOUND,
        away=DatabaseError("It is away."),
        regions=(RegionFindings(region=Region.EU),),
        crashed=(),
        last_runs=(),
        seeders=(),
        sizes=None,
    )
    assert samples(away) == [
        "status_timestamp_seconds 1768000030",
        "problems 3",
        "database_up 0",
        'spool_bodies{region="eu"} 0',
        'spool_bytes{region="eu"} 0',
        'quarantine_bodies{region="eu"} 0',
        'quarantine_bytes{region="eu"} 0',
        "pending_log_rows 41",
        "killed_windows 42",
        "disk_free_bytes 31",
        "disk_size_bytes 32",
    ]
