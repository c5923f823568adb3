"""Transports against the sandbox and against stub servers, with clocks that tests turn."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transport import Transport
from tests.blizzard.stub_server import stub_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.blizzard.stub_server import Serve
    from tests.clocks import TickingClock


@dataclass
class Ahead:
    """This machine's clock, put ahead by some seconds: requests-cache stamps by the machine's own."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.seconds


@pytest.fixture
def wall() -> Ahead:
    """What transports take for the time."""
    return Ahead()


@pytest.fixture
def make_transport(tmp_path: Path, clock: TickingClock, wall: Ahead) -> Generator[Callable[..., Transport]]:
    """Make transports that share a cache folder, for a sandbox or for any token endpoint."""
    with ExitStack() as opened:

        def make(sandbox: Sandbox | None = None, **options: Any) -> Transport:
            if sandbox is not None:
                options = {
                    "credentials": lambda: (sandbox.client_id, sandbox.client_secret),
                    "oauth_url": sandbox.oauth_url,
                    **options,
                }
            usual: dict[str, Any] = {
                "cache_folder": tmp_path / "http",
                "credentials": lambda: ("client", "secret"),
                "timeout": (5, 5),
                "rate_limit": RateLimit(
                    tmp_path / "requests.ring",
                    per_second=100,
                    per_hour=36_000,
                    now=clock.monotonic,
                    sleep=lambda _: None,
                ),
                "now": wall,
                "sleep": clock.sleep,
                "jitter": lambda: 0.5,
            }
            transport = Transport(**{**usual, **options})
            opened.callback(transport.close)
            return transport

        yield make


@pytest.fixture
def serve() -> Generator[Serve]:
    """Start stub servers that end with the test."""
    with ExitStack() as running:
        yield lambda answer: running.enter_context(stub_server(answer))
