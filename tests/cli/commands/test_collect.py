from __future__ import annotations

import csv
import gzip
import io
import json
import signal
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from zstandard import ZstdCompressor

from ironforge_cli.db.engine import conninfo
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.blizzard.bodies import auction, body_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run
    from tests.servers import TestServer

KEYS = [
    "region",
    "outcome",
    "snapshot_time",
    "replayed",
    "auctions",
    "skipped",
    "items",
    "interval_seconds",
    "new_auctions",
    "gone_auctions",
    "sales_low",
    "estimated_sales",
    "sales_high",
    "expired_units",
    "withdrawn_units",
    "token_outcome",
    "token_price",
    "token_updated_at",
    "message",
    "steps",
]
NOBODY = "postgresql://127.0.0.1:1/x"
LAST_HOUR = datetime.now(tz=UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
TIME = LAST_HOUR.isoformat().replace("+00:00", "Z")


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo(url)) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.fixture
def variables(api: Mapping[str, str], database_url: str) -> dict[str, str]:
    return {**api, "IRONFORGE_DATABASE_URL": database_url}


# Results


@pytest.fixture
def make_variables(
    make_sandbox: Callable[..., Sandbox], server: TestServer, tmp_path: Path
) -> Callable[[str], dict[str, str]]:
    """The same market for another database and another home, so that nothing but the form differs."""
    sandbox = make_sandbox(auctions=400)

    def made(database_url: str) -> dict[str, str]:
        home = tmp_path / database_url.rpartition("/")[2].partition("?")[0]
        return {**sandbox.address.environment, "IRONFORGE_DATABASE_URL": database_url, "IRONFORGE_HOME": str(home)}

    del server
    return made


def test_every_format_says_the_same_with_the_published_keys(
    run: Run, make_variables: Callable[[str], dict[str, str]], server: TestServer
) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    for form in ("json", "jsonl", "csv"):
        with server.migrated_database() as url:
            ended = run("collect", "-q", "--format", form, **make_variables(url))
        assert (ended.exit_code, ended.stderr) == (0, "")
        match form:
            case "json":
                found[form] = json.loads(ended.stdout)
            case "jsonl":
                found[form] = [json.loads(line) for line in ended.stdout.splitlines()]
            case _:
                found[form] = list(csv.DictReader(io.StringIO(ended.stdout)))
    for form, records in found.items():
        steps = [key for key in records[0] if key.startswith("steps_")]
        # A row of a table has a column a step.
        assert [list(record) for record in records] == [[*KEYS[:-1], *(steps or ["steps"])]] * 2
        assert bool(steps) == (form == "csv")
        for record in records:
            for key in [*steps, "steps"]:
                record.pop(key, None)
    assert found["json"] == found["jsonl"]
    as_text = [{key: "" if value is None else str(value) for key, value in record.items()} for record in found["json"]]
    assert found["csv"] == as_text
    assert [record["region"] for record in found["json"]] == ["eu", "us"]


def test_the_records_are_what_was_published_and_stored(
    run: Run, variables: dict[str, str], sandbox: Sandbox, database_url: str
) -> None:
    ended = run("collect", "-q", "--format", "json", **variables)
    for record in json.loads(ended.stdout):
        region = Region(record["region"])
        published = sandbox.published(region)
        assert record["outcome"] == "stored"
        assert record["snapshot_time"] == published.published_at.isoformat().replace("+00:00", "Z")
        assert record["auctions"] == len(published.listings)
        assert rows(database_url, f"SELECT count(*) FROM auction_snapshots_{region}") == [(len(published.listings),)]
        assert record["token_price"] == sandbox.world.token_price(region)[1]
        assert record["sales_low"] is None
        assert {"download", "decode", "store"} <= record["steps"].keys()


def test_the_table_is_for_people_and_messages_go_to_stderr(run: Run, variables: dict[str, str]) -> None:
    first = run("collect", **variables)
    assert first.exit_code == 0
    for words in ("EU", "US", "stored", "auctions", "token"):
        assert words in first.stdout
    assert "INFO" not in first.stdout
    assert "stored" in first.stderr
    assert "download" not in first.stdout
    again = run("collect", "-v", "--region", "us", **variables)
    assert "download" in again.stdout
    assert "no change" in again.stdout
    assert "EU" not in again.stdout


def test_the_second_collection_within_the_hour_costs_a_304(
    run: Run, variables: dict[str, str], sandbox: Sandbox
) -> None:
    assert run("collect", **variables).exit_code == 0
    sandbox.forget_requests()
    assert run("collect", **variables).exit_code == 0
    assert [one.status for one in sandbox.requests if one.endpoint == "commodities"] == [304, 304]


