"""Servers and proxies that never come to an end, on loopback: what they say, they say a piece at a time."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

OK = b"HTTP/1.1 200 OK\r\n"
_PIECE_SECONDS = 0.02


@contextlib.contextmanager
def server(talk: Callable[[socket.socket], None]) -> Generator[str]:
    """Serve each connection as `talk` does, until the client breaks it off; its host and port."""

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            # Closing alone would not wake who waits for connections.
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()


def hears(connection: socket.socket) -> bytes:
    """A request's headers."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError
        heard += piece
    return heard


def says(*, start: bytes, piece: bytes = b"") -> Callable[[socket.socket], None]:
    """Answer with a beginning, then with pieces without end; without any, with silence."""

    def talk(connection: socket.socket) -> None:
        hears(connection)
        connection.sendall(start)
        goes_on(connection, piece)

    return talk


def goes_on(connection: socket.socket, piece: bytes) -> None:
    """Say pieces, until the other side hangs up."""
    connection.settimeout(_PIECE_SECONDS)
    while True:
        try:
            if connection.recv(65_536) == b"":
                return
        except TimeoutError:
            connection.sendall(piece)


def forward(connection: socket.socket) -> None:
    """What a forward proxy does: asks in the client's place, or opens a tunnel."""
    heard = hears(connection)
    method, address, _ = heard.split(b"\r\n", 1)[0].split(b" ")
    place = address if method == b"CONNECT" else address.split(b"/")[2]
    host, _, port = place.decode().rpartition(":")
    with socket.create_connection((host, int(port))) as onward:
        if method == b"CONNECT":
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            onward.sendall(heard)
        back = threading.Thread(target=_pump, args=(connection, onward), daemon=True)
        back.start()
        _pump(onward, connection)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
