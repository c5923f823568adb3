"""Sessions to Blizzard's API: cache, token, rate limit, retries and time-outs; HTTP status in, bodies or errors out.

Two cached sessions, since obeying Blizzard's `Cache-Control` (static data) would override the 60 seconds of dynamic
data. Neither stores tokens, and their files hold plain data, never code (`docs/decisions/0002`).
"""

from __future__ import annotations

import logging
import random
import re
import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import msgspec
import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests.structures import CaseInsensitiveDict
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from ironforge_cli.blizzard import payloads
from ironforge_cli.blizzard.cache import cached_session, forget, forget_all, fresh_response, prune
from ironforge_cli.blizzard.headers import http_time
from ironforge_cli.blizzard.passing import (
    ATTEMPTS,
    PassingFault,
    cause,
    raise_passing,
    say,
    shown,
    tried,
    worth_waiting,
)
from ironforge_cli.blizzard.patience import READS_AN_ANSWER, PatientAdapter
from ironforge_cli.blizzard.tally import Tally
from ironforge_cli.errors import ConfigurationError, CredentialsError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from requests_cache import CachedSession

    from ironforge_cli.blizzard.ratelimit import RateLimit

log = logging.getLogger(__name__)

DYNAMIC_CACHE_SECONDS: Final = 60
USER_AGENT: Final = "ironforge (+https://pypi.org/project/ironforge-cli)"

_OK: Final = 200
_NO_CONTENT: Final = 204
_NOT_MODIFIED: Final = 304
_BAD_REQUEST: Final = 400
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


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