def test_one_failed_region_beside_a_good_one_is_partial(run: Run, variables: dict[str, str], sandbox: Sandbox) -> None:
    sandbox.set_fault("truncated", region=Region.EU, endpoint="commodities")
    ended = run("collect", "-q", "--format", "json", **variables)
    assert ended.exit_code == 3
    assert [record["outcome"] for record in json.loads(ended.stdout)] == ["rejected", "stored"]
    assert "EU" in ended.stderr
    assert "cut off at byte" in ended.stderr


@pytest.mark.parametrize(
    ("fault", "code"),
    [("truncated", 65), ("no_auctions", 65), ("forbidden", 77), ("not_found", 69), ("unauthorized", 77)],
)
def test_regions_that_fail_alike_give_their_code(
    run: Run, variables: dict[str, str], sandbox: Sandbox, fault: str, code: int
) -> None:
    sandbox.set_fault(fault, endpoint="commodities")
    ended = run("collect", "--format", "json", **variables)
    assert ended.exit_code == code
    outcome = "rejected" if code == 65 else "failed"
    assert [record["outcome"] for record in json.loads(ended.stdout)] == [outcome, outcome]


# What is missing


def test_missing_credentials_are_told_before_anything_is_started(run: Run, tmp_path: Path) -> None:
    ended = run("collect")
    assert (ended.exit_code, ended.stdout) == (78, "")
    assert "BLIZZARD_CLIENT_ID and BLIZZARD_CLIENT_SECRET are not set" in ended.stderr
    assert not (tmp_path / "home").exists()


def test_wrong_credentials_are_exit_code_77(run: Run, variables: dict[str, str]) -> None:
    ended = run("collect", **{**variables, "BLIZZARD_CLIENT_SECRET": "kept-from-everybody"})
    assert ended.exit_code == 77
    assert "kept-from-everybody" not in ended.stdout + ended.stderr


def test_a_database_that_is_away_is_exit_code_74_and_loses_nothing(
    run: Run, variables: dict[str, str], database_url: str
) -> None:
    ended = run("collect", "--format", "json", **{**variables, "IRONFORGE_DATABASE_URL": NOBODY})
    assert ended.exit_code == 74
    assert "127.0.0.1:1" in ended.stderr
    assert [record["outcome"] for record in json.loads(ended.stdout)] == ["spooled", "spooled"]
    assert run("collect", "-q", **variables).exit_code == 0
    assert rows(database_url, "SELECT count(*) FROM snapshots") == [(2,)]


def test_a_database_without_the_schema_is_exit_code_78(run: Run, api: Mapping[str, str], server: TestServer) -> None:
    with server.empty_database() as url:
        ended = run("collect", **api, IRONFORGE_DATABASE_URL=url)
    assert ended.exit_code == 78
    assert "ironforge db upgrade" in ended.stderr


# Saved bodies


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
@pytest.mark.parametrize("saved", [bytes, b"\xef\xbb\xbf".__add__, gzip.compress], ids=["plain", "BOM", "gzip"])
def test_a_saved_body_is_stored_from_a_file(
    run: Run, database_url: str, tmp_path: Path, region: Region, saved: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "body.json"
    file.write_bytes(saved(body_of([auction(number) for number in range(1, 6)], region=region)))
    ended = run(
        *("collect", "--from", str(file), "--region", region, "--snapshot-time", TIME, "--format", "json"),
        IRONFORGE_DATABASE_URL=database_url,
    )
    assert ended.exit_code == 0
    (record,) = json.loads(ended.stdout)
    assert list(record) == KEYS
    assert (record["region"], record["outcome"], record["auctions"]) == (region, "stored", 5)
    assert (record["snapshot_time"], record["token_price"]) == (TIME, None)
    stored = rows(database_url, f"SELECT auction_id, snapshot_time FROM auction_snapshots_{region} ORDER BY 1")
    assert stored == [(number, LAST_HOUR) for number in range(1, 6)]


def test_a_saved_body_is_stored_from_stdin(run: Run, database_url: str) -> None:
    ended = run(
        *("collect", "--from", "-", "--region", "eu", "--snapshot-time", TIME, "--format", "json"),
        stdin=ZstdCompressor().compress(body_of([auction(7)])),
        IRONFORGE_DATABASE_URL=database_url,
    )
    assert ended.exit_code == 0
    assert json.loads(ended.stdout)[0]["auctions"] == 1


@pytest.mark.parametrize(
    "given",
    [
        f"{LAST_HOUR:%Y-%m-%dT%H:%M:%S}",
        LAST_HOUR.astimezone().isoformat(),
        # As Blizzard writes it.
        format_datetime(LAST_HOUR, usegmt=True),
    ],
)
def test_a_time_without_a_zone_is_utc_and_others_are_converted(run: Run, database_url: str, given: str) -> None:
    ended = run(
        *("collect", "--from", "-", "--region", "eu", "--snapshot-time", given, "--format", "json"),
        stdin=body_of([auction(7)]),
        IRONFORGE_DATABASE_URL=database_url,
    )
    assert json.loads(ended.stdout)[0]["snapshot_time"] == TIME


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (body_of([auction(7), auction(8)])[:-5], "The last whole auction is 7 (number 1)"),
        (body_of([auction(7)], region="us"), "dynamic-us"),
        (body_of([]), "lists no auctions"),
        (body_of([auction(7), auction(7, quantity=1)]), "auction 7 comes more than once"),
        (body_of([auction(7, quantity=0), auction(8, quantity=0)]), "`$.auctions[0].quantity`"),
    ],
)
def test_a_saved_body_that_makes_no_sense_is_exit_code_65(run: Run, database_url: str, body: bytes, words: str) -> None:
    ended = run(
        *("collect", "--from", "-", "--region", "eu", "--snapshot-time", TIME),
        stdin=body,
        IRONFORGE_DATABASE_URL=database_url,
    )
    assert ended.exit_code == 65
    assert words in ended.stderr
    assert rows(database_url, "SELECT count(*) FROM auction_snapshots_eu") == [(0,)]


