"""A cycle whose database is away: what it asks for, what it keeps and for how long. No server is needed for that."""

from __future__ import annotations

import logging
import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.spool import Shelves
from ironforge_cli.db import locks
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import (
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    LockedError,
    UnavailableError,
)
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.conftest import storage_in
from tests.jobs.handed import HOUR, NOON, Breaking, Cycle, Handed, answer, body_of, keep, nothing_newer, raising

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.errors import IronforgeError
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

AWAY = DatabaseError("The server is away.")
DAY = timedelta(days=1)
every_region = pytest.mark.parametrize("region", DEFAULT_REGIONS)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


@pytest.fixture
def cycle(storage: Storage, clock: TickingClock) -> Cycle:
    return Cycle(storage, clock, away=AWAY)


# What is asked for


@pytest.mark.parametrize(
    ("spooled", "stored", "asked"),
    [
        (None, None, None),
        (NOON, None, NOON),
        (None, NOON, NOON),
        (NOON, NOON - HOUR, NOON),
        (NOON - HOUR, NOON, NOON),
    ],
)
def test_blizzard_is_asked_for_what_is_newer_than_all_that_is_known(
    cycle: Cycle, storage: Storage, spooled: datetime | None, stored: datetime | None, asked: datetime | None
) -> None:
    if spooled is not None:
        keep(storage.shelves.spool, body_of(1), snapshot_time=spooled - HOUR)
        keep(storage.shelves.spool, body_of(2), snapshot_time=spooled)
        keep(storage.shelves.spool, body_of(3), snapshot_time=NOON + HOUR, region=Region.US)
    source = Handed([nothing_newer()])
    found = cycle.run(source, stored_time=stored)
    assert source.asked_for == [asked]
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.NO_CHANGE, ExitStatus.DATABASE, spooled)
    assert found.message == "The server is away. Nothing is lost: Blizzard has published nothing since."
    assert cycle.ended == ("no_change", asked, found.message)


def test_of_two_bodies_of_one_time_the_one_that_came_last_is_the_known_one(cycle: Cycle, storage: Storage) -> None:
    for minutes, auctions in enumerate((1, 2, 3)):
        keep(storage.shelves.spool, body_of(auctions), received_at=NOON + minutes * timedelta(minutes=1))
    found = cycle.run(Handed([answer(body_of(3), NOON + HOUR)]))
    assert (found.outcome, found.is_odd, found.snapshot_time) == (Outcome.NO_CHANGE, True, NOON + HOUR)
    assert len(storage.shelves.spool.kept()) == 3


@pytest.mark.parametrize("away", [AWAY, ConfigurationError("The schema is too old.")])
def test_that_blizzard_can_not_be_asked_either_is_said_beside_the_database(
    storage: Storage, clock: TickingClock, away: IronforgeError
) -> None:
    with pytest.raises(type(away), match=f"{away} Nor could Blizzard be asked: 500 again"):
        Cycle(storage, clock, away=away).run(Handed([UnavailableError("500 again.")]))


@every_region
def test_a_run_that_spools_a_region_locks_out_another_of_that_region_alone(
    storage: Storage, clock: TickingClock, region: Region
) -> None:
    source = Handed([answer(body_of(1), NOON)])
    with locks.storing_in(storage.locks_folder, region):
        with pytest.raises(LockedError, match=f"spooling {region.label}"):
            Cycle(storage, clock, region=region, away=AWAY).run(source)
        assert source.asked_for == []
        other = next(one for one in DEFAULT_REGIONS if one is not region)
        assert Cycle(storage, clock, region=other, away=AWAY).run(source).outcome is Outcome.SPOOLED


@pytest.mark.parametrize(("hours", "why"), [(0, "the one that is known"), (-1, "older than the newest that is known")])
def test_an_answer_that_was_broken_off_since_it_is_not_newer_is_no_change(
    cycle: Cycle, storage: Storage, hours: int, why: str
) -> None:
    keep(storage.shelves.spool, body_of(1))
    stale = replace(answer(b"", NOON + hours * HOUR), is_stale=True)
    found = cycle.run(Handed([stale]))
    assert (found.outcome, found.snapshot_time) == (Outcome.NO_CHANGE, NOON)
    assert (found.message or "").endswith(f"Blizzard's answer is {why}.")
    assert cycle.ended[1] == NOON


def test_a_database_that_is_known_to_be_away_is_not_tried(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def attempt(**options: object) -> None:
        tried.append(options)

    for way in ("connect", "transaction"):
        monkeypatch.setattr(storage.database, way, attempt)
    keep(storage.shelves.spool, body_of(1))
    found = Cycle(storage, clock, away=AWAY).run(Handed([answer(body_of(3), NOON + HOUR)]))
    assert (found.outcome, tried) == (Outcome.SPOOLED, [])


# What is kept


@every_region
def test_a_new_body_is_kept_in_the_spool_with_its_time_and_the_reason(
    storage: Storage, clock: TickingClock, region: Region
) -> None:
    cycle = Cycle(storage, clock, region=region, away=AWAY)
    found = cycle.run(Handed([answer(body_of(3), NOON)]))
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.SPOOLED, ExitStatus.DATABASE, NOON)
    assert (found.message or "").startswith(f"The server is away. The snapshot of {NOON.isoformat()} is in the spool")
    assert list(found.steps) == ["download", "decode"]
    assert cycle.ended == ("spooled", NOON, found.message)
    (kept,) = storage.shelves.spool.kept()
    assert storage.shelves.spool.body(kept) == body_of(3)
    assert (kept.region, kept.snapshot_time, kept.received_at) == (region, NOON, clock.now())
    assert kept.reason == "The server is away."
    assert b'"Last-Modified":"Wed, 14 Jan 2026 12:00:07 GMT"' in kept.path.read_bytes().partition(b"\n")[0]


