"""The figures of a region's last day by which its estimates are doubted, from what is kept of each snapshot. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol

from ironforge_cli.market.doubts import ENOUGH_WITHDRAWN, SoldLots, doubts
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ironforge_cli.market.doubts import Doubt

ENOUGH_PARTLY_SOLD: Final = 200
"""Auctions that have to be partly sold before a share of them says anything."""
ENOUGH_DATED: Final = 20
"""Hours of a day whose sold lots say when lots are listed: fewer may lie where the market rises, or falls."""
LONGEST_DATED_SECONDS: Final = 5_400
"""Of a longer interval too few lots are seen sold."""


class KeptOfSnapshot(Protocol):
    """What the registry keeps of a snapshot's comparison; None in a region's first, or by version 1."""

    @property
    def snapshot_time(self) -> datetime:
        """When it was published."""
        ...

    @property
    def auctions(self) -> int:
        """Auctions for sale."""
        ...

    @property
    def interval_seconds(self) -> int | None:
        """Time since the one before."""
        ...

    @property
    def withdrawn_auctions(self) -> int | None:
        """Auctions that sellers took back."""
        ...

    @property
    def partly_sold(self) -> int | None:
        """Auctions that lost some of their units."""
        ...

    @property
    def partly_sold_above_cheaper(self) -> int | None:
        """Those of them above an untouched cheaper one."""
        ...

    @property
    def lots(self) -> SoldLots | None:
        """Lots sold, by when they were listed."""
        ...


class DayFigures(Value, frozen=True):
    """Figures of a day; None where too little happened to say anything."""

    phase: float | None
    """Sold lots listed just before a snapshot, as a multiple of what the estimate of the unseen supposes."""
    withdrawn_an_hour: float | None
    """Auctions that sellers took back, as a share of all, an hour."""
    passed_by: float | None
    """Auctions that lost units above an untouched cheaper one, as a share of all that lost some."""

    def doubts(self, *, thinned: float | None) -> tuple[Doubt, ...]:
        """What they say against the estimates, with what thinning found."""
        return doubts(
            thinned=thinned,
            phase=self.phase,
            withdrawn_an_hour=self.withdrawn_an_hour,
            passed_by=self.passed_by,
        )


def day_figures(stored: Sequence[KeptOfSnapshot], *, since: datetime) -> DayFigures:
    """The figures of the snapshots after a time; `stored` are a region's newest ones, newest first."""
    lots, dated, withdrawn, hours = SoldLots(), 0, 0, 0.0
    partly_sold = passed_by = 0
    for now, before in pairwise(stored):
        if now.snapshot_time <= since:
            break
        if now.lots is not None and (now.interval_seconds or 0) <= LONGEST_DATED_SECONDS:
            lots += now.lots
            dated += 1
        partly_sold += now.partly_sold or 0
        passed_by += now.partly_sold_above_cheaper or 0
        if now.withdrawn_auctions is not None and now.interval_seconds is not None:
            withdrawn += now.withdrawn_auctions
            hours += before.auctions * now.interval_seconds / 3600
    return DayFigures(
        phase=lots.phase if dated >= ENOUGH_DATED else None,
        withdrawn_an_hour=withdrawn / hours if withdrawn >= ENOUGH_WITHDRAWN and hours else None,
        passed_by=passed_by / partly_sold if partly_sold >= ENOUGH_PARTLY_SOLD else None,
    )
