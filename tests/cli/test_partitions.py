from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import Database

if TYPE_CHECKING:
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
    assert plans[0] == [
        ["create", "eu", f"{day}", f"auction_snapshots_eu_{day:%Y_%m_%d}"] for day in (today, today + timedelta(days=1))
    ]


def test_as_a_table_the_plan_names_every_step(run: Run) -> None:
    result = run("partitions", "maintain", "--ahead", "0", "--dry-run")
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:]] == [["create", "EU"], ["create", "US"]]
    run("partitions", "maintain", "--ahead", "0")
    assert run("partitions", "maintain", "--ahead", "0").stdout == "There is nothing to do.\n"


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
        "table",
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