def test_a_refused_body_goes_to_the_quarantine_alone_and_is_asked_for_again_at_once(
    cycle: Cycle, storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Handed([answer(b"no JSON", NOON), answer(body_of(3), NOON)])
    keep(storage.shelves.spool, body_of(1), snapshot_time=NOON - HOUR)
    assert cycle.run(source).outcome is Outcome.SPOOLED
    # The refused one must not come from the cache once more.
    assert source.forgotten == [Region.EU]
    assert source.asked_for == [NOON - HOUR, NOON - HOUR]
    assert [record.message.rpartition(". ")[2] for record in caplog.records] == ["Asking again at once."]
    (refused,) = storage.shelves.quarantine.kept()
    assert (refused.region, refused.snapshot_time, refused.received_at) == (Region.EU, NOON, clock.now())
    assert "not JSON" in refused.reason
    assert [kept.bytes for kept in storage.shelves.spool.kept()] == [len(body_of(1)), len(body_of(3))]


def test_a_body_that_is_refused_twice_is_told_with_the_name_that_it_is_kept_under(
    cycle: Cycle, storage: Storage
) -> None:
    source = Handed([answer(b"no JSON", NOON)])
    found = cycle.run(source)
    assert (found.outcome, found.status) == (Outcome.REJECTED, ExitStatus.REFUSED)
    assert re.search(r"not JSON.* The body is kept: .* shows it as [0-9a-f]{12}\.", found.message or "")
    assert cycle.ended == ("rejected", NOON, found.message)
    assert (len(source.asked_for), source.forgotten) == (2, [Region.EU, Region.EU])
    assert len(storage.shelves.quarantine.kept()) == 1
    assert storage.shelves.spool.kept() == []


def test_whoever_has_a_later_attempt_does_not_ask_again_at_once(cycle: Cycle) -> None:
    source = Handed([answer(b"no JSON", NOON), answer(body_of(3), NOON)])
    assert cycle.run(source, asks_again=False).outcome is Outcome.REJECTED
    assert len(source.asked_for) == 1


def test_who_forces_asks_for_whatever_there_is_also_the_second_time(cycle: Cycle, storage: Storage) -> None:
    keep(storage.shelves.spool, body_of(1), snapshot_time=NOON)
    source = Handed([answer(b"no JSON", NOON + HOUR), nothing_newer()])
    cycle.run(source, force=True)
    assert source.asked_for == [None, None]


def test_a_body_without_a_time_is_not_kept_under_the_time_of_the_one_before(cycle: Cycle, storage: Storage) -> None:
    source = Handed([answer(b"no JSON", NOON), answer(body_of(3), None)])
    found = cycle.run(source)
    assert "no Last-Modified" in (found.message or "")
    times = {kept.bytes: kept.snapshot_time for kept in storage.shelves.quarantine.kept()}
    assert times == {len(b"no JSON"): NOON, len(body_of(3)): None}
    assert cycle.ended == ("rejected", None, found.message)


def test_a_body_survives_a_bug_in_the_cycle_itself(storage: Storage, clock: TickingClock) -> None:
    cycle = Cycle(storage, clock, away=AWAY, progress=Breaking("decode", raising(ZeroDivisionError("by zero"))))
    found = cycle.run(Handed([answer(body_of(3), NOON)]))
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.SPOOLED, ExitStatus.BUG, NOON)
    (kept,) = storage.shelves.spool.kept()
    assert (kept.snapshot_time, kept.reason) == (NOON, "by zero")
    assert cycle.ended == ("spooled", NOON, found.message)


