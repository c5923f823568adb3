"""The sandbox's HTTP side: connections, headers, chunks and compression over real sockets."""

from __future__ import annotations

import gzip
import logging
import select
import socket
import struct
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from ironforge_cli.sandbox.answers import REASONS, WITHOUT_BODY, Delivery, Reply
from ironforge_cli.sandbox.api import Asked
from ironforge_cli.sandbox.control import CONTROL_PATH
from ironforge_cli.sandbox.wire import http_date

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ironforge_cli.sandbox.api import Answered, Api
    from ironforge_cli.sandbox.control import Control
    from ironforge_cli.sandbox.world import World

_log = logging.getLogger(__name__)
_Socket: TypeAlias = "socket.socket | tuple[bytes, socket.socket]"
_CHUNK = 65_536
_PIECES = 20
_LOOK_EVERY = 0.05
"""Seconds between looks at whether the server ends or a client gave up."""
_LONGEST_POST = 1_000_000


@dataclass(frozen=True, slots=True)
class SandboxService:
    """What a server needs to answer with."""

    world: World
    api: Api
    control: Control
    note: Callable[[Asked, Answered, int], None]
    """Told of every answer of the API and the bytes of its body before the last of them leaves."""
    latency: float
    """Seconds before each answer."""
    ending: threading.Event
    """Set when the sandbox ends: whoever waits stops waiting."""


class _Handler(BaseHTTPRequestHandler):
    """Reads requests from one connection and writes their answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride] - no other server makes one.

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def do_PUT(self) -> None:
        self._respond()

    def do_DELETE(self) -> None:
        self._respond()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's.
        _log.debug(format, *args)

    def _respond(self) -> None:
        service = self.server.service
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        length = self.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _LONGEST_POST:
            self.close_connection = True
            return
        posted = self.rfile.read(int(length))
        if url.path.startswith(CONTROL_PATH):
            answer = service.control.answer(method=self.command, path=url.path, query=query, body=posted)
            self._send(answer)
            return
        if service.latency and service.ending.wait(service.latency):
            self.close_connection = True
            return
        asked = Asked(
            method=self.command,
            path=url.path,
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            form=dict(parse_qsl(posted.decode("utf-8", "replace"))),
        )
        answered = service.api.answer(asked)
        self._send(answered.answer, noted=lambda size: service.note(asked, answered, size))

    def _send(self, answer: Reply, *, noted: Callable[[int], None] | None = None) -> None:
        headers = dict(answer.headers)
        body = answer.body
        if self.command == "HEAD" or answer.status in WITHOUT_BODY:
            body = b""
        elif body and "gzip" in self.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            body = answer.gzipped or gzip.compress(body, compresslevel=6, mtime=0)
        if noted is not None:
            noted(len(body))
        if answer.delivery is Delivery.NEVER:
            self._say_nothing()
            return
        try:
            self._write_head(answer.status, headers)
            self._write_body(body, answer)
        except ConnectionError:
            # The client went away in the middle of the answer, as it may.
            self.close_connection = True

    @property
    def _is_chunked(self) -> bool:
        return self.request_version != "HTTP/1.0"

    def _write_head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response_only(status, REASONS.get(status))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Date", http_date(self.server.service.world.now))
        if status not in WITHOUT_BODY and self.command != "HEAD":
            if self._is_chunked:
                self.send_header("transfer-encoding", "chunked")
            else:
                self.close_connection = True
        self.send_header("connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()

    def _write_body(self, body: bytes, answer: Reply) -> None:
        if answer.delivery is Delivery.CUT:
            self._write_piece(body[: len(body) // 2])
            self.wfile.flush()
            self._break_off()
            return
        size = _CHUNK if answer.delivery is Delivery.WHOLE else max(1, -(-len(body) // _PIECES))
        for start in range(0, len(body), size):
            if answer.pause and self.server.service.ending.wait(answer.pause):
                self._break_off()
                return
            self._write_piece(body[start : start + size])
            if answer.pause:
                self.wfile.flush()
        if self._is_chunked and answer.status not in WITHOUT_BODY and self.command != "HEAD":
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _write_piece(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._is_chunked else piece)

    def _say_nothing(self) -> None:
        """Wait until the client hangs up or the sandbox ends."""
        self.close_connection = True
        while not self.server.service.ending.wait(_LOOK_EVERY):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def _break_off(self) -> None:
        """End the connection so that the client sees a reset, not an orderly end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.broken.add(self.connection)


class Server(ThreadingHTTPServer):
    """Gives each connection a thread of its own, and can end them all.

    Raises `OSError` where the address is taken.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: SandboxService) -> None:
        self.service = service
        self.broken: set[socket.socket] = set()
        self._threads_of: dict[socket.socket, threading.Thread] = {}
        self._opening = threading.Lock()
        super().__init__(address, _Handler)
        self._asleep, self._alarm = socket.socketpair()

    def server_bind(self) -> None:
        """Take the address."""
        # HTTPServer asks the name service for this machine's name here, which can take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: _Socket, client_address: Any) -> None:
        """Start the thread of a new connection."""
        if not isinstance(request, socket.socket):
            raise TypeError("only streams are served")
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._opening:
            self._threads_of[request] = thread
        thread.start()

    def shutdown_request(self, request: _Socket) -> None:
        """Close a connection, in order or not."""
        if not isinstance(request, socket.socket):
            raise TypeError("only streams are served")
        with self._opening:
            self._threads_of.pop(request, None)
        if request in self.broken:
            # An orderly shutdown would tell the client that the answer is complete.
            self.broken.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: _Socket, client_address: Any) -> None:  # noqa: ARG002 - the base class's shape.
        """Log what went wrong here; clients that hang up are no error."""
        if isinstance(sys.exception(), ConnectionError):
            return
        _log.error("an answer failed", exc_info=True)

    def serve_until_ended(self) -> None:
        """Accept connections until `end`; it sleeps in between and never polls."""
        while True:
            ready, _, _ = select.select([self, self._asleep], [], [])
            if self._asleep in ready:
                return
            self.handle_request()

    def stop_accepting(self) -> None:
        """Wake `serve_until_ended` from its sleep, and let it return."""
        self._alarm.send(b"!")

    def end(self) -> None:
        """Close the address and every open connection, and wait for their threads."""
        self.server_close()
        self._alarm.close()
        self._asleep.close()
        with self._opening:
            still_open = list(self._threads_of.items())
        for connection, _ in still_open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                # Its thread has closed it in this very moment.
                continue
        for _, thread in still_open:
            thread.join()
