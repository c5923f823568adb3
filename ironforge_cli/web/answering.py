"""From a question to the answer's body: read in one look, cut to a page, written and compressed; all in one thread."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.responses import Response

from ironforge_cli.answers import freshness
from ironforge_cli.decoding import learn
from ironforge_cli.errors import NothingThereError, UsageError
from ironforge_cli.web import formats
from ironforge_cli.web.bodies import KeptBody
from ironforge_cli.web.exchange import EXCHANGE, Inquiry, basis_headers, iso, too_many
from ironforge_cli.web.negotiation import CONTENT_TYPES, AnswerFormat, Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from starlette.requests import Request

    from ironforge_cli.answers.answer import Asking, MarketAnswer
    from ironforge_cli.web.service import Service

MOST_ROWS: Final = 50_000
MOST_BYTES: Final = 32_000_000
"""Of a body before it is compressed: what would be longer is refused."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list are sent."""

    limit: int
    cursor: str | None
    keeps_last: bool = False
    """Whether the last rows come first, as the newest of a span."""
    older_until: Callable[[], datetime | None] = lambda: None
    """Where the span that was asked for goes on behind what was read; None where all of it was."""


class _Position(msgspec.Struct, array_like=True):
    """What a cursor holds: how many rows came before, and of which state these were."""

    rows: int
    generation: str


learn(_Position)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return request.app.state.service


def answered(
    request: Request, row: type, ask: Callable[[Asking], MarketAnswer[Any]], *, page: Page | None = None
) -> Response:
    """Ask, and make the body that is sent and kept.

    Raises `IronforgeError`, as asking does, and `NothingThereError` for a cursor that is none, or of former data.
    """
    service = service_of(request)
    exchange = request.scope.get(EXCHANGE)
    if not isinstance(exchange, Inquiry):
        # The gate knows each path of data by its digits and its region.
        there = ", ".join(one.value for one in service.settings.regions)
        raise NothingThereError(
            f"There is nothing here: numbers are digits alone, and this service has the regions {there}."
        )
    with service.reading(exchange.regions) as look:
        generations = freshness.generations_of(look)
        generation = exchange.generation(service, service.latest(generations))
        answer = ask(look)
    rows, links = _cut(request, answer.rows, page, generation)
    if len(rows) > MOST_ROWS:
        raise UsageError(too_many(len(rows), MOST_ROWS, "ask for less"))
    body = formats.written(rows, row, exchange.format)
    if len(body) > MOST_BYTES:
        raise UsageError(too_many(len(rows), MOST_BYTES, "ask for less"))
    body, encoding = formats.compressed(body, exchange.encoding)
    headers = [(b"content-type", CONTENT_TYPES[exchange.format].encode()), *basis_headers(answer.bases), *links]
    if encoding is not Encoding.IDENTITY:
        headers.append((b"content-encoding", encoding.value.encode()))
    if exchange.format in {AnswerFormat.CSV, AnswerFormat.PARQUET}:
        headers.append((b"content-disposition", f'inline; filename="{_file_name(exchange)}"'.encode()))
    exchange.kept = KeptBody(generation, exchange.etag(service, generation), tuple(headers), body)
    return Response(status_code=200)


def _cut(
    request: Request, rows: Sequence[Any], page: Page | None, generation: str
) -> tuple[Sequence[Any], list[tuple[bytes, bytes]]]:
    """The rows of a page, and the link to the next one where there are more."""
    if page is None:
        return rows, []
    before = 0 if page.cursor is None else _position(page.cursor, generation)
    until = before + page.limit
    last = len(rows)
    chosen = rows[max(0, last - until) : max(0, last - before)] if page.keeps_last else rows[before:until]
    if until < len(rows):
        cursor = base64.urlsafe_b64encode(msgspec.msgpack.encode(_Position(until, generation))).rstrip(b"=").decode()
        more = ("cursor", cursor)
    elif (older := page.older_until()) is not None:
        more = ("until", iso(older))
    else:
        return chosen, []
    dropped = {"cursor", more[0]}
    given = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] not in dropped]
    base = service_of(request).settings.base_url or request.scope.get("root_path", "")
    path = request.scope[EXCHANGE].path
    target = f"{base}{path}?{urlencode([*given, more])}"
    return chosen, [(b"link", f'<{target}>; rel="next"'.encode())]


def _position(cursor: str, generation: str) -> int:
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = msgspec.msgpack.decode(packed, type=_Position)
    except (binascii.Error, ValueError, msgspec.DecodeError, msgspec.ValidationError):
        raise NothingThereError(
            "cursor: this is none of ours: take it whole from the Link header of the page before."
        ) from None
    if position.rows < 1:
        raise NothingThereError("cursor: this is none of ours: take it whole from the Link header of the page before.")
    if position.generation != generation:
        raise NothingThereError("cursor: the data have changed since the first page: begin again without a cursor.")
    return position.rows


def _file_name(exchange: Inquiry) -> str:
    return exchange.path.removeprefix("/v1/").replace("/", "-") + f".{exchange.format.value}"
