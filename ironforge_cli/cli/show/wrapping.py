"""Long lines for a terminal: broken between words, never inside one, and never inside a command that may be copied."""

from __future__ import annotations

import os
import re
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

_COMMAND: Final = re.compile(r"`[^`\n]*`")
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"


def wrapped(text: str, width: int | None) -> str:
    """A text whose lines are at most so many characters wide; what may not be broken goes beyond. None: as it is.

    >>> print(wrapped("There is no such option. `ironforge status -h` says more.", 32))
    There is no such option.
    `ironforge status -h` says more.
    """
    if width is None:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        held = _COMMAND.sub(lambda command: command[0].replace(" ", _NO_BREAK), line)
        # Spaces at the beginning are what a line is indented by.
        indent = held[: len(held) - len(held.lstrip(" "))]
        broken = textwrap.wrap(
            held,
            width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )
        lines += [_COMMAND.sub(lambda command: command[0].replace(_NO_BREAK, " "), part) for part in broken or [""]]
    return "\n".join(lines)


def terminal_width(stream: TextIO) -> int | None:
    """How many characters a terminal shows in a line; None where a stream is none, or doesn't know."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None
