"""What goes wrong is told, leaves nothing half stored and hinders nobody else; the next run recovers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.faults import FAULTS
from tests.jobs import stored
from tests.jobs.faults import OF_THE_API, SLOW, Case, few_of_each_end
from tests.jobs.markets import Between, with_auctions

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector

# Those that the sandbox answers with at once; the others are tried in test_api_faults.py.
ENDS = [
    case
    for case in OF_THE_API
    if case.outcome in {Outcome.REJECTED, Outcome.FAILED} and case.name in set(FAULTS) - SLOW
]


@pytest.mark.parametrize("case", few_of_each_end(ENDS))
def test_a_fault_of_one_region_costs_that_region_alone_its_hour(
    make_collector: Callable[..., Collector], database: Database, case: Case
) -> None:
    collector = make_collector(database, auctions=200, items=40)
    collector.collect()
    collector.publish()
    collector.sandbox.set_fault(case.name, endpoint="commodities", region=Region.EU)
    collected = collector.collect()
    eu, us = collected.regions
    assert (eu.outcome, eu.status, us.outcome) == (case.outcome, case.status, Outcome.STORED)
    assert collected.status is ExitStatus.PARTIAL
    assert [token.status for token in collected.tokens] == [ExitStatus.DONE, ExitStatus.DONE]
    assert len(stored.times(database, Region.EU)) == 1
    assert len({row[0] for row in stored.auctions(database, Region.EU)}) == 1
    row = stored.attempts(database, Region.EU)[-1]
    assert (row[0], row[2]) == (case.outcome.value, eu.message)
    assert [attempt[0] for attempt in stored.attempts(database, Region.US)] == ["success", "success"]
    *_, run = stored.benchmarks(database, "command")
    assert (run[2], run[3], run[4]) == (us.counts.auctions if us.counts else None, "partial", f"EU: {eu.message}")
    assert len(stored.benchmarks(database, "snapshot")) == 3
    assert re.search(case.told, eu.message or "")

    collector.sandbox.clear_faults()
    collector.publish()
    assert collector.collect().status is ExitStatus.DONE
    for region, hours in ((Region.EU, [0, 2]), (Region.US, [0, 1, 2])):
        expected = collector.expected(region, hours=hours)
        assert stored.auctions(database, region) == expected.auctions
        assert stored.statistics(database, region) == expected.statistics
        assert stored.registry(database, region) == expected.registry


@pytest.mark.parametrize("oddity", ["bom", "extra_keys"])
def test_an_odd_but_whole_body_is_stored(collector: Collector, oddity: str) -> None:
    collector.sandbox.set_fault(oddity, endpoint="commodities")
    assert collector.collect().status is ExitStatus.DONE
    for region in DEFAULT_REGIONS:
        assert stored.auctions(collector.database, region) == collector.expected(region).auctions


def test_a_refused_answer_is_asked_for_again_at_once_and_by_the_next_run(collector: Collector) -> None:
    collector.sandbox.set_fault("truncated", region=Region.EU, endpoint="commodities", count=1)
    assert collector.collect().status is ExitStatus.DONE
    collector.publish()
    collector.sandbox.set_fault("truncated", region=Region.EU, endpoint="commodities", count=2)
    assert collector.collect().status is ExitStatus.PARTIAL
    assert collector.collect().status is ExitStatus.DONE
    for region in DEFAULT_REGIONS:
        assert stored.auctions(collector.database, region) == collector.expected(region).auctions
    assert [row[0] for row in stored.attempts(collector.database, Region.EU)] == ["success", "rejected", "success"]


def test_a_region_that_fails_alone_gives_its_own_code_whatever_the_token_did(collector: Collector) -> None:
    collector.sandbox.set_fault("truncated", endpoint="commodities")
    assert collector.collect(Region.EU).status is ExitStatus.REFUSED
    assert collector.collect().status is ExitStatus.REFUSED
    collector.sandbox.set_fault("server_error", endpoint="token")
    assert collector.collect(Region.EU).status is ExitStatus.REFUSED


def test_regions_that_fail_differently_give_the_graver_code(collector: Collector) -> None:
    collector.sandbox.set_fault("truncated", endpoint="commodities", region=Region.EU)
    collector.sandbox.set_fault("server_error", endpoint="commodities", region=Region.US)
    collected = collector.collect()
    assert [region.status for region in collected.regions] == [ExitStatus.REFUSED, ExitStatus.UNAVAILABLE]
    assert collected.status is ExitStatus.UNAVAILABLE
    assert stored.benchmarks(collector.database, "command")[-1][3] == "failed"


@pytest.mark.parametrize(
    ("fault", "outcome", "status"),
    [
        ("server_error", Outcome.FAILED, ExitStatus.UNAVAILABLE),
        ("null_number", Outcome.REJECTED, ExitStatus.REFUSED),
        ("html", Outcome.REJECTED, ExitStatus.REFUSED),
    ],
)
def test_a_fault_of_one_token_price_makes_the_run_partial_and_costs_nothing_else(
    collector: Collector, fault: str, outcome: Outcome, status: ExitStatus
) -> None:
    collector.sandbox.set_fault(fault, endpoint="token", region=Region.EU)
    collected = collector.collect()
    assert collected.status is ExitStatus.PARTIAL
    assert [region.outcome for region in collected.regions] == [Outcome.STORED, Outcome.STORED]
    assert [(token.outcome, token.status) for token in collected.tokens] == [
        (outcome, status),
        (Outcome.STORED, ExitStatus.DONE),
    ]
    assert stored.token_prices(collector.database, Region.EU) == []
    assert len(stored.token_prices(collector.database, Region.US)) == 1
    assert [row[0] for row in stored.attempts(collector.database)] == ["success", "success"]
    ((*_, state, message, extra),) = stored.benchmarks(collector.database, "command")
    assert state == "partial"
    assert message.startswith("EU token")
    assert extra["token"] == {"eu": outcome.value, "us": "stored"}


def test_wrong_credentials_fail_every_piece_and_store_nothing(
    database: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(database)
    collector.sandbox.client_secret = "a wrong one"  # noqa: S105 - wrong on purpose
    collected = collector.collect()
    assert collected.status is ExitStatus.CREDENTIALS
    for region in DEFAULT_REGIONS:
        assert stored.everything(database, region) == ([], [], [], [])
        ((status, _, message),) = stored.attempts(database, region)
        assert status == "failed"
        assert "BLIZZARD_CLIENT_SECRET" in message
        assert "a wrong one" not in message


def test_an_implausibly_small_body_is_refused_from_the_fourth_on_unless_forced(collector: Collector) -> None:
    def half(body: bytes) -> bytes:
        return with_auctions(body, auctions=usual // 2 - 1)

    usual = min(len(collector.sandbox.published(region).listings) for region in DEFAULT_REGIONS)
    small = Between(collector.client, rewrite=half)
    assert collector.collect(Region.EU, market=small).status is ExitStatus.DONE
    for _ in range(2):
        collector.publish()
        assert collector.collect(Region.EU).status is ExitStatus.DONE
    collector.publish()
    usual = sorted(row[1] for row in stored.registry(collector.database, Region.EU))[1]
    before = stored.everything(collector.database, Region.EU)[:3]
    refused = collector.collect(Region.EU, market=small)
    assert refused.status is ExitStatus.REFUSED
    assert "--force" in (refused.regions[0].message or "")
    assert stored.everything(collector.database, Region.EU)[:3] == before
    at, _ = collector.newest(Region.EU)
    assert stored.attempts(collector.database, Region.EU)[-1] == ("rejected", at, refused.regions[0].message)

    forced = collector.collect(Region.EU, market=small, force=True)
    assert forced.status is ExitStatus.DONE
    assert forced.regions[0].outcome is Outcome.STORED
    assert stored.registry(collector.database, Region.EU)[-1][:2] == (at, usual // 2 - 1)


BREAKS = {
    "a row": "CREATE TRIGGER break BEFORE INSERT ON auction_snapshots_eu FOR EACH ROW EXECUTE FUNCTION break()",
    "a statistic": (
        "CREATE TRIGGER break BEFORE INSERT ON eu_commodity_price_stats FOR EACH ROW EXECUTE FUNCTION break()"
    ),
    "the registry": "CREATE TRIGGER break BEFORE INSERT ON snapshots FOR EACH ROW EXECUTE FUNCTION break()",
    "the commit": (
        "CREATE CONSTRAINT TRIGGER break AFTER INSERT ON snapshots DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW WHEN (NEW.region = 'eu') EXECUTE FUNCTION break()"
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_snapshot_that_breaks_in_the_middle_leaves_nothing_but_its_evidence(
    any_database: Database, make_collector: Callable[..., Collector], what: str
) -> None:
    collector = make_collector(any_database)
    collector.collect(Region.EU)
    collector.publish()
    before = stored.everything(any_database, Region.EU)[:3]
    with any_database.transaction() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken on purpose'; END $$"
        )
        connection.exec_driver_sql(BREAKS[what])
    broken = collector.collect(Region.EU)
    assert broken.status is ExitStatus.DATABASE
    assert "broken on purpose" in (broken.regions[0].message or "")
    assert stored.everything(any_database, Region.EU)[:3] == before
    assert "in the spool" in (broken.regions[0].message or "")
    at, _ = collector.newest(Region.EU)
    status, judged, message = stored.attempts(any_database, Region.EU)[-1]
    assert (status, judged) == ("spooled", at)
    assert "broken on purpose" in message
    assert stored.benchmarks(any_database, "command")[-1][3] == "failed"
    assert len(stored.benchmarks(any_database, "snapshot")) == 1
    assert stored.held_locks(any_database) == 0

    with any_database.transaction() as connection:
        connection.exec_driver_sql("DROP FUNCTION break CASCADE")
    assert collector.collect(Region.EU).status is ExitStatus.DONE
    expected = collector.expected(Region.EU)
    assert stored.auctions(any_database, Region.EU) == expected.auctions
    assert stored.statistics(any_database, Region.EU) == expected.statistics
    assert stored.registry(any_database, Region.EU) == expected.registry
