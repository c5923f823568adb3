"""`ironforge db`: migrations, and the embedded server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.command import command
from ironforge_cli.cli.options import Format, FormatOption
from ironforge_cli.errors import ConfigurationError, ExitStatus

if TYPE_CHECKING:
    from ironforge_cli.cli.render import Report
    from ironforge_cli.cli.wiring import Invocation

app = typer.Typer(no_args_is_help=True)

Force = Annotated[
    bool, typer.Option("--force", help="Stop it even while other ironforge processes use it; their work fails.")
]


@command
def upgrade(run: Invocation) -> None:
    """Bring the schema of the database to what this version needs.

    Safe to run at any time, also twice at once. The embedded database is brought up to date by every command anyway.

    Example: ironforge db upgrade
    """
    from ironforge_cli.db import schema  # noqa: PLC0415 - help must not wait for SQLAlchemy

    url = run.settings.database_url
    if url is None:
        # Opening the embedded database upgrades it.
        database = run.database
        before = None
    else:
        database = run.database
        before = schema.upgrade(database)
    with database.connect() as connection:
        now = schema.version(connection)
    typer.echo(
        f"{database.description}: the schema is {now.current}"
        + (", as it was." if before is None or before.is_current else f"; it was {before.current or 'not there'}.")
    )


@command
def current(run: Invocation, *, format_: FormatOption = Format.TABLE) -> Report:
    """Show which schema the database has and which one this version needs; exit code 78 where they differ.

    Example: ironforge db current
    """
    from ironforge_cli.cli.render import Report  # noqa: PLC0415
    from ironforge_cli.db import schema  # noqa: PLC0415

    database = run.database
    with database.connect() as connection:
        found = schema.version(connection)
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
    if given is not None:
        typer.echo(given.get_secret_value())
        return
    # A plain libpq URL, since psql does not know SQLAlchemy's names of drivers.
    typer.echo(run.server().url.replace("postgresql+psycopg://", "postgresql://", 1))


@command
def start(run: Invocation) -> None:
    """Start the embedded server and keep it running until `ironforge db stop`.

    Commands start and stop it on their own; this is for looking into it with other programs.

    Example: ironforge db start && psql "$(ironforge db url)"
    """
    _require_embedded(run)
    from ironforge_cli.db import schema  # noqa: PLC0415
    from ironforge_cli.db.engine import Database  # noqa: PLC0415

    server = run.close_with(run.server(keep_running=True))
    database = Database(server.url)
    run.close_with(_closing(database))
    schema.upgrade(database)
    typer.echo(f"The embedded server runs: {server.url.replace('postgresql+psycopg://', 'postgresql://', 1)}")


@command
def stop(run: Invocation, *, force: Force = False) -> None:
    """Stop the embedded server.

    Example: ironforge db stop
    """
    _require_embedded(run)
    stopped = run.server().stop(force=force)
    typer.echo("The embedded server has stopped." if stopped else "The embedded server was not running.")


def _require_embedded(run: Invocation) -> None:
    if run.settings.database_url is not None:
        raise ConfigurationError(
            f"The database is an external one (by {run.loaded.sources['database_url']}); its own service starts and "
            "stops it. Unset that to use the embedded server."
        )


def _closing(resource: Any) -> Any:
    from contextlib import closing  # noqa: PLC0415

    return closing(resource)


app.command("upgrade")(upgrade)
app.command("current")(current)
app.command("url")(url)
app.command("start")(start)
app.command("stop")(stop)
