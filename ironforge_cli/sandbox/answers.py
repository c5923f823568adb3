"""One HTTP answer as a value, before it goes over the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from ironforge_cli.sandbox.wire import last_modified, to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

JSON_TYPE = "application/json;charset=UTF-8"
HTML_TYPE = "text/html"

_DETAILS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
REASONS = {200: "OK", 204: "No Content", 304: "Not Modified", **_DETAILS}
WITHOUT_BODY = (204, 304)


class Delivery(Enum):
    """How the bytes of an answer travel."""

    WHOLE = auto()
    CUT = auto()
    """Half of the body, then the connection is reset."""
    DRIP = auto()
    """In twenty pieces, with a pause before each."""
    NEVER = auto()
    """Not a byte, until the client gives up or the sandbox ends."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and body, and how they are delivered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    gzipped: bytes | None = None
    """The body compressed, where that is ready; else it is compressed when a client wants it so."""
    delivery: Delivery = Delivery.WHOLE
    pause: float = 0.0
    """Seconds before each piece of a dripping body."""


def json_answer(status: int, body: bytes) -> Reply:
    """Answer with JSON and nothing else to say."""
    return Reply(status=status, headers={"content-type": JSON_TYPE}, body=body)


def error_answer(status: int, *, retry_after: int | None = None) -> Reply:
    """Answer with an error in the gateway's words (BLIZZARD_API.md, sections 1 and 2).

    >>> error_answer(404).body
    b'{"code":404,"type":"BLZWEBAPI00000404","detail":"Not Found"}'
    """
    headers = {"content-type": JSON_TYPE}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    body = to_bytes({"code": status, "type": f"BLZWEBAPI{status:08d}", "detail": _DETAILS[status]})
    return Reply(status=status, headers=headers, body=body)


def html_answer(status: int) -> Reply:
    """Answer with a web page, as the servers before the API do when it is unwell."""
    title = f"{status} {REASONS[status]}"
    page = (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><center><h1>{title}</h1></center><hr></body></html>\n"
    )
    return Reply(status=status, headers={"content-type": HTML_TYPE}, body=page.encode())


def content_headers(*, modified: str | None, max_age: int, namespace: str) -> dict[str, str]:
    """Return the headers of a real 200, in their order (BLIZZARD_API.md, section 2)."""
    dated = {} if modified is None else {"Last-Modified": modified}
    return {
        **dated,
        "Cache-Control": f"public, max-age={max_age}",
        "Battlenet-Namespace": namespace,
        "vary": "accept-encoding",
        "content-type": JSON_TYPE,
    }


def not_modified(*, modified_at: datetime, max_age: int, namespace: str) -> Reply:
    """Answer that what the client holds is still the newest."""
    headers = content_headers(modified=last_modified(modified_at), max_age=max_age, namespace=namespace)
    del headers["content-type"]
    return Reply(status=304, headers=headers)
