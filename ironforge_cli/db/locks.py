"""Advisory locks: who may store a region's snapshots now, and which runs are alive.

They are held by a session of the server and end with it, whatever killed their process: nothing is left to clean up.
Behind a pooler, which may give the session to others after each transaction, they are held by a transaction that stays
open, and end with that.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ironforge_cli.db.engine import executor
from ironforge_cli.db.sessions import answers
from ironforge_cli.db.transactions import session_of
from ironforge_cli.db.turns import Purpose
from ironforge_cli.errors import ConfigurationError, LockedError
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

MIGRATION_LOCK: Final = "migrate"
MAINTENANCE_LOCK: Final = "maintain"
"""Held by whoever makes, archives, restores or drops partitions, of any region."""
EXPORT_LOCK: Final = "export"
"""Held by whoever writes statistics, days and token prices into an archive."""
LONGEST_BATCH_SECONDS = 60.0
"""How long to wait for a lock that is held for a batch of a longer work, and given back after it."""

_LOCK_NOT_AVAILABLE: Final = "55P03"
SEED_LOCK: Final = "seed"
"""Held for one seeder's run: each reads what the one before it wrote."""

_execute = executor("locks")
_PLAIN: Final = {"no_parameters": True, "ironforge_slice": "locks"}


def store_lock(region: Region) -> str:
    """Held for one cycle by whoever stores snapshots of a region: collect, poll, replay or recompute."""
    return f"store:{region}"


def poll_lock(region: Region) -> str:
    """Held for a window of attempts by whoever polls a region; a collect can run beside it."""
    return f"poll:{region}"


def recompute_lock(region: Region) -> str:
    """Held by a recomputation from its beginning to its end, while it takes the store lock for a batch at a time."""
    return f"recompute:{region}"


def run_lock(log_id: int) -> str:
    """Held for as long as the owner of a row of scraper_logs lives."""
    return f"run:{log_id}"


def advisory_key(name: str) -> int:
    """The 64-bit key of a lock's name: PostgreSQL names advisory locks by number.

    >>> advisory_key("store:eu") == advisory_key("store:us")
    False
    """
    return int.from_bytes(blake2b(f"ironforge {name}".encode(), digest_size=8).digest(), "big", signed=True)


def acquire(connection: Connection, name: str) -> bool:
    """Take a lock for the connection's session, without waiting; False where another session holds it.

    Behind a pooler it is taken for the connection's transaction. Raises `ConfigurationError` where a session that was
    taken for the server's own turns out to be given to others in between.
    """
    session = session_of(connection)
    lasting = "pg_try_advisory_xact_lock" if session.is_pooled else "pg_try_advisory_lock"
    # Without parameters: of a statement with some, the server keeps what it saw, and every old row with it, until the
    # next one comes.
    asking = f"SELECT {lasting}({advisory_key(name)}), pg_backend_pid()"
    taken, process = connection.exec_driver_sql(asking, execution_options=_PLAIN).one()
    if not session.is_pooled and process != session.info.backend_pid:
        raise ConfigurationError(
            "What the database URL leads to gives the sessions of the server to others in between, as a pooler in "
            "transaction mode does, and hides it: no lock can be kept there. Put it into session mode, or give the "
            "server's own address."
        )
    return bool(taken)


def release(connection: Connection, name: str) -> bool:
    """Give a lock of this session back; False where the session did not hold it.

    Behind a pooler nothing is done: the end of the transaction gives it back.
    """
    if session_of(connection).is_pooled:
        return True
    given = _execute(connection, text("SELECT pg_advisory_unlock(:key)"), {"key": advisory_key(name)})
    return bool(given.scalar_one())


def is_held(connection: Connection, name: str) -> bool:
    """Whether any session of this database holds a lock: reads pg_locks and takes nothing.

    Who waits for a lock waits for its holder: one that is not granted tells the same.
    """
    key = advisory_key(name) & 0xFFFF_FFFF_FFFF_FFFF
    held = _execute(
        connection,
        text(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = :high AND objid::bigint = :low)"
        ),
        {"high": key >> 32, "low": key & 0xFFFF_FFFF},
    )
    return bool(held.scalar_one())


def give_back(connection: Connection, name: str) -> None:
    """Release a lock; a session that has ended meanwhile has released it already, which is no failure of the work."""
    try:
        # Behind a pooler the lock goes with the transaction, of which nothing else would tell that it had ended.
        is_there = is_alive(connection) and release(connection, name)
    except DBAPIError as error:
        connection.invalidate(error)
        is_there = False
    if not is_there:
        log.warning("The session that held the lock %s had ended: the server was restarted or cut it off.", name)


