"""A server that plays a webhook, Discord and ntfy, and answers as a test says."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

NOTHING: tuple[int, Mapping[str, str]] = (204, {})
DISCORD = "/api/webhooks/123/discord-secret"


@dataclass
class Receiver:
    """What arrived, by path; `answers` are what is said next at a path: a status and headers, else 204."""

    url: str = ""
    bodies: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    headers: dict[str, list[dict[str, str]]] = field(default_factory=dict[str, list[dict[str, str]]])
    answers: dict[str, list[tuple[int, Mapping[str, str]]]] = field(
        default_factory=dict[str, list[tuple[int, "Mapping[str, str]"]]]
    )
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set when anything has arrived."""
    asleep: threading.Event = field(default_factory=threading.Event)
    """Until it is set, /slow says nothing."""

    def documents(self, path: str) -> list[Any]:
        return [json.loads(body) for body in self.bodies.get(path, [])]

    def says(self, path: str, *answers: tuple[int, Mapping[str, str]]) -> None:
        self.answers[path] = list(answers)


@contextmanager
def receiving() -> Generator[Receiver]:
    """A running server, until the block ends."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.bodies.setdefault(self.path, []).append(body)
            receiver.headers.setdefault(self.path, []).append(dict(self.headers))
            receiver.arrived.set()
            if self.path == "/slow":
                receiver.asleep.wait(20)
            waiting = receiver.answers.get(self.path, [])
            status, headers = waiting.pop(0) if waiting else NOTHING
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object, **__: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.asleep.set()
        server.shutdown()
        thread.join()
        server.server_close()
