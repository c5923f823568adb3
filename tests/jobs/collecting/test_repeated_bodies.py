"""Answers that bring nothing new, though they look as if they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.markets import ONE_AND_THE_OTHERS

if TYPE_CHECKING:
    from tests.jobs.conftest import Collector


def requests_of(collector: Collector) -> list[int]:
    return [request.status for request in collector.sandbox.requests if request.endpoint == "commodities"]


def test_the_same_body_under_a_new_time_is_told_and_its_time_is_asked_for_from_then_on(collector: Collector) -> None:
    collector.collect(Region.EU)
    first_at, _ = collector.newest(Region.EU)
    before = stored.everything(collector.database, Region.EU)[:3]
    collector.sandbox.set_fault("same_body_new_time", region=Region.EU)
    collector.publish()
    renewed_at, _ = collector.newest(Region.EU)
    collector.sandbox.forget_requests()
    (repeated,) = collector.collect(Region.EU).regions
    assert repeated.outcome is Outcome.NO_CHANGE
    assert repeated.message is not None
    assert renewed_at.isoformat() in repeated.message
    assert first_at.isoformat() in repeated.message
    assert stored.attempts(collector.database, Region.EU)[-1] == ("no_change", renewed_at, repeated.message)
    assert requests_of(collector) == [200]
    for _ in range(2):
        again = collector.collect(Region.EU)
        assert again.regions[0].outcome is Outcome.NO_CHANGE
        assert again.status is ExitStatus.DONE
    assert requests_of(collector) == [200, 304, 304]
    assert stored.everything(collector.database, Region.EU)[:3] == before
    collector.sandbox.clear_faults()
    collector.publish()
    assert collector.collect(Region.EU).regions[0].outcome is Outcome.STORED
    expected = collector.expected(Region.EU, hours=[0, 2])
    assert stored.statistics(collector.database, Region.EU) == expected.statistics
    assert stored.registry(collector.database, Region.EU) == expected.registry


@pytest.mark.parametrize("region", ONE_AND_THE_OTHERS)
def test_a_body_that_comes_later_under_the_time_of_the_one_before_is_had_when_the_hour_is_overdue(
    collector: Collector, region: Region
) -> None:
    collector.collect(region)
    collector.sandbox.set_fault("late_body", region=region, count=3)
    collector.publish()
    collector.sandbox.forget_requests()

    def after(minutes: int) -> tuple[Outcome, list[int]]:
        collector.clock.sleep(60 * minutes)
        return collector.collect(region).regions[0].outcome, requests_of(collector)

    assert after(0) == (Outcome.NO_CHANGE, [200])
    # The hour is not overdue yet; then its body comes once in an hour, and not with every question.
    assert after(2) == (Outcome.NO_CHANGE, [200, 304])
    assert after(20) == (Outcome.NO_CHANGE, [200, 304, 200])
    assert after(2) == (Outcome.NO_CHANGE, [200, 304, 200, 304])
    assert after(30) == (Outcome.NO_CHANGE, [200, 304, 200, 304, 304])
    assert after(20) == (Outcome.NO_CHANGE, [200, 304, 200, 304, 304, 200])
    assert after(46) == (Outcome.STORED, [200, 304, 200, 304, 304, 200, 200])
    expected = collector.expected(region)
    assert stored.auctions(collector.database, region) == expected.auctions
    assert stored.statistics(collector.database, region) == expected.statistics
    assert collector.storage.shelves.quarantine.kept() == []


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("past_last_modified", "older than the newest that is known"),
        ("stale", "the one that is known"),
        ("stuck_last_modified", "the one that is known"),
    ],
)
def test_a_whole_answer_that_is_not_newer_is_no_change(collector: Collector, fault: str, told: str) -> None:
    collector.collect()
    collector.publish()
    collector.collect()
    before = {region: stored.everything(collector.database, region)[:3] for region in DEFAULT_REGIONS}
    collector.sandbox.set_fault(fault)
    if fault != "past_last_modified":
        collector.publish()
    collector.sandbox.forget_requests()
    # Within a minute the cache would do.
    collector.clock.sleep(61)
    collected = collector.collect()
    assert requests_of(collector) == [200, 200]
    assert collected.status is ExitStatus.DONE
    for found in collected.regions:
        stored_at = stored.times(collector.database, found.region)[-1]
        assert (found.outcome, found.snapshot_time) == (Outcome.NO_CHANGE, stored_at)
        assert told in (found.message or "")
        assert stored.attempts(collector.database, found.region)[-1][:2] == ("no_change", stored_at)
        assert stored.everything(collector.database, found.region)[:3] == before[found.region]


def test_a_time_that_jitters_over_the_same_body_stores_it_once(collector: Collector) -> None:
    collector.sandbox.set_fault("jittered_last_modified")
    outcomes: list[Outcome] = []
    for _ in range(4):
        outcomes += [found.outcome for found in collector.collect().regions]
        collector.clock.sleep(61)
    assert outcomes == [Outcome.STORED] * 2 + [Outcome.NO_CHANGE] * 6
    for region in DEFAULT_REGIONS:
        assert len(stored.times(collector.database, region)) == 1


def test_the_same_hour_is_never_stored_twice_however_often_it_is_asked_for(collector: Collector) -> None:
    for _ in range(3):
        collector.collect()
        collector.collect(force=True)
        collector.clock.sleep(61)
        collector.collect(force=True)
        for region in DEFAULT_REGIONS:
            at, body = collector.newest(region)
            assert collector.ingest(region, at, body, force=True).regions[0].outcome is Outcome.NO_CHANGE
        collector.publish()
    for region in DEFAULT_REGIONS:
        expected = collector.expected(region, hours=[0, 1, 2])
        assert stored.auctions(collector.database, region) == expected.auctions
        assert stored.statistics(collector.database, region) == expected.statistics
        assert stored.registry(collector.database, region) == expected.registry
