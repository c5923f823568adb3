"""What stands on a person's screen when a command has ended: its result, whole, and nothing of what moved before."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from tests.cli.terminal import Terminal, interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run

# The cursor is hidden while bars move.
MOVED = re.compile(rb"\x1b\[\?25l")
# What messages begin with; a message can go on in the next line.
SAID = re.compile(r"(warning|error|EU|US|0-)|.* next window goes on.$")
WINDOW = ("--window", "10m", "--interval", "5m")
COMMANDS = (
    ("collect",),
    # On a busy machine the first answers of a window take longer than a second.
    ("poll", "--window", "4s"),
    ("seed", "all"),
    ("stats", "recompute", "--region", "eu"),
)


@pytest.fixture
def variables(make_sandbox: Callable[..., Sandbox], database_url: str) -> Mapping[str, str]:
    sandbox = make_sandbox(starts_at=datetime.now(tz=UTC) - timedelta(hours=3))
    return {**sandbox.address.environment, "IRONFORGE_DATABASE_URL": database_url}


def alike(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run: figures, and how wide they are."""
    return [re.sub(r"[\d.,]+", "0", " ".join(line.split())) for line in lines]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_result_stands_whole_on_the_screen_and_nothing_of_the_bars(
    arguments: tuple[str, ...], run: Run, variables: Mapping[str, str]
) -> None:
    for settled in (("collect",), arguments):
        assert run(*settled, **variables).exit_code == 0
    with Terminal(columns=80, environment=variables) as terminal:
        # Nobody hears what is said beside the result, and nothing moves.
        assert terminal.run_here(*arguments, stderr=StringIO()) == 0
        meant = alike(terminal.final())
    with Terminal(columns=80, environment=variables) as terminal:
        assert terminal.run_here(*arguments) == 0
        seen = alike(terminal.final())
        assert MOVED.search(terminal.bytes), "no bar was shown at all"
    assert meant
    first = seen.index(meant[0])
    assert seen[first : first + len(meant)] == meant
    assert all(SAID.match(line) for line in seen[:first] + seen[first + len(meant) :]), seen


def test_a_result_goes_into_its_file_while_bars_move_on_the_terminal(
    variables: Mapping[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    with file.open("w") as stdout, Terminal(columns=80, environment=variables) as terminal:
        assert terminal.run_here("collect", "--format", "json", stdout=stdout) == 0
        seen = terminal.final()
        assert MOVED.search(terminal.bytes)
    assert [region["outcome"] for region in json.loads(file.read_text())] == ["stored", "stored"]
    assert all(SAID.match(line) for line in seen), seen


def test_the_table_alone_says_how_a_collection_ended_and_lines_with_v(run: Run, variables: Mapping[str, str]) -> None:
    for verbose in (False, True):
        assert run("db", "upgrade", **variables).exit_code == 0
        with Terminal(columns=100, environment=variables) as terminal:
            assert terminal.run_here("collect", "--force", *(["-v"] if verbose else [])) == 0
            seen = terminal.final()
        assert any(" INFO " in line or line.startswith("EU: ") for line in seen) == verbose, seen


def test_ctrl_c_leaves_nothing_of_bars_on_the_screen(run: Run, variables: Mapping[str, str]) -> None:
    assert run("collect", **variables).exit_code == 0
    with Terminal(columns=80, environment=variables) as terminal, terminal.start("poll", *WINDOW) as process:
        terminal.wait_until(lambda lines: sum("waiting" in line for line in lines) == 2)
        assert interrupted(terminal, process) == 130
        seen = terminal.final()
    assert not [line for line in seen if "waiting" in line or "^C" in line], seen
