"""A window is a window: whatever Blizzard does, nothing is begun after its end, and its end is what is told."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.deadline import GRACE_SECONDS
from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transport import Transport
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError
from ironforge_cli.jobs.collecting.poll import Window, poll
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.regions import Region
from tests.clocks import EventfulClock
from tests.conftest import storage_in
from tests.jobs.handed import Handed, nothing_newer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.jobs.collecting.poll import Polled
    from ironforge_cli.sandbox.stand_in import Sandbox

STARTS = datetime(2026, 1, 14, 12, 30, tzinfo=UTC)
WINDOW = Window(timedelta(minutes=2), timedelta(seconds=30))


def polled(folder: Path, clock: Any, market: BlizzardClient | Handed, *, window: Window = WINDOW) -> Polled:
    storage = storage_in(folder, MissingDatabase(DatabaseError("The database is away.")))
    return poll([Region.EU], window=window, market=market, storage=lambda: storage, clock=clock)


def test_a_window_tells_blizzard_s_client_when_it_ends(tmp_path: Path) -> None:
    clock, market = EventfulClock(STARTS), Handed([nothing_newer()])
    polled(tmp_path, clock, market)
    (deadline,) = market.deadlines
    assert (deadline.at, deadline.left) == (120.0, 0.0)


@pytest.mark.parametrize(
    ("fault", "more"),
    [("rate_limited", {"retry_after": 50}), ("rate_limited", {}), ("server_error", {}), ("cut_connection", {})],
    ids=["Retry-After", "429", "500", "cut"],
)
def test_no_fault_of_blizzard_s_keeps_a_window_open(
    tmp_path: Path, sandbox: Sandbox, fault: str, more: dict[str, Any]
) -> None:
    clock = EventfulClock(STARTS)
    sandbox.set_fault(fault, **more)
    limit = RateLimit(tmp_path / "ring", per_second=1_000, per_hour=36_000, now=clock.monotonic, sleep=clock.sleep)
    with closing(transport_of(sandbox, tmp_path, limit=limit, sleep=clock.sleep)) as transport:
        result = polled(tmp_path, clock, BlizzardClient(transport, api_url=sandbox.api_url, locale="en_US"))
    assert "Blizzard's API is unavailable" in str(result.regions[0].collected.message)
    # Both the region and its token wait by this one clock, which adds their pauses up: none begins after the end.
    assert clock.monotonic() <= 120 + more.get("retry_after", 30)


def test_an_hour_s_quota_that_is_used_up_keeps_no_window_open(tmp_path: Path, sandbox: Sandbox) -> None:
    clock = EventfulClock(STARTS)
    limit = RateLimit(tmp_path / "ring", per_second=100, per_hour=3, now=clock.monotonic, sleep=clock.sleep)
    for _ in range(3):
        limit.wait()
    with closing(transport_of(sandbox, tmp_path, limit=limit, sleep=clock.sleep)) as transport:
        result = polled(tmp_path, clock, BlizzardClient(transport, api_url=sandbox.api_url, locale="en_US"))
    assert "IRONFORGE_REQUESTS_PER_HOUR" in str(result.regions[0].collected.message)
    assert (clock.monotonic(), sandbox.requests) == (120.0, [])


class Real:
    """This machine's clock: a server that is silent can be waited for by no other."""

    def now(self) -> datetime:
        return datetime.now(tz=UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        threading.Event().wait(seconds)

    def check(self) -> None:
        """Nobody asks a test to end."""


def test_a_server_that_is_silent_is_left_soon_after_the_window_s_end(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GRACE_SECONDS <= 5
    monkeypatch.setattr("ironforge_cli.blizzard.deadline.GRACE_SECONDS", 0.1)
    clock = Real()
    sandbox.set_fault("hang")
    limit = RateLimit(tmp_path / "ring", per_second=100, per_hour=36_000, now=time.time, sleep=clock.sleep)
    # One read may take longer than a test, and five of them are tried otherwise.
    with closing(transport_of(sandbox, tmp_path, limit=limit, sleep=clock.sleep, timeout=(1_000, 1_000))) as transport:
        client = BlizzardClient(transport, api_url=sandbox.api_url, locale="en_US")
        result = polled(tmp_path, clock, client, window=Window(timedelta(seconds=0.2), timedelta(seconds=30)))
    assert "to the window's end" in str(result.regions[0].collected.message)


def transport_of(
    sandbox: Sandbox,
    folder: Path,
    *,
    limit: RateLimit,
    sleep: Callable[[float], None],
    timeout: tuple[float, float] = (5, 5),
) -> Transport:
    return Transport(
        cache_folder=folder / "http",
        credentials=lambda: (sandbox.client_id, sandbox.client_secret),
        oauth_url=sandbox.oauth_url,
        timeout=timeout,
        rate_limit=limit,
        now=time.time,
        sleep=sleep,
        jitter=lambda: 0.5,
    )


def test_what_a_window_waits_for_is_told_before_it_waits(tmp_path: Path) -> None:
    class Watched(EventfulClock):
        def sleep(self, seconds: float) -> None:
            told.append(("sleeps", round(seconds)))
            super().sleep(seconds)

    class Screen(Silent):
        def step(self, region: Region | None, name: str) -> None:
            del region
            if name.startswith("waiting"):
                told.append((name, 0))

    told: list[tuple[str, int]] = []
    storage = storage_in(tmp_path, MissingDatabase(DatabaseError("The database is away.")))
    poll(
        [Region.EU],
        window=WINDOW,
        market=Handed([nothing_newer()]),
        storage=lambda: storage,
        clock=Watched(STARTS),
        progress=Screen(),
    )
    assert [seconds for _, seconds in told[1::2]] == [30] * (len(told) // 2)
    assert all(said.startswith("waiting") for said, _ in told[::2])
    assert len(told) >= 6
