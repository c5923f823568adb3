"""Directs a soak: lets simulated time pass, opens windows as cron does, and lets the weather strike."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import ExitStatus
from ironforge_cli.market.rhythm import learned
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.access import Limits
from ironforge_cli.sandbox.stand_in import Sandbox
from tests.soak.home import newest_that_waits
from tests.soak.hours import RegionHours
from tests.soak.rounds import Rounds
from tests.soak.site import Site
from tests.soak.weather import HARMLESS, HOUR, MINUTE, ODD, Event, Trouble
from tests.soak.window import Ended, Place, RegionDone, Room, Sleeps, Wake, one_collect, one_window, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from multiprocessing.connection import Connection, PipeConnection
    from multiprocessing.process import BaseProcess

    from tests.servers import TestServer

    Wire = Connection[Any, Any] | PipeConnection[Any, Any]

STEP = MINUTE
PATIENCE = 120
"""Real seconds after which a process that says nothing is taken for stuck."""
HALVED = 0.4
"""Of a market that halves, so much stays: fewer than half are implausible."""
ROOM = 4_096
"""No file of a home on a full disk may grow beyond this."""


@dataclass
class Running:
    """A window's process."""

    process: BaseProcess
    wire: Wire
    regions: int = len(DEFAULT_REGIONS)