def is_alive(connection: Connection) -> bool:
    """Whether a session is there still, and answers in time; one that does not is not used again."""
    if connection.invalidated or connection.closed:
        return False
    if not answers(session_of(connection)):
        connection.invalidate()
        return False
    return True


class RunLocks:
    """The locks that last as long as a run does, or nearly: all on one connection. Threads may share it.

    Behind a pooler the one transaction gives all of them back, when the last is no longer wanted; until then those
    that are not wanted any more are still seen by others, and given to this run at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mutex = threading.Lock()
        self._open: tuple[ExitStack, Connection] | None = None
        self._wanted: set[str] = set()

    @classmethod
    def of(cls, database: Database) -> RunLocks:
        """The locks of a database's run."""
        with _making:
            if database.run_locks is None:
                database.run_locks = cls(database)
            return database.run_locks

    def take(self, name: str) -> Connection | None:
        """Take a lock and return the connection that holds it; None where somebody else has it. Raises as `connect`."""
        with self._mutex, self._database.errors():
            if self._open is not None and not is_alive(self._open[1]):
                self._close()
            if name in self._wanted:
                return None
            if self._open is None:
                stack = ExitStack()
                self._open = stack, stack.enter_context(self._database.locking(Purpose.RUN))
            connection = self._open[1]
            try:
                is_taken = acquire(connection, name)
            except BaseException:
                if not self._wanted:
                    self._close()
                raise
            if is_taken:
                self._wanted.add(name)
            elif not self._wanted:
                self._close()
            return connection if is_taken else None

    def give_back(self, name: str, connection: Connection) -> None:
        """Release a lock that `take` gave with this connection; that its session has ended is only said."""
        with self._mutex:
            give_back(connection, name)
            if self._open is None or self._open[1] is not connection:
                # Its session had ended, and others have been taken since by another one.
                return
            self._wanted.discard(name)
            if not self._wanted or connection.invalidated:
                self._close()

    def has(self, connection: Connection) -> bool:
        """Whether the session that holds the locks that were taken by it is there still."""
        with self._mutex:
            return is_alive(connection)

    def _close(self) -> None:
        if self._open is not None:
            stack, _ = self._open
            self._open = None
            self._wanted = set()
            stack.close()


_making: Final = threading.Lock()


@contextmanager
def _shared(database: Database, name: str, *, otherwise: str) -> Generator[None]:
    """Hold a lock on the run's connection; raises `LockedError` that says `otherwise` where another has it."""
    locks = RunLocks.of(database)
    connection = locks.take(name)
    if connection is None:
        raise LockedError(otherwise)
    try:
        yield
    finally:
        locks.give_back(name, connection)


@contextmanager
def owning(database: Database, log_id: int) -> Generator[None]:
    """Own a row of scraper_logs: one that says `running` and that nobody owns has crashed."""
    with _shared(database, run_lock(log_id), otherwise=f"Another run owns the row {log_id} of scraper_logs."):
        yield


