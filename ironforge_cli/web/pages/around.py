"""What stands around the pages: `.json` and `.csv` beside each, and errors as pages where a person looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.web import scopes
from ironforge_cli.web.pages import assets
from ironforge_cli.web.pages.beside import beside
from ironforge_cli.web.pages.frame import Frame, written
from ironforge_cli.web.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ironforge_cli.web.service import Service

_TITLES: Final = {
    400: "That can't be shown",
    401: "A key is needed",
    404: "There is no such page",
    405: "That can't be done with a page",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "Not just now",
}
_LENGTH: Final = b"content-length"
_TYPE: Final = b"content-type"


class AroundPages:
    """Leads what lies beside pages to the API, and tells people of errors in a page."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as what it means; and an error of a page's back, as a page."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scopes.path_of(scope)
        found = beside(path, scope.get("query_string", b"").decode("latin-1"))
        if found is not None:
            root = scope.get("root_path", "")
            there = f"{root}{found[0]}" if scope["path"] != path else found[0]
            led = {
                "path": there,
                "raw_path": there.encode(),
                "query_string": found[1].encode(),
                scopes.BESIDE_A_PAGE: True,
            }
            await self.app({**scope, **led}, receive, send)
        elif scopes.is_api(path) or not _wants_html(scope):
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, self._as_page(scope, path, send))

    def _as_page(self, scope: Scope, path: str, send: Send) -> Send:
        """Send errors as pages: a problem is short, so that it is held until it is whole."""
        held: list[Message] = []

        async def passed_on(message: Message) -> None:
            if message["type"] == "http.response.start" and dict(message.get("headers", ())).get(_TYPE) == _PROBLEM:
                held.append(message)
            elif held and message["type"] == "http.response.body":
                held.append(message)
                if not message.get("more_body"):
                    await _send_page(held, self._page(scope, path, held), send)
            else:
                await send(message)

        return passed_on

    def _page(self, scope: Scope, path: str, held: list[Message]) -> bytes:
        problem = json.loads(b"".join(part.get("body", b"") for part in held[1:]))
        regions = self.service.settings.regions
        frame = Frame(
            root=scope.get("root_path", ""),
            path=path,
            query={},
            region=next((one for one in regions if path.startswith(f"/{one}/")), regions[0]),
            regions=regions,
            now=self.service.now(),
            has_pictures=assets.has_program(),
        )
        status = held[0]["status"]
        title = _TITLES.get(status, problem["title"])
        page = written(
            "error.html",
            frame,
            status=status,
            title=title,
            detail=problem["detail"],
            is_for_programs=False,
            has_chart=False,
        )
        return page.encode()


_PROBLEM: Final = MEDIA_TYPE.encode()


async def _send_page(held: list[Message], page: bytes, send: Send) -> None:
    kept = [(name, value) for name, value in held[0]["headers"] if name not in {_LENGTH, _TYPE}]
    headers = [*kept, (_TYPE, b"text/html; charset=utf-8"), (_LENGTH, str(len(page)).encode()), (b"vary", b"Accept")]
    await send({**held[0], "headers": headers})
    await send({"type": "http.response.body", "body": page})


def _wants_html(scope: Any) -> bool:
    """Whether a person's browser asks, which names HTML first."""
    accept = next((value for name, value in scope.get("headers", ()) if name == b"accept"), b"")
    return b"text/html" in accept
