"""One window of attempts as a process of its own, whose time is told to it by whoever directs the soak."""

from __future__ import annotations

import faulthandler
import logging
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transport import Transport
from ironforge_cli.cli.frame.wiring import Stop
from ironforge_cli.db.engine import Database
from ironforge_cli.jobs.catalogue.seed import SEEDERS, seed
from ironforge_cli.jobs.collecting import storing
from ironforge_cli.jobs.collecting.collect import collect
from ironforge_cli.jobs.collecting.poll import Window, poll
from ironforge_cli.jobs.days.housekeeping import Housekeeping
from ironforge_cli.jobs.days.maintain import maintain, upkeep_by
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.conftest import storage_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from ironforge_cli.market.auctions import Auctions, Book
    from ironforge_cli.market.statistics import Summary

_SHOWS_STACKS = signal.SIGUSR1
HOUSEKEEPING = Housekeeping(ahead=2, retention_days=30, log_retention_days=400)


@dataclass(frozen=True)
class Place:
    """Where a process works: picklable."""

    url: str
    api_url: str
    oauth_url: str
    credentials: tuple[str, str]
    home: str
    epoch: datetime
    """When the simulated time began."""
    real_epoch: float
    """The same moment in this machine's seconds since the epoch, by which requests-cache stamps what it keeps."""
    account: int | None = None
    """As whom a process of root's works; None: as who it is."""
    poisonous: frozenset[datetime] = frozenset()
    """The times of snapshots that bring a bug to light."""


@dataclass(frozen=True)
class Sleeps:
    """A thread waits until so many simulated seconds have passed."""

    thread: int
    until: float
    is_region: bool


@dataclass(frozen=True)
class RegionDone:
    """A region's window is over."""


@dataclass(frozen=True)
class Ended:
    """The process is about to end with this code."""

    status: int


@dataclass(frozen=True)
class Wake:
    """A thread has waited long enough; it is that late now, and the clock is wrong by so much."""

    thread: int
    seconds: float
    offset: float


@dataclass(frozen=True)
class Room:
    """No file may grow beyond so many bytes from now on; None: as it likes."""

    bytes: int | None


class DirectedClock:
    """A clock whose time passes when the director says so. Safe to share between threads."""

    def __init__(self, wire: Connection | None, *, epoch: datetime, seconds: float, offset: float, stop: Stop) -> None:
        self._wire = wire
        self._epoch = epoch
        self._seconds = seconds
        self._offset = offset
        self._stop = stop
        self._sending = threading.Lock()
        self._waking: dict[int, threading.Event] = {}
        self._regions: set[int] = set()
        if wire is not None:
            threading.Thread(target=self._listen, args=(wire,), daemon=True).start()

    def now(self) -> datetime:
        return self._epoch + timedelta(seconds=self._seconds + self._offset)

    def monotonic(self) -> float:
        return self._seconds

    def check(self) -> None:
        self._stop.check()

    def sleep(self, seconds: float) -> None:
        if self._wire is not None:
            thread = threading.get_ident()
            event = self._waking[thread] = threading.Event()
            self.send(Sleeps(thread, self._seconds + seconds, is_region=thread in self._regions))
            event.wait()
        self._stop.check()

    def step(self, region: Region | None, name: str) -> None:
        """Told by the job as its steps begin: so its threads are known, and when one has ended."""
        if region is not None:
            self._regions.add(threading.get_ident())
        if name == "done":
            self.send(RegionDone())

    def send(self, message: Sleeps | RegionDone | Ended) -> None:
        """Tell the director something."""
        if self._wire is not None:
            with self._sending:
                self._wire.send(message)

    def _listen(self, wire: Connection) -> None:
        while True:
            try:
                message = wire.recv()
            except (EOFError, OSError):
                return
            if isinstance(message, Room):
                # By itself: not everybody may set the limits of another account's processes.
                limit = resource.RLIM_INFINITY if message.bytes is None else message.bytes
                # Modules compiled meanwhile would be cut off at that length, and every later run would load them.
                sys.dont_write_bytecode = True
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
                continue
            self._seconds, self._offset = message.seconds, message.offset
            self._waking.pop(message.thread).set()


