"""Markets with other habits than the ordinary one, by name: what an estimate of sales has to stand up to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ironforge_cli.sandbox.market_profiles import MODERATE, Behaviour

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class MarketKind:
    """A market with habits of its own."""

    description: str
    """What is different in it from the ordinary market."""
    behaviour: Behaviour


def _kind(description: str, **habits: float | tuple[int, ...]) -> MarketKind:
    return MarketKind(description, replace(MODERATE, **habits))


ORDINARY: Final = "moderate"

MARKETS: Final[Mapping[str, MarketKind]] = {
    ORDINARY: _kind("Each hour 5% of the auctions above the floor and 2% of those at it are cancelled."),
    "calm": _kind("Nobody cancels.", cancelled_dearer=0.0, cancelled_cheapest=0.0),
    "light": _kind("2% above the floor and 1% at it are cancelled.", cancelled_dearer=0.02, cancelled_cheapest=0.01),
    "heavy": _kind("10% above the floor and 4% at it are cancelled.", cancelled_dearer=0.10, cancelled_cheapest=0.04),
    "loyal": _kind("Nobody cancels at the floor.", cancelled_cheapest=0.0),
    "fickle": _kind("12% at the floor are cancelled, more than above it.", cancelled_cheapest=0.12),
    "final": _kind("What is cancelled is never listed again.", reposted=0.0),
    "stubborn": _kind("95% of what is cancelled is listed again.", reposted=0.95),
    "late": _kind("What is cancelled is listed again one to three hours later.", repost_minutes=(60, 180)),
    "singles": _kind("All lots are of one unit.", stacks=(1,)),
    "stacks": _kind("All lots are of 1, 20 or 200 units.", stacks=(1, 20, 200)),
    "bulky": _kind("Lots are ten times as large.", lot_times=10.0),
    "thin": _kind("A third is bought.", turnover_times=1 / 3),
    "busy": _kind("Three times as much is bought.", turnover_times=3.0),
    "sips": _kind("A purchase is of one mean lot.", purchase_lots=1.0),
    "gulps": _kind("A purchase is of eight mean lots.", purchase_lots=8.0),
    "taste": _kind("5% of the purchases are not of the cheapest.", not_cheapest=0.05),
    "whim": _kind("15% of the purchases are not of the cheapest.", not_cheapest=0.15),
    "tides": _kind(
        "Everything swings strongly over the day.", supply_swing=0.6, demand_swing=0.9, cancelling_swing=0.5
    ),
    "mislabelled": _kind("3% of the auctions are shown under a time left beside their own.", wrong_buckets=0.03),
    "bunched": _kind("All fresh lots come in the same quarter of the hour.", listing_minutes=(15, 30)),
    "elastic": _kind("Buyers ask for more where it is cheap.", elasticity=2.0),
    "bustle": _kind(
        "Busy, in single lots, with heavy cancelling.",
        turnover_times=3.0,
        stacks=(1,),
        cancelled_dearer=0.10,
        cancelled_cheapest=0.04,
    ),
    "medley": _kind(
        "Stacks, purchases not of the cheapest, late reposts, wrong times left and tides at once.",
        stacks=(1, 20, 200),
        not_cheapest=0.05,
        repost_minutes=(30, 120),
        wrong_buckets=0.03,
        supply_swing=0.6,
        demand_swing=0.9,
    ),
    "bots": _kind("Half of the lots are a bot's, which undercuts anew within minutes.", tended=0.5),
}
"""By name; the ordinary one first, that which no estimate can see through last."""
