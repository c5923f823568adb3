"""One request and its whole answer: counted, within the limits and within its time, or a fault in words."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import requests
from requests import exceptions
from requests.utils import select_proxy
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ironforge_cli.blizzard.exchanges import BoundedAdapter, Exchange, Exchanges, Part, Patience
from ironforge_cli.blizzard.traffic import TrafficCounter
from ironforge_cli.blizzard.transient_faults import TransientFault, cause, raise_transient
from ironforge_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.ratelimit import RateLimit

USER_AGENT: Final = "ironforge (+https://pypi.org/project/ironforge-cli)"

_PROXY_SETTINGS: Final = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"
_PROXY_WANTS_CREDENTIALS: Final = 407


class Wire:
    """Sends requests. Safe to share between threads.

    `check` raises `InterruptedRunError` where the run is asked to end: what is on its way is then broken off.
    """

    def __init__(
        self, *, timeout: tuple[float, float], rate_limit: RateLimit, check: Callable[[], None] = lambda: None
    ) -> None:
        self._timeout = timeout
        self._rate_limit = rate_limit
        self._check = check
        self._exchanges = Exchanges(Patience.of(timeout), check=check)
        self.counter = TrafficCounter()
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT
        # The API needs none, and a jar that one thread fills while another reads it fails.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        adapter = BoundedAdapter()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)

    def send(
        self,
        method: str,
        url: str,
        *,
        deadline: Deadline | None,
        on_headers: Callable[[requests.Response], None] = lambda _: None,
        **request: Any,
    ) -> requests.Response:
        """Ask, and receive all of the answer; `on_headers` is called before its body comes, and may end it by raising.

        Raises `TransientFault`, also for a status that says so, `ConfigurationError`, and what the rate limit raises.
        """
        self._rate_limit.wait(deadline)
        self.counter.asked()
        with self._exchanges.begun(deadline=deadline) as exchange:
            try:
                response = self._session.request(method, url, timeout=self._timeout, stream=True, **request)
                exchange.begin(Part.BODY)
                self._receive(response, on_headers)
            except Exception as error:
                fault = self._fault(error, exchange, url)
                if fault is None:
                    raise
                raise fault from error
            if exchange.broken is not None:
                # A body whose length nobody announced just ends where it is broken off.
                raise self._broken_off(exchange, url)
        if not response.ok:
            through = self._through(url)
            if through and response.status_code == _PROXY_WANTS_CREDENTIALS:
                raise _unwelcome(through)
            raise_transient(response, through=through)
        return response

    def close(self) -> None:
        """Close connections."""
        self._session.close()
        self._exchanges.close()

    def _receive(self, response: requests.Response, on_headers: Callable[[requests.Response], None]) -> None:
        try:
            on_headers(response)
            # It is kept by the answer.
            _ = response.content
        except BaseException:
            # Also where Ctrl-C ends it: what is on its way already is thrown away with the connection, and not taken
            # for the next answer.
            response.close()
            raise

    def _fault(self, error: Exception, exchange: Exchange, url: str) -> Exception | None:
        """What an error of the libraries means; None for one of somebody else's."""
        if exchange.broken is not None:
            return self._broken_off(exchange, url)
        through, why = self._through(url), cause(error)
        is_unsent = exchange.part is Part.CONNECTION
        if through and f" {_PROXY_WANTS_CREDENTIALS} " in f"{why} ":
            return _unwelcome(through)
        happened = _in_words(error)
        if happened is not None:
            # What goes wrong before a request has left is as a rule the proxy's, where there is one.
            check = f"; check {_PROXY_SETTINGS}" if through and is_unsent else ""
            return TransientFault(f"{happened}{through} ({why}{check})")
        if isinstance(error, exceptions.RequestException | HTTPError) or (is_unsent and isinstance(error, ValueError)):
            settings = "IRONFORGE_API_URL and IRONFORGE_OAUTH_URL" + (f", then {_PROXY_SETTINGS}" if through else "")
        elif is_unsent and isinstance(error, OSError):
            # What is read before anything is sent are certificates.
            settings = "REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE"
        else:
            return None
        return ConfigurationError(f"The request could not be made{through} ({why}). Check {settings}.")

    def _broken_off(self, exchange: Exchange, url: str) -> Exception:
        # Where the run is to end, that is what is told.
        self._check()
        return TransientFault(f"no answer in time{self._through(url)} ({exchange.broken})")

    def _through(self, url: str) -> str:
        """In words through which proxy an address is asked, by the settings in force; nothing without one."""
        try:
            settings: Any = self._session.merge_environment_settings(url, {}, None, None, None)
            proxy: str | None = select_proxy(url, settings["proxies"])
        except ValueError:
            # An address that is none is told by whoever asks.
            return ""
        return f" through the proxy {_place_of(proxy)}" if proxy else ""


def _in_words(error: Exception) -> str | None:
    """What happened, if it may pass."""
    match error:
        case exceptions.SSLError():
            return "no secure connection"
        case exceptions.Timeout():
            return "no answer in time"
        case exceptions.ConnectionError() if any(isinstance(inner, ReadTimeoutError) for inner in error.args):
            return "no answer in time"
        case exceptions.ConnectionError():
            return "no connection"
        case exceptions.ChunkedEncodingError() | exceptions.ContentDecodingError():
            return "the connection broke in the middle of the answer"
        case _:
            return None


def _place_of(proxy: str) -> str:
    """Host and port of a proxy, without the name and the password that its URL can hold.

    >>> _place_of("http://user:pass/wo@rd@proxy:3128/"), _place_of("user:word@proxy"), _place_of("http://[::1")
    ('proxy:3128', 'proxy', '[::1')
    """
    return proxy.rpartition("@")[2].removeprefix("http://").removeprefix("https://").partition("/")[0]


def _unwelcome(through: str) -> ConfigurationError:
    return ConfigurationError(
        f"The request was not passed on{through}: it wants other credentials (407). "
        f"Check the name and the password in {_PROXY_SETTINGS}."
    )
