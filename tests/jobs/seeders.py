"""Seeding, ready to run against a stand-in and a database."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transport import Transport
from ironforge_cli.jobs.catalogue.seed import seed
from ironforge_cli.jobs.catalogue.work import Trial
from ironforge_cli.jobs.evidence.pending import PendingRows
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.catalogue.work import CatalogueSource, Seeded, SeedProgress
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.clocks import TickingClock


FROM_BLIZZARD = ("recipes", "reagents", "items")
"""What holds Blizzard's own word; what recipes make is computed of it."""


@contextmanager
def transport_to(
    oauth_url: str, *, folder: Path, clock: TickingClock, credentials: tuple[str, str] = ("id", "secret")
) -> Generator[Transport]:
    """Sessions to a server, as a new process has them."""
    transport = Transport(
        cache_folder=folder / "http",
        credentials=lambda: credentials,
        oauth_url=oauth_url,
        timeout=(5, 5),
        rate_limit=RateLimit(
            folder / "requests.sqlite", per_second=1_000, per_hour=1_000_000, now=time.time, sleep=lambda _: None
        ),
        now=time.time,
        sleep=clock.sleep,
    )
    try:
        yield transport
    finally:
        transport.close()


@dataclass
class Seeder:
    """One machine that seeds from one stand-in into one database; each run has sessions of its own."""

    sandbox: Sandbox
    database: Database
    clock: TickingClock
    home: Path
    locale: str = "en_US"
    at_once: int = 8

    @contextmanager
    def client(self) -> Generator[BlizzardClient]:
        """A client as a new process has it: what it knows of earlier ones is on disk."""
        credentials = (self.sandbox.client_id, self.sandbox.client_secret)
        with transport_to(
            self.sandbox.oauth_url, credentials=credentials, folder=self.home, clock=self.clock
        ) as transport:
            yield BlizzardClient(transport, api_url=self.sandbox.api_url, locale=self.locale)

    def __call__(
        self,
        *wanted: str,
        force: bool = False,
        limit: int | None = None,
        profession: str | None = None,
        progress: SeedProgress | None = None,
        source: CatalogueSource | None = None,
    ) -> Seeded:
        """Run some seeders, or all of what is Blizzard's word."""
        with self.client() as client:
            return seed(
                wanted or FROM_BLIZZARD,
                source=source or client,
                database=self.database,
                pending=PendingRows(self.home / "spool" / "log-rows.jsonl"),
                region=Region.EU,
                clock=self.clock,
                at_once=self.at_once,
                progress=progress,
                trial=Trial(force=force, limit=limit, profession=profession),
            )

    def asked(self, *endpoints: str) -> list[str]:
        """Paths that the stand-in was asked for since it last forgot, without tokens."""
        return [
            one.path
            for one in self.sandbox.requests
            if one.endpoint != "oauth" and (not endpoints or one.endpoint in endpoints)
        ]
