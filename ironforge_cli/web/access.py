"""Who may ask: bearer keys, pages of other origins, and how the rate limit is told."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.web import scopes
from ironforge_cli.web.problems import HttpProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ironforge_cli.web.keys import Keys
    from ironforge_cli.web.limits import Allowance

_LONGEST_KEY: Final = 200
_PREFLIGHT_SECONDS: Final = 600
_ALLOWED_HEADERS: Final = "Authorization, Accept, If-None-Match"
_EXPOSED: Final = (
    "ETag, Link, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Ironforge-Snapshot-Time,"
    " Ironforge-Age-Seconds, Ironforge-Stale, Ironforge-Since, Ironforge-Snapshots, Ironforge-Missing-Hours"
)


@dataclass(frozen=True, slots=True)
class CrossOrigin:
    """What a page of another origin is told."""

    headers: list[tuple[bytes, bytes]]
    is_preflight: bool


def cross_origin(
    origins: Sequence[str], method: str, origin: str | None, header: Callable[[str], str | None]
) -> CrossOrigin | None:
    """What a request's `Origin` is answered; None where origins are named nowhere.

    A key travels in a header and never as a cookie, so that no credentials are allowed.
    """
    if not origins:
        return None
    vary = [(b"vary", b"Origin")]
    if origin is None or ("*" not in origins and origin not in origins):
        return CrossOrigin(vary, is_preflight=False)
    allowed = "*" if "*" in origins else origin
    headers = [*vary, (b"access-control-allow-origin", allowed.encode("latin-1"))]
    if method == "OPTIONS" and header("access-control-request-method") is not None:
        headers += [
            (b"access-control-allow-methods", b"GET, HEAD"),
            (b"access-control-allow-headers", _ALLOWED_HEADERS.encode()),
            (b"access-control-max-age", str(_PREFLIGHT_SECONDS).encode()),
        ]
        return CrossOrigin(headers, is_preflight=True)
    return CrossOrigin([*headers, (b"access-control-expose-headers", _EXPOSED.encode())], is_preflight=False)


def caller_of(keys: Keys | None, authorization: str | None, scope: Any, path: str) -> str | HttpProblem:
    """Who asks: a key's name, else an address; a problem where a key is needed and none of ours came.

    On pages a browser sends a key as the password of its own window. Raises `ConfigurationError`.
    """
    client = scope.get("client")
    address = f"address {client[0]}" if client else "address unknown"
    if keys is None or scopes.is_open(path):
        return address
    is_page = scopes.is_of_page(scope, path)
    key = _key_in(authorization, is_page=is_page)
    name = None if key is None else keys.whose(key)
    if name is not None:
        return f"key {name}"
    scheme = 'Basic realm="ironforge", charset="UTF-8"' if is_page else 'Bearer realm="ironforge"'
    detail = "Send a key of this service in the header: Authorization: Bearer ironforge_…"
    if key is not None:
        detail = "This is none of the service's keys: it may have been revoked. Ask whoever runs it for one."
    return HttpProblem(401, detail, {"www-authenticate": scheme})


def is_near(scope: Any) -> bool:
    """Whether a request comes from this machine itself, whose programs are nobody's to limit."""
    client = scope.get("client")
    try:
        return client is not None and ipaddress.ip_address(str(client[0]).partition("%")[0]).is_loopback
    except ValueError:
        # A proxy may send any word as the address.
        return False


def _key_in(authorization: str | None, *, is_page: bool) -> str | None:
    scheme, _, given = (authorization or "").strip().partition(" ")
    given = given.strip()
    if not given or len(given) > 2 * _LONGEST_KEY:
        return None
    if scheme.lower() == "bearer":
        return given
    if scheme.lower() == "basic" and is_page:
        try:
            return base64.b64decode(given, validate=True).decode().partition(":")[2] or None
        except (binascii.Error, UnicodeError):
            return None
    return None


def allowance_headers(allowance: Allowance) -> list[tuple[bytes, bytes]]:
    """What is left to somebody, as headers."""
    return [
        (b"ratelimit-limit", str(allowance.limit).encode()),
        (b"ratelimit-remaining", str(allowance.remaining).encode()),
        (b"ratelimit-reset", str(allowance.reset_seconds).encode()),
    ]


def refusal(allowance: Allowance) -> HttpProblem:
    """What somebody is told who asked too often."""
    wait = allowance.reset_seconds
    detail = (
        f"More than {allowance.limit:,} requests in a minute: ask again in {wait} s."
        " /v1/{region}/prices has every item at once."
    )
    return HttpProblem(429, detail, {"retry-after": str(wait)})
