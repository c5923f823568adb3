"""One auction that makes no sense costs itself alone: the hour is stored, counted, told of, and looks like no sale."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.archive.days import ArchivedDays
from ironforge_cli.archive.statistics import batch_of, computed, stretches
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.blizzard.spool import Shelves
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.collecting import replay
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.jobs.history.recompute import recompute
from ironforge_cli.jobs.history.recomputed import Extent
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from tests.jobs import stored
from tests.jobs.expected import expected_after
from tests.jobs.markets import Between

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.jobs.collecting.outcomes import Collected
    from ironforge_cli.jobs.history.recomputed import RecomputedRegion
    from tests.jobs.conftest import Collector

NOON = datetime(2026, 1, 14, 12, 0, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)


def auction(number: int, item: int, **values: Any) -> dict[str, Any]:
    return {
        "id": number,
        "item": {"id": item},
        "quantity": 5,
        "unit_price": 100 + number,
        "time_left": "VERY_LONG",
        **values,
    }


def without(one: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in keys}


def body_of(*auctions: Any) -> bytes:
    return json.dumps({"auctions": auctions}).encode()


LOTS = [auction(1, 7), auction(2, 7), auction(3, 8), auction(4, 9)]
WHOLE = body_of(*LOTS)
NO_PRICE = body_of(*LOTS[1:], without(LOTS[0], "unit_price"))
NO_ITEM = body_of(*LOTS[1:], without(LOTS[0], "item"))
NO_SENSE = body_of(*LOTS[1:], None)
ONLY_LOT = body_of(*LOTS[:3], auction(4, 9, quantity=0))
SOLD_OUT = body_of(*LOTS[:3])
NEW_WITHOUT_ITEM = body_of(*LOTS, without(auction(5, 8), "item"))
NEW = body_of(*LOTS, auction(5, 8))

DAY = [WHOLE, NO_PRICE, WHOLE, NO_ITEM, NO_ITEM, NEW_WITHOUT_ITEM, NEW, ONLY_LOT, SOLD_OUT, NO_SENSE, WHOLE]
HOURS = [(NOON + number * HOUR, body + b" " * number) for number, body in enumerate(DAY)]
"""No body is another's repetition."""


def assert_as_expected(collector: Collector, hours: list[tuple[datetime, bytes]]) -> None:
    expected = expected_after(hours)
    assert stored.auctions(collector.database, Region.EU) == expected.auctions
    assert stored.statistics(collector.database, Region.EU) == expected.statistics
    assert stored.registry(collector.database, Region.EU) == expected.registry


def stored_all(collector: Collector, order: list[int] | None = None) -> None:
    for number in order or range(len(HOURS)):
        assert collector.ingest(Region.EU, *HOURS[number]).status is ExitStatus.DONE


def recomputed(collector: Collector, archive: ArchivedDays | None = None) -> RecomputedRegion:
    everything = recompute(
        [Region.EU],
        storage=collector.storage,
        clock=collector.clock,
        extent=Extent(),
        dry_run=False,
        workers=1,
        archive=archive,
    )
    return everything.regions[0]


def evidence(collector: Collector) -> list[Kept]:
    return [kept for kept in Shelves.of(collector.home).quarantine.kept() if kept.is_evidence]


@pytest.mark.parametrize("order", [None, [10, 0, 5, 7, 3, 1, 9, 2, 8, 6, 4], [4, 3, 2, 1, 0, 10, 9, 8, 7, 6, 5]])
def test_in_whatever_order_odd_hours_come_the_tables_are_those_of_the_plain_rule(
    collector: Collector, order: list[int] | None
) -> None:
    stored_all(collector, order)
    assert_as_expected(collector, HOURS)
    hidden = [row[:2] for row in stored.statistics(collector.database, Region.EU) if row[10] is None]
    assert (7, HOURS[1][0]) in hidden
    assert (8, HOURS[6][0]) in hidden


def test_recomputing_changes_nothing_of_odd_hours_and_mends_what_was_spoiled(collector: Collector) -> None:
    stored_all(collector)
    right = stored.everything(collector.database, Region.EU)[:3]
    stored.change(
        collector.database,
        "UPDATE eu_commodity_price_stats SET sales_low = 0, estimated_sales = 0, sales_high = 0, new_listings = 0",
    )
    recomputed(collector)
    assert stored.everything(collector.database, Region.EU)[:3] == right
    again = recomputed(collector)
    assert (again.changed, again.registry) == (0, 0)


