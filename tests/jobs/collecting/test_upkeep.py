"""Whose days are looked after when a collection has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import (
    DatabaseError,
    ExitStatus,
)
from ironforge_cli.jobs.collecting.outcomes import Collected, CollectedRegion, CollectedToken
from ironforge_cli.jobs.collecting.storing import SnapshotCounts
from ironforge_cli.jobs.collecting.upkeep import look_after, with_something_stored
from ironforge_cli.jobs.days.housekeeping import Housekeeping
from ironforge_cli.jobs.days.maintain import upkeep_by
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.conftest import storage_in
from tests.jobs.handed import NOON

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

AWAY = DatabaseError("The server is away.")
COUNTS = SnapshotCounts(1_234, 5, None, None, None, None, None, None, None, None, 0)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


def region_end(**changes: Any) -> CollectedRegion:
    stored = CollectedRegion(Region.EU, Outcome.STORED, ExitStatus.DONE, snapshot_time=NOON, counts=None, message=None)
    return replace(stored, **changes)


def token_end(**changes: Any) -> CollectedToken:
    stored = CollectedToken(Region.EU, Outcome.STORED, ExitStatus.DONE, updated_at=NOON, price=7, message=None)
    return replace(stored, **changes)


def test_days_are_looked_after_where_something_was_stored_unless_the_run_was_asked_to_end() -> None:
    counted, replayed = region_end(counts=COUNTS), region_end(region=Region.US, replayed=1)
    idle, stopped = region_end(outcome=Outcome.NO_CHANGE), region_end(status=ExitStatus.TERMINATED)
    assert with_something_stored(Collected((counted, replayed), ())) == [Region.EU, Region.US]
    assert with_something_stored(Collected((idle, replayed), ())) == [Region.US]
    assert with_something_stored(Collected((idle,), (token_end(),))) == []
    assert with_something_stored(Collected((replace(counted, status=ExitStatus.PARTIAL),), ())) == [Region.EU]
    assert with_something_stored(Collected((stopped, replayed), ())) == []


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("counts", [COUNTS, None])
def test_days_are_looked_after_where_that_is_asked_for_and_something_was_stored(
    storage: Storage,
    clock: TickingClock,
    caplog: pytest.LogCaptureFixture,
    counts: SnapshotCounts | None,
    *,
    asked: bool,
) -> None:
    housekeeping = Housekeeping(ahead=1, retention_days=30, log_retention_days=30) if asked else None
    upkeep = upkeep_by(housekeeping, clock=clock) if housekeeping else None
    look_after(Collected((region_end(counts=counts),), ()), storage=lambda: storage, upkeep=upkeep)
    # Without a database all that comes of it is a warning.
    assert [record.message for record in caplog.records] == ([f"Partitions: {AWAY}"] if asked and counts else [])
