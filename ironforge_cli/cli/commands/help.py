"""`ironforge help`: what a command does and takes."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="COMMAND", help="A command, such as collect, or spool list. Without it: all."),
]


def help_(context: typer.Context, words: Words = None) -> None:
    """Show what a command does and takes, as its --help does.

    Example: ironforge help collect
    Example: ironforge help spool list
    """
    asked = cast("Any", context.find_root())
    for word in words or ():
        if not hasattr(asked.command, "commands"):
            asked.fail(f"`{asked.command_path}` has no commands of its own, such as {word!r}")
        command = asked.command.get_command(asked, word)
        if command is None:
            # It says what was meant, where nothing is completed.
            asked.resilient_parsing = False
            asked.command.resolve_command(asked, [word])
            return
        asked = command.make_context(word, [], parent=asked, resilient_parsing=True)
    typer.echo(asked.get_help())
