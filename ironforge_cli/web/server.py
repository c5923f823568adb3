"""The server around the application: uvicorn, with bounds on heads, slow clients and connections, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ironforge_cli.errors import ConfigurationError
from ironforge_cli.web.app import create_app
from ironforge_cli.web.headers import SECURITY
from ironforge_cli.web.problems import MEDIA_TYPE, HttpProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from threading import Event

    from ironforge_cli.web.service import Service, ServiceLimits

GRACE_SECONDS: Final = 3
"""How long requests in flight have when the service is asked to end."""
_LOOK_SECONDS: Final = 0.1
_IDLE_SECONDS: Final = 15
_LINGER_SECONDS: Final = 2
"""How long the rest of a refused body is thrown away: closed with it unread, the answer would be lost on its way."""
_BACKLOG: Final = 1_024


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any free one. Raises `ConfigurationError` where that can't be."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, _, _, address = found[0]
        # Where the protocol is not named, asyncio leaves Nagle's algorithm on, and each body waits 40 ms for its head.
        ours = socket.socket(family, kind, socket.IPPROTO_TCP)
        try:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind(address)
            ours.listen(_BACKLOG)
        except OSError:
            ours.close()
            raise
    except (OSError, UnicodeError, OverflowError) as error:
        raise ConfigurationError(
            f"{host}:{port} can't be listened on ({getattr(error, 'strerror', None) or error}). Give another --host or"
            " --port."
        ) from error
    return ours


def serve(
    service: Service,
    listener: socket.socket,
    *,
    trusted_proxies: Sequence[str],
    ending: Event,
    when_ready: Callable[[], None],
) -> None:
    """Serve until somebody asks for the end; then requests in flight are finished, for a few seconds at most."""
    limits = service.settings.limits
    config = uvicorn.Config(
        create_app(service),
        http=_protocol(limits),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        h11_max_incomplete_event_size=limits.header_bytes,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=_BACKLOG,
    )
    # What strangers send makes lines by the million otherwise; our own log says what fails.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    _Server(config, service=service, ending=ending, when_ready=when_ready).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends when it is asked to, by whatever; signals are the program's own."""

    def __init__(
        self, config: uvicorn.Config, *, service: Service, ending: Event, when_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._ending = ending
        self._when_ready = when_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the program around it."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, say so, and look whether the end is asked for."""
        await super().startup(sockets=sockets)
        if self.started and not self.should_exit:
            self._when_ready()
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while not self._ending.is_set():
            await asyncio.sleep(_LOOK_SECONDS)
        self.should_exit = True
        await asyncio.sleep(GRACE_SECONDS)
        # What the database still works at, nobody waits for any more.
        self._service.give_up()


class _LingeringTransport:
    """A connection that is closed in two steps where its client still sends: what is written arrives first.

    Who closes a socket with bytes unread resets the connection, and the answer is lost with it (RFC 9112, 9.6).
    """

    def __init__(self, transport: asyncio.Transport, *, is_body_unread: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_body_unread = is_body_unread
        self._timer: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        """All else is the connection's own."""
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is to be sent or looked at."""
        return self._timer is not None or self._transport.is_closing()

    def close(self) -> None:
        """Close at once where all was read, else end what we send and wait for the client for a moment."""
        if self.is_closing():
            return
        if not (self._is_body_unread() and self._transport.can_write_eof()):
            self._transport.close()
            return
        self._transport.write_eof()
        self._transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._transport.close)

    def end(self) -> None:
        """The client has gone."""
        if self._timer is not None:
            self._timer.cancel()


def _protocol(limits: ServiceLimits) -> type[H11Protocol]:
    """The protocol of one connection, within the limits."""

    class Protocol(H11Protocol):
        """A connection whose client has to be quick enough."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._head_timer: asyncio.TimerHandle | None = None
            self._write_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            """Begin, and close at once where there are too many."""
            self._lingering = _LingeringTransport(transport, is_body_unread=self._is_body_unread)
            super().connection_made(self._lingering)  # pyright: ignore[reportArgumentType] - it is all that is asked of one
            if len(self.connections) > limits.connections:
                transport.abort()
                return
            self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            """End, with its timers."""
            self._forget_timers()
            self._lingering.end()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            """Take what came, and see whether a head is whole by now."""
            if self._lingering.is_closing():
                return
            super().data_received(data)
            self._watch_head()

        def pause_writing(self) -> None:
            """Wait for a client that doesn't take its answer, and not for ever."""
            self.flow.pause_writing()
            if self._write_timer is None:
                self._write_timer = self.loop.call_later(limits.write_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            """Go on."""
            self.flow.resume_writing()
            if self._write_timer is not None:
                self._write_timer.cancel()
                self._write_timer = None

        def send_400_response(self, msg: str) -> None:
            """Answer what is no HTTP."""
            problem = HttpProblem(400, f"{msg} A head has {limits.header_bytes:,} bytes at most.")
            body = problem.content()
            headers = [
                *SECURITY,
                (b"content-type", MEDIA_TYPE.encode()),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                (b"connection", b"close"),
            ]
            if self.conn.our_state is h11.IDLE or self.conn.our_state is h11.SEND_RESPONSE:
                output = self.conn.send(h11.Response(status_code=400, headers=headers, reason=b"Bad Request"))
                output = (output or b"") + (self.conn.send(h11.Data(data=body)) or b"")
                self.transport.write(output + (self.conn.send(h11.EndOfMessage()) or b""))
            self.transport.close()

        def _should_upgrade(self) -> bool:
            return False

        def _is_body_unread(self) -> bool:
            return self.conn.their_state in {h11.SEND_BODY, h11.ERROR}

        def _watch_head(self) -> None:
            is_answering = self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison] - None before the first
            if is_answering or self.timeout_keep_alive_task is not None:
                if self._head_timer is not None:
                    self._head_timer.cancel()
                    self._head_timer = None
            elif self._head_timer is None and not self.transport.is_closing():
                self._head_timer = self.loop.call_later(limits.header_seconds, self.transport.abort)

        def _forget_timers(self) -> None:
            for timer in (self._head_timer, self._write_timer):
                if timer is not None:
                    timer.cancel()
            self._head_timer = self._write_timer = None

    return Protocol
