"""A database as a command that asks one question reads it: a session of psycopg's, and no library beside it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ironforge_cli.db.addresses import conninfo, described
from ironforge_cli.db.refusals import LONGEST_WAIT_SECONDS, PAUSE_SECONDS, explained, is_full
from ironforge_cli.db.sessions import Session, answers

if TYPE_CHECKING:
    from collections.abc import Generator


class DatabaseToRead:
    """One PostgreSQL database, read by one thread, a transaction after the other, in one session."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.description = described(url)
        self._session: Session | None = None
        self._is_in_use = False

    @contextmanager
    def transaction(self) -> Generator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises `DatabaseError` or, where the schema doesn't fit, `ConfigurationError`; also for what the caller's
        block does with the session. `RuntimeError` where one lasts already: there is one session.
        """
        if self._is_in_use:
            raise RuntimeError("a transaction of this database to read lasts still: look at it once for both questions")
        self._is_in_use = True
        try:
            session = self._found()
            session.begin()
            try:
                yield session
            except BaseException:
                self._give_up(session)
                raise
            session.commit()
        except psycopg.Error as error:
            raise explained(error, self.description) from error
        finally:
            self._is_in_use = False

    def _found(self) -> Session:
        """The session, which is opened where there is none that answers."""
        kept, self._session = self._session, None
        if kept is not None and answers(kept):
            self._session = kept
            return kept
        if kept is not None:
            kept.close()
        options: dict[str, Any] = conninfo_to_dict(conninfo(self.url))
        ends = time.monotonic() + LONGEST_WAIT_SECONDS
        while True:
            try:
                self._session = Session.open(options, described=self.description)
            except psycopg.Error as error:
                # Of a server without room only other programs can make some, of which nobody tells.
                if not is_full(error) or time.monotonic() >= ends:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return self._session

    def _give_up(self, session: Session) -> None:
        """End a transaction that failed; what its session can't say any more, the server finds out."""
        try:
            session.rollback()
        except psycopg.Error:
            self.close()

    def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            self._session.close()
            self._session = None