@contextmanager
def _locked_file(folder: Path, name: str, *, otherwise: str) -> Generator[None]:
    """Hold a `flock` on a file in `folder`, which ends with its process.

    Raises `LockedError` that says `otherwise`, and `ConfigurationError` where the folder refuses.
    """
    try:
        with owners_rights(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            stream = (folder / f"{name}.lock").open("ab")
    except OSError as error:
        raise ConfigurationError(
            f"The lock in {folder} can't be made ({error.strerror or error}). Make room or correct its permissions, "
            "or set IRONFORGE_HOME to another folder."
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(otherwise) from error
        yield


def storing_in(folder: Path, region: Region) -> AbstractContextManager[None]:
    """Be the only one who spools snapshots of a region, while there is no database to hold a lock.

    Entering raises `LockedError`, and `ConfigurationError` where the folder refuses.
    """
    return _locked_file(
        folder, f"store-{region}", otherwise=f"Another run is spooling {region.label} snapshots: nothing is lost."
    )


class Polling:
    """Being the only one who polls a region, on this machine by a `flock`, and anywhere by the database's lock.

    The database's ends with its session, which a restart of the server ends, and is taken again by `hold`. One object
    belongs to one thread.
    """

    def __init__(self, region: Region, *, folder: Path) -> None:
        self._region = region
        self._name = poll_lock(region)
        self._told = (
            f"Another run is polling {region.label} and does this work: nothing is lost. If that is said hour after "
            "hour, see who holds the lock, in pg_locks, and end it."
        )
        self._file = _locked_file(folder, f"poll-{region}", otherwise=self._told)
        self._held: tuple[RunLocks, Connection] | None = None

    def __enter__(self) -> Self:
        """Take the lock of this machine. Raises `LockedError`, and `ConfigurationError` where the folder refuses."""
        self._file.__enter__()
        return self

    def __exit__(self, *ending: object) -> None:
        if self._held is not None:
            locks, connection = self._held
            self._held = None
            locks.give_back(self._name, connection)
        self._file.__exit__(None, None, None)

    def hold(self, database: Database) -> None:
        """Have the database's lock, too. Raises `LockedError` where somebody else has it, and as the database does."""
        if self._held is not None and self._held[0].has(self._held[1]):
            return
        self._held = None
        locks = RunLocks.of(database)
        connection = locks.take(self._name)
        if connection is None:
            raise LockedError(self._told)
        self._held = locks, connection


@contextmanager
def storing(database: Database, region: Region, *, at_once: bool = False) -> Generator[None]:
    """Be the only one who stores snapshots of a region.

    The lock has a connection of its own, so that no rollback and no pool gives it back early. A recomputation holds it
    for a batch at a time, whose end is waited for, unless `at_once`: PostgreSQL gives it to who waits first. Raises
    `LockedError` where another run holds it.
    """
    name = store_lock(region)
    with database.locking(Purpose.REGION) as connection:
        if not acquire(connection, name):
            waits = not at_once and is_held(connection, recompute_lock(region))
            if not waits or not _acquire_waiting(connection, name, seconds=LONGEST_BATCH_SECONDS):
                raise LockedError(
                    f"Another run is storing {region.label} snapshots and does this work: nothing is lost. "
                    "Try again when it is done."
                )
        try:
            yield
        finally:
            give_back(connection, name)


@contextmanager
def seeding(database: Database) -> Generator[None]:
    """Be the only one who seeds recipes, reagents or items. Raises `LockedError` where another run does."""
    told = "Another run is seeding and does this work. Try again when it is done."
    with _shared(database, SEED_LOCK, otherwise=told):
        yield


@contextmanager
def maintaining(database: Database) -> Generator[None]:
    """Be the only one who looks after partitions; raises `LockedError` where another run does."""
    told = "Another run is looking after the partitions, and does this work."
    with _shared(database, MAINTENANCE_LOCK, otherwise=told):
        yield


@contextmanager
def exporting(database: Database) -> Generator[None]:
    """Be the only one who writes statistics into an archive; raises `LockedError` where another run does."""
    told = "Another run is exporting, and does this work. Try again when it is done."
    with _shared(database, EXPORT_LOCK, otherwise=told):
        yield


@contextmanager
def recomputing(database: Database, region: Region) -> Generator[None]:
    """Be the only one who recomputes a region, and let who stores meanwhile know; raises `LockedError`."""
    told = f"Another run is recomputing {region.label} statistics. Try again when it is done."
    with _shared(database, recompute_lock(region), otherwise=told):
        yield


@contextmanager
def watching(database: Database, watch: str, *, otherwise: str) -> Generator[None]:
    """Be the only one who runs a watch; raises `LockedError` that says `otherwise` where another run does."""
    with _shared(database, f"watch:{watch}", otherwise=otherwise):
        yield


def watching_in(folder: Path, name: str, *, otherwise: str) -> AbstractContextManager[None]:
    """The same by a file in a folder, which belongs to one machine.

    Entering raises `LockedError`, and `ConfigurationError` where the folder refuses.
    """
    return _locked_file(folder, name, otherwise=otherwise)


def _acquire_waiting(connection: Connection, name: str, *, seconds: float) -> bool:
    """Take a lock as `acquire` does, but wait for it; False where it is not given back within some seconds."""
    session = session_of(connection)
    lasting = "pg_advisory_xact_lock" if session.is_pooled else "pg_advisory_lock"
    # Sent as one, both are one transaction: the limit is left to nobody.
    waiting = f"SET LOCAL lock_timeout = '{seconds * 1_000:.0f}ms'; SELECT {lasting}({advisory_key(name)})"
    try:
        connection.exec_driver_sql(waiting, execution_options=_PLAIN)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True
