from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from ironforge_cli.db import locks
from ironforge_cli.db.engine import Database, conninfo
from ironforge_cli.regions import Region
from tests.archives import made

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run

KEYS = [
    "region",
    "outcome",
    "since",
    "until",
    "snapshots",
    "changed",
    "registry_changed",
    "without_rows",
    "without_previous",
    "outdated",
    "still_outdated",
    "windows_changed",
    "rows_changed",
    "rows_added",
    "rows_removed",
    "columns",
    "message",
    "steps",
]
CHECK_KEYS = [
    "region",
    "since",
    "until",
    "items",
    "thinning_ratio",
    "sold_lots_phase",
    "withdrawn_an_hour",
    "passed_by",
    "doubts",
]
RECOMPUTE = ("stats", "recompute")


@pytest.fixture
def collected(run: Run, sandbox: Sandbox, api: Mapping[str, str], database_url: str) -> dict[str, str]:
    """The variable that names a database with three hours of both regions, of which EU has a wrong price an hour."""
    variables = {"IRONFORGE_DATABASE_URL": database_url}
    for _ in range(3):
        assert run("-q", "collect", **variables, **api).exit_code == 0
        sandbox.advance()
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute(
            "UPDATE eu_commodity_price_stats AS stats SET min_price = min_price + 10000 FROM"
            " (SELECT timestamp, min(item_id) AS item_id FROM eu_commodity_price_stats"
            " WHERE min_price IS NOT NULL GROUP BY timestamp) AS one"
            " WHERE stats.timestamp = one.timestamp AND stats.item_id = one.item_id"
        )
    return variables


def test_every_format_says_what_would_change_with_the_published_keys(run: Run, collected: dict[str, str]) -> None:
    found = run("-q", *RECOMPUTE, "--dry-run", "--format", "json", **collected)
    assert (found.exit_code, found.stderr) == (0, "")
    eu, us = json.loads(found.stdout)
    assert list(eu) == list(us) == KEYS
    assert (eu["outcome"], us["outcome"]) == ("planned", "no_change")
    assert (eu["snapshots"], eu["changed"], eu["rows_changed"]) == (3, 3, 3)
    assert eu["columns"] == {"min_price": {"rows": 3, "largest": 10_000, "total": 30_000}}
    assert us["columns"] == {}
    lines = run("-q", *RECOMPUTE, "--dry-run", "--format", "jsonl", **collected).stdout.splitlines()
    for line, record in zip(lines, (eu, us), strict=True):
        assert {**json.loads(line), "steps": None} == {**record, "steps": None}
    table = csv.DictReader(io.StringIO(run("-q", *RECOMPUTE, "--dry-run", "--format", "csv", **collected).stdout))
    told = ("rows", "largest", "total")
    changes = [[row[f"columns_min_price_{name}"] for name in told] for row in table]
    assert changes == [["3", "10000.0", "30000.0"], [""] * 3]
    shown = run(*RECOMPUTE, "--dry-run", **collected).stdout
    for words in ("EU", "planned", "rows of statistics changed", "min_price", "10,000", "30,000"):
        assert words in shown


def test_what_was_wrong_is_put_right_once(run: Run, collected: dict[str, str]) -> None:
    first = json.loads(run("-q", *RECOMPUTE, "--format", "json", **collected).stdout)
    assert [record["outcome"] for record in first] == ["recomputed", "no_change"]
    again = run(*RECOMPUTE, "--region", "eu", **collected)
    assert again.exit_code == 0
    assert "no change" in again.stdout
    assert "US" not in again.stdout


def test_times_choose_what_is_computed(run: Run, collected: dict[str, str], sandbox: Sandbox) -> None:
    newest = sandbox.published(Region.EU).published_at
    none = run(*RECOMPUTE, "--since", newest.isoformat(), "--region", "eu", "--format", "json", **collected)
    (record,) = json.loads(none.stdout)
    assert (record["outcome"], record["snapshots"], record["message"]) == (
        "no_change",
        0,
        "No snapshot is of this time.",
    )
    every = run(*RECOMPUTE, "--until", newest.isoformat(), "--region", "eu", "--format", "json", **collected)
    assert json.loads(every.stdout)[0]["snapshots"] == 3
    outdated = run(*RECOMPUTE, "--outdated", "--region", "eu", "--format", "json", **collected)
    assert json.loads(outdated.stdout)[0]["message"] == "No snapshot of this time is outdated."


