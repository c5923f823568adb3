"""`ironforge db dump`, `restore` and `shell`: the database as a file, and in psql."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.output import say
from ironforge_cli.cli.show.render import size
from ironforge_cli.db.dumps import ClientPrograms
from ironforge_cli.db.embedded import find_bindir
from ironforge_cli.errors import ConfigurationError, DatabaseError
from ironforge_cli.jobs import backup

if TYPE_CHECKING:
    from ironforge_cli.db.dumps import ClientPrograms

Target = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not be there yet.")]
Source = Annotated[Path, typer.Argument(metavar="FILE", help="A file that `ironforge db dump` wrote.")]
Replace = Annotated[bool, typer.Option("--replace", help="Drop all that is in the database for what the dump holds.")]
WithoutRaw = Annotated[bool, typer.Option("--without-raw", help="Leave out raw snapshots, which are most of it.")]
Arguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="PSQL", help="What psql is given, after --: -- -c 'SELECT 1'."),
]


@command
def dump(run: Invocation, *, file: Target, without_raw: WithoutRaw = False) -> None:
    """Write the whole database into one file, which goes into any other: of your own, or an embedded one.

    Cron may go on: a dump sees one moment of the database, and hinders no run.

    Example: ironforge db dump ironforge-2024-01-15.dump
    """
    database = run.database
    written = backup.dump(
        database, file, without_raw=without_raw, programs=programs(run), clock=run.clock, progress=run.progress()
    )
    run.stand_still()
    say(f"{file}: {database.description}, {size(written)}.")


@command
def restore(run: Invocation, *, file: Source, replace: Replace = False) -> None:
    """Bring a dump into the database in use, whole or not at all, and its schema up to date.

    Let cron run nothing meanwhile. A database that holds something is left alone without --replace.

    Example: ironforge db restore ironforge-2024-01-15.dump
    """
    database = run.database_as_it_is
    before = backup.restore(
        database, file, programs=programs(run), replaces=replace, clock=run.clock, progress=run.progress()
    )
    run.stand_still()
    had = "is up to date" if before.is_current else f"was {before.current} and is now {before.head}"
    say(f"{database.description} holds what {file} held; its schema {had}.")


@command
def shell(run: Invocation, *, arguments: Arguments = None) -> None:
    """Open psql on the database in use; an embedded server runs for as long.

    Example: ironforge db shell
    """
    database = run.database_as_it_is
    programs_ = programs(run)
    before = signal.getsignal(signal.SIGINT)
    # Ctrl-C ends a query of psql's, not this program that waits for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ended = subprocess.run(
            [programs_.path("psql"), f"--dbname={programs_.rest()}", *(arguments or ())],
            env={**programs_.variables(), "LC_ALL": run.environment.get("LC_ALL", "")},
            check=False,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    if ended.returncode:
        raise DatabaseError(f"psql ended with exit code {ended.returncode} on {database.description}.")


def programs(run: Invocation) -> ClientPrograms:
    """PostgreSQL's client programs for the database in use."""
    try:
        bindir = find_bindir(run.settings.pg_bindir, environment=run.environment)
    except ConfigurationError:
        if run.settings.pg_bindir is not None:
            raise
        bindir = None
    return ClientPrograms(bindir=bindir, url=run.database_as_it_is.url, environment=run.environment)
