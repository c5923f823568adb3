"""The world behind the sandbox: one catalogue, and for each region a market, a token and a publication clock."""

from __future__ import annotations

import gzip
import threading
from collections import deque
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.invention import invent
from ironforge_cli.sandbox.market import (
    MODERATE,
    IdRange,
    Listings,
    SimulatedMarket,
    TokenMarket,
    Truth,
    default_profiles,
)
from ironforge_cli.sandbox.wire import BUILD, Style, commodities_body

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ironforge_cli.sandbox.catalogue import Catalogue
    from ironforge_cli.sandbox.market import Behaviour, Profiles

DEFAULT_START = datetime(2026, 1, 14, 12, 0, tzinfo=UTC)
"""When a sandbox that is told nothing else begins, so that its answers are the same bytes every time."""

_PUBLICATION_MINUTES = {Region.EU: 48, Region.US: 3}
"""Minute of the hour as seen in recorded answers; it drifts with the steps (BLIZZARD_API.md, section 3)."""
_MINUTES_BETWEEN = 17
"""Between regions of which nothing was recorded."""
_SHORTEST_STEP, _LONGEST_STEP = 3_598, 3_602
_AFTER_PUBLICATION = timedelta(seconds=60)
_SINCE_PATCH = timedelta(days=8, hours=3, minutes=14, seconds=22)
_TRUTHS_KEPT = 24 * 14
_SCATTER, _SCATTERED = 2_654_435_761 % 65_521, 65_521
"""Ids times a number without a pattern, modulo a prime, are spread evenly."""
_FIRST_AUCTION_IDS = {Region.EU: 1_310_742_311, Region.US: 688_203_977}
_FIRST_AUCTION_ID = 402_118_640
"""Where nothing was recorded; each region numbers its own."""


# Nothing changes a catalogue, and whoever makes many worlds makes them alike.
_invented = lru_cache(maxsize=8)(invent)


class Publication:
    """One hour's auctions of a region. Its bodies are written when first asked for, and then kept ready."""

    def __init__(self, region: Region, *, published_at: datetime, listings: Listings) -> None:
        self.region = region
        self.published_at = published_at
        self.listings = listings
        self._writing = threading.Lock()
        self._body: bytes | None = None
        self._gzipped: bytes | None = None

    @property
    def body(self) -> bytes:
        """The JSON as the API writes it."""
        with self._writing:
            return self._written()

    @property
    def gzipped(self) -> bytes:
        """The same body compressed."""
        with self._writing:
            if self._gzipped is None:
                self._gzipped = gzip.compress(self._written(), compresslevel=6, mtime=0)
            return self._gzipped

    def _written(self) -> bytes:
        if self._body is None:
            self._body = commodities_body(Style(self.region, locale=None), self.listings)
        return self._body

    def forget_bodies(self) -> None:
        """Free the memory of bodies that few will ask for again; they are written anew when someone does."""
        with self._writing:
            self._body = self._gzipped = None


@dataclass(frozen=True, slots=True)
class PublishedTruth:
    """What really happened in a market between two publications."""

    since: datetime
    until: datetime
    truth: Truth


class RegionWorld:
    """One region: its market, its token, and what it has published."""

    def __init__(
        self,
        region: Region,
        *,
        profiles: Profiles,
        auctions: int,
        seed: int,
        now: datetime,
        ids: IdRange,
        behaviour: Behaviour,
    ) -> None:
        self.region = region
        which = list(Region).index(region)
        minute = _PUBLICATION_MINUTES.get(region, _MINUTES_BETWEEN * which % 60)
        at_hour = now.replace(minute=minute, second=7, microsecond=0)
        published_at = at_hour if at_hour <= now else at_hour - timedelta(hours=1)
        self._steps = np.random.default_rng([seed, 3, which])
        self.market = SimulatedMarket(
            profiles=profiles,
            auctions=auctions,
            seed=2 * seed + which,
            starts_at=published_at,
            ids=ids,
            behaviour=behaviour,
        )
        self.token = TokenMarket(seed=2 * seed + which)
        self.truths: deque[PublishedTruth] = deque(maxlen=_TRUTHS_KEPT)
        # Taking the truth marks what stands on the book now as seen.
        self.market.truth()
        self.share = 1.0
        """Which part of the market's auctions is published."""
        self.publication = self._edition(published_at)
        self.previous = self.publication
        self.next_at = self._after(published_at)
        self.hours = 0

    def publish(self) -> None:
        """Let the market run to the next publication, and publish it."""
        since, until = self.publication.published_at, self.next_at
        self.market.advance(minutes=(until - since) / timedelta(minutes=1))
        self.truths.append(PublishedTruth(since=since, until=until, truth=self.market.truth()))
        self.previous, self.publication = self.publication, self._edition(until)
        self.previous.forget_bodies()
        self.next_at = self._after(until)
        self.hours += 1

    def _edition(self, published_at: datetime) -> Publication:
        listings = self.market.listings()
        if self.share < 1:
            # By their ids, so that an auction that is published stays so, and one that is not, too.
            kept = listings.auction_id * _SCATTER % _SCATTERED < self.share * _SCATTERED
            listings = Listings(*(getattr(listings, column.name)[kept] for column in fields(listings)))
        return Publication(self.region, published_at=published_at, listings=listings)

    def _after(self, moment: datetime) -> datetime:
        step = int(self._steps.integers(_SHORTEST_STEP, _LONGEST_STEP, endpoint=True))
        return moment + timedelta(seconds=step)


