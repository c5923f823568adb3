"""What stands before every handler: who may ask, how often, in which form, whether they have the answer already.

An answer that is kept, or that the client has, costs no handler and at most one small query; others wait for a thread,
and no longer than is good for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from anyio import CapacityLimiter, to_thread

from ironforge_cli.errors import IronforgeError
from ironforge_cli.web import access, formats, scopes
from ironforge_cli.web.exchange import EXCHANGE, Inquiry, age_headers, http_date, newest_time
from ironforge_cli.web.negotiation import MEDIA_TYPES, AnswerFormat, best_encoding, best_format
from ironforge_cli.web.problems import RETRY_SECONDS, HttpProblem, problem_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Hashable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ironforge_cli.web.service import KnownState, Service

log = logging.getLogger(__name__)
_LONGEST_TARGET: Final = 8_000
_KEPT_TO_PEOPLE: Final = "private"


class Gate:
    """Passes on what may pass; answers the rest itself."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        limits = service.settings.limits
        self.app = app
        self.service = service
        self._threads = asyncio.Semaphore(limits.threads)
        self._waiting = 0
        self._making: dict[Hashable, asyncio.Event] = {}
        # What is known of the regions is found out beside the answers, or full threads would hide that.
        self._knowing: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status, has_begun = 500, False
        is_head = scope["method"] == "HEAD"

        async def counted(message: Message) -> None:
            nonlocal status, has_begun
            if message["type"] == "http.response.start":
                status, has_begun = message["status"], True
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        if is_head:
            scope = {**scope, "method": "GET"}
        if root := self.service.settings.root_path:
            # Some proxies take the path away that they stand for, and others leave it.
            path = scope["path"]
            is_below = path == root or path.startswith(f"{root}/")
            scope = {**scope, "root_path": root, "path": path if is_below else root + path}
        try:
            await self._answer(scope, receive, counted)
        except Exception as error:
            # Anything unforeseen is a bug: told in the log with all that helps to mend it, and to the client without.
            log.error("A bug in the answer to %s", scope["path"], exc_info=error)  # noqa: TRY400 - so it is passed on whole
            if has_begun:
                raise
            await _BUG.response()(scope, receive, counted)
        finally:
            route = scopes.route_of(scopes.path_of(scope))
            self.service.measures.request(route, status, time.perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _Headers(scope)
        path = scopes.path_of(scope)
        refused = _refused(scope, headers, self.service)
        if refused is not None:
            await refused.response()(scope, receive, send)
            return
        extra: list[tuple[bytes, bytes]] = []
        cross = access.cross_origin(self.service.settings.origins, scope["method"], headers.get("origin"), headers.get)
        if cross is not None:
            extra += cross.headers
            if cross.is_preflight:
                await send({"type": "http.response.start", "status": 204, "headers": extra})
                await send({"type": "http.response.body", "body": b""})
                return
        try:
            caller = access.caller_of(self.service.keys, headers.get("authorization"), scope, path)
        except IronforgeError as error:
            log.error("Nobody can be let in: %s", error)  # noqa: TRY400 - the message says what to do
            await _send_with(problem_of(error).response(), extra, scope, receive, send)
            return
        if isinstance(caller, HttpProblem):
            await _send_with(caller.response(), extra, scope, receive, send)
            return
        if not scopes.is_open(path) and not access.is_near(scope):
            allowance = self.service.rate_limit.take(caller)
            if allowance is not None:
                extra += access.allowance_headers(allowance)
                if not allowance.is_allowed:
                    await _send_with(access.refusal(allowance).response(), extra, scope, receive, send)
                    return
        with_extra = _adding(send, extra)
        if scope["method"] == "GET" and (data := scopes.data_of(path, self.service.settings.regions)) is not None:
            await self._data(data, headers, scope, receive, with_extra)
        elif scopes.needs_no_thread(path):
            await self.app(scope, receive, with_extra)
        else:
            await self._in_turn(scope, receive, with_extra)

    async def _data(self, data: scopes.DataPath, headers: _Headers, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _exchange(data, headers, scope)
        if isinstance(exchange, HttpProblem):
            await exchange.response()(scope, receive, send)
            return
        try:
            state = await self._state()
        except IronforgeError as error:
            log.warning("%s", error)
            await problem_of(error).response()(scope, receive, send)
            return
        asked = headers.get("if-none-match")
        if await self._send_known(exchange, state, asked, send):
            return
        # Whoever asks for what is being made already takes that.
        making = self._making.get(exchange.key)
        if making is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(making.wait(), self.service.settings.limits.longest_wait_seconds)
            if await self._send_known(exchange, state, asked, send):
                return
        made = self._making.setdefault(exchange.key, asyncio.Event())
        try:
            await self._make(exchange, asked, scope, receive, send)
        finally:
            if self._making.get(exchange.key) is made:
                del self._making[exchange.key]
            made.set()

    async def _send_known(self, exchange: Inquiry, state: KnownState, asked: str | None, send: Send) -> bool:
        """Send what is kept of the present state, or that the client has it; False where neither is so."""
        generation = exchange.generation(self.service, state)
        etag = exchange.etag(self.service, generation)
        kept = self.service.bodies.get(exchange.key)
        is_kept = kept is not None and kept.generation == generation
        if asked is not None and _names(asked, etag, is_there=is_kept):
            self.service.measures.body("not_modified")
            await _send(304, self._fresh_headers(exchange, state, etag), b"", send)
            return True
        if kept is None or not is_kept:
            return False
        self.service.measures.body("kept")
        await _send(200, [*self._fresh_headers(exchange, state, kept.etag), *kept.headers], kept.body, send)
        return True

    async def _make(self, exchange: Inquiry, asked: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def hold(message: Message) -> None:
            messages.append(message)

        await self._in_turn({**scope, EXCHANGE: exchange}, receive, hold)
        kept = exchange.kept
        if kept is None:
            for message in messages:
                await send(message)
            return
        self.service.measures.body("made")
        state = await self._state_or_none()
        if state is None or exchange.generation(self.service, state) != kept.generation:
            # The data changed meanwhile: the answer is whole and of its state, and good for an instant.
            headers = [*kept.headers, (b"etag", kept.etag), (b"cache-control", b"no-cache"), self._vary()]
            await _send(200, headers, kept.body, send)
            return
        self.service.bodies.keep(exchange.key, kept)
        headers = self._fresh_headers(exchange, state, kept.etag)
        if asked is not None and _names(asked, kept.etag, is_there=True):
            await _send(304, headers, b"", send)
            return
        await _send(200, [*headers, *kept.headers], kept.body, send)

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have it answered when a thread is free; 503 where that takes too long."""
        try:
            async with self._turn():
                await self.app(scope, receive, send)
        except _FullError:
            full = HttpProblem(503, "All threads are at work: ask again in a few seconds.", _AGAIN)
            await full.response()(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        limits = self.service.settings.limits
        if self._threads.locked() and self._waiting >= limits.waiting:
            raise _FullError
        self._waiting += 1
        try:
            await asyncio.wait_for(self._threads.acquire(), limits.longest_wait_seconds)
        except TimeoutError:
            raise _FullError from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._threads.release()

    async def _state(self) -> KnownState:
        known = self.service.known_state()
        if known is not None:
            return known
        if self._knowing is None:
            self._knowing = CapacityLimiter(1)
        return await to_thread.run_sync(self.service.state, limiter=self._knowing)

    async def _state_or_none(self) -> KnownState | None:
        try:
            return await self._state()
        except IronforgeError:
            return None

    def _fresh_headers(self, exchange: Inquiry, state: KnownState, etag: bytes) -> list[tuple[bytes, bytes]]:
        seconds = self.service.fresh_seconds(state, exchange.regions, is_of_tokens=exchange.is_of_tokens)
        who = _KEPT_TO_PEOPLE if self.service.keys is not None else "public"
        headers = [
            (b"etag", etag),
            (b"cache-control", f"{who}, max-age={seconds}".encode()),
            self._vary(),
            *age_headers(self.service, exchange, state),
        ]
        newest = newest_time(exchange, state)
        return headers if newest is None else [*headers, (b"last-modified", http_date(newest).encode())]

    def _vary(self) -> tuple[bytes, bytes]:
        also = ", Authorization" if self.service.keys is not None else ""
        return b"vary", f"Accept, Accept-Encoding{also}".encode()


class _FullError(Exception):
    """No thread came free in time."""


_BUG: Final = HttpProblem(500, "An unexpected error, which is a bug: the service's log says more.")
_AGAIN: Final = {"retry-after": str(RETRY_SECONDS)}


class _Headers:
    """A request's headers by name: those that come twice are one list, as HTTP has it."""

    def __init__(self, scope: Scope) -> None:
        self._found: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, said = name.decode("latin-1").lower(), value.decode("latin-1")
            self._found[key] = f"{self._found[key]}, {said}" if key in self._found else said

    def get(self, name: str) -> str | None:
        """A header's value, or None."""
        return self._found.get(name)


def _refused(scope: Scope, headers: _Headers, service: Service) -> HttpProblem | None:
    """Why a request is not even looked at."""
    limits = service.settings.limits
    target = scope.get("raw_path") or scope["path"].encode()
    if len(target) + len(scope["query_string"]) > _LONGEST_TARGET:
        return HttpProblem(414, f"The address is longer than {_LONGEST_TARGET:,} bytes: ask for less at a time.")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > limits.header_bytes:
        return HttpProblem(431, f"The headers are longer than {limits.header_bytes:,} bytes together: send fewer.")
    length = headers.get("content-length")
    if length is not None and (not length.isascii() or not length.isdigit() or int(length[:20]) > limits.body_bytes):
        detail = f"No request needs a body, and none is read that is longer than {limits.body_bytes:,} bytes."
        return HttpProblem(413, detail, {"connection": "close"})
    return None


def _exchange(data: scopes.DataPath, headers: _Headers, scope: Scope) -> Inquiry | HttpProblem:
    """In which form a request is to be answered, or why in none."""
    query = scope["query_string"].decode("latin-1")
    offered = scopes.offered(data.name)
    given = [value for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=None) if name == "format"]
    if given:
        if given[-1] not in {one.value for one in offered}:
            names = ", ".join(one.value for one in offered)
            return HttpProblem(422, f"format: {given[-1][:40]!r} is not one of {names}.")
        form = AnswerFormat(given[-1])
    else:
        wanted = best_format(headers.get("accept"), offered)
        if wanted is None:
            there = ", ".join(MEDIA_TYPES[one] for one in offered)
            return HttpProblem(406, f"Accept names nothing that there is: {there}.")
        form = wanted
    if form is AnswerFormat.PARQUET and not formats.has_parquet():
        return HttpProblem(
            406, "This service can't write Parquet: it needs pip install 'ironforge-cli[archive]' there."
        )
    accepted = formats.encodings() if form is not AnswerFormat.PARQUET else (formats.Encoding.IDENTITY,)
    encoding = best_encoding(headers.get("accept-encoding"), accepted)
    if encoding is None:
        # A plain body is what everybody can read; HTTP lets it be sent all the same.
        encoding = formats.Encoding.IDENTITY
    return Inquiry(
        path=scopes.path_of(scope),
        query=query,
        format=form,
        encoding=encoding,
        regions=data.regions,
        scopes=data.scopes,
        is_of_tokens=data.is_of_tokens,
        tells_staleness=data.tells_staleness,
    )


def _names(asked: str, etag: bytes, *, is_there: bool) -> bool:
    """Whether `If-None-Match` names a validator, or anything that is there."""
    if asked.strip() == "*":
        return is_there
    ours = etag.decode()
    return any(one.strip().removeprefix("W/") == ours for one in asked.split(","))


async def _send(status: int, headers: list[tuple[bytes, bytes]], body: bytes, send: Send) -> None:
    length = [] if status == 304 else [(b"content-length", str(len(body)).encode())]  # noqa: PLR2004 - it has no body
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})


async def _send_with(
    response: Any, extra: list[tuple[bytes, bytes]], scope: Scope, receive: Receive, send: Send
) -> None:
    await response(scope, receive, _adding(send, extra))


def _adding(send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    if not extra:
        return send

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            vary = b", ".join(value for name, value in (*given, *extra) if name == b"vary")
            message = {**message, "headers": [one for one in (*given, *extra) if one[0] != b"vary"]}
            if vary:
                message["headers"].append((b"vary", vary))
        await send(message)

    return adding
