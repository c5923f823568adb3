"""Fetching, sharing and renewing the token, over real sockets."""

from __future__ import annotations

import socket
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import (
    ConfigurationError,
    CredentialsError,
    ExitStatus,
    UnavailableError,
)
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.blizzard.asking import api, ask, endpoints, kept
from tests.blizzard.stub_server import Said, token_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.blizzard.transport import Answer, Transport
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.blizzard.stub_server import Serve
    from tests.clocks import TickingClock

SECRET = "kept-from-everybody"  # noqa: S105 - it opens nothing


def test_one_token_serves_many_requests_and_both_regions(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport = make_transport(sandbox)
    for number in range(5):
        assert ask(transport, sandbox, number=str(number)).status == 200
    for region in DEFAULT_REGIONS:
        url = f"{sandbox.api_url.format(region=region)}/data/wow/auctions/commodities"
        assert transport.get_dynamic(url, {"namespace": region.dynamic_namespace}).status == 200
    assert endpoints(sandbox).count("oauth") == 1


def test_threads_that_begin_together_fetch_one_token(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport = make_transport(sandbox)

    def asked(number: int) -> Answer:
        return ask(transport, sandbox, number=str(number))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(asked, range(24)))
    assert {answer.status for answer in answers} == {200}
    assert endpoints(sandbox).count("oauth") == 1
    assert endpoints(sandbox).count("token") == 24


def test_a_token_that_ended_is_renewed_once_and_the_request_repeated(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    transport = make_transport(sandbox)
    ask(transport, sandbox, number="1")
    sandbox.expire_tokens()
    assert ask(transport, sandbox, number="2").status == 200
    assert [(exchange.endpoint, exchange.status) for exchange in sandbox.requests[2:]] == [
        (None, 401),
        ("oauth", 200),
        ("token", 200),
    ]
    assert clock.slept == []


def test_a_token_that_was_refused_is_not_shown_again_where_no_other_came_at_once(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport = make_transport(sandbox)
    ask(transport, sandbox, number="1")
    sandbox.expire_tokens()
    sandbox.set_fault("server_error", endpoint="oauth", count=1)
    assert ask(transport, sandbox, number="2").status == 200
    assert [(exchange.endpoint, exchange.status) for exchange in sandbox.requests[2:]] == [
        (None, 401),
        ("oauth", 500),
        ("oauth", 200),
        ("token", 200),
    ]


def test_credentials_of_any_letters_are_sent_as_utf8(serve: Serve, make_transport: Callable[..., Transport]) -> None:
    stub = serve(lambda _: token_answer())
    make_transport(credentials=lambda: ("häuptling", "żółw"), oauth_url=f"{stub.url}/token").check_credentials()
    (asked,) = stub.asked
    assert asked.headers["Authorization"] == f"Basic {b64encode('häuptling:żółw'.encode()).decode()}"
    assert (asked.method, asked.body) == ("POST", b"grant_type=client_credentials")


def test_a_second_refusal_of_the_token_is_a_matter_of_credentials(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    sandbox.set_fault("unauthorized")
    with pytest.raises(CredentialsError, match="twice") as refused:
        ask(make_transport(sandbox), sandbox)
    assert refused.value.status is ExitStatus.CREDENTIALS
    assert endpoints(sandbox) == ["oauth", "token", "oauth", "token"]
    assert clock.slept == []


def test_wrong_credentials_are_told_at_once_and_never_quoted(
    sandbox: Sandbox, make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    transport = make_transport(sandbox, credentials=lambda: ("somebody", SECRET))
    for attempt in (lambda: ask(transport, sandbox), transport.check_credentials):
        with pytest.raises(CredentialsError, match="BLIZZARD_CLIENT_SECRET") as refused:
            attempt()
        assert refused.value.status == 77
        assert SECRET not in str(refused.value)
    assert clock.slept == []


def test_missing_credentials_are_asked_for_only_when_a_token_is_needed(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    def missing() -> tuple[str, str]:
        raise ConfigurationError("BLIZZARD_CLIENT_ID is not set")

    with_token, without = make_transport(sandbox), make_transport(sandbox, credentials=missing)
    static = (f"{sandbox.api_url.format(region='eu')}/data/wow/profession/index", {"namespace": "static-eu"})
    kept(with_token.get_static(*static))
    first = ask(with_token, sandbox)
    assert without.get_static(*static).from_cache
    assert ask(without, sandbox).body == first.body
    with pytest.raises(ConfigurationError, match="not set"):
        ask(without, sandbox, number="1")


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (Said(status=503), UnavailableError, "503"),
        (Said(status=429), UnavailableError, "429"),
        (Said(body=b"<html>Log in to the hotel's network</html>"), UnavailableError, "without a token"),
        (Said(body=b'{"access_token":""}'), UnavailableError, "no header can hold"),
        (Said(body=b'{"access_token":"half\\r\\nX-Other: y"}'), UnavailableError, "no header can hold"),
        (Said(status=404), ConfigurationError, "IRONFORGE_OAUTH_URL"),
        (
            Said(status=302, headers={"Location": "https://elsewhere.example/"}),
            ConfigurationError,
            "IRONFORGE_OAUTH_URL",
        ),
        (Said(status=400, body=b'{"error":"invalid_client"}'), CredentialsError, "BLIZZARD_CLIENT_ID"),
        (Said(status=403), CredentialsError, "BLIZZARD_CLIENT_ID"),
    ],
)
def test_whatever_the_token_endpoint_says_becomes_an_error_that_says_what_to_do(
    serve: Serve, make_transport: Callable[..., Transport], said: Said, error: type[Exception], words: str
) -> None:
    stub = serve(lambda _: said)
    transport = make_transport(oauth_url=f"{stub.url}/token")
    for attempt in (transport.check_credentials, lambda: transport.get_dynamic(f"{stub.url}/x", {})):
        with pytest.raises(error, match=words) as raised:
            attempt()
        assert "X-Other" not in str(raised.value)
    assert not api(stub)


def test_checking_credentials_against_nothing_is_unavailable_after_one_attempt(
    make_transport: Callable[..., Transport], clock: TickingClock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    transport = make_transport(oauth_url=f"http://user:{SECRET}@127.0.0.1:{port}/token")
    with pytest.raises(UnavailableError, match="refused") as unavailable:
        transport.check_credentials()
    assert SECRET not in str(unavailable.value)
    assert clock.slept == []
