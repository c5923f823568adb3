"""An HTTP server that answers as a test says: for what the sandbox never does."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

TOKEN = "USstubstubstubstubstubstubstubstub"  # noqa: S105 - it opens nothing


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class Stub:
    """A running server: its address, and what was asked of it."""

    url: str
    asked: list[Asked] = field(default_factory=list[Asked])

    @property
    def authorizations(self) -> list[str | None]:
        """What each request showed to be let in."""
        return [asked.headers.get("Authorization") for asked in self.asked]


Serve: TypeAlias = "Callable[[Callable[[Asked], Said]], Stub]"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Who waits no longer for an answer is gone when it comes.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def stub_server(answer: Callable[[Asked], Said]) -> Generator[Stub]:
    """Serve what `answer` makes of each request; `/token` gives out `TOKEN` unless it says otherwise."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            asked = Asked(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
            stub.asked.append(asked)
            said = answer(asked)
            self.send_response_only(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if said.status != 304:
                self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            if said.status != 304:
                self.wfile.write(said.body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Tests say enough."""

    server = _Server(("127.0.0.1", 0), Handler)
    stub = Stub(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def token_answer() -> Said:
    """What the token endpoint says to the right client."""
    return Said(body=f'{{"access_token":"{TOKEN}","token_type":"bearer","expires_in":86399}}'.encode())
