"""`ironforge poll` as cron and a person call it: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.regions import DEFAULT_REGIONS
from tests.cli.commands.test_collect import KEYS, NOBODY, rows, variables, wait_until
from tests.db.embedded_playground import server_pid

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run

__all__ = ["variables"]
SIGNALS = [
    (signal.SIGTERM, 143),
    pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
    pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
]


def asked(sandbox: Sandbox) -> int:
    return sum(1 for one in sandbox.requests if one.endpoint == "commodities")


def test_a_window_with_news_says_one_line_a_region_and_nothing_under_q(
    run: Run, variables: Mapping[str, str], sandbox: Sandbox
) -> None:
    loud = run("poll", **variables)
    assert loud.exit_code == 0
    # The sandbox's hours are long past, of which this machine's clock is told.
    lines = [line for line in loud.stderr.splitlines() if "clock is" not in line]
    assert len(lines) == 2
    assert all("stored" in line and "after it was published, attempt 1" in line for line in lines)
    assert {line.split()[2] for line in lines} == {"EU:", "US:"}
    sandbox.advance()
    quiet = run("-q", "poll", **variables)
    assert (quiet.exit_code, quiet.stderr) == (0, "")


def test_a_window_without_news_is_told_even_under_q(run: Run, variables: Mapping[str, str]) -> None:
    assert run("-q", "poll", **variables).exit_code == 0
    ended = run("-q", "poll", "--window", "0.1s", "--log-format", "json", **variables)
    assert ended.exit_code == 0
    (told,) = [json.loads(line) for line in ended.stderr.splitlines()]
    assert told["level"] == "warning"
    assert told["message"].startswith("EU, US: Blizzard published nothing new from")
    assert "published nothing" not in ended.stdout


def test_messages_in_json_have_the_figures_as_fields(run: Run, variables: Mapping[str, str]) -> None:
    ended = run("poll", "--region", "us", "--log-format", "json", **variables)
    line, *_ = [json.loads(line) for line in ended.stderr.splitlines()]
    assert (line["region"], line["outcome"], line["level"]) == ("us", "stored", "info")
    assert line["snapshot_time"].endswith("Z")
    assert line["auctions"] > 0


def test_its_records_are_those_of_collect_with_the_windows_own(run: Run, variables: Mapping[str, str]) -> None:
    ended = run("poll", "--format", "json", **variables)
    eu, us = json.loads(ended.stdout)
    assert list(eu) == [*KEYS, "attempts", "is_new", "delay_seconds"]
    assert (eu["region"], eu["attempts"], eu["is_new"], us["is_new"]) == ("eu", 1, True, True)
    assert isinstance(eu["delay_seconds"], float)


def test_what_fails_is_told_with_its_own_code(run: Run, api: Mapping[str, str], sandbox: Sandbox) -> None:
    sandbox.set_fault("truncated", endpoint="commodities")
    refused = run("-q", "poll", "--window", "0.1s", IRONFORGE_DATABASE_URL=NOBODY, **api)
    assert refused.exit_code == 65
    assert refused.stderr.count("cut off at byte") == 2
    sandbox.clear_faults()
    away = run("-q", "poll", "--window", "0.1s", IRONFORGE_DATABASE_URL=NOBODY, **api)
    assert away.exit_code == 74
    # How often a window asks depends on the machine: where it asks once more, the hour waits already.
    assert "The database x at 127.0.0.1:1 can't be reached" in away.stderr
    waiting = json.loads(run("spool", "list", "--format", "json", **api).stdout)
    assert sorted(one["region"] for one in waiting) == ["eu", "us"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--interval", "0s"], "--interval"),
        (["--interval", "0.5s"], "at least 1s"),
        (["--window", "0s"], "no time to ask"),
        (["--window", "1m", "--interval", "2m"], "longer than --window"),
        (["--window", "2d"], "a day at most"),
        (["--window", "soon"], "no span of time"),
        (["--region", "xx"], "xx"),
    ],
)
def test_a_window_that_makes_no_sense_is_wrong_usage(run: Run, arguments: list[str], words: str) -> None:
    wrong = run("poll", *arguments, BLIZZARD_CLIENT_ID="x", BLIZZARD_CLIENT_SECRET="y")  # noqa: S106 - nobody's
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert words in wrong.stderr


def test_without_credentials_it_says_so_before_anything_else(run: Run) -> None:
    missing = run("poll")
    assert missing.exit_code == 78
    assert "BLIZZARD_CLIENT_ID" in missing.stderr


@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_a_waiting_window_cleanly(
    start: Callable[..., subprocess.Popen[bytes]],
    variables: dict[str, str],
    sandbox: Sandbox,
    database_url: str,
    number: signal.Signals,
    *,
    code: int,
) -> None:
    process = start("poll", "--interval", "1s", **variables)
    sandbox.advance()
    wait_until(lambda: asked(sandbox) >= 2, process)
    process.wait()
    waiting = start("poll", "--interval", "1s", **variables)
    before = asked(sandbox)
    wait_until(lambda: asked(sandbox) >= before + 4, waiting)
    waiting.send_signal(number)
    _, err = waiting.communicate()
    assert waiting.returncode == code, err.decode()
    assert "Traceback" not in err.decode()
    assert rows(database_url, "SELECT count(*) FROM scraper_logs WHERE status = 'running'") == [(0,)]
    assert rows(database_url, "SELECT status FROM benchmarks ORDER BY id DESC LIMIT 1") == [("failed",)]


def test_a_terminal_that_is_closed_ends_a_window_cleanly(
    start: Callable[..., subprocess.Popen[bytes]],
    run: Run,
    variables: dict[str, str],
    sandbox: Sandbox,
    database_url: str,
) -> None:
    assert run("-q", "poll", **variables).exit_code == 0
    before = asked(sandbox)
    ours, theirs = pty.openpty()
    process = start("poll", "--interval", "1s", stdout=theirs, stderr=theirs, **variables)
    os.close(theirs)

    def has_asked_twice() -> bool:
        # Somebody watches the progress bars, until the window of the terminal is closed.
        while select.select([ours], [], [], 0)[0]:
            os.read(ours, 65_536)
        return asked(sandbox) >= before + 2

    wait_until(has_asked_twice, process)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait() == 129
    assert rows(database_url, "SELECT count(*) FROM scraper_logs WHERE status = 'running'") == [(0,)]


def test_an_embedded_server_that_is_killed_within_a_window_is_started_again(
    start: Callable[..., subprocess.Popen[bytes]],
    run: Run,
    api: Mapping[str, str],
    sandbox: Sandbox,
    short_home: Path,
) -> None:
    own = {**api, "IRONFORGE_HOME": str(short_home)}
    assert run("-q", "poll", **own).exit_code == 0
    process = start("poll", "--interval", "1s", "--format", "json", **own)
    before = asked(sandbox)
    wait_until(lambda: asked(sandbox) >= before + 4, process)
    os.kill(server_pid(short_home), signal.SIGKILL)
    sandbox.advance()
    out, err = process.communicate()
    assert process.returncode == 0, err.decode()
    regions: list[dict[str, Any]] = json.loads(out)
    assert [region["is_new"] for region in regions] == [True, True]
    listed = run("spool", "list", "--format", "json", **own)
    assert json.loads(listed.stdout) == []
    counted = run("status", "--format", "json", **own)
    assert [state["gaps"] for state in json.loads(counted.stdout)["regions"]] == [[] for _ in DEFAULT_REGIONS]
