"""PostgreSQL servers for tests: the embedded one, and Debian's as an operator's own, both thrown away at the end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ironforge_cli.db import schema
from ironforge_cli.db.embedded import EmbeddedServer
from ironforge_cli.db.engine import Database, conninfo

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy import Connection

TEMPLATE = "ironforge_template"
_RESTARTS = 50
_KNOWS_STRATEGIES = 150_000
PASSWORD = "only-for-tests"  # noqa: S105 - of a server that lives as long as the tests
# A crash of the machine may lose what tests wrote, and no test's tables live long enough to be worth a vacuum.
_FAST = "fsync = off\nfull_page_writes = off\nmax_wal_size = 256MB\nautovacuum = off\n"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - only a folder with a name of its own is made in it
_ROOM = 2_000_000_000


class TestServer:
    """A running server that hands out databases with the schema in them."""

    __test__ = False

    def __init__(
        self,
        admin_url: str,
        *,
        embedded: EmbeddedServer | None = None,
        restart: Callable[[], None] | None = None,
    ) -> None:
        self.admin_url = admin_url
        self._embedded = embedded
        self._restart = restart
        self._admin: psycopg.Connection[Any] = psycopg.connect(conninfo(admin_url), autocommit=True)
        if not self._has(TEMPLATE):
            self._create(TEMPLATE)
            database = Database(self.url_of(TEMPLATE))
            schema.upgrade(database)
            database.close()

    def url_of(self, name: str) -> str:
        """The URL of one of the server's databases."""
        head, _, query = self.admin_url.partition("?")
        return head.rpartition("/")[0] + "/" + name + (f"?{query}" if query else "")

    @contextmanager
    def empty_database(self, *, encoding: str = "UTF8") -> Generator[str]:
        """The URL of a database without a schema."""
        with self._made(template=None, encoding=encoding) as url:
            yield url

    @contextmanager
    def migrated_database(self) -> Generator[str]:
        """The URL of a database with the newest schema and nothing in it."""
        with self._made(template=TEMPLATE) as url:
            yield url

    @contextmanager
    def prepared_database(self, name: str, prepare: Callable[[Connection], None]) -> Generator[str]:
        """The URL of a migrated database as `prepare` leaves it, which is called for the first one of that name."""
        template = f"ironforge_{name}"
        if not self._has(template):
            self._create(template, template=TEMPLATE)
            database = Database(self.url_of(template))
            with database.transaction() as connection:
                prepare(connection)
            database.close()
        with self._made(template=template) as url:
            yield url

    def let_in(self, url: str, *, anybody: bool) -> None:
        """Open a database of the server to everybody, or close it and cut off whoever is in it."""
        name = url.partition("?")[0].rpartition("/")[2]
        self._admin.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), sql.Literal(anybody))
        )
        if not anybody:
            self._admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    def kill_and_restart(self) -> None:
        """End the server as a power cut does, and start it again."""
        if self._restart is not None:
            self._admin.close()
            self._restart()
            self._admin = psycopg.connect(conninfo(self.admin_url), autocommit=True)
            return
        if self._embedded is None:
            raise TypeError("this server can't be killed")
        pid = int((self._embedded.data_folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        self._admin.close()
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)
        # A backend that was just forked holds the listening socket for an instant longer than the server lives.
        for attempt in range(_RESTARTS):
            self._embedded.start()
            try:
                self._admin = psycopg.connect(conninfo(self.admin_url), autocommit=True)
            except psycopg.OperationalError:
                if attempt == _RESTARTS - 1:
                    raise
                time.sleep(0.1)
            else:
                return

    def close(self) -> None:
        """Let the server go."""
        self._admin.close()

    def _has(self, name: str) -> bool:
        return self._admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None

    @contextmanager
    def _made(self, *, template: str | None, encoding: str = "UTF8") -> Generator[str]:
        name = f"t_{uuid4().hex[:12]}"
        self._create(name, template=template, encoding=encoding)
        try:
            yield self.url_of(name)
        finally:
            self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _create(self, name: str, *, template: str | None = None, encoding: str = "UTF8") -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING {}").format(
            sql.Identifier(name), sql.Identifier(template or "template0"), sql.Literal(encoding)
        )
        if self._admin.info.server_version >= _KNOWS_STRATEGIES:
            # Copied block by block through the log, which is the default, it costs four times the CPU.
            statement += sql.SQL(" STRATEGY FILE_COPY")
        if encoding != "UTF8":
            # Only the locale C goes with every encoding.
            statement += sql.SQL(" LOCALE_PROVIDER libc LOCALE 'C'")
        self._admin.execute(statement)