def transport_of(place: Place, clock: DirectedClock) -> Transport:
    """Sessions to the sandbox, whose cache ages by simulated time."""
    folder = Path(place.home) / "http"
    return Transport(
        cache_folder=folder,
        credentials=lambda: place.credentials,
        oauth_url=place.oauth_url,
        timeout=(5, 5),
        rate_limit=RateLimit(
            folder / "requests.ring", per_second=10_000, per_hour=1_000_000, now=time.time, sleep=time.sleep
        ),
        now=lambda: place.real_epoch + clock.monotonic(),
        sleep=clock.sleep,
    )


def one_window(wire: Connection, place: Place, *, seconds: float, offset: float, length: float, adaptive: bool) -> None:
    """Poll both regions for a window, and tell how it ended."""
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: stop.ask(signal.Signals(received).name))
    clock = DirectedClock(wire, epoch=place.epoch, seconds=seconds, offset=offset, stop=stop)

    def work(market: BlizzardClient, database: Database) -> int:
        return poll(
            DEFAULT_REGIONS,
            window=Window(timedelta(seconds=length), timedelta(seconds=30), adaptive=adaptive),
            market=market,
            storage=lambda: storage_in(Path(place.home), database),
            clock=clock,
            progress=clock,
            upkeep=upkeep_by(HOUSEKEEPING, clock=clock),
        ).status

    clock.send(Ended(_worked(place, clock, work)))


def one_collect(wire: Connection, place: Place, *, seconds: float, offset: float) -> None:
    """Collect both regions once; no time passes."""
    clock = DirectedClock(None, epoch=place.epoch, seconds=seconds, offset=offset, stop=Stop())

    def work(market: BlizzardClient, database: Database) -> int:
        storage = storage_in(Path(place.home), database)
        return collect(
            DEFAULT_REGIONS, market=market, storage=storage, clock=clock, upkeep=upkeep_by(HOUSEKEEPING, clock=clock)
        ).status

    wire.send(Ended(_worked(place, clock, work)))


def one_maintain(wire: Connection, place: Place, *, seconds: float, offset: float) -> None:
    """Look after the days by a clock that is wrong by so many seconds."""
    clock = DirectedClock(None, epoch=place.epoch, seconds=seconds, offset=offset, stop=Stop())

    def work(_: BlizzardClient, database: Database) -> int:
        storage = storage_in(Path(place.home), database)
        return maintain(DEFAULT_REGIONS, storage=storage, housekeeping=HOUSEKEEPING, clock=clock).status

    wire.send(Ended(_worked(place, clock, work)))


def one_seed(wire: Connection, place: Place, *, seconds: float, offset: float) -> None:
    """Seed recipes, reagents and items."""
    clock = DirectedClock(None, epoch=place.epoch, seconds=seconds, offset=offset, stop=Stop())

    def work(market: BlizzardClient, database: Database) -> int:
        return seed(
            SEEDERS,
            source=market,
            database=database,
            pending=storage_in(Path(place.home), database).pending,
            region=Region.EU,
            clock=clock,
            at_once=4,
        ).status

    wire.send(Ended(_worked(place, clock, work)))


def silent(process: BaseProcess, who: str, *, at: datetime) -> TimeoutError:
    """What there is to say of a process that says nothing; it shows on standard error what its threads do."""
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, _SHOWS_STACKS)
        process.join(2)
    return TimeoutError(f"{who} says nothing at {at.isoformat()}; what it waits for is on standard error")


def _become(account: int | None) -> None:
    """Be that account from now on, for good."""
    if account is not None:
        os.setgroups([])
        os.setresgid(account, account, account)
        os.setresuid(account, account, account)


def _poison(times: frozenset[datetime]) -> None:
    """Let the snapshots of some times bring a bug to light, in this process."""
    if not times:
        return
    summarise = storing.summarise_snapshot

    def summarise_or_fail(before: Book | None, auctions: Auctions, *, at: datetime) -> Summary:
        return summarise(before, auctions, at=at if at not in times else at.replace(year=at.year // 0))

    storing.summarise_snapshot = summarise_or_fail


def _worked(place: Place, clock: DirectedClock, work: Callable[[BlizzardClient, Database], int]) -> int:
    faulthandler.register(_SHOWS_STACKS)
    _become(place.account)
    _poison(place.poisonous)
    # What the windows say is in their rows; thousands of lines of it would hide how the soak ends.
    logging.getLogger("ironforge_cli").addHandler(logging.NullHandler())
    transport, database = transport_of(place, clock), Database(place.url)
    try:
        return int(work(BlizzardClient(transport, api_url=place.api_url, locale="en_US"), database))
    finally:
        transport.close()
        database.close()
