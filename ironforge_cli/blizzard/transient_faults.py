"""Faults that may be over at the next attempt: what they are, how long to wait for their end, how they are told."""

from __future__ import annotations

import logging
import random
import re
from typing import TYPE_CHECKING, Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from ironforge_cli.blizzard.headers import retry_after
from ironforge_cli.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from ironforge_cli.blizzard.deadline import Deadline

log = logging.getLogger(__name__)

ATTEMPTS: Final = 5
LONGEST_WAIT_SECONDS: Final = 120.0
"""A `Retry-After` beyond this is not slept through: the next run comes sooner."""

_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
# What gateways answer when a request took too long, or came too early.
_OVER_SOON: Final = {408, 425, _TOO_MANY}
_USER_OF_URL: Final = re.compile(r"//[^/\s]*@")

_Value = TypeVar("_Value")


class TransientFault(Exception):  # noqa: N818 - it never leaves this package
    """Something that may be over at the next attempt; `retry_after` is what Blizzard asked for, in seconds."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


def raise_transient(response: requests.Response, *, through: str = "") -> None:
    """Raise `TransientFault` for a status that says that it will pass; `through` says by which proxy it came."""
    status = response.status_code
    if status in _OVER_SOON or status >= _SERVER_ERROR:
        reason = "too many requests" if status == _TOO_MANY else (response.reason or "a server error")
        raise TransientFault(f"it answered {status}, {reason}{through}", retry_after=retry_after(response.headers))


class Retries:
    """Asks again while a fault may pass: as late as Blizzard says, else with growing pauses, and within a deadline.

    `jitter` gives a number from 0 to 1; `sleep` waits, and ends with the run.
    """

    def __init__(self, *, sleep: Callable[[float], None], jitter: Callable[[], float] = random.random) -> None:
        self._sleep = sleep
        self._jitter = jitter

    def run(self, ask: Callable[[], _Value], *, of: str, deadline: Deadline | None) -> _Value:
        """What `ask` returns in the end; raises `UnavailableError`, which says `of` what, where a fault stays."""
        retrying = Retrying(
            stop=lambda state: state.attempt_number >= ATTEMPTS or _is_too_late(state, deadline),
            wait=self._wait,
            retry=retry_if_exception(is_worth_waiting),
            sleep=self._sleep,
            before_sleep=_say,
            reraise=True,
        )
        try:
            return retrying(ask)
        except TransientFault as fault:
            attempts: int = retrying.statistics["attempt_number"]
            tried = "tried once" if attempts == 1 else f"tried {attempts} times"
            if attempts < ATTEMPTS and is_worth_waiting(fault):
                tried += ", to the window's end"
            raise UnavailableError(
                f"Blizzard's API is unavailable: {fault}, for {shown(of)} ({tried}). The next run tries again."
            ) from fault

    def _wait(self, state: RetryCallState) -> float:
        """How long to wait: what Blizzard asked for, else exponentially longer, with jitter."""
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, TransientFault) else None
        return asked or 2.0 ** (state.attempt_number - 1) * (1 + self._jitter() / 2)


def _is_too_late(state: RetryCallState, deadline: Deadline | None) -> bool:
    """Whether the next attempt would come after the deadline."""
    return deadline is not None and not deadline.allows(state.upcoming_sleep)


def is_worth_waiting(error: BaseException) -> bool:
    """Whether another attempt in this run makes sense: retry is decided by type, and by Blizzard's own word."""
    return isinstance(error, TransientFault) and (error.retry_after or 0.0) <= LONGEST_WAIT_SECONDS


def _say(state: RetryCallState) -> None:
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