class _Bearer(AuthBase):
    """A token in the header. As a header alone it would give way to an entry of ~/.netrc for the same host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


class Transport:
    """GETs with a bearer token. Safe to share between threads.

    `credentials` is called when a token is needed first, so that cached data can be read without any. `now` gives
    seconds since the epoch, `jitter` a number from 0 to 1.
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
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._now = now
        self._credentials = credentials
        self._oauth_url = oauth_url
        self._timeout = timeout
        self._rate_limit = rate_limit
        self._sleep = sleep
        self._jitter = jitter
        self._token: str | None = None
        self._token_lock = threading.Lock()
        self.tally = Tally()
        self._plain = requests.Session()
        self._dynamic = cached_session(
            cache_folder / "dynamic.sqlite", expire_after=DYNAMIC_CACHE_SECONDS, obey_server=False
        )
        self._static = cached_session(cache_folder / "static.sqlite", expire_after=0, obey_server=True)
        patient = PatientAdapter(longest=READS_AN_ANSWER * timeout[1])
        for session in (self._plain, self._dynamic, self._static):
            session.headers["User-Agent"] = USER_AGENT
            # The API needs none, and a jar that one thread fills while another reads it fails.
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
            session.mount("https://", patient)
            session.mount("http://", patient)
        # Bodies of 30 MB must not pile up; static answers are small, and useful to an interrupted seeding.
        try:
            prune(self._dynamic)
        except sqlite3.Error as error:
            log.warning("The HTTP cache could not be pruned (%s)", error)

    def get_dynamic(
        self,
        url: str,
        params: Mapping[str, str],
        *,
        newer_than: datetime | None = None,
    ) -> Answer:
        """Ask for what changes by the hour; with `newer_than` (aware UTC), only for something newer.

        A body that any process received in the last 60 seconds and that is newer is taken from the cache; otherwise
        Blizzard is asked, and a 304 costs neither a look at the cached body nor a write; a 200 whose `Last-Modified` is
        not newer is broken off before its body, of 30 MB, comes for nothing. Raises `UnavailableError`,
        `CredentialsError` or `NotThereError`.
        """
        response = self._fresh(self._dynamic, url, params, longest=DYNAMIC_CACHE_SECONDS, newer_than=newer_than)
        if response is not None:
            return self._answer(response, from_cache=True)
        # `no-cache` keeps requests-cache from reading the cached body in order to revalidate it on its own.
        headers = {"Cache-Control": "no-cache"}
        if newer_than is not None:
            headers["If-Modified-Since"] = format_datetime(newer_than, usegmt=True)
        return self._get(self._dynamic, url, params, headers, newer_than=newer_than)

    def forget_dynamic(self, url: str, params: Mapping[str, str]) -> None:
        """Drop a cached answer of `get_dynamic`, which turned out to be of no use."""
        try:
            forget(self._dynamic, url, params)
        except sqlite3.Error as error:
            log.warning("A refused answer stays in the HTTP cache for a minute (%s)", error)

    def get_static(self, url: str, params: Mapping[str, str], *, anew: bool = False) -> Answer:
        """Ask for what changes with a patch; answers are kept for as long as Blizzard allows, unless asked `anew`.

        Raises as above.
        """
        response = None if anew else self._fresh(self._static, url, params)
        if response is not None:
            self.tally.reused()
            return self._answer(response, from_cache=True)
        return self._get(self._static, url, params, {"Cache-Control": "no-cache"} if anew else {})

    def forget_static(self) -> None:
        """Drop every cached answer of `get_static`."""
        try:
            forget_all(self._static)
        except sqlite3.Error as error:
            log.warning("Answers that were asked for before stay in the HTTP cache (%s)", error)

    def check_credentials(self) -> None:
        """Fetch a token, in one attempt; raises `CredentialsError`, `ConfigurationError` or `UnavailableError`."""
        try:
            self._authorization(refused=None)
        except PassingFault as fault:
            raise UnavailableError(
                f"Blizzard's token endpoint is unavailable: {fault}, for {shown(self._oauth_url)}. Try again later; "
                "if it stays so, check IRONFORGE_OAUTH_URL and the way to it."
            ) from fault

    def close(self) -> None:
        """Close connections and cache files."""
        for session in (self._plain, self._dynamic, self._static):
            session.close()
        for session in (self._dynamic, self._static):
            session.cache.close()

    def _fresh(
        self,
        session: CachedSession,
        url: str,
        params: Mapping[str, str],
        *,
        longest: int | None = None,
        newer_than: datetime | None = None,
    ) -> requests.Response | None:
        """A cached answer that is still good; a cache that fails costs an answer from Blizzard, never the run."""
        try:
            return fresh_response(session, url, params, at=self._now(), longest=longest, newer_than=newer_than)
        except sqlite3.Error as error:
            log.warning("The HTTP cache can't be read (%s); Blizzard is asked instead", error)
            return None
        except requests.exceptions.RequestException:
            # An address that can't be asked is told by whoever asks.
            return None

    def _get(
        self,
        session: CachedSession,
        url: str,
        params: Mapping[str, str],
        headers: dict[str, str],
        *,
        newer_than: datetime | None = None,
    ) -> Answer:
        def answered(response: requests.Response, *_: Any, **__: Any) -> None:
            # Called before the body is read.
            if response.status_code != _OK:
                return
            modified = http_time(response.headers.get("Last-Modified", ""))
            if newer_than is not None and modified is not None and modified <= newer_than:
                # What is on its way already is thrown away with the connection.
                response.close()
                raise _StaleAnswer(response.headers)

        def ask(by: requests.Session, token: str) -> requests.Response:
            return by.request(
                "GET",
                url,
                params=dict(params),
                headers=dict(headers),
                auth=_Bearer(token),
                timeout=self._timeout,
                hooks={"response": answered},
            )

        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._wait,
            retry=retry_if_exception(worth_waiting),
            sleep=self._sleep,
            before_sleep=say,
            reraise=True,
        )
        try:
            return retrying(self._get_authorized, session, ask, conditional="If-Modified-Since" in headers)
        except _StaleAnswer as stale:
            return Answer(status=_OK, body=b"", headers=self._dated(stale.headers), from_cache=False, is_stale=True)
        except PassingFault as fault:
            raise UnavailableError(
                f"Blizzard's API is unavailable: {fault}, for {shown(url)} ({tried(retrying)}). "
                "The next run tries again."
            ) from fault

    def _get_authorized(
        self,
        session: CachedSession,
        ask: Callable[[requests.Session, str], requests.Response],
        *,
        conditional: bool,
    ) -> Answer:
        refused: str | None = None
        for _ in range(2):
            token = self._authorization(refused=refused)
            response = self._asked(session, ask, token)
            if response.status_code != _UNAUTHORIZED:
                return self._judged(response, conditional=conditional)
            # A token can end before its time; a second refusal is no accident.
            refused = token
        raise CredentialsError(
            "Blizzard refused the token twice (401). Check BLIZZARD_CLIENT_ID and BLIZZARD_CLIENT_SECRET; "
            "`ironforge config check` tries them."
        )

    def _asked(
        self, session: CachedSession, ask: Callable[[requests.Session, str], requests.Response], token: str
    ) -> requests.Response:
        """Ask through the cache, or without it where its file fails, as on a full disk."""
        try:
            return self._send(lambda: ask(session, token))
        except sqlite3.Error as error:
            log.warning("The HTTP cache can't be used (%s); Blizzard is asked without it", error)
            return self._send(lambda: ask(self._plain, token))

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
        status = response.status_code
        if status in {_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN}:
            raise CredentialsError(
                f"Blizzard refused the API client ({status}). Check BLIZZARD_CLIENT_ID and "
                "BLIZZARD_CLIENT_SECRET at https://develop.battle.net/access/clients."
            )
        raise_passing(response)
        if status != _OK:
            raise ConfigurationError(
                f"{shown(self._oauth_url)} answered {status} instead of a token. Check IRONFORGE_OAUTH_URL."
            )
        # The body can hold a token: it is never quoted.
        try:
            token = msgspec.json.decode(response.content, type=_Token).access_token
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise PassingFault("the token endpoint answered without a token") from None
        if not _TOKEN.fullmatch(token):
            raise PassingFault("the token endpoint answered a token that no header can hold")
        return token

    def _send(self, send: Callable[[], requests.Response]) -> requests.Response:
        self._rate_limit.wait()
        self.tally.asked()
        try:
            return send()
        except requests.exceptions.SSLError as error:
            raise PassingFault(f"no secure connection ({cause(error)})") from error
        except requests.exceptions.Timeout as error:
            raise PassingFault(f"no answer in time ({cause(error)})") from error
        except requests.exceptions.ConnectionError as error:
            raise PassingFault(f"no connection ({cause(error)})") from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise PassingFault(f"the connection broke in the middle of the answer ({cause(error)})") from error
        except requests.exceptions.RequestException as error:
            raise ConfigurationError(
                f"The request could not be made ({cause(error)}). Check IRONFORGE_API_URL and IRONFORGE_OAUTH_URL."
            ) from error

    def _judged(self, response: requests.Response, *, conditional: bool) -> Answer:
        raise_passing(response)
        status = response.status_code
        if status in {_OK, _NO_CONTENT} or (status == _NOT_MODIFIED and conditional):
            return self._answer(response, from_cache=bool(getattr(response, "from_cache", False)))
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

    def _answer(self, response: requests.Response, *, from_cache: bool) -> Answer:
        headers = self._dated(response.headers)
        return Answer(status=response.status_code, body=response.content, headers=headers, from_cache=from_cache)

    def _dated(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """An answer's headers; whoever receives one without a time notes its own (RFC 9110, section 6.6.1)."""
        headers = CaseInsensitiveDict(given)
        if http_time(headers.get("Date", "")) is None:
            headers["Date"] = format_datetime(datetime.fromtimestamp(self._now(), tz=UTC), usegmt=True)
        return headers

    def _wait(self, state: RetryCallState) -> float:
        """How long to wait: what Blizzard asked for, else exponentially longer, with jitter."""
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, PassingFault) else None
        return asked or 2.0 ** (state.attempt_number - 1) * (1 + self._jitter() / 2)


class _Token(msgspec.Struct):
    access_token: str
