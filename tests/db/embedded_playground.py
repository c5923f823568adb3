"""Homes of embedded servers, and processes that use them, for tests; all of it is gone at the end."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from ironforge_cli.db.embedded import EmbeddedServer, find_bindir
from ironforge_cli.db.embedded.accounts import Account, choose_account
from ironforge_cli.db.embedded.cluster import answering_pid
from ironforge_cli.db.embedded.folders import socket_folder
from ironforge_cli.errors import ConfigurationError, DatabaseError
from tests.servers import folder_in_memory

if TYPE_CHECKING:
    from collections.abc import Callable

_CLIENT = Path(__file__).with_name("embedded_client.py")
_ERRORS = {"ConfigurationError": ConfigurationError, "DatabaseError": DatabaseError}
IS_ROOT = os.geteuid() == 0


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until `holds()`, which another process brings about; fail when it never does."""
    give_up_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up_at, "it never came to hold"
        time.sleep(0.01)


class Client:
    """A process with an embedded server object; it does what it is told, one verb at a time."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self._line = line
        self._answers = line.makefile("r")

    def send(self, verb: str) -> None:
        """Say what to do, without waiting for it."""
        self._line.sendall(f"{verb}\n".encode())

    def answer(self) -> Any:
        """What came of the last verb; raises the error that the process met."""
        line = self._answers.readline()
        assert line, "the process has died"
        answer = json.loads(line)
        if "error" in answer:
            raise _ERRORS[answer["error"]](answer["message"])
        return answer["answer"]

    def do(self, verb: str) -> Any:
        """Do it, and wait for the answer."""
        self.send(verb)
        return self.answer()

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        os.kill(self.pid, signal.SIGKILL)
        self.await_end()

    def leave(self) -> None:
        """Let the process end by itself, without having closed its server."""
        self._line.shutdown(socket.SHUT_WR)
        self.await_end()

    def await_end(self) -> None:
        """Wait for the end of the process, which something else brings about."""
        eventually(lambda: not is_alive(self.pid))
        self.hang_up()

    def hang_up(self) -> None:
        """Close this side's end of the line."""
        self._answers.close()
        self._line.close()


class Playground:
    """A folder that every account can enter, with homes in it.

    Its path is short: pytest's own temporary folders are closed to other accounts when root runs the tests. It is in
    memory where there is room: each test gets a copy of a server's data.
    """

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ironforge-test-", dir=folder_in_memory() or "/tmp"))  # noqa: S108 - only a folder with a name of its own is made in it
        self.root.chmod(0o755)
        self._clients: list[Client] = []
        self._servers: list[EmbeddedServer] = []
        self._homes: set[Path] = set()
        self._made: Path | None = None
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._forker = subprocess.Popen(
                [sys.executable, str(_CLIENT), str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_processes()
        self._requests.close()
        self._forker.wait(timeout=60)
        shutil.rmtree(self.root)

    def path(self, name: str = "home") -> Path:
        """Where a home may be made; nothing is there yet."""
        folder = Path(tempfile.mkdtemp(dir=self.root))
        folder.chmod(0o755)
        home = folder / name
        self._homes.add(home)
        return home

    def home(self, name: str = "home") -> Path:
        """A home whose data has been made already, with a table `kept` of one row; its server is stopped."""
        if self._made is None:
            self._made = self.path()
            client = self.client(self._made)
            client.do("start")
            client.do("query CREATE TABLE kept AS SELECT 42 AS answer")
            client.do("close")
        home = self.path(name)
        subprocess.run(["cp", "-a", self._made, home], check=True)
        return home

    def client(self, home: Path, **options: Any) -> Client:
        """A process for `home`.

        Options are those of `EmbeddedServer`, and `uid`, `gid`, `umask` and environment `variables` of the process.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            request = json.dumps({"home": home, **options}, default=str).encode()
            socket.send_fds(self._requests, [request], [theirs.fileno()])
        client = Client(int(self._requests.recv(64)), ours)
        self._clients.append(client)
        self._homes.add(home)
        return client

    def server(self, home: Path, **options: Any) -> EmbeddedServer:
        """A server object in this process."""
        settings: dict[str, Any] = {"environment": dict(os.environ), "bindir": None, "account": None} | options
        server = EmbeddedServer(home, **settings)
        self._servers.append(server)
        self._homes.add(home)
        return server

    def end_processes(self) -> None:
        """End every client, every server, and what they left outside of the playground."""
        for client in self._clients:
            if is_alive(client.pid):
                client.kill()
            client.hang_up()
        for server in self._servers:
            server.close()
        for home in self._homes:
            base = home / "postgres"
            if not base.exists():
                continue
            sockets = sockets_of(home)
            if answering_pid(sockets) is not None:
                EmbeddedServer(home, environment=dict(os.environ), bindir=None, account=None).stop(force=True)
            if not sockets.is_relative_to(base):
                shutil.rmtree(sockets, ignore_errors=True)
        self._clients.clear()
        self._servers.clear()
        self._homes.clear()


def sockets_of(home: Path) -> Path:
    """Where the socket of the server in `home` lies."""
    base = home / "postgres"
    return socket_folder(base, uid=base.stat().st_uid)


def server_pid(home: Path) -> int:
    """The process id of the server in `home`, which has to run."""
    pid = answering_pid(sockets_of(home))
    assert pid
    return pid


def is_alive(pid: int) -> bool:
    """Whether a process exists and hasn't ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def usual_account(home: Path) -> Account:
    """Whom a server in `home` runs as when nothing is set."""
    return choose_account(None, home=home, base=home / "postgres")


def an_ordinary_user() -> tuple[int, int]:
    """The ids of a user who isn't root, whom only root can become."""
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def programs() -> Path:
    """The folder of PostgreSQL's programs that is found when nothing is set."""
    return find_bindir(None, environment=dict(os.environ))