class Director:
    """A machine, its clock, its cron, its database and Blizzard, all in one hand. A context manager."""

    def __init__(
        self,
        server: TestServer,
        url: str,
        *,
        home: Path,
        starts_at: datetime,
        seed: int,
        adaptive: bool,
        account: int | None = None,
        pooler: str | None = None,
    ) -> None:
        self.seconds = 0.0
        self.happened: Counter[str] = Counter()
        self.codes: Counter[ExitStatus] = Counter()
        self._server = server
        self._url = url
        self._home = home
        self._adaptive = adaptive
        self.sandbox = Sandbox(
            seed=seed,
            auctions=300,
            items=40,
            recipes=5,
            starts_at=starts_at,
            speed=1.0,
            monotonic=lambda: self.seconds,
            limits=Limits(per_second=None, per_hour=None),
        )
        self._epoch = starts_at
        place = Place(
            url=url,
            api_url=self.sandbox.api_url,
            oauth_url=self.sandbox.oauth_url,
            credentials=(self.sandbox.client_id, self.sandbox.client_secret),
            home=str(home),
            epoch=starts_at,
            real_epoch=time.time(),
            account=account,
        )
        self._site = Site(place, home=home, pooler=pooler)
        self.rounds = Rounds(
            self.sandbox,
            run=lambda work, ahead: self._beside(work, ahead=ahead),
            database_url=lambda: None if self._away else self._url,
            now=lambda: self.now,
        )
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.soak.window"])
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._faults: list[Event] = []
        self._away = self._full = self._asleep = False
        self._misses_start = self._is_ended = False
        self._offset = 0.0
        self._running: Running | None = None
        self.regions = {region: RegionHours(region) for region in DEFAULT_REGIONS}

    def __enter__(self) -> Director:
        self.sandbox.__enter__()
        self._site.__enter__()
        self._look()
        return self

    def __exit__(self, *ending: object) -> None:
        if self._running is not None:
            self._running.process.kill()
            self._close()
        self._site.__exit__(None, None, None)
        self.sandbox.__exit__(None, None, None)

    # What happens

    def forecast(self, events: Iterable[Event]) -> None:
        """Let all of this happen when its time comes."""
        for event in events:
            self._at(event.at, lambda event=event: self._begin(event))

    def run(self, *, hours: int) -> None:
        """Let cron start a window at each :30 of so many hours."""
        first = (30 - self._epoch.minute) % 60 * MINUTE
        for hour in range(hours):
            start = first + hour * HOUR
            if start < self.seconds:
                # The machine slept, or the window before this was still open: cron starts none in the past.
                continue
            self._advance(start)
            if self._misses_start:
                self._misses_start = False
                continue
            self._window()

    def calm(self) -> None:
        """End whatever is still wrong, and let nothing more happen."""
        self._events.clear()
        self._faults.clear()
        self.sandbox.clear_faults()
        self._offset = 0.0
        self._full = False
        if self._away:
            self._server.let_in(self._url, anybody=True)
            self._away = False
        self._site.calm()

    def destroyed(self) -> list[str]:
        """What was destroyed, and what of the home is not its account's."""
        return [*self.rounds.finish(), *self._site.wrong]

    def _at(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (seconds, next(self._order), event))

    def _begin(self, event: Event) -> None:
        if event.is_fault:
            self._faults.append(event)
            self.sandbox.set_fault(
                event.what,
                region=event.region,
                endpoint="commodities",
                retry_after=2 if event.what == "rate_limited" else None,
            )
            self.happened[event.what] += 1
            self._at(self.seconds + event.seconds, lambda: self._clear(event))
            return
        begin, end = self._troubles(event)
        if begin() is False:
            return
        self.happened[event.what] += 1
        if end is not None:
            self._at(self.seconds + event.seconds, end)

    def _clear(self, event: Event) -> None:
        if event in self._faults:
            self._faults.remove(event)
            self.sandbox.clear_faults(event.what, region=event.region)

    def _troubles(self, event: Event) -> tuple[Callable[[], Any], Callable[[], Any] | None]:
        """What a trouble does; where it returns False it had nothing to strike."""
        return {
            Trouble.DATABASE_AWAY: (lambda: self._let_in(anybody=False), lambda: self._let_in(anybody=True)),
            Trouble.DATABASE_KILLED: (self._kill_database, None),
            Trouble.WINDOW_KILLED: (lambda: self._signal(signal.SIGKILL), None),
            Trouble.WORK_KILLED: (lambda: self._kill_soon(event.amount), None),
            Trouble.TERMINATED: (lambda: self._signal(signal.SIGTERM), None),
            Trouble.DISK_FULL: (lambda: self._fill(full=True), lambda: self._fill(full=False)),
            Trouble.CLOCK_SET: (lambda: self._set_clock(event.amount), lambda: self._set_clock(0.0)),
            Trouble.ASLEEP: (lambda: self._sleep(event.seconds), None),
            Trouble.TOKEN_EXPIRED: (self.sandbox.expire_tokens, None),
            Trouble.SECOND_WINDOW: (self._second_window, None),
            Trouble.COLLECT_BESIDE: (lambda: self._beside(one_collect), None),
            Trouble.WINDOW_MISSED: (self._miss_start, None),
            Trouble.SPOOL_LITTERED: (
                lambda: self._site.litter(event.regions, amount=event.amount),
                self._site.clear_litter,
            ),
            Trouble.POISONED: (lambda: self._poison(event), None),
            Trouble.ROOT_RUN: (self._root_run, None),
            Trouble.DATABASE_HANGS: (lambda: self._site.hang(hangs=True), lambda: self._site.hang(hangs=False)),
            Trouble.POOLED: (lambda: self._site.pool(is_pooled=True), lambda: self._site.pool(is_pooled=False)),
            Trouble.CACHE_LOCKED: (self._site.lock_cache, self._site.release_cache),
            Trouble.MARKET_HALVED: (lambda: self._halve(event.regions), None),
            Trouble.MAINTAINED_AHEAD: (self.rounds.maintain_ahead, None),
            Trouble.LISTS_LACKING: (lambda: self.rounds.seed_lacking(event.amount), None),
        }[Trouble(event.what)]

    def _let_in(self, *, anybody: bool) -> bool:
        if self._away is not anybody:
            return False
        self._server.let_in(self._url, anybody=anybody)
        self._away = not anybody
        return True

    def _kill_database(self) -> bool:
        self._server.kill_and_restart()
        return True

    def _signal(self, number: signal.Signals) -> bool:
        if self._running is None or self._running.process.pid is None:
            return False
        self._is_ended = True
        # One that was killed a moment ago may be gone.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._running.process.pid, number)
        return True

    def _kill_soon(self, after: float) -> bool:
        if self._running is None or self._running.process.pid is None:
            return False
        self._is_ended = True
        killing = threading.Timer(after, self._running.process.kill)
        killing.daemon = True
        killing.start()
        return True

    def _fill(self, *, full: bool) -> bool:
        self._full = full
        self._is_ended |= full
        if self._running is not None:
            try:
                self._running.wire.send(Room(ROOM if full else None))
            except OSError:
                # Killed, or at its end.
                return full
        return True

    def _set_clock(self, offset: float) -> None:
        self._offset = offset

    def _sleep(self, seconds: float) -> None:
        self._asleep = True
        self._at(self.seconds + seconds, self._wake_up)

    def _wake_up(self) -> None:
        self._asleep = False

    def _miss_start(self) -> None:
        self._misses_start = True

    def _second_window(self) -> bool:
        if self._running is None:
            return False
        status = self._beside(one_window, length=0.0, adaptive=self._adaptive)
        # Where the first was killed in this moment, the second is the only one.
        assert status in set(ExitStatus)
        return True

    def _root_run(self) -> bool:
        if self._site.account is None:
            return False
        self._beside(one_collect, as_root=True)
        return True

    def _poison(self, event: Event) -> None:
        times = [self.sandbox.world.regions[region].next_at for region in event.regions]
        self._site.poison(times)
        self._at(self.seconds + event.seconds, lambda: self._site.mend(times))

    def _halve(self, regions: Sequence[Region]) -> None:
        for region in regions:
            self.sandbox.world.shrink(region, share=HALVED)

    def _beside(self, work: Any, *, as_root: bool = False, ahead: float = 0.0, **options: Any) -> int:
        """Run something else to its end; its clock may be ahead."""
        ours, theirs = self._context.Pipe()
        options |= {"seconds": self.seconds, "offset": self._offset + ahead}
        place = self._site.place(as_root=as_root)
        process = self._context.Process(target=work, args=(theirs, place), kwargs=options)
        process.start()
        theirs.close()
        status = -1
        while status < 0:
            if not ours.poll(PATIENCE):
                raise silent(process, "a process beside the window", at=self.now)
            message = ours.recv()
            if isinstance(message, Sleeps):
                ours.send(Wake(message.thread, self.seconds, self._offset))
            elif isinstance(message, Ended):
                status = message.status
        process.join()
        ours.close()
        self.codes[ExitStatus(status)] += 1
        return status

    # Windows

    def _window(self) -> None:
        self._answers()
        for region, (newest, is_rhythm_known) in self._held().items():
            self.regions[region].open_window(newest, is_rhythm_known=is_rhythm_known)
        self._is_ended = self._full
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=one_window,
            args=(theirs, self._site.place()),
            kwargs={
                "seconds": self.seconds,
                "offset": self._offset,
                "length": 30 * MINUTE,
                "adaptive": self._adaptive,
            },
        )
        process.start()
        theirs.close()
        self._running = Running(process, ours)
        if self._full:
            self._fill(full=True)
        self._attend()
        answers = self._answers()
        for hours in self.regions.values():
            hours.note(answers)
            hours.end_window(is_well=not self._is_ended)
        self._close()

    def _attend(self) -> None:
        """Let time pass as the window's threads wait for it, until its process has ended, in whatever way."""
        waiting: dict[int, Sleeps] = {}
        while self._running is not None:
            regions = sum(1 for one in waiting.values() if one.is_region)
            if waiting and regions >= self._running.regions:
                first = min(waiting.values(), key=lambda one: one.until)
                self._advance(first.until)
                del waiting[first.thread]
                try:
                    self._running.wire.send(Wake(first.thread, self.seconds, self._offset))
                except OSError:
                    # Killed while it waited.
                    return
            if not self._running.wire.poll(PATIENCE):
                raise silent(self._running.process, "the window", at=self.now)
            try:
                message = self._running.wire.recv()
            except (EOFError, OSError):
                return
            match message:
                case Sleeps():
                    waiting[message.thread] = message
                case RegionDone():
                    self._running.regions -= 1
                case Ended():
                    self.codes[ExitStatus(message.status)] += 1
                    return
                case _:
                    raise TypeError(f"the window says {message!r}")

    def _close(self) -> None:
        if self._running is not None:
            self._running.process.join()
            self._running.wire.close()
            self._running = None

    def _held(self) -> dict[Region, tuple[datetime | None, bool]]:
        """The newest hour that is stored or waits, and whether the region's rhythm can be known, as far as is seen."""
        found: dict[Region, tuple[datetime | None, bool]] = {
            region: (newest_that_waits(self._home, region), False) for region in DEFAULT_REGIONS
        }
        if self._away:
            return found
        database = Database(self._url)
        with database.connect() as connection:
            for region, (waiting, _) in found.items():
                newest, seen = snapshots.newest(connection, region), snapshots.seen(connection, region)
                times = [time for time in (newest and newest.snapshot_time, waiting) if time]
                found[region] = max(times, default=None), learned(seen) is not None
        database.close()
        return found

    # Time

    def _advance(self, until: float) -> None:
        """Let simulated time pass; at each step what is due is published, and what is due happens."""
        while self.seconds < until or (self._events and self._events[0][0] <= self.seconds):
            answers = self._answers()
            for hours in self.regions.values():
                hours.note(answers)
            due = self._events[0][0] if self._events else until
            step = max(0.0, min(until, due, self.seconds + STEP) - self.seconds)
            for region, hours in self.regions.items():
                hours.pass_time(step, undisturbed=self._running is not None and self._is_well(region))
            self.seconds += step
            self.sandbox.world.settle()
            self._look()
            while self._events and self._events[0][0] <= self.seconds:
                heapq.heappop(self._events)[2]()
            if self._asleep:
                # Nobody's thread runs until the machine wakes up.
                until = max(until, self.seconds + STEP)

    def _is_well(self, region: Region) -> bool:
        """Whether a window that asks for a region can get and keep it."""
        struck = any(fault.region in {None, region} and fault.what not in {*HARMLESS, *ODD} for fault in self._faults)
        return not (struck or self._asleep or ((self._away or self._site.hangs) and self._full))

    def _look(self) -> None:
        for hours in self.regions.values():
            hours.look(self.sandbox)

    def _answers(self) -> list[Any]:
        """What the sandbox has answered since this was asked last."""
        answers = self.sandbox.requests
        self.sandbox.forget_requests()
        return answers

    @property
    def now(self) -> datetime:
        """The simulated time."""
        return self._epoch + timedelta(seconds=self.seconds)
