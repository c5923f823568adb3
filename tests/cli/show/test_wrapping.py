"""Long lines at a terminal."""

from __future__ import annotations

import os
import termios
from contextlib import closing

import pytest

from ironforge_cli.cli.show.wrapping import terminal_width, wrapped

COMMAND = "`ironforge snapshots drop --region eu 2024-01-15T03:48:02Z`"


def test_words_stay_whole_and_a_command_stays_in_one_line() -> None:
    text = f"EU: the newest snapshot is in the future by this machine's clock. Set it; if it is right, run {COMMAND}."
    for width in (20, 40, 80):
        lines = wrapped(text, width).split("\n")
        assert " ".join(lines) == text
        assert sum(COMMAND in line for line in lines) == 1
        assert all(len(line) <= width for line in lines if COMMAND not in line)


@pytest.mark.parametrize("text", ["", "short", "  indented", "one\n\n  two", "a" * 200, f"{'a' * 99} b"])
def test_what_fits_or_may_not_be_broken_stays_as_it_is(text: str) -> None:
    assert wrapped(text, None) == text
    assert wrapped(text, 110) == text


def test_broken_lines_keep_their_indent() -> None:
    assert wrapped("  one two three", 10) == "  one two\n  three"


def test_only_a_terminal_has_a_width() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb"), os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        # It was just made, and nobody told it how wide it is.
        assert terminal_width(terminal) is None
        termios.tcsetwinsize(terminal.fileno(), (24, 63))
        assert terminal_width(terminal) == 63
    read, write = os.pipe()
    with closing(os.fdopen(read)), os.fdopen(write, "w", encoding="utf-8") as pipe:
        assert terminal_width(pipe) is None
