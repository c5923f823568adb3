"""Engines and connections from a URL, and PostgreSQL's errors in words that say what to do."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, Engine, Executable, create_engine, event, make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import ArgumentError, DBAPIError

from ironforge_cli.errors import BusyError, ConfigurationError, DatabaseError, IronforgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from sqlalchemy import CursorResult

OLDEST_SERVER: Final = 14
_SLICE: Final = "ironforge_slice"
_LARGEST_PORT: Final = 65_535
_SCHEME: Final = re.compile(r"(postgres|postgresql)(\+\w+)?", re.IGNORECASE)
_HARMLESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}")

# A peer that vanished is noticed within a minute, not after the two hours that are usual.
_DEFAULTS: Final = {
    "connect_timeout": 10,
    "application_name": "ironforge",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# Roles and databases can be set up in ways under which times are read wrongly, a lock is waited for without end, a
# session that holds an advisory lock and waits for a download is ended, or a crash of the server takes along what was
# committed and reported as stored.
_SESSION: Final = (
    "/* ironforge session */ SET TIME ZONE 'UTC'; SET datestyle = 'ISO, YMD'; SET lock_timeout = '60s';"
    " SET default_transaction_isolation = 'read committed'; SET idle_session_timeout = 0;"
    " SELECT set_config('synchronous_commit', 'local', false) WHERE current_setting('synchronous_commit') = 'off'"
)

# What a person can do about an error, by SQLSTATE or its class.
_ADVICE: Final = {
    "08": "Check that the server runs and that the database URL names it; its log says more",
    "23": "What is stored already contradicts it; run the command again, and report it if that does not help",
    "25006": "The server is read-only: a standby, or default_transaction_read_only is on; use the primary",
    "25P03": "Raise idle_in_transaction_session_timeout for this user",
    "25P04": "Raise transaction_timeout for this user",
    "28": "Check user and password in IRONFORGE_DATABASE_URL",
    "3D": "Create the database first, or correct IRONFORGE_DATABASE_URL",
    "3F": "Create the schema that this user's search_path names, or set another search_path",
    "40": "Another session did conflicting work at the same moment; run the command again",
    "42501": "Grant this user the rights on ironforge's schema and tables, or use their owner",
    "42P07": "The database holds what ironforge did not make; give ironforge a database of its own",
    "42710": "The database holds what ironforge did not make; give ironforge a database of its own",
    "53100": "The server's disk is full; make room",
    "53200": "The server is out of memory; lower work_mem or the number of connections",
    "53300": "The server has no connection left; raise max_connections or stop what holds them",
    "55P03": "Another session holds a lock that this needs; see pg_stat_activity",
    "57014": "An operator or statement_timeout cancelled the statement; raise the limit for this user",
    "57P": "The server is stopping, restarting or recovering; try again when it is back",
}
_SCHEMA_STATES: Final = {"42P01", "42703", "42704"}
_BUSY_STATES: Final = {"55P03", "40P01"}

# libpq keeps the SQLSTATE of a refused connection to itself; what it says of the commonest ones, in English.
_REFUSALS: Final = (
    (re.compile(r"password authentication failed|no password supplied|no pg_hba\.conf entry"), "28"),
    (re.compile(r'role "[^"]*" (does not exist|is not permitted)|local user with ID \d+ does not exist'), "28"),
    (re.compile(r'database "[^"]*" does not exist'), "3D"),
    (re.compile(r"too many clients already|remaining connection slots are|too many connections for"), "53300"),
    (re.compile(r"the database system is "), "57P"),
)


def conninfo(url: str) -> str:
    """The libpq connection string of a PostgreSQL URL, SQLAlchemy's and Heroku's spellings included.

    A key=value string of libpq's is taken, too. Raises `ConfigurationError` for anything else; the message holds
    nothing of the URL that can be a password.

    >>> conninfo("postgresql+psycopg://me@db.example/prices")
    'host=db.example dbname=prices user=me'
    """
    scheme, separator, rest = url.partition("://")
    if separator and _SCHEME.fullmatch(scheme):
        # SQLAlchemy writes spaces as they are, which libpq refuses.
        plain = f"postgresql://{rest.replace(' ', '%20')}"
        # Of an @ or a / that is not percent-encoded, libpq would make a piece of the password a host or a database.
        if not {"@", "/"}.isdisjoint(rest.partition("?")[0].rpartition("@")[0]):
            raise _unreadable()
    elif re.match(r"\s*\w+\s*=", url):
        plain = url
    else:
        raise _foreign(scheme if separator else "")
    try:
        parts = (_by_sqlalchemy(url) if "+" in scheme and separator else None) or conninfo_to_dict(plain)
        hosts = str(parts.get("host") or "").split(",")
        ports = [port for port in str(parts.get("port") or "").split(",") if port]
        if any("@" in host[1:] for host in hosts) or not all(_is_port(port) for port in ports):
            raise _unreadable()
        return make_conninfo(**parts)  # pyright: ignore[reportArgumentType] - libpq's own keys
    except psycopg.Error:
        # libpq quotes the offending part, which can hold the password: not even the cause may be shown.
        raise _unreadable() from None


def _is_port(port: str) -> bool:
    return port.isdecimal() and 0 < int(port) <= _LARGEST_PORT


def _by_sqlalchemy(url: str) -> dict[str, Any] | None:
    """The parts of a URL by SQLAlchemy's rules, which has its own for several hosts; None where it can't read it."""
    try:
        return PGDialect_psycopg().create_connect_args(make_url(url))[1]  # pyright: ignore[reportUnknownMemberType] - SQLAlchemy leaves the parameter's type out
    except (ArgumentError, ValueError):
        return None


def _unreadable() -> ConfigurationError:
    return ConfigurationError(
        "The database URL can't be read. Give IRONFORGE_DATABASE_URL as postgresql://user:password@host:5432/database, "
        "with special characters percent-encoded (@ is %40, / is %2F, : is %3A)."
    )


def _foreign(scheme: str) -> ConfigurationError:
    begins = f"begins with {scheme!r}" if _HARMLESS.fullmatch(scheme) else "does not begin with postgresql://"
    return ConfigurationError(
        f"The database URL {begins}, but ironforge keeps its data in PostgreSQL alone. "
        "Give IRONFORGE_DATABASE_URL as postgresql://user:password@host:5432/database, "
        "or leave it unset to use the embedded server."
    )


def described(url: str) -> str:
    """Where a URL leads, without its secrets: for messages and logs.

    >>> described("postgresql://me:secret@db.example:6432/prices")
    'prices at db.example:6432'
    >>> described("postgresql:///prices?host=/run/postgresql")
    'prices at /run/postgresql'
    """
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo(url)).items() if value}
    name = parts.get("dbname") or "(default)"
    hosts = (parts.get("host") or parts.get("hostaddr") or "").split(",")
    ports = parts.get("port", "").split(",")
    if len(ports) != len(hosts):
        ports = ports[:1] * len(hosts)
    if "service" in parts and hosts == [""]:
        return f"{name} of the service {parts['service']}"
    return f"{name} at {', '.join(_address(host, port) for host, port in zip(hosts, ports, strict=True))}"


def _address(host: str, port: str) -> str:
    if not host or host.startswith(("/", "@")):
        return host or "the local socket"
    return (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")


def open_engine(url: str) -> Engine:
    """An engine for any URL that libpq or SQLAlchemy understand; it speaks psycopg 3, UTC and UTF-8.

    Connecting raises `ConfigurationError` where the server is older than `OLDEST_SERVER`.
    """
    options: dict[str, Any] = {**_DEFAULTS, **conninfo_to_dict(conninfo(url)), "client_encoding": "utf8"}

    def connect() -> psycopg.Connection[Any]:
        connection = psycopg.connect(**options)
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise ConfigurationError(
                f"The database {described(url)} has the encoding {encoding}, which can't hold the names of all items. "
                "Create another one with ENCODING 'UTF8' TEMPLATE template0."
            )
        try:
            require_supported(connection.info.server_version)
            connection.autocommit = True
            connection.execute(_SESSION)
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("postgresql+psycopg://", creator=connect, pool_pre_ping=True)
    event.listen(engine, "before_cursor_execute", _name_statement, retval=True)
    return engine


def require_supported(server_version: int) -> None:
    """Raise `ConfigurationError` where libpq's number of a server's version is too low for ironforge.

    >>> require_supported(140_000)
    """
    major, minor = divmod(server_version, 10_000)
    if major < OLDEST_SERVER:
        raise ConfigurationError(
            f"The server is PostgreSQL {major}.{minor}; ironforge needs {OLDEST_SERVER} or newer. "
            "Upgrade it, or leave IRONFORGE_DATABASE_URL unset to use the embedded server."
        )


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
        reason = " ".join(str(error).split()).removeprefix("connection failed: ").removeprefix("connection is bad: ")
        reason = reason.rstrip(".") or type(error).__name__
        if state in _SCHEMA_STATES:
            return ConfigurationError(
                f"The schema of the database {self.description} does not fit this version of ironforge ({reason}). "
                "Run `ironforge db upgrade`."
            )
        if not state:
            refused = next((key for pattern, key in _REFUSALS if pattern.search(reason)), "08")
            stop = "" if reason.endswith("?") else "."
            return DatabaseError(
                f"The database {self.description} can't be reached: {reason}{stop} {_ADVICE[refused]}."
            )
        advice = next((text for key, text in _ADVICE.items() if state.startswith(key)), "The server's log says more")
        kind = BusyError if state in _BUSY_STATES else DatabaseError
        return kind(f"The database {self.description} refused the work: {reason} (SQLSTATE {state}). {advice}.")

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
