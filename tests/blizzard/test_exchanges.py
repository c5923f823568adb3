"""Exchanges that have no end by themselves: each is broken off in the part that takes too long, on whatever way."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.deadline import GRACE_SECONDS, Deadline
from ironforge_cli.blizzard.exchanges import MOST_AT_ONCE, BoundedAdapter, Exchange, Exchanges, Part, Patience
from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transient_faults import TransientFault
from ironforge_cli.blizzard.wire import Wire
from ironforge_cli.errors import ConfigurationError, InterruptedRunError
from ironforge_cli.values import replace
from tests.blizzard.trickling import OK, forward, goes_on, hears, says, server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import requests

LENGTH = b"Content-Length: 1000000000\r\n\r\n"
ENDLESS = {
    "headers": (says(start=OK, piece=b"X: 1\r\n"), "headers"),
    "a status line": (says(start=b"HTTP/1.1 2", piece=b"0"), "headers"),
    "silence": (says(start=b""), "headers"),
    "a body": (says(start=OK + b"\r\n", piece=b" "), "body"),
    "a body of a known length": (says(start=OK + LENGTH, piece=b" "), "body"),
    "a body in pieces": (says(start=OK + b"Transfer-Encoding: chunked\r\n\r\n", piece=b"1\r\n \r\n"), "body"),
    "a cut piece": (says(start=OK + b"Transfer-Encoding: chunked\r\n\r\n1", piece=b"0"), "body"),
}
WAYS = ["direct", "through a proxy"]


class Ask:
    """Asks over one wire, whose reads may take a minute each, and the parts of an exchange as long as a test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self.check: Callable[[], None] = lambda: None
        self.patience = Patience(connection=0.2, headers=60, body=60)

    def __call__(self, url: str, *, deadline: Deadline | None = None) -> requests.Response:
        limit = RateLimit(
            self._folder / "ring", per_second=1_000, per_hour=36_000, now=lambda: 0.0, sleep=lambda _: None
        )
        self._monkeypatch.setattr(Patience, "of", self._patience_of)
        wire = Wire(timeout=(60, 60), rate_limit=limit, check=self.check)
        try:
            return wire.send("GET", url, deadline=deadline)
        finally:
            wire.close()

    def _patience_of(self, timeout: tuple[float, float]) -> Patience:
        del timeout
        return self.patience


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return Ask(tmp_path, monkeypatch)


@pytest.fixture
def opened() -> Generator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("talk", "part"), ENDLESS.values(), ids=ENDLESS)
def test_an_answer_that_never_ends_is_broken_off_and_told_by_its_part(
    ask: Ask,
    opened: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    *,
    talk: Callable[[socket.socket], None],
    part: str,
    way: str,
) -> None:
    # Only what is told has so little time, however busy the machine is.
    ask.patience = replace(Patience(connection=60, headers=60, body=60), **{part: 0.2})
    place, by = opened.enter_context(server(talk)), ""
    if way == "through a proxy":
        proxy = opened.enter_context(server(forward))
        monkeypatch.setenv("http_proxy", f"http://user:hush@{proxy}")
        by = f" through the proxy {proxy}"
    with pytest.raises(TransientFault) as fault:
        ask(f"http://{place}/")
    assert str(fault.value) == f"no answer in time{by} (the {part} took longer than 0.2 s)"


