"""A session of the server, and what is pinned in it so that nothing that is sent or read changes its meaning.

Roles and databases can be set up in ways under which times, numbers and texts are read as others than were meant, a
lock is waited for without end, or a crash of the server takes along what was reported as stored. All of that is set at
the beginning of each transaction, for that transaction: a pooler gives every transaction another session, and what is
set for longer would be left to other programs. Where there is none, it is set for the session as well.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import psycopg
from psycopg.pq import ExecStatus

from ironforge_cli.db.silence import KEPT_SECONDS, SHORTEST_SECONDS, Silence, UnansweredError, limited
from ironforge_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGresult

_Result = TypeVar("_Result")

OLDEST_SERVER: Final = 14
LONGEST_GREETING_SECONDS: Final = 10
"""How long a session may take until the first question of a use is answered: a pooler lets it wait for a free one."""

# A peer that vanished is noticed within a minute, not after the two hours that are usual.
_DEFAULTS: Final = {
    "connect_timeout": 10,
    "application_name": "ironforge",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

PINS: Final = {
    # How values are written and read.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "escape_string_warning": "off",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "xmloption": "content",
    # What statements mean.
    "transform_null_equals": "off",
    "check_function_bodies": "on",
    # Rows that a policy hides would be taken for rows that are not there: better an error.
    "row_security": "off",
    # Another method may know neither UPDATE nor the order of rows.
    "default_table_access_method": "heap",
    # A session that holds a lock waits for a download. How long a statement may take is the operator's to say.
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "exit_on_error": "off",
    # Nobody is waited for without end.
    "lock_timeout": "60s",
}
"""Settings of the server and the values that they have in every transaction of ironforge's."""

_SINCE: Final = {"transaction_timeout": (170_000, "0")}
"""Settings that only newer servers know: since which version, and their value."""

# Which session it really is that answers, and what the pins depend on. Settings that other programs left in a pooler's
# session count for nothing.
_GREETING: Final = (
    "/* ironforge session */ SET LOCAL search_path TO DEFAULT; SET LOCAL synchronous_commit TO DEFAULT;"
    " SELECT pg_backend_pid(), current_setting('synchronous_commit'), current_setting('session_replication_role'),"
    " (SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE pg_class.oid = to_regclass('alembic_version')); COMMIT"
)


class Session(psycopg.Connection[Any]):
    """A connection of psycopg's that knows what has to be pinned in it."""

    is_pooled: bool
    """Whether something between us and the server gives sessions out: then each transaction may have another one."""
    local_pins: str
    """The statements that pin everything for the transaction in which they are the first."""
    silence: Silence | None = None
    """What is known of its server's silence."""

    @property
    def patience(self) -> float:
        """How many seconds the first answer of a use is waited for."""
        return LONGEST_GREETING_SECONDS if self.silence is None else self.silence.seconds(LONGEST_GREETING_SECONDS)

    @classmethod
    def open(cls, options: dict[str, Any], *, described: str, silence: Silence | None = None) -> Self:
        """Connect, and find out what there is; `silence` says how long that may take.

        Raises `psycopg.Error`, and `ConfigurationError` where the server is too old, its encoding can't hold all
        names, or transactions can't be had.
        """
        # A statement that was prepared in one session is unknown, or another one's, in the next.
        asked: dict[str, Any] = {**_DEFAULTS, **options, "client_encoding": "utf8", "prepare_threshold": None}
        if silence is not None:
            asked["connect_timeout"] = _timeout(asked, silence)
        session = cls.connect(**asked)
        session.silence = silence
        try:
            _require_encoding(session, described)
            require_supported(session.info.server_version)
            session._greet()
        except BaseException:
            session.close()
            raise
        return session

    def wait(self, gen: PQGen[_Result], *args: Any, **options: Any) -> _Result:
        """Wait as psycopg does, for no longer than `answered_within` allows: raises `ConnectionTimeout` then."""
        try:
            return super().wait(limited(gen), *args, **options)
        except psycopg.errors.ConnectionTimeout as error:
            # Its answer may still come, and would be taken for that of the next statement.
            self.close()
            if self.silence is not None:
                self.silence.began(error)
            raise

    def begin(self, more: Mapping[str, str] | None = None) -> None:
        """Begin a transaction, and pin what its statements mean; `more` are settings of its own, by name.

        Behind a pooler this is where a free session is waited for: what is not answered in time can't be used again.
        """
        pins = "; ".join([self.local_pins, *(f"SET LOCAL {name} = '{value}'" for name, value in (more or {}).items())])
        try:
            ask(self, f"/* ironforge session */ BEGIN; {pins}", seconds=self.patience)
        except psycopg.Error as error:
            if self.silence is not None:
                self.silence.began(error)
            raise

    def _greet(self) -> None:
        try:
            # By itself: a pooler in statement mode lets a whole transaction in one message pass.
            ask(self, "/* ironforge session */ BEGIN", seconds=self.patience)
            (row,) = ask(self, _GREETING, seconds=self.patience)
        except psycopg.Error as error:
            if "statement pooling" in str(error):
                raise ConfigurationError(
                    "The database URL leads to a pooler in statement mode, which knows no transactions. Put it into "
                    "session or transaction mode, or give the server's own address."
                ) from error
            raise
        process, commits, role, schema = row
        # A pooler gives its clients numbers of its own.
        self.is_pooled = process != str(self.info.backend_pid)
        settings = settings_of(self.info.server_version, commits=commits, role=role, schema=schema)
        isolation = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE"
        self.local_pins = "; ".join([isolation, *(f"SET LOCAL {setting}" for setting in settings)])
        if not self.is_pooled:
            # Also for what comes between transactions: the session is ours alone, and nobody finds anything in it.
            lasting = "; ".join(f"SET {setting}" for setting in settings)
            ask(self, f"/* ironforge session */ {lasting}", seconds=self.patience)


