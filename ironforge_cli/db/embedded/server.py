"""The embedded server as one process sees it: join or start it, use it, and stop it when nobody else does."""

from __future__ import annotations

import atexit
import logging
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from ironforge_cli.db.embedded.accounts import choose_account, own_account
from ironforge_cli.db.embedded.cluster import Cluster, answering_pid
from ironforge_cli.db.embedded.file_lock import FileLock, Hold, holders
from ironforge_cli.db.embedded.folders import (
    PORT,
    explained,
    make_home,
    make_private_folder,
    refuse_network_file_system,
    socket_folder,
    table_of_mounts,
    write_private_file,
)
from ironforge_cli.db.embedded.programs import find_bindir, major_version, reachable_bindir
from ironforge_cli.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import psycopg

    from ironforge_cli.db.embedded.accounts import Account

DATABASE_NAME: Final = "ironforge"

_RETRY_SECONDS: Final = 0.2
_LEAVING: Final = "the database system is shutting down"
_CLOSE_SECONDS: Final = 30.0
_LEAVING_SECONDS: Final = 2.0
# A connection that was just closed stays listed for some milliseconds; one without change for longer is somebody.
_CONNECTED: Final = """\
/* ironforge embedded */
SELECT count(*),
       count(*) FILTER (WHERE greatest(state_change, backend_start) > clock_timestamp() - interval '1 second')
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type IN ('client backend', 'walsender')"""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Locks:
    """`starting` is held around starting and stopping; `using`, shared, for as long as the server is used."""

    starting: FileLock
    using: FileLock

    def close(self) -> None:
        self.using.close()
        self.starting.close()


