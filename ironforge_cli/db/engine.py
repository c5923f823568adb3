"""Engines and connections from a URL, and PostgreSQL's errors in words that say what to do."""

from __future__ import annotations

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
from ironforge_cli.db.refusals import explained, is_full
from ironforge_cli.db.sessions import LONGEST_GREETING_SECONDS, Session, answers, ask
from ironforge_cli.db.silence import Silence
from ironforge_cli.db.transactions import session_of
from ironforge_cli.db.turns import WANTED_CONNECTIONS, Purpose, TurnPool, wanted_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from sqlalchemy import CursorResult
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from ironforge_cli.db.locks import RunLocks
    from ironforge_cli.errors import IronforgeError

MORE_PINS: Final = "ironforge_pins"
"""The execution option with what else the transactions of a connection are set to: values by the settings' names."""
_SLICE: Final = "ironforge_slice"
_DIALECT: Final = "postgresql.ironforge"


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


def _pin(connection: Connection) -> None:
    """Begin a transaction, and pin what its statements mean.

    Behind a pooler this is where a free session is waited for. What is not answered in time can't be used again.
    """
    session = session_of(connection)
    if session.autocommit:
        return
    try:
        session.begin(connection.get_execution_options().get(MORE_PINS, {}))
    except psycopg.Error as error:
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
            raise explained(cause if isinstance(cause, psycopg.Error) else error, self.description) from error
        except psycopg.Error as error:
            raise explained(error, self.description) from error

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
