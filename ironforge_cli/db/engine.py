"""Engines and connections from a URL, and PostgreSQL's errors in words that say what to do."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, Executable, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from ironforge_cli.db import generations
from ironforge_cli.db.addresses import conninfo, described
from ironforge_cli.db.sessions import LONGEST_GREETING_SECONDS, Session, answers, ask
from ironforge_cli.db.silence import Silence
from ironforge_cli.db.turns import FEWEST_CONNECTIONS, WANTED_CONNECTIONS, Purpose, TurnPool, is_full, wanted_for
from ironforge_cli.errors import BusyError, ConfigurationError, DatabaseError, IronforgeError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from sqlalchemy import CursorResult
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from ironforge_cli.db.locks import RunLocks

MORE_PINS: Final = "ironforge_pins"
"""The execution option with what else the transactions of a connection are set to: values by the settings' names."""
_SLICE: Final = "ironforge_slice"
_DIALECT: Final = "postgresql.ironforge"

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
    "53300": (
        f"The server has no connection left for this user, and ironforge needs {FEWEST_CONNECTIONS} at least: raise "
        "the limit of the role or the pooler, or raise max_connections or stop what holds them"
    ),
    "55P03": "Another session holds a lock that this needs; see pg_stat_activity",
    "57014": "An operator or statement_timeout cancelled the statement; raise the limit for this user",
    "57P": "The server is stopping, restarting or recovering; try again when it is back",
}
_SCHEMA_STATES: Final = {"42P01", "42703", "42704"}
_BUSY_STATES: Final = {"55P03", "40P01"}
# The classes of what the server has against one piece of work, and not against the next.
_OF_THE_WORK: Final = {"20", "21", "22", "23", "25", "27", "2B", "2F", "34", "40", "42", "44", "54", "55", "P0", "XX"}

# libpq keeps the SQLSTATE of a refused connection to itself; what it says of the commonest ones, in English.
_QUESTION: Final = re.compile(r"\s*Is the server running[^?]*\?")
_CONNECTION: Final = re.compile(r"^connection (failed|is bad): ?")
_STATEMENT: Final = re.compile(r"(?s)\nLINE \d+:.*")
_REFUSALS: Final = (
    (r"password authentication failed|no password supplied|no pg_hba\.conf entry", "28"),
    (r'role "[^"]*" (does not exist|is not permitted)|local user with ID \d+ does not exist', "28"),
    (r'database "[^"]*" does not exist', "3D"),
    (r"the database system is ", "57P"),
)


def _reason_of(error: Exception) -> str:
    """What the server or the library says, in a line: no statement, and no question that the advice answers."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    if told is None:
        # Below its first line a library quotes the statement.
        told = _QUESTION.sub("", str(error)) if isinstance(error, psycopg.Error) else str(error).partition("\n")[0]
        told = _STATEMENT.sub("", told)
    reason = _CONNECTION.sub("", " ".join(told.split())).rstrip(".?:")
    return reason or ("no server answers" if told else type(error).__name__)


class Dialect(PGDialect_psycopg):
    """SQLAlchemy's own for psycopg, but that no kept connection is waited for without end."""

    supports_statement_cache = True

    def do_ping(self, dbapi_connection: DBAPIConnection) -> Literal[True]:
        """Have a kept connection replaced, and all that were opened before, where it can't be used."""
        if not isinstance(dbapi_connection, Session):
            raise TypeError(f"a session of psycopg's is wanted, not {type(dbapi_connection).__name__}")
        if not answers(dbapi_connection):
            raise InvalidatePoolError
        return True


registry.register(_DIALECT, __name__, Dialect.__name__)


def open_engine(url: str, *, silence: Silence | None = None) -> Engine:
    """An engine for any URL that libpq or SQLAlchemy understand; it speaks psycopg 3, UTC and UTF-8.

    Connecting raises as `Session.open`, and at once while the server's `silence` lasts. Where the server gives no more
    connections, its users take turns.
    """
    options: dict[str, Any] = conninfo_to_dict(conninfo(url))
    name = described(url)
    silence = silence or Silence()

    def connect() -> Session:
        silence.require_over()
        try:
            session = Session.open(options, described=name, silence=silence)
        except psycopg.Error as error:
            silence.began(error)
            raise
        silence.ended()
        return session

    # No column is an hstore, for whose type each new engine would search the catalogue.
    engine = create_engine(
        f"{_DIALECT.replace('.', '+')}://",
        creator=connect,
        poolclass=TurnPool,
        pool_pre_ping=True,
        use_native_hstore=False,
    )
    event.listen(engine, "begin", _pin)
    generations.listen(engine)
    event.listen(engine, "before_cursor_execute", _name_statement, retval=True)
    return engine


