from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import partitions, raw_days
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from tests.archives import made
from tests.jobs.day_tables import execute, register
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def database_of_its_own(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRONFORGE_DATABASE_URL", database_url)


def test_a_dry_run_shows_the_plan_that_is_then_carried_out(run: Run) -> None:
    arguments = ("partitions", "maintain", "--ahead", "1", "--region", "eu", "--format", "json")
    shown, done = run(*arguments, "--dry-run"), run(*arguments)
    assert [shown.exit_code, done.exit_code] == [0, 0]
    assert {step["outcome"] for step in json.loads(shown.stdout)} == {"planned"}
    assert {step["outcome"] for step in json.loads(done.stdout)} == {"done"}
    keys = ("action", "region", "date", "table")
    plans = [[[step[key] for key in keys] for step in json.loads(result.stdout)] for result in (shown, done)]
    assert plans[0] == plans[1]
    today = datetime.now(tz=UTC).date()
    first = today.replace(day=1)
    assert plans[0] == [
        *(
            ["create", "eu", f"{day}", f"auction_snapshots_eu_{day:%Y_%m_%d}"]
            for day in (today, today + timedelta(days=1))
        ),
        *(
            ["create month", "eu", f"{month}", f"eu_commodity_price_stats_{month:%Y_%m}"]
            for month in (first, (first + timedelta(days=31)).replace(day=1))
        ),
    ]


def test_as_a_table_the_plan_names_every_step(run: Run) -> None:
    result = run("partitions", "maintain", "--ahead", "0", "--dry-run")
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:7]] == [
        step for region in ("EU", "US") for step in (["create", region], ["create", "month"], ["create", "month"])
    ]
    run("partitions", "maintain", "--ahead", "0")
    assert run("partitions", "maintain", "--ahead", "0").stdout.splitlines() == [
        "There is nothing to do.",
        "No snapshot is stored, so that nothing leaves for its age.",
    ]


def test_the_settings_say_how_far_ahead_and_options_say_otherwise(run: Run) -> None:
    run("partitions", "maintain", IRONFORGE_PARTITIONS_AHEAD="2", IRONFORGE_REGIONS="us")
    assert len(json.loads(run("partitions", "list", "--format", "json").stdout)) == 3


def test_the_list_has_rows_bytes_and_state(run: Run) -> None:
    run("partitions", "maintain", "--ahead", "0")
    records = json.loads(run("partitions", "list", "--format", "json").stdout)
    assert [record["region"] for record in records] == ["eu", "us"]
    assert {record["state"] for record in records} == {"attached"}
    assert {"date", "table", "rows", "bytes", "starts_at", "ends_at"} <= records[0].keys()
    assert run("partitions", "list").stdout.splitlines()[0].split() == [
        "region",
        "date",
        "state",
        "rows",
        "bytes",
    ]


def test_a_day_is_dropped_by_its_date(run: Run) -> None:
    run("partitions", "maintain", "--ahead", "1")
    day = f"{datetime.now(tz=UTC).date() + timedelta(days=1)}"
    shown = run("partitions", "drop", "--date", day, "--dry-run", "--format", "jsonl")
    assert [json.loads(line)["outcome"] for line in shown.stdout.splitlines()] == ["planned", "planned"]
    assert run("partitions", "drop", "--date", day, "--region", "eu").exit_code == 0
    again = run("partitions", "drop", "--date", day, "--region", "eu")
    assert again.exit_code == 2
    assert "No partition of ironforge's holds" in again.stderr


def test_a_day_that_is_none_is_wrong_usage(run: Run) -> None:
    assert run("partitions", "drop", "--date", "yesterday").exit_code == 2
    assert run("partitions", "maintain", "--ahead", "-1").exit_code == 2
    assert run("partitions", "maintain", "--retain", "x").exit_code == 2


def test_what_cannot_be_done_is_told_and_makes_the_exit_code(run: Run, database_url: str) -> None:
    database = Database(database_url)
    today = datetime.now(tz=UTC).date()
    with database.transaction() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE auction_snapshots_eu_{today:%Y_%m_%d} (LIKE auction_snapshots_eu INCLUDING ALL)"
        )
    database.close()
    result = run("partitions", "maintain", "--ahead", "0")
    assert result.exit_code == 3
    assert "can't be made: a table of that name" in result.stderr
    assert run("partitions", "maintain", "--ahead", "0", "--region", "eu").exit_code == 74


def test_a_day_without_its_mark_is_told_by_name_and_adopted_when_that_is_asked_for(run: Run, database_url: str) -> None:
    day = hold_an_old_day(database_url)
    database = Database(database_url)
    execute(database, f"COMMENT ON TABLE {day.name} IS NULL")
    database.close()
    run("partitions", "maintain", "--ahead", "0")
    failed = run("partitions", "maintain", "--ahead", "0")
    assert failed.exit_code == 78
    assert f"{day.name} has lost the comment" in failed.stderr
    assert run("partitions", "maintain", "--ahead", "0", "--adopt").exit_code == 0
    dropped = run("partitions", "maintain", "--ahead", "0", "--format", "json")
    assert [step["action"] for step in json.loads(dropped.stdout)] == ["detach", "drop"]


