"""How old a region's newest snapshot is, when the next is due, and how the estimator checks on itself. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.jobs.health.status_findings import Freshness, SelfCheck, TokenFreshness
from ironforge_cli.market.daily_checks import day_figures
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.rhythm import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ironforge_cli.db.repositories.health import Stored
    from ironforge_cli.db.repositories.thinning_checks import ThinningCheck
    from ironforge_cli.market.rhythm import Rhythm

SELF_CHECKED: Final = timedelta(hours=24)
"""The snapshots of so long are compared with those before them."""
THINNED_LATELY: Final = timedelta(days=3)
"""A day that was looked at half as often counts for so long; maintenance looks once a day."""
COMPARED_WITH: Final = timedelta(days=14)
FEWEST_PARTLY_SOLD: Final = 200
"""Auctions that have to be partly sold before a share of them says anything."""


def freshness(stored: Sequence[Stored], rhythm: Rhythm | None, *, delay: timedelta, now: datetime) -> Freshness | None:
    """How old the newest of some stored snapshots is, and when the next should be there; None without any."""
    if not stored:
        return None
    newest = stored[0]
    # The newest may have waited, or come from a file, so that the rhythm was not learned from it.
    due_at = newest.snapshot_time + rhythm.step if rhythm else None
    return Freshness(
        snapshot_time=newest.snapshot_time,
        age_seconds=int((now - newest.snapshot_time).total_seconds()),
        auctions=newest.auctions,
        items=newest.items,
        minute=rhythm.minute if rhythm else None,
        due_at=due_at,
        delay_seconds=int(delay.total_seconds()) if rhythm else None,
        late_seconds=max(0, int((now - due_at - delay).total_seconds())) if due_at else None,
        skipped=newest.skipped,
    )


def token_freshness(newest: tuple[datetime, int] | None, *, now: datetime) -> TokenFreshness | None:
    """How old the newest price of a region's token is; None without any."""
    if newest is None:
        return None
    at, price = newest
    return TokenFreshness(updated_at=at, age_seconds=int((now - at).total_seconds()), price=price)


def published_live(stored: Iterable[Stored]) -> list[Seen]:
    """What tells of the rhythm: snapshots that were fetched, not those that waited or came from a file."""
    return [Seen(one.snapshot_time, one.stored_at) for one in stored if one.source == "live"]


def self_check(stored: Sequence[Stored], *, now: datetime, thinned: ThinningCheck | None = None) -> SelfCheck | None:
    """The estimator's check on itself, now and before; None without a snapshot."""
    if not stored:
        return None
    newest, day = stored[0], now - SELF_CHECKED
    figures = day_figures(stored, since=day)
    return SelfCheck(
        newest=_share([newest], fewest=1),
        day=_share([one for one in stored if one.snapshot_time > day], fewest=FEWEST_PARTLY_SOLD),
        before=_share(
            [one for one in stored if day - COMPARED_WITH < one.snapshot_time <= day], fewest=FEWEST_PARTLY_SOLD
        ),
        version=newest.estimator_version,
        computed_otherwise=sum(one.estimator_version != ESTIMATOR_VERSION for one in stored),
        phase=figures.phase,
        withdrawn_an_hour=figures.withdrawn_an_hour,
        # What was found long ago says nothing of today.
        thinned=thinned if thinned is not None and thinned.until > now - THINNED_LATELY else None,
    )


def _share(stored: Sequence[Stored], *, fewest: int) -> float | None:
    partly_sold = sum(one.partly_sold or 0 for one in stored)
    above = sum(one.partly_sold_above_cheaper or 0 for one in stored)
    return above / partly_sold if partly_sold >= fewest else None
