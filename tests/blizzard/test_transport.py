"""Retries, time-outs and statuses, over real sockets."""

from __future__ import annotations

import logging
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.transport import ATTEMPTS, USER_AGENT, NotThereError
from ironforge_cli.errors import (
    ConfigurationError,
    InterruptedRunError,
    UnavailableError,
)
from ironforge_cli.regions import Region
from tests.blizzard.asking import api, ask, endpoints
from tests.blizzard.stub_server import TOKEN, Said, token_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.blizzard.transport import Transport
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.blizzard.conftest import Ahead
    from tests.blizzard.stub_server import Serve
    from tests.clocks import TickingClock

SECRET = "kept-from-everybody"  # noqa: S105 - it opens nothing


# Faults that pass


def set_one(sandbox: Sandbox, fault: str, count: int | None, **more: Any) -> None:
    sandbox.set_fault(fault, endpoint="token", count=count, **more)


PASSING: list[tuple[str, dict[str, Any], str]] = [
    ("rate_limited", {}, "429"),
    ("server_error", {}, "500"),
    ("server_error", {"status": 503}, "503"),
    ("html_5xx", {}, "502"),
    ("cut_connection", {}, "connection"),
    ("hang", {}, "no answer in time"),
]


@pytest.mark.parametrize(("fault", "more", "words"), PASSING)
def test_a_fault_that_stays_is_retried_with_growing_waits_and_then_unavailable(
    sandbox: Sandbox,
    make_transport: Callable[..., Transport],
    clock: TickingClock,
    *,
    fault: str,
    more: dict[str, Any],
    words: str,
) -> None:
    set_one(sandbox, fault, None, **more)
    with pytest.raises(UnavailableError, match=words) as unavailable:
        ask(make_transport(sandbox, timeout=(2, 0.1)), sandbox)
    assert unavailable.value.status == 69
    assert f"tried {ATTEMPTS} times" in str(unavailable.value)
    assert endpoints(sandbox).count("token") == ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1
    assert clock.slept == sorted(set(clock.slept))
    assert min(clock.slept) >= 1


@pytest.mark.parametrize(("fault", "more", "words"), PASSING)
def test_a_fault_that_ends_within_the_attempts_is_nothing_but_waiting(
    sandbox: Sandbox,
    make_transport: Callable[..., Transport],
    clock: TickingClock,
    caplog: pytest.LogCaptureFixture,
    *,
    fault: str,
    more: dict[str, Any],
    words: str,
) -> None:
    set_one(sandbox, fault, ATTEMPTS - 1, **more)
    with caplog.at_level(logging.WARNING, logger="ironforge_cli"):
        assert ask(make_transport(sandbox, timeout=(2, 0.1)), sandbox).status == 200
    assert len(clock.slept) == ATTEMPTS - 1
    told = [record.getMessage() for record in caplog.records if record.name.startswith("ironforge_cli")]
    assert len(told) == ATTEMPTS - 1
    assert all(words in message and "again in" in message for message in told)


def test_the_token_endpoint_s_passing_faults_are_retried_as_well(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    sandbox.set_fault("server_error", endpoint="oauth", count=2)
    assert ask(make_transport(sandbox), sandbox).status == 200
    assert endpoints(sandbox) == ["oauth", "oauth", "oauth", "token"]
    assert len(clock.slept) == 2


def test_retry_after_is_honoured(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    set_one(sandbox, "rate_limited", 2, retry_after=7)
    assert ask(make_transport(sandbox), sandbox).status == 200
    assert clock.slept == [7, 7]


def test_a_retry_after_that_no_run_can_wait_for_ends_it_at_once(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    set_one(sandbox, "rate_limited", None, retry_after=3_600)
    with pytest.raises(UnavailableError, match="tried once"):
        ask(make_transport(sandbox), sandbox)
    assert clock.slept == []


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("Sat, 7 Mar 2026 12:00:40 GMT", [35.0]),
        ("Sat, 7 Mar 2026 11:00:00 GMT", [1.25]),
        ("0", [1.25]),
        ("-3", [1.25]),
        ("nan", [1.25]),
        ("soon", [1.25]),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    serve: Serve,
    make_transport: Callable[..., Transport],
    clock: TickingClock,
    header: str,
    waits: list[float],
) -> None:
    left = [Said(status=429, headers={"Retry-After": header, "Date": "Sat, 07 Mar 2026 12:00:05 GMT"}), Said()]
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else left.pop(0))
    assert make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {}).status == 200
    assert clock.slept == waits


