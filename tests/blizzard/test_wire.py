"""What an error of the libraries means, without a network: what may pass, what to set otherwise, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests import exceptions
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ironforge_cli.blizzard.transient_faults import TransientFault
from ironforge_cli.blizzard.wire import USER_AGENT, Wire
from ironforge_cli.errors import ConfigurationError, RefusedAnswerError

if TYPE_CHECKING:
    from collections.abc import Generator

URL = "https://eu.api.example/data"
PROXY = "http://me:hidden@proxy.example:3128"
THROUGH = " through the proxy proxy.example:3128"
SETTINGS = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"


class Line:
    """A session's answer or error, and what it was asked; `reads` is what reading the body does."""

    def __init__(self, happens: Exception | requests.Response) -> None:
        self.happens = happens
        self.asked: list[tuple[object, ...]] = []

    def __call__(self, method: str, url: str, **options: Any) -> requests.Response:
        self.asked.append((method, url, options))
        if isinstance(self.happens, Exception):
            raise self.happens
        return self.happens


class Limit:
    waits: list[object]

    def __init__(self) -> None:
        self.waits = []

    def wait(self, deadline: object) -> None:
        self.waits.append(deadline)


class Body(requests.Response):
    """An answer whose body raises when it is read, or is there."""

    def __init__(self, status: int = 200, *, fails: Exception | None = None, reason: str = "") -> None:
        super().__init__()
        self.status_code, self.reason, self.fails, self.is_closed = status, reason, fails, False

    @property
    def content(self) -> bytes:
        if self.fails is not None:
            raise self.fails
        return b"{}"

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Generator[Wire]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    limit: Any = Limit()
    made = Wire(timeout=(3.0, 7.0), rate_limit=limit)
    yield made
    made.close()


def send(wire: Wire, happens: Exception | requests.Response, **options: Any) -> tuple[requests.Response, Line]:
    line = Line(happens)
    wire._session.request = line  # pyright: ignore[reportPrivateUsage,reportAttributeAccessIssue] - no network is asked
    return wire.send("GET", URL, deadline=None, **options), line


def fault(wire: Wire, happens: Exception | requests.Response, kind: type[Exception]) -> str:
    with pytest.raises(kind) as raised:
        send(wire, happens)
    return str(raised.value)


def test_a_whole_answer_is_given_as_it_is_and_was_asked_within_the_limits(wire: Wire) -> None:
    seen: list[requests.Response] = []
    answer, line = send(wire, Body(), on_headers=seen.append, params={"a": "b"})
    assert (seen, answer.content) == ([answer], b"{}")
    assert line.asked == [("GET", URL, {"timeout": (3.0, 7.0), "stream": True, "params": {"a": "b"}})]
    limit: Any = wire._rate_limit  # pyright: ignore[reportPrivateUsage] - that it was asked is the claim
    assert limit.waits == [None]
    assert (wire.counter.traffic.requests, wire.counter.traffic.cache_hits) == (1, 0)
    session = wire._session  # pyright: ignore[reportPrivateUsage] - what all requests have in common
    assert session.headers["User-Agent"] == USER_AGENT
    assert type(session.get_adapter("http://x")) is type(session.get_adapter("https://x"))
    assert type(session.get_adapter("http://x")).__name__ == "BoundedAdapter"
    policy: Any = session.cookies.get_policy()
    assert policy.allowed_domains() == ()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exceptions.SSLError("bad"), "no secure connection"),
        (exceptions.ProxyError("bad"), "no connection"),
        (exceptions.ConnectTimeout("bad"), "no answer in time"),
        (exceptions.ReadTimeout("bad"), "no answer in time"),
        (exceptions.ConnectionError("bad"), "no connection"),
        (exceptions.ChunkedEncodingError("bad"), "the connection broke in the middle of the answer"),
        (exceptions.ContentDecodingError("bad"), "the connection broke in the middle of the answer"),
    ],
)
def test_what_may_pass_is_said_and_a_proxy_is_named_where_nothing_was_sent_yet(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    assert fault(wire, error, TransientFault) == f"{words} (bad)"
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert fault(wire, error, TransientFault) == f"{words}{THROUGH} (bad; check {SETTINGS})"
    # What breaks in the body has left already.
    body = Body(fails=error)
    assert fault(wire, body, TransientFault) == f"{words}{THROUGH} (bad)"
    assert body.is_closed


def test_a_body_that_does_not_come_in_time_is_late_and_no_lost_connection(wire: Wire) -> None:
    pool: Any = None
    late = exceptions.ConnectionError(ReadTimeoutError(pool, URL, "Read timed out."))
    assert fault(wire, Body(fails=late), TransientFault).startswith("no answer in time (")


def test_what_is_set_wrong_is_told_by_its_setting_and_the_rest_is_left_alone(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = "IRONFORGE_API_URL and IRONFORGE_OAUTH_URL"
    for error in (exceptions.InvalidURL("bad"), HTTPError("bad"), ValueError("bad")):
        assert fault(wire, error, ConfigurationError) == f"The request could not be made (bad). Check {urls}."
    assert fault(wire, OSError("bad"), ConfigurationError) == (
        "The request could not be made (bad). Check REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE."
    )
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert fault(wire, ValueError("bad"), ConfigurationError) == (
        f"The request could not be made{THROUGH} (bad). Check {urls}, then {SETTINGS}."
    )
    # Behind the headers they are somebody else's.
    for error in (ValueError("bad"), OSError("bad"), RefusedAnswerError("bad")):
        assert fault(wire, Body(fails=error), type(error)) == "bad"
    assert fault(wire, RefusedAnswerError("bad"), RefusedAnswerError) == "bad"
    assert fault(wire, Body(fails=HTTPError("bad")), ConfigurationError).startswith("The request could not be made")


def test_a_proxy_that_wants_other_credentials_is_told_wherever_it_says_so(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunnel = exceptions.ProxyError("Tunnel connection failed: 407 Proxy Authentication Required")
    told = (
        f"The request was not passed on{THROUGH}: it wants other credentials (407). Check the name and the password in "
        f"{SETTINGS}."
    )
    assert fault(wire, tunnel, TransientFault).startswith("no connection (Tunnel")
    answer, _ = send(wire, Body(407))
    assert answer.status_code == 407
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert fault(wire, tunnel, ConfigurationError) == told
    assert fault(wire, exceptions.ProxyError("it said 407"), ConfigurationError) == told
    assert fault(wire, Body(407), ConfigurationError) == told
    assert "no connection" in fault(wire, exceptions.ProxyError("it said 4070"), TransientFault)
    assert fault(wire, Body(502, reason="Bad"), TransientFault) == f"it answered 502, Bad{THROUGH}"
    answer, _ = send(wire, Body(404))
    assert answer.status_code == 404


def test_whoever_ends_an_answer_at_its_headers_ends_its_connection(wire: Wire) -> None:
    body = Body()

    def refuse(_: requests.Response) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(wire, body, on_headers=refuse)
    assert body.is_closed
