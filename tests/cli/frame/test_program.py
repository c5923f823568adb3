"""Wrong usage, and results that can't be written: in a line, as every error, and never in a library's words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Run

WRONG = [
    (("bogus",), "There is no command bogus"),
    (("collect", "--bogus"), "There is no option --bogus"),
    (("collect", "surplus"), "surplus is more than the command takes"),
    (("collect", "--region", "xx"), "--region: 'xx' is not one of eu, us, kr, tw"),
    (("collect", "--region", "eu,xx"), "--region: 'xx' is not one of eu, us, kr, tw"),
    (("collect", "--format", "xml"), "--format: 'xml' is not one of"),
    (("partitions", "maintain", "--ahead", "x"), "--ahead"),
    (("partitions", "maintain", "--ahead", "400"), "--ahead"),
    (("partitions", "drop"), "--date"),
    (("poll", "--window", "3x"), "--window: '3x' is no span of time such as 90m, 1h30m or 2d"),
]
LIBRARIES = re.compile(r"Value error|Input should|Invalid value|pydantic|[╭│╰]|unable to parse")


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_usage_is_one_line_in_plain_words(run: Run, arguments: tuple[str, ...], words: str) -> None:
    wrong = run(*arguments)
    assert (wrong.exit_code, wrong.stdout, len(wrong.stderr.splitlines())) == (2, "", 1)
    assert words in wrong.stderr
    assert not LIBRARIES.search(wrong.stderr)


@pytest.mark.parametrize("given", [["--log-format", "json"], ["--log-format=json"]])
def test_wrong_usage_is_an_object_where_messages_are(run: Run, given: list[str]) -> None:
    for arguments in ([*given, "collect", "--region", "xx"], ["collect", "--region", "xx", *given]):
        (line,) = run(*arguments).stderr.splitlines()
        entry = json.loads(line)
        assert (entry["level"], entry["logger"].partition(".")[0]) == ("error", "ironforge_cli")
        assert "'xx' is not one of" in entry["message"]
    assert json.loads(run("bogus", IRONFORGE_LOG_FORMAT="json").stderr)["level"] == "error"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("IRONFORGE_REGIONS", "kx", "give 'eu', 'us', 'kr' or 'tw'"),
        ("IRONFORGE_SPOOL_LIMIT_MB", "abc", "give a whole number"),
        ("IRONFORGE_PARTITIONS_AHEAD", "-3", "give 0 or more"),
        ("IRONFORGE_PARTITIONS_AHEAD", "400", "give 366 at most"),
        ("IRONFORGE_LOG_FORMAT", "xml", "give 'text' or 'json'"),
    ],
)
def test_a_wrong_setting_is_told_in_plain_words(run: Run, variable: str, value: str, words: str) -> None:
    wrong = run("config", "show", **{variable: value})
    assert wrong.exit_code == 78
    assert words in wrong.stderr
    assert not LIBRARIES.search(wrong.stderr)


def test_regions_are_named_by_one_option_and_formats_in_capitals(run: Run) -> None:
    shown = run("spool", "list", "--region", "EU,us", "--format", "JSON")
    assert (shown.exit_code, shown.stdout) == (0, "[]\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [["--version"], ["-V"], ["--help"], ["config", "show"]], ids=" ".join)
def test_what_can_not_be_written_is_an_error_with_a_code_of_its_own(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "ironforge_cli", *arguments],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 73
    assert "The result could not be written (No space left on device)." in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["collect", "--help"]], ids=" ".join)
def test_help_that_nobody_reads_to_its_end_is_no_error(
    start: Callable[..., subprocess.Popen[bytes]], arguments: list[str]
) -> None:
    process = start(*arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")


def test_ctrl_c_while_the_program_is_loaded_is_silence(tmp_path: Path) -> None:
    # The program is interrupted by a module that it loads.
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'ironforge_cli.cli.app':\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "ironforge_cli", "status"],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{tmp_path}:{Path.cwd()}", "PATH": "/usr/bin:/bin"},
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
