"""`ironforge config check`: whether the settings work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from ironforge_cli.blizzard.deadline import Deadline
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption
from ironforge_cli.cli.frame.trying import try_folders, try_ping
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report
from ironforge_cli.cli.show.tables import Column, Table
from ironforge_cli.db import revisions
from ironforge_cli.db.refusals import FEWEST_CONNECTIONS
from ironforge_cli.db.repositories.rights import rights
from ironforge_cli.db.turns import WANTED_CONNECTIONS
from ironforge_cli.errors import (
    ConfigurationError,
    ExitStatus,
    InterruptedRunError,
    IronforgeError,
    UnavailableError,
    combined_status,
)
from ironforge_cli.jobs.days.archives import probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from ironforge_cli.blizzard.client import BlizzardClient
    from ironforge_cli.db.engine import Database

_ASKED_ONCE = 0.9
"""Seconds: less than the first pause before another attempt."""


@dataclass(frozen=True, slots=True)
class _Check:
    """What is tried, how it went, and what to do about it."""

    name: str
    status: ExitStatus
    message: str
    unasked: str | None = None
    """Why it was not tried: `not used` or `not tried`."""

    @property
    def state(self) -> str:
        """How it went, for programs."""
        return (self.unasked or self.status.name).replace(" ", "_").lower()


@command
def check(run: Invocation, *, format_: FormatOption = Format.TABLE) -> Report:
    """Try all that the next run needs, and say what to do about each failure.

    It asks for a token and its price, writes a file into each folder and into the archive and removes it, and tells a
    health check of nothing.

    Example: ironforge config check
    """
    return checked(run, format_)


def checked(run: Invocation, format_: Format) -> Report:
    """What became of each check of the settings in force."""

    def settings() -> str:
        return f"{run.loaded.file or 'no config file'}; {len(run.loaded.warnings) or 'no'} warnings"

    # Settings that can't be read leave nothing else to try.
    checks = [_tried("settings", settings)]
    if checks[0].status is ExitStatus.DONE:
        checks += _Trial(run).all()

    def table(console: Console) -> None:
        grid = Table([Column("check"), Column("result"), Column("message", is_text=True)], has_heads=False)
        for tried in checks:
            is_well = tried.status is ExitStatus.DONE
            mark = Text("ok", "green") if is_well else Text("failed", "red")
            grid.add(tried.name, Text(tried.unasked, "dim") if tried.unasked else mark, tried.message)
        grid.show(console)

    return Report(
        records=[{"check": tried.name, "status": tried.state, "message": tried.message} for tried in checks],
        show=table,
        format=format_,
        status=_worst(checks),
    )


class _Trial:
    """What is tried, one after the other."""

    def __init__(self, run: Invocation) -> None:
        self._run = run
        self._settings = run.settings

    def all(self) -> list[_Check]:
        """Everything; what rests on credentials that were refused is not tried."""
        checks = [
            _tried("folders", self._folders),
            _tried("database", self._database),
            _tried("credentials", self._credentials),
        ]
        is_known = checks[-1].status is ExitStatus.DONE
        for name, attempt in (("api", self._api), ("locale", self._locale)):
            checks.append(
                _tried(name, attempt, hint=f"IRONFORGE_{'API_URL' if name == 'api' else 'LOCALE'} names it.")
                if is_known
                else _Check(name, ExitStatus.DONE, "it needs credentials that are accepted", unasked="not tried")
            )
        for name, setting, attempt in (
            ("archive", self._settings.archive_uri, self._archive),
            ("health check", self._settings.ping_url, self._ping),
        ):
            unset = "IRONFORGE_ARCHIVE_URI is unset" if name == "archive" else "IRONFORGE_PING_URL is unset"
            checks.append(_tried(name, attempt) if setting else _Check(name, ExitStatus.DONE, unset, "not used"))
        return checks

    def _folders(self) -> str:
        home = self._run.home
        return f"{home}: {', '.join(try_folders(home, self._settings.regions))} can be written"

    def _database(self) -> str:
        database = self._run.database
        with database.connect() as connection:
            revisions.require_current(connection)
            found = rights(connection)
        if found.lacking is not None:
            only = " `ironforge status` works so, and nothing that stores." if found.reads_alone else ""
            raise ConfigurationError(
                f"{database.description}: {found.lacking}.{only} Connect as the role that owns the tables "
                "(docs/sql/roles.sql makes one)."
            )
        return f"{database.description}, schema {revisions.head()}, written by {found.role}; {_room(database)}"

    def _credentials(self) -> str:
        self._run.transport.check_credentials()
        return f"accepted by {self._settings.oauth_url}"

    def _client(self) -> BlizzardClient:
        """The API, asked once: a person waits, and a fault that may pass is told as one."""
        clock = self._run.clock
        return self._run.client.until(Deadline(at=clock.monotonic() + _ASKED_ONCE, monotonic=clock.monotonic))

    def _api(self) -> str:
        for region in self._settings.regions:
            try:
                self._client().token_price(region)
            except UnavailableError as error:
                raise UnavailableError(
                    f"{region.label}: {self._settings.api_url} doesn't answer as Blizzard does: "
                    f"{error.__cause__ or error}."
                ) from error
        names = ", ".join(region.label for region in self._settings.regions)
        return f"{self._settings.api_url} tells the token's price of {names}"

    def _locale(self) -> str:
        region, locale = self._settings.regions[0], self._settings.locale
        found = self._client().professions(region).value
        example = f", such as {found[0].name}" if found else ""
        return f"{region.label} gives names in {locale}{example}"

    def _archive(self) -> str:
        archive = self._run.required_archive(None)
        probe(archive.days.store)
        return f"{archive.days.store.name} can be written and read"

    def _ping(self) -> str:
        return f"{try_ping(str(self._settings.ping_url))} answers; only runs tell it anything"


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


def _tried(name: str, attempt: Callable[[], str], *, hint: str = "") -> _Check:
    try:
        return _Check(name, ExitStatus.DONE, attempt())
    except InterruptedRunError:
        raise
    except IronforgeError as error:
        return _Check(name, error.status, f"{error} {hint}".rstrip())


def _worst(checks: list[_Check]) -> ExitStatus:
    """The code of what has to be put right first; that some of it works is no success here."""
    return combined_status([tried.status for tried in checks if tried.status is not ExitStatus.DONE])