def test_a_body_survives_what_ends_the_program_in_the_middle(storage: Storage, clock: TickingClock) -> None:
    cycle = Cycle(storage, clock, away=AWAY, progress=Breaking("decode", raising(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        cycle.run(Handed([answer(body_of(3), NOON)]))
    assert [(kept.snapshot_time, kept.reason) for kept in storage.shelves.spool.kept()] == [(NOON, "KeyboardInterrupt")]


@pytest.fixture
def full(tmp_path: Path, storage: Storage) -> Storage:
    """Storage whose spool has no room."""
    kept = keep(storage.shelves.spool, body_of(1), region=Region.US)
    os.truncate(kept.path, 1_000_000)
    return replace(storage, shelves=Shelves.of(tmp_path, spool_megabytes=1))


@pytest.mark.parametrize("error", [AWAY, ConfigurationError("The schema is too old.")])
def test_a_body_that_can_not_be_kept_is_said_beside_what_kept_it_from_being_stored(
    full: Storage, clock: TickingClock, error: IronforgeError
) -> None:
    cycle = Cycle(full, clock, away=AWAY, progress=Breaking("decode", raising(error)))
    found = cycle.run(Handed([answer(body_of(3), NOON)]))
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.FAILED, ExitStatus.CONFIGURATION, None)
    assert re.search(rf"{error} .* was NOT kept", found.message or "")
    assert cycle.ended == ("failed", NOON, found.message)


def test_a_signal_ends_a_cycle_as_a_signal_though_the_body_can_not_be_kept(
    full: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    cycle = Cycle(full, clock, away=AWAY, progress=Breaking("decode", raising(InterruptedRunError("SIGTERM"))))
    found = cycle.run(Handed([answer(body_of(3), NOON)]))
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.FAILED, ExitStatus.TERMINATED, None)
    assert "EU: the body could not be kept either" in caplog.text


# How long it is kept


@pytest.mark.parametrize("shelf", ["spool", "quarantine"])
@every_region
def test_raw_bodies_are_kept_for_the_retention_by_both_times_that_they_bear(
    storage: Storage, clock: TickingClock, shelf: str, region: Region, caplog: pytest.LogCaptureFixture
) -> None:
    folder, now = getattr(storage.shelves, shelf), clock.now()
    old = now - 30 * DAY - timedelta(seconds=1)
    keep(folder, body_of(1), received_at=old, snapshot_time=old, region=region)
    young = keep(folder, body_of(2), received_at=now - 30 * DAY, snapshot_time=now - 60 * DAY, region=region)
    # By a clock that was behind, a body was received before it was published.
    early = keep(folder, body_of(4), received_at=old, snapshot_time=now - 29 * DAY, region=region)
    other = next(one for one in DEFAULT_REGIONS if one is not region)
    others = keep(folder, body_of(3), received_at=now - 90 * DAY, snapshot_time=now - 90 * DAY, region=other)
    Cycle(storage, clock, region=region, away=AWAY).run(Handed([nothing_newer()]), stored_time=now)
    assert folder.kept(region) == [young, early]
    assert folder.kept(other) == [others]
    (told,) = [record for record in caplog.records if "removed" in record.message]
    assert told.levelno == logging.WARNING
    assert told.message.startswith(f"{region.label}: removed ")
    assert told.message.endswith("raw data may not be kept longer")


@pytest.mark.parametrize(
    ("newest", "clock_is_off", "retention", "stays"),
    [
        (NOON + 31 * DAY, 31 * DAY, 30, False),
        # A clock that was set forward, here or at Blizzard, must not cost the hours that wait.
        (NOON, 31 * DAY, 30, True),
        (NOON + 31 * DAY, 0 * DAY, 30, True),
        (None, 31 * DAY, 30, True),
        (NOON + 31 * DAY, 31 * DAY, 32, True),
        (NOON + 31 * DAY, 31 * DAY, 0, True),
    ],
)
def test_only_what_both_the_clock_and_the_newest_snapshot_call_too_old_is_removed(
    storage: Storage,
    clock: TickingClock,
    newest: datetime | None,
    clock_is_off: timedelta,
    retention: int,
    *,
    stays: bool,
) -> None:
    kept = keep(storage.shelves.spool, body_of(1), received_at=NOON)
    clock.turn_to(NOON + clock_is_off)
    cycle = Cycle(storage, clock, away=AWAY, retention_days=retention)
    cycle.run(Handed([nothing_newer()]), stored_time=newest)
    assert storage.shelves.spool.kept() == ([kept] if stays else [])


@every_region
def test_what_killed_runs_left_half_written_goes_before_anything_is_asked(
    storage: Storage, clock: TickingClock, region: Region
) -> None:
    left: list[Path] = []
    for shelf in (storage.shelves.spool, storage.shelves.quarantine):
        for one in DEFAULT_REGIONS:
            left.append(keep(shelf, body_of(1), region=one).path.with_name(".tmp-1"))
            left[-1].touch()
    with pytest.raises(DatabaseError):
        Cycle(storage, clock, region=region, away=AWAY).run(Handed([UnavailableError("500.")]))
    assert {path.parent.name for path in left if not path.exists()} == {region.value}
    assert sum(path.exists() for path in left) == 2
    # Not even what is ages old goes before Blizzard has said what time it is.
    assert len(storage.shelves.spool.kept(region)) == 1


def test_a_folder_that_can_not_be_tidied_costs_no_hour(
    cycle: Cycle, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    storage.shelves.quarantine.folder.mkdir()
    (storage.shelves.quarantine.folder / "eu").touch()
    left = keep(storage.shelves.spool, body_of(1)).path.with_name(".tmp-1")
    left.touch()
    assert cycle.run(Handed([answer(body_of(3), NOON + HOUR)])).outcome is Outcome.SPOOLED
    assert not left.exists()
    assert f"EU: the folder {storage.shelves.quarantine.folder} could not be tidied" in caplog.text
