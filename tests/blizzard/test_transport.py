"""Sessions, statuses and what goes over the wire, over real sockets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.cache import AnswerCache
from ironforge_cli.blizzard.traffic import Traffic
from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.blizzard.wire import USER_AGENT
from ironforge_cli.errors import (
    ConfigurationError,
    InterruptedRunError,
    UnavailableError,
)
from ironforge_cli.regions import Region
from tests.blizzard.asking import api, ask, endpoints, kept
from tests.blizzard.stub_server import TOKEN, Said, token_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.transport import Transport
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.blizzard.conftest import Ahead
    from tests.blizzard.stub_server import Serve
    from tests.clocks import TickingClock

SECRET = "kept-from-everybody"  # noqa: S105 - it opens nothing


def set_one(sandbox: Sandbox, fault: str, count: int | None, **more: Any) -> None:
    sandbox.set_fault(fault, endpoint="token", count=count, **more)


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
    transport = make_transport(oauth_url=f"{stub.url}/token")
    transport.get_dynamic(f"{stub.url}/x", {})
    transport.get_static(f"{stub.url}/x", {})
    assert [asked.headers["User-Agent"] for asked in stub.asked] == [USER_AGENT] * 3


@pytest.mark.parametrize("date", [{}, {"date": "soon"}])
def test_an_answer_without_a_time_gets_that_of_its_arrival(
    serve: Serve, make_transport: Callable[..., Transport], wall: Ahead, date: dict[str, str]
) -> None:
    said = Said(headers={"Last-Modified": "x", **date})
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else said)
    answer = make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {})
    arrived = parsedate_to_datetime(answer.headers["Date"])
    assert abs(arrived - datetime.fromtimestamp(wall(), tz=UTC)) < timedelta(minutes=5)


def test_an_answers_own_time_is_left_as_it_is(serve: Serve, make_transport: Callable[..., Transport]) -> None:
    said = Said(headers={"date": "Sat, 3 Oct 2020 21:08:05 GMT"})
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else said)
    answer = make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {})
    assert answer.headers["Date"] == "Sat, 3 Oct 2020 21:08:05 GMT"


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
    assert api(stub)[0].headers["Cache-Control"] == "no-cache"


def test_without_a_time_that_is_known_there_is_no_condition(
    serve: Serve, make_transport: Callable[..., Transport]
) -> None:
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else Said())
    make_transport(oauth_url=f"{stub.url}/token").get_dynamic(f"{stub.url}/x", {})
    assert "If-Modified-Since" not in api(stub)[0].headers


def test_every_request_takes_its_turn_at_the_rate_limit(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    class Counted:
        def __init__(self) -> None:
            self.waits = 0

        def wait(self, _: Deadline | None) -> None:
            self.waits += 1

    limit = Counted()
    transport = make_transport(sandbox, rate_limit=limit)
    set_one(sandbox, "server_error", 2)
    ask(transport, sandbox)
    assert limit.waits == len(sandbox.requests) == 4
    assert transport.counter.traffic == Traffic(requests=4, cache_hits=0)
    # A cached answer asks nobody, so that it waits for nobody.
    ask(transport, sandbox)
    assert limit.waits == 4


def test_a_request_that_never_left_is_not_counted(sandbox: Sandbox, make_transport: Callable[..., Transport]) -> None:
    class Ending:
        def wait(self, _: Deadline | None) -> None:
            raise InterruptedRunError("SIGTERM")

    transport = make_transport(sandbox, rate_limit=Ending())
    with pytest.raises(InterruptedRunError):
        ask(transport, sandbox)
    assert transport.counter.traffic == Traffic(requests=0, cache_hits=0)
    assert sandbox.requests == []


def test_what_is_asked_for_anew_is_not_given_by_anybody_on_the_way(
    serve: Serve, make_transport: Callable[..., Transport]
) -> None:
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else Said())
    transport = make_transport(oauth_url=f"{stub.url}/token")
    for anew in (False, True):
        transport.get_static(f"{stub.url}/x", {}, anew=anew)
    assert [asked.headers.get("Cache-Control") for asked in stub.asked if asked.path == "/x"] == [None, "no-cache"]


def test_both_caches_are_closed(make_transport: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[AnswerCache] = []

    def noted(cache: AnswerCache) -> None:
        closed.append(cache)

    monkeypatch.setattr(AnswerCache, "close", noted)
    make_transport(oauth_url="http://127.0.0.1:9/token").close()
    assert len(closed) == 2
    assert closed[0] is not closed[1]


def test_static_data_at_hand_is_counted_as_such_unless_it_is_asked_for_anew(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport = make_transport(sandbox)
    where = (f"{sandbox.api_url.format(region='eu')}/data/wow/profession/index", {"namespace": "static-eu"})
    answers = [kept(transport.get_static(*where, anew=anew)) for anew in (False, False, True, False)]
    assert [answer.from_cache for answer in answers] == [False, True, False, True]
    # The token's is one, too.
    assert transport.counter.traffic == Traffic(requests=3, cache_hits=2)
    transport.forget_all_static()
    assert not transport.get_static(*where).from_cache
