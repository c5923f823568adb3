"""What goes to stdout: results, and the few lines that a running command prints. A reader that left is no error."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from typing import IO, TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ironforge_cli.cli.frame.options import Format
from ironforge_cli.cli.show.encodings import can_write
from ironforge_cli.cli.show.render import PIPED_WIDTH, written
from ironforge_cli.cli.show.wrapping import terminal_width, wrapped
from ironforge_cli.errors import ExitStatus, OutputError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ironforge_cli.cli.frame.options import Shared
    from ironforge_cli.cli.show.render import Report


log = logging.getLogger(__name__)


def write(report: Report, shared: Shared) -> ExitStatus:
    """Write a report in its format, and return the command's exit code: its own, or that of what can't be written."""
    try:
        if report.format is Format.TABLE and report.text is None:
            console = _console(shared)
            report.show(console)
            if report.details is not None and shared.verbose:
                report.details(console)
        else:
            text = written(report)
            sys.stdout.write(text if can_write(text, sys.stdout) else written(report, ascii_only=True))
        sys.stdout.flush()
    except BrokenPipeError:
        _write_to_nobody()
        return report.status
    except OSError as error:
        # What the work itself has to say by its exit code is said first.
        log.error("The result could not be written (%s).", error.strerror or error)  # noqa: TRY400 - it is said whole
        _write_to_nobody()
        return ExitStatus.UNWRITTEN if report.status is ExitStatus.DONE else report.status
    if report.on_written is not None:
        report.on_written()
    return report.status


def say(line: str) -> None:
    """Print a line now; raises `OutputError`."""
    try:
        print(line, flush=True)  # noqa: T201 - this is where printing happens
    except BrokenPipeError:
        _write_to_nobody()
    except OSError as error:
        _write_to_nobody()
        raise OutputError(f"The result could not be written ({error.strerror or error}).") from error


def say_beside(line: str) -> None:
    """Print a line for a person, beside what a command writes: on stderr."""
    with contextlib.suppress(OSError):
        print(wrapped(line, terminal_width(sys.stderr)), file=sys.stderr, flush=True)  # noqa: T201 - this is where printing happens


@contextlib.contextmanager
def bytes_to_stdout() -> Generator[IO[bytes]]:
    """Where bytes go that are written as they come; a reader that left ends the block, and is no error.

    Raises `OutputError`.
    """
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _write_to_nobody()
    except OSError as error:
        _write_to_nobody()
        raise OutputError(f"The result could not be written ({error.strerror or error}).") from error


class LastingStderr(io.TextIOBase):
    """stderr for what moves on a terminal: one that was closed meanwhile takes nothing, and fails nobody's work.

    Closed is a terminal that went away (OSError), and a stream that was closed under this one (ValueError): Python
    itself flushes what it throws away, at a time of its own choice.
    """

    def __init__(self) -> None:
        # Rich puts a stream of its own in the place of sys.stderr while bars move.
        self._stream = sys.stderr

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - the library's is set by nobody
        """What the stream behind it can write."""
        return self._stream.encoding or "utf-8"

    def write(self, text: str, /) -> int:
        """Write, or let it go."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or let it go."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person may be watching."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The number of the file behind it."""
        return self._stream.fileno()


def _write_to_nobody() -> None:
    """Whoever read the output has seen enough, as `head` does: the rest of the work and the exit code stand."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Stdout(Console):
    def on_broken_pipe(self) -> None:
        # Rich would end the program with the code of a bug.
        raise BrokenPipeError

    def print(self, *objects: Any, soft_wrap: bool | None = None, no_wrap: bool | None = None, **how: Any) -> None:
        """Print; at a terminal a text that wraps softly is broken between words."""
        if soft_wrap and not no_wrap and self.is_terminal:
            objects = tuple(self._broken(one) for one in objects)
        super().print(*objects, soft_wrap=soft_wrap, no_wrap=no_wrap, **how)

    def _broken(self, one: object) -> object:
        if isinstance(one, str):
            return wrapped(one, self.width)
        if isinstance(one, Text) and cell_len(one.plain) > self.width:
            parts = one.wrap(self, self.width, overflow="fold", no_wrap=False)
            for part in parts:
                part.rstrip()
            return Text("\n").join(parts)
        return one


def _console(shared: Shared) -> Console:
    """Where tables go: as wide as the terminal, or as a pipe can take."""
    piped = None if sys.stdout.isatty() else PIPED_WIDTH
    return _Stdout(
        file=sys.stdout,
        width=piped,
        no_color=shared.no_color or None,
        highlight=False,
        soft_wrap=False,
        # A folder may be called ":fire:".
        emoji=False,
    )
