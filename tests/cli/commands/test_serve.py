from __future__ import annotations

import json
import re
import signal
import sys
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import psycopg
import pytest

from ironforge_cli.db.embedded.cluster import answering_pid
from ironforge_cli.db.engine import conninfo
from tests.db.embedded_playground import sockets_of
from tests.servers import open_folder

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Run


def address_of(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    found = re.match(r"Serving on (http://127\.0\.0\.1:\d+)/ ", process.stdout.readline().decode())
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 0, marks=pytest.mark.slow)], ids=str
)
def test_a_service_answers_until_its_signal_and_ends_with_its_code(
    start: Callable[..., subprocess.Popen[bytes]], database_url: str, number: signal.Signals, code: int
) -> None:
    process = start("serve", "--port", "0", IRONFORGE_DATABASE_URL=database_url, IRONFORGE_REGIONS="eu")
    address = address_of(process)
    with urllib.request.urlopen(f"{address}/v1/regions") as answer:  # noqa: S310 - on this machine
        assert json.load(answer)[0]["region"] == "eu"
    process.send_signal(number)
    _, err = process.communicate(timeout=5)
    assert process.returncode == code
    assert "Traceback" not in err.decode()


def test_a_signal_ends_it_though_the_database_is_at_work_for_somebody(
    start: Callable[..., subprocess.Popen[bytes]], database_url: str
) -> None:
    process = start("serve", "--port", "0", IRONFORGE_DATABASE_URL=database_url, IRONFORGE_REGIONS="eu")
    address = address_of(process)
    told: list[int] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{address}/v1/eu/top") as answer:  # noqa: S310 - on this machine
                told.append(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                told.append(refused.code)
        except OSError:
            told.append(0)

    with (
        psycopg.connect(conninfo(database_url)) as blocking,
        psycopg.connect(conninfo(database_url), autocommit=True) as watching,
    ):
        # The generations are read beside it, or nobody would get as far as the answer.
        blocking.execute("LOCK TABLE snapshots IN ACCESS EXCLUSIVE MODE")
        asking = threading.Thread(target=ask)
        asking.start()
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while watching.execute(waiting).fetchone() is None:
            assert process.poll() is None
            assert asking.is_alive(), told
        process.send_signal(signal.SIGTERM)
        # A statement may take ten seconds, and whoever waits for the end of a service does not.
        _, err = process.communicate(timeout=9)
        asking.join(10)
        assert watching.execute(waiting).fetchone() is None
    assert process.returncode == 143
    assert told
    assert told[0] != 200
    assert "Traceback" not in err.decode()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)], ids=str)
def test_the_demo_serves_its_market_as_pages_and_below_v1_until_its_signal(
    start: Callable[..., subprocess.Popen[bytes]], number: signal.Signals, code: int
) -> None:
    with open_folder() as folder:
        little = ("--auctions", "2000", "--hours", "3", "--days", "0", "--items", "9", "--region", "eu")
        process = start("demo", "--home", str(folder / "demo"), *little, "--format", "json", "--serve", "--port", "0")
        assert process.stderr is not None
        said = b""
        while not (found := re.search(rb"Serving on (http://127\.0\.0\.1:\d+)/ ", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        address = found[1].decode()
        with urllib.request.urlopen(f"{address}/v1/eu/prices?format=json") as answer:  # noqa: S310 - on this machine
            prices = json.load(answer)
            assert answer.headers["Ironforge-Stale"] == "false"
        assert prices
        item = prices[0]["item_id"]
        for path, holds in (("/", b"<h1"), (f"/eu/items/{item}", b"<h1"), (f"/v1/eu/items/{item}/history", b"bucket")):
            with urllib.request.urlopen(address + path) as answer:  # noqa: S310 - on this machine
                assert holds in answer.read()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        # What it shows is there before it serves, and its database has ended with it.
        assert {one["region"] for one in json.loads(out)} == {"eu"}
        assert answering_pid(sockets_of(folder / "demo")) is None


def test_without_a_database_it_starts_and_says_so_in_each_answer(
    start: Callable[..., subprocess.Popen[bytes]],
) -> None:
    process = start("serve", "--port", "0", IRONFORGE_DATABASE_URL="postgresql://127.0.0.1:1/x")
    address = address_of(process)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/v1/regions")  # noqa: S310 - on this machine
    assert refused.value.code == 503
    refused.value.close()
    process.terminate()
    _, err = process.communicate(timeout=5)
    assert process.returncode == 143
    assert "127.0.0.1:1" in err.decode()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--base-url", "prices"), "--base-url 'prices'"),
        (("--root-path", "ironforge"), "--root-path 'ironforge'"),
        (("--trusted-proxy", "nginx"), "--trusted-proxy 'nginx'"),
        (("--origin", "example.org"), "--origin 'example.org'"),
        (("--port", "70000"), "--port"),
    ],
)
def test_an_option_that_can_not_be_is_wrong_usage(run: Run, arguments: tuple[str, ...], says: str) -> None:
    refused = run("serve", *arguments, IRONFORGE_DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert says in refused.stderr


def test_without_its_extra_it_says_how_to_install_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "ironforge_cli.web.server", raising=False)
    for command in (("serve",), ("demo", "--serve")):
        refused = run(*command, IRONFORGE_DATABASE_URL="postgresql://127.0.0.1:1/x")
        assert (refused.exit_code, refused.stdout) == (78, "")
        assert "pip install 'ironforge-cli[web]'" in refused.stderr


def test_keys_are_made_listed_and_revoked(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    variables = {"IRONFORGE_API_KEYS_FILE": str(file)}
    made = run("keys", "add", "bot", "--format", "json", **variables)
    assert made.exit_code == 0
    (row,) = json.loads(made.stdout)
    assert row["key"].startswith("ironforge_")
    assert row["key"] not in file.read_text()
    assert "never again" in made.stderr
    assert run("keys", "add", "sheet", **variables).stdout.startswith("ironforge_")
    names = [one["name"] for one in json.loads(run("keys", "list", "--format", "json", **variables).stdout)]
    assert names == ["bot", "sheet"]
    assert run("keys", "revoke", "bot", **variables).exit_code == 0
    again = run("keys", "revoke", "bot", **variables)
    assert (again.exit_code, "there are sheet" in again.stderr) == (2, True)
    unnamed = run("keys", "list")
    assert (unnamed.exit_code, "IRONFORGE_API_KEYS_FILE" in unnamed.stderr) == (78, True)
    lost = run("serve", "--port", "0", IRONFORGE_API_KEYS_FILE=str(tmp_path / "none"))
    assert (lost.exit_code, "ironforge keys add" in lost.stderr) == (78, True)
