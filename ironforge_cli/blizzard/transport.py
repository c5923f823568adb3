"""Sessions to Blizzard's API: cache, token, rate limit, retries and time-outs; HTTP status in, bodies or errors out.

Two cached sessions, since obeying Blizzard's `Cache-Control` (static data) would override the 60 seconds of dynamic
data. Neither stores tokens, and their files hold plain data, never code (`docs/decisions/0003`).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import msgspec
import requests
from requests.auth import HTTPBasicAuth
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from ironforge_cli.blizzard.cache import cached_session, forget, fresh_response, prune
from ironforge_cli.errors import ConfigurationError, CredentialsError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.blizzard.ratelimit import RateLimit

log = logging.getLogger(__name__)

DYNAMIC_CACHE_SECONDS: Final = 60
ATTEMPTS: Final = 5
LONGEST_WAIT_SECONDS: Final = 120.0
"""A `Retry-After` beyond this is not slept through: the next run comes sooner."""
USER_AGENT: Final = "ironforge (+https://pypi.org/project/ironforge-cli)"

_OK: Final = 200
_NOT_MODIFIED: Final = 304
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What Blizzard answered: 200, 204 or 304, with its body as sent before compression."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    from_cache: bool

    @property
    def not_modified(self) -> bool:
        """Whether Blizzard says that nothing is newer than what was asked for."""
        return self.status == _NOT_MODIFIED


class NotThereError(UnavailableError):
    """Blizzard has no such thing, or doesn't show it (404, 403): usual for recipes and items, skipped by everyone."""


class _PassingFault(Exception):  # noqa: N818 - it never leaves this module
    """Something that may be over at the next attempt; `retry_after` is what Blizzard asked for, in seconds."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Transport:
    """GETs with a bearer token. Safe to share between threads.

    `credentials` is called when a token is needed first, so that cached data can be read without any.
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
    ) -> None:
        self._now = now
        self._credentials = credentials
        self._oauth_url = oauth_url
        self._timeout = timeout
        self._rate_limit = rate_limit
        self._sleep = sleep
        self._token: str | None = None
        self._token_lock = threading.Lock()
        self._plain = requests.Session()
        self._dynamic = cached_session(
            cache_folder / "dynamic.sqlite", expire_after=DYNAMIC_CACHE_SECONDS, obey_server=False
        )
        self._static = cached_session(cache_folder / "static.sqlite", expire_after=0, obey_server=True)
        for session in (self._plain, self._dynamic, self._static):
            session.headers["User-Agent"] = USER_AGENT
        # Bodies of 30 MB must not pile up; static answers are small, and useful to an interrupted seeding.
        prune(self._dynamic)

    def get_dynamic(self, url: str, params: Mapping[str, str], *, newer_than: datetime | None = None) -> Answer:
        """Ask for what changes by the hour; with `newer_than` (aware UTC), only for something newer.

        A body that any process received in the last 60 seconds and that is newer is taken from the cache; otherwise
        Blizzard is asked, and a 304 costs neither a look at the cached body nor a write. Raises `UnavailableError`,
        `CredentialsError` or `NotThereError`.
        """
        response = fresh_response(self._dynamic, url, params, at=self._now())
        if response is not None and (newer_than is None or _is_newer(response, newer_than)):
            return _answer(response, from_cache=True)
        # `no-cache` keeps requests-cache from reading the cached body in order to revalidate it on its own.
        headers = {"Cache-Control": "no-cache"}
        if newer_than is not None:
            headers["If-Modified-Since"] = format_datetime(newer_than, usegmt=True)
        return self._get(self._dynamic, url, params, headers)

    def forget_dynamic(self, url: str, params: Mapping[str, str]) -> None:
        """Drop a cached answer of `get_dynamic`, which turned out to be of no use."""
        forget(self._dynamic, url, params)

    def get_static(self, url: str, params: Mapping[str, str]) -> Answer:
        """Ask for what changes with a patch; answers are kept for as long as Blizzard allows. Raises as above."""
        return self._get(self._static, url, params, {})

    def check_credentials(self) -> None:
        """Fetch a token; raises `CredentialsError`, `ConfigurationError` or `UnavailableError`."""
        self._authorization(refused=None)

    def close(self) -> None:
        """Close connections and cache files."""
        for session in (self._plain, self._dynamic, self._static):
            session.close()
        for session in (self._dynamic, self._static):
            session.cache.close()

    def _get(self, session: requests.Session, url: str, params: Mapping[str, str], headers: dict[str, str]) -> Answer:
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            retry=retry_if_exception(_worth_waiting),
            sleep=self._sleep,
            before_sleep=_say,
            reraise=True,
        )
        try:
            return retrying(self._get_authorized, session, url, params, headers)
        except _PassingFault as fault:
            raise UnavailableError(
                f"Blizzard's API is unavailable: {fault}, for {url} ({_tried(retrying)}). The next run tries again."
            ) from fault

    def _get_authorized(
        self, session: requests.Session, url: str, params: Mapping[str, str], headers: dict[str, str]
    ) -> Answer:
        refused: str | None = None
        for _ in range(2):
            token = self._authorization(refused=refused)
            response = self._send(
                lambda token=token: session.request(
                    "GET",
                    url,
                    params=dict(params),
                    headers={**headers, "Authorization": f"Bearer {token}"},
                    timeout=self._timeout,
                )
            )
            if response.status_code != _UNAUTHORIZED:
                return _judged(response)
            # A token can end before its time; a second refusal is no accident.
            refused = token
        raise CredentialsError(
            "Blizzard refused the token twice (401). Check BLIZZARD_CLIENT_ID and BLIZZARD_CLIENT_SECRET; "
            "`ironforge config check` tries them."
        )

    def _authorization(self, *, refused: str | None) -> str:
        """The bearer token; fetched once, and again when it is the one that was refused."""
        with self._token_lock:
            if self._token is None or self._token == refused:
                self._token = None
                self._token = self._fetch_token()
            return self._token

    def _fetch_token(self) -> str:
        client_id, secret = self._credentials()
        response = self._send(
            lambda: self._plain.post(
                self._oauth_url,
                data={"grant_type": "client_credentials"},
                auth=HTTPBasicAuth(client_id.encode(), secret.encode()),
                timeout=self._timeout,
                allow_redirects=False,
            )
        )
        if response.status_code in {400, _UNAUTHORIZED, _FORBIDDEN}:
            raise CredentialsError(
                f"Blizzard refused the API client ({response.status_code}). Check BLIZZARD_CLIENT_ID and "
                "BLIZZARD_CLIENT_SECRET at https://develop.battle.net/access/clients."
            )
        _raise_passing(response)
        try:
            token = msgspec.json.decode(response.content, type=_Token).access_token
        except msgspec.MsgspecError as error:
            # The body can hold a token: it is not quoted.
            raise _PassingFault(f"the token endpoint answered {response.status_code} without a token") from error
        if not token:
            raise _PassingFault("the token endpoint answered an empty token")
        return token

    def _send(self, send: Callable[[], requests.Response]) -> requests.Response:
        self._rate_limit.wait()
        try:
            return send()
        except requests.exceptions.SSLError as error:
            raise _PassingFault(f"no secure connection ({_cause(error)})") from error
        except requests.exceptions.Timeout as error:
            raise _PassingFault(f"no answer in time ({_cause(error)})") from error
        except requests.exceptions.ConnectionError as error:
            raise _PassingFault(f"no connection ({_cause(error)})") from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise _PassingFault(f"the connection broke in the middle of the answer ({_cause(error)})") from error
        except requests.exceptions.RequestException as error:
            raise ConfigurationError(
                f"The request could not be made ({_cause(error)}). Check IRONFORGE_API_URL and IRONFORGE_OAUTH_URL."
            ) from error


