"""What all commands have in common: help, shared options, formats, colours, errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.cli.frame.help import split_examples
from ironforge_cli.cli.frame.running import log as command_log
from tests.cli.tree import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.cli.conftest import Run

HEAVY = ["numpy", "sqlalchemy", "requests", "requests_cache", "pydantic", "rich", "msgspec", "psycopg", "alembic"]
WARNING = "IRONFORGE_XYZZY"
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]")


# Help


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_examples_of_the_command_itself(run: Run, words: tuple[str, ...]) -> None:
    _, examples = split_examples(COMMANDS[words])
    assert examples
    assert all(re.search(rf"\bironforge {' '.join(words)}\b", example) for example in examples)
    for asking in ("-h", "--help"):
        helped = run(*words, asking)
        assert helped.exit_code == 0
        assert all(f"\n  {example}\n" in helped.stdout for example in examples)
        assert helped.stderr == ""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_example_is_a_call_that_the_program_understands(run: Run, words: tuple[str, ...]) -> None:
    _, examples = split_examples(COMMANDS[words])
    for example in examples:
        for call in re.findall(r"(?<![~/.])\bironforge ([^&|)\">]+)", example):
            assert run(*call.split(), "--help").exit_code == 0


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_the_root_shows_every_command(run: Run, arguments: list[str]) -> None:
    shown = run(*arguments)
    text = shown.stdout + shown.stderr
    assert all(re.search(rf"\b{words[0]}\b", text) for words in COMMANDS)


def test_the_version_is_that_of_the_distribution(run: Run) -> None:
    shown = run("--version")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, f"ironforge {version('ironforge-cli')}\n", "")


def test_help_waits_for_no_large_library() -> None:
    program = f"import sys, ironforge_cli.cli.app; print([name for name in {HEAVY} if name in sys.modules])"
    imported = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert imported.stdout == "[]\n"


def test_the_package_can_be_run_as_a_module() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "ironforge_cli", "--version"], check=True, capture_output=True, text=True
    )
    assert shown.stdout.startswith("ironforge ")


# Shared options


def placed(option: str, where: str) -> list[str]:
    """`config show` with an option before it, behind it, or both."""
    before = [option] if where in {"before", "both"} else []
    after = [option] if where in {"after", "both"} else []
    return [*before, "config", "show", *after]


@pytest.mark.parametrize("where", ["before", "after", "both"])
@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet_says_nothing_but_results_and_errors(run: Run, option: str, where: str) -> None:
    said = run("config", "show", IRONFORGE_XYZZY="1")
    assert WARNING in said.stderr
    quiet = run(*placed(option, where), IRONFORGE_XYZZY="1")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert quiet.stdout == said.stdout
    assert run(*placed(option, where), IRONFORGE_LOCALE="english").stderr != ""


@pytest.mark.parametrize("where", ["before", "after", "both"])
@pytest.mark.parametrize("option", ["-v", "-vv", "--verbose"])
def test_verbose_says_more_than_the_level_of_the_settings(run: Run, option: str, where: str) -> None:
    settings = {"IRONFORGE_XYZZY": "1", "IRONFORGE_LOG_LEVEL": "error"}
    assert run("config", "show", **settings).stderr == ""
    assert WARNING in run(*placed(option, where), **settings).stderr


@pytest.mark.parametrize("where", ["before", "after", "both"])
def test_no_color_is_taken_before_and_after_the_command(run: Run, where: str) -> None:
    arguments = [word if word != "show" else "check" for word in placed("--no-color", where)]
    assert COLOUR.search(run("config", "check", FORCE_COLOR="1", IRONFORGE_LOCALE="english").stdout)
    assert not COLOUR.search(run(*arguments, FORCE_COLOR="1", IRONFORGE_LOCALE="english").stdout)


def test_the_variable_no_color_is_honoured(run: Run) -> None:
    wrong = {"FORCE_COLOR": "1", "IRONFORGE_LOCALE": "english"}
    assert not COLOUR.search(run("config", "check", NO_COLOR="1", **wrong).stdout)


@pytest.mark.parametrize("where", ["before", "after", "both"])
def test_messages_can_be_written_as_json(run: Run, where: str) -> None:
    arguments = placed("--log-format=json", where)
    for shown in (
        run(*arguments, IRONFORGE_XYZZY="1"),
        run("config", "show", IRONFORGE_XYZZY="1", IRONFORGE_LOG_FORMAT="json"),
    ):
        entries = [json.loads(line) for line in shown.stderr.splitlines()]
        assert [entry["level"] for entry in entries] == ["warning"]
        assert WARNING in entries[0]["message"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entries[0]["time"])


def test_the_config_file_says_how_messages_are_written(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('log_format = "json"\nxyzzy = 1\n')
    (line,) = run("config", "show", IRONFORGE_CONFIG=str(file)).stderr.splitlines()
    assert "xyzzy" in json.loads(line)["message"]
    file.write_text('log_level = "error"\nxyzzy = 1\n')
    assert run("config", "show", IRONFORGE_CONFIG=str(file)).stderr == ""
    assert "xyzzy" in run("config", "show", "-v", IRONFORGE_CONFIG=str(file)).stderr


def test_a_command_leaves_logging_as_it_was(run: Run) -> None:
    before = command_log.parent
    assert before is not None
    state = (before.handlers[:], before.propagate, before.level)
    run("config", "show", "-v")
    assert (before.handlers[:], before.propagate, before.level) == state


# Wrong usage


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["collect", "--nonsense"],
        ["collect", "surplus"],
        ["collect", "--region", "xx"],
        ["collect", "--region"],
        ["config", "show", "--format", "xml"],
        ["config", "nonsense"],
        ["sandbox", "serve", "--port", "70000"],
        ["sandbox", "serve", "--auctions", "5"],
        ["sandbox", "serve", "--fault", "nonsense", "--auctions", "100", "--items", "50"],
        ["sandbox", "serve", "--fault", "xx:truncated", "--auctions", "100", "--items", "50"],
        ["sandbox", "fault"],
        ["sandbox", "fault", "truncated", "--clear", "--count", "3"],
        ["sandbox", "fault", "truncated", "--url", "nonsense"],
        ["sandbox", "advance", "--hours", "0"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_and_nothing_on_stdout(run: Run, arguments: list[str]) -> None:
    wrong = run(*arguments)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr != ""


@pytest.mark.parametrize("group", sorted({words[0] for words in COMMANDS if len(words) > 1}))
def test_a_group_without_a_command_shows_its_commands(run: Run, group: str) -> None:
    shown = run(group)
    assert shown.exit_code == 2
    text = shown.stdout + shown.stderr
    assert all(re.search(rf"\b{words[1]}\b", text) for words in COMMANDS if words[0] == group and len(words) > 1)


def test_regions_are_understood_in_capitals(run: Run, api: Mapping[str, str]) -> None:
    wrong = run("collect", "--region", "EU", "--from", "missing", **api)
    assert "--snapshot-time" in wrong.stderr


@pytest.mark.parametrize("command", ["collect", "status", "config show", "db current"])
def test_a_wrong_setting_is_exit_code_78(run: Run, command: str) -> None:
    wrong = run(*command.split(), IRONFORGE_HTTP_TIMEOUT="soon")
    assert (wrong.exit_code, wrong.stdout) == (78, "")
    assert "IRONFORGE_HTTP_TIMEOUT" in wrong.stderr
    assert "Traceback" not in wrong.stderr


# Bugs


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """See that `config show` meets a bug."""

    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("ironforge_cli.config.shown", bug)


@pytest.mark.usefixtures("broken")
def test_a_bug_is_exit_code_1_and_its_traceback_is_kept(run: Run, tmp_path: Path) -> None:
    ended = run("config", "show")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "ZeroDivisionError: of all things" in ended.stderr
    assert "Traceback" not in ended.stderr
    kept = tmp_path / "home" / "errors.log"
    assert str(kept) in ended.stderr
    assert "Traceback (most recent call last)" in kept.read_text()
    assert "ironforge config show" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("broken")
def test_a_bug_shows_its_traceback_where_it_was_asked_for(run: Run, tmp_path: Path) -> None:
    ended = run("config", "show", "-vv")
    assert ended.exit_code == 1
    assert "Traceback (most recent call last)" in ended.stderr
    assert "Traceback (most recent call last)" in (tmp_path / "home" / "errors.log").read_text()


@pytest.mark.usefixtures("broken")
def test_a_bug_is_one_line_of_json_where_messages_are_json(run: Run) -> None:
    ended = run("--log-format", "json", "config", "show")
    (line,) = ended.stderr.splitlines()
    assert "ZeroDivisionError: of all things" in json.loads(line)["traceback"]


@pytest.mark.usefixtures("broken")
def test_a_bug_is_told_even_where_its_traceback_can_not_be_kept(run: Run, tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    ended = run("config", "show")
    assert ended.exit_code == 1
    assert "could not be kept" in ended.stderr
    assert "ZeroDivisionError" in ended.stderr


# Readers that leave


def test_a_reader_that_leaves_is_no_error(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    for form in ("table", "jsonl"):
        process = start("sandbox", "faults", "--format", form)
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_failure_keeps_its_exit_code_when_nobody_reads_the_result(
    start: Callable[..., subprocess.Popen[bytes]], form: str
) -> None:
    process = start("config", "check", "--format", form, IRONFORGE_LOCALE="english")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 78


def test_a_name_that_the_terminal_can_not_write_is_written_all_the_same(
    start: Callable[..., subprocess.Popen[bytes]],
) -> None:
    process = start("config", "show", PYTHONIOENCODING="ascii", IRONFORGE_PG_USER="schmied-ö")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"schmied-\\xf6" in out
