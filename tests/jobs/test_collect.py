from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transport import Transport
from ironforge_cli.jobs.collect import Outcome, collect
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.clocks import TickingClock


@pytest.fixture
def client(sandbox: Sandbox, tmp_path: Path, clock: TickingClock) -> Generator[BlizzardClient]:
    transport = Transport(
        cache_folder=tmp_path / "http",
        credentials=lambda: (sandbox.client_id, sandbox.client_secret),
        oauth_url=sandbox.oauth_url,
        timeout=(5, 5),
        rate_limit=RateLimit(
            tmp_path / "requests.sqlite", per_second=100, per_hour=36_000, now=clock.monotonic, sleep=clock.sleep
        ),
        now=clock.monotonic,
        sleep=clock.sleep,
    )
    yield BlizzardClient(transport, api_url=sandbox.api_url, locale="en_US")
    transport.close()


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_a_cycle_stores_what_each_region_published(
    any_database: Database, sandbox: Sandbox, client: BlizzardClient, clock: TickingClock
) -> None:
    collected = collect(list(Region), market=client, database=any_database, clock=clock)
    assert [region.outcome for region in collected.regions] == [Outcome.STORED, Outcome.STORED]
    for region in Region:
        published = sandbox.published(region)
        stored = rows(any_database, f"SELECT auction_id, unit_price FROM auction_snapshots_{region} ORDER BY 1")
        listed = sorted(
            zip(published.listings.auction_id.tolist(), published.listings.unit_price.tolist(), strict=True)
        )
        assert stored == listed
