"""Faults that may be over at the next attempt: asked again, waited for and given up, over real sockets."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.exchanges import Patience
from ironforge_cli.blizzard.transient_faults import ATTEMPTS
from ironforge_cli.errors import (
    InterruptedRunError,
    UnavailableError,
)
from tests.blizzard.asking import api, ask, endpoints
from tests.blizzard.stub_server import Said, token_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.blizzard.transport import Transport
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.blizzard.stub_server import Serve
    from tests.clocks import TickingClock


def set_one(sandbox: Sandbox, fault: str, count: int | None, **more: Any) -> None:
    sandbox.set_fault(fault, endpoint="token", count=count, **more)


PASSING: list[tuple[str, dict[str, Any], str]] = [
    ("rate_limited", {}, "429"),
    ("server_error", {}, "500"),
    ("server_error", {"status": 503}, "503"),
    ("html_5xx", {}, "502"),
    ("cut_connection", {}, "connection"),
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
        ask(make_transport(sandbox), sandbox)
    assert unavailable.value.status == 69
    assert "tried 5 times" in str(unavailable.value)
    assert endpoints(sandbox).count("token") == ATTEMPTS == 5
    assert clock.slept == [1.25, 2.5, 5.0, 10.0]


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
        assert ask(make_transport(sandbox), sandbox).status == 200
    assert len(clock.slept) == ATTEMPTS - 1
    told = [record.getMessage() for record in caplog.records if record.name.startswith("ironforge_cli")]
    assert len(told) == ATTEMPTS - 1
    assert all(words in message and "again in" in message for message in told)


def test_an_answer_that_never_comes_is_given_up_in_time_and_asked_for_again(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    set_one(sandbox, "hang", None)
    with pytest.raises(UnavailableError, match="no answer in time"):
        ask(make_transport(sandbox, timeout=(5, 0.05)), sandbox)
    assert len(clock.slept) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(status=408), "it answered 408"),
        (Said(status=425), "it answered 425"),
        (Said(body=b"no gzip", headers={"Content-Encoding": "gzip"}), "broke in the middle of the answer"),
    ],
)
def test_what_gateways_spoil_is_asked_for_again(
    serve: Serve, make_transport: Callable[..., Transport], clock: TickingClock, said: Said, words: str
) -> None:
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else said)
    with pytest.raises(UnavailableError, match=words):
        make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {})
    assert len(api(stub)) == ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1


def test_a_connection_that_can_not_be_secured_is_told_as_such_and_tried_again(
    serve: Serve, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    stub = serve(lambda _: token_answer())
    transport = make_transport(oauth_url=f"{stub.url}/token")
    with pytest.raises(UnavailableError, match="no secure connection"):
        transport.get_dynamic(stub.url.replace("http:", "https:"), {})
    assert len(clock.slept) == ATTEMPTS - 1


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
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[float, float]] = []

    def little(timeout: tuple[float, float]) -> Patience:
        given.append(timeout)
        return Patience(connection=60, headers=60, body=0.2)

    monkeypatch.setattr(Patience, "of", little)
    # Twenty pieces, each in time for one read, that take longer together than an answer may.
    set_one(sandbox, "slow_drip", None, seconds=0.05)
    with pytest.raises(UnavailableError, match=r"the body took longer than 0\.2 s"):
        ask(make_transport(sandbox, timeout=(5, 7)), sandbox)
    assert len(clock.slept) == ATTEMPTS - 1
    assert given == [(5, 7)]


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
