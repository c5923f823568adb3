"""The job, ready to run against a sandbox and a database, hour after hour."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from requests_cache.models import response
from requests_cache.policy import actions, expiration

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transport import Transport
from ironforge_cli.jobs.collecting.collect import collect, ingest
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.conftest import storage_in
from tests.jobs.expected import Expected, expected_after
from tests.jobs.seeders import Seeder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.collecting.collect import Collected, Market
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.clocks import TickingClock


FEW_PROFESSIONS = (171, 197, 356, 794, 2777)
"""Two crafts, one with entries that are no recipes, one without tiers, and a pseudo-profession."""


@dataclass
class Collector:
    """One machine that collects from one sandbox into one database."""

    sandbox: Sandbox
    database: Database
    client: BlizzardClient
    clock: TickingClock
    home: Path
    """Where bodies and rows wait that the database can't take."""
    published: dict[Region, list[tuple[datetime, bytes]]] = field(
        default_factory=lambda: {region: [] for region in DEFAULT_REGIONS}
    )
    """Every hour that was published so far: its time and its body."""
    token_prices: dict[Region, set[tuple[datetime, int]]] = field(
        default_factory=lambda: {region: set[tuple["datetime", int]]() for region in DEFAULT_REGIONS}
    )
    """What the sandbox said of the token at every cycle so far."""

    def __post_init__(self) -> None:
        self.clock.turn_to(self.sandbox.now)
        self._remember()

    @property
    def storage(self) -> Storage:
        """Where what is collected goes."""
        return storage_in(self.home, self.database)

    def publish(self, *, hours: int = 1) -> None:
        """Let every region publish, and the clock follow."""
        for _ in range(hours):
            self.sandbox.advance()
            self.clock.turn_to(self.sandbox.now)
            self._remember()

    def collect(self, *regions: Region, force: bool = False, market: Market | None = None) -> Collected:
        """Run one cycle; without regions, of all of them."""
        for region in DEFAULT_REGIONS:
            set_at, price = self.sandbox.world.token_price(region)
            self.token_prices[region].add((set_at.replace(microsecond=0), price))
        return collect(
            regions or DEFAULT_REGIONS,
            market=market or self.client,
            storage=self.storage,
            clock=self.clock,
            force=force,
        )

    def ingest(self, region: Region, at: datetime, body: bytes, *, force: bool = False) -> Collected:
        """Store a saved body, at its time or later."""
        self.clock.turn_to(max(at, self.clock.now()))
        return ingest(
            body,
            region=region,
            snapshot_time=at,
            storage=self.storage,
            clock=self.clock,
            force=force,
        )

    def newest(self, region: Region) -> tuple[datetime, bytes]:
        """What a region published last."""
        return self.published[region][-1]

    def expected(self, region: Region, *, hours: list[int] | None = None) -> Expected:
        """What has to be stored when those published hours were; all without `hours`."""
        published = self.published[region]
        return expected_after(published if hours is None else [published[hour] for hour in hours])

    def _remember(self) -> None:
        for region in DEFAULT_REGIONS:
            publication = self.sandbox.published(region)
            self.published[region].append((publication.published_at, publication.body))


@pytest.fixture
def make_collector(
    make_sandbox: Callable[..., Sandbox], clock: TickingClock, tmp_path: Path
) -> Generator[Callable[..., Collector]]:
    """Make a collector for a database; other options are the sandbox's."""
    with ExitStack() as opened:

        def make(database: Database, *, sandbox: Sandbox | None = None, **options: Any) -> Collector:
            sandbox = sandbox or make_sandbox(**{"auctions": 400, "items": 60, **options})
            for module in (actions, expiration, response):
                # requests-cache stamps what it keeps by the machine's clock, and whoever looks goes by the test's.
                opened.enter_context(pytest.MonkeyPatch.context()).setattr(module, "utcnow", clock.now)
            transport = Transport(
                cache_folder=tmp_path / "http",
                credentials=lambda: (sandbox.client_id, sandbox.client_secret),
                oauth_url=sandbox.oauth_url,
                timeout=(5, 5),
                rate_limit=RateLimit(
                    tmp_path / "requests.ring", per_second=10_000, per_hour=36_000, now=time.time, sleep=clock.sleep
                ),
                now=lambda: clock.now().timestamp(),
                sleep=clock.sleep,
            )
            opened.callback(transport.close)
            client = BlizzardClient(transport, api_url=sandbox.api_url, locale="en_US")
            return Collector(sandbox=sandbox, database=database, client=client, clock=clock, home=tmp_path)

        yield make


@pytest.fixture
def make_seeder(
    make_sandbox: Callable[..., Sandbox], database: Database, clock: TickingClock, tmp_path: Path
) -> Callable[..., Seeder]:
    """Make a machine that seeds; options are the sandbox's, which shows a few professions unless all are asked for."""

    def make(*, professions: Sequence[int] = FEW_PROFESSIONS, **options: Any) -> Seeder:
        sandbox = make_sandbox(**{"auctions": 100, "items": 250, "recipes": 120, **options})
        every = sandbox.catalogue.professions
        shown = {number: one for number, one in every.items() if not professions or number in professions}
        sandbox.patch(sandbox.world.build, replace(sandbox.catalogue, professions=shown))
        return Seeder(sandbox=sandbox, database=database, clock=clock, home=tmp_path)

    return make


@pytest.fixture
def collector(make_collector: Callable[..., Collector], database: Database) -> Collector:
    """A collector into the embedded server's database."""
    return make_collector(database)


@pytest.fixture
def well(storage: Storage) -> Storage:
    """Storage of an installation that is well: its database is made so (`database_url`)."""
    return storage
