"""Engines and connections from a URL, and PostgreSQL's errors in words that say what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, Engine, Executable, create_engine, event
from sqlalchemy.exc import DBAPIError

from ironforge_cli.errors import ConfigurationError, DatabaseError, IronforgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from sqlalchemy import CursorResult

CONNECT_TIMEOUT_SECONDS: Final = 10
_SLICE: Final = "ironforge_slice"

# What a person can do about an error, by SQLSTATE or its class.
_ADVICE: Final = {
    "08": "Check that the server runs and that IRONFORGE_DATABASE_URL names it",
    "25006": "The server is read-only: a standby, or default_transaction_read_only is on; use the primary",
    "28": "Check user and password in IRONFORGE_DATABASE_URL",
    "3D": "Create the database first, or correct IRONFORGE_DATABASE_URL",
    "42501": "Grant this user the rights on ironforge's tables, or use their owner",
    "53100": "The server's disk is full; make room",
    "53200": "The server is out of memory; lower work_mem or the number of connections",
    "53300": "The server has no connection left; raise max_connections or stop what holds them",
    "55P03": "Another session holds a lock on the table; see pg_stat_activity",
    "57014": "An operator or statement_timeout cancelled the statement; raise the limit for this user",
    "57P": "The server is stopping or restarting; try again when it is back",
}
_SCHEMA_STATES: Final = {"42P01", "42703", "42704", "3F000"}


def conninfo(url: str) -> str:
    """The libpq connection string of a PostgreSQL URL, SQLAlchemy's and Heroku's spellings included.

    Raises `ConfigurationError` for anything else.

    >>> conninfo("postgresql+psycopg://me@db.example/prices")
    'user=me dbname=prices host=db.example'
    """
    scheme, separator, rest = url.partition("://")
    if not separator and "=" in url:
        plain = url
    elif scheme in {"postgres", "postgresql", "postgresql+psycopg"} and separator:
        plain = f"postgresql://{rest}"
    else:
        raise ConfigurationError(
            f"The database URL begins with {scheme!r}, but ironforge keeps its data in PostgreSQL alone. "
            "Give IRONFORGE_DATABASE_URL as postgresql://user:password@host:5432/database, "
            "or leave it unset to use the embedded server."
        )
    try:
        return make_conninfo(**conninfo_to_dict(plain))  # pyright: ignore[reportArgumentType] - libpq's own keys
    except psycopg.Error as error:
        # libpq quotes the offending part, which can hold the password.
        raise ConfigurationError(
            "The database URL can't be read. Give IRONFORGE_DATABASE_URL as "
            "postgresql://user:password@host:5432/database, with special characters percent-encoded."
        ) from error


def described(url: str) -> str:
    """Where a URL leads, without its secrets: for messages and logs.

    >>> described("postgresql://me:secret@db.example:6432/prices")
    'prices at db.example:6432'
    """
    parts = conninfo_to_dict(conninfo(url))
    host = parts.get("host") or parts.get("hostaddr") or "the local socket"
    port = f":{parts['port']}" if parts.get("port") and not str(host).startswith("/") else ""
    return f"{parts.get('dbname') or parts.get('user') or 'postgres'} at {host}{port}"


def open_engine(url: str) -> Engine:
    """An engine for any URL that libpq or SQLAlchemy understand; it speaks psycopg 3 and UTC."""
    target = conninfo(url)
    defaults: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": "ironforge",
        "keepalives_idle": 30,
    }
    options: dict[str, Any] = defaults | conninfo_to_dict(target)

    def connect() -> psycopg.Connection[Any]:
        connection = psycopg.connect(**options)
        connection.autocommit = True
        connection.execute("/* ironforge session */ SET TIME ZONE 'UTC'")
        connection.autocommit = False
        return connection

    engine = create_engine("postgresql+psycopg://", creator=connect, pool_pre_ping=True)
    event.listen(engine, "before_cursor_execute", _name_statement, retval=True)
    return engine


def _name_statement(
    _: Connection,
    __: Any,
    statement: str,
    parameters: Any,
    context: Any,
    ___: bool,  # noqa: FBT001 - SQLAlchemy's signature
) -> tuple[str, Any]:
    """Put `/* ironforge <slice> */` before a statement, so that pg_stat_activity says whose it is."""
    name = context.execution_options.get(_SLICE, "db") if context is not None else "db"
    return f"/* ironforge {name} */ {statement}", parameters


def executor(
    slice_name: str,
) -> Callable[..., CursorResult[*tuple[Any, ...]]]:
    """A function that executes statements of one slice under its name."""

    def execute(
        connection: Connection,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[*tuple[Any, ...]]:
        return connection.execute(statement, parameters, execution_options={_SLICE: slice_name})

    return execute


class Database:
    """One PostgreSQL database: where connections come from, with errors that say what to do.

    Who asks for a transaction owns it: it commits when its block ends well, else it rolls back.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.description = described(url)
        self._engine = open_engine(url)

    @contextmanager
    def connect(self, *, autocommit: bool = False) -> Generator[Connection]:
        """A connection; what isn't committed by the caller is rolled back.

        Raises `DatabaseError` or, where the schema doesn't fit, `ConfigurationError`; also for what the caller's
        block does with the connection.
        """
        engine = self._engine.execution_options(isolation_level="AUTOCOMMIT") if autocommit else self._engine
        with self.errors(), engine.connect() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises. Raises as `connect`."""
        with self.errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def errors(self) -> Generator[None]:
        """Turn the errors of psycopg and SQLAlchemy into the project's own."""
        try:
            yield
        except DBAPIError as error:
            cause = error.orig
            raise self._explained(cause if isinstance(cause, psycopg.Error) else error) from error
        except psycopg.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> IronforgeError:
        state = (error.sqlstate or "") if isinstance(error, psycopg.Error) else ""
        reason = " ".join(str(error).split()) or type(error).__name__
        if state in _SCHEMA_STATES:
            return ConfigurationError(
                f"The schema of the database {self.description} does not fit this version of ironforge ({reason}). "
                "Run `ironforge db upgrade`."
            )
        advice = next(
            (text for key, text in _ADVICE.items() if state and state.startswith(key)),
            "Check that the server runs and what its log says; `ironforge config check` tries the connection",
        )
        if not state:
            return DatabaseError(f"The database {self.description} can't be reached: {reason}. {advice}.")
        return DatabaseError(
            f"The database {self.description} refused the work: {reason} (SQLSTATE {state}). {advice}."
        )

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


class MissingDatabase(Database):
    """A database that could not even be started: whoever wants to use it is told why."""

    def __init__(self, reason: IronforgeError) -> None:
        self._reason = reason
        self.url = ""
        self.description = "the embedded database"

    @contextmanager
    def connect(self, *, autocommit: bool = False) -> Generator[Connection]:
        """Raise the reason."""
        del autocommit
        raise self._reason
        yield

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """Raise the reason."""
        raise self._reason
        yield

    def close(self) -> None:
        """There is nothing to close."""
