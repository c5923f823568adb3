"""Every fault of the API, in a region alone and beside a healthy one; the next good run recovers at once."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transport import Transport
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.faults import FAULTS
from tests.jobs import stored
from tests.jobs.faults import OF_THE_API, SLOW, Case, Kept, few_of_each_end

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.transport import Answer
    from ironforge_cli.db.engine import Database
    from tests.clocks import TickingClock
    from tests.jobs.conftest import Collector

# A second of patience: what trickles or never comes is broken off soon.
_IMPATIENT = (1.0, 0.2)


@dataclass
class ByRegion:
    """EU is asked through one client, which has the fault, and US through another."""

    eu: BlizzardClient
    us: BlizzardClient

    def _of(self, region: Region) -> BlizzardClient:
        return {Region.EU: self.eu, Region.US: self.us}[region]

    def commodities(self, region: Region, *, newer_than: datetime | None) -> Answer:
        return self._of(region).commodities(region, newer_than=newer_than)

    def until(self, deadline: Deadline) -> ByRegion:
        return ByRegion(eu=self.eu.until(deadline), us=self.us.until(deadline))

    def forget_commodities(self, region: Region) -> None:
        self._of(region).forget_commodities(region)

    def token_price(self, region: Region) -> tuple[datetime, int]:
        return self.us.token_price(region)


@pytest.fixture
def make_client(clock: TickingClock, tmp_path: Path) -> Generator[Callable[..., BlizzardClient]]:
    """Make an impatient client of a collector's sandbox, or of another address."""
    with ExitStack() as opened:

        def make(collector: Collector, *, api_url: str | None = None) -> BlizzardClient:
            sandbox = collector.sandbox
            transport = Transport(
                cache_folder=tmp_path / "impatient",
                credentials=lambda: (sandbox.client_id, sandbox.client_secret),
                oauth_url=sandbox.oauth_url,
                timeout=_IMPATIENT,
                rate_limit=RateLimit(
                    tmp_path / "impatient.ring", per_second=100, per_hour=36_000, now=time.time, sleep=clock.sleep
                ),
                now=time.time,
                sleep=clock.sleep,
            )
            opened.callback(transport.close)
            return BlizzardClient(transport, api_url=api_url or sandbox.api_url, locale="en_US")

        yield make


def _address(case: Case, collector: Collector) -> str | None:
    """Where EU is asked, when that is the fault."""
    match case.name:
        case "connection_refused":
            with socket.create_server(("127.0.0.1", 0)) as taken:
                return f"http://127.0.0.1:{taken.getsockname()[1]}/{{region}}"
        case "dns_failure":
            return "http://no-such-host.invalid/{region}"
        case "tls_failure":
            return collector.sandbox.api_url.replace("http://", "https://")
        case _:
            return None


@pytest.mark.parametrize("case", few_of_each_end(OF_THE_API))
def test_a_fault_costs_no_more_than_it_has_to(
    make_collector: Callable[..., Collector], make_client: Callable[..., BlizzardClient], database: Database, case: Case
) -> None:
    collector = make_collector(database, auctions=200, items=40)
    collector.collect()
    # An older body than the newest stored needs an hour between.
    collector.publish()
    collector.collect()
    republishes = case.outcome is Outcome.NO_CHANGE
    if republishes and case.name != "past_last_modified":
        collector.sandbox.set_fault(case.name, endpoint="commodities", region=Region.EU)
    collector.publish()
    if not republishes and case.name in FAULTS:
        seconds = 0.1 if case.name == "slow_drip" else None
        collector.sandbox.set_fault(case.name, endpoint="commodities", region=Region.EU, seconds=seconds)
    if case.name == "past_last_modified":
        collector.sandbox.set_fault(case.name, endpoint="commodities", region=Region.EU)
    healthy = make_client(collector) if case.name in SLOW else collector.client
    market = ByRegion(eu=make_client(collector, api_url=_address(case, collector)), us=healthy)
    quarantined = len(collector.storage.shelves.quarantine.kept())

    alone = collector.collect(Region.EU, market=market)
    (eu,) = alone.regions
    assert (eu.outcome, alone.status) == (case.outcome, case.status), eu
    assert re.search(case.told, eu.message or "")
    assert "\n" not in (eu.message or "")
    kept = collector.storage.shelves.quarantine.kept()
    # The same body is kept once, though it was asked for twice; garbage is never the same.
    expected_kept = {Kept.QUARANTINE: {1, 2}, Kept.BOTH: {1}}
    assert len(kept) - quarantined in expected_kept.get(case.kept, {0})
    assert len(stored.times(database, Region.EU)) == (3 if case.kept.is_stored else 2)

    beside = collector.collect(market=market)
    assert beside.status is case.beside_a_healthy_region
    assert beside.regions[1].outcome is Outcome.STORED
    assert len(stored.times(database, Region.US)) == 3

    collector.sandbox.clear_faults()
    collector.publish()
    assert collector.collect().status is ExitStatus.DONE
    for region in DEFAULT_REGIONS:
        hours = [0, 1, 2, 3] if region is Region.US or case.kept.is_stored else [0, 1, 3]
        if region is Region.EU and case.kept is Kept.BOTH:
            # What came was another body than the sandbox's own.
            continue
        expected = collector.expected(region, hours=hours)
        assert stored.auctions(database, region) == expected.auctions
        assert stored.statistics(database, region) == expected.statistics
        if case.kept is not Kept.DATABASE:
            # Else the body was another one than the sandbox's own, with the same auctions.
            assert stored.registry(database, region) == expected.registry
    assert stored.held_locks(database) == 0
