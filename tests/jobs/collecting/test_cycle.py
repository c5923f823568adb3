"""A cycle with a database: the hour is asked for first, what waits is stored then, and what is decided of each."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories import partitions as by_catalog
from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import DatabaseError, ExitStatus, InterruptedRunError
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.handed import HOUR, NOON, Breaking, Cycle, Handed, answer, body_of, keep, nothing_newer, raising

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

every_region = pytest.mark.parametrize("region", DEFAULT_REGIONS)


@pytest.fixture
def cycle(storage: Storage, clock: TickingClock) -> Cycle:
    return Cycle(storage, clock)


def store(storage: Storage, clock: TickingClock, *hours: int, auctions: int = 10) -> None:
    """Store snapshots of EU, each of other auctions, so many hours after noon."""
    for hour in hours:
        given = answer(body_of(auctions, first=1_000 * (hour + 10)), NOON + hour * HOUR)
        assert Cycle(storage, clock).run(Handed([given])).outcome is Outcome.STORED


def partitions(database: Database, region: Region) -> list[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:parent AS regclass)"
    return [name for (name,) in stored.rows(database, query, parent=f"auction_snapshots_{region}")]


# Before Blizzard is asked


@every_region
def test_the_day_has_its_partition_before_anything_is_asked_for(
    storage: Storage, clock: TickingClock, region: Region
) -> None:
    found: list[tuple[list[str], bool]] = []
    # Half of a body, which a killed run left, is out of the way by then, too.
    left = storage.shelves.quarantine.folder / region / ".tmp-1"
    left.parent.mkdir(parents=True)
    left.touch()

    def look() -> None:
        # An error of whoever is asked would be the cycle's result.
        found.append((partitions(storage.database, region), left.exists()))

    Cycle(storage, clock, region=region).run(Handed([nothing_newer()], meanwhile=look))
    assert found == [([f"auction_snapshots_{region}_2026_01_14"], False)]


@every_region
def test_what_waits_is_not_asked_for_and_is_stored_in_order_after_the_hour(
    storage: Storage, clock: TickingClock, region: Region
) -> None:
    for hour in (1, 0):
        keep(storage.shelves.spool, body_of(5, first=1 + 10 * hour), snapshot_time=NOON + hour * HOUR, region=region)
    seen: list[list[object]] = []
    source = Handed(
        [answer(body_of(4), NOON + 2 * HOUR)], meanwhile=lambda: seen.append(stored.times(storage.database, region))
    )
    cycle = Cycle(storage, clock, region=region)
    found = cycle.run(source)
    assert (found.outcome, found.status, found.replayed, found.message) == (Outcome.STORED, ExitStatus.DONE, 2, None)
    assert seen == [[]]
    assert source.asked_for == [NOON + HOUR]
    assert storage.shelves.spool.kept() == []
    assert stored.rows(storage.database, "SELECT source FROM snapshots ORDER BY snapshot_time") == [
        ("spool",),
        ("spool",),
        ("live",),
    ]
    assert [row[:4] for row in stored.benchmarks(storage.database, "snapshot")] == [
        ("collect", region.value, 5, "success"),
        ("collect", region.value, 5, "success"),
    ]
    extras = [row[5] for row in stored.benchmarks(storage.database, "snapshot")]
    times = [(NOON + hour * HOUR).isoformat() for hour in range(2)]
    assert extras == [{"snapshot_time": time, "source": "spool"} for time in times]


def test_the_benchmark_of_a_body_from_the_spool_counts_from_its_own_beginning(
    storage: Storage, clock: TickingClock
) -> None:
    keep(storage.shelves.spool, body_of(5))
    began = clock.now()
    # A step of the storing takes 4 seconds; what came before it does not count.
    storing = Breaking("decode", lambda: clock.sleep(4))
    preparing = Breaking("prepare", lambda: clock.sleep(60))

    class Slow:
        def step(self, region: Region | None, name: str) -> None:
            for one in (preparing, storing):
                one.step(region, name)

    Cycle(storage, clock, progress=Slow()).run(Handed([nothing_newer()]))
    query = "SELECT start_time, end_time, duration_seconds FROM benchmarks"
    ((starts_at, ends_at, seconds),) = stored.rows(storage.database, query)
    assert (starts_at, ends_at) == (began + timedelta(seconds=60), began + timedelta(seconds=64))
    assert float(seconds) == pytest.approx(4)


def test_what_only_came_from_the_spool_makes_the_attempt_a_success(cycle: Cycle, storage: Storage) -> None:
    keep(storage.shelves.spool, body_of(5))
    found = cycle.run(Handed([nothing_newer()]))
    assert (found.outcome, found.replayed, found.snapshot_time) == (Outcome.NO_CHANGE, 1, NOON)
    assert cycle.ended == ("success", NOON, None)


@pytest.mark.parametrize("comes", ["nothing", "an hour"])
def test_a_spooled_body_that_is_stored_already_goes_without_a_word(
    storage: Storage, clock: TickingClock, comes: str
) -> None:
    # Whoever stored it was killed before it could drop it.
    store(storage, clock, 0)
    keep(storage.shelves.spool, body_of(10, first=10_000))
    cycle = Cycle(storage, clock)
    found = cycle.run(Handed([nothing_newer() if comes == "nothing" else answer(body_of(4), NOON + HOUR)]))
    assert (found.status, found.replayed) == (ExitStatus.DONE, 0)
    assert storage.shelves.spool.kept() == storage.shelves.quarantine.kept() == []
    # What became of it says nothing of the hour that was asked for.
    status, _, message = cycle.ended
    assert (status, message) == ("no_change" if comes == "nothing" else "success", None)
    assert stored.benchmarks(storage.database, "snapshot") == []


def test_a_spooled_body_that_repeats_the_one_before_goes_and_leaves_no_message(cycle: Cycle, storage: Storage) -> None:
    keep(storage.shelves.spool, body_of(5))
    keep(storage.shelves.spool, body_of(5), snapshot_time=NOON + HOUR)
    found = cycle.run(Handed([answer(body_of(4), NOON + 2 * HOUR)]))
    assert (found.replayed, found.is_odd, cycle.ended) == (1, False, ("success", NOON + 2 * HOUR, None))
    assert storage.shelves.spool.kept() == []
    assert stored.times(storage.database, Region.EU) == [NOON, NOON + 2 * HOUR]


def test_a_spooled_body_whose_hour_is_stored_with_another_is_kept_in_the_quarantine_and_told(
    storage: Storage, clock: TickingClock
) -> None:
    store(storage, clock, 0)
    before = stored.everything(storage.database, Region.EU)
    kept = keep(storage.shelves.spool, body_of(12))
    cycle = Cycle(storage, clock)
    found = cycle.run(Handed([nothing_newer()]))
    assert (found.outcome, found.status, found.replayed) == (Outcome.NO_CHANGE, ExitStatus.PARTIAL, 0)
    assert "That time is stored already, with another body, which stays." in (found.message or "")
    assert f"It is kept: `ironforge spool replay --quarantine {kept.name}` stores it." in (found.message or "")
    assert (found.message or "").startswith("Not all of the spool could be stored: ")
    assert cycle.ended == ("no_change", NOON, found.message)
    assert stored.everything(storage.database, Region.EU) == before
    assert storage.shelves.spool.kept() == []
    (quarantined,) = storage.shelves.quarantine.kept()
    assert (quarantined.snapshot_time, storage.shelves.quarantine.body(quarantined)) == (NOON, body_of(12))
    assert "with another body" in quarantined.reason
    # It was told once, and is history for the next run.
    assert Cycle(storage, clock).run(Handed([nothing_newer()])).status is ExitStatus.DONE


def test_a_small_body_from_the_spool_is_refused_unless_it_is_forced(storage: Storage, clock: TickingClock) -> None:
    store(storage, clock, 0, 1, 2)
    keep(storage.shelves.spool, body_of(4), snapshot_time=NOON + 3 * HOUR)
    assert Cycle(storage, clock).run(Handed([nothing_newer()])).status is ExitStatus.PARTIAL
    keep(storage.shelves.spool, body_of(4), snapshot_time=NOON + 3 * HOUR)
    forced = Cycle(storage, clock).run(Handed([nothing_newer()]), force=True)
    assert (forced.status, forced.replayed) == (ExitStatus.DONE, 1)


def test_a_body_that_neither_is_stored_nor_has_room_in_the_quarantine_keeps_no_later_one_out(
    storage: Storage, clock: TickingClock
) -> None:
    storage.shelves.quarantine.folder.mkdir()
    (storage.shelves.quarantine.folder / "eu").touch()
    refused = keep(storage.shelves.spool, b"no JSON", snapshot_time=NOON)
    keep(storage.shelves.spool, body_of(5), snapshot_time=NOON + HOUR)
    found = Cycle(storage, clock).run(Handed([nothing_newer()]))
    assert (found.status, found.replayed) == (ExitStatus.PARTIAL, 1)
    assert stored.times(storage.database, Region.EU) == [NOON + HOUR]
    assert storage.shelves.spool.kept() == [refused]
    assert "not JSON" in (found.message or "")
    assert "It stays in the spool" in (found.message or "")
    assert "It is kept" not in (found.message or "")


def test_a_body_that_the_database_does_not_take_waits_on_and_keeps_no_later_one_out(
    storage: Storage, clock: TickingClock
) -> None:
    # A table of that name is in the way of the day before.
    stored.change(storage.database, "CREATE TABLE auction_snapshots_eu_2026_01_13 (nothing int)")
    waiting = [
        keep(storage.shelves.spool, body_of(5, first=hour), snapshot_time=NOON - (20 + hour) * HOUR) for hour in (3, 2)
    ]
    keep(storage.shelves.spool, body_of(6), snapshot_time=NOON)
    cycle = Cycle(storage, clock)
    found = cycle.run(Handed([answer(body_of(7), NOON + HOUR)]))
    assert (found.outcome, found.status, found.replayed) == (Outcome.STORED, ExitStatus.PARTIAL, 1)
    assert stored.times(storage.database, Region.EU) == [NOON, NOON + HOUR]
    assert storage.shelves.spool.kept() == waiting
    # The same reason is told once.
    assert (found.message or "").count("auction_snapshots_eu_2026_01_13") == 1
    assert cycle.ended == ("success", NOON + HOUR, found.message)


def test_a_body_that_somebody_dropped_meanwhile_is_no_problem(storage: Storage, clock: TickingClock) -> None:
    kept = keep(storage.shelves.spool, body_of(5))
    keep(storage.shelves.spool, body_of(6), snapshot_time=NOON + HOUR)
    cycle = Cycle(storage, clock, progress=Breaking("replay", lambda: kept.path.unlink(missing_ok=True)))
    found = cycle.run(Handed([nothing_newer()]))
    assert (found.status, found.message, found.replayed) == (
        ExitStatus.DONE,
        "Blizzard has published nothing since.",
        1,
    )


def test_a_bug_that_one_spooled_body_brings_to_light_hinders_neither_the_next_nor_the_hour(
    storage: Storage, clock: TickingClock
) -> None:
    poisonous = keep(storage.shelves.spool, body_of(5))
    keep(storage.shelves.spool, body_of(6), snapshot_time=NOON + HOUR)
    # The hour comes first, and is decoded well.
    bugs: list[BaseException | None] = [None, ZeroDivisionError("by zero"), None]

    def strike() -> None:
        if (bug := bugs.pop(0)) is not None:
            raise bug

    cycle = Cycle(storage, clock, progress=Breaking("decode", strike))
    found = cycle.run(Handed([answer(body_of(7), NOON + 2 * HOUR)]))
    assert (found.outcome, found.status, found.replayed) == (Outcome.STORED, ExitStatus.PARTIAL, 1)
    assert "please report it: ZeroDivisionError: by zero" in (found.message or "")
    assert storage.shelves.spool.kept() == [poisonous]
    assert stored.times(storage.database, Region.EU) == [NOON + HOUR, NOON + 2 * HOUR]


def test_a_signal_while_a_spooled_body_is_stored_ends_the_cycle_and_leaves_it_there(
    storage: Storage, clock: TickingClock
) -> None:
    waiting = [keep(storage.shelves.spool, body_of(5), snapshot_time=NOON + hour * HOUR) for hour in range(2)]
    source = Handed([answer(body_of(7), NOON + 2 * HOUR)])
    signals: list[BaseException | None] = [None, InterruptedRunError("SIGTERM")]

    def strike() -> None:
        if (signal := signals.pop(0)) is not None:
            raise signal

    found = Cycle(storage, clock, progress=Breaking("store", strike)).run(source)
    # The hour that is stored stays the result, and the code says that somebody ended it.
    assert (found.outcome, found.status, found.snapshot_time) == (
        Outcome.STORED,
        ExitStatus.TERMINATED,
        NOON + 2 * HOUR,
    )
    assert stored.times(storage.database, Region.EU) == [NOON + 2 * HOUR]
    assert storage.shelves.spool.kept() == waiting


def test_a_day_s_partition_is_made_once_a_cycle(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, create = list[DailyPartition](), by_catalog.create

    def counted(connection: Connection, day: DailyPartition) -> None:
        made.append(day)
        create(connection, day)

    monkeypatch.setattr(by_catalog, "create", counted)
    keep(storage.shelves.spool, body_of(5), snapshot_time=NOON - 24 * HOUR)
    keep(storage.shelves.spool, body_of(6), snapshot_time=NOON - HOUR)
    Cycle(storage, clock).run(Handed([answer(body_of(7), NOON)]))
    days = [DailyPartition.holding(Region.EU, moment) for moment in (NOON, NOON - 24 * HOUR)]
    assert made == days


@pytest.mark.parametrize("error", ["it has no time", "its file can't be read"])
def test_a_body_that_can_not_be_read_keeps_no_later_one_out(storage: Storage, clock: TickingClock, error: str) -> None:
    broken = keep(storage.shelves.spool, body_of(5), snapshot_time=NOON if "file" in error else None)
    keep(storage.shelves.spool, body_of(6), snapshot_time=NOON + HOUR)

    def break_it() -> None:
        if "file" in error and broken.path.is_file():
            broken.path.unlink()
            broken.path.mkdir()

    found = Cycle(storage, clock, progress=Breaking("replay", break_it)).run(Handed([nothing_newer()]))
    assert (found.status, found.replayed, found.snapshot_time) == (ExitStatus.PARTIAL, 1, NOON + HOUR)
    assert ("can't be read" if "file" in error else "has no time") in (found.message or "")
    assert broken.path.exists() is ("file" in error)


def test_a_day_that_the_database_does_not_make_sends_its_hour_to_the_spool(
    storage: Storage, clock: TickingClock
) -> None:
    stored.change(
        storage.database,
        "CREATE TABLE by_hand PARTITION OF auction_snapshots_eu"
        " FOR VALUES FROM ('2026-01-14T06:00Z') TO ('2026-01-14T18:00Z')",
    )
    source = Handed([answer(body_of(5), NOON)])
    found = Cycle(storage, clock).run(source)
    assert (found.outcome, found.status, len(source.asked_for)) == (Outcome.SPOOLED, ExitStatus.DATABASE, 1)
    assert [kept.snapshot_time for kept in storage.shelves.spool.kept()] == [NOON]


# What Blizzard gives


@pytest.mark.parametrize(("minutes", "told"), [(60, None), (90, None), (91, "1.5 hours"), (180, "3.0 hours")])
def test_hours_that_are_missing_before_a_snapshot_are_told(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture, minutes: int, told: str | None
) -> None:
    store(storage, clock, 0)
    at = NOON + timedelta(minutes=minutes)
    found = Cycle(storage, clock).run(Handed([answer(body_of(4), at)]))
    assert found.counts is not None
    assert found.counts.interval_seconds == 60 * minutes
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ([f"EU: nothing is stored of the {told} before this snapshot"] if told else [])


@pytest.mark.parametrize(("hours", "why"), [(1, "the one that is known"), (0, "older than the newest that is known")])
def test_a_forced_answer_that_is_not_newer_is_no_change(
    storage: Storage, clock: TickingClock, hours: int, why: str
) -> None:
    store(storage, clock, 0, 1)
    before = stored.everything(storage.database, Region.EU)
    cycle = Cycle(storage, clock)
    found = cycle.run(Handed([answer(body_of(4), NOON + hours * HOUR)]), force=True)
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.NO_CHANGE, ExitStatus.DONE, NOON + HOUR)
    assert found.message == f"Blizzard's answer is {why}."
    # What is asked for from now on is what is known, not the time of the older answer.
    assert cycle.ended == ("no_change", NOON + HOUR, None)
    assert stored.everything(storage.database, Region.EU) == before
    assert storage.shelves.spool.kept() == []


def test_a_body_that_the_database_refused_is_in_the_spool_and_not_asked_for_again(
    storage: Storage, clock: TickingClock
) -> None:
    stored.change(storage.database, "ALTER TABLE snapshots ADD CONSTRAINT none CHECK (auctions = 0)")
    source = Handed([answer(body_of(4), NOON)])
    cycle = Cycle(storage, clock)
    found = cycle.run(source)
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.SPOOLED, ExitStatus.DATABASE, NOON)
    assert source.asked_for == [None]
    assert [kept.snapshot_time for kept in storage.shelves.spool.kept()] == [NOON]
    assert cycle.ended == ("spooled", NOON, found.message)


def test_a_bug_after_a_body_was_decoded_leaves_it_in_the_spool(storage: Storage, clock: TickingClock) -> None:
    cycle = Cycle(storage, clock, progress=Breaking("store", raising(ZeroDivisionError("by zero"))))
    found = cycle.run(Handed([answer(body_of(4), NOON)]))
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.SPOOLED, ExitStatus.BUG, NOON)
    assert "please report it: ZeroDivisionError: by zero" in (found.message or "")
    assert [kept.reason for kept in storage.shelves.spool.kept()] == ["by zero"]
    assert stored.times(storage.database, Region.EU) == []
    assert stored.held_locks(storage.database) == 0


def test_an_implausible_answer_goes_to_the_quarantine_and_is_asked_for_anew(
    storage: Storage, clock: TickingClock
) -> None:
    store(storage, clock, 0, 1, 2)
    source = Handed([answer(body_of(4), NOON + 3 * HOUR), answer(body_of(5), NOON + 3 * HOUR)])
    assert Cycle(storage, clock).run(source).outcome is Outcome.STORED
    assert source.forgotten == [Region.EU]
    assert [kept.bytes for kept in storage.shelves.quarantine.kept()] == [len(body_of(4))]
    assert storage.shelves.spool.kept() == []
    refused = Cycle(storage, clock).run(Handed([answer(body_of(4, first=90), NOON + 4 * HOUR)]))
    assert (refused.outcome, refused.status) == (Outcome.REJECTED, ExitStatus.REFUSED)
    assert "--force" in (refused.message or "")
    assert storage.shelves.spool.kept() == []


def test_a_database_that_goes_while_it_is_asked_what_it_has_costs_no_hour(
    cycle: Cycle, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newest(connection: Connection, region: Region) -> None:
        raise DatabaseError(f"It went away from {connection} before {region}.")

    monkeypatch.setattr(snapshots, "newest", newest)
    found = cycle.run(Handed([answer(body_of(4), NOON)]))
    assert (found.outcome, found.status) == (Outcome.SPOOLED, ExitStatus.DATABASE)
    assert "It went away" in (found.message or "")
    assert [kept.snapshot_time for kept in storage.shelves.spool.kept(Region.EU)] == [NOON]
