"""Which bodies that wait are taken in by a replay, in which order, and what hinders another. No server is needed."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.deadline import Deadline
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import BusyError, DatabaseError, ExitStatus, InterruptedRunError
from ironforge_cli.jobs.collecting import replaying
from ironforge_cli.jobs.collecting.outcomes import failed, unchanged
from ironforge_cli.jobs.collecting.postponed import Postponed
from ironforge_cli.jobs.collecting.replaying import replay
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Attempt, Evidence, Silent
from ironforge_cli.jobs.storage import Workplace
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.conftest import storage_in
from tests.jobs.handed import HOUR, NOON, body_of, keep

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.jobs.collecting.intake import Received
    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.collecting.replaying import Replayed
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

HELD = unchanged(Region.EU, NOON, "It is stored.")
FULL = replace(HELD, outcome=Outcome.FAILED, status=ExitStatus.DATABASE, message="It is refused.")
TIMES = [NOON, NOON + HOUR, NOON + 2 * HOUR]


class There(MissingDatabase):
    """A database in which nothing is looked up."""

    @contextmanager
    def connect(self, *, autocommit: bool = False) -> Generator[Any]:
        yield autocommit


@dataclass
class Shop:
    """Replays what waits; a body's time says what becomes of it, and else it is stored already."""

    storage: Storage
    clock: TickingClock
    ends: dict[datetime, CollectedRegion] = field(default_factory=dict["datetime", "CollectedRegion"])
    stored: set[datetime] = field(default_factory=set["datetime"])
    taken: list[tuple[str, datetime | None, bool]] = field(default_factory=list[tuple[str, "datetime | None", bool]])

    def take_in(self, received: Received, *, force: bool, **_: object) -> CollectedRegion:
        self.clock.sleep(20)
        self.taken.append((received.source, received.snapshot_time, force))
        return self.ends.get(received.snapshot_time or NOON, HELD)

    def replay(self, *, force: bool = False, **more: Any) -> Replayed:
        database = There(DatabaseError("It is there."))
        workplace = Workplace(
            database=database,
            away=None,
            shelves=self.storage.shelves,
            locks_folder=self.storage.locks_folder,
            retention_days=30,
            evidence=Evidence(database, pending=None, command="collect", clock=self.clock),
            decoding=threading.Lock(),
        )
        attempt = Attempt(clock=self.clock, region=Region.EU, progress=Silent())
        return replay(Region.EU, workplace=workplace, attempt=attempt, force=force, **more)

    def spool(self, *times: datetime) -> list[Kept]:
        return [keep(self.storage.shelves.spool, body_of(3), snapshot_time=time) for time in times]

    def quarantine(self, time: datetime, *, auctions: int | None = 3) -> Kept:
        return self.storage.shelves.quarantine.keep(
            body_of(4 + TIMES.index(time)),
            region=Region.EU,
            snapshot_time=time,
            headers={},
            received_at=NOON,
            reason="Too small.",
            auctions=auctions,
        )

    def waiting(self, *, quarantine: bool = False) -> list[datetime | None]:
        shelves = self.storage.shelves
        return [kept.snapshot_time for kept in (shelves.quarantine if quarantine else shelves.spool).kept(Region.EU)]


