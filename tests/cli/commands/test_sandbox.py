from __future__ import annotations

import json
import re
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.faults import FAULTS
from ironforge_cli.sandbox.market_kinds import MARKETS
from tests.blizzard.stub_server import Said, stub_server

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run

ADDRESS = ("IRONFORGE_API_URL", "IRONFORGE_OAUTH_URL", "BLIZZARD_CLIENT_ID", "BLIZZARD_CLIENT_SECRET")
SMALL = ("--port", "0", "--auctions", "300", "--items", "60", "--recipes", "5", "--speed", "0")


def printed_exports(process: subprocess.Popen[bytes]) -> dict[str, str]:
    """What a served sandbox prints for other terminals, up to the line that ends it."""
    assert process.stdout is not None
    exports: dict[str, str] = {}
    for line in iter(process.stdout.readline, b""):
        found = re.fullmatch(r"export (\w+)='(.*)'\n", line.decode())
        if found:
            exports[found[1]] = found[2]
        if line == b"ironforge collect\n":
            return exports
    raise AssertionError("the sandbox ended before it listened")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 0), pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow)],
    ids=str,
)
def test_a_served_sandbox_ends_cleanly_with_the_code_of_its_signal(
    start: Callable[..., subprocess.Popen[bytes]], number: signal.Signals, code: int
) -> None:
    process = start("sandbox", "serve", *SMALL)
    printed_exports(process)
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == code
    # Ctrl-C is what it waits for.
    assert (number.name in err.decode()) is bool(code)
    assert "Traceback" not in err.decode()


