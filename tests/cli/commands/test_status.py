from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ironforge_cli.db import locks
from ironforge_cli.db.engine import conninfo
from ironforge_cli.regions import DEFAULT_REGIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run

NOBODY = "postgresql://127.0.0.1:1/x"
KEYS = [
    "verdict",
    "looked_at",
    "problems",
    "problem_kinds",
    "acknowledged",
    "database",
    "database_error",
    "bytes",
    "vacuum",
    "disk_free",
    "disk_size",
    "pending_log_rows",
    "crashed",
    "killed_windows",
    "seeders",
    "last_runs",
    "regions",
]
REGION_KEYS = [
    "region",
    "snapshot_time",
    "age_seconds",
    "auctions",
    "skipped",
    "items",
    "self_check",
    "gaps",
    "last_attempts",
    "spooled",
    "quarantined",
    "crashed",
    "publishes_at_minute",
    "due_at",
    "usual_delay_seconds",
    "late_seconds",
    "missing",
    "last_attempt_at",
    "last_good_attempt_at",
    "attempts_since_good",
    "spool",
    "quarantine",
    "partitions",
    "self_check_day",
    "self_check_before",
    "thinning_ratio",
    "thinning_until",
    "sold_lots_phase",
    "withdrawn_an_hour",
    "estimator_version",
    "computed_otherwise",
    "token_price",
    "token_updated_at",
    "token_age_seconds",
    "lost_rows",
]


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox whose newest hour is this one."""
    return make_sandbox(starts_at=datetime.now(tz=UTC) - timedelta(hours=1))


@pytest.fixture
def database(database_url: str) -> Mapping[str, str]:
    """The variable that names a migrated database."""
    return {"IRONFORGE_DATABASE_URL": database_url}


def records(text: str) -> list[dict[str, Any]]:
    return json.loads(text)["regions"]


def test_an_empty_database_is_told_and_fails_the_check_alone(run: Run, database: Mapping[str, str]) -> None:
    shown = run("status", **database)
    assert shown.exit_code == 0
    # Once, and in one line.
    assert (shown.stdout, shown.stderr) == ("Nothing has been collected yet. Run `ironforge collect`.\n", "")
    whole = json.loads(run("status", "--format", "json", **database).stdout)
    assert (whole["verdict"], whole["problem_kinds"]) == ("unused", ["no_snapshot"])
    checked = run("status", "--check", **database)
    assert (checked.exit_code, checked.stderr.count("\n")) == (4, 1)


def test_a_fresh_market_passes_the_check(run: Run, database: Mapping[str, str], api: Mapping[str, str]) -> None:
    assert run("-q", "collect", **database, **api).exit_code == 0
    checked = run("status", "--check", "--deep", "--format", "json", **database)
    assert checked.exit_code == 0
    whole = json.loads(checked.stdout)
    assert list(whole) == KEYS
    assert whole["verdict"] == "well"
    eu, us = whole["regions"]
    assert list(eu) == REGION_KEYS
    assert (eu["region"], us["region"]) == ("eu", "us")
    assert 0 <= eu["age_seconds"] < 7_200
    assert eu["gaps"] == eu["crashed"] == eu["lost_rows"] == whole["problems"] == []
    # What was collected was looked after, too.
    assert {attempt["command"] for attempt in eu["last_attempts"]} == {"collect", "token price", "partitions maintain"}
    assert {attempt["status"] for attempt in eu["last_attempts"]} == {"success"}
    assert eu["partitions"]["ahead"] == eu["partitions"]["ahead_wanted"] == 7
    assert whole["bytes"]["raw_snapshots"] > 0
    table = run("status", **database).stdout
    # An hour to the minute is "1 h".
    assert re.match(r"all is well: EU (\d+ (h|min|s) )+old, US (\d+ (h|min|s) )+old\n", table)
    assert "collect" in table
    assert "free" in table


def test_a_row_of_csv_has_single_values_and_a_line_of_jsonl_is_the_whole(
    run: Run, database: Mapping[str, str], api: Mapping[str, str]
) -> None:
    assert run("-q", "collect", **database, **api).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(run("status", "--format", "csv", **database).stdout)))
    assert [row["region"] for row in rows] == ["eu", "us"]
    assert [key for key in rows[0] if " " in key] == []
    assert [cell for row in rows for cell in row.values() if cell and cell[0] in "[{"] == []
    assert rows[0]["bytes_raw_snapshots"] == rows[1]["bytes_raw_snapshots"]
    (line,) = run("status", "--format", "jsonl", **database).stdout.splitlines()
    assert list(json.loads(line)) == KEYS


def test_a_first_collection_that_is_under_way_is_told(run: Run, database: Mapping[str, str]) -> None:
    with psycopg.connect(conninfo(database["IRONFORGE_DATABASE_URL"])) as connection:
        begun = connection.execute(
            "INSERT INTO scraper_logs (command, region, timestamp, status)"
            " VALUES ('collect', 'eu', now() - interval '2 min', 'running') RETURNING id"
        ).fetchone()
        assert begun is not None
        connection.commit()
        # As its owner holds it.
        lock = locks.advisory_key(locks.run_lock(begun[0]))
        connection.execute("SELECT pg_advisory_lock(%s)", [lock])
        shown = run("status", **database)
    assert "EU: no snapshot is stored yet; the first collection is under way since " in shown.stderr
    assert "none; a first one is under way, begun 2 min ago" in shown.stdout
    assert "crashed" not in shown.stdout


def test_a_stale_region_fails_the_check(run: Run, database: Mapping[str, str], api: Mapping[str, str]) -> None:
    assert run("-q", "collect", **database, **api).exit_code == 0
    stale = run("status", "--check", "--max-age", "1s", **database)
    assert stale.exit_code == 4
    assert "Does cron run `ironforge poll`?" in stale.stderr


def test_a_missed_hour_is_a_problem_for_a_day(
    run: Run, database: Mapping[str, str], sandbox: Sandbox, make_sandbox: Callable[..., Sandbox]
) -> None:
    earlier = make_sandbox(starts_at=datetime.now(tz=UTC) - timedelta(hours=5))
    assert run("-q", "collect", **database, **earlier.address.environment).exit_code == 0
    late = run("collect", **database, **sandbox.address.environment)
    assert late.exit_code == 0
    assert "nothing is stored of the" in late.stderr
    checked = run("status", "--check", "--format", "json", **database)
    assert checked.exit_code == 4
    (gap,) = records(checked.stdout)[0]["gaps"]
    assert gap["missing_hours"] in {3, 4}
    assert "h are missing between" in checked.stderr


def test_a_crash_is_a_problem_until_a_later_run_ends_well(
    run: Run, database: Mapping[str, str], api: Mapping[str, str]
) -> None:
    assert run("-q", "collect", **database, **api).exit_code == 0
    crash = "INSERT INTO scraper_logs (command, region, timestamp, status) VALUES ('collect', 'eu', now(), 'running')"
    with psycopg.connect(conninfo(database["IRONFORGE_DATABASE_URL"])) as connection:
        connection.execute(crash)
    crashed = run("status", "--check", **database)
    assert crashed.exit_code == 4
    assert "crashed" in crashed.stderr
    assert run("-q", "collect", **database, **api).exit_code == 0
    recovered = run("status", "--check", "--format", "json", **database)
    assert recovered.exit_code == 0
    assert len(records(recovered.stdout)[0]["crashed"]) == 1


def test_what_is_acknowledged_fails_no_check_and_stays_told(
    run: Run, database: Mapping[str, str], api: Mapping[str, str]
) -> None:
    assert run("-q", "collect", **database, **api).exit_code == 0
    with psycopg.connect(conninfo(database["IRONFORGE_DATABASE_URL"])) as connection:
        connection.execute(
            "INSERT INTO scraper_logs (command, timestamp, status) VALUES ('seed items', now(), 'failed')"
        )
    assert run("status", "--check", **database).exit_code == 4
    seen = run("status", "--acknowledge", SUDO_USER="peter", **database)
    assert (seen.exit_code, seen.stderr) == (0, "")
    assert "seen by peter on " in seen.stdout
    checked = run("status", "--check", "--format", "json", **database)
    assert checked.exit_code == 0
    assert "seed items" in json.loads(checked.stdout)["acknowledged"][0]


def test_without_a_database_it_says_what_it_can(run: Run, api: Mapping[str, str]) -> None:
    away = run("collect", "--region", "eu", IRONFORGE_DATABASE_URL=NOBODY, **api)
    assert away.exit_code == 74
    shown = run("status", "--format", "json", IRONFORGE_DATABASE_URL=NOBODY)
    assert shown.exit_code == 74
    eu, us = records(shown.stdout)
    assert (eu["spooled"], us["spooled"]) == (1, 0)
    whole = json.loads(shown.stdout)
    assert "can't be reached" in whole["database_error"]
    assert whole["verdict"] == "unknown"
    unknown = ["bytes", "crashed", "seeders", "last_runs", "acknowledged"]
    assert [key for key in unknown if whole[key] is not None] == []
    unknown = [key for key in REGION_KEYS if key not in {"region", "spooled", "quarantined", "spool", "quarantine"}]
    assert [key for key in unknown if eu[key] is not None] == []
    table = run("status", IRONFORGE_DATABASE_URL=NOBODY).stdout
    assert re.match(r"unknown: .*can't be reached", table)
    assert not re.search(r"^(newest snapshot|hours missing|days held) .*(none|0|-)$", table, re.MULTILINE)
    assert run("status", "--check", IRONFORGE_DATABASE_URL=NOBODY).exit_code == 4


def test_a_role_that_may_only_read_is_enough(run: Run, database_url: str) -> None:
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader_of_status")
        connection.execute("CREATE ROLE reader_of_status LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_of_status")
    url = database_url.replace("postgres@", "reader_of_status@")
    shown = run("status", IRONFORGE_DATABASE_URL=url)
    assert shown.exit_code == 0
    assert "Nothing has been collected yet" in shown.stdout
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        connection.execute("DROP OWNED BY reader_of_status")
        connection.execute("DROP ROLE reader_of_status")


@pytest.mark.parametrize("span", ["2 hours", "99999999999d", "-1h", ""])
def test_a_span_that_is_none_is_wrong_usage(run: Run, span: str) -> None:
    assert run("status", "--max-age", span).exit_code == 2


def test_missing_hours_are_listed_for_a_range(run: Run, database: Mapping[str, str]) -> None:
    noon = datetime(2024, 1, 15, 12, 3, tzinfo=UTC)
    with psycopg.connect(conninfo(database["IRONFORGE_DATABASE_URL"])) as connection:
        for hours in (0, 1, 5, 9):
            connection.execute(
                "INSERT INTO snapshots"
                " (region, snapshot_time, auctions, items, bytes, digest, source, estimator_version)"
                " VALUES ('eu', %s, 1, 1, 1, '', 'live', 1)",
                [noon + timedelta(hours=hours)],
            )
    span = ("--since", "2024-01-15T00:00:00Z", "--until", "2024-01-15T18:00:00")
    shown = run("status", "--region", "eu", *span, "--format", "json", **database)
    (eu,) = records(shown.stdout)
    assert [hour["expected_at"] for hour in eu["missing"]] == [f"2024-01-15T{hour}:03:00Z" for hour in (16, 15, 14)]
    assert eu["missing"][0]["explanation"] == "No logs are kept of that time."
    assert [(gap["since"], gap["missing_hours"]) for gap in eu["gaps"]] == [
        ("2024-01-15T17:03:00Z", 3),
        ("2024-01-15T13:03:00Z", 3),
    ]
    assert (
        "EU lacks 3 hours, 2024-01-15T14:03:00Z to 2024-01-15T16:03:00Z: No logs"
        in run("status", *span, **database).stdout
    )
    # What is judged is how things stand now.
    judged = json.loads(shown.stdout)["problem_kinds"]
    assert "stale" in judged
    assert "missing_hour" not in judged


def test_hours_that_lack_for_the_same_reason_are_one_line_of_the_table(run: Run, database: Mapping[str, str]) -> None:
    with psycopg.connect(conninfo(database["IRONFORGE_DATABASE_URL"])) as connection:
        for moment in ("2024-01-15T12:03:00Z", "2024-01-16T12:03:00Z"):
            connection.execute(
                "INSERT INTO snapshots"
                " (region, snapshot_time, auctions, items, bytes, digest, source, estimator_version)"
                " VALUES ('eu', %s, 1, 1, 1, '', 'live', 1)",
                [moment],
            )
    span = ("--since", "2024-01-15", "--until", "2024-01-16T12:00:00Z")
    told = [line for line in run("status", *span, **database).stdout.splitlines() if line.startswith("EU lacks")]
    assert told == [
        "EU lacks 23 hours, 2024-01-15T13:03:00Z to 2024-01-16T11:03:00Z: No logs are kept of that time.",
    ]


def test_a_range_that_ends_before_it_begins_is_wrong_usage(run: Run, database: Mapping[str, str]) -> None:
    refused = run("status", "--since", "2024-01-16", "--until", "2024-01-15", **database)
    assert refused.exit_code == 2
    assert "is not before --until" in refused.stderr
    assert run("status", "--until", "0001-01-01", **database).exit_code == 2


def test_it_makes_nothing_in_a_home_and_needs_none(run: Run, tmp_path: Path) -> None:
    # As on a file system that can only be read: there is no place for a home below a file.
    (tmp_path / "file").touch()
    for home in (tmp_path / "file" / "home", tmp_path / "none"):
        shown = run("status", "--format", "json", IRONFORGE_HOME=str(home), IRONFORGE_DATABASE_URL=NOBODY)
        assert len(records(shown.stdout)) == len(DEFAULT_REGIONS)
        assert "can't be reached" in shown.stderr
        assert "IRONFORGE_HOME" not in shown.stderr
        assert not home.exists()