class _Token(msgspec.Struct):
    access_token: str


def _answer(response: requests.Response, *, from_cache: bool) -> Answer:
    return Answer(status=response.status_code, body=response.content, headers=response.headers, from_cache=from_cache)


def _judged(response: requests.Response) -> Answer:
    _raise_passing(response)
    status = response.status_code
    if status in {_FORBIDDEN, _NOT_FOUND}:
        raise NotThereError(
            f"Blizzard answered {status} for {response.url}: it is not there, or not shown to this API client. "
            "Check IRONFORGE_API_URL."
        )
    if status == _NOT_MODIFIED or _OK <= status < 300:  # noqa: PLR2004 - HTTP's range of success
        return _answer(response, from_cache=bool(getattr(response, "from_cache", False)))
    raise _PassingFault(f"it answered {status}")


def _raise_passing(response: requests.Response) -> None:
    status = response.status_code
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        reason = "too many requests" if status == _TOO_MANY else "a server error"
        raise _PassingFault(f"it answered {status}, {reason}", retry_after=_retry_after(response))


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that `Retry-After` asks for; it comes as seconds or as a date, or not at all."""
    given = response.headers.get("Retry-After")
    if given is None:
        return None
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(given)
        asked_at = parsedate_to_datetime(response.headers.get("Date", ""))
        return max(0.0, (until - asked_at).total_seconds())
    except (ValueError, TypeError):
        return None


def _worth_waiting(error: BaseException) -> bool:
    """Whether another attempt in this run makes sense: retry is decided by type, and by Blizzard's own word."""
    return isinstance(error, _PassingFault) and (error.retry_after or 0.0) <= LONGEST_WAIT_SECONDS


def _tried(retrying: Retrying) -> str:
    attempts = retrying.statistics.get("attempt_number", 1)
    return "tried once" if attempts == 1 else f"tried {attempts} times"


_backoff = wait_random_exponential(multiplier=1, max=30)


def _wait(state: RetryCallState) -> float:
    """How long to wait: what Blizzard asked for, else exponentially longer, with jitter."""
    fault = state.outcome.exception() if state.outcome else None
    asked = fault.retry_after if isinstance(fault, _PassingFault) else None
    return _backoff(state) if asked is None else asked


def _say(state: RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    log.warning("Blizzard: %s; attempt %d of %d, again in %.1f s", fault, state.attempt_number, ATTEMPTS, seconds)


def _is_newer(response: requests.Response, than: datetime) -> bool:
    try:
        return parsedate_to_datetime(response.headers.get("Last-Modified", "")) > than
    except (ValueError, TypeError):
        return False


def _cause(error: BaseException) -> str:
    """The innermost reason, without the URL that libraries wrap around it."""
    while True:
        inner = error.__cause__ or error.__context__
        if inner is None:
            return " ".join(str(error).split()) or type(error).__name__
        error = inner