def test_a_sandbox_of_other_regions_leads_there_by_name(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start("sandbox", "serve", *SMALL, "--region", "us", "--fault", "us:html")
    exports = printed_exports(process)
    assert exports.pop("IRONFORGE_REGIONS") == "us"
    assert set(exports) == set(ADDRESS)
    process.terminate()
    assert process.wait() == 143


def test_a_fault_of_a_region_that_is_not_served_is_wrong_usage(run: Run) -> None:
    refused = run("sandbox", "serve", *SMALL, "--fault", "us:html", IRONFORGE_REGIONS="eu")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "no region 'us', only eu" in refused.stderr


def test_a_market_that_there_is_not_is_wrong_usage_and_the_others_are_named(run: Run) -> None:
    refused = run("sandbox", "serve", *SMALL, "--market", "bears")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--market bears" in refused.stderr
    assert all(name in refused.stderr for name in MARKETS)


def test_a_signal_that_the_caller_switched_off_stays_off(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start("sandbox", "serve", *SMALL, ignoring=(signal.SIGHUP,))
    printed_exports(process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143


def test_what_a_served_sandbox_prints_leads_a_collection_there(
    start: Callable[..., subprocess.Popen[bytes]], run: Run, database_url: str
) -> None:
    process = start("sandbox", "serve", *SMALL)
    exports = printed_exports(process)
    variables = {"IRONFORGE_DATABASE_URL": database_url, **exports}
    url = exports["IRONFORGE_OAUTH_URL"].removesuffix("/oauth/token")

    def collected() -> dict[str, str]:
        ended = run("collect", "-q", "--format", "json", **variables)
        assert (ended.exit_code, ended.stderr) == (0, "")
        return {record["region"]: record["outcome"] for record in json.loads(ended.stdout)}

    assert collected() == {"eu": "stored", "us": "stored"}
    assert collected() == {"eu": "no_change", "us": "no_change"}
    assert run("sandbox", "advance", "--region", "us", "--url", url).exit_code == 0
    assert collected() == {"eu": "no_change", "us": "stored"}
    process.terminate()
    assert process.wait() == 143


def test_a_port_that_is_taken_is_told(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run("sandbox", "serve", "--port", port, "--auctions", "100", "--items", "50", "--recipes", "0")
    assert refused.exit_code == 2
    assert port in refused.stderr


# Over the switchboard


@pytest.fixture
def url(sandbox: Sandbox) -> str:
    return sandbox.address.control_url


@pytest.mark.parametrize("regions", [[], ["eu"], ["us"], ["us", "eu", "us"]], ids=str)
def test_advancing_publishes_hours_of_the_regions_that_were_named(
    run: Run, sandbox: Sandbox, url: str, regions: list[str]
) -> None:
    before = {region: sandbox.world.regions[region].hours for region in DEFAULT_REGIONS}
    named = [word for region in regions for word in ("--region", region)]
    advanced = run("sandbox", "advance", "--hours", "3", *named, "--url", url, "--format", "json")
    assert (advanced.exit_code, advanced.stderr) == (0, "")
    records = json.loads(advanced.stdout)
    assert [list(record) for record in records] == [["region", "published_at", "auctions"]] * 2
    for record in records:
        region = Region(record["region"])
        published = sandbox.published(region)
        assert record["published_at"] == published.published_at.isoformat().replace("+00:00", "Z")
        assert record["auctions"] == len(published.listings)
        moved = 3 if region in regions or not regions else 0
        assert sandbox.world.regions[region].hours - before[region] == moved
    assert "published" in run("sandbox", "advance", "--url", url).stdout


def test_a_fault_is_aimed_counted_and_cleared(run: Run, sandbox: Sandbox, url: str) -> None:
    def fault(*arguments: str) -> list[dict[str, object]]:
        done = run("sandbox", "fault", *arguments, "--url", url, "--format", "json")
        assert (done.exit_code, done.stderr) == (0, "")
        return json.loads(done.stdout)

    keys = {"name": "truncated", "region": "eu", "endpoint": None, "count": 2, "retry_after": None}
    assert fault("truncated", "--region", "eu", "--count", "2") == [keys]
    limited = {"name": "rate_limited", "region": None, "endpoint": "token", "count": None, "retry_after": 9}
    assert fault("rate_limited", "--endpoint", "token", "--retry-after", "9") == [keys, limited]
    assert [(aim.name, aim.region, aim.count) for aim in sandbox._faults.aims] == [  # pyright: ignore[reportPrivateUsage] - what the commands are to change
        ("truncated", Region.EU, 2),
        ("rate_limited", None, None),
    ]
    assert fault("truncated", "--clear", "--region", "us") == [keys, limited]
    assert fault("truncated", "--clear", "--region", "eu") == [limited]
    assert len(fault("hang", "--region", "eu", "--region", "us")) == 3
    assert fault("--clear") == []
    assert run("sandbox", "fault", "--clear", "--url", url).stdout == "No fault is on.\n"
    assert "truncated" in run("sandbox", "fault", "truncated", "--url", url).stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["truncated", "--endpoint", "nonsense"]], ids=" ".join)
def test_a_fault_that_there_is_not_is_wrong_usage(run: Run, url: str, arguments: list[str]) -> None:
    refused = run("sandbox", "fault", *arguments, "--url", url)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "nonsense" in refused.stderr


def test_every_fault_is_listed_in_every_format(run: Run) -> None:
    records = json.loads(run("sandbox", "faults", "--format", "json").stdout)
    assert [record["name"] for record in records] == list(FAULTS)
    assert [record["description"] for record in records] == [fault.description for fault in FAULTS.values()]
    assert {record["strikes"] for record in records} == {"commodities", "everything but oauth"}
    assert records == [json.loads(line) for line in run("sandbox", "faults", "--format", "jsonl").stdout.splitlines()]
    header, *rows = run("sandbox", "faults", "--format", "csv").stdout.splitlines()
    assert header == "name,strikes,description"
    assert len(rows) == len(FAULTS)
    table = run("sandbox", "faults").stdout
    assert all(re.search(rf"^{name} ", table, re.MULTILINE) for name in FAULTS)


COMMANDS = [("advance",), ("fault", "hang"), ("fault", "--clear")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_where_nothing_listens_the_way_to_start_it_is_told(run: Run, command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = run("sandbox", *command, "--url", f"http://127.0.0.1:{port}")
    assert (nobody.exit_code, nobody.stdout) == (69, "")
    assert "Connection refused" in nobody.stderr
    assert "ironforge sandbox serve" in nobody.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    "said",
    [Said(status=404, body=b"<html>"), Said(body=b"<html>"), Said(body=b"[]"), Said(status=500)],
    ids=["404", "html", "list", "500"],
)
def test_something_else_that_listens_there_is_no_sandbox(run: Run, command: tuple[str, ...], said: Said) -> None:
    with stub_server(lambda _: said) as stub:
        refused = run("sandbox", *command, "--url", stub.url)
    assert (refused.exit_code, refused.stdout) == (69, "")
    assert "No sandbox answers" in refused.stderr


def test_a_proxy_is_not_asked_for_the_way_to_a_sandbox(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert run("sandbox", "advance", "--url", url).exit_code == 0