def test_a_file_that_is_refused_is_left_to_whoever_it_belongs_to(run: Run, database_url: str, tmp_path: Path) -> None:
    for name, content in (("plain", b"no JSON"), ("packed", gzip.compress(b"no JSON")), ("cut", b"\x1f\x8b\x08")):
        file = tmp_path / name
        file.write_bytes(content)
        arguments = ("collect", "--from", str(file), "--region", "eu", "--snapshot-time", TIME)
        ended = run(*arguments, IRONFORGE_DATABASE_URL=database_url)
        assert ended.exit_code == 65
        assert (f"{file} stays as it is" in ended.stderr) is (name != "cut")
        assert file.read_bytes() == content
    assert json.loads(run("spool", "list", "--quarantine", "--format", "json").stdout) == []


def test_the_recorded_commodities_are_refused_as_they_are_and_stored_when_trimmed(
    run: Run, recorded: Path, database_url: str, tmp_path: Path
) -> None:
    whole = recorded / "koodattu" / "commodities_sample.json"
    arguments = ("--region", "eu", "--snapshot-time", TIME, "--format", "json")
    cut = run("collect", "--from", str(whole), *arguments, IRONFORGE_DATABASE_URL=database_url)
    assert cut.exit_code == 65
    assert "cut off at byte 102,403 of 102,404" in cut.stderr
    assert "The last whole auction is 2080985473 (number 1,112)." in cut.stderr
    text = whole.read_text(encoding="utf-8-sig")
    trimmed = text[: text.rindex('},{"id"') + 1] + "]}"
    (tmp_path / "trimmed.json").write_text(trimmed)
    stored = run("collect", "--from", str(tmp_path / "trimmed.json"), *arguments, IRONFORGE_DATABASE_URL=database_url)
    assert stored.exit_code == 0
    assert json.loads(stored.stdout)[0]["auctions"] == 1_112
    listed = rows(
        database_url, "SELECT auction_id, item_id, unit_price, quantity, time_left FROM auction_snapshots_eu ORDER BY 1"
    )
    assert listed == sorted(
        (one["id"], one["item"]["id"], one["unit_price"], one["quantity"], one["time_left"])
        for one in json.loads(trimmed)["auctions"]
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "-"], "--region"),
        (["--from", "-", "--region", "eu", "--region", "us", "--snapshot-time", TIME], "--region"),
        (["--from", "-", "--region", "eu"], "--snapshot-time"),
        (["--snapshot-time", TIME], "--from"),
        (["--from", "-", "--region", "eu", "--snapshot-time", "yesterday"], "no exact time"),
        (["--from", "-", "--region", "eu", "--snapshot-time", "0001-01-01T00:00:00+05:00"], "no time such as"),
        (["--from", "-", "--region", "eu", "--snapshot-time", "2999-01-01T00:00:00Z"], "future"),
        (["--from", "missing.json", "--region", "eu", "--snapshot-time", TIME], "missing.json can't be read"),
        (["--from", "/", "--region", "eu", "--snapshot-time", TIME], "can't be read"),
    ],
)
def test_a_saved_body_without_all_that_it_needs_is_wrong_usage(run: Run, arguments: list[str], words: str) -> None:
    wrong = run("collect", *arguments, stdin=b"{}", IRONFORGE_DATABASE_URL=NOBODY)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert words in wrong.stderr