def test_an_answer_that_trickles_is_broken_off_and_asked_for_again(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    # Twenty pieces, each in time for one read, that take longer together than an answer may.
    set_one(sandbox, "slow_drip", 1, seconds=0.05)
    assert ask(make_transport(sandbox, timeout=(2, 0.1)), sandbox).status == 200
    assert endpoints(sandbox).count("token") == 2
    assert len(clock.slept) == 1


def test_a_refused_connection_is_retried_and_then_unavailable(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnavailableError, match="Connection refused"):
        make_transport(sandbox).get_dynamic(f"http://127.0.0.1:{port}/data", {})
    assert len(clock.slept) == ATTEMPTS - 1


def test_a_name_that_nobody_knows_is_unavailable(sandbox: Sandbox, make_transport: Callable[..., Transport]) -> None:
    with pytest.raises(UnavailableError, match="no connection"):
        make_transport(sandbox).get_dynamic("http://eu.api.invalid/data", {})


def test_a_request_to_end_ends_the_waiting(sandbox: Sandbox, make_transport: Callable[..., Transport]) -> None:
    def asked_to_end(_: float) -> None:
        raise InterruptedRunError("SIGTERM")

    set_one(sandbox, "server_error", None)
    with pytest.raises(InterruptedRunError):
        ask(make_transport(sandbox, sleep=asked_to_end), sandbox)
    assert endpoints(sandbox).count("token") == 1


# Statuses that stay


@pytest.mark.parametrize(("fault", "is_forbidden"), [("forbidden", True), ("not_found", False)])
def test_what_is_not_there_is_never_asked_for_again(
    sandbox: Sandbox,
    make_transport: Callable[..., Transport],
    clock: TickingClock,
    fault: str,
    *,
    is_forbidden: bool,
) -> None:
    set_one(sandbox, fault, None)
    with pytest.raises(NotThereError, match=r"Forbidden|Not Found") as missing:
        ask(make_transport(sandbox), sandbox)
    assert missing.value.is_forbidden is is_forbidden
    assert clock.slept == []
    assert endpoints(sandbox).count("token") == 1


@pytest.mark.parametrize("status", [400, 405])
def test_a_request_that_is_wrong_is_not_repeated(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock, status: int
) -> None:
    set_one(sandbox, "server_error", None, status=status)
    with pytest.raises(UnavailableError, match=str(status)):
        ask(make_transport(sandbox), sandbox)
    assert clock.slept == []
    assert endpoints(sandbox).count("token") == 1


@pytest.mark.parametrize("status", [206, 304])
def test_a_part_of_a_body_or_a_304_that_nobody_asked_for_is_no_answer(
    serve: Serve, make_transport: Callable[..., Transport], status: int
) -> None:
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else Said(status=status))
    with pytest.raises(UnavailableError, match=str(status)):
        make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {})


def test_no_content_is_an_answer_with_nothing_in_it(sandbox: Sandbox, make_transport: Callable[..., Transport]) -> None:
    set_one(sandbox, "no_content", 1)
    answer = ask(make_transport(sandbox), sandbox)
    assert (answer.status, answer.body) == (204, b"")


# What goes over the wire


def test_bodies_travel_compressed(sandbox: Sandbox, make_transport: Callable[..., Transport]) -> None:
    answer = ask(make_transport(sandbox), sandbox, path="auctions/commodities")
    assert answer.body == sandbox.published(Region.EU).body
    assert sandbox.requests[-1].bytes < len(answer.body) / 3


