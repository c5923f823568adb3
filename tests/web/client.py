"""A client of the application in this process: requests go in as the server would hand them over."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        assert self.headers["content-type"] == "application/problem+json", self
        return self.json["detail"]


class Client:
    """Asks an application over one event loop, as long as its block lasts."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._loop = asyncio.new_event_loop()
        self._lifespan = app.router.lifespan_context(app)

    def __enter__(self) -> Self:
        self._loop.run_until_complete(self._lifespan.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._lifespan.__aexit__(None, None, None))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        with contextlib.suppress(RuntimeError):
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def get(
        self, target: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", **scope: Any
    ) -> Answer:
        """Ask for one address."""
        return self._loop.run_until_complete(self.ask(target, headers, method=method, **scope))

    def at_once(self, *targets: str) -> list[Answer]:
        """Ask for several addresses at the same time."""

        async def together() -> list[Answer]:
            return await asyncio.gather(*(self.ask(target) for target in targets))

        return self._loop.run_until_complete(together())

    async def ask(
        self, target: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", **scope: Any
    ) -> Answer:
        """Ask within the loop."""
        path, _, query = target.partition("?")
        asked = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
            "client": ("192.0.2.7", 50_000),
            "server": ("127.0.0.1", 8420),
            "state": {},
            **scope,
        }
        messages: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        await self.app(asked, receive, send)
        start = messages[0]
        body = b"".join(one.get("body", b"") for one in messages[1:])
        found: dict[str, str] = {}
        for key, value in start["headers"]:
            # What comes twice is one list, as whoever reads it takes it.
            name, said = key.decode(), value.decode("latin-1")
            found[name] = f"{found[name]}, {said}" if name in found else said
        return Answer(start["status"], found, body)
