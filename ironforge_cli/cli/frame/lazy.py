"""Commands of which the table of contents holds a line each: the rest is imported when one of them is asked for.

So `ironforge --help` waits for no library of any command, and a command for those of no other; its module imports at
the top what it needs.
"""

from __future__ import annotations

from importlib import import_module
from inspect import Signature
from typing import TYPE_CHECKING, Any, ClassVar, Final

import typer
from typer.core import TyperCommand
from typer.main import get_command

from ironforge_cli.cli.frame.help import ReadableCommand, ReadableGroup, page

if TYPE_CHECKING:
    from collections.abc import Callable


class LazyCommand(TyperCommand):
    """A name and a line of help, in whose place the command itself stands as soon as anything is asked of it."""

    place: ClassVar[str]
    """The module and the function, as `package.module:function`."""

    @classmethod
    def function(cls) -> Callable[..., None]:
        """Import the command's function, as `command` made it."""
        module, _, name = cls.place.partition(":")
        return getattr(import_module(module), name)

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Let the command itself read its arguments: running it, its help and completion begin here."""
        alone = typer.Typer(add_completion=False)
        alone.command(self.name, cls=ReadableCommand)(self.function())
        return get_command(alone).make_context(*arguments, **more)


class GroupWithOwnCommand(ReadableGroup):
    """A group whose name alone is a command, too: what begins with none of its commands' names goes to that one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the own command's name before what is meant for it."""
        if args and args[0] not in ctx.help_option_names and args[0] not in self.commands:
            args = [OWN, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command; the own one is called as the group is."""
        name, command, rest = super().resolve_command(ctx, args)
        return ("" if name == OWN else name), command, rest

    def own_context(self, ctx: Any) -> Any:
        """The own command, as its help and completion see it."""
        return self.commands[OWN].make_context("", [], parent=ctx, resilient_parsing=True)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the own command, and the names of the others."""
        own = self.own_context(ctx)
        formatter.write(page(own.command, own, others=(self, ctx)))


OWN: Final = "run"
"""The name of the own command of such a group, where it has to have one."""


def offer(
    group: typer.Typer, name: str, *, at: str, says: str, below: str | None = None, is_hidden: bool = False
) -> None:
    """Add a command to a group: its function's place, the first line of its help, and the heading it stands below."""

    class Placed(LazyCommand):
        place = at

    group.command(name, cls=Placed, help=says, rich_help_panel=below, hidden=is_hidden)(_stand_in)


def _stand_in() -> None:
    """What Typer takes for the command until there is one; it has no options, and is never called."""


# Typer looks at it once for each command, and finds out anew what it takes: as it is told here, in no time.
_stand_in.__signature__ = Signature()
_stand_in.__annotations__.clear()