class EmbeddedServer:
    """A PostgreSQL server of the user's own in `<home>/postgres`, shared with every process that asks for it.

    `environment` is where PATH is read from; `bindir` names the folder of PostgreSQL's programs and `account` whom the
    server runs as when root starts it (`IRONFORGE_PG_BINDIR` and `IRONFORGE_PG_USER`; None chooses). `keep_running`
    leaves the server running after its last user, until `stop`. Nothing is touched before `start`. One object belongs
    to one thread. Connections have to be closed before `close`, which otherwise takes them for somebody else's.

    Every method may raise `ConfigurationError`, for what a person has to put right, and `DatabaseError`, for what may
    pass by itself.
    """

    def __init__(
        self,
        home: Path,
        *,
        environment: Mapping[str, str],
        bindir: Path | None,
        account: str | None,
        keep_running: bool = False,
        start_timeout: float = 120.0,
    ) -> None:
        self._home = home.absolute()
        self._base = self._home / "postgres"
        self._environment = environment
        self._bindir_setting = bindir
        self._account_setting = account
        self._keep_running = keep_running
        self._start_timeout = start_timeout
        self._locks: _Locks | None = None

    def start(self) -> Self:
        """Join the running server or start it, making its data and the database `ironforge` when they are missing.

        Doing it again is harmless, and starts a server anew that has died meanwhile. A process that ends without
        `close` is closed at its exit.
        """
        with explained(self._home):
            held = self._held_locks()
            if held is not None and self.is_running():
                self._cluster.shorten_log()
                return self
            deadline = time.monotonic() + self._start_timeout
            self._prepare_folders()
            self._locks = locks = held or self._open_locks()
            try:
                self._take(locks.starting, Hold.ALONE)
                self._take(locks.using, Hold.SHARED)
                self._bring_up(locks, deadline=deadline)
                locks.starting.release()
            except BaseException:
                locks.close()
                raise
        atexit.unregister(self.close)
        atexit.register(self.close)
        return self

    def make_home(self) -> Path:
        """Make the home where it is missing, so that the server's account can enter it, and return it."""
        with explained(self._home):
            make_home(self._home, account=self._account)
        return self._home

    def close(self) -> None:
        """Leave the server, and stop it when this was its last user and nobody is connected.

        Harmless when done twice, and in a forked child, whose parent goes on using the server.
        """
        locks = self._held_locks()
        atexit.unregister(self.close)
        if locks is None:
            return
        try:
            # Who leaves must not seem to use the server while somebody else holds the start lock to stop it.
            locks.using.release()
            # Whoever has been starting or stopping the server for longer than this will see to its end.
            if locks.starting.take(Hold.ALONE, seconds=_CLOSE_SECONDS):
                self._stop_if_last(locks)
        finally:
            locks.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self, *, force: bool = False, patience: float = 5.0) -> bool:
        """Stop the server, also one that is kept running; False when none ran.

        Other processes of ironforge that use it are waited for during `patience` seconds, then named in a
        `DatabaseError`; with `force` the server is stopped under them. Whoever is connected by hand is disconnected.
        This object's own use of the server ends, too.
        """
        with explained(self._home):
            locks = self._held_locks()
            if locks is None:
                if not self._base.exists():
                    return False
                locks = self._open_locks()
            atexit.unregister(self.close)
            try:
                self._take(locks.starting, Hold.ALONE)
                if not force:
                    _take_for_stop(locks.using, seconds=patience)
                with self._account.acting():
                    self._keep_marker.unlink(missing_ok=True)
                return self._cluster.stop()
            finally:
                locks.close()

    def is_running(self) -> bool:
        """Whether a server answers at the socket."""
        return answering_pid(self._sockets) is not None

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the database, for psycopg 3."""
        return f"postgresql+psycopg://postgres@/{DATABASE_NAME}?host={quote(str(self._sockets))}&port={PORT}"

    @property
    def conninfo(self) -> str:
        """The libpq connection string of the database, for psycopg and psql."""
        return self._conninfo(DATABASE_NAME)

    @property
    def bindir(self) -> Path:
        """The folder of PostgreSQL's programs; of most packages `psql` and `pg_dump` are among them."""
        return self._cluster.bindir

    @property
    def data_folder(self) -> Path:
        """The folder of the database's files."""
        return self._cluster.data

    @property
    def log_path(self) -> Path:
        """The file that the server writes its messages to."""
        return self._base / "server.log"

    @property
    def _keep_marker(self) -> Path:
        return self._base / "keep-running"

    @cached_property
    def _account(self) -> Account:
        return choose_account(self._account_setting, home=self._home, base=self._base)

    @cached_property
    def _sockets(self) -> Path:
        return socket_folder(self._base, uid=self._account.uid)

    @cached_property
    def _cluster(self) -> Cluster:
        bindir = find_bindir(self._bindir_setting, environment=self._environment)
        major = major_version(bindir, runner=own_account(), environment=self._environment)
        return Cluster(
            base=self._base,
            data=self._base / f"pg{major}",
            sockets=self._sockets,
            account=self._account,
            bindir=bindir,
            environment=self._environment,
        )

    def _held_locks(self) -> _Locks | None:
        """The locks that this process holds; closed ones, and those of a forked child's parent, aren't its own."""
        return self._locks if self._locks is not None and self._locks.using.is_open else None

    def _open_locks(self) -> _Locks:
        return _Locks(
            starting=FileLock(self._base / "start.lock", account=self._account),
            using=FileLock(self._base / "use.lock", account=self._account),
        )

    def _take(self, lock: FileLock, hold: Hold) -> None:
        if not lock.take(hold, seconds=self._start_timeout):
            raise DatabaseError(
                f"Another process has been starting or stopping the embedded PostgreSQL for {self._start_timeout:.0f} s"
                f"{_named(holders(lock.path))}. Try again when it is done. The log: {self.log_path}"
            )

    def _prepare_folders(self) -> None:
        refuse_network_file_system(self._base, mounts=table_of_mounts())
        self.make_home()
        make_private_folder(self._base, account=self._account, may_be_link=True)
        make_private_folder(self._sockets, account=self._account)

    def _bring_up(self, locks: _Locks, *, deadline: float) -> None:
        self._cluster.refuse_other_majors()
        self._cluster.shorten_log()
        self._reach(deadline)
        try:
            self._make_database_of_one_that_stays(deadline)
        except BaseException:
            self._stop_if_last(locks)
            raise
        if self._keep_running:
            write_private_file(self._keep_marker, "", account=self._account)

    def _reach(self, deadline: float) -> None:
        while not (self._cluster.join(deadline=deadline) if self._cluster.is_there() else self._launch(deadline)):
            if time.monotonic() > deadline:
                raise DatabaseError(
                    "Processes of an embedded PostgreSQL that was killed are still at work on its data. They end by "
                    f"themselves when their statements do; try again later. The log: {self.log_path}"
                )
            time.sleep(_RETRY_SECONDS)

    def _make_database_of_one_that_stays(self, deadline: float) -> None:
        while True:
            try:
                self._make_database()
            except DatabaseError as error:
                # Somebody stopped the server in the instant after it had answered.
                if _LEAVING not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
                self._reach(deadline)
            else:
                return

    def _launch(self, deadline: float) -> bool:
        self._cluster.clear_leftovers()
        bindir = reachable_bindir(self._cluster.bindir, base=self._base, account=self._account)
        cluster = replace(self._cluster, bindir=bindir)
        if not cluster.exists:
            cluster.initialise()
        return cluster.launch(deadline=deadline)

    def _stop_if_last(self, locks: _Locks) -> None:
        """Stop the server unless somebody needs it; the caller holds the start lock."""
        if self._keep_marker.exists() or not locks.using.take(Hold.ALONE, seconds=0):
            return
        if not self.is_running() or self._is_somebody_connected():
            return
        try:
            self._cluster.stop()
        except DatabaseError as error:
            # The work is done and the server on its way out: no reason to fail now.
            _log.warning("%s", error)

    def _is_somebody_connected(self) -> bool:
        import psycopg  # noqa: PLC0415 - a slow import, which commands without a database should not pay for

        give_up_at = time.monotonic() + _LEAVING_SECONDS
        try:
            with self._connect() as connection:
                while True:
                    connected, changed_lately = connection.execute(_CONNECTED).fetchone() or (0, 0)
                    if not connected:
                        return False
                    if connected > changed_lately or time.monotonic() > give_up_at:
                        _log.info("the embedded PostgreSQL is left running: %d connected by hand", connected)
                        return True
                    time.sleep(_RETRY_SECONDS / 10)
        except psycopg.Error as error:
            _log.warning("The embedded PostgreSQL is left running, since it can't be asked who uses it: %s", error)
            return True

    def _make_database(self) -> None:
        import psycopg  # noqa: PLC0415 - a slow import, which commands without a database should not pay for
        from psycopg import sql  # noqa: PLC0415 - the same

        try:
            with self._connect() as connection:
                known = "/* ironforge embedded */ SELECT 1 FROM pg_database WHERE datname = %s"
                if connection.execute(known, [DATABASE_NAME]).fetchone():
                    return
                create = sql.SQL("/* ironforge embedded */ CREATE DATABASE {} TEMPLATE template0")
                connection.execute(create.format(sql.Identifier(DATABASE_NAME)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            _log.debug("somebody else has just made the database %s", DATABASE_NAME)
        except psycopg.Error as error:
            raise DatabaseError(
                f"The embedded PostgreSQL has started, but its database {DATABASE_NAME} can't be used: {error}. "
                f"Put right what it says, and try again. The log: {self.log_path}"
            ) from error

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        import psycopg  # noqa: PLC0415 - a slow import, which commands without a database should not pay for

        return psycopg.connect(self._conninfo("postgres"), autocommit=True, connect_timeout=10)

    def _conninfo(self, database: str) -> str:
        # The folder was chosen without any character that would have to be escaped between the quotes.
        # An empty hostaddr keeps PGHOSTADDR of the environment from leading elsewhere.
        return f"host='{self._sockets}' hostaddr='' port={PORT} user=postgres dbname={database}"


def _take_for_stop(lock: FileLock, *, seconds: float) -> None:
    if not lock.take(Hold.ALONE, seconds=seconds):
        raise DatabaseError(
            f"Other ironforge processes use the embedded PostgreSQL{_named(holders(lock.path))}. "
            "Try again when they have ended, or stop the server under them with --force."
        )


def _named(pids: list[int]) -> str:
    return f" (process {', '.join(str(pid) for pid in pids)})" if pids else ""
