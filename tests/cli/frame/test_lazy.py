"""Commands are imported when they are asked for, each with what it needs; the table of contents says what they say."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from ironforge_cli.cli.app import app
from tests.cli.tree import COMMANDS, lines_of_the_table

if TYPE_CHECKING:
    from pathlib import Path

# About a tenth more than there were when this was written: what a start costs is, in the main, how many there are.
MOST_MODULES = {"--help": 190, "config show": 380, "spool list": 410, "status": 700}
# Pydantic is not among them: Typer reads options by it.
HEAVY = ("numpy", "sqlalchemy", "psycopg", "requests", "msgspec", "alembic")
QUESTIONS = (
    *(("price", "7"), ("book", "7"), ("history", "7"), ("top",), ("movers",), ("deals",), ("token",), ("spread",)),
    *(("explain", "7", "--figure", "market_value"), ("find", "ore"), ("crafts",), ("craft", "7")),
)
AFTERWARDS = """
import json, sys
from ironforge_cli.cli.app import app
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def loaded_by(*arguments: str, home: Path) -> set[str]:
    """The modules that a process has imported when it has done what it was asked, with a database that is away."""
    ended = subprocess.run(
        [sys.executable, "-c", AFTERWARDS, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "IRONFORGE_HOME": str(home), "IRONFORGE_DATABASE_URL": "postgresql://127.0.0.1:1/none"},
    )
    return set(json.loads(ended.stderr.splitlines()[-1]))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_table_of_contents_says_the_first_sentence_of_the_commands_own_help(words: tuple[str, ...]) -> None:
    first, _, _ = COMMANDS[words].partition("\n\n")
    assert lines_of_the_table()[words] == " ".join(first.split())


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], ()),
        (["partitions", "--help"], ()),
        (["config", "show"], ("msgspec",)),
        (["spool", "list"], ("msgspec",)),
        (["status"], ("msgspec", "psycopg", "sqlalchemy")),
    ],
    ids=["help", "help of a group", "config show", "spool list", "status"],
)
def test_a_call_imports_what_it_needs_and_no_other_command(
    arguments: list[str], heavy: tuple[str, ...], tmp_path: Path
) -> None:
    modules = loaded_by(*arguments, home=tmp_path)
    assert len(modules) <= MOST_MODULES.get(" ".join(arguments), len(modules))
    assert modules.intersection(HEAVY) == set(heavy)
    commands = {name for name in modules if name.startswith("ironforge_cli.cli.commands.")}
    wanted = set[str]() if "--help" in arguments else {f"ironforge_cli.cli.commands.{arguments[0]}"}
    assert commands == wanted


@pytest.mark.parametrize("words", QUESTIONS, ids=lambda words: words[0])
def test_a_question_waits_for_no_library_of_what_writes(words: tuple[str, ...], tmp_path: Path) -> None:
    assert loaded_by(*words, home=tmp_path).intersection(HEAVY) == {"msgspec", "numpy", "psycopg"}


def asked(*words: str, arguments: tuple[str, ...] = ()) -> Any:
    """The context of a command as a shell's completion makes it; running it makes the same."""
    command: Any = get_command(app)
    context = command.make_context("ironforge", [], resilient_parsing=True)
    for word in words:
        _, command, _ = context.command.resolve_command(context, [word])
        given = list(arguments) if word == words[-1] else []
        context = command.make_context(word, given, parent=context, resilient_parsing=not given)
    return context


def test_what_a_shell_completes_is_the_commands_and_their_own_options() -> None:
    def completed(incomplete: str, *words: str) -> list[str]:
        context = asked(*words)
        return [item.value for item in context.command.shell_complete(context, incomplete)]

    assert completed("s") == ["status", "spread", "serve", "seed", "snapshots", "stats", "spool", "sandbox"]
    assert completed("--q", "spool", "list") == ["--quarantine", "--quiet"]


def test_a_command_has_the_options_of_its_function_and_the_shared_ones() -> None:
    context = asked("config", "show", arguments=("--format", "json", "-vq"))
    shared = {"verbose": 1, "quiet": True, "no_color": False, "log_format": None}
    assert context.params == {"format_": "json", **shared}
    assert context.command_path == "ironforge config show"
    assert inspect.cleandoc(context.command.help) == COMMANDS["config", "show"]
