"""The frame around every command: shared options, logging, signals, errors into exit codes, results into output.

A command is a function that takes an `Invocation` and its own options, and returns a `Report` or nothing. Everything
that is the same for all of them happens here, once.
"""

from __future__ import annotations

import functools
import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from ironforge_cli.cli.frame.options import SHARED, Shared
from ironforge_cli.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.cli.show.render import Report


def command(function: Callable[..., Report | None]) -> Callable[..., None]:
    """Make a Typer command of a function whose first parameter is an `Invocation`.

    The options of `SHARED` are added to its own, so that `-v`, `-q` and the others work before and after its name.
    """

    @functools.wraps(function)
    def run(context: typer.Context, **options: Any) -> None:
        shared = Shared.taken_from(options)
        parent = context.find_root().obj
        if isinstance(parent, Shared):
            shared = parent.joined(shared)
        # What a command needs is imported when one runs: help and completion stay quick.
        from ironforge_cli.cli.frame.running import run_command  # noqa: PLC0415

        status = run_command(function, options, shared=shared, name=context.command_path.partition(" ")[2])
        if status is not ExitStatus.DONE:
            raise typer.Exit(int(status))

    own = _options_of(function)
    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in SHARED.items()
    ]
    parameters = [first, *own, *added]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] - functions take any attribute
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _options_of(function: Callable[..., Report | None]) -> list[inspect.Parameter]:
    """A command's own parameters but the first, with the types that their annotations name."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    # The first and the returned type are imported for type checking alone, and can't be evaluated.
    written = SimpleNamespace(__annotations__={parameter.name: parameter.annotation for parameter in parameters})
    types = get_type_hints(written, globalns=function.__globals__, include_extras=True)
    return [parameter.replace(annotation=types[parameter.name]) for parameter in parameters]
