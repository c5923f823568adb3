"""Spool and quarantine may hold only so much: what is not kept is the cycle's failure, and is asked for again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.blizzard.spool import Shelves
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.collecting.collect import collect
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs import stored

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.collecting.collect import Collected
    from tests.jobs.conftest import Collector

AWAY = "The server is away."
BROKEN = (
    """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$""",
    "CREATE TRIGGER full_disk BEFORE INSERT ON snapshots FOR EACH STATEMENT EXECUTE FUNCTION full_disk()",
)
MENDED = ("DROP FUNCTION full_disk() CASCADE",)


def collected(collector: Collector, *, spool: int = 0, quarantine: int = 0) -> Collected:
    """One cycle of EU by an operator who set limits."""
    shelves = Shelves.of(collector.home, spool_megabytes=spool, quarantine_megabytes=quarantine)
    storage = replace(collector.storage, shelves=shelves)
    return collect((Region.EU,), market=collector.client, storage=storage, clock=collector.clock)


def fill(folder: Path) -> Path:
    """Leave a body of the other region on a shelf that is as large as the shelf may be, and return it."""
    (folder / Region.US).mkdir(parents=True, exist_ok=True)
    filling = folder / Region.US / "filling.body"
    filling.touch()
    os.truncate(filling, 1_000_000)
    return filling


def execute(database: Database, *statements: str) -> None:
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize(
    ("later", "received"), [(1, 1), (120, 3)], ids=["a second later", "when the cached answer is too old"]
)
def test_an_hour_that_the_full_spool_did_not_take_is_asked_for_again(
    collector: Collector, database: Database, later: float, received: int
) -> None:
    collector.collect()
    collector.publish()
    collector.sandbox.forget_requests()
    filling = fill(collector.storage.shelves.spool.folder)
    collector.database = MissingDatabase(DatabaseError(AWAY))
    for _ in range(2):
        (eu,) = collected(collector, spool=1).regions
        assert (eu.outcome, eu.status, eu.snapshot_time) == (Outcome.FAILED, ExitStatus.CONFIGURATION, None)
        assert AWAY in str(eu.message)
        assert "was NOT kept" in str(eu.message)
        assert "raise IRONFORGE_SPOOL_LIMIT_MB" in str(eu.message)
        assert collector.storage.shelves.spool.kept(Region.EU) == []
        collector.clock.sleep(later)
    filling.unlink()
    (eu,) = collected(collector, spool=1).regions
    assert (eu.outcome, eu.status) == (Outcome.SPOOLED, ExitStatus.DATABASE)
    # Within the minute the body comes from the cache.
    answered = [one.status for one in collector.sandbox.requests if one.endpoint == "commodities"]
    assert answered == [200] * received
    collector.database = database
    assert collected(collector, spool=1).status is ExitStatus.DONE
    assert stored.auctions(database, Region.EU) == collector.expected(Region.EU).auctions
    # Of all of it there is evidence: two failures, the body that was spooled, the run that stored it.
    assert [status for status, *_ in stored.attempts(database, Region.EU)] == [
        "success",
        "failed",
        "failed",
        "spooled",
        "success",
    ]


def test_a_body_that_neither_database_nor_spool_takes_is_said_with_both_reasons_and_asked_for_again(
    collector: Collector, database: Database
) -> None:
    collector.collect()
    collector.publish()
    fill(collector.storage.shelves.spool.folder)
    execute(database, *BROKEN)
    (eu,) = collected(collector, spool=1).regions
    assert (eu.outcome, eu.status) == (Outcome.FAILED, ExitStatus.CONFIGURATION)
    assert "disk is full" in str(eu.message)
    assert "was NOT kept" in str(eu.message)
    execute(database, *MENDED)
    assert collected(collector, spool=1).status is ExitStatus.DONE
    assert stored.auctions(database, Region.EU) == collector.expected(Region.EU).auctions
    assert stored.attempts(database, Region.EU)[1][:1] == ("failed",)


def test_a_full_quarantine_is_said_beside_the_refusal(collector: Collector) -> None:
    quarantine = collector.storage.shelves.quarantine
    fill(quarantine.folder)
    collector.sandbox.set_fault("truncated", endpoint="commodities", region=Region.EU)
    (eu,) = collected(collector, quarantine=1).regions
    assert (eu.outcome, eu.status) == (Outcome.REJECTED, ExitStatus.REFUSED)
    assert "cut off at byte" in str(eu.message)
    assert "could not be kept" in str(eu.message)
    assert "raise IRONFORGE_QUARANTINE_LIMIT_MB" in str(eu.message)
    assert quarantine.kept(Region.EU) == []
    collector.sandbox.clear_faults()
    assert collected(collector, quarantine=1).status is ExitStatus.DONE


def test_a_spooled_body_that_the_full_quarantine_does_not_take_costs_no_hour(
    collector: Collector, database: Database
) -> None:
    shelves = collector.storage.shelves
    fill(shelves.quarantine.folder)
    refused = shelves.spool.keep(
        b"no JSON",
        region=Region.EU,
        snapshot_time=collector.newest(Region.EU)[0],
        headers={},
        received_at=collector.clock.now(),
        reason=AWAY,
    )
    (eu,) = collected(collector, quarantine=1).regions
    assert (eu.outcome, eu.status) == (Outcome.STORED, ExitStatus.PARTIAL)
    assert "It stays in the spool" in str(eu.message)
    assert shelves.spool.kept(Region.EU) == [refused]
    assert stored.auctions(database, Region.EU) == collector.expected(Region.EU).auctions
