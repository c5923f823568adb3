"""The pages' addresses, and how one is made: asked of one moment, written, compressed, and kept while it holds."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ironforge_cli import charts
from ironforge_cli.errors import NothingThereError, UsageError
from ironforge_cli.web import formats, scopes
from ironforge_cli.web.bodies import KeptBody
from ironforge_cli.web.negotiation import Encoding, best_encoding
from ironforge_cli.web.pages import assets, crafting, item, lists_shown, overview, standing, words
from ironforge_cli.web.pages.frame import Frame, written
from ironforge_cli.web.service import CATALOGUE
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import FastAPI

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.regions import Region
    from ironforge_cli.web.service import Service

Content = dict[str, Any]
_HTML: Final = "text/html; charset=utf-8"
_KEPT_SECONDS: Final = 60
"""How long a browser takes a page as it is: its relative times are of a minute."""
_LARGEST_ID: Final = 2_147_483_647
_MOST_POINTS: Final = 20_000


def add_pages(app: FastAPI, service: Service) -> None:
    """Add every page to the service."""

    def add(path: str, handler: Callable[[Request], Response]) -> None:
        app.add_api_route(path, handler, methods=["GET"], include_in_schema=False, response_model=None)

    def page(path: str, region: Region | None, template: str, content: Callable[[Frame, Asking], Content]) -> None:
        def handler(request: Request) -> Response:
            return _page(
                service, request, region, lambda frame, asking: _written(template, frame, content(frame, asking))
            )

        add(path, handler)

    def page_of(path: str, region: Region, template: str, content: Callable[[Frame, Asking, int], Content]) -> None:
        def handler(request: Request) -> Response:
            number = _number(request)
            return _page(
                service,
                request,
                region,
                lambda frame, asking: _written(template, frame, content(frame, asking, number)),
            )

        add(path, handler)

    def picture(path: str, region: Region, make: Callable[[Frame, Asking, Request], bytes]) -> None:
        def handler(request: Request) -> Response:
            return _page(
                service,
                request,
                region,
                lambda frame, asking: make(frame, asking, request),
                media_type="application/json",
            )

        add(path, handler)

    page("/", service.settings.regions[0], "overview.html", overview.overview)
    add(f"{assets.FOLDER}/{{name}}", _static)
    page("/spread", None, "list.html", lists_shown.spread)
    page("/search", None, "list.html", lists_shown.search)
    page("/status", None, "status.html", standing.standing)
    for one in service.settings.regions:
        page(f"/{one}", one, "overview.html", overview.overview)
        page(f"/{one}/top", one, "list.html", lists_shown.top)
        page(f"/{one}/movers", one, "list.html", lists_shown.movers)
        page(f"/{one}/deals", one, "list.html", lists_shown.deals)
        page(f"/{one}/token", one, "list.html", lists_shown.tokens)
        page(f"/{one}/crafts", one, "crafts.html", crafting.crafts)
        page_of(f"/{one}/crafts/{{number:int}}", one, "craft.html", crafting.craft)
        page_of(f"/{one}/items/{{number:int}}", one, "item.html", item.item)
        page_of(f"/{one}/items/{{number:int}}/book", one, "list.html", item.whole_book)
        page_of(f"/{one}/items/{{number:int}}/week", one, "week.html", item.week_page)
        page_of(f"/{one}/items/{{number:int}}/explain", one, "explain.html", item.explained)
        picture(f"/{one}/items/{{number:int}}/picture.json", one, _history_picture)
        picture(f"/{one}/items/{{number:int}}/book/picture.json", one, _book_picture)
        picture(f"/{one}/token/picture.json", one, _token_picture)


def _number(request: Request) -> int:
    number = int(request.path_params["number"])
    if number > _LARGEST_ID:
        raise NothingThereError(f"There is nothing of the number {number} among what is stored.")
    return number


def _page(
    service: Service,
    request: Request,
    region: Region | None,
    make: Callable[[Frame, Asking], bytes],
    *,
    media_type: str = _HTML,
) -> Response:
    """A page of the present state: one that is kept, or made anew. Raises `IronforgeError`."""
    frame = _frame(service, request, region)
    body = _made(service, frame, request.url.query, make)
    encoding = best_encoding(request.headers.get("accept-encoding"), formats.encodings()) or Encoding.IDENTITY
    packed, packed_as = formats.compressed(words.told_anew(body, frame.now), encoding)
    etag = f'"{hashlib.blake2b(packed, digest_size=15).hexdigest()}"'
    scope = "public" if service.keys is None else "private"
    headers = {
        "etag": etag,
        "cache-control": f"{scope}, max-age={_KEPT_SECONDS}",
        "vary": "Accept-Encoding" if service.keys is None else "Accept-Encoding, Authorization",
    }
    if packed_as is not Encoding.IDENTITY:
        headers["content-encoding"] = packed_as.value
    if _has_it(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(packed, headers=headers, media_type=media_type)


def _made(service: Service, frame: Frame, query: str, make: Callable[[Frame, Asking], bytes]) -> bytes:
    """What a page says of the present state; it is made once for as long as that holds, but for how old things are."""
    state = service.state()
    regions = service.settings.regions
    due = [state.due[one].next_due_at for one in regions]
    known = "".join(
        f"{service.is_stale(one, state):d}{at is not None and at <= frame.now:d}"
        for one, at in zip(regions, due, strict=True)
    )
    generation = f"{state.generation((*regions, CATALOGUE))}.{known}"
    key = ("page", frame.root, frame.path, query)
    kept = service.bodies.get(key)
    if kept is not None and kept.generation == generation:
        return kept.body
    with service.reading() as asking:
        body = make(frame, asking)
    service.bodies.keep(key, KeptBody(generation, b"", (), body))
    return body


def _has_it(request: Request, etag: str) -> bool:
    named = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    return etag in named or "*" in named


def _frame(service: Service, request: Request, region: Region | None) -> Frame:
    regions = service.settings.regions
    query = dict(request.query_params)
    if region is None:
        given = query.get("region") or regions[0].value
        region = next((one for one in regions if one.value == given), None)
        if region is None:
            known = ", ".join(regions)
            raise UsageError(f"region={given[:20]!r} is not one of {known}.")
    root = request.scope.get("root_path", "")
    path = scopes.path_of(request.scope)
    return Frame(
        root=root,
        # The first page is that of the first region.
        path=f"/{region}" if path == "/" else path,
        query=query,
        region=region,
        regions=regions,
        now=service.now(),
        has_pictures=assets.has_program(),
    )


def _written(template: str, frame: Frame, content: Content) -> bytes:
    shown = {"is_for_programs": True, "has_chart": False, "chart": None, **content}
    return written(template, frame, **shown).encode()


def _history_picture(frame: Frame, asking: Asking, request: Request) -> bytes:
    number = _number(request)
    rows = item.drawn_periods(frame, asking, number)
    return _picture(frame, rows, charts.history_chart, title=f"Item {number} in {frame.region.label}")


def _book_picture(frame: Frame, asking: Asking, request: Request) -> bytes:
    number = _number(request)
    rows = item.drawn_levels(frame, asking, number)
    return _picture(frame, rows, charts.book_chart, title=f"The book of item {number} in {frame.region.label}")


def _token_picture(frame: Frame, asking: Asking, _: Request) -> bytes:
    rows = lists_shown.token_rows(frame, asking)
    return _picture(frame, rows, charts.token_chart, title=f"The token in {frame.region.label}")


def _picture(frame: Frame, rows: Sequence[Any], make: Callable[..., charts.Specification], *, title: str) -> bytes:
    if not rows:
        raise NothingThereError("There is nothing to draw.")
    if len(rows) > _MOST_POINTS:
        raise UsageError(f"{counted(len(rows), 'point')} are more than a picture shows.")
    return json.dumps(make(rows, title=title, dark=frame.query.get("dark") == "1"), separators=(",", ":")).encode()


def _static(request: Request) -> Response:
    found = assets.found(request.path_params["name"])
    wanted = best_encoding(request.headers.get("accept-encoding"), (Encoding.GZIP, Encoding.IDENTITY))
    is_packed = wanted is Encoding.GZIP
    etag = f'"{found.digest}{"-gzip" if is_packed else ""}"'
    headers = {"cache-control": assets.FOREVER, "vary": "Accept-Encoding", "etag": etag}
    if is_packed:
        headers["content-encoding"] = Encoding.GZIP.value
    if _has_it(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(found.gzipped if is_packed else found.body, headers=headers, media_type=found.media_type)
