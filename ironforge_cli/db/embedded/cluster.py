"""One data folder of PostgreSQL: how its server is made, started, found and stopped; not who may do so, and when."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.embedded.folders import PORT, SOCKET_NAME, write_private_file
from ironforge_cli.errors import ConfigurationError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ironforge_cli.db.embedded.accounts import Account

_PAUSE_SECONDS: Final = 0.01
_SETTLE_SECONDS: Final = 1.0
_SHUTDOWN_SECONDS: Final = 60.0
_INITDB_SECONDS: Final = 600.0
_LARGEST_LOG: Final = 5_000_000
_FIRST_WITH_BUILTIN_LOCALES: Final = 17
_STATUS_LINE: Final = 7
# A server that was killed leaves children behind that end by themselves; a client that was killed, a server just begun.
_PASSING_TROUBLE: Final = re.compile(r"pre-existing shared memory block|lock file \"postmaster\.pid\" already exists")
_UNKNOWN: Final = 0

_SETTINGS: Final = """\
# Written by ironforge at each start of its server. Your own settings belong into user.conf beside this file.
listen_addresses = ''
unix_socket_permissions = 0700
# Shared memory in files: systemd removes a user's POSIX shared memory when the user logs out.
dynamic_shared_memory_type = mmap
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
checkpoint_timeout = 15min
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 256MB
max_connections = 50
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
"""
_USER_SETTINGS: Final = """\
# PostgreSQL settings of your own. They win over ironforge.conf, and this file is never overwritten.
# Only the socket's folder and its port are fixed: ironforge must find the server.
"""
_INCLUDES: Final = """
include_if_exists = '../ironforge.conf'
include_if_exists = '../user.conf'
"""


@dataclass(frozen=True, slots=True)
class LockFile:
    """What `postmaster.pid` says: the server's process id, and whether it has come up."""

    pid: int
    ready: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data folder `data` in `base`, of the major version of the programs in `bindir`, whose socket lies in `sockets`.

    `environment` is the caller's.
    """

    base: Path
    data: Path
    sockets: Path
    account: Account
    bindir: Path
    environment: Mapping[str, str]

    @property
    def major(self) -> int:
        """The major version, which names the data folder."""
        return int(self.data.name.removeprefix("pg"))

    @property
    def log(self) -> Path:
        """What the server has said; the end of what it said before is kept as `server.log.1`."""
        return self.base / "server.log"

    @property
    def exists(self) -> bool:
        """Whether the data folder has been made."""
        return (self.data / "PG_VERSION").exists()

    def refuse_other_majors(self) -> None:
        """Raise `ConfigurationError` when there is data of another major version, and none of this one."""
        if self.exists:
            return
        others = sorted(int(path.name[2:]) for path in self.base.glob("pg*") if path.name[2:].isdecimal())
        if others:
            raise ConfigurationError(
                f"The data in {self.base} was made by PostgreSQL {others[-1]}, but the programs in {self.bindir} are "
                f"version {self.major}, which can't read it. Set IRONFORGE_PG_BINDIR to the folder of PostgreSQL "
                f"{others[-1]}'s programs, or IRONFORGE_HOME to another folder."
            )

    def initialise(self) -> None:
        """Make the data folder: elsewhere first, then renamed, so that there is never half a one.

        Raises `ConfigurationError` with what PostgreSQL says when it can't be made, for want of space and the like.
        """
        if not self.account.named:
            raise ConfigurationError(
                f"PostgreSQL can't make its data folder as user {self.account.uid}, which has no name on this system. "
                "Run ironforge as a user listed in /etc/passwd, or set IRONFORGE_DATABASE_URL to a PostgreSQL server."
            )
        draft = self.base / f"tmp-{os.getpid()}"
        # Byte order and fixed character classes need no library whose next version could sort otherwise.
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command = [
            *(self.bindir / "initdb", "-D", draft, "-U", "postgres", "--encoding=UTF8", "--no-locale"),
            *("--data-checksums", "--auth-local=trust", "--auth-host=reject"),
            *(builtin if self.major >= _FIRST_WITH_BUILTIN_LOCALES else []),
        ]
        try:
            done = self.account.run(command, environment=self.environment, seconds=_INITDB_SECONDS)
            if done.returncode != 0:
                said = (done.stderr.strip() or done.stdout.strip())[-800:]
                raise ConfigurationError(
                    f"PostgreSQL couldn't make its data folder in {self.base}. Put right what it says, and try again:"
                    f"\n{_indented(said)}"
                )
            with self.account.acting():
                with (draft / "postgresql.conf").open("a", encoding="utf-8") as settings:
                    settings.write(_INCLUDES)
                    settings.flush()
                    os.fsync(settings.fileno())
                draft.rename(self.data)
                _sync_folder(self.base)
        except subprocess.TimeoutExpired as error:
            raise DatabaseError(
                f"PostgreSQL hasn't made its data folder within {_INITDB_SECONDS:.0f} s. Is the disk of {self.base} "
                "overloaded? Try again later."
            ) from error
        finally:
            with self.account.acting():
                shutil.rmtree(draft, ignore_errors=True)

    def clear_leftovers(self) -> None:
        """Remove what a killed process left half made."""
        with self.account.acting():
            base = os.open(self.base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # What root made in former versions only root can remove: from this very folder, and through no link.
            for name in os.listdir(base):  # noqa: PTH208 - a descriptor has no path
                if name.startswith("tmp-"):
                    shutil.rmtree(name, ignore_errors=True, dir_fd=base)
        finally:
            os.close(base)

    def shorten_log(self) -> None:
        """Empty the server's log where it has grown long, also while it is written, and keep its end beside it.

        A server that is kept running for months has no other to do it. It appends, so that it goes on at the new end;
        what it says between the copy and the emptying is lost.
        """
        with self.account.acting():
            try:
                log = os.fdopen(os.open(self.log, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), "r+b")
            except FileNotFoundError:
                return
            with log:
                size = os.fstat(log.fileno()).st_size
                if size <= _LARGEST_LOG:
                    return
                log.seek(size - _LARGEST_LOG)
                former = self.log.with_name("server.log.1")
                former.unlink(missing_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                with os.fdopen(os.open(former, flags, 0o600), "wb") as kept:
                    kept.write(log.read(_LARGEST_LOG))
                log.truncate(0)

    def lock_file(self) -> LockFile | None:
        """What `postmaster.pid` says; None when it isn't there, or not yet whole."""
        try:
            with self.account.acting():
                lines = (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return None
        if not lines or not lines[0].isdecimal():
            return None
        return LockFile(pid=int(lines[0]), ready=[line.strip() for line in lines[_STATUS_LINE:]] == ["ready"])

    def is_there(self) -> bool:
        """Whether a server of this data folder runs, in whatever state."""
        return answering_pid(self.sockets) is not None or self._own_server_pid() is not None

    def join(self, *, deadline: float) -> bool:
        """Wait until the running server is ready; False when it has gone instead.

        `deadline` is a time of the monotonic clock. Raises `DatabaseError` when the server isn't ready by then, and
        `ConfigurationError` when it can't be spoken to.
        """
        settled_at = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            answering, lock = answering_pid(self.sockets), self.lock_file()
            if answering is None and self._own_server_pid() is None:
                return False
            matches = lock is not None and answering in (lock.pid, _UNKNOWN)
            if lock is not None and lock.ready and matches:
                return True
            if time.monotonic() > settled_at:
                if answering is None and lock is not None and lock.ready:
                    raise ConfigurationError(
                        f"The embedded PostgreSQL runs as process {lock.pid} but doesn't answer in {self.sockets}. "
                        f"Stop it with `kill -INT {lock.pid}`, and try again."
                    )
                if answering is not None and not matches:
                    raise ConfigurationError(
                        f"Another PostgreSQL (process {answering}), not that of {self.data}, answers in "
                        f"{self.sockets}. Stop it with `kill -INT {answering}`, and try again."
                    )
            time.sleep(_PAUSE_SECONDS)
        raise self._not_ready_in_time()

    def launch(self, *, deadline: float) -> bool:
        """Start the server and wait until it is ready; False when it ended for a reason that passes by itself.

        `deadline` is a time of the monotonic clock. Raises `DatabaseError` when the server isn't ready by then (it goes
        on) or has ended, with the last lines of its log.
        """
        write_private_file(self.base / "ironforge.conf", _SETTINGS, account=self.account)
        if not (self.base / "user.conf").exists():
            write_private_file(self.base / "user.conf", _USER_SETTINGS, account=self.account)
        # Nobody answers there; a process id in that file that was given to another program since would be in the way.
        with self.account.acting():
            (self.sockets / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        self.shorten_log()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with self.account.acting():
            descriptor = os.open(self.log, flags, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            log_begins_at = log.seek(0, os.SEEK_END)
            # Command-line settings can't be overridden: without this socket nobody would find the server.
            where = ["-c", f"unix_socket_directories={self.sockets}", "-c", f"port={PORT}"]
            child = self.account.launch(
                [self.bindir / "postgres", "-D", self.data, *where],
                environment=self.environment,
                log=log,
                extra=self._claim_over_stale_lock(),
            )
        # Somebody has to wait for the child, or it would stay a zombie for as long as this process lives.
        threading.Thread(target=child.wait, daemon=True).start()
        try:
            return self._wait_for_child(child, deadline=deadline, log_begins_at=log_begins_at)
        except (KeyboardInterrupt, SystemExit):
            child.send_signal(signal.SIGINT)
            raise

    def _wait_for_child(self, child: subprocess.Popen[bytes], *, deadline: float, log_begins_at: int) -> bool:
        while time.monotonic() < deadline:
            ended = child.poll()
            if ended is not None:
                with self.account.acting(), self.log.open("rb") as log:
                    log.seek(log_begins_at)
                    said = log.read().decode(errors="replace")
                if _PASSING_TROUBLE.search(said):
                    return False
                last = "\n".join(said.strip().splitlines()[-8:])
                raise DatabaseError(
                    f"The embedded PostgreSQL ended while starting (exit code {ended}). Put right what it says, and "
                    f"try again; all of it is in {self.log}:\n{_indented(last)}"
                )
            # A stale file also says "ready", but of another process.
            lock = self.lock_file()
            if lock is not None and lock.ready and lock.pid == child.pid:
                return True
            time.sleep(_PAUSE_SECONDS)
        raise self._not_ready_in_time()

    def stop(self) -> bool:
        """End the server as PostgreSQL's fast shutdown does, and wait for it; False when none ran.

        Raises `DatabaseError` when it hasn't ended after a minute, or can't be signalled from here.
        """
        pid = answering_pid(self.sockets)
        if pid is None:
            pid = self._own_server_pid()
        if pid is None:
            return False
        if pid == _UNKNOWN:
            raise DatabaseError(
                f"The embedded PostgreSQL of {self.data} runs where this process can't signal it, such as in another "
                "container. Stop it there."
            )
        try:
            os.kill(pid, signal.SIGINT)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        while _is_running(pid):
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"The embedded PostgreSQL (process {pid}) is still shutting down after {_SHUTDOWN_SECONDS:.0f} s; "
                    f"it goes on by itself. Its log: {self.log}"
                )
            time.sleep(_PAUSE_SECONDS)
        return True

    def _not_ready_in_time(self) -> DatabaseError:
        return DatabaseError(
            "The embedded PostgreSQL is still coming up, which takes long after a crash; it goes on by itself. "
            f"Try again in some minutes. Its log: {self.log}"
        )

    def _claim_over_stale_lock(self) -> dict[str, str]:
        """What makes PostgreSQL ignore a `postmaster.pid` whose process id belongs to an unrelated process by now.

        That happens after a reboot, and in containers, whose ids repeat. The file itself is never deleted: it is what
        keeps two servers off one data folder. PostgreSQL takes its parent's parent for no rival; Patroni does the same.
        """
        lock = self.lock_file()
        if lock is None or not _is_known(lock.pid) or self._own_server_pid() is not None:
            return {}
        return {"PG_GRANDPARENT_PID": str(lock.pid)}

    def _own_server_pid(self) -> int | None:
        """The process that `postmaster.pid` names, if it runs and is a PostgreSQL on this data folder."""
        lock = self.lock_file()
        if lock is None or not _is_running(lock.pid):
            return None
        if sys.platform == "linux":
            process = Path(f"/proc/{lock.pid}")
            try:
                is_postgres = "postgres" in (process / "comm").read_text(errors="replace")
                is_own = is_postgres and (process / "cwd").samefile(self.data)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                # Gone by now, or another user's.
                return None
        else:
            # As `launch` says it: what else works on a file there names the folder, too.
            is_own = f"postgres -D {self.data}" in _command_line(lock.pid)
        return lock.pid if is_own else None


def answering_pid(sockets: Path) -> int | None:
    """The process id of the server that answers in the folder `sockets`; None without one, 0 when it can't be known.

    A server is there when its socket accepts a connection, and never because of what a file says.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(sockets / SOCKET_NAME))
        except BlockingIOError:
            # The queue of those who want to connect is full: busy, but there.
            return _UNKNOWN
        except OSError:
            return None
        return _peer_pid(client)


def _peer_pid(client: socket.socket) -> int:
    """Who listens at the other end of a Unix socket; 0 when it is in another container, or the system can't tell."""
    if sys.platform == "linux":
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", credentials)[0]
        return pid
    local_level, local_peer_pid = 0, 2  # <sys/un.h> of macOS; Python has no names for them.
    return client.getsockopt(local_level, local_peer_pid)


def _is_known(pid: int) -> bool:
    """Whether a process of that id exists, a zombie included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_running(pid: int) -> bool:
    """Whether a process of that id exists and hasn't ended (a zombie has)."""
    if not _is_known(pid):
        return False
    if sys.platform != "linux":
        return bool(_command_line(pid))
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _command_line(pid: int) -> str:
    return subprocess.run(
        ["/bin/ps", "-p", str(pid), "-o", "command="], check=False, capture_output=True, text=True
    ).stdout.strip()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