def session_of(connection: Connection) -> Session:
    """The session under a connection of SQLAlchemy's."""
    session = connection.connection.driver_connection
    if not isinstance(session, Session):
        raise TypeError(f"a session of psycopg's is wanted, not {type(session).__name__}")
    return session


@contextmanager
def driver(connection: Connection) -> Generator[Session]:
    """The psycopg connection under SQLAlchemy's, in the same transaction, which is begun where none is."""
    speaking = session_of(connection)
    if not connection.in_transaction():
        # SQLAlchemy sees no statement of ours, and commits nothing that it did not see begin.
        connection.begin()
    try:
        yield speaking
    except psycopg.Error as error:
        if speaking.closed:
            # To roll back on a dead connection would fail as well, and hide what killed it.
            connection.invalidate(error)
        raise


def one_state(connection: Connection) -> None:
    """See the database for the rest of the caller's transaction, which has just begun, as it is at this moment."""
    with driver(connection) as speaking:
        speaking.execute("/* ironforge engine */ SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _pin(connection: Connection) -> None:
    """Begin a transaction, and pin what its statements mean.

    Behind a pooler this is where a free session is waited for. What is not answered in time can't be used again.
    """
    session = session_of(connection)
    if session.autocommit:
        return
    more: Mapping[str, str] = connection.get_execution_options().get(MORE_PINS, {})
    pins = "; ".join([session.local_pins, *(f"SET LOCAL {name} = '{value}'" for name, value in more.items())])
    try:
        ask(session, f"/* ironforge session */ BEGIN; {pins}", seconds=session.patience)
    except psycopg.Error as error:
        if session.silence is not None:
            session.silence.began(error)
        connection.invalidate(error)
        raise


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

    run_locks: RunLocks | None = None
    """The locks that the threads of a run share a connection for, once there is any."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.description = described(url)
        self._silence = Silence()
        self._engine = open_engine(url, silence=self._silence)

    def end_by(self, left: Callable[[], float] | None) -> None:
        """Let no attempt to connect outlast a window of which so many seconds are left; None: there is none."""
        self._silence.left = left

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
    def locking(self, purpose: Purpose) -> Generator[Connection]:
        """A connection that holds locks for as long as the block lasts.

        It commits each statement by itself, except behind a pooler: there one transaction stays open, since the pooler
        may give the session to others at its end. Raises as `connect`.
        """
        with self.errors():
            with wanted_for(purpose):
                connection = self._engine.connect()
            with connection:
                if not session_of(connection).is_pooled:
                    connection.execution_options(isolation_level="AUTOCOMMIT")
                yield connection

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises. Raises as `connect`."""
        with self.errors(), self._engine.begin() as connection:
            yield connection

    def room(self, *, wanted: int = WANTED_CONNECTIONS) -> int:
        """How many connections can be at work at once, counted up to as many as are wanted. Raises as `connect`.

        Each is given a transaction: a pooler takes more connections than it has sessions to give.
        """
        self._engine.dispose()
        options: dict[str, Any] = conninfo_to_dict(conninfo(self.url))
        with self.errors(), ExitStack() as opened:
            for number in range(wanted):
                try:
                    session = opened.enter_context(closing(Session.open(options, described=self.description)))
                    ask(session, "/* ironforge config */ BEGIN", seconds=LONGEST_GREETING_SECONDS)
                except psycopg.Error as error:
                    if number and is_full(error):
                        return number
                    raise
        return wanted

    def is_pooled(self) -> bool:
        """Whether a pooler stands before the server. Raises as `connect`."""
        with self.connect() as connection:
            return session_of(connection).is_pooled

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
        reason = _reason_of(error)
        if state in _SCHEMA_STATES:
            return ConfigurationError(
                f"The schema of the database {self.description} does not fit this version of ironforge ({reason}). "
                "Run `ironforge db upgrade`."
            )
        if not state:
            refused = next((key for pattern, key in _REFUSALS if re.search(pattern, reason)), "08")
            refused = "53300" if is_full(error) else refused
            return UnreachableError(f"The database {self.description} can't be reached: {reason}. {_ADVICE[refused]}.")
        advice = next((text for key, text in _ADVICE.items() if state.startswith(key)), "The server's log says more")
        kind = DatabaseError if state[:2] in _OF_THE_WORK else UnreachableError
        kind = BusyError if state in _BUSY_STATES else kind
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

    def end_by(self, left: Callable[[], float] | None) -> None:
        """Nothing is waited for."""
        del left

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

    def room(self, *, wanted: int = WANTED_CONNECTIONS) -> int:
        """Raise the reason."""
        del wanted
        raise self._reason

    @contextmanager
    def locking(self, purpose: Purpose) -> Generator[Connection]:
        """Raise the reason."""
        del purpose
        raise self._reason
        yield

    def close(self) -> None:
        """There is nothing to close."""
