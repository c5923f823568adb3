"""A pool of connections whose users take turns where the server gives no more of them.

Small plans allow a role few connections. Whoever finds none waits until another thread of the same program gives one
back. No two can wait for each other: who works on a connection waits for no second one, and one connection is always
left for work, whatever else is used to hold locks.
"""

from __future__ import annotations

import contextlib
import threading
import time
from contextvars import ContextVar
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy.pool import Pool

from ironforge_cli.db.refusals import LONGEST_WAIT_SECONDS, PAUSE_SECONDS, is_full
from ironforge_cli.db.silence import UnansweredError

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy.pool import ConnectionPoolEntry

LONGEST_TURN_SECONDS = 300.0
"""How long to wait for a connection that another thread works with, or for the end of another region's cycle."""
WANTED_CONNECTIONS: Final = 7
"""What two regions side by side and the prices of tokens use at most."""

# As many as one cycle of all regions has at once: those beyond would be made anew in each cycle of a window.
_KEPT: Final = 8


class Purpose(Enum):
    """What a connection is wanted for."""

    WORK = "work"
    """Statements; it is given back soon."""
    REGION = "the lock of one region"
    """Given back when the region's cycle ends."""
    RUN = "the locks of the run"
    """Kept for as long as the run has any lock, so that nobody waits for it."""


_purpose: ContextVar[Purpose] = ContextVar("purpose", default=Purpose.WORK)


@contextlib.contextmanager
def wanted_for(purpose: Purpose) -> Generator[None]:
    """Say what the connections that are taken in the block are wanted for."""
    before = _purpose.set(purpose)
    try:
        yield
    finally:
        _purpose.reset(before)


class TurnPool(Pool):
    """As many connections as are wanted and the server gives. Raises as connecting does, after the waiting."""

    # SQLAlchemy would log what its pools do by this module's name, and ironforge's messages are for people.
    _sqla_logger_namespace = "sqlalchemy.pool.TurnPool"

    def __init__(self, creator: Any, **options: Any) -> None:
        super().__init__(creator, **options)
        self._options = {name: value for name, value in options.items() if name != "_dispatch"}
        self._changed = threading.Condition()
        self._idle: list[ConnectionPoolEntry] = []
        self._working = 0
        """Connections that are open for work, idle ones with them."""
        self._holding: dict[ConnectionPoolEntry, Purpose] = {}
        """Those that are used for locks."""
        self._is_disposed = False

    def _do_get(self) -> ConnectionPoolEntry:
        purpose = _purpose.get()
        started = time.monotonic()
        while True:
            with self._changed:
                if (record := self._taken(purpose)) is not None:
                    return record
                needs_reserve = purpose is not Purpose.WORK and not self._working
            try:
                if needs_reserve:
                    self._keep(self._create_connection())
                record = self._create_connection()
            except psycopg.Error as error:
                most = error.longest_turn if isinstance(error, UnansweredError) else LONGEST_TURN_SECONDS
                if not is_full(error) or not self._has_waited(purpose, since=started, most=most):
                    raise
                continue
            with self._changed:
                if purpose is Purpose.WORK:
                    self._working += 1
                else:
                    self._holding[record] = purpose
            return record

    def _taken(self, purpose: Purpose) -> ConnectionPoolEntry | None:
        """An idle connection; the last one for work is given to nobody who would keep it."""
        if not self._idle or (purpose is not Purpose.WORK and self._working == 1):
            return None
        record = self._idle.pop()
        if purpose is not Purpose.WORK:
            self._working -= 1
            self._holding[record] = purpose
        return record

    def _keep(self, record: ConnectionPoolEntry) -> None:
        with self._changed:
            self._working += 1
            self._idle.append(record)
            self._changed.notify_all()

    def _has_waited(self, purpose: Purpose, *, since: float, most: float) -> bool:
        """Wait a little for a connection to come free; False where that has gone on for too long."""
        with self._changed:
            if purpose is Purpose.WORK:
                others = self._working > 0
            else:
                others = self._working > 1 or (purpose is Purpose.REGION and purpose in self._holding.values())
            patience = LONGEST_TURN_SECONDS if others else LONGEST_WAIT_SECONDS
            left = since + min(patience, most) - time.monotonic()
            if left <= 0:
                return False
            # Also other programs make room, of which nobody tells.
            self._changed.wait(min(PAUSE_SECONDS, left))
        return True

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        with self._changed:
            if self._holding.pop(record, None) is not None:
                self._working += 1
            is_open = record.dbapi_connection is not None
            is_kept = is_open and not self._is_disposed and len(self._idle) < _KEPT
            if is_kept:
                self._idle.append(record)
            else:
                self._working -= 1
            self._changed.notify_all()
        if is_open and not is_kept:
            record.close()

    def recreate(self) -> TurnPool:
        """A new pool of the same kind, for what comes after `dispose`."""
        return TurnPool(self._creator, **self._options, _dispatch=self.dispatch)

    def dispose(self) -> None:
        """Close what is idle now, and everything else when it is given back."""
        with self._changed:
            self._is_disposed = True
            idle, self._idle = self._idle, []
            self._working -= len(idle)
        for record in idle:
            record.close()

    def status(self) -> str:
        """How many connections there are, in words."""
        with self._changed:
            return f"{self._working} for work, {len(self._idle)} of them idle; {len(self._holding)} hold locks"
