"""Help is plain text that fits the terminal: no library's types, no line breaks of the source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.cli.frame.help import Heading
from tests.cli.tree import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import Run

NOISE = re.compile(r"<\w+|list\[|VALUE|int range|\[\[|\]\.\.\.|_empty|[╭│╰]")
GROUPS = sorted({words[:1] for words in COMMANDS if len(words) > 1})


@pytest.mark.parametrize("words", [(), *GROUPS, *COMMANDS], ids=" ".join)
def test_help_has_no_types_of_a_library_and_fits_the_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = run(*words, "--help").stdout
    assert not NOISE.search(text), text
    options = [
        line for line in text.splitlines() if not line.startswith(("  ironforge", "Documentation:", "Exit codes:"))
    ]
    assert not [line for line in options if len(line) > 80 or line != line.rstrip()]


def test_paragraphs_are_as_wide_as_the_terminal_and_not_as_the_source(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in (60, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        paragraph = run("poll", "--help").stdout.split("\n\n")[2].splitlines()
        assert all(columns - 16 < len(line) <= columns for line in paragraph[:-1])


def test_commands_stand_below_what_they_are_for_in_this_order(run: Run) -> None:
    text = run("--help").stdout
    found = re.findall(r"^(\w+):$", text, re.MULTILINE)
    assert found[: len(Heading)] == list(Heading)
    below = {part.partition(":")[0]: set(re.findall(r"^  (\w+)", part, re.MULTILINE)) for part in text.split("\n\n")}
    assert {"collect", "poll", "seed"} <= below["Collect"]
    assert "status" in below["Ask"]
    assert {"partitions", "spool", "db"} <= below["Keep"]
    assert {"demo", "sandbox"} <= below["Try"]


def test_help_says_where_the_documentation_and_the_exit_codes_are(run: Run) -> None:
    text = run("--help").stdout
    assert "https://pypi.org/project/ironforge-cli" in text
    assert re.search(r"^Exit codes: .*/exit-codes\.md$", text, re.MULTILINE)


@pytest.mark.parametrize("words", [(), ("spool",), ("spool", "list"), ("collect",)], ids=" ".join)
def test_help_of_a_command_can_be_asked_for_before_its_name(run: Run, words: tuple[str, ...]) -> None:
    asked = run("help", *words)
    assert (asked.exit_code, asked.stderr) == (0, "")
    assert asked.stdout.strip() == run(*words, "--help").stdout.strip()


@pytest.mark.parametrize("words", [("spol",), ("spool", "lst"), ("collect", "more")], ids=" ".join)
def test_help_of_what_is_no_command_is_wrong_usage(run: Run, words: tuple[str, ...]) -> None:
    asked = run("help", *words)
    assert (asked.exit_code, asked.stdout) == (2, "")
    assert len(asked.stderr.splitlines()) == 1


def test_examples_begin_with_the_plain_call(run: Run) -> None:
    for words in (("collect",), ("poll",), ("status",), ("demo",), ("spool", "list"), ("partitions", "list")):
        first = re.search(r"Examples?:\n  (.*)", run(*words, "--help").stdout)
        assert first is not None
        assert first[1] == " ".join(["ironforge", *words])


@pytest.mark.parametrize("command", ["maintain", "list", "restore", "drop", "export"])
def test_what_an_archive_is_for_is_said_of_each_command(run: Run, command: str) -> None:
    text = " ".join(run("partitions", command, "--help").stdout.split())
    assert ("before they are dropped" in text.partition("--archive")[2].partition("--")[0]) == (
        command in {"maintain", "drop"}
    )


def test_the_options_of_a_command_speak_of_no_option_that_it_lacks(run: Run) -> None:
    for words in COMMANDS:
        text = run(*words, "--help").stdout
        listed = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.MULTILINE))
        table = "\n".join(text.partition("Options:\n")[2].splitlines())
        named = set(re.findall(r"--[a-z][a-z-]*[a-z]", table))
        assert named <= listed | {"--help"}, (words, named - listed)


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_has_a_short_option(run: Run, option: str) -> None:
    assert run(option).stdout.startswith("ironforge ")
