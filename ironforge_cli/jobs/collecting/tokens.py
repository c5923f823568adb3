"""The price of a region's token: beside the snapshots, and never in their way."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from ironforge_cli.db.repositories import token_prices
from ironforge_cli.errors import ConfigurationError, DatabaseError, ExitStatus, IronforgeError
from ironforge_cli.jobs.collecting.outcomes import CollectedToken, explained
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.pending import TokenRow
from ironforge_cli.jobs.storage import evidence_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor, Future
    from datetime import datetime

    from ironforge_cli.jobs.evidence.runs import Clock
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

COMMAND: Final = "token price"
"""What an attempt at one is called in the logs."""
TOKEN_EVERY: Final = timedelta(minutes=10)
"""Blizzard sets the price of a token about every 20 minutes."""


class TokenSource(Protocol):
    """Where the price of a token comes from: Blizzard's API, as `BlizzardClient` speaks it."""

    def token_price(self, region: Region) -> tuple[datetime, int]:
        """When the price of a token was set, and the price in copper."""
        ...


def collect_token(region: Region, *, market: TokenSource, storage: Storage, clock: Clock) -> CollectedToken:
    """Store a region's token price, if it is new, and leave a row; one that the database can't take waits on disk."""
    began_at = clock.now()
    collected = _collected(region, market=market, storage=storage, clock=clock)
    evidence_of(storage, command=COMMAND, clock=clock).note(
        region, collected.outcome, collected.message, began_at=began_at
    )
    return collected


def _collected(region: Region, *, market: TokenSource, storage: Storage, clock: Clock) -> CollectedToken:
    try:
        clock.check()
        updated_at, price = market.token_price(region)
        try:
            with storage.database.transaction() as connection:
                new = token_prices.store(connection, region, at=updated_at, price=price)
        except (DatabaseError, ConfigurationError) as error:
            storage.pending.add(TokenRow(region, timestamp=updated_at, price=price))
            message = f"{error} The price waits on disk: the next run with a database stores it."
            return CollectedToken(region, Outcome.SPOOLED, error.status, updated_at, price, message)
    except IronforgeError as error:
        return _failed(region, error)
    except Exception as error:
        # As with a region: a bug here must not hide what became of the snapshots.
        log.exception("%s token price: an unexpected error", region.label)
        return _failed(region, error)
    outcome = Outcome.STORED if new else Outcome.NO_CHANGE
    return CollectedToken(region, outcome, ExitStatus.DONE, updated_at=updated_at, price=price, message=None)


def _failed(region: Region, error: Exception) -> CollectedToken:
    status, message = explained(error)
    return CollectedToken(region, Outcome.of(error), status, updated_at=None, price=None, message=message)


class TokenPrices:
    """The prices of tokens, taken along while regions are polled, without holding up any of them."""

    def __init__(self, regions: Sequence[Region], *, market: TokenSource, clock: Clock, pool: Executor) -> None:
        self._regions = regions
        self._market = market
        self._clock = clock
        self._pool = pool
        self._lock = threading.Lock()
        self._work: Future[tuple[CollectedToken, ...]] | None = None
        self._began = 0.0

    def take_along(self, storage: Storage, *, is_away: bool) -> None:
        """Begin to collect the prices, unless that is going on, or was done a while ago.

        What waits on disk counts as done for as long as the database is away.
        """
        with self._lock:
            work = self._work
            if work is not None and (not work.done() or self._is_fresh(work.result(), is_away=is_away)):
                return
            self._began = self._clock.monotonic()
            self._work = self._pool.submit(self._collect, storage)

    def newest(self) -> tuple[CollectedToken, ...]:
        """How the last collecting of the prices ended; none where no attempt came so far."""
        return self._work.result() if self._work is not None else ()

    def _is_fresh(self, prices: tuple[CollectedToken, ...], *, is_away: bool) -> bool:
        if self._clock.monotonic() - self._began >= TOKEN_EVERY.total_seconds():
            return False
        return all(
            price.status is ExitStatus.DONE or (is_away and price.outcome is Outcome.SPOOLED) for price in prices
        )

    def _collect(self, storage: Storage) -> tuple[CollectedToken, ...]:
        return tuple(
            collect_token(region, market=self._market, storage=storage, clock=self._clock) for region in self._regions
        )