@pytest.mark.parametrize(
    "talk",
    [
        says(start=b""),
        says(start=b"HTTP/1.1 2", piece=b"0"),
        says(start=b"HTTP/1.1 200 OK\r\n", piece=b"X: 1\r\n"),
        # A tunnel behind which nobody says anything: the handshake hangs.
        says(start=b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    ids=["silence", "a status line that trickles", "headers that trickle", "a handshake that hangs"],
)
def test_a_proxy_that_never_opens_its_tunnel_is_broken_off_and_named(
    ask: Ask, opened: ExitStack, monkeypatch: pytest.MonkeyPatch, talk: Callable[[socket.socket], None]
) -> None:
    proxy = opened.enter_context(server(talk))
    monkeypatch.setenv("https_proxy", f"http://user:hush@{proxy}")
    with pytest.raises(TransientFault) as fault:
        ask("https://eu.api.example/")
    assert str(fault.value) == f"no answer in time through the proxy {proxy} (the connection took longer than 0.2 s)"


def test_a_handshake_that_hangs_is_broken_off(ask: Ask, opened: ExitStack) -> None:
    place = opened.enter_context(server(lambda connection: goes_on(connection, b"")))
    with pytest.raises(TransientFault, match=r"the connection took longer than 0\.2 s"):
        ask(f"https://{place}/")


def test_a_connection_that_nobody_accepts_is_broken_off(ask: Ask, opened: ExitStack) -> None:
    listening = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    # Its queue is full, and the next ones are left without a word.
    for _ in range(2):
        full = opened.enter_context(socket.socket())
        full.settimeout(0)
        full.connect_ex(listening.getsockname())
    with pytest.raises(TransientFault, match=r"the connection took longer than 0\.2 s"):
        ask(f"http://127.0.0.1:{listening.getsockname()[1]}/")


def test_a_name_that_is_looked_up_for_ever_is_left(
    ask: Ask, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()
    opened.callback(never.set)

    def look_up(*_: object, **__: object) -> list[object]:
        never.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(TransientFault, match=r"the connection took longer than 0\.2 s"):
        ask("http://eu.api.example/")


@pytest.mark.parametrize("way", WAYS)
def test_a_request_to_end_breaks_off_what_is_on_its_way(
    ask: Ask, opened: ExitStack, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    is_asked = threading.Event()

    def check() -> None:
        if is_asked.is_set():
            raise InterruptedRunError("SIGTERM")

    def talk(connection: socket.socket) -> None:
        hears(connection)
        connection.sendall(OK + LENGTH)
        is_asked.set()
        goes_on(connection, b" ")

    ask.check, ask.patience = check, Patience(connection=60, headers=60, body=60)
    place = opened.enter_context(server(talk))
    if way == "through a proxy":
        monkeypatch.setenv("http_proxy", f"http://{opened.enter_context(server(forward))}")
    with pytest.raises(InterruptedRunError):
        ask(f"http://{place}/")


def test_the_window_s_end_breaks_off_what_was_begun_before_it_a_little_later(
    ask: Ask, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ironforge_cli.blizzard.deadline.GRACE_SECONDS", 0.2)
    ask.patience = Patience(connection=60, headers=60, body=60)
    place = opened.enter_context(server(says(start=OK + LENGTH, piece=b" ")))
    deadline = Deadline(at=0.0, monotonic=lambda: 0.0)
    with pytest.raises(TransientFault, match=r"took longer than 0\.2 s, to the window's end"):
        ask(f"http://{place}/", deadline=deadline)


def test_what_is_begun_long_after_the_window_s_end_has_the_time_of_an_answer_too() -> None:
    now = 3_600.0
    exchange = Exchange(Patience(connection=60, headers=60, body=60), deadline=Deadline(at=0.0, monotonic=lambda: now))
    exchange.look(is_to_end=False)
    assert exchange.broken is None
    # All of its parts share that time.
    now += GRACE_SECONDS
    exchange.begin(Part.HEADERS)
    exchange.look(is_to_end=False)
    assert exchange.broken == "the headers took longer than 0 s, to the window's end"


def test_a_whole_answer_is_left_alone_and_its_connection_is_used_again(ask: Ask, opened: ExitStack) -> None:
    ask.patience = Patience(connection=60, headers=60, body=60)

    def talk(connection: socket.socket) -> None:
        for _ in range(2):
            hears(connection)
            connection.sendall(OK + b"Content-Length: 4\r\n\r\nwell")

    assert ask(f"http://{opened.enter_context(server(talk))}/").content == b"well"


@pytest.mark.parametrize(
    ("said", "told"),
    [(OK + b"Content-Length: 5\r\n\r\nwell", "broke in the middle"), (b"", "no connection")],
    ids=["in its body", "before its headers"],
)
def test_an_answer_that_breaks_off_by_itself_is_no_late_one(
    ask: Ask, opened: ExitStack, said: bytes, told: str
) -> None:
    def hear_first(connection: socket.socket) -> None:
        hears(connection)
        connection.sendall(said)

    ask.patience = Patience(connection=60, headers=60, body=60)
    with pytest.raises(TransientFault, match=told):
        ask(f"http://{opened.enter_context(server(hear_first))}/")


# Proxies that are wrong


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_down_is_named_with_the_way_out_and_without_its_password(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    place = f"127.0.0.1:{closed_port()}"
    ask.patience = Patience(connection=60, headers=60, body=60)
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:hush@{place}")
    with pytest.raises(TransientFault) as fault:
        ask(f"{scheme}://eu.api.example/")
    assert f"no connection through the proxy {place} (" in str(fault.value)
    assert "Connection refused; check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY" in str(fault.value)
    assert "hush" not in str(fault.value)


def test_a_proxy_that_refuses_the_tunnel_is_named(ask: Ask, opened: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = opened.enter_context(server(says(start=b"HTTP/1.1 403 Forbidden\r\n\r\n")))
    monkeypatch.setenv("https_proxy", f"http://{proxy}")
    with pytest.raises(
        TransientFault, match=rf"through the proxy {proxy} \(Tunnel connection failed: 403.*; check HTTP"
    ):
        ask("https://eu.api.example/")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_other_credentials_is_a_setting_to_correct(
    ask: Ask, opened: ExitStack, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    proxy = opened.enter_context(server(says(start=refusal)))
    ask.patience = Patience(connection=60, headers=60, body=60)
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:hush@{proxy}")
    with pytest.raises(ConfigurationError, match=rf"through the proxy {proxy}.*\(407\).*HTTPS_PROXY") as wrong:
        ask(f"{scheme}://eu.api.example/")
    assert "hush" not in str(wrong.value)


def test_what_a_proxy_answers_in_the_server_s_place_is_told_as_its(
    ask: Ask, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask.patience = Patience(connection=60, headers=60, body=60)
    proxy = opened.enter_context(server(says(start=b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")))
    monkeypatch.setenv("http_proxy", f"http://{proxy}")
    with pytest.raises(TransientFault, match=f"502, Bad Gateway through the proxy {proxy}"):
        ask("http://eu.api.example/")


@pytest.mark.parametrize("proxy", ["nonsense://proxy", "http://", "http://proxy:99999", "http://[::1"])
def test_a_proxy_that_is_no_address_is_a_setting_to_correct(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConfigurationError, match="HTTP_PROXY"):
        ask("http://eu.api.example/")


def test_certificates_that_are_not_there_are_a_setting_to_correct(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/not/there.pem")
    with pytest.raises(ConfigurationError, match=r"/not/there\.pem.*Check REQUESTS_CA_BUNDLE"):
        ask("https://127.0.0.1:1/")


# Connections


def test_every_way_belongs_to_exchanges() -> None:
    adapter = BoundedAdapter()
    managers = [adapter.poolmanager, *(adapter.proxy_manager_for("http://proxy:1") for _ in range(2))]
    pools = [
        manager.connection_from_url(f"{scheme}://localhost/") for manager in managers for scheme in ("http", "https")
    ]
    assert [pool.ConnectionCls.__name__ for pool in pools] == ["Bound"] * 6
    assert [pool.pool.maxsize for pool in pools if pool.pool] == [MOST_AT_ONCE] * 6


def test_a_socket_that_comes_after_the_end_is_shut_at_once() -> None:
    exchange = Exchange(Patience(connection=0, headers=0, body=0), deadline=None)
    exchange.look(is_to_end=False)
    assert exchange.broken == "the connection took longer than 0 s"
    one, other = socket.socketpair()
    with one, other:
        exchange.hold(one)
        assert other.recv(1) == b""
    exchange.end()


def test_each_part_has_its_own_time() -> None:
    exchange = Exchange(Patience(connection=0, headers=60, body=0), deadline=None)
    exchange.begin(Part.HEADERS)
    exchange.look(is_to_end=False)
    assert exchange.broken is None
    exchange.begin(Part.BODY)
    exchange.look(is_to_end=False)
    assert exchange.broken == "the body took longer than 0 s"


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Sockets whose addresses are those of every name, in order."""
    sockets: list[socket.socket] = []

    def addresses(host: str, port: int, *, type: int) -> list[Any]:  # noqa: A002 - the library's name for it
        assert (host, port, type) == ("::1", 443, socket.SOCK_STREAM)
        return [(socket.AF_INET, type, 0, "", one.getsockname()) for one in sockets]

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    return sockets


WANTED: Any = SimpleNamespace(
    host="[::1]", port=443, timeout=5.0, socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
)
BARE: Any = SimpleNamespace(host="[::1]", port=443, timeout=5.0, socket_options=None)


def test_the_addresses_of_a_name_are_tried_in_turn(looked_up: list[socket.socket]) -> None:
    exchange = Exchange(Patience(connection=60, headers=60, body=60), deadline=None)
    with pytest.raises(OSError, match="the name has no address"):
        exchange.connect(WANTED)
    with socket.socket() as shut, socket.create_server(("127.0.0.1", 0)) as open_one:
        # Nobody listens there.
        shut.bind(("127.0.0.1", 0))
        looked_up += [shut, open_one]
        with exchange.connect(WANTED) as line, open_one.accept()[0] as other:
            assert line.getpeername() == open_one.getsockname()
            assert (line.gettimeout(), line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) == (5.0, 1)
            exchange.look(is_to_end=True)
            assert other.recv(1) == b""
        # Where it was broken off, no further address is tried.
        with pytest.raises(ConnectionRefusedError):
            exchange.connect(WANTED)
        looked_up.pop()
        alone = Exchange(Patience(connection=60, headers=60, body=60), deadline=None)
        with pytest.raises(ConnectionRefusedError):
            alone.connect(BARE)
    alone.end()
    exchange.end()


def test_what_begins_while_nothing_was_on_its_way_is_looked_at_at_once() -> None:
    exchanges = Exchanges(Patience(connection=0, headers=0, body=0), check=lambda: None)
    is_idle, is_broken = threading.Event(), threading.Event()
    waits = exchanges._changed.wait  # pyright: ignore[reportPrivateUsage] - when the thread waits shows nowhere else

    def wait(timeout: float | None = None) -> bool:
        is_idle.set()
        return waits(timeout)

    exchanges._changed.wait = wait  # pyright: ignore[reportPrivateUsage] - as above
    with exchanges.begun(deadline=None):
        pass
    assert is_idle.wait(5)
    with exchanges.begun(deadline=None) as exchange:
        break_off = exchange._break_off  # pyright: ignore[reportPrivateUsage] - an event for what is waited for

        def breaks(told: str) -> None:
            break_off(told)
            is_broken.set()

        exchange._break_off = breaks  # pyright: ignore[reportPrivateUsage] - as above
        assert is_broken.wait(5)
    assert exchange.broken == "the connection took longer than 0 s"
    exchanges.close()
