"""Every command of the program, as it is declared."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from ironforge_cli.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer import Typer


def commands(of: Typer = app, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The words after `ironforge` and the docstring of each command."""
    for command in of.registered_commands:
        yield (*words, str(command.name)), inspect.cleandoc(inspect.getdoc(command.callback) or "")
    for group in of.registered_groups:
        if group.typer_instance is not None:
            yield from commands(group.typer_instance, (*words, str(group.name)))


COMMANDS = dict(commands())
