"""`ironforge db`: migrations, and the embedded server."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.output import say
from ironforge_cli.cli.show.render import Report
from ironforge_cli.db import revisions, schema
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import ConfigurationError, ExitStatus

Force = Annotated[
    bool, typer.Option("--force", help="Stop it even while other ironforge processes use it; their work fails.")
]


@command
def upgrade(run: Invocation) -> None:
    """Bring the schema of the database to what this version needs.

    Safe to run at any time, also twice at once. The embedded database is brought up to date by every command anyway.

    Example: ironforge db upgrade
    """
    # Opened as it is: the embedded one is upgraded by all other commands alone.
    database = run.database_as_it_is
    before = schema.upgrade(database)
    had = "as it was" if before.is_current else f"it was {before.current or 'not there'}"
    say(f"{database.description}: the schema is {before.head}; {had}.")


@command
def current(run: Invocation, *, format_: FormatOption = Format.TABLE) -> Report:
    """Show which schema the database has and which one this version needs; exit code 78 where they differ.

    Example: ironforge db current
    """
    database = run.database
    with database.connect() as connection:
        found = revisions.version(connection)
    record: dict[str, Any] = {"current": found.current, "head": found.head, "is_current": found.is_current}
    return Report(
        records=[record],
        show=lambda console: console.print(
            f"{database.description}: the schema is {found.current or 'not there'}; this ironforge needs {found.head}."
        ),
        format=format_,
        status=ExitStatus.DONE if found.is_current else ExitStatus.CONFIGURATION,
        failures=() if found.is_current else ("Run `ironforge db upgrade`.",),
    )


@command
def url(run: Invocation) -> None:
    """Print the URL of the database in use: for psql, or for any other program.

    The embedded server has to run for it to be of use: `ironforge db start`.

    Example: psql "$(ironforge db url)"
    """
    given = run.settings.database_url
    say(_for_libpq(run.server().url if given is None else given.get_secret_value()))


@command
def start(run: Invocation) -> None:
    """Start the embedded server and keep it running until `ironforge db stop`.

    Commands start and stop it on their own; this is for looking into it with other programs.

    Example: ironforge db start && psql "$(ironforge db url)"
    """
    _require_embedded(run)
    server = run.close_with(run.server(keep_running=True))
    database = Database(server.url)
    run.close_with(closing(database))
    schema.upgrade(database)
    say(f"The embedded server runs: {_for_libpq(server.url)}")


@command
def stop(run: Invocation, *, force: Force = False) -> None:
    """Stop the embedded server.

    Example: ironforge db stop
    """
    _require_embedded(run)
    stopped = run.server().stop(force=force)
    say("The embedded server has stopped." if stopped else "The embedded server was not running.")


def _require_embedded(run: Invocation) -> None:
    if run.settings.database_url is not None:
        raise ConfigurationError(
            f"The database is an external one (by {run.loaded.sources['database_url']}); its own service starts and "
            "stops it. Unset that to use the embedded server."
        )


def _for_libpq(url: str) -> str:
    """A URL as psql takes it: without SQLAlchemy's name of a driver."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"
