"""Statistics computed again: what of a snapshot is written, how far it goes on, and what a failure leaves and tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.jobs.history.one_snapshot import recompute_after
from ironforge_cli.jobs.history.raw_snapshots import RawSnapshotsInTable
from ironforge_cli.jobs.history.recomputed import RecomputeOutcome
from ironforge_cli.jobs.history.segment import Segment
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.regions import Region
from tests.jobs import stored
from tests.jobs.chains import Chain, hourly

if TYPE_CHECKING:
    from typing import Any

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

TABLES = ("auction_snapshots_eu", "eu_commodity_price_stats", "snapshots")


@pytest.fixture
def chain(storage: Storage, clock: TickingClock) -> Chain:
    """Six hours of snapshots, to be stored."""
    return Chain(storage, clock, hourly()[:6])


def places(chain: Chain) -> list[Any]:
    """Where each row lies and who wrote it: a row that is written again lies elsewhere."""
    return [stored.rows(chain.database, f"SELECT xmin::text, ctid::text FROM {table} ORDER BY 2") for table in TABLES]


@pytest.mark.parametrize("written", TABLES)
def test_only_the_table_that_is_not_as_it_should_be_is_written(chain: Chain, written: str) -> None:
    chain.store(Region.EU)
    right = chain.everything(Region.EU)
    at = chain.time(3)
    if written == "snapshots":
        chain.execute("UPDATE snapshots SET gone_auctions = gone_auctions + 1 WHERE snapshot_time = :at", at=at)
    elif written == "eu_commodity_price_stats":
        chain.execute(f"UPDATE {written} SET max_price = max_price + 1 WHERE timestamp = :at", at=at)
    else:
        chain.execute(
            f"UPDATE {written} SET expires_before_min = expires_before_min + 1 WHERE snapshot_time = :at", at=at
        )
    before = places(chain)
    (eu,) = chain.recompute(Region.EU).regions
    assert chain.everything(Region.EU) == right
    after = places(chain)
    assert [table for table, one, other in zip(TABLES, before, after, strict=True) if one != other] == [written]
    # Of the registry alone nothing that is sold or asked changed.
    assert (eu.outcome, eu.changed, eu.registry) == (
        RecomputeOutcome.RECOMPUTED,
        int(written != "snapshots"),
        int(written == "snapshots"),
    )


def test_what_follows_a_snapshot_is_computed_as_far_as_it_reaches(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.store(Region.EU)
    right = chain.everything(Region.EU)
    # The windows of two hours are wrong, and behind one that is right an hour's figures are.
    chain.execute(
        "UPDATE auction_snapshots_eu SET expires_after_min = -7, expires_before_min = -3"
        " WHERE snapshot_time = ANY(:at)",
        at=[chain.time(2), chain.time(3)],
    )
    wrong = "UPDATE eu_commodity_price_stats SET max_price = max_price + 1 WHERE timestamp = :at"
    chain.execute(wrong, at=chain.time(4))
    chain.execute(wrong, at=chain.time(5))
    read: list[object] = []
    load = RawSnapshotsInTable.load

    def watched(*arguments: Any) -> Any:
        read.append(arguments[-1].snapshot_time)
        return load(*arguments)

    monkeypatch.setattr(RawSnapshotsInTable, "load", watched)
    attempt = Attempt(clock=chain.clock, region=Region.EU, progress=Silent())
    with chain.database.transaction() as connection:
        book = snapshots.load(connection, Region.EU, chain.time(1))
        assert book is not None
        recompute_after(connection, Region.EU, book, attempt=attempt)
    assert read == [chain.time(number) for number in (2, 3, 4, 5)]
    assert chain.everything(Region.EU) == right
    # Behind what is not held nothing is known.
    chain.take_raw_rows(Region.EU, 2)
    read.clear()
    with chain.database.transaction() as connection:
        recompute_after(connection, Region.EU, book, attempt=attempt)
    assert read == [chain.time(2)]


def test_a_bug_that_one_region_brings_to_light_is_told_and_the_other_is_done(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.store()
    right = chain.everything(Region.US)
    chain.spoil()
    work = Segment.work

    def wrong(segment: Segment, database: Database, **options: Any) -> bool:
        if segment._region is Region.EU:  # pyright: ignore[reportPrivateUsage] - whose it is stands nowhere else
            raise RuntimeError("a bug")
        return work(segment, database, **options)

    monkeypatch.setattr(Segment, "work", wrong)
    recomputed = chain.recompute()
    eu, us = recomputed.regions
    assert (eu.outcome, eu.status, eu.snapshots, eu.since) == (RecomputeOutcome.FAILED, ExitStatus.BUG, 0, None)
    assert "please report it: RuntimeError: a bug" in (eu.message or "")
    assert (us.outcome, us.status) == (RecomputeOutcome.RECOMPUTED, ExitStatus.DONE)
    assert recomputed.status is ExitStatus.PARTIAL
    assert chain.everything(Region.US) == right
    ((_, _, records, status, message, extra),) = stored.benchmarks(chain.database, "command")
    assert (records, status, message) == (us.statistics.rows, "partial", f"EU: {eu.message}")
    assert {region: told["outcome"] for region, told in extra["regions"].items()} == {
        "eu": "failed",
        "us": "recomputed",
    }
    assert sorted(one for one, *_ in stored.attempts(chain.database)) == ["failed", "success"]


def test_a_schema_that_is_none_of_this_programs_is_left_alone(chain: Chain) -> None:
    chain.store(Region.EU)
    chain.spoil(Region.EU)
    before = chain.everything(Region.EU)
    chain.execute("UPDATE alembic_version SET version_num = 'unheard_of'")
    for dry_run in (True, False):
        recomputed = chain.recompute(Region.EU, dry_run=dry_run)
        assert recomputed.status is ExitStatus.CONFIGURATION
        assert [region.outcome for region in recomputed.regions] == [RecomputeOutcome.FAILED]
    assert chain.everything(Region.EU) == before


def test_a_dry_run_counts_no_record_and_tells_what_it_would_write(chain: Chain) -> None:
    chain.store(Region.EU)
    chain.spoil(Region.EU)
    (eu,) = chain.recompute(Region.EU, dry_run=True, workers=2).regions
    assert eu.statistics.rows > 0
    ((_, _, records, status, _, extra),) = stored.benchmarks(chain.database, "command")
    assert (records, status, extra["dry_run"]) == (0, "success", True)
    assert extra["regions"]["eu"]["snapshots"] == eu.snapshots == 6


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "Everything is as collecting would write it today."),
        ({"outdated": True}, "No snapshot of this time is outdated."),
        ({"since": 2, "until": 1}, "No snapshot is of this time."),
    ],
)
def test_why_nothing_was_written_is_told(chain: Chain, options: dict[str, Any], told: str) -> None:
    chain.store(Region.EU)
    (eu,) = chain.recompute(Region.EU, **options).regions
    assert (eu.outcome, eu.status, eu.message) == (RecomputeOutcome.NO_CHANGE, ExitStatus.DONE, told)
    assert stored.attempts(chain.database)[-1] == ("no_change", None, told)


def test_that_no_raw_rows_are_held_is_told(chain: Chain) -> None:
    chain.store(Region.EU)
    chain.take_raw_rows(Region.EU, *range(6))
    chain.execute("UPDATE snapshots SET estimator_version = 0")
    (eu,) = chain.recompute(Region.EU).regions
    assert eu.message == "No raw snapshots are held of this time that could be computed again."
    assert (eu.without_rows, eu.outdated, eu.still_outdated) == (6, 6, 6)


def test_of_other_rules_all_from_the_oldest_to_the_newest_are_computed(chain: Chain) -> None:
    chain.store(Region.EU)
    for number in (1, 4):
        chain.spoil(Region.EU, since=number, until=number, windows=False, figures=False, version=ESTIMATOR_VERSION + 1)
    (eu,) = chain.recompute(Region.EU, outdated=True, until=4).regions
    assert (eu.since, eu.snapshots, eu.registry, eu.outdated) == (chain.time(1), 5, 2, 2)
