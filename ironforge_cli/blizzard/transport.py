"""Questions to Blizzard's API: what is at hand is not asked for; else a token, a request, a status, an answer.

Two caches, since what changes by the hour is kept for a minute whatever Blizzard says, and static data for as long as
Blizzard says. They stand beside the way of an answer, never in it (`docs/decisions/0017`).
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from requests.structures import CaseInsensitiveDict

from ironforge_cli.blizzard import payloads
from ironforge_cli.blizzard.access_token import AccessToken, Bearer
from ironforge_cli.blizzard.cache import AnswerCache
from ironforge_cli.blizzard.headers import http_time
from ironforge_cli.blizzard.transient_faults import Retries, TransientFault, shown
from ironforge_cli.blizzard.wire import Wire
from ironforge_cli.errors import CredentialsError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import requests

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.ratelimit import RateLimit
    from ironforge_cli.blizzard.traffic import TrafficCounter

DYNAMIC_CACHE_SECONDS: Final = 60

_OK: Final = 200
_NO_CONTENT: Final = 204
_NOT_MODIFIED: Final = 304
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404


def _nothing_to_keep() -> None:
    """An answer that is kept already, or never."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Blizzard answered: 200, 204 or 304, with its body as sent before compression."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    from_cache: bool
    is_stale: bool = False
    """Whether it came whole though its time is not newer than what was asked for; its body was not received then."""
    keep: Callable[[], None] = field(default=_nothing_to_keep, repr=False, compare=False)
    """Puts it into the cache. Whoever finds that it makes sense calls it: an answer that is refused is never kept."""

    @property
    def not_modified(self) -> bool:
        """Whether Blizzard says that nothing is newer than what was asked for."""
        return self.status == _NOT_MODIFIED


class NotThereError(UnavailableError):
    """Blizzard has no such thing, or doesn't show it (404, 403): usual for recipes and items, skipped by everyone."""

    def __init__(self, message: str, *, is_forbidden: bool) -> None:
        super().__init__(message)
        self.is_forbidden = is_forbidden
        """Whether it was a 403."""


class _StaleAnswer(Exception):  # noqa: N818 - it never leaves this module
    """A whole answer whose headers say that it is not newer than what was asked for."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("it is known")
        self.headers = headers


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for, and how."""

    url: str
    params: Mapping[str, str]
    cache: AnswerCache
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    newer_than: datetime | None = None
    deadline: Deadline | None = None