def test_a_call_that_makes_no_sense_is_wrong_usage(run: Run) -> None:
    backwards = run(*RECOMPUTE, "--since", "2026-01-15", "--until", "2026-01-14")
    assert backwards.exit_code == 2
    assert "is after --until" in backwards.stderr
    assert run(*RECOMPUTE, "--since", "the other day").exit_code == 2
    assert run(*RECOMPUTE, "--workers", "0").exit_code == 2


def test_a_region_that_somebody_else_stores_is_left_to_them(run: Run, collected: dict[str, str]) -> None:
    database = Database(collected["IRONFORGE_DATABASE_URL"])
    with locks.storing(database, Region.EU):
        alone = run(*RECOMPUTE, "--region", "eu", **collected)
        beside = run(*RECOMPUTE, **collected)
    database.close()
    assert (alone.exit_code, beside.exit_code) == (75, 3)
    assert "EU: Another run is storing EU snapshots" in alone.stderr


def test_without_a_database_nothing_is_computed(run: Run) -> None:
    away = run(*RECOMPUTE, IRONFORGE_DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert away.exit_code == 74
    assert "can't be reached" in away.stderr


def test_what_has_left_its_table_is_computed_from_the_archive_that_is_named(
    run: Run, collected: dict[str, str], tmp_path: Path
) -> None:
    archive = made(tmp_path / "archive")
    # A snapshot of today lets the sandbox's hours be long past, whose days leave.
    today = "source = 'live' AND auctions = 0"
    with psycopg.connect(conninfo(collected["IRONFORGE_DATABASE_URL"]), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, estimator_version)"
            " SELECT region, now(), 0, 0, 1, 'x', 'live', 1 FROM snapshots GROUP BY region"
        )
        assert run("-q", "partitions", "maintain", "--archive", archive, **collected).exit_code == 0
        connection.execute(f"DELETE FROM snapshots WHERE {today}".encode())
    left = run("-q", *RECOMPUTE, "--region", "eu", "--format", "json", **collected)
    assert json.loads(left.stdout)[0]["without_rows"] == 3
    elsewhere = made(tmp_path / "elsewhere")
    typo = run("-q", *RECOMPUTE, "--archive", str(tmp_path / "typo"), **collected)
    assert (typo.exit_code, typo.stdout) == (78, "")
    # The option counts more than the setting, in both directions.
    for options, setting, changed in (
        (("--dry-run",), elsewhere, 0),
        (("--dry-run", "--archive", elsewhere), archive, 0),
        (("--dry-run", "--archive", archive), elsewhere, 3),
        ((), archive, 3),
    ):
        arguments = ("--region", "eu", *options, "--format", "json")
        found = run("-q", *RECOMPUTE, *arguments, IRONFORGE_ARCHIVE_URI=setting, **collected)
        (record,) = json.loads(found.stdout)
        assert (record["changed"], record["without_rows"]) == (changed, 3 - changed)
        assert record["columns"] == ({"min_price": {"rows": 3, "largest": 10_000, "total": 30_000}} if changed else {})


def test_checks_of_the_estimate_are_told_in_every_format(run: Run, collected: dict[str, str]) -> None:
    found = run("-q", "stats", "check", "--format", "json", **collected)
    assert (found.exit_code, found.stderr) == (0, "")
    eu, us = json.loads(found.stdout)
    assert list(eu) == list(us) == CHECK_KEYS
    assert eu["since"] < eu["until"]
    assert (eu["thinning_ratio"], eu["doubts"]) == (None, [])
    table = run("stats", "check", "--region", "eu", **collected)
    assert "looked at half as often" in table.stdout
    assert "too little" in table.stdout
