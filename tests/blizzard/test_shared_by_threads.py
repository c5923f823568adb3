"""What threads share while they ask: more of them than cores, which change places at every chance."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.traffic import TrafficCounter
from tests.blizzard.asking import kept
from tests.blizzard.stub_server import Asked, Said, token_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.blizzard.transport import Transport
    from tests.blizzard.stub_server import Serve

THREADS = 6
ADDRESSES = 12


@pytest.fixture(autouse=True)
def restless() -> Generator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def asked_by_all(transport: Transport, url: str, *, get: str) -> Counter[bytes]:
    """What each thread is answered, each asking for every address, in an order of its own."""

    def ask(thread: int) -> list[bytes]:
        numbers = [(thread * 5 + number) % ADDRESSES for number in range(ADDRESSES)]
        answers = [kept(getattr(transport, get)(f"{url}/{number}", {"namespace": "static-eu"})) for number in numbers]
        assert [answer.body for answer in answers] == [b'{"id":%d}' % number for number in numbers]
        return [answer.body for answer in answers]

    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(body for bodies in pool.map(ask, range(THREADS)) for body in bodies)


def numbered(asked: Asked) -> Said:
    if asked.path == "/token":
        return token_answer()
    number = asked.path.partition("?")[0].rpartition("/")[2]
    # A content network sets cookies, another with each answer.
    cookie = {"Set-Cookie": f"visited{number}={number}; Path=/"}
    return Said(body=f'{{"id":{number}}}'.encode(), headers={"Cache-Control": "max-age=86400"} | cookie)


@pytest.mark.parametrize("get", ["get_static", "get_dynamic"])
def test_answers_are_read_and_kept_by_threads_at_once(
    serve: Serve,
    make_transport: Callable[..., Transport],
    caplog: pytest.LogCaptureFixture,
    *,
    get: str,
) -> None:
    stub = serve(numbered)
    transport = make_transport(oauth_url=f"{stub.url}/token")
    answered = asked_by_all(transport, stub.url, get=get)
    assert answered == {b'{"id":%d}' % number: THREADS for number in range(ADDRESSES)}
    before = len(stub.asked)
    # Each is in the cache by now: nothing was lost, and nothing is asked for again.
    assert asked_by_all(transport, stub.url, get=get) == answered
    assert len(stub.asked) == before
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_no_cookie_is_kept_or_sent(serve: Serve, make_transport: Callable[..., Transport]) -> None:
    stub = serve(numbered)
    transport = make_transport(oauth_url=f"{stub.url}/token")
    for number in range(3):
        transport.get_dynamic(f"{stub.url}/{number}", {})
    assert all("Cookie" not in asked.headers for asked in stub.asked)


def test_requests_are_counted_one_by_one() -> None:
    counter = TrafficCounter()

    def count(_: int) -> None:
        for _ in range(200):
            counter.asked()
            counter.reused()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(count, range(THREADS)))
    assert (counter.traffic.requests, counter.traffic.cache_hits) == (200 * THREADS, 200 * THREADS)
