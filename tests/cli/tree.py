"""Every command of the program, as it is declared."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from ironforge_cli.cli.app import app
from ironforge_cli.cli.frame.lazy import OWN, LazyCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer import Typer
    from typer.models import CommandInfo


def commands(of: Typer = app, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The words after `ironforge` and the docstring of each command."""
    for command in of.registered_commands:
        yield name_of(command, words), inspect.cleandoc(inspect.getdoc(function_of(command)) or "")
    for group in of.registered_groups:
        if group.typer_instance is not None:
            yield from commands(group.typer_instance, (*words, str(group.name)))


def name_of(command: CommandInfo, words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a command below a group; the group's own command has those of the group."""
    return words if command.name == OWN else (*words, str(command.name))


def function_of(command: CommandInfo) -> Callable[..., None]:
    """The function of a command that the table of contents names."""
    if command.cls is None or not issubclass(command.cls, LazyCommand):
        raise TypeError(f"{command.name} was not added by its place")
    return command.cls.function()


COMMANDS = dict(commands())


def lines_of_the_table(of: Typer = app, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """What the table of contents itself says of each command."""
    said = {name_of(command, words): str(command.help) for command in of.registered_commands}
    for group in of.registered_groups:
        if group.typer_instance is not None:
            said |= lines_of_the_table(group.typer_instance, (*words, str(group.name)))
    return said
