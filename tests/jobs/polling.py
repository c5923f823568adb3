"""Windows of attempts, ready to run: the hours that a test publishes come while the job waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ironforge_cli.jobs.collecting.poll import Polled, Window, poll
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.clocks import EventfulClock

if TYPE_CHECKING:
    from ironforge_cli.jobs.collecting.collect import Market
    from tests.jobs.conftest import Collector

STARTS = datetime(2026, 1, 14, 12, 30, 5, tzinfo=UTC)
HALF_AN_HOUR = Window(length=timedelta(minutes=30), interval=timedelta(seconds=30))
ATTEMPTS = 61
"""In half an hour that begins at :05 of a minute: one at once, then one at each of sixty ticks."""


@dataclass
class Poller:
    """A machine that polls one sandbox, on a clock that stands at 12:30:05 when it begins."""

    collector: Collector
    clock: EventfulClock

    def __post_init__(self) -> None:
        self.clock.turn_to(STARTS)

    def poll(self, *regions: Region, window: Window = HALF_AN_HOUR, market: Market | None = None) -> Polled:
        """Run one window; without regions, of all of them."""
        return poll(
            regions or DEFAULT_REGIONS,
            window=window,
            market=market or self.collector.client,
            storage=lambda: self.collector.storage,
            clock=self.clock,
        )

    def publish(self, *regions: Region) -> None:
        """Let regions publish now, whatever the clock says; without any, all of them."""
        for region in regions or DEFAULT_REGIONS:
            self.collector.sandbox.advance(region)
            publication = self.collector.sandbox.published(region)
            self.collector.published[region].append((publication.published_at, publication.body))

    def publish_after(self, minutes: float, *regions: Region) -> None:
        """Let regions publish that many minutes from now."""
        self.clock.after(60 * minutes, lambda: self.publish(*regions))

    def asked(self, region: Region) -> int:
        """How often the sandbox was asked for a region's auctions."""
        return sum(
            1 for one in self.collector.sandbox.requests if one.endpoint == "commodities" and one.region is region
        )

    def statuses(self, region: Region) -> list[int]:
        """The statuses that it answered with."""
        return [
            one.status
            for one in self.collector.sandbox.requests
            if one.endpoint == "commodities" and one.region is region
        ]


def window(**changes: Any) -> Window:
    """Half an hour every half minute, but for these."""
    return replace(HALF_AN_HOUR, **changes)
