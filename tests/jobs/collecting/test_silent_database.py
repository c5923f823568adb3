"""A database that accepts and never answers: it is waited for once a cycle, and a window stays a window."""

from __future__ import annotations

import contextlib
import socket
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import Database
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.collecting.collect import Collected
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.clocks import EventfulClock
from tests.jobs import stored
from tests.jobs.polling import STARTS, Poller, window
from tests.soak.proxy import DatabaseProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.jobs.conftest import Collector

ONE_ATTEMPT = window(length=timedelta(seconds=4))


class Mute:
    """Accepts whoever comes, and never answers."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.callers: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens; two seconds are the shortest time-out that there is."""
        port = self.listening.getsockname()[1]
        return f"postgresql://u@127.0.0.1:{port}/prices?connect_timeout=2&sslmode=disable&gssencmode=disable"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.callers.append(self.listening.accept()[0])

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for one in (self.listening, *self.callers):
            one.close()


@pytest.fixture
def clock() -> EventfulClock:
    return EventfulClock(STARTS)


@pytest.fixture
def mute() -> Generator[Mute]:
    mute = Mute()
    yield mute
    mute.close()


def assert_all_is_on_disk(collector: Collector, collected: Collected, home: Path) -> None:
    assert [region.outcome for region in collected.regions] == [Outcome.SPOOLED] * len(DEFAULT_REGIONS)
    assert [token.outcome for token in collected.tokens] == [Outcome.SPOOLED] * len(DEFAULT_REGIONS)
    assert len(collector.storage.shelves.spool.kept()) == len(DEFAULT_REGIONS)
    # Of each region an attempt, its token's, and the token's price; and one run.
    assert len((home / "spool" / "log-rows.jsonl").read_bytes().splitlines()) == 3 * len(DEFAULT_REGIONS) + 1


@pytest.mark.parametrize("command", ["collect", "poll"])
def test_a_database_that_never_answers_is_tried_once_a_region_in_a_cycle_and_all_goes_to_disk(
    command: str, make_collector: Callable[..., Collector], clock: EventfulClock, mute: Mute, tmp_path: Path
) -> None:
    database = Database(mute.url)
    collector = make_collector(database, auctions=50, items=10)
    poller = Poller(collector, clock)
    collected = collector.collect() if command == "collect" else poller.poll(window=ONE_ATTEMPT).collected
    assert collected.status is ExitStatus.DATABASE
    # Regions that are polled side by side begin at the same moment.
    assert 1 <= len(mute.callers) <= (1 if command == "collect" else len(DEFAULT_REGIONS))
    assert_all_is_on_disk(collector, collected, tmp_path)
    database.close()


def test_a_database_that_stops_answering_in_the_middle_costs_one_attempt_and_is_asked_again_by_the_next(
    make_collector: Callable[..., Collector], database: Database, clock: EventfulClock, tmp_path: Path
) -> None:
    with DatabaseProxy(database.url) as proxy:
        behind = Database(proxy.url)
        collector = make_collector(behind, auctions=50, items=10)
        poller = Poller(collector, clock)
        assert poller.poll(window=ONE_ATTEMPT).status is ExitStatus.DONE
        poller.publish()
        proxy.hang(hangs=True, cuts=False)
        before = proxy.accepted
        collected = poller.poll(window=ONE_ATTEMPT).collected
        assert collected.status is ExitStatus.DATABASE
        assert proxy.accepted - before <= len(DEFAULT_REGIONS)
        assert_all_is_on_disk(collector, collected, tmp_path)
        proxy.hang(hangs=False)
        # It counts as away for others still; the next attempt asks it all the same.
        assert poller.poll(window=ONE_ATTEMPT).status is ExitStatus.DONE
        behind.close()
    for region in DEFAULT_REGIONS:
        assert len(stored.times(database, region)) == 2
    assert collector.storage.shelves.spool.kept() == []
