"""What a token costs, over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ironforge_cli.answers.answer import Basis, MarketAnswer
from ironforge_cli.db.repositories import asking

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.regions import Region


@dataclass(frozen=True, slots=True)
class TokenPriceAt:
    """A price of a token, in copper, from a time of Blizzard's on."""

    region: Region
    timestamp: datetime
    price: int


def token(
    asking_for: Asking, *, over: timedelta, since: datetime | None, until: datetime | None
) -> MarketAnswer[TokenPriceAt]:
    """The prices of a token in each region, up to its newest one or `until`."""
    rows: list[TokenPriceAt] = []
    bases: list[Basis] = []
    with asking.reading(asking_for.database) as connection:
        for region in asking_for.regions:
            newest = asking.newest_token(connection, region)
            if newest is None:
                bases.append(Basis(region, None, None, stale=True, snapshots=0))
                continue
            end = newest[0] if until is None else min(until, newest[0])
            start = end - over if since is None else since
            found = asking.token_prices(connection, region, start, end)
            age = asking_for.now - newest[0]
            bases.append(
                Basis(
                    region,
                    newest[0],
                    int(age.total_seconds()),
                    stale=age > asking_for.max_age,
                    since=start,
                    snapshots=len(found),
                )
            )
            rows += [TokenPriceAt(region, *one) for one in found]
    return MarketAnswer(rows=tuple(rows), bases=tuple(bases))
