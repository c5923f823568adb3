"""Saved bodies that can't be stored: what came through a pipe is kept, what lies on disk stays where it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db import locks
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import ConfigurationError, DatabaseError, ExitStatus, UsageError
from ironforge_cli.jobs.collecting.collect import ingest
from ironforge_cli.jobs.collecting.replay import replay
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.conftest import storage_in
from tests.jobs import stored
from tests.jobs.handed import HOUR, NOON, body_of, keep

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

AWAY = DatabaseError("The server is away.")
every_region = pytest.mark.parametrize("region", DEFAULT_REGIONS)


@pytest.fixture
def away(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


def take(
    storage: Storage,
    clock: TickingClock,
    *,
    body: bytes | None = None,
    at: datetime = NOON,
    source: str = "file",
    region: Region = Region.EU,
) -> CollectedRegion:
    """Let a person give a body, in a file or by its name in the spool or the quarantine."""
    content = body_of(3) if body is None else body
    if source == "file":
        (found,) = ingest(content, region=region, snapshot_time=at, storage=storage, clock=clock).regions
        return found
    kept = keep(getattr(storage.shelves, source), content, region=region, snapshot_time=at)
    (found,) = replay(
        [kept],
        storage=storage,
        quarantine=source == "quarantine",
        snapshot_time=None,
        force=False,
        clock=clock,
        progress=Silent(),
    ).regions
    return found


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (datetime(2003, 12, 31, 23, 59, 59, tzinfo=UTC), "before the game was"),
        (datetime(2004, 1, 1, tzinfo=UTC), None),
        (NOON + timedelta(minutes=5), None),
        (NOON + timedelta(minutes=5, seconds=1), "in the future"),
    ],
)
def test_a_time_that_blizzard_can_not_have_given_is_wrong_usage(
    away: Storage, clock: TickingClock, at: datetime, told: str | None
) -> None:
    clock.turn_to(NOON)
    if told is None:
        assert take(away, clock, at=at).snapshot_time == at
        return
    with pytest.raises(UsageError, match=told):
        take(away, clock, at=at)
    # Nothing ran, so that there is no evidence of it either.
    assert (away.pending.waiting(), away.shelves.spool.kept()) == (0, [])


@pytest.mark.parametrize("reason", [AWAY, ConfigurationError("The schema is too old.")])
@every_region
def test_what_came_through_a_pipe_is_kept_where_the_database_is_away(
    tmp_path: Path, clock: TickingClock, reason: DatabaseError, region: Region
) -> None:
    storage = storage_in(tmp_path, MissingDatabase(reason))
    found = take(storage, clock, region=region)
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.SPOOLED, reason.status, NOON)
    assert (found.message or "").startswith(f"{reason} The snapshot of {NOON.isoformat()} is in the spool")
    (kept,) = storage.shelves.spool.kept()
    assert (kept.region, kept.snapshot_time, kept.received_at) == (region, NOON, clock.now())
    assert (kept.reason, storage.shelves.spool.body(kept)) == (str(reason), body_of(3))


@pytest.mark.parametrize("source", ["spool", "quarantine"])
def test_what_lies_on_disk_already_is_not_kept_once_more(away: Storage, clock: TickingClock, source: str) -> None:
    found = take(away, clock, source=source)
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.FAILED, ExitStatus.DATABASE, None)
    assert found.message == str(AWAY)
    assert len(away.shelves.spool.kept()) == (source == "spool")
    assert len(away.shelves.quarantine.kept()) == (source == "quarantine")


def test_what_came_through_a_pipe_is_kept_where_the_database_refuses_it(storage: Storage, clock: TickingClock) -> None:
    stored.change(storage.database, "ALTER TABLE snapshots ADD CONSTRAINT none CHECK (auctions = 0)")
    found = take(storage, clock)
    assert (found.outcome, found.status, found.snapshot_time) == (Outcome.SPOOLED, ExitStatus.DATABASE, NOON)
    assert [kept.snapshot_time for kept in storage.shelves.spool.kept()] == [NOON]
    ((status, judged, message),) = stored.attempts(storage.database)
    assert (status, judged) == ("spooled", NOON)
    assert "none" in message


def test_beside_another_run_that_stores_the_region_a_body_stays_on_disk_or_comes_there(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    file = tmp_path / "body.json"
    file.write_bytes(body_of(4))
    given = {"region": Region.EU, "snapshot_time": NOON, "storage": storage, "clock": clock}
    with locks.storing(storage.database, Region.EU):
        (own,) = ingest(file.read_bytes(), file=file, **given).regions  # pyright: ignore[reportArgumentType] - each has its own type
        assert (own.outcome, own.status, storage.shelves.spool.kept()) == (Outcome.LOCKED, ExitStatus.LOCKED, [])
        spooled = take(storage, clock, source="spool")
        assert (spooled.outcome, spooled.status) == (Outcome.LOCKED, ExitStatus.LOCKED)
        # Nobody can read a pipe again.
        piped = take(storage, clock, at=NOON - HOUR)
        assert (piped.outcome, piped.status, piped.snapshot_time) == (
            Outcome.SPOOLED,
            ExitStatus.LOCKED,
            NOON - HOUR,
        )
        assert "Another run is storing EU snapshots" in (piped.message or "")
        assert take(storage, clock, region=Region.US).outcome is Outcome.STORED
    assert stored.times(storage.database, Region.EU) == []
    assert [kept.snapshot_time for kept in storage.shelves.spool.kept()] == [NOON - HOUR, NOON]


@pytest.mark.parametrize("body", [b"no JSON", body_of(4).replace(b'"unit_price": 104', b'"price": 104')])
def test_a_persons_own_file_is_never_copied_into_the_quarantine(
    storage: Storage, clock: TickingClock, tmp_path: Path, body: bytes
) -> None:
    clock.turn_to(NOON + timedelta(days=2))
    own = tmp_path / "mine.json"
    (found,) = ingest(body, region=Region.EU, snapshot_time=NOON, storage=storage, clock=clock, file=own).regions
    assert "made no sense" in str(found.message) or "stays as it is" in str(found.message)
    assert storage.shelves.quarantine.kept() == []
    assert storage.shelves.spool.kept() == []
    # Through a pipe it is nowhere else.
    later = NOON + timedelta(days=1)
    ingest(body + b" ", region=Region.EU, snapshot_time=later, storage=storage, clock=clock)
    assert len(storage.shelves.quarantine.kept()) == 1


def test_a_refused_body_is_kept_in_the_quarantine_with_the_time_that_a_person_gave(
    storage: Storage, clock: TickingClock
) -> None:
    found = take(storage, clock, body=b"no JSON")
    (kept,) = storage.shelves.quarantine.kept()
    assert (kept.region, kept.snapshot_time, kept.received_at) == (Region.EU, NOON, clock.now())
    assert "not JSON" in kept.reason
    assert (found.message or "").endswith(f"shows it as {kept.name}.")
    assert storage.shelves.spool.kept() == []
    assert (found.outcome, found.status) == (Outcome.REJECTED, ExitStatus.REFUSED)


@pytest.mark.parametrize("source", ["file", "spool", "quarantine"])
def test_the_registry_says_whence_a_body_came_and_how_large_it_was(
    storage: Storage, clock: TickingClock, source: str
) -> None:
    take(storage, clock, source=source)
    assert stored.rows(storage.database, "SELECT source, bytes FROM snapshots") == [(source, len(body_of(3)))]