def test_an_archive_gives_what_was_stored_of_odd_hours(collector: Collector, tmp_path: Path) -> None:
    stored_all(collector)
    right = stored.statistics(collector.database, Region.EU)
    days = ArchivedDays(FolderStore(tmp_path / "archive"))
    archive = Archive(days, now=collector.clock.now)
    partition = DailyPartition(Region.EU, NOON.date())
    archive.keep(collector.database, partition)
    found: list[tuple[Any, ...]] = []
    for stretch in stretches(days.listed(Region.EU), days=1):
        for snapshot in computed(days, stretch):
            table: list[dict[str, Any]] = batch_of(snapshot).to_pylist()
            found += [tuple(value for name, value in row.items() if name not in {"region", "date"}) for row in table]
    assert sorted(found, key=lambda row: (row[1], row[0])) == [row for row in right if row[1] > NOON]

    stored.change(collector.database, f"DELETE FROM {partition.name}")
    stored.change(collector.database, "UPDATE eu_commodity_price_stats SET new_auctions = 99")
    recomputed(collector, days)
    assert stored.statistics(collector.database, Region.EU) == right


def test_an_odd_hour_is_warned_of_and_counted_and_its_body_is_evidence(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collected = collector.ingest(Region.EU, *HOURS[1])
    (region,) = collected.regions
    assert (region.outcome, region.status) == (Outcome.STORED, ExitStatus.DONE)
    assert region.counts is not None
    assert (region.counts.auctions, region.counts.skipped) == (3, 1)
    (kept,) = evidence(collector)
    for told in (region.message or "", caplog.text, stored.attempts(collector.database)[-1][2], kept.reason):
        assert "`$.auctions[3].unit_price`" in told
    assert kept.snapshot_time == HOURS[1][0]
    assert Shelves.of(collector.home).quarantine.body(kept) == HOURS[1][1]


def test_an_odd_auction_that_stands_does_not_fill_the_quarantine_and_each_day_has_its_evidence(
    collector: Collector,
) -> None:
    for number in range(15):
        body = NO_PRICE + b" " * number
        assert collector.ingest(Region.EU, NOON + number * HOUR, body).status is ExitStatus.DONE
    assert [kept.snapshot_time for kept in evidence(collector)] == [NOON, NOON + 12 * HOUR]


def test_a_full_quarantine_costs_the_evidence_and_not_the_hour(collector: Collector) -> None:
    (collector.home / "quarantine").write_text("no folder")
    collected = collector.ingest(Region.EU, *HOURS[1])
    assert collected.status is ExitStatus.DONE
    assert "could not be kept as evidence" in (collected.regions[0].message or "")
    assert_as_expected(collector, [HOURS[1]])


def replayed(collector: Collector, *, force: bool) -> Collected:
    shelf = collector.storage.shelves.quarantine
    return replay.replay(
        shelf.kept(),
        storage=collector.storage,
        quarantine=True,
        snapshot_time=None,
        force=force,
        clock=collector.clock,
        progress=Silent(),
    )


def test_more_than_a_few_are_refused_until_somebody_forces_them(collector: Collector) -> None:
    hour = NOON, body_of(*LOTS[2:], without(LOTS[0], "unit_price"), without(LOTS[1], "quantity"))
    assert collector.ingest(Region.EU, *hour).status is ExitStatus.REFUSED
    assert evidence(collector) == []
    assert replayed(collector, force=False).status is ExitStatus.REFUSED
    assert stored.times(collector.database, Region.EU) == []
    assert replayed(collector, force=True).status is ExitStatus.DONE
    assert_as_expected(collector, [hour])
    # It is evidence from now on, however often it is replayed.
    assert replayed(collector, force=False).status is ExitStatus.DONE
    assert [kept.snapshot_time for kept in evidence(collector)] == [NOON]


def test_a_body_that_waited_in_the_spool_is_stored_without_its_odd_auction(collector: Collector) -> None:
    spool = collector.storage.shelves.spool
    at, body = HOURS[1]
    spool.keep(body, region=Region.EU, snapshot_time=at, headers={}, received_at=at, reason="no database")
    collector.collect(Region.EU)
    assert stored.registry(collector.database, Region.EU)[0][-4:-1] == (1, [7], [1])
    assert spool.kept() == []
    assert [kept.snapshot_time for kept in evidence(collector)] == [at]


@pytest.mark.parametrize("region", [Region.EU, Region.US])
def test_a_standing_odd_auction_costs_no_hour_of_a_region(collector: Collector, region: Region) -> None:
    bodies: list[bytes] = []

    def seen(body: bytes) -> bytes:
        bodies.append(body)
        return body

    market = Between(collector.client, rewrite=seen)
    collector.sandbox.set_fault("odd_auction", endpoint="commodities")
    for _ in range(3):
        assert collector.collect(region, market=market).status is ExitStatus.DONE
        collector.publish()
    published = [at for at, _ in collector.published[region]]
    expected = expected_after(zip(published, bodies, strict=False))
    assert stored.statistics(collector.database, region) == expected.statistics
    assert stored.registry(collector.database, region) == expected.registry
    assert [row[-4] for row in expected.registry] == [1, 1, 1]
