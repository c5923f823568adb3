from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.market import IdRange
from tests.jobs import stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector
    from tests.jobs.expected import Expected


def assert_stored(database: Database, region: Region, expected: Expected) -> None:
    # Auctions first: the rest is computed from them.
    assert stored.auctions(database, region) == expected.auctions
    assert stored.statistics(database, region) == expected.statistics
    assert stored.registry(database, region) == expected.registry


def test_many_hours_with_gaps_equal_the_plain_reference(
    any_database: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(any_database, auctions=600, items=90)
    missed = {Region.EU: {2, 5, 6, 7}, Region.US: {1, 9}}
    hours = 14
    for hour in range(hours):
        if hour:
            collector.publish()
        awake = [region for region in DEFAULT_REGIONS if hour not in missed[region]]
        if awake:
            collected = collector.collect(*awake)
            assert collected.status is ExitStatus.DONE
            assert {region.outcome for region in collected.regions} == {Outcome.STORED}
    for region in DEFAULT_REGIONS:
        kept = [hour for hour in range(hours) if hour not in missed[region]]
        expected = collector.expected(region, hours=kept)
        assert_stored(any_database, region, expected)
        intervals = [round(row[5] / 3600) for row in expected.registry[1:]]
        assert intervals == [later - earlier for earlier, later in pairwise(kept)]
        sold_out = [row for row in expected.statistics if row[2] is None]
        assert sold_out
        assert sum(row[8] for row in expected.registry[1:]) > 0
    days = {row[0].date() for row in stored.auctions(any_database, Region.EU)}
    assert len(days) == 2
    partitions = stored.rows(
        any_database, "SELECT DISTINCT tableoid::regclass::text FROM auction_snapshots_eu ORDER BY 1"
    )
    assert [name for (name,) in partitions] == [f"auction_snapshots_eu_{day:%Y_%m_%d}" for day in sorted(days)]


@pytest.mark.parametrize("share", [0.3, pytest.param(0.6, marks=pytest.mark.slow)])
def test_auctions_whose_ids_come_back_equal_the_plain_reference(
    database: Database, make_collector: Callable[..., Collector], share: float
) -> None:
    auctions = 800
    lowest = 5_000
    ids = IdRange(first=lowest, lowest=lowest, highest=lowest + int(auctions * (1 + share)))
    collector = make_collector(database, auctions=auctions, items=80, ids=ids)
    hours = 10
    for hour in range(hours):
        if hour:
            collector.publish(hours=3 if hour == hours // 2 else 1)
        assert collector.collect().status is ExitStatus.DONE
    kept = [hour for hour in range(hours + 2) if hour not in {hours // 2, hours // 2 + 1}]
    for region in DEFAULT_REGIONS:
        expected = collector.expected(region, hours=kept)
        assert_stored(database, region, expected)
        items: dict[int, set[int]] = {}
        for _, auction, _, item, *_ in expected.auctions:
            items.setdefault(auction, set()).add(item)
        assert sum(len(found) > 1 for found in items.values()) > auctions // 10


def test_the_token_prices_are_those_that_the_sandbox_gave(
    any_database: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(any_database)
    for _ in range(5):
        assert collector.collect().status is ExitStatus.DONE
        collector.publish()
    for region in DEFAULT_REGIONS:
        assert len(collector.token_prices[region]) > 1
        assert stored.token_prices(any_database, region) == sorted(collector.token_prices[region])


def test_a_token_price_that_did_not_change_is_stored_once(collector: Collector) -> None:
    first, again = collector.collect(), collector.collect()
    assert [token.outcome for token in first.tokens] == [Outcome.STORED, Outcome.STORED]
    assert [token.outcome for token in again.tokens] == [Outcome.NO_CHANGE, Outcome.NO_CHANGE]
    assert [token.price for token in again.tokens] == [token.price for token in first.tokens]
    for region in DEFAULT_REGIONS:
        assert len(stored.token_prices(collector.database, region)) == 1
