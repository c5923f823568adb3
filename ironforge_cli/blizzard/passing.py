"""Faults that may be over at the next attempt: what they are, how long to wait for their end, how they are told."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from ironforge_cli.blizzard.headers import retry_after

if TYPE_CHECKING:
    import requests
    from tenacity import RetryCallState, Retrying

log = logging.getLogger(__name__)

ATTEMPTS: Final = 5
LONGEST_WAIT_SECONDS: Final = 120.0
"""A `Retry-After` beyond this is not slept through: the next run comes sooner."""

_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
# What gateways answer when a request took too long, or came too early.
_OVER_SOON: Final = {408, 425, _TOO_MANY}
_USER_OF_URL: Final = re.compile(r"//[^/@\s]*@")


class PassingFault(Exception):  # noqa: N818 - it never leaves this package
    """Something that may be over at the next attempt; `retry_after` is what Blizzard asked for, in seconds."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


def raise_passing(response: requests.Response) -> None:
    """Raise `PassingFault` for a status that says that it will pass."""
    status = response.status_code
    if status in _OVER_SOON or status >= _SERVER_ERROR:
        reason = "too many requests" if status == _TOO_MANY else (response.reason or "a server error")
        raise PassingFault(f"it answered {status}, {reason}", retry_after=retry_after(response.headers))


def worth_waiting(error: BaseException) -> bool:
    """Whether another attempt in this run makes sense: retry is decided by type, and by Blizzard's own word."""
    return isinstance(error, PassingFault) and (error.retry_after or 0.0) <= LONGEST_WAIT_SECONDS


def tried(retrying: Retrying) -> str:
    """How often it was tried, in words."""
    attempts = retrying.statistics["attempt_number"]
    return "tried once" if attempts == 1 else f"tried {attempts} times"


def say(state: RetryCallState) -> None:
    """Tell of a fault that is waited for."""
    fault = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    log.warning("Blizzard: %s; attempt %d of %d, again in %.1f s", fault, state.attempt_number, ATTEMPTS, seconds)


def shown(text: str) -> str:
    """A text as it may be said: without the name and the password that a URL in it can hold."""
    return _USER_OF_URL.sub("//", text)


def cause(error: BaseException) -> str:
    """The innermost reason, without the URL that libraries wrap around it."""
    while True:
        inner = error.__cause__ or error.__context__
        if inner is None:
            return shown(" ".join(str(error).split())) or type(error).__name__
        error = inner
