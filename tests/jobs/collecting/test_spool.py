"""Bodies that wait, in the hands of an operator: none is dropped that is in no table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError, ExitStatus, InterruptedRunError, UnreachableError, UsageError
from ironforge_cli.jobs.collecting import spool
from ironforge_cli.jobs.collecting.replay import replay as replay_bodies
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.markets import Between

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector


@pytest.fixture
def collector(make_collector: Callable[..., Collector], database: Database) -> Collector:
    """A collector with one stored hour and three that wait in the spool."""
    collector = make_collector(database, auctions=200, items=40)
    collector.collect()
    collector.database = MissingDatabase(DatabaseError("The server is away."))
    for _ in range(3):
        collector.publish()
        collector.collect()
    collector.database = database
    return collector


def _replay(collector: Collector, bodies: list[Any], **options: Any) -> Any:
    usual: dict[str, Any] = {"quarantine": False, "snapshot_time": None, "force": False}
    return replay_bodies(
        bodies,
        storage=collector.storage,
        clock=collector.clock,
        progress=Silent(),
        **{**usual, **options},
    )


def test_replaying_stores_everything_that_waits_oldest_first(collector: Collector, database: Database) -> None:
    waiting = spool.listed(collector.storage.shelves, DEFAULT_REGIONS, quarantine=False)
    assert [body.snapshot_time for body in waiting[:3]] == sorted(
        body.snapshot_time for body in waiting[:3] if body.snapshot_time
    )
    replayed = _replay(collector, waiting)
    assert replayed.status is ExitStatus.DONE
    assert spool.listed(collector.storage.shelves, DEFAULT_REGIONS, quarantine=False) == []
    for region in DEFAULT_REGIONS:
        assert stored.auctions(database, region) == collector.expected(region).auctions
        assert stored.statistics(database, region) == collector.expected(region).statistics


def test_one_time_for_several_bodies_is_wrong_usage_and_drops_none(collector: Collector) -> None:
    waiting = spool.listed(collector.storage.shelves, (Region.EU,), quarantine=False)
    with pytest.raises(UsageError, match="the time of one body"):
        _replay(collector, waiting, snapshot_time=collector.clock.now())
    assert spool.listed(collector.storage.shelves, (Region.EU,), quarantine=False) == waiting


def test_a_body_under_a_time_that_is_stored_with_another_stays_where_it_is(collector: Collector) -> None:
    body = spool.listed(collector.storage.shelves, (Region.EU,), quarantine=False)[0]
    replayed = _replay(collector, [body], snapshot_time=collector.published[Region.EU][0][0])
    assert replayed.status is ExitStatus.REFUSED
    assert body.path.exists()


def test_a_signal_ends_a_replay_after_the_body_at_work(
    collector: Collector, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = spool.listed(collector.storage.shelves, (Region.EU,), quarantine=False)

    def check() -> None:
        raise InterruptedRunError("SIGTERM")

    monkeypatch.setattr(collector.clock, "check", check)
    ended = _replay(collector, waiting)
    assert (ended.status, len(ended.regions)) == (ExitStatus.TERMINATED, 1)
    assert [status for status, *_ in stored.attempts(database, Region.EU)].count("failed") == 1
    assert spool.listed(collector.storage.shelves, (Region.EU,), quarantine=False) == waiting


def test_a_database_that_is_away_ends_a_replay_at_the_first_body(collector: Collector) -> None:
    waiting = spool.listed(collector.storage.shelves, (Region.EU,), quarantine=False)
    collector.database = MissingDatabase(UnreachableError("The server is away."))
    ended = _replay(collector, waiting)
    assert (ended.status, len(ended.regions)) == (ExitStatus.DATABASE, 1)
    assert spool.listed(collector.storage.shelves, (Region.EU,), quarantine=False) == waiting


def test_bodies_are_stored_though_this_machines_clock_is_behind_their_time(
    collector: Collector, database: Database
) -> None:
    waiting = spool.listed(collector.storage.shelves, DEFAULT_REGIONS, quarantine=False)
    collector.clock.turn_to(collector.clock.now() - timedelta(days=400))
    assert _replay(collector, waiting).status is ExitStatus.DONE
    for region in DEFAULT_REGIONS:
        assert stored.auctions(database, region) == collector.expected(region).auctions


def test_a_time_in_the_future_is_wrong_usage(collector: Collector) -> None:
    body = spool.listed(collector.storage.shelves, (Region.EU,), quarantine=False)[0]
    with pytest.raises(UsageError, match="in the future"):
        _replay(collector, [body], snapshot_time=collector.clock.now() + timedelta(days=1))
    assert body.path.exists()


def test_a_damaged_file_hinders_no_hour_and_can_be_dropped(collector: Collector, database: Database) -> None:
    shelves = collector.storage.shelves
    for shelf in (shelves.spool, shelves.quarantine):
        folder = shelf.folder / "eu"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "junk.body").write_bytes(b"not a label\n\xff\xfe")
    collector.publish()
    collected = collector.collect()
    assert [region.outcome for region in collected.regions] == [Outcome.STORED, Outcome.STORED]
    assert [region.status for region in collected.regions] == [ExitStatus.PARTIAL, ExitStatus.DONE]
    assert stored.auctions(database, Region.EU) == collector.expected(Region.EU).auctions
    damaged = spool.listed(shelves, (Region.EU,), quarantine=True)
    assert damaged
    assert all("damaged" in body.reason for body in damaged)
    spool.drop(damaged, shelves=shelves, quarantine=True)
    collector.publish()
    assert collector.collect().status is ExitStatus.DONE


def test_a_signal_after_the_download_puts_the_body_into_the_spool(
    collector: Collector, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.collect()
    collector.publish()
    received: list[Region] = []

    def check() -> None:
        if received:
            raise InterruptedRunError("SIGTERM")

    monkeypatch.setattr(collector.clock, "check", check)
    ended = collector.collect(Region.EU, market=Between(collector.client, meanwhile=received.append))
    assert ended.status is ExitStatus.TERMINATED
    monkeypatch.undo()
    assert [body.region for body in collector.storage.shelves.spool.kept()] == [Region.EU]
    assert collector.collect().status is ExitStatus.DONE
    assert stored.auctions(database, Region.EU) == collector.expected(Region.EU).auctions


def test_names_that_fit_none_or_several_bodies_are_wrong_usage(collector: Collector) -> None:
    shelves = collector.storage.shelves
    with pytest.raises(UsageError, match="No body"):
        spool.chosen(shelves, DEFAULT_REGIONS, ["zz"], quarantine=False)
    with pytest.raises(UsageError, match="Several"):
        spool.chosen(shelves, DEFAULT_REGIONS, [""], quarantine=False)
    (first, *_) = spool.listed(shelves, DEFAULT_REGIONS, quarantine=False)
    assert spool.chosen(shelves, DEFAULT_REGIONS, [first.name], quarantine=False) == [first]