@contextmanager
def open_folder() -> Generator[Path]:
    """A folder with a short path that another account can pass through: sockets and servers need both.

    It is in memory where there is room and programs may be run: on disk, making and dropping a database of a test costs
    ten times as much.
    """
    folder = Path(tempfile.mkdtemp(prefix="ironforge-", dir=folder_in_memory()))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def folder_in_memory() -> Path | None:
    """A folder whose files are in memory; None where there is none with enough room, or programs may not run in it."""
    try:
        found = os.statvfs(_IN_MEMORY)
    except OSError:
        return None
    is_open = os.access(_IN_MEMORY, os.W_OK) and not found.f_flag & os.ST_NOEXEC
    return _IN_MEMORY if is_open and found.f_bavail * found.f_frsize > _ROOM else None


@contextmanager
def embedded_server(running: str | None = None) -> Generator[TestServer]:
    """The embedded server, in a home of its own, or one that runs already in the home `running`."""
    with contextlib.ExitStack() as made:
        home = Path(running) if running else made.enter_context(open_folder()) / "home"
        server = EmbeddedServer(home, environment=os.environ, bindir=None, account=None)
        server.make_home()
        with server:
            with psycopg.connect(server.conninfo, autocommit=True) as connection:
                for line in _FAST.splitlines():
                    name, _, value = line.partition(" = ")
                    connection.execute(
                        sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
                    )
                connection.execute("SELECT pg_reload_conf()")
            tests = TestServer(server.url, embedded=server)
            try:
                yield tests
            finally:
                tests.close()


def debian_programs() -> Path | None:
    """The folder of an installed PostgreSQL's programs, the newest; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def external_server(programs: Path) -> Generator[TestServer]:
    """A server as an operator runs one: over TCP, with a password, as an account of its own."""
    with open_folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        identity = _identity(folder)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        cluster = folder / "cluster"
        initdb = [programs / "initdb", "-D", cluster, "-U", "operator", "-A", "scram-sha-256", "--pwfile", secret]
        subprocess.run([*initdb, "-E", "UTF8", "--no-locale"], check=True, capture_output=True, cwd="/", **identity)
        taken.close()
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", f"unix_socket_directories={folder}"]
        fast = [part for line in _FAST.splitlines() for part in ("-c", line.replace(" ", ""))]
        url = f"postgresql://operator:{PASSWORD}@127.0.0.1:{port}/postgres"

        def started() -> subprocess.Popen[Any]:
            process = subprocess.Popen(
                [programs / "postgres", "-D", cluster, *settings, *fast],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                **identity,
            )
            wait_for(url, process)
            return process

        def restart() -> None:
            nonlocal process
            # An immediate shutdown: nothing is written, and the start recovers as after a crash.
            process.send_signal(signal.SIGQUIT)
            process.wait()
            process = started()

        process = started()
        try:
            tests = TestServer(url, restart=restart)
            try:
                yield tests
            finally:
                tests.close()
        finally:
            # A fast shutdown: a smart one would wait for connections that a failed test left open.
            process.send_signal(signal.SIGINT)
            process.wait()


def pgbouncer() -> str | None:
    """The program of an installed PgBouncer; None where there is none."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


@contextmanager
def pooler(program: str, server: TestServer, *, mode: str, size: int = 10, more: str = "") -> Generator[str]:
    """The address of a PgBouncer before a server, of which each user gets `size` sessions; it ends with the block.

    `more` are further lines of its settings.
    """
    parts = conninfo_to_dict(conninfo(server.admin_url))
    with open_folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={parts['host']} port={parts['port']} user={parts['user']} password={PASSWORD}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =\n"
            f"pool_mode = {mode}\ndefault_pool_size = {size}\nmax_client_conn = 200\nlogfile = {folder}/log\n{more}"
        )
        identity = _identity(folder)
        taken.close()
        process = subprocess.Popen(
            [program, "-q", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **identity
        )
        address = f"postgresql://anybody@127.0.0.1:{port}"
        try:
            wait_for(f"{address}/postgres", process)
            yield address
        finally:
            # It has nothing to save. Every other signal may be one that it was started to ignore, as in the background.
            process.kill()
            process.wait()


def _identity(folder: Path) -> dict[str, Any]:
    """Under which account programs are started that refuse to run as root; a folder is made its own."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres" if _has("postgres") else "nobody")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _has(account: str) -> bool:
    return any(entry.pw_name == account for entry in pwd.getpwall())


def wait_for(url: str, process: subprocess.Popen[Any]) -> None:
    """Wait until a server answers; raises where it has ended instead."""
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            if process.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    # For runs of tests that come one after the other: says where the server is, and ends with its standard input.
    with open_folder() as _folder:
        _home = str(_folder / "home")
        with embedded_server(_home):
            print(_home, flush=True)  # noqa: T201 - whoever started it reads this
            sys.stdin.read()
