"""PostgreSQL's errors in words that say what to do."""

from __future__ import annotations

import re
from typing import Final

import psycopg

from ironforge_cli.errors import BusyError, ConfigurationError, DatabaseError, IronforgeError, UnreachableError

LONGEST_WAIT_SECONDS: Final = 5.0
"""How long to wait for a connection where only other programs could make room."""
PAUSE_SECONDS: Final = 0.25
"""How long to wait until it is tried again."""
FEWEST_CONNECTIONS: Final = 3
"""One for the locks of the run, one for the lock of the region that is stored, one for work."""

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

_FULL_STATE: Final = "53300"
# libpq keeps the SQLSTATE of a refused connection to itself. Servers and poolers say it in English.
_FULL: Final = re.compile(
    "too many clients already|remaining connection slots are|too many connections|no more connections allowed"
    "|max(imum)? ?client connections|max clients reached|MaxClientsInSessionMode|connection limit",
    re.IGNORECASE,
)
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


def is_full(error: BaseException) -> bool:
    """Whether a server or a pooler refused a connection for want of room.

    >>> is_full(psycopg.OperationalError('FATAL:  too many connections for role "me"'))
    True
    >>> is_full(psycopg.OperationalError('FATAL:  role "me" does not exist'))
    False
    """
    if not isinstance(error, psycopg.Error):
        return False
    return error.sqlstate == _FULL_STATE or (error.sqlstate is None and _FULL.search(str(error)) is not None)


def explained(error: Exception, database: str) -> IronforgeError:
    """An error of the server's or of a library's in the project's own words; `database` is what it is called."""
    state = (error.sqlstate or "") if isinstance(error, psycopg.Error) else ""
    reason = _reason_of(error)
    if state in _SCHEMA_STATES:
        return ConfigurationError(
            f"The schema of the database {database} does not fit this version of ironforge ({reason}). "
            "Run `ironforge db upgrade`."
        )
    if not state:
        refused = next((key for pattern, key in _REFUSALS if re.search(pattern, reason)), "08")
        refused = "53300" if is_full(error) else refused
        return UnreachableError(f"The database {database} can't be reached: {reason}. {_ADVICE[refused]}.")
    advice = next((text for key, text in _ADVICE.items() if state.startswith(key)), "The server's log says more")
    kind = DatabaseError if state[:2] in _OF_THE_WORK else UnreachableError
    kind = BusyError if state in _BUSY_STATES else kind
    return kind(f"The database {database} refused the work: {reason} (SQLSTATE {state}). {advice}.")
