"""The program around its commands: wrong usage and what can't be written are told in a line, as all errors are."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import typer

from ironforge_cli.cli.frame import logs
from ironforge_cli.cli.frame.completing import VARIABLE, Shell, answer
from ironforge_cli.cli.frame.help import ReadableGroup
from ironforge_cli.cli.frame.options import LogFormat, Shared
from ironforge_cli.cli.show.encodings import PLAIN_CHARACTERS
from ironforge_cli.errors import ExitStatus, IronforgeError
from ironforge_cli.given import in_plain_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

# What the library raises for wrong usage, whichever library of that kind is below it.
_WrongUsage: Final[type[Exception]] = typer.BadParameter.__mro__[2]


class Program(ReadableGroup):
    """The group of all commands."""

    def main(self, *arguments: Any, standalone_mode: bool = True, **more: Any) -> Any:
        """Run a command and end with its exit code."""
        if not standalone_mode:
            return super().main(*arguments, standalone_mode=False, **more)
        _write_what_can_be()
        given = list(more.get("args") or (arguments[0] if arguments else None) or sys.argv[1:])
        if shell := os.environ.get(VARIABLE):
            sys.exit(self._ended(given, lambda: self._completed(shell, given)))
        sys.exit(self._ended(given, lambda: super(Program, self).main(*arguments, standalone_mode=False, **more)))

    def _completed(self, shell: str, given: list[str]) -> int:
        """Answer a shell's Tab; nobody sees errors there."""
        if shell not in list(Shell):
            return ExitStatus.USAGE
        typer.echo(answer(self, Shell(shell), given, home=_home), nl=False)
        return ExitStatus.DONE

    def _ended(self, given: list[str], run: Callable[[], Any]) -> int:
        try:
            return int(run() or 0)
        except _WrongUsage as error:
            return _wrong_usage(error, given)
        except typer.Abort:
            return ExitStatus.INTERRUPTED
        except SystemExit as ended:
            # Whoever read the help has seen enough, as `head` does.
            return 0 if isinstance(ended.__context__, BrokenPipeError) else int(ended.code or 0)
        except BrokenPipeError:
            return 0
        except OSError as error:
            # Help and version alone are written outside of a command.
            _say(f"The result could not be written ({error.strerror or error}).", given)
            return ExitStatus.UNWRITTEN


def _home() -> Path | None:
    """Where names to complete are kept; asked for only where names are, since reading settings takes a while."""
    from ironforge_cli import config  # noqa: PLC0415 - no other word that is completed needs it

    try:
        return config.load(options={}, environment=os.environ).settings.home
    except IronforgeError:
        return None


def _write_what_can_be() -> None:
    """Help has signs that a stream's encoding may lack; plain ones stand for them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAIN_CHARACTERS)


def _wrong_usage(error: Any, given: list[str]) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        # Its message is the help of the group.
        error.show()
        return int(error.exit_code)
    context = error.ctx
    where = f" `{context.command_path.strip()} -h` says what it takes." if context is not None else ""
    text = in_plain_words(error.format_message()).rstrip(".")
    _say(f"{text}{'' if text.endswith('?') else '.'}{where}", given)
    return int(error.exit_code)


def _say(text: str, given: list[str]) -> None:
    """Write an error as the options that were given want it, which nobody has read yet."""
    form = None
    for number, word in enumerate(given):
        value = word.partition("=")[2] if "=" in word else next(iter(given[number + 1 :]), "")
        if word.partition("=")[0] == "--log-format" and value in list(LogFormat):
            form = LogFormat(value)
    shared = Shared(no_color="--no-color" in given, log_format=form)
    with logs.written_to(sys.stderr, shared, environment=os.environ):
        log.error("%s", text)
