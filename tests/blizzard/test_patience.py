"""Answers that trickle: each piece comes in time, and the whole is broken off all the same."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from ironforge_cli.blizzard.patience import MOST_AT_ONCE, PatientAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_START = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def _server(talk: Callable[[socket.socket], None]) -> Generator[str]:
    """Serve one connection as `talk` does, until the client breaks it off."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            try:
                talk(connection)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            thread.join()


def _ask(url: str, *, longest: float = 30) -> requests.Response:
    with requests.Session() as session:
        session.mount("http://", PatientAdapter(longest=longest))
        return session.get(url, timeout=(60, 60))


class Alarms:
    """The alarms that are set, to be rung by a test: no time passes, however busy the machine is."""

    def __init__(self) -> None:
        self.set: list[Alarms.Timer] = []
        self._changed = threading.Condition()

    def timer(self, seconds: float, ring: Callable[[], None]) -> Alarms.Timer:
        return Alarms.Timer(self, seconds, ring)

    def add(self, alarm: Alarms.Timer) -> None:
        with self._changed:
            self.set.append(alarm)
            self._changed.notify_all()

    def numbered(self, number: int) -> Alarms.Timer:
        """Wait until so many were set, and return the last of them."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.set) >= number)
        return self.set[number - 1]

    class Timer:
        def __init__(self, alarms: Alarms, seconds: float, ring: Callable[[], None]) -> None:
            self._alarms = alarms
            self.seconds = seconds
            self.ring = ring
            self.daemon = False
            self.is_cancelled = False

        def start(self) -> None:
            # One that was not let go at the end would keep the process.
            assert self.daemon
            self._alarms.add(self)

        def cancel(self) -> None:
            self.is_cancelled = True


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> Alarms:
    found = Alarms()
    monkeypatch.setattr(threading, "Timer", found.timer)
    return found


def _trickle(start: bytes, piece: bytes, alarms: Alarms, *, of_body: bool) -> Callable[[socket.socket], None]:
    """Begin an answer that has no end; the alarm of its headers or of its body rings after some of it."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(start + 3 * piece)
        alarms.numbered(1 + of_body).ring()
        # Nothing more comes, until the client hangs up.
        connection.recv(1)

    return talk


@pytest.mark.parametrize(
    ("start", "piece", "of_body", "told"),
    [
        (_START, b"X-More: 1\r\n", False, "headers took longer than 30 s|Read timed out"),
        (_START + b"\r\n", b" ", True, "the body took longer than 30 s"),
        (_START + b"Content-Length: 1000000000\r\n\r\n", b" ", True, "the body took longer than 30 s"),
    ],
    ids=["headers", "body", "body of a known length"],
)
def test_an_answer_that_trickles_is_broken_off(
    alarms: Alarms, start: bytes, piece: bytes, told: str, *, of_body: bool
) -> None:
    with (
        _server(_trickle(start, piece, alarms, of_body=of_body)) as url,
        pytest.raises(requests.exceptions.ReadTimeout, match=told),
    ):
        _ask(url)
    assert [alarm.seconds for alarm in alarms.set] == [30] * (1 + of_body)


def _say(connection: socket.socket) -> None:
    connection.sendall(_START + b"Content-Length: 4\r\n\r\nwell")


def test_a_whole_answer_is_left_alone(alarms: Alarms) -> None:
    with _server(_say) as url:
        assert _ask(url).content == b"well"
    # One for its headers and one for its body, and neither can ring any more.
    assert [alarm.is_cancelled for alarm in alarms.set] == [True, True]


def test_an_answer_that_breaks_off_by_itself_is_no_late_one(alarms: Alarms) -> None:
    with (
        _server(lambda connection: connection.sendall(_START + b"Content-Length: 5\r\n\r\nwell")) as url,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        _ask(url)
    with _server(lambda _: None) as url, pytest.raises(requests.exceptions.ConnectionError) as broken:
        _ask(url)
    assert not isinstance(broken.value, requests.exceptions.Timeout)
    assert all(alarm.is_cancelled for alarm in alarms.set)


def test_an_alarm_rings_by_itself() -> None:
    def talk(connection: socket.socket) -> None:
        # Nothing more comes, until the client hangs up.
        connection.sendall(_START)
        connection.recv(1)

    with _server(talk) as url, pytest.raises(requests.exceptions.ReadTimeout):
        _ask(url, longest=0.01)


def test_both_schemes_are_watched() -> None:
    adapter = PatientAdapter(longest=30)
    pools = [adapter.poolmanager.connection_from_url(f"{scheme}://localhost/") for scheme in ("http", "https")]
    assert [type(pool).__name__ for pool in pools] == ["HTTPConnectionPool", "HTTPSConnectionPool"]
    assert [pool.ConnectionCls.__name__ for pool in pools] == ["Patient", "Patient"]
    assert [pool.pool.maxsize for pool in pools if pool.pool] == [MOST_AT_ONCE] * 2
