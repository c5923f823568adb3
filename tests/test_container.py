"""The container's files: its timer keeps cron's times and ends at once, and what they name exists."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ironforge_cli.config import SETTINGS, variable_names
from tests.documentation import PAGES
from tests.quoted_commands import quoted_calls
from tests.test_documentation import read
from tests.test_operations import jobs

if TYPE_CHECKING:
    from pathlib import Path

CONTAINER = PAGES / "container"
TIMER = CONTAINER / "timer.sh"
# A clock that jumps to the next minute whenever somebody waits for it, and stands still in the end. What is begun in a
# minute has the time to write that down before the next one.
DATE = """#!/bin/sh
[ "$2" = -d ] && exec {date} "$@"
now=$(cat {folder}/now)
minute=$({date} -u -d "@$now" +%H:%M)
case $minute in
  *:20 | *:30 | 05:05 | 06:10)
    tries=0
    until grep -q "^$minute " {folder}/calls || [ $tries -ge 100 ]; do tries=$((tries + 1)); {sleep} 0.05; done ;;
esac
echo "$now"
"""
SLEEP = """#!/bin/sh
now=$(cat {folder}/now)
[ "$now" -ge {until} ] && exec {sleep} 60
echo $((now + $1)) > {folder}/now
"""
PROGRAM = """#!/bin/sh
echo "$(date -u -d "@$(cat {folder}/now)" +%H:%M) $*" >> {folder}/calls
[ "$2" = collect ] && exec {sleep} 60
exit 69
"""
BEGINS = 1_767_225_900
MOST_LATE = 5
"""Minutes of the test's clock, which runs as fast as it can."""


def composed() -> dict[str, Any]:
    return yaml.safe_load(read(CONTAINER / "compose.yaml"))


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A PATH with a clock and a program of the test's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    given = {
        "folder": folder,
        "date": shutil.which("date"),
        "sleep": shutil.which("sleep"),
        # From 00:05 to 06:35, and no further.
        "until": BEGINS + 390 * 60,
    }
    for name, text in {"date": DATE, "sleep": SLEEP, "ironforge": PROGRAM}.items():
        (folder / name).write_text(text.format(**given))
        (folder / name).chmod(0o755)
    (folder / "now").write_text(str(BEGINS))
    return folder


def _minutes(time: str) -> int:
    hour, minute = time.split(":")
    return int(hour) * 60 + int(minute)


def test_the_timer_has_the_minutes_of_cron() -> None:
    told = {
        re.sub(r"\s+", " ", words.split(" --")[0]): (minute, hour)
        for hour, minute, words in re.findall(r"^ +(\*|\d\d):(\d\d)\) .*?begin ([^;]*?) ;;$", read(TIMER), re.M)
    }
    wanted = {
        " ".join(quoted_calls(command)[0].arguments).removeprefix("-q ").split(" --")[0]: (
            f"{int(minute):02}",
            hour if hour == "*" else f"{int(hour):02}",
        )
        for (minute, hour, *_), command in jobs()
    }
    assert told == wanted
    assert len(told) == 5


def test_the_timer_runs_what_cron_runs_at_the_same_times_and_ends_with_what_runs(clock: Path) -> None:
    path = f"{clock}:{os.environ['PATH']}"
    rules = clock / "rules.toml"
    rules.touch()
    timer = subprocess.Popen(
        ["/bin/sh", TIMER],
        env={"PATH": path, "RULES": str(rules)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    calls = clock / "calls"
    while not calls.exists() or calls.read_text().count("poll") < 7:
        assert timer.poll() is None
    timer.send_signal(signal.SIGTERM)
    assert timer.wait(10) == 143
    # Nothing of its own goes on behind its back.
    with contextlib.suppress(ProcessLookupError):
        while True:
            # What was asked to end needs a moment; what did not end keeps this waiting until the test's own limit.
            os.killpg(timer.pid, 0)
            time.sleep(0.01)
    begun = [line.split(" ", 1) for line in calls.read_text().splitlines()]
    assert begun[0][1] == "-q collect"
    wanted = {
        " ".join(quoted_calls(command)[0].arguments).replace("/etc/ironforge", str(clock)): at for at, command in jobs()
    }
    for command, (minute, hour, *_) in wanted.items():
        at = [_minutes(time) for time, said in begun if said == command]
        hours = range(7) if hour == "*" else [int(hour)]
        due = [one * 60 + int(minute) for one in hours if (one, int(minute)) > (0, 5)]
        assert len(at) == len(due), command
        # The clock of this test may be a little further before a program has looked at it.
        assert all(0 <= began - time <= MOST_LATE for began, time in zip(at, due, strict=True)), (command, at)
    assert {said for _, said in begun} == {*wanted, "-q collect"}


def test_what_the_containers_run_exists() -> None:
    services = composed()["services"]
    commands = [
        *(" ".join(["ironforge", *one["command"]]) for one in services.values() if "command" in one),
        " ".join(services["collect"]["healthcheck"]["test"][1:]),
        *re.findall(r"begin ([a-z][^;\n]*?)(?: ;;|$)", read(TIMER), re.M),
    ]
    commands = [one if one.startswith("ironforge") else f"ironforge -q {one}" for one in commands]
    assert len(commands) == 9
    assert {one: problem for one in commands if (problem := quoted_calls(one)[0].problem())} == {}
    said = re.search(r"^CMD (\[.*\])$", read(CONTAINER / "Containerfile"), re.M)
    assert said is not None
    assert quoted_calls("ironforge " + " ".join(yaml.safe_load(said[1])))[0].problem() is None


def test_secrets_are_files_and_settings_are_known() -> None:
    found = composed()
    known = {variable for setting in SETTINGS for variable in variable_names(setting)}
    for name in ("prepare", "collect", "serve"):
        service = found["services"][name]
        assert set(service["environment"]) <= known
        for variable, value in service["environment"].items():
            assert "SECRET" not in variable or variable.endswith("_FILE")
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert set(service["secrets"]) <= set(found["secrets"])
    assert all(port.startswith("127.0.0.1:") for port in found["services"]["serve"]["ports"])
    assert "ports" not in found["services"]["database"]


def test_the_image_is_not_roots_and_takes_what_it_needs() -> None:
    lines = read(CONTAINER / "Containerfile").splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    (extras,) = re.findall(r"/source\[([a-z,]+)\]", "\n".join(lines))
    assert {"web", "charts"} <= set(extras.split(","))
    copied = [line.split()[-2] for line in lines if line.startswith("COPY --chmod")]
    assert copied == ["docs/container/timer.sh"]


def test_secrets_and_environments_stay_out_of_the_build_and_what_it_packs_is_in() -> None:
    lines = [line for line in read(PAGES.parent / ".dockerignore").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    target = tomllib.loads(read(PAGES.parent / "pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    packed = {*target["packages"], *target["force-include"], *target["shared-data"], "pyproject.toml", "README.md"}
    assert packed <= kept
    assert not {".git", ".venv", "build"} & kept
    # What comes later counts: the folder of the secrets lies in one that is kept.
    assert lines.index("docs/container/secrets") > lines.index("!docs")
    assert "docs/container/secrets/" in read(PAGES.parent / ".gitignore").splitlines()
    assert {one["file"].split("/")[0] for one in composed()["secrets"].values()} == {"secrets"}
