"""The program's table of contents: every command, a line each."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ironforge_cli.cli.commands import (
    collect,
    config,
    db,
    demo,
    init,
    partitions,
    poll,
    sandbox,
    seed,
    snapshots,
    spool,
    stats,
    status,
)
from ironforge_cli.cli.frame.options import LogFormatOption, NoColor, Quiet, Shared, Verbose

if TYPE_CHECKING:
    from typing import TextIO

app = typer.Typer(
    name="ironforge",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"ironforge {version('ironforge-cli')}")
        raise typer.Exit


_OBJECTS_BETWEEN_LOOKS: Final = 100_000

Version = Annotated[
    bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
]


@app.callback()
def root(
    context: typer.Context,
    *,
    version: Version = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    no_color: NoColor = False,
    log_format: LogFormatOption = None,
) -> None:
    """Collect, keep and explain the World of Warcraft commodity market: EU and US, every hour, in PostgreSQL.

    Begin with `ironforge demo`, which needs nothing. Data goes to stdout, everything else to stderr.
    """
    del version
    context.obj = Shared(verbose=verbose, quiet=quiet, no_color=no_color, log_format=log_format)


app.command("collect")(collect.collect)
app.command("poll")(poll.poll)
app.add_typer(seed.app, name="seed", help="Recipes, reagents and items: complete, and resumable.")
app.command("status")(status.status)
app.command("demo")(demo.demo)
app.add_typer(partitions.app, name="partitions", help="Days of raw snapshots: made ahead, archived, restored, dropped.")
app.add_typer(stats.app, name="stats", help="Statistics computed anew from the raw snapshots.")
app.add_typer(snapshots.app, name="snapshots", help="What is stored, hour by hour, and taking one out again.")
app.add_typer(spool.app, name="spool", help="Bodies that wait to be stored, and refused ones.")
app.add_typer(db.app, name="db", help="Migrations, and the embedded server.")
app.command("init")(init.init)
app.add_typer(config.app, name="config", help="The settings in force, and whether they work.")
app.add_typer(sandbox.app, name="sandbox", help="The stand-in for Blizzard's API, to try the tool with.")


def main() -> None:
    """Run the program."""
    # Importing makes objects by the hundred thousand, which stay: looking for garbage among them finds none.
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)
    # Nor is there any to find in them at the end of the process, when Python would look through all once more.
    atexit.register(gc.freeze)
    # Numpy starts a thread for each core otherwise, for linear algebra that nothing here does.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app(prog_name="ironforge")
    finally:
        _flush(sys.stdout)
        _flush(sys.stderr)


def _flush(stream: TextIO) -> None:
    """Leave Python nothing to flush on its way out: of a closed terminal it would make an exit code of its own."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