def settings_of(server_version: int, *, commits: str | None, role: str | None, schema: str | None) -> list[str]:
    """What is set in sessions of a server of a version, as libpq numbers them, each as it stands after `SET`.

    The server's own `synchronous_commit` is `commits`, its `session_replication_role` is `role`, and `schema` is where
    ironforge's tables are, quoted where that is needed; None where there are none yet.
    """
    pins = PINS | {name: value for name, (since, value) in _SINCE.items() if server_version >= since}
    # What was committed must outlive a crash; who waits for a standby as well goes on doing so.
    pins["synchronous_commit"] = "local" if commits == "off" else commits or "on"
    if role != "origin":
        # Without their triggers, foreign keys keep nothing. Only a superuser may unset it.
        pins["session_replication_role"] = "origin"
    # New tables belong beside ironforge's, and nobody's temporary table may stand before them.
    path = f"search_path = {schema}, pg_temp" if schema else "search_path TO DEFAULT"
    return [*(f"{name} = '{value}'" for name, value in pins.items()), path]


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


def _require_encoding(session: Session, described: str) -> None:
    encoding = session.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigurationError(
            f"The database {described} has the encoding {encoding}, which can't hold the names of all items. "
            "Create another one with ENCODING 'UTF8' TEMPLATE template0."
        )


def _timeout(asked: dict[str, Any], silence: Silence) -> Any:
    """The time-out of connecting: that of the URL, unless a window leaves less; hosts are tried one after the other."""
    given = asked["connect_timeout"]
    try:
        usual = float(given)
    except ValueError:
        # libpq says what is wrong with it.
        return given
    limit = silence.seconds(usual if usual > 0 else float("inf"))
    hosts = str(asked.get("host", "")).count(",") + 1
    return given if limit in {usual, float("inf")} else max(int(limit / hosts), int(SHORTEST_SECONDS))


def answers(session: Session) -> bool:
    """Whether a session that was opened before is there still, and answers in time; else it is of no use any more."""
    is_silent = session.silence is not None and session.silence.lasts
    try:
        ask(session, "/* ironforge session */ SELECT 1", seconds=KEPT_SECONDS if is_silent else session.patience)
    except psycopg.Error:
        return False
    return True


def ask(session: psycopg.Connection[Any], statements: str, *, seconds: float) -> list[tuple[str | None, ...]]:
    """Send statements at once and return the rows of all of them, as texts.

    Raises `psycopg.Error`: also where they are not answered within some seconds, after which the session is of no use.
    """
    pgconn = session.pgconn
    ends = time.monotonic() + seconds
    pgconn.send_query(statements.encode())
    rows: list[tuple[str | None, ...]] = []
    while True:
        while pgconn.is_busy():
            ready, _, _ = select.select([pgconn.socket], [], [], max(0.0, ends - time.monotonic()))
            if not ready:
                raise UnansweredError(f"no session of the server was free to answer within {seconds:.0f} s")
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            return rows
        rows += _rows(result, session)


def _rows(result: PGresult, session: psycopg.Connection[Any]) -> Sequence[tuple[str | None, ...]]:
    if result.status == ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result, encoding=session.info.encoding)
    return [
        tuple(
            None if (value := result.get_value(row, column)) is None else value.decode()
            for column in range(result.nfields)
        )
        for row in range(result.ntuples)
    ]