class World:
    """Everything that the sandbox answers from, deterministic by its seed and sizes.

    Time stands still until `advance` moves it, or runs `speed` times as fast as `monotonic` seconds do.
    Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        seed: int,
        auctions: int,
        items: int,
        recipes: int,
        monotonic: Callable[[], float],
        commodities: int | None = None,
        starts_at: datetime = DEFAULT_START,
        speed: float = 0.0,
        ids: IdRange | None = None,
        regions: Sequence[Region] = DEFAULT_REGIONS,
        behaviour: Behaviour = MODERATE,
    ) -> None:
        if starts_at.tzinfo is None:
            raise ValueError("the start must be an aware time")
        if speed < 0:
            raise ValueError("time only moves forward")
        self.catalogue: Catalogue = _invented(seed=seed, items=items, recipes=recipes, commodities=commodities)
        self.build = BUILD
        self._patched_after = timedelta(0)
        self._lock = threading.RLock()
        self._monotonic = monotonic
        self._began = monotonic()
        self._speed = speed
        self._starts_at = starts_at.astimezone(UTC)
        self._skipped = timedelta(0)
        traded = self.catalogue.commodities
        profiles = default_profiles(
            seed=seed,
            items=len(traded),
            item_id=np.array([item.id for item in traded], dtype=np.int32),
            base_price=np.array([item.base_price for item in traded], dtype=np.int64),
        )
        self.regions = {
            region: RegionWorld(
                region,
                profiles=profiles,
                auctions=auctions,
                seed=seed,
                now=self._starts_at,
                ids=IdRange(first=_FIRST_AUCTION_IDS.get(region, _FIRST_AUCTION_ID)) if ids is None else ids,
                behaviour=behaviour,
            )
            for region in regions
        }

    @property
    def now(self) -> datetime:
        """The world's time: the `Date` of its answers."""
        with self._lock:
            passed = timedelta(seconds=(self._monotonic() - self._began) * self._speed)
            return self._starts_at + self._skipped + passed

    @property
    def patched_at(self) -> datetime:
        """When the static data last changed: the game's latest patch."""
        return self._starts_at - _SINCE_PATCH + self._patched_after

    def patch(self, build: str, catalogue: Catalogue | None = None) -> None:
        """Bring a new build of the game, with the catalogue as it is or another of the same markets."""
        with self._lock:
            self.build = build
            self.catalogue = catalogue or self.catalogue
            self._patched_after = _SINCE_PATCH + (self.now - self._starts_at)

    def shrink(self, region: Region, *, share: float) -> None:
        """From its next publication on, let a region publish only this share of its auctions, always the same ones."""
        with self._lock:
            self.regions[region].share = share

    @property
    def runs_by_clock(self) -> bool:
        """Whether time passes without being told to."""
        return self._speed > 0

    def settle(self) -> None:
        """Publish what has become due; nothing where time only moves by command."""
        if not self.runs_by_clock:
            return
        with self._lock:
            for region in self.regions.values():
                while region.next_at <= self.now:
                    region.publish()

    def advance(self, region: Region | None = None, *, hours: int = 1) -> None:
        """Let a region, or every one, publish `hours` times more; the world's time follows the latest.

        Raises `ValueError` for a negative number of hours, and for a region that it doesn't have.
        """
        if hours < 0:
            raise ValueError("time only moves forward")
        with self._lock:
            chosen = [self.regions[one] for one in self.chosen(region)]
            for one in chosen:
                for _ in range(hours):
                    one.publish()
            latest = max(one.publication.published_at for one in self.regions.values())
            self._skipped += max(timedelta(0), latest + _AFTER_PUBLICATION - self.now)
            self.settle()

    def chosen(self, region: Region | None) -> list[Region]:
        """Return the region that is meant, or every one; raises `ValueError` for one that isn't here."""
        if region is None:
            return list(self.regions)
        if region not in self.regions:
            raise ValueError(f"there is no region {region.value!r} here, only {', '.join(self.regions)}")
        return [region]

    def publications(self, region: Region) -> tuple[Publication, Publication]:
        """Return what a region publishes now, and what it published before (the same at the start)."""
        with self._lock:
            self.settle()
            return self.regions[region].publication, self.regions[region].previous

    def token_price(self, region: Region) -> tuple[datetime, int]:
        """Return when the price of a region's token was last set, and the price in copper."""
        with self._lock:
            return self.regions[region].token.price_at(self.now)

    def truths(self, region: Region) -> list[PublishedTruth]:
        """Return what really happened in a region between its publications, oldest first; a fortnight of it."""
        with self._lock:
            return list(self.regions[region].truths)