def test_the_tool_says_who_it_is(serve: Serve, make_transport: Callable[..., Transport]) -> None:
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else Said())
    make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {})
    assert {asked.headers["User-Agent"] for asked in stub.asked} == {USER_AGENT}


def test_an_answer_without_a_time_gets_that_of_its_arrival(
    serve: Serve, make_transport: Callable[..., Transport], wall: Ahead
) -> None:
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else Said(headers={"Last-Modified": "x"}))
    answer = make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {})
    arrived = parsedate_to_datetime(answer.headers["date"])
    assert abs(arrived - datetime.fromtimestamp(wall(), tz=UTC)) < timedelta(minutes=5)


def test_a_redirect_to_another_host_does_not_carry_the_token(
    serve: Serve, make_transport: Callable[..., Transport]
) -> None:
    other = serve(lambda _: Said(body=b'{"other":true}'))
    elsewhere = other.url.replace("127.0.0.1", "localhost")
    stub = serve(
        lambda asked: token_answer() if asked.path == "/token" else Said(status=302, headers={"Location": elsewhere})
    )
    answer = make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {})
    assert answer.body == b'{"other":true}'
    assert api(stub)[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert other.authorizations == [None]


def test_a_netrc_for_the_same_host_does_not_take_the_tokens_place(
    serve: Serve,
    make_transport: Callable[..., Transport],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else Said())
    make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {})
    assert api(stub)[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_proxy_of_the_environment_is_used(
    serve: Serve, make_transport: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(lambda asked: token_answer() if asked.path.endswith("/token") else Said(body=b'{"by":"proxy"}'))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    transport = make_transport(oauth_url="http://oauth.example/token")
    assert transport.get_dynamic("http://eu.api.example/data", {"namespace": "dynamic-eu"}).body == b'{"by":"proxy"}'
    assert [asked.path for asked in proxy.asked] == [
        "http://oauth.example/token",
        "http://eu.api.example/data?namespace=dynamic-eu",
    ]


@pytest.mark.parametrize("url", ["nonsense", "ftp://eu.api.example/", "http://[eu/data"])
def test_an_address_that_can_not_be_asked_is_a_setting_to_correct(
    sandbox: Sandbox, make_transport: Callable[..., Transport], url: str
) -> None:
    with pytest.raises(ConfigurationError, match="IRONFORGE_API_URL"):
        make_transport(sandbox).get_dynamic(url, {})


def test_a_condition_carries_the_time_that_is_known(serve: Serve, make_transport: Callable[..., Transport]) -> None:
    known = datetime(2026, 3, 7, 12, 0, 5, tzinfo=UTC)
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else Said(status=304))
    answer = make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {}, newer_than=known)
    assert answer.not_modified
    assert api(stub)[0].headers["If-Modified-Since"] == format_datetime(known, usegmt=True)


def test_whoever_waits_for_a_body_is_told_as_soon_as_one_comes_and_never_of_a_304(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport, told = make_transport(sandbox), list[int]()
    where = (f"{sandbox.api_url.format(region='eu')}/data/wow/auctions/commodities", {"namespace": "dynamic-eu"})
    published = sandbox.published(Region.EU).published_at

    def when_new() -> None:
        told.append(len(sandbox.requests))

    transport.get_dynamic(*where, when_new=when_new)
    assert told == [2]
    transport.get_dynamic(*where, newer_than=published, when_new=when_new)
    assert told == [2]
    assert transport.get_dynamic(*where, when_new=when_new).from_cache
    assert told == [2, 3]


def test_every_request_takes_its_turn_at_the_rate_limit(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    class Counted:
        def __init__(self) -> None:
            self.waits = 0

        def wait(self) -> None:
            self.waits += 1

    limit = Counted()
    transport = make_transport(sandbox, rate_limit=limit)
    set_one(sandbox, "server_error", 2)
    ask(transport, sandbox)
    assert limit.waits == len(sandbox.requests) == 4
    # A cached answer asks nobody, so that it waits for nobody.
    ask(transport, sandbox)
    assert limit.waits == 4
