"""The frame around every command: shared options, logging, signals, errors into exit codes, results into output.

A command is a function that takes an `Invocation` and its own options, and returns a `Report` or nothing. Everything
that is the same for all of them happens here, once.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import typer

from ironforge_cli.cli.frame.options import SHARED, Shared
from ironforge_cli.cli.frame.running import run_command
from ironforge_cli.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.cli.show.render import Report

_CONTEXT = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
_SHARED = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    for name, (annotation, default) in SHARED.items()
]


def command(function: Callable[..., Report | None]) -> Callable[..., None]:
    """Make a Typer command of a function whose first parameter is an `Invocation`.

    The options of `SHARED` are added to its own, so that `-v`, `-q` and the others work before and after its name.
    """

    @functools.wraps(function)
    def run(context: typer.Context, **options: Any) -> None:
        shared = Shared.taken_from(options)
        if options.get("region"):
            # Each value of the option can name several; older versions of Typer give one None where nobody gave any.
            options["region"] = [region for named in options["region"] if named for region in named] or None
        parent = context.find_root().obj
        if isinstance(parent, Shared):
            shared = parent.joined(shared)
        status = run_command(function, options, shared=shared, name=" ".join(context.command_path.split()[1:]))
        if status is not ExitStatus.DONE:
            raise typer.Exit(int(status))

    # What Typer reads: the function's own options between a context, in the invocation's place, and the shared ones.
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    parameters = [_CONTEXT, *own, *_SHARED]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] - functions take any attribute
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