@pytest.fixture
def shop(tmp_path: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(storage_in(tmp_path, MissingDatabase(DatabaseError("It is away."))), clock)

    def at(_: object, __: Region, time: datetime) -> object:
        return time if time in made.stored else None

    def is_like_neighbour(_: object, __: Region, auctions: int, *, at: datetime) -> bool:
        del at
        return auctions == 3

    monkeypatch.setattr(replaying, "take_in", made.take_in)
    monkeypatch.setattr(replaying, "is_like_neighbour", is_like_neighbour)
    monkeypatch.setattr(snapshots, "at", at)
    return made


def test_the_spool_comes_first_oldest_first_and_then_the_quarantine_which_nobody_forces(shop: Shop) -> None:
    shop.spool(*reversed(TIMES[:2]))
    shop.quarantine(TIMES[2])
    assert shop.replay(force=True).problems == ()
    assert shop.taken == [("spool", TIMES[0], True), ("spool", TIMES[1], True), ("quarantine", TIMES[2], False)]
    assert (shop.waiting(), shop.waiting(quarantine=True)) == ([], [])


def test_a_refused_body_is_taken_in_where_its_hour_is_missing_and_the_ones_beside_it_agree(shop: Shop) -> None:
    for time, auctions in zip(TIMES, (3, None, 4), strict=True):
        shop.quarantine(time, auctions=auctions)
    shop.stored.add(TIMES[0])
    shop.replay()
    assert (shop.taken, len(shop.waiting(quarantine=True))) == ([], 3)
    shop.stored.clear()
    shop.replay()
    assert shop.taken == [("quarantine", TIMES[0], False)]


def test_a_body_whose_time_another_took_meanwhile_stays_refused_and_is_not_tried_at_once(shop: Shop) -> None:
    kept = shop.quarantine(NOON)
    shop.ends[NOON] = replace(HELD, is_held=False)
    for _ in range(2):
        shop.replay()
    assert len(shop.taken) == 1
    assert kept.path.exists()


def test_the_hour_that_failed_a_moment_ago_waits_and_hinders_no_other(shop: Shop) -> None:
    shop.spool(*TIMES)
    shop.replay(but=TIMES[1])
    assert [time for _, time, _ in shop.taken] == [TIMES[0], TIMES[2]]
    assert shop.waiting() == [TIMES[1]]


def test_no_body_is_begun_after_the_end(shop: Shop) -> None:
    shop.spool(*TIMES)
    shop.quarantine(NOON)
    ends = Deadline(at=shop.clock.monotonic() + 20, monotonic=shop.clock.monotonic)
    # The second is begun at the very end.
    assert shop.replay(until=ends).problems == ()
    assert [time for _, time, _ in shop.taken] == TIMES[:2]


def test_a_body_that_failed_hinders_no_other_and_waits_unless_somebody_forces_it(shop: Shop) -> None:
    shop.spool(*TIMES[:2])
    shop.ends[TIMES[0]] = FULL
    assert shop.replay().problems == ("It is refused.",)
    assert shop.replay().problems == ("It is refused.",)
    assert [time for _, time, _ in shop.taken] == TIMES[:2]
    shop.ends.clear()
    assert shop.replay(force=True).problems == ()
    assert shop.waiting() == []


@pytest.mark.parametrize("error", [BusyError("It is busy."), InterruptedRunError("SIGTERM")])
def test_where_the_database_is_away_or_the_run_is_to_end_no_other_body_is_begun(shop: Shop, error: Exception) -> None:
    first, _ = shop.spool(*TIMES[:2])
    shop.quarantine(TIMES[2])
    shop.ends[TIMES[0]] = failed(Region.EU, error)
    found = shop.replay()
    is_stopped = isinstance(error, InterruptedRunError)
    assert (found.problems, found.stopped is not None) == (() if is_stopped else ("It is busy.",), is_stopped)
    assert [time for _, time, _ in shop.taken] == TIMES[:1]
    assert shop.waiting() == TIMES[:2]
    # It is no fault of the body's.
    assert Postponed(first.path.parent).of(first) is None


@pytest.mark.parametrize("auctions", [None, 41])
def test_a_spooled_body_that_is_refused_goes_with_its_size_and_the_reason(shop: Shop, auctions: int | None) -> None:
    shop.spool(NOON)
    refused = replace(FULL, outcome=Outcome.REJECTED, status=ExitStatus.REFUSED, message="Too small.")
    shop.ends[NOON] = replace(refused, refused_auctions=auctions)
    assert shop.replay().refused == {NOON}
    (kept,) = shop.storage.shelves.quarantine.kept()
    assert (kept.snapshot_time, kept.auctions, kept.reason, kept.received_at) == (NOON, auctions, "Too small.", NOON)
