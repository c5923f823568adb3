"""Answers that trickle: each piece comes in time, and the whole is broken off all the same."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from ironforge_cli.blizzard.patience import PatientAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_START = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def _server(talk: Callable[[socket.socket, threading.Event], None]) -> Generator[str]:
    """Serve one connection as `talk` does, until the client breaks it off."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            try:
                talk(connection, over)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            over.set()
            thread.join()


def _ask(url: str, *, longest: float) -> requests.Response:
    with requests.Session() as session:
        session.mount("http://", PatientAdapter(longest=longest))
        return session.get(url, timeout=(5, 5))


def _trickle(piece: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(_START if b":" in piece else _START + b"\r\n")
        while not over.wait(0.02):
            connection.sendall(piece)

    return talk


@pytest.mark.parametrize(
    ("piece", "told"),
    [(b"X-More: 1\r\n", "headers|Read timed out"), (b" ", "the body took longer")],
    ids=["headers", "body"],
)
def test_an_answer_that_trickles_is_broken_off(piece: bytes, told: str) -> None:
    with _server(_trickle(piece)) as url, pytest.raises(requests.exceptions.ReadTimeout, match=told):
        _ask(url, longest=0.3)


def test_a_whole_answer_is_left_alone() -> None:
    def talk(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(_START + b"Content-Length: 4\r\n\r\nwell")

    with _server(talk) as url:
        assert _ask(url, longest=30).content == b"well"
