"""What the commands of days and bodies say of what their job did, and the code that they end with."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.spool import Kept
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.days.export import Exported, ExportedTables
from ironforge_cli.jobs.days.housekeeping import Maintained, Result, StepOutcome
from ironforge_cli.jobs.days.one_day import Changed, ChangedDays, HeldDay
from ironforge_cli.market.retention import Present
from ironforge_cli.regions import Region
from tests.archives import made

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Command

HOUR = datetime(2026, 1, 14, 12, 3, 7, tzinfo=UTC)
LATER = HOUR + timedelta(hours=1, microseconds=5)
TABLE = "auction_snapshots_eu_2026_01_14"
DAY = date(2026, 1, 14)


def step(action: str, outcome: StepOutcome, status: ExitStatus = ExitStatus.DONE, **more: Any) -> Result:
    of: dict[str, Any] = {"region": Region.EU, "day": DAY, "table": TABLE, **more}
    return Result(action=action, outcome=outcome, status=status, **of)


def test_a_maintenance_tells_each_step_and_what_was_not_done(told: Callable[..., Command]) -> None:
    maintain = told(
        "days.maintain.maintain",
        Maintained(
            (
                step("archive", StepOutcome.DONE, rows=1_001, bytes=2_500),
                step("drop", StepOutcome.POSTPONED, ExitStatus.DATABASE, message="it is used."),
                step(
                    "prune",
                    StepOutcome.FAILED,
                    ExitStatus.DATABASE,
                    message="no room.",
                    region=None,
                    day=None,
                    table=None,
                ),
                step("detach", StepOutcome.BLOCKED),
            )
        ),
    )
    ended = maintain("partitions", "maintain", "--format", "json")
    archived, *_ = json.loads(ended.stdout)
    assert archived == {
        "action": "archive",
        "region": "eu",
        "date": "2026-01-14",
        "table": TABLE,
        "outcome": "done",
        "rows": 1_001,
        "bytes": 2_500,
        "message": None,
        "as_of": None,
        "began_before": None,
    }
    assert ended.exit_code == 3
    assert [line.partition("ERROR ")[2] for line in ended.stderr.splitlines()] == [
        f"EU: drop {TABLE} was postponed: it is used.",
        "prune was failed: no room.",
    ]
    shown = maintain("partitions", "maintain").stdout
    assert [line.split() for line in shown.splitlines()] == [
        ["action", "region", "table", "outcome", "rows", "bytes"],
        ["archive", "EU", TABLE, "done", "1,001", "2.5", "kB"],
        ["drop", "EU", TABLE, "postponed"],
        ["detach", "EU", TABLE, "blocked"],
    ]
    nothing = told("days.maintain.maintain", Maintained((step("prune", StepOutcome.DONE, table=None, rows=0),)))
    assert nothing("partitions", "maintain").stdout == "There is nothing to do.\n"


def test_a_maintenance_tells_by_which_time_things_are_old(told: Callable[..., Command]) -> None:
    present = Present(LATER, {Region.US: HOUR})
    maintain = told(
        "days.maintain.maintain", Maintained((step("drop", StepOutcome.PLANNED),), present=present, retention_days=1)
    )
    ended = maintain("partitions", "maintain", "--dry-run", "--format", "json")
    assert [result["as_of"] for result in json.loads(ended.stdout)] == ["2026-01-14T12:03:07Z"]
    assert [result["began_before"] for result in json.loads(ended.stdout)] == ["2026-01-13T12:03:07Z"]
    assert maintain("partitions", "maintain", "--dry-run").stdout.splitlines()[-2:] == [
        "Days and log rows leave by 2026-01-14 12:03 UTC, the time of the newest snapshot.",
        "With 1 day kept, those leave that began before 2026-01-13 12:03 UTC, up to that of 2026-01-13.",
    ]


@pytest.mark.parametrize("command", ["drop", "restore"])
def test_a_changed_day_is_told_region_by_region(told: Callable[..., Command], tmp_path: Path, command: str) -> None:
    changed = ChangedDays(
        (
            Changed(Region.EU, DAY, TABLE, "restored", rows=1_001, bytes=2_500),
            Changed(Region.US, DAY, "of_us", "failed", rows=0, message="no room.", status=ExitStatus.DATABASE),
        )
    )
    words = ("partitions", command, "--date", "2026-01-14", "--archive", made(tmp_path))
    ended = told(f"days.one_day.{command}", changed)(*words, "--format", "json")
    assert json.loads(ended.stdout)[0] == {
        "region": "eu",
        "date": "2026-01-14",
        "table": TABLE,
        "outcome": "restored",
        "rows": 1_001,
        "bytes": 2_500,
        "message": None,
    }
    assert (ended.exit_code, ended.stderr.partition("ERROR ")[2]) == (3, "US: no room.\n")
    shown = told(f"days.one_day.{command}", changed)(*words).stdout
    assert [line.split() for line in shown.splitlines()[1:-1]] == [
        ["EU", "2026-01-14", "restored", "1,001", "2.5", "kB"],
        ["US", "2026-01-14", "failed", "0", "of_us"],
    ]
    assert shown.splitlines()[-1] == "Brought back 1,001 rows of 2026-01-14 (UTC) of EU."
    planned = ChangedDays((Changed(Region.EU, DAY, TABLE, "planned", rows=1, message="Why."),), is_dry_run=True)
    assert told(f"days.one_day.{command}", planned)(*words).stdout.splitlines()[-2:] == [
        "To be done with 1 row of 2026-01-14 (UTC) of EU. Why.",
        "This was a dry run: nothing was changed.",
    ]
    everything = ChangedDays((Changed(Region.EU, DAY, TABLE, "failed", status=ExitStatus.LOCKED, message="held."),))
    assert told(f"days.one_day.{command}", everything)(*words).exit_code == 75


def test_the_list_of_days_tells_bounds_and_what_is_archived(told: Callable[..., Command]) -> None:
    held = [
        HeldDay(Region.EU, None, "others", "foreign", None, HOUR, rows=0, bytes=0),
        HeldDay(Region.EU, DAY, TABLE, "restored", HOUR, LATER, 1_001, 2_500, archived_rows=0, archived_bytes=0),
        HeldDay(Region.US, DAY, None, "archived", HOUR, LATER, 0, 0, archived_rows=1_002, archived_bytes=3_500),
    ]
    listed = told("days.one_day.listed", held)
    assert json.loads(listed("partitions", "list", "--format", "json").stdout)[1] == {
        "region": "eu",
        "date": "2026-01-14",
        "table": TABLE,
        "state": "restored",
        "starts_at": "2026-01-14T12:03:07Z",
        "ends_at": "2026-01-14T13:03:07.000005Z",
        "rows": 1_001,
        "bytes": 2_500,
        "archived_rows": 0,
        "archived_bytes": 0,
    }
    lines = [" ".join(line.split()) for line in listed("partitions", "list").stdout.splitlines()[1:]]
    # The name of a day's table is its region and its date again.
    assert lines == [
        "EU … to 2026-01-14T12:03:07Z foreign 0 0 B others",
        "EU 2026-01-14 restored 1,001 2.5 kB 0 0 B",
        "US 2026-01-14 archived 1,002 3.5 kB",
    ]
    assert told("days.one_day.listed", [])("partitions", "list").stdout == "There are none.\n"


def test_an_export_tells_each_file_and_what_failed(told: Callable[..., Command], tmp_path: Path) -> None:
    files = ExportedTables(
        (
            Exported(Region.EU, "stats/2026-01.parquet", "written", rows=1_001, bytes=2_500),
            Exported(Region.US, "token.parquet", "failed", message="no room.", status=ExitStatus.CONFIGURATION),
        )
    )
    export = told("days.export.export", files)
    words = ("partitions", "export", "--archive", made(tmp_path))
    ended = export(*words, "--format", "json")
    assert json.loads(ended.stdout)[0] == {
        "region": "eu",
        "path": "stats/2026-01.parquet",
        "outcome": "written",
        "rows": 1_001,
        "bytes": 2_500,
        "message": None,
    }
    assert (ended.exit_code, ended.stderr.partition("ERROR ")[2]) == (3, "US: no room.\n")
    assert [line.split() for line in export(*words).stdout.splitlines()[1:]] == [
        ["EU", "written", "1,001", "2.5", "kB", "stats/2026-01.parquet"],
        ["US", "failed", "token.parquet"],
    ]


def test_bodies_are_listed_with_their_reason(told: Callable[..., Command]) -> None:
    bodies = [
        Kept(Path("/home/spool/eu/x"), Region.EU, HOUR, "abcdef0123456789", 1_001, LATER, "[it] can't be reached."),
        Kept(Path("/home/spool/us/y"), Region.US, None, "0123456789abcdef", 1_002, LATER, "no time."),
    ]
    listed = told("collecting.spool.listed", bodies)
    assert json.loads(listed("spool", "list", "--format", "json").stdout)[0] == {
        "name": "abcdef012345",
        "digest": "abcdef0123456789",
        "region": "eu",
        "snapshot_time": "2026-01-14T12:03:07Z",
        "received_at": "2026-01-14T13:03:07.000005Z",
        "bytes": 1_001,
        "reason": "[it] can't be reached.",
        "path": "/home/spool/eu/x",
    }
    lines = [" ".join(line.split()) for line in listed("spool", "list").stdout.splitlines()]
    assert lines == [
        "name region snapshot bytes why",
        "abcdef012345 EU 2026-01-14T12:03:07Z 1,001 [it] can't be reached.",
        "0123456789ab US unknown 1,002 no time.",
    ]
