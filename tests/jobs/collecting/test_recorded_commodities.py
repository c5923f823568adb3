"""The recorded answer of the real API, through the command line: cut as it was recorded, and what is whole of it."""

from __future__ import annotations

import json
import statistics
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from ironforge_cli.cli.app import app
from ironforge_cli.errors import ExitStatus
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.expected import expected_after

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.db.engine import Database

AT = datetime(2026, 1, 14, 11, 48, 7, tzinfo=UTC)
WHOLE_AUCTIONS = 1_112


@pytest.fixture
def cut(recorded: Path) -> bytes:
    return (recorded / "koodattu" / "commodities_sample.json").read_bytes()


@pytest.fixture
def trimmed(cut: bytes) -> bytes:
    """The recorded answer without its last, cut auction."""
    return cut[: cut.rindex(b'"}') + 2] + b"]}"


@pytest.fixture
def run(any_database: Database, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Run `ironforge collect` and return its exit code, stdout and stderr."""

    def run(*arguments: str, region: str = "eu", stdin: bytes | None = None) -> tuple[int, str, str]:
        result = CliRunner().invoke(
            app,
            ["collect", "--region", region, "--snapshot-time", "2026-01-14T11:48:07Z", *arguments],
            input=stdin,
            env={
                "IRONFORGE_DATABASE_URL": any_database.url,
                "IRONFORGE_HOME": str(tmp_path / "home"),
                "IRONFORGE_LOG_LEVEL": "info",
            },
        )
        return result.exit_code, result.stdout, result.stderr

    return run


def assert_stored(database: Database, body: bytes) -> None:
    expected = expected_after([(AT, body)])
    assert len(expected.auctions) == WHOLE_AUCTIONS
    assert stored.auctions(database, Region.EU) == expected.auctions
    assert stored.statistics(database, Region.EU) == expected.statistics
    assert stored.registry(database, Region.EU) == expected.registry


def test_the_cut_answer_is_refused_and_says_where_it_ends(
    run: Callable[..., tuple[int, str, str]], any_database: Database, cut: bytes, trimmed: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "cut.json"
    file.write_bytes(cut)
    code, _, said = run("--from", str(file))
    assert code == ExitStatus.REFUSED
    last = json.loads(trimmed.decode("utf-8-sig"))["auctions"][-1]["id"]
    assert f"at byte {len(cut.rstrip()):,} of {len(cut):,}" in said
    assert f"last whole auction is {last} (number {WHOLE_AUCTIONS:,})" in said
    for region in DEFAULT_REGIONS:
        assert stored.everything(any_database, region) == ([], [], [], [])
    ((status, judged, message),) = stored.attempts(any_database)
    assert (status, judged) == ("rejected", AT)
    assert f"{last}" in message
    ((name, region, records, state, reason, _),) = stored.benchmarks(any_database, "command")
    assert (name, region, records, state) == ("collect --from", None, 0, "failed")
    assert message in reason
    assert stored.benchmarks(any_database, "snapshot") == []


def test_the_trimmed_answer_is_stored_with_the_values_of_a_plain_calculation(
    run: Callable[..., tuple[int, str, str]], any_database: Database, trimmed: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "trimmed.json"
    file.write_bytes(trimmed)
    code, output, _ = run("--from", str(file), "--format", "json")
    assert code == ExitStatus.DONE
    (record,) = json.loads(output)
    assert (record["region"], record["outcome"], record["auctions"]) == ("eu", "stored", WHOLE_AUCTIONS)
    assert record["snapshot_time"] == "2026-01-14T11:48:07Z"
    assert_stored(any_database, trimmed)


def test_the_prices_of_the_trimmed_answer_are_those_of_pythons_own_statistics(
    run: Callable[..., tuple[int, str, str]], any_database: Database, trimmed: bytes
) -> None:
    assert run("--from", "-", stdin=trimmed)[0] == ExitStatus.DONE
    units: dict[int, list[int]] = {}
    for auction in json.loads(trimmed.decode("utf-8-sig"))["auctions"]:
        units.setdefault(auction["item"]["id"], []).extend([auction["unit_price"]] * auction["quantity"])
    columns = "min_price, max_price, median_price, total_quantity, mean_price"
    for item, *found, mean in stored.rows(
        any_database, f"SELECT item_id, {columns} FROM eu_commodity_price_stats ORDER BY item_id"
    ):
        prices = units.pop(item)
        assert found == [min(prices), max(prices), statistics.median(prices), len(prices)]
        assert mean == pytest.approx(statistics.fmean(prices), rel=1e-15)
    assert not units


def test_the_answer_comes_from_stdin_as_well_and_a_second_time_changes_nothing(
    run: Callable[..., tuple[int, str, str]], any_database: Database, cut: bytes, trimmed: bytes
) -> None:
    code, _, said = run("--from", "-", stdin=cut)
    assert code == ExitStatus.REFUSED
    assert f"at byte {len(cut.rstrip()):,} of {len(cut):,}" in said
    assert run("--from", "-", stdin=trimmed)[0] == ExitStatus.DONE
    code, output, _ = run("--from", "-", "--format", "json", stdin=trimmed)
    assert code == ExitStatus.DONE
    assert json.loads(output)[0]["outcome"] == "no_change"
    assert_stored(any_database, trimmed)
    assert [row[0] for row in stored.attempts(any_database)] == ["rejected", "success", "no_change"]


def test_the_answer_is_not_taken_for_that_of_the_other_region(
    run: Callable[..., tuple[int, str, str]], any_database: Database, trimmed: bytes
) -> None:
    code, _, said = run("--from", "-", region="us", stdin=trimmed)
    assert code == ExitStatus.REFUSED
    assert "dynamic-eu" in said
    assert stored.rows(any_database, "SELECT count(*) FROM snapshots") == [(0,)]