class Transport:
    """GETs with a bearer token. Safe to share between threads.

    `credentials` is called when a token is needed first, so that cached data can be read without any. `now` gives
    seconds since the epoch, `jitter` a number from 0 to 1; `sleep` and `check` raise `InterruptedRunError` where the
    run is asked to end, which breaks off what is on its way.
    """

    def __init__(
        self,
        *,
        cache_folder: Path,
        credentials: Callable[[], tuple[str, str]],
        oauth_url: str,
        timeout: tuple[float, float],
        rate_limit: RateLimit,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        check: Callable[[], None] = lambda: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._now = now
        self._oauth_url = oauth_url
        self._dynamic = AnswerCache(cache_folder / "dynamic.sqlite", seconds=DYNAMIC_CACHE_SECONDS, now=now)
        self._static = AnswerCache(cache_folder / "static.sqlite", seconds=None, now=now)
        self._retries = Retries(sleep=sleep, jitter=jitter)
        self._wire = Wire(timeout=timeout, rate_limit=rate_limit, check=check)
        self._token = AccessToken(self._wire, credentials=credentials, oauth_url=oauth_url)
        # Static answers are small, and useful to an interrupted seeding.
        self._dynamic.prune()

    @property
    def counter(self) -> TrafficCounter:
        """How often Blizzard was asked so far, and how often an answer was at hand."""
        return self._wire.counter

    def get_dynamic(
        self,
        url: str,
        params: Mapping[str, str],
        *,
        newer_than: datetime | None = None,
        anew: bool = False,
        deadline: Deadline | None = None,
    ) -> Answer:
        """Ask for what changes by the hour; with `newer_than` (aware UTC), only for something newer.

        A body that any process received in the last 60 seconds and that is newer is taken from the cache, unless it is
        asked for `anew`; otherwise Blizzard is asked, and a 304 costs neither a look at the cached body nor a write; a
        200 whose `Last-Modified` is not newer is broken off before its body, of 30 MB, comes for nothing.
        Nothing is begun after the deadline, but for the first attempt. Raises `UnavailableError`, `CredentialsError`
        or `NotThereError`.
        """
        at_hand = None if anew else self._dynamic.find(url, params, newer_than=newer_than)
        if at_hand is not None:
            return self._answer(at_hand, from_cache=True)
        # Whatever stands in between has nothing to say about the hour either.
        headers = {"Cache-Control": "no-cache"}
        if newer_than is not None:
            headers["If-Modified-Since"] = format_datetime(newer_than, usegmt=True)
        return self._ask(_Question(url, params, self._dynamic, headers, newer_than, deadline))

    def forget_dynamic(self, url: str, params: Mapping[str, str]) -> None:
        """Drop a cached answer of `get_dynamic`, which turned out to be of no use."""
        self._dynamic.forget(url, params)

    def get_static(
        self, url: str, params: Mapping[str, str], *, anew: bool = False, deadline: Deadline | None = None
    ) -> Answer:
        """Ask for what changes with a patch; answers are kept for as long as Blizzard allows, unless asked `anew`.

        Raises as above.
        """
        at_hand = None if anew else self._static.find(url, params)
        if at_hand is not None:
            self.counter.reused()
            return self._answer(at_hand, from_cache=True)
        headers = {"Cache-Control": "no-cache"} if anew else {}
        return self._ask(_Question(url, params, self._static, headers, deadline=deadline))

    def forget_static(self, url: str, params: Mapping[str, str]) -> None:
        """Drop a cached answer of `get_static`, which turned out to be of no use."""
        self._static.forget(url, params)

    def forget_all_static(self) -> None:
        """Drop every cached answer of `get_static`."""
        self._static.forget_all()

    def check_credentials(self) -> None:
        """Fetch a token, in one attempt; raises `CredentialsError`, `ConfigurationError` or `UnavailableError`."""
        try:
            self._token.get(refused=None, deadline=None)
        except TransientFault as fault:
            raise UnavailableError(
                f"Blizzard's token endpoint is unavailable: {fault}, for {shown(self._oauth_url)}. Try again later; "
                "if it stays so, check IRONFORGE_OAUTH_URL and the way to it."
            ) from fault

    def close(self) -> None:
        """Close connections and cache files."""
        self._wire.close()
        for cache in (self._dynamic, self._static):
            cache.close()

    def _ask(self, question: _Question) -> Answer:
        """Ask until an answer comes, or it makes no sense any more."""
        try:
            return self._retries.run(
                lambda: self._ask_authorized(question), of=question.url, deadline=question.deadline
            )
        except _StaleAnswer as stale:
            return Answer(status=_OK, body=b"", headers=self._dated(stale.headers), from_cache=False, is_stale=True)

    def _ask_authorized(self, question: _Question) -> Answer:
        """One attempt: with the token at hand, and with a new one where that is refused."""
        refused: str | None = None
        for _ in range(2):
            token = self._token.get(refused=refused, deadline=question.deadline)
            response = self._send(question, token)
            if response.status_code != _UNAUTHORIZED:
                return self._judged(question, response)
            # A token can end before its time; a second refusal is no accident.
            refused = token
        raise CredentialsError(
            "Blizzard refused the token twice (401). Check BLIZZARD_CLIENT_ID and BLIZZARD_CLIENT_SECRET; "
            "`ironforge config check` tries them."
        )

    def _send(self, question: _Question, token: str) -> requests.Response:
        def look(response: requests.Response) -> None:
            if response.status_code != _OK:
                return
            modified = http_time(response.headers.get("Last-Modified", ""))
            if question.newer_than is not None and modified is not None and modified <= question.newer_than:
                raise _StaleAnswer(response.headers)

        return self._wire.send(
            "GET",
            question.url,
            deadline=question.deadline,
            on_headers=look,
            params=dict(question.params),
            headers=dict(question.headers),
            auth=Bearer(token),
        )

    def _judged(self, question: _Question, response: requests.Response) -> Answer:
        """The answer, if its status says that it is one."""
        status = response.status_code
        if status == _OK:
            keep = functools.partial(question.cache.keep, question.url, question.params, response)
            return self._answer(response, from_cache=False, keep=keep)
        if status == _NO_CONTENT or (status == _NOT_MODIFIED and "If-Modified-Since" in question.headers):
            return self._answer(response, from_cache=False)
        said = payloads.fault_detail(response.content)
        what = f"{status}, {said}" if said else str(status)
        if status in {_FORBIDDEN, _NOT_FOUND}:
            raise NotThereError(
                f"Blizzard answered {what} for {shown(response.url)}: it is not there, or not shown to this API "
                "client. Check IRONFORGE_API_URL.",
                is_forbidden=status == _FORBIDDEN,
            )
        raise UnavailableError(
            f"Blizzard answered {what} for {shown(response.url)}, which asking again would not change. "
            "Check IRONFORGE_API_URL and IRONFORGE_LOCALE."
        )

    def _answer(
        self, response: requests.Response, *, from_cache: bool, keep: Callable[[], None] = _nothing_to_keep
    ) -> Answer:
        headers = self._dated(response.headers)
        return Answer(response.status_code, response.content, headers, from_cache=from_cache, keep=keep)

    def _dated(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """An answer's headers; whoever receives one without a time notes its own (RFC 9110, section 6.6.1)."""
        headers = CaseInsensitiveDict(given)
        if http_time(headers.get("Date", "")) is None:
            headers["Date"] = format_datetime(datetime.fromtimestamp(self._now(), tz=UTC), usegmt=True)
        return headers
