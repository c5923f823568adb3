"""Advisory locks: who may store a region's snapshots now, and which runs are alive.

They are held by a session of the server and end with it, whatever killed their process: nothing is left to clean up.
"""

from __future__ import annotations

import fcntl
import logging
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ironforge_cli.db.engine import executor
from ironforge_cli.errors import ConfigurationError, LockedError

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
"""Held by whoever writes statistics and token prices into an archive."""
LONGEST_BATCH_SECONDS = 60.0
"""How long to wait for a lock that is held for a batch of a longer work, and given back after it."""

_LOCK_NOT_AVAILABLE: Final = "55P03"
SEED_LOCK: Final = "seed"
"""Held for one seeder's run: each reads what the one before it wrote."""

_execute = executor("locks")


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
    """Take a lock for the connection's session, without waiting; False where another session holds it."""
    taken = _execute(connection, text("SELECT pg_try_advisory_lock(:key)"), {"key": advisory_key(name)})
    return bool(taken.scalar_one())


def release(connection: Connection, name: str) -> None:
    """Give a lock of this session back."""
    _execute(connection, text("SELECT pg_advisory_unlock(:key)"), {"key": advisory_key(name)})


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
        release(connection, name)
    except DBAPIError as error:
        connection.invalidate(error)
        log.warning("The session that held the lock %s had ended: the server was restarted or cut it off.", name)


@contextmanager
def _locked_file(folder: Path, name: str, *, otherwise: str) -> Generator[None]:
    """Hold a `flock` on a file in `folder`, which ends with its process.

    Raises `LockedError` that says `otherwise`, and `ConfigurationError` where the folder refuses.
    """
    try:
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
        self._session: tuple[ExitStack, Connection] | None = None

    def __enter__(self) -> Self:
        """Take the lock of this machine. Raises `LockedError`, and `ConfigurationError` where the folder refuses."""
        self._file.__enter__()
        return self

    def __exit__(self, *ending: object) -> None:
        if self._session is not None:
            stack, connection = self._session
            self._session = None
            with stack:
                give_back(connection, self._name)
        self._file.__exit__(None, None, None)

    def hold(self, database: Database) -> None:
        """Have the database's lock, too. Raises `LockedError` where somebody else has it, and as the database does."""
        if self._session is not None and self._is_alive():
            return
        with ExitStack() as stack:
            connection = stack.enter_context(database.connect(autocommit=True))
            if not acquire(connection, self._name):
                raise LockedError(self._told)
            self._session = stack.pop_all(), connection

    def _is_alive(self) -> bool:
        if self._session is None:
            return False
        stack, connection = self._session
        try:
            _execute(connection, text("SELECT 1"))
        except DBAPIError as error:
            connection.invalidate(error)
            self._session = None
            stack.close()
            return False
        return True


@contextmanager
def storing(database: Database, region: Region, *, at_once: bool = False) -> Generator[None]:
    """Be the only one who stores snapshots of a region.

    The lock has a connection of its own, so that no rollback and no pool gives it back early. A recomputation holds it
    for a batch at a time, whose end is waited for, unless `at_once`: PostgreSQL gives it to who waits first. Raises
    `LockedError` where another run holds it.
    """
    name = store_lock(region)
    with database.connect(autocommit=True) as connection:
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
    with database.connect(autocommit=True) as connection:
        if not acquire(connection, SEED_LOCK):
            raise LockedError("Another run is seeding and does this work. Try again when it is done.")
        try:
            yield
        finally:
            give_back(connection, SEED_LOCK)


@contextmanager
def maintaining(database: Database) -> Generator[None]:
    """Be the only one who looks after partitions; raises `LockedError` where another run does."""
    with database.connect(autocommit=True) as connection:
        if not acquire(connection, MAINTENANCE_LOCK):
            raise LockedError("Another run is looking after the partitions, and does this work.")
        try:
            yield
        finally:
            give_back(connection, MAINTENANCE_LOCK)


@contextmanager
def exporting(database: Database) -> Generator[None]:
    """Be the only one who writes statistics into an archive; raises `LockedError` where another run does."""
    with database.connect(autocommit=True) as connection:
        if not acquire(connection, EXPORT_LOCK):
            raise LockedError("Another run is exporting, and does this work. Try again when it is done.")
        try:
            yield
        finally:
            give_back(connection, EXPORT_LOCK)


@contextmanager
def recomputing(database: Database, region: Region) -> Generator[None]:
    """Be the only one who recomputes a region, and let who stores meanwhile know; raises `LockedError`."""
    name = recompute_lock(region)
    with database.connect(autocommit=True) as connection:
        if not acquire(connection, name):
            raise LockedError(f"Another run is recomputing {region.label} statistics. Try again when it is done.")
        try:
            yield
        finally:
            give_back(connection, name)


def _acquire_waiting(connection: Connection, name: str, *, seconds: float) -> bool:
    """Take a lock for the connection's session; False where it is not given back within some seconds."""
    usual = _execute(connection, text("SELECT current_setting('lock_timeout')")).scalar_one()
    setting = text("SELECT set_config('lock_timeout', :limit, false)")
    _execute(connection, setting, {"limit": f"{seconds * 1_000:.0f}ms"})
    try:
        _execute(connection, text("SELECT pg_advisory_lock(:key)"), {"key": advisory_key(name)})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    finally:
        # Pooled connections keep their settings; one that broke off is not used again.
        if not connection.invalidated:
            _execute(connection, setting, {"limit": usual})
    return True
