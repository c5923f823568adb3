"""That a question was asked: a benchmark of its command, where whoever asks may write one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.transactions import driver, reader

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.db.transactions import Transaction

_MAY_WRITE: Final = (
    "SELECT has_table_privilege('benchmarks', 'INSERT') AND NOT pg_is_in_recovery()"
    " AND current_setting('transaction_read_only') = 'off'"
)
_NOTE: Final = (
    "/* ironforge noting */ INSERT INTO benchmarks"
    " (operation_type, operation_name, start_time, end_time, duration_seconds, status)"
    " VALUES ('command', %(command)s, %(started_at)s, %(ended_at)s, %(seconds)s, 'success')"
)
_read = reader("noting")


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A command that was answered."""

    command: str
    started_at: datetime
    ended_at: datetime
    seconds: float
    """By a clock that never jumps."""


def note(connection: Transaction, asked: AskedQuestion) -> bool:
    """Write the benchmark of a question, in the caller's transaction; False where this role may not, or here nobody."""
    ((may_write,),) = _read(connection, _MAY_WRITE)
    if not may_write:
        return False
    given = {name: getattr(asked, name) for name in AskedQuestion.__slots__}
    with driver(connection) as speaking:
        # Who was answered is not kept waiting for a row about it.
        speaking.execute("/* ironforge noting */ SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '2s'")
        speaking.execute(_NOTE, given)
    return True
