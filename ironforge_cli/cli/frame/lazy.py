"""Commands of which the table of contents holds a line each: the rest is imported when one of them is asked for.

So `ironforge --help` waits for no library of any command, and a command for those of no other; its module imports at
the top what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperCommand
from typer.main import get_command

from ironforge_cli.cli.frame.help import ReadableCommand

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


def offer(group: typer.Typer, name: str, *, at: str, says: str, below: str | None = None) -> None:
    """Add a command to a group: its function's place, the first line of its help, and the heading it stands below."""

    class Placed(LazyCommand):
        place = at

    group.command(name, cls=Placed, help=says, rich_help_panel=below)(_stand_in)


def _stand_in() -> None:
    """What Typer takes for the command until there is one; it has no options, and is never called."""
