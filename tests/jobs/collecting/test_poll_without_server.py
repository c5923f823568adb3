"""A window without sandbox and server: its pauses, what is said in it, what is new in it, and how it ends."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db import locks
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import (
    ConfigurationError,
    CredentialsError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    UnavailableError,
)
from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
from ironforge_cli.jobs.collecting.poll import Polled, PolledRegion, poll
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.clocks import EventfulClock
from tests.conftest import storage_in
from tests.jobs.handed import NOON, Handed, answer, body_of, keep, nothing_newer
from tests.jobs.polling import STARTS, window

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.blizzard.transport import Answer
    from ironforge_cli.errors import IronforgeError
    from ironforge_cli.jobs.collecting.poll import Window
    from ironforge_cli.jobs.storage import Storage

AWAY = DatabaseError("The server is away.")
HALF_A_MINUTE = timedelta(seconds=30)
TWO_MINUTES = window(length=timedelta(minutes=2))
NEW = STARTS.replace(second=10)


@pytest.fixture
def clock() -> EventfulClock:
    return EventfulClock(STARTS)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


@dataclass
class Steps:
    """Remembers what a person is shown."""

    shown: list[str] = field(default_factory=list[str])

    def step(self, region: Region | None, name: str) -> None:
        del region
        self.shown.append(name)


def polled(
    storage: Storage, clock: EventfulClock, source: Handed, *regions: Region, window: Window, steps: Steps | None = None
) -> Polled:
    return poll(
        regions or (Region.EU,),
        window=window,
        market=source,
        storage=lambda: storage,
        clock=clock,
        progress=steps,
    )


# Pauses


@pytest.mark.parametrize(
    ("answers", "slept"),
    [
        ([answer(b"", NEW)], [25, 60, 120, 240, 30]),
        ([CredentialsError("403.")], [25, 60, 120, 240, 30]),
        ([UnavailableError("500.")], [25, *[30] * 15]),
        ([nothing_newer()], [25, *[30] * 15]),
        # What grew starts anew after any other end.
        (
            [answer(b"", NEW), answer(b"", NEW), nothing_newer(), answer(b"", NEW), nothing_newer()],
            [25, 60, *[30] * 13],
        ),
    ],
)
def test_only_what_asking_again_soon_does_not_mend_is_asked_for_with_growing_pauses(
    storage: Storage, clock: EventfulClock, answers: list[Answer | IronforgeError], slept: list[float]
) -> None:
    (one,) = polled(storage, clock, Handed(answers), window=window(length=timedelta(seconds=480))).regions
    assert clock.slept == [pytest.approx(seconds) for seconds in slept]
    assert one.attempts == len(slept) + 1


def test_a_schema_that_a_person_has_to_mend_is_asked_for_with_growing_pauses(
    tmp_path: Path, clock: EventfulClock
) -> None:
    storage = storage_in(tmp_path, MissingDatabase(ConfigurationError("The schema is too old.")))
    polled(storage, clock, Handed([nothing_newer()]), window=window(length=timedelta(minutes=8)))
    assert clock.slept == [25, 60, 120, 240, 30]


# What is new, and how it ends


def test_a_spooled_hour_that_is_older_than_the_window_ends_none(storage: Storage, clock: EventfulClock) -> None:
    source = Handed([answer(body_of(1), STARTS), answer(body_of(2), NEW)])
    (one,) = polled(storage, clock, source, window=TWO_MINUTES).regions
    assert (one.attempts, one.is_new, one.delay) == (2, True, None)
    assert (one.collected.outcome, one.collected.snapshot_time) == (Outcome.SPOOLED, NEW)
    assert [kept.snapshot_time for kept in storage.shelves.spool.kept()] == [STARTS, NEW]


def test_a_region_that_another_cycle_stores_is_asked_again_in_the_same_window(
    storage: Storage, clock: EventfulClock
) -> None:
    held = locks.storing_in(storage.locks_folder, Region.EU)
    held.__enter__()
    clock.after(40, lambda: held.__exit__(None, None, None))
    (one,) = polled(storage, clock, Handed([answer(body_of(2), NEW)]), window=TWO_MINUTES).regions
    assert (one.attempts, one.is_new, one.collected.outcome) == (3, True, Outcome.SPOOLED)


@pytest.mark.parametrize("where", ["attempt", "wait"])
def test_who_asks_a_window_to_end_is_told_so_whatever_came_before(
    storage: Storage, clock: EventfulClock, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    steps, source = Steps(), Handed([nothing_newer()])

    def stop(*_: object) -> None:
        if len(source.asked_for) == 2:
            raise InterruptedRunError("SIGTERM")

    monkeypatch.setattr(clock, {"attempt": "check", "wait": "sleep"}[where], stop)
    ended = polled(storage, clock, source, window=TWO_MINUTES, steps=steps)
    (one,) = ended.regions
    assert (ended.status, one.attempts, one.is_new) == (ExitStatus.TERMINATED, 2 if where == "wait" else 3, False)
    assert one.collected.message == str(InterruptedRunError("SIGTERM"))
    assert (len(source.asked_for), steps.shown[-1]) == (2, "done")


def test_a_person_sees_when_a_region_waits_and_when_it_is_done(storage: Storage, clock: EventfulClock) -> None:
    steps = Steps()
    polled(storage, clock, Handed([nothing_newer(), answer(body_of(2), NEW)]), window=TWO_MINUTES, steps=steps)
    assert [name.partition(" ")[0] for name in steps.shown] == ["download", "waiting", "download", "decode", "done"]


def region_end(status: ExitStatus, *, is_new: bool, region: Region = Region.EU) -> PolledRegion:
    collected = CollectedRegion(region, Outcome.NO_CHANGE, status, snapshot_time=None, counts=None, message=None)
    return PolledRegion(collected=collected, attempts=1, is_new=is_new, delay=None)


def test_without_news_are_the_regions_that_are_well_and_have_nothing_new() -> None:
    ends = (
        region_end(ExitStatus.DONE, is_new=False, region=Region.US),
        region_end(ExitStatus.DONE, is_new=True),
        region_end(ExitStatus.DATABASE, is_new=False),
    )
    ended = Polled(started_at=NOON, ended_at=NOON, regions=ends, tokens=())
    assert ended.without_news == (Region.US,)
    assert (ended.status, ended.collected.regions) == (ExitStatus.PARTIAL, tuple(end.collected for end in ends))


# What is said


def test_what_hinders_a_region_is_said_once_for_as_long_as_it_stays_the_same(
    storage: Storage, clock: EventfulClock, caplog: pytest.LogCaptureFixture
) -> None:
    down, other = UnavailableError("500."), UnavailableError("502.")
    source = Handed([down, down, other, other, down])
    with caplog.at_level(logging.INFO, "ironforge_cli.jobs.collecting.poll"):
        polled(storage, clock, source, window=TWO_MINUTES)
    assert [(record.levelname, record.message) for record in caplog.records if record.name.endswith("poll")] == [
        ("WARNING", f"EU: attempt {number}: {AWAY} Nor could Blizzard be asked: {what} Asking again in {seconds} s.")
        for number, what, seconds in ((1, "500.", 25), (3, "502.", 30))
    ]


def test_a_body_that_is_repeated_is_neither_new_nor_kept_again(storage: Storage, clock: EventfulClock) -> None:
    keep(storage.shelves.spool, body_of(2))
    (one,) = polled(storage, clock, Handed([answer(body_of(2), NEW)]), window=TWO_MINUTES).regions
    assert (one.is_new, one.attempts, one.collected.is_odd) == (False, 5, True)
    assert storage.shelves.spool.newest_time(Region.EU) == NOON


# The token, and pieces side by side


@pytest.mark.parametrize(("seconds", "times"), [(594, 1), (625, 2), (1_224, 2), (1_225, 3)])
def test_a_price_that_waits_on_disk_is_asked_for_again_after_ten_minutes_and_not_before(
    storage: Storage, clock: EventfulClock, seconds: int, times: int
) -> None:
    source = Handed([nothing_newer()])
    ended = polled(storage, clock, source, window=window(length=timedelta(seconds=seconds)))
    # Attempts fall 25 seconds from the beginning, and every 30 after that.
    assert source.priced == [Region.EU] * times
    assert [token.outcome for token in ended.tokens] == [Outcome.SPOOLED]


def test_a_price_that_did_not_come_is_asked_for_at_the_next_attempt(storage: Storage, clock: EventfulClock) -> None:
    source = Handed([nothing_newer()])
    again = threading.Event()

    def fail_at_first() -> None:
        if len(source.priced) == 1:
            raise UnavailableError("500.")
        again.set()

    source.on_price = fail_at_first
    # The price comes on a thread of its own, and its first failure must have been seen at one of these attempts: each
    # waits longer for it than the one before.
    source.meanwhile = lambda: again.wait(0.02 * len(source.asked_for))
    ended = polled(storage, clock, source, window=window(length=timedelta(minutes=9)))
    assert len(source.priced) == 2
    assert [token.outcome for token in ended.tokens] == [Outcome.SPOOLED]


def test_regions_and_the_token_are_asked_for_side_by_side(storage: Storage, clock: EventfulClock) -> None:
    # Each waits for the others: one that came after another had ended would wait in vain.
    together = threading.Barrier(len(DEFAULT_REGIONS) + 1, timeout=30)
    source = Handed([answer(body_of(2), NEW)], meanwhile=together.wait)

    def price() -> None:
        if len(source.priced) == 1:
            together.wait()

    source.on_price = price
    ended = polled(storage, clock, source, *DEFAULT_REGIONS, window=window(length=timedelta(0)))
    assert [one.collected.outcome for one in ended.regions] == [Outcome.SPOOLED, Outcome.SPOOLED]
    assert [token.region for token in ended.tokens] == list(DEFAULT_REGIONS)


def test_a_window_says_when_it_began_and_when_it_ended(storage: Storage, clock: EventfulClock) -> None:
    ended = polled(storage, clock, Handed([nothing_newer()]), window=TWO_MINUTES)
    assert (ended.started_at, ended.ended_at) == (STARTS, datetime(2026, 1, 14, 12, 32, tzinfo=UTC))
