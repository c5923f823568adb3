"""How fresh the answers about each region are, of which state of the data they are, and when the next is due."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ironforge_cli.answers.answer import HOUR, MarketAnswer, basis_of
from ironforge_cli.db import generations
from ironforge_cli.db.repositories import asking, snapshots
from ironforge_cli.db.transactions import session_of
from ironforge_cli.market.rhythm import learned

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.regions import Region

CATALOGUE: Final = generations.CATALOGUE
_TOKEN_STEP: Final = HOUR / 3
"""How often Blizzard changes the price of a token."""


@dataclass(frozen=True, slots=True)
class RegionFreshness:
    """How fresh a region is; None where nothing is stored."""

    region: Region
    snapshot_time: datetime | None
    next_due_at: datetime | None
    """When the next snapshot can be expected, by the region's rhythm; None where too few are stored to tell."""
    auctions: int | None
    """In the newest snapshot, as the items."""
    items: int | None
    token_price: int | None
    """Copper, the newest."""


@dataclass(frozen=True, slots=True)
class Due:
    """When a region's answers will be others."""

    snapshot_time: datetime | None
    next_due_at: datetime | None
    token_time: datetime | None
    next_token_at: datetime | None


@contextmanager
def one_look(
    asking_for: Asking, *, seconds: float, cancels: set[Callable[[], None]] | None = None
) -> Generator[Asking]:
    """Ask several questions of the same moment; `seconds` is how long a statement may take.

    What ends the look's present statement from another thread is among `cancels` for as long as it lasts. Raises as
    `Database.connect`.
    """
    cancels = set() if cancels is None else cancels
    with asking.reading(asking_for.database, seconds=seconds) as connection:
        cancel = session_of(connection).cancel
        cancels.add(cancel)
        try:
            yield replace(asking_for, database=asking.OneLook(connection))
        finally:
            cancels.discard(cancel)


def generations_of(asking_for: Asking) -> dict[str, int]:
    """Which state of the data answers are of, by region and for `CATALOGUE`; 0 where nothing ever changed."""
    with asking.reading(asking_for.database) as connection:
        found = generations.read(connection)
    return {scope: found.get(scope, 0) for scope in (*asking_for.regions, CATALOGUE)}


def due(asking_for: Asking, region: Region) -> Due:
    """When the answers about a region will be others: by its rhythm, and for tokens by Blizzard's."""
    with asking.reading(asking_for.database) as connection:
        seen = snapshots.seen(connection, region)
        token = asking.newest_token(connection, region)
    rhythm = learned(seen)
    token_time = None if token is None else token[0]
    return Due(
        snapshot_time=max((one.snapshot_time for one in seen), default=None),
        next_due_at=None if rhythm is None else rhythm.due,
        token_time=token_time,
        next_token_at=None if token_time is None else token_time + _TOKEN_STEP,
    )


def regions(asking_for: Asking) -> MarketAnswer[RegionFreshness]:
    """How fresh each region is."""
    rows: list[RegionFreshness] = []
    with asking.reading(asking_for.database) as connection:
        bases = tuple(basis_of(connection, asking_for, region) for region in asking_for.regions)
        for basis in bases:
            newest = next(iter(snapshots.registry(connection, basis.region, limit=1)), None)
            token = asking.newest_token(connection, basis.region)
            rhythm = learned(snapshots.seen(connection, basis.region))
            rows.append(
                RegionFreshness(
                    region=basis.region,
                    snapshot_time=basis.snapshot_time,
                    next_due_at=None if rhythm is None else rhythm.due,
                    auctions=None if newest is None else newest.auctions,
                    items=None if newest is None else newest.items,
                    token_price=None if token is None else token[1],
                )
            )
    return MarketAnswer(rows=tuple(rows), bases=bases)
