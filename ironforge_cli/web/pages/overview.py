"""The first page: how fresh a region is, what a token costs, what sells, what moved, and what is cheap."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.answers import freshness, lists, token
from ironforge_cli.answers.answer import DAY
from ironforge_cli.web.pages import curves, marks, tables
from ironforge_cli.web.pages.frame import missing

if TYPE_CHECKING:
    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.web.pages.frame import Frame

_FIRST: Final = 10
_TOKENS: Final = timedelta(days=30)
LEAST_TURNOVER: Final = 10_000_000.0
"""Copper a day: an item that turns over less is not said to have moved."""
DISCOUNT: Final = 0.2
DAYS: Final = 2.0


def overview(frame: Frame, asking_for: Asking) -> dict[str, Any]:
    """What the first page shows."""
    of_region = replace(asking_for, regions=(frame.region,))
    sellers = lists.top(of_region, by=lists.TopBy.TURNOVER, over=DAY, limit=_FIRST)
    (basis,) = sellers.bases
    if basis.snapshot_time is None:
        return {"basis": basis}
    moved = lists.movers(
        of_region, over=DAY, min_turnover=LEAST_TURNOVER, direction=lists.Direction.BOTH, limit=_FIRST
    ).records()
    cheap = lists.deals(of_region, discount=DISCOUNT, days=DAYS, limit=_FIRST).records()
    tokens = token.token(of_region, over=_TOKENS, since=None, until=None).rows
    (region,) = freshness.regions(of_region).rows
    top = sellers.records()
    shapes = curves.of_items(of_region, frame.region, [*top, *moved])
    token_curve = marks.sparkline([one.price for one in tokens], label="the token over 30 days")
    return {
        "basis": basis,
        "next_due_at": region.next_due_at,
        "auctions": region.auctions,
        "items": region.items,
        "missing_hours": missing(basis),
        "token_price": tokens[-1].price if tokens else None,
        "token_at": tokens[-1].timestamp if tokens else None,
        "token_curve": token_curve,
        "top": tables.table(
            frame, top, tables.TOP, caption="What sells", empty="Nothing was seen sold in 24 hours.", shapes=shapes
        ),
        "movers": tables.table(
            frame,
            moved,
            tables.MOVERS_IN_SHORT,
            caption="What moved",
            empty="No price of a day ago is known of an item that turns over 1,000 gold a day.",
            shapes=shapes,
        ),
        "deals": tables.table(
            frame,
            cheap,
            tables.DEALS_IN_SHORT,
            caption="Below the usual price",
            empty="Nothing stands 20% below its usual price, or no usual price is known yet: it takes 3 closed days.",
        ),
    }