def hold_an_old_day(database_url: str) -> DailyPartition:
    """Store a day of the EU that left its retention long ago, by the newest snapshot of the US."""
    day = DailyPartition(Region.EU, datetime.now(tz=UTC).date() - timedelta(days=60))
    database = Database(database_url)
    register(database, datetime.now(tz=UTC).date() - timedelta(days=1), Region.US)
    with database.transaction() as connection:
        partitions.create(connection, day)
        raw_days.append(connection, day, day_of_rows(day))
    database.close()
    return day


def test_a_day_leaves_by_the_option_else_by_the_setting_and_never_by_0(run: Run, database_url: str) -> None:
    day = hold_an_old_day(database_url)
    for options, setting, leaves in (
        ((), "30", True),
        ((), "0", False),
        (("--retain", "0"), "30", False),
        (("--retain", "70"), "30", False),
        (("--retain", "30"), "0", True),
    ):
        arguments = ("partitions", "maintain", "--region", "eu", "--dry-run", "--format", "json", *options)
        plan = json.loads(run(*arguments, IRONFORGE_RAW_RETENTION_DAYS=setting).stdout)
        steps = [step["action"] for step in plan if step["date"] == f"{day.day}"]
        assert steps == (["detach", "drop"] if leaves else []), (options, setting)


def test_a_day_goes_into_the_archive_and_comes_back(run: Run, database_url: str, tmp_path: Path) -> None:
    day = hold_an_old_day(database_url)
    archive = str(tmp_path / "archive")
    for command in ("maintain", "list", "export"):
        refused = run("partitions", command, "--archive", archive)
        assert (refused.exit_code, refused.stdout) == (78, "")
        assert f"There is no archive at {archive}; is it mounted?" in refused.stderr
    assert not (tmp_path / "archive").exists()
    assert run("archive", "init", archive).exit_code == 0
    shown = run("partitions", "maintain", "--archive", archive, "--dry-run", "--region", "eu", "--format", "json")
    steps = [step["action"] for step in json.loads(shown.stdout) if step["date"] == f"{day.day}"]
    assert steps == ["archive", "detach", "drop"]
    assert run("partitions", "maintain", IRONFORGE_ARCHIVE_URI=archive).exit_code == 0

    def listed() -> dict[str, Any]:
        result = run("partitions", "list", "--region", "eu", "--format", "json", IRONFORGE_ARCHIVE_URI=archive)
        return next(one for one in json.loads(result.stdout) if one["date"] == f"{day.day}")

    assert (listed()["state"], listed()["rows"], listed()["archived_rows"]) == ("archived", 0, 240)
    restored = run("partitions", "restore", "--date", f"{day.day}", "--region", "eu", "--archive", archive)
    assert restored.exit_code == 0
    assert "restored" in restored.stdout
    run("partitions", "maintain", IRONFORGE_ARCHIVE_URI=archive)
    assert (listed()["state"], listed()["rows"], listed()["archived_rows"]) == ("restored", 240, 240)
    dropped = run("partitions", "drop", "--date", f"{day.day}", IRONFORGE_ARCHIVE_URI=archive)
    assert dropped.exit_code == 0
    assert listed()["state"] == "archived"


def test_without_an_archive_there_is_nothing_to_restore_from(run: Run) -> None:
    result = run("partitions", "restore", "--date", "2024-01-15")
    assert result.exit_code == 78
    assert "set IRONFORGE_ARCHIVE_URI, or give --archive" in result.stderr
    assert run("partitions", "maintain", IRONFORGE_ARCHIVE_URI="ftp://x").exit_code == 78


def test_a_day_that_was_never_archived_cannot_be_restored(run: Run, tmp_path: Path) -> None:
    result = run("partitions", "restore", "--date", "2024-01-15", "--archive", made(tmp_path))
    assert result.exit_code == 78
    assert "does not hold 2024-01-15 (UTC) of EU" in result.stderr


def test_no_command_drops_a_day_that_the_archive_of_the_settings_refuses(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    day = hold_an_old_day(database_url)
    (tmp_path / "file").write_bytes(b"")
    refusing = str(tmp_path / "file")
    assert run("partitions", "maintain", "--ahead", "0", IRONFORGE_ARCHIVE_URI=refusing).exit_code == 78
    assert run("partitions", "drop", "--date", f"{day.day}", IRONFORGE_ARCHIVE_URI=refusing).exit_code == 78
    (record,) = [
        one for one in json.loads(run("partitions", "list", "--format", "json").stdout) if one["date"] == f"{day.day}"
    ]
    assert (record["rows"], record["state"]) == (240, "attached")
