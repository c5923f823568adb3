"""Errors as every client understands them: `application/problem+json` (RFC 9457), saying what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from ironforge_cli.errors import (
    BusyError,
    ConfigurationError,
    DatabaseError,
    IronforgeError,
    NothingThereError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5
_OPTION: Final = re.compile(r"--([a-z]+(?:-[a-z]+)*)")
_AWAY: Final = "The database can't be asked just now: ask again in a few seconds, or see /readyz."
_SCHEMA: Final = (
    "The database is not ready for this version: whoever runs the service has to look into its log. Ask again later."
)
_BUSY: Final = (
    "The database is busy: ask again in a few seconds, for a shorter span or a smaller list where it persists."
)


@dataclass(frozen=True, slots=True)
class HttpProblem:
    """What went wrong with a request."""

    status: int
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def content(self) -> bytes:
        """The body."""
        title = HTTPStatus(self.status).phrase
        said = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.more}
        return msgspec.json.encode(said)

    def response(self) -> Response:
        """The answer; nobody keeps it."""
        headers = {"cache-control": "no-store", **self.headers}
        return Response(self.content(), self.status, headers=headers, media_type=MEDIA_TYPE)


def problem_of(error: IronforgeError) -> HttpProblem:
    """What a client is told of an error: the database's own words are for the log alone."""
    again = {"retry-after": str(RETRY_SECONDS)}
    match error:
        case NothingThereError():
            return HttpProblem(404, in_words_of_http(str(error)))
        case UsageError():
            return HttpProblem(400, in_words_of_http(str(error)))
        case BusyError():
            return HttpProblem(503, _BUSY, again)
        case DatabaseError():
            return HttpProblem(503, _BUSY if "57014" in str(error) else _AWAY, again)
        case ConfigurationError():
            return HttpProblem(503, _SCHEMA, again)
        case _:
            return HttpProblem(500, "An unexpected error, which is a bug: the service's log says more.")


def in_words_of_http(message: str) -> str:
    """A message of the command line's, with options as parameters.

    >>> in_words_of_http("--min-profit: 'x' is no money. Give a later --since.")
    "min_profit: 'x' is no money. Give a later since."
    """
    return _OPTION.sub(lambda found: found[1].replace("-", "_"), message)
