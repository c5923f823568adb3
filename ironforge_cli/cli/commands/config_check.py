"""`ironforge config check`: whether the settings work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report
from ironforge_cli.cli.show.tables import Column, Table
from ironforge_cli.db import schema
from ironforge_cli.db.turns import FEWEST_CONNECTIONS, WANTED_CONNECTIONS
from ironforge_cli.errors import (
    ConfigurationError,
    ExitStatus,
    InterruptedRunError,
    IronforgeError,
    combined_status,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from ironforge_cli.db.engine import Database


@dataclass(frozen=True, slots=True)
class _Check:
    """What is tried, how it went, and what to do about it."""

    name: str
    status: ExitStatus
    message: str


@command
def check(run: Invocation, *, format_: FormatOption = Format.TABLE) -> Report:
    """Try the folders, the database and the credentials, and say what to do about each failure.

    Example: ironforge config check
    """
    return checked(run, format_)


def checked(run: Invocation, format_: Format) -> Report:
    """What became of each check of the settings in force."""

    def settings() -> str:
        return f"{run.loaded.file or 'no config file'}; {len(run.loaded.warnings) or 'no'} warnings"

    def folders() -> str:
        return f"{run.home} can be written"

    def database() -> str:
        with run.database.connect() as connection:
            schema.require_current(connection)
        return f"{run.database.description}, schema {schema.head()}; {_room(run.database)}"

    def credentials() -> str:
        run.transport.check_credentials()
        return f"accepted by {run.settings.oauth_url}"

    # Settings that can't be read leave nothing else to try.
    checks = [_tried("settings", settings)]
    if checks[0].status is ExitStatus.DONE:
        checks += [
            _tried(name, attempt)
            for name, attempt in (("folders", folders), ("database", database), ("credentials", credentials))
        ]

    def table(console: Console) -> None:
        grid = Table([Column("check"), Column("result"), Column("message", is_text=True)], has_heads=False)
        for tried in checks:
            mark = Text("ok", "green") if tried.status is ExitStatus.DONE else Text("failed", "red")
            grid.add(tried.name, mark, tried.message)
        grid.show(console)

    return Report(
        records=[
            {"check": tried.name, "status": tried.status.name.lower(), "message": tried.message} for tried in checks
        ],
        show=table,
        format=format_,
        status=_worst(checks),
    )


def _room(database: Database) -> str:
    """How many connections there are, in words; raises `ConfigurationError` where they are too few to store."""
    pooler = "behind a pooler, " if database.is_pooled() else ""
    room = database.room()
    if room >= WANTED_CONNECTIONS:
        return f"{pooler}room for {room} connections"
    if room >= FEWEST_CONNECTIONS:
        return f"{pooler}room for {room} connections of the {WANTED_CONNECTIONS} it would use: regions take turns"
    raise ConfigurationError(
        f"The database {database.description} has room for {room} more "
        f"{'connection' if room == 1 else 'connections'}, and ironforge needs {FEWEST_CONNECTIONS} at least. Raise the "
        "limit of the role (ALTER ROLE … CONNECTION LIMIT), of the pooler, or max_connections, or stop what holds them."
    )


def _tried(name: str, attempt: Callable[[], str]) -> _Check:
    try:
        return _Check(name, ExitStatus.DONE, attempt())
    except InterruptedRunError:
        raise
    except IronforgeError as error:
        return _Check(name, error.status, str(error))


def _worst(checks: list[_Check]) -> ExitStatus:
    """The code of what has to be put right first; that some of it works is no success here."""
    return combined_status([tried.status for tried in checks if tried.status is not ExitStatus.DONE])
