"""A proxy before the database, which can hang: then it accepts who comes, and never answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

from ironforge_cli.db.engine import conninfo

if TYPE_CHECKING:
    from types import TracebackType

_AT_ONCE = 65_536
_CONNECT_SECONDS = 2
"""A connection that is not answered is given up after so long: two seconds are the least that libpq takes."""


class DatabaseProxy:
    """Stands before the server of a database's URL, at a port that any account may use. A context manager."""

    def __init__(self, url: str) -> None:
        parts = conninfo_to_dict(conninfo(url))
        host, port = str(parts["host"]), int(parts["port"] or 0)
        self._is_local = host.startswith("/")
        self._server = f"{host}/.s.PGSQL.{port}" if self._is_local else (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        password = f":{parts['password']}" if parts.get("password") else ""
        self.url = (
            f"postgresql://{parts['user']}{password}@127.0.0.1:{self._listening.getsockname()[1]}/{parts['dbname']}"
            f"?connect_timeout={_CONNECT_SECONDS}&sslmode=disable&gssencmode=disable"
        )
        self._changing = threading.Lock()
        self._open: set[socket.socket] = set()
        self._unanswered: list[socket.socket] = []
        self._hangs = False
        self.accepted = 0
        """How many have connected."""
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> DatabaseProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A thread that waits in accept is not woken by a closed socket on every system.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        self._cut()
        # The others are closed by the threads that serve them.
        for one in self._unanswered:
            one.close()

    def hang(self, *, hangs: bool, cuts: bool = True) -> None:
        """Cut off whoever is connected, and from now on answer nobody, or everybody again.

        Without `cuts`, who is connected stays so, and is answered as little as the others.
        """
        with self._changing:
            self._hangs = hangs
        if cuts:
            self._cut()

    def _cut(self) -> None:
        with self._changing:
            connected = set(self._open)
        for one in connected:
            self._end(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with self._changing:
                self._open.add(client)
                self.accepted += 1
                hangs = self._hangs
            if hangs:
                self._unanswered.append(client)
            else:
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX if self._is_local else socket.AF_INET)
        try:
            server.connect(self._server)
        except OSError:
            server.close()
            self._end(client)
            return
        with self._changing:
            self._open.add(server)
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        back.start()
        self._copy(client, server)
        back.join()
        for one in (client, server):
            with self._changing:
                self._open.discard(one)
            one.close()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_AT_ONCE):
                if not self._hangs:
                    target.sendall(piece)
        self._end(source)
        self._end(target)

    def _end(self, one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def pooled(url: str, address: str) -> str:
    """The URL by which a pooler at some address leads to the database of another URL."""
    name = conninfo_to_dict(conninfo(url))["dbname"]
    return f"{address}/{name}?connect_timeout={_CONNECT_SECONDS}"
