from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db import locks
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.collecting.collect import collect, ingest
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.conftest import storage_in
from tests.db.embedded_playground import eventually
from tests.jobs import stored
from tests.jobs.handed import NOON, Handed, answer, body_of
from tests.jobs.markets import Between

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock
    from tests.jobs.conftest import Collector


def test_a_cycle_stores_what_each_region_published(
    any_database: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(any_database)
    collected = collector.collect()
    assert collected.status is ExitStatus.DONE
    assert [region.outcome for region in collected.regions] == [Outcome.STORED, Outcome.STORED]
    for region, found in zip(DEFAULT_REGIONS, collected.regions, strict=True):
        published_at, _ = collector.newest(region)
        listings = collector.sandbox.published(region).listings
        rows = stored.auctions(any_database, region)
        listed = sorted(zip(listings.auction_id.tolist(), listings.unit_price.tolist(), strict=True))
        assert [row[1:3] for row in rows] == listed
        assert {row[0] for row in rows} == {published_at} == {found.snapshot_time}
        assert found.counts is not None
        assert found.counts.auctions == len(listings)
        assert found.counts.estimated_sales is found.counts.interval_seconds is None
        ((updated_at, price),) = stored.token_prices(any_database, region)
        assert {(updated_at, price)} == collector.token_prices[region]


def test_the_second_cycle_of_an_hour_costs_one_304_and_writes_its_evidence_alone(
    any_database: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(any_database)
    collector.collect()
    before = {region: stored.everything(any_database, region) for region in DEFAULT_REGIONS}
    collector.sandbox.forget_requests()
    again = collector.collect()
    assert again.status is ExitStatus.DONE
    assert [region.outcome for region in again.regions] == [Outcome.NO_CHANGE, Outcome.NO_CHANGE]
    asked = [request for request in collector.sandbox.requests if request.endpoint == "commodities"]
    assert sorted((request.region or "", request.status, request.bytes) for request in asked) == [
        ("eu", 304, 0),
        ("us", 304, 0),
    ]
    assert {region: stored.everything(any_database, region) for region in DEFAULT_REGIONS} == before
    for region in DEFAULT_REGIONS:
        published_at, _ = collector.newest(region)
        assert [row[:2] for row in stored.attempts(any_database, region)] == [
            ("success", published_at),
            ("no_change", published_at),
        ]
    assert len(stored.benchmarks(any_database, "command")) == 2
    assert len(stored.benchmarks(any_database, "snapshot")) == 2


def test_regions_and_the_token_are_collected_side_by_side(tmp_path: Path, clock: TickingClock) -> None:
    # Each waits for the others: one that came after another had ended would wait in vain.
    together = threading.Barrier(len(DEFAULT_REGIONS) + 1, timeout=30)
    source = Handed([answer(body_of(2), NOON)], meanwhile=together.wait)

    def price() -> None:
        if len(source.priced) == 1:
            together.wait()

    source.on_price = price
    storage = storage_in(tmp_path, MissingDatabase(DatabaseError("The server is away.")))
    collected = collect(DEFAULT_REGIONS, market=source, storage=storage, clock=clock)
    assert [(found.region, found.outcome) for found in collected.regions] == [
        (Region.EU, Outcome.SPOOLED),
        (Region.US, Outcome.SPOOLED),
    ]
    assert [(token.region, token.outcome) for token in collected.tokens] == [
        (Region.EU, Outcome.SPOOLED),
        (Region.US, Outcome.SPOOLED),
    ]


def test_force_asks_for_what_is_known_and_stores_nothing_twice(collector: Collector) -> None:
    collector.collect()
    before = {region: stored.everything(collector.database, region) for region in DEFAULT_REGIONS}
    market = Between(collector.client)
    again = collector.collect(force=True, market=market)
    assert {newer_than for _, newer_than in market.asked_for} == {None}
    assert [region.outcome for region in again.regions] == [Outcome.NO_CHANGE, Outcome.NO_CHANGE]
    assert again.status is ExitStatus.DONE
    assert {region: stored.everything(collector.database, region) for region in DEFAULT_REGIONS} == before


def test_an_option_for_one_region_leaves_the_other_alone(collector: Collector) -> None:
    collected = collector.collect(Region.US)
    assert [region.region for region in collected.regions] == [Region.US]
    assert [token.region for token in collected.tokens] == [Region.US]
    assert stored.times(collector.database, Region.EU) == stored.token_prices(collector.database, Region.EU) == []
    assert len(stored.times(collector.database, Region.US)) == 1
    assert {request.region for request in collector.sandbox.requests if request.region} == {Region.US}
    assert stored.attempts(collector.database, Region.EU) == []


def test_a_run_and_each_stored_snapshot_leave_a_benchmark_with_their_steps(collector: Collector) -> None:
    first = collector.collect()
    collector.publish()
    (found,) = collector.collect(Region.EU).regions
    runs, snapshots = (stored.benchmarks(collector.database, kind) for kind in ("command", "snapshot"))
    eu, us, again = (region.counts.auctions if region.counts else None for region in (*first.regions, found))
    assert eu
    assert us
    assert [row[:5] for row in runs] == [
        ("collect", None, eu + us, "success", None),
        ("collect", None, again, "success", None),
    ]
    assert sorted(row[1:3] for row in snapshots[:2]) == [("eu", eu), ("us", us)]
    *_, last = snapshots
    assert last[:4] == ("collect", "eu", again, "success")
    assert len(snapshots) == 3
    steps = ["prepare", "download", "decode", "read previous", "sum up the past", "compare", "store", "commit"]
    assert sorted(last[5]["steps"]) == sorted(steps) == sorted(runs[-1][5]["regions"]["eu"]["steps"])
    assert list(found.steps) == steps


def test_a_running_row_is_there_before_the_work_and_its_owner_holds_its_lock(
    any_database: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(any_database)
    seen: list[tuple[str, bool, bool]] = []

    def look(region: Region) -> None:
        query = "SELECT id, status, poll_attempts FROM scraper_logs WHERE region = :region AND command <> 'token price'"
        ((log_id, status, attempt),) = stored.rows(any_database, query, region=region.value)
        assert attempt == 1
        with any_database.connect() as connection:
            owned = locks.is_held(connection, locks.run_lock(log_id))
            seen.append((status, owned, locks.is_held(connection, locks.store_lock(region))))

    collector.collect(market=Between(collector.client, meanwhile=look))
    assert seen == [("running", True, True)] * 2
    assert stored.held_locks(any_database) == 0


def test_of_two_collects_at_once_one_stores_and_the_other_is_locked_out(
    any_database: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(any_database)
    others: list[tuple[ExitStatus, Outcome, str | None]] = []

    def collect_too(_: Region) -> None:
        other = collector.collect(Region.EU)
        others.append((other.status, other.regions[0].outcome, other.regions[0].message))

    first = collector.collect(Region.EU, market=Between(collector.client, meanwhile=collect_too))
    assert first.status is ExitStatus.DONE
    assert first.regions[0].outcome is Outcome.STORED
    ((status, outcome, message),) = others
    assert (status, outcome) == (ExitStatus.LOCKED, Outcome.LOCKED)
    assert message is not None
    assert "Another run is storing EU" in message
    assert [(row[0], row[2]) for row in stored.attempts(any_database)] == [("success", None), ("locked", message)]
    assert [row[3] for row in stored.benchmarks(any_database, "command")] == ["locked", "success"]
    assert len(stored.times(any_database, Region.EU)) == 1
    assert stored.held_locks(any_database) == 0


def test_a_killed_run_leaves_a_running_row_without_an_owner_and_hinders_nobody(
    collector: Collector, tmp_path: Path
) -> None:
    collector.sandbox.set_fault("hang", endpoint="commodities")
    environment = {
        **os.environ,
        **collector.sandbox.address.environment,
        "IRONFORGE_HOME": str(tmp_path / "home"),
        "IRONFORGE_DATABASE_URL": collector.database.url,
    }
    command = [sys.executable, "-m", "ironforge_cli", "collect", "--region", "eu"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: stored.held_locks(collector.database) == 2)
        assert [row[0] for row in stored.attempts(collector.database)] == ["running"]
        process.send_signal(signal.SIGKILL)
    collector.sandbox.clear_faults()
    eventually(lambda: stored.held_locks(collector.database) == 0)
    assert collector.collect(Region.EU).regions[0].outcome is Outcome.STORED
    assert [row[0] for row in stored.attempts(collector.database)] == ["running", "success"]


def test_nothing_is_forced_unless_that_is_asked_for(tmp_path: Path, clock: TickingClock) -> None:
    storage = storage_in(tmp_path, MissingDatabase(DatabaseError("The server is away.")))
    clock.turn_to(NOON)
    senseless = body_of(3).replace(b"[", b"[0, 0, 0, ")
    given = ingest(senseless, region=Region.EU, snapshot_time=NOON, storage=storage, clock=clock)
    live = collect([Region.EU], market=Handed([answer(senseless, NOON)]), storage=storage, clock=clock)
    assert [found.regions[0].outcome for found in (given, live)] == [Outcome.REJECTED, Outcome.REJECTED]


def test_a_bug_in_taking_in_is_told_and_not_met_a_second_time(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []

    def broken(received: object, **_: object) -> None:
        called.append(received)
        raise RuntimeError("A bug.")

    monkeypatch.setattr("ironforge_cli.jobs.collecting.collect.take_in", broken)
    found = ingest(body_of(3), region=Region.EU, snapshot_time=NOON, storage=storage, clock=clock)
    assert (found.status, len(called)) == (ExitStatus.BUG, 1)