def test_the_same_region_named_twice_is_one(run: Run, database_url: str) -> None:
    ended = run(
        *("collect", "--from", "-", "--region", "eu", "--region", "EU", "--snapshot-time", TIME),
        stdin=body_of([auction(7)]),
        IRONFORGE_DATABASE_URL=database_url,
    )
    assert ended.exit_code == 0


def test_the_counter_of_requests_of_earlier_versions_is_removed(
    run: Run, variables: dict[str, str], tmp_path: Path
) -> None:
    cache = tmp_path / "home" / "http"
    cache.mkdir(parents=True, mode=0o700)
    (cache / "requests.sqlite").write_bytes(b"SQLite format 3\0")
    ended = run("collect", "-q", **variables)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert not (cache / "requests.sqlite").exists()
    assert (cache / "requests.ring").exists()


@pytest.mark.parametrize(
    ("shelf", "variable", "fault", "status"),
    [
        ("spool", "IRONFORGE_SPOOL_LIMIT_MB", {"IRONFORGE_DATABASE_URL": NOBODY}, 78),
        ("quarantine", "IRONFORGE_QUARANTINE_LIMIT_MB", {}, 65),
    ],
)
def test_a_shelf_that_is_as_full_as_its_setting_allows_is_told_even_under_q(
    run: Run,
    variables: dict[str, str],
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    shelf: str,
    variable: str,
    fault: dict[str, str],
    status: int,
) -> None:
    folder = tmp_path / "home" / shelf / "us"
    folder.mkdir(parents=True, mode=0o700)
    with (folder / "filling.body").open("wb") as filling:
        filling.truncate(1_000_000)
    if shelf == "quarantine":
        sandbox.set_fault("truncated", endpoint="commodities")
    ended = run("collect", "-q", "--region", "eu", **{**variables, **fault, variable: "1"})
    assert ended.exit_code == status
    assert f"raise {variable}" in ended.stderr
    assert list((tmp_path / "home" / shelf).rglob("*.body")) == [folder / "filling.body"]


# Signals


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
    ids=["SIGTERM", "SIGINT"],
)
def test_a_signal_during_a_slow_collection_ends_it_cleanly_and_stores_nothing_by_half(
    start: Callable[..., subprocess.Popen[bytes]],
    variables: dict[str, str],
    sandbox: Sandbox,
    database_url: str,
    number: signal.Signals,
    *,
    code: int,
) -> None:
    sandbox.set_fault("slow_drip", endpoint="commodities", seconds=0.05)
    process = start("collect", "--format", "json", **variables)
    wait_for_question(sandbox, process)
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == code, err.decode()
    assert "Traceback" not in err.decode()
    for region in DEFAULT_REGIONS:
        assert rows(database_url, f"SELECT count(*) FROM auction_snapshots_{region}") == [(0,)]
    assert rows(database_url, "SELECT count(*) FROM snapshots") == [(0,)]
    assert rows(database_url, "SELECT count(*) FROM scraper_logs WHERE status = 'running'") == [(0,)]
    sandbox.clear_faults()


def test_a_second_ctrl_c_ends_a_collection_at_once(
    start: Callable[..., subprocess.Popen[bytes]], variables: dict[str, str], sandbox: Sandbox, database_url: str
) -> None:
    sandbox.set_fault("hang", endpoint="commodities")
    process = start("collect", **variables)
    wait_for_question(sandbox, process)
    process.send_signal(signal.SIGINT)
    asked = threading.Event()
    while process.poll() is None:
        # The first may not have been taken yet, and two pending ones are one.
        process.send_signal(signal.SIGINT)
        asked.wait(0.05)
    assert process.returncode == -signal.SIGINT
    assert rows(database_url, "SELECT count(*) FROM snapshots") == [(0,)]


def wait_for_question(sandbox: Sandbox, process: subprocess.Popen[bytes]) -> None:
    """Wait until a region's auctions have been asked for."""
    wait_until(lambda: any(one.endpoint == "commodities" for one in sandbox.requests), process)


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until something is so, while a process runs that has to make it so."""
    pause = threading.Event()
    while not true():
        assert process.poll() is None, process.communicate()
        pause.wait(0.02)
