"""The server over a real socket: what strangers send, how slow they may be, and how it ends."""

from __future__ import annotations

import contextlib
import re
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.engine import Database
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.web.server import listening
from ironforge_cli.web.service import Service, ServiceLimits
from tests.web.conftest import Clock, listening_at, settings

if TYPE_CHECKING:
    from collections.abc import Generator

LIMITS = ServiceLimits(header_seconds=0.3, connections=40)


@pytest.fixture(scope="module")
def port(market_url: str) -> Generator[int]:
    """A port that a service listens on; its end is asked for when all tests have been."""
    database, clock = Database(market_url), Clock()
    said = settings(limits=LIMITS, requests_per_minute=5)
    service = Service(lambda: database, said, now=clock.now, monotonic=clock.monotonic)
    with listening_at(service) as at:
        yield at
    database.close()


def told(port: int, sent: bytes, *, half_closed: bool = False) -> bytes:
    """All that comes back before the other side closes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as ours:
        ours.sendall(sent)
        if half_closed:
            ours.shutdown(socket.SHUT_WR)
        parts: list[bytes] = []
        try:
            while part := ours.recv(65_536):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)


def asked(path: str, *headers: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", "")
    return "\r\n".join(lines).encode("latin-1")


def test_it_answers(port: int) -> None:
    answer = told(port, asked("/v1/eu/top"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nserver:" not in answer.lower()


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000,
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/eu/top HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    ],
    ids=range(6),
)
def test_what_is_no_request_is_refused_as_a_problem(port: int, sent: bytes) -> None:
    answer = told(port, sent)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), answer
    assert b"application/problem+json" in answer
    assert b"nosniff" in answer


def test_a_client_that_never_ends_its_head_is_cut_off(port: int) -> None:
    assert told(port, b"") == b""
    assert told(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""


def test_what_is_too_long_is_said(port: int) -> None:
    assert told(port, asked("/v1/eu/top", "X: " + "x" * 20_000))[9:12] == b"431"
    assert told(port, asked("/" + "x" * 9_000))[9:12] == b"414"


def test_a_half_closed_connection_does_no_harm(port: int) -> None:
    told(port, asked("/v1/eu/top"), half_closed=True)
    told(port, b"GET /v1", half_closed=True)
    assert told(port, asked("/healthz")).startswith(b"HTTP/1.1 200")


def test_upgrades_and_long_bodies_are_not_taken(port: int) -> None:
    upgraded = asked("/healthz").replace(b"Connection: close", b"Connection: Upgrade, close\r\nUpgrade: websocket")
    assert told(port, upgraded).startswith(b"HTTP/1.1 200")
    body = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n" + b"x" * 100_000
    assert told(port, body).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("length", ["Content-Length: 99999999", "Transfer-Encoding: chunked"])
def test_who_still_sends_a_refused_body_gets_the_answer_and_no_reset(port: int, method: str, length: str) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as ours:
        ours.sendall(f"{method} /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}\r\n\r\n".encode())
        answer = ours.recv(65_536)
        # What comes after the answer is thrown away; the end is still the end of an answer that is whole.
        for _ in range(20):
            ours.sendall(b"x" * 10_000)
        while part := ours.recv(65_536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    said = re.search(rb"content-length: (\d+)", head)
    assert said
    assert len(body) == int(said[1])


def test_who_sends_a_refused_body_for_ever_is_cut_off(port: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as ours:
        ours.sendall(b"POST /v1/eu/top HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        sent = 1
        with contextlib.suppress(OSError):
            while sent:
                sent = ours.send(b"x" * 1_000)
        # Nothing can be sent any more: the other side has closed.
        with pytest.raises(OSError):  # noqa: PT011 - a broken pipe, or a reset
            ours.sendall(b"x")


def test_connections_beyond_the_limit_are_closed_and_those_within_live_on(port: int) -> None:
    opened: list[Any] = []
    try:
        opened.extend(socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(LIMITS.connections + 20))
    finally:
        for one in opened:
            one.close()
    # Until the server has seen that they are closed, whoever comes is one too many.
    while not (answer := told(port, asked("/healthz"))):
        pass
    assert answer.startswith(b"HTTP/1.1 200")


def test_the_address_that_a_trusted_proxy_names_is_whose_limit_counts(port: int) -> None:
    statuses = [told(port, asked("/v1/eu/top", "X-Forwarded-For: 203.0.113.9"))[9:12] for _ in range(6)]
    assert statuses == [b"200"] * 5 + [b"429"]
    assert told(port, asked("/v1/eu/top", "X-Forwarded-For: 203.0.113.10"))[9:12] == b"200"
    assert told(port, asked("/v1/eu/top", "X-Forwarded-For: no address\xff"))[9:12] == b"200"


def test_a_body_does_not_wait_for_its_head_to_be_acknowledged() -> None:
    # What asyncio looks at before it switches Nagle's algorithm off.
    with closing(listening("127.0.0.1", 0)) as ours:
        assert ours.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken_is_said(port: int) -> None:
    with pytest.raises(ConfigurationError, match="Give another --host or --port"):
        listening("127.0.0.1", port)
    with pytest.raises(ConfigurationError, match="can't be listened on"):
        listening("no such host.invalid", 0)
