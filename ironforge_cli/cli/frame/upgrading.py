"""The embedded database's schema, brought up to date beside work that must not wait for it: hours pass for ever."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import schema
from ironforge_cli.errors import DatabaseError, IronforgeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 30.0
"""How long who collects waits for an upgrade: most take a second, and one that builds an index hours."""
_LOOK_SECONDS: Final = 0.2


class Upgrade:
    """One upgrade in a thread of its own, which ends with the process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._error: Exception | None = None
        self._was_waited_for = False
        self._thread = threading.Thread(target=self._run, name="upgrade", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end, whichever."""
        return not self._thread.is_alive()

    @property
    def has_failed(self) -> bool:
        """Whether it has come to a bad end."""
        return self.is_over and self._error is not None

    def require_done(self) -> None:
        """Return when the schema is up to date; the first call waits a while. Raises `DatabaseError` where it is not.

        Raises what the upgrade did where that failed.
        """
        self._thread.join(0 if self._was_waited_for else PATIENCE_SECONDS)
        self._was_waited_for = True
        if self._thread.is_alive():
            raise DatabaseError(
                "The embedded database's schema is being upgraded, which takes a while; pg_stat_activity shows what it "
                "waits for."
            )
        if isinstance(self._error, IronforgeError):
            raise self._error
        if self._error is not None:
            raise DatabaseError(
                f"The embedded database's schema can't be upgraded ({type(self._error).__name__}: {self._error}). Run "
                "`ironforge db upgrade`, and report what it says."
            ) from self._error

    def see_to_its_end(self, *, is_asked_to_stop: Callable[[], bool]) -> None:
        """Let what was begun be done, though the work beside it is; or leave it to another run, where a signal says so.

        The database undoes what is half done then.
        """
        if self._thread.is_alive():
            log.warning("The work is done; this run goes on upgrading the embedded database's schema.")
        while self._thread.is_alive() and not is_asked_to_stop():
            self._thread.join(_LOOK_SECONDS)

    def _run(self) -> None:
        try:
            schema.upgrade(self._database)
        except Exception as error:  # noqa: BLE001 - told by whoever asks, in another thread
            self._error = error
