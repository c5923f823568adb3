"""What the figures mean, in the words of a page; docs/estimator.md and docs/questions.md define them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PRICES: Final = (
    (
        "market_value",
        "Market value",
        "money",
        "What one is worth: the mean of the cheapest 15 to 30% of the units, without those far off the others.",
    ),
    (
        "min_price",
        "Cheapest",
        "money",
        "What the cheapest unit costs now. A single lot can be anything: look at the book.",
    ),
    (
        "cheapest_15_percent_price",
        "Cheapest 15%",
        "money",
        "The most that a unit costs to somebody who buys the cheapest 15% of all units.",
    ),
    ("median_price", "Median", "money", "What the unit in the middle costs, of all units by price."),
    ("mean_price", "Mean", "money", "What all units cost together, by their number; dear lots pull it up."),
    ("max_price", "Dearest", "money", "What the dearest unit costs."),
    (
        "usual_price",
        "Usual price",
        "money",
        "The median of the last 14 closed days, each of which is the mean of its hours. It takes 3 days at least.",
    ),
    (
        "weighted_market_value",
        "Weighted value",
        "money",
        "The mean of today and the 14 days before, the newer days weighing more: what TradeSkillMaster calls DBMarket.",
    ),
    (
        "change_24h",
        "Change in 24 h",
        "change",
        "The market value against that of the snapshot nearest to 24 hours before.",
    ),
    ("change_7d", "Change in 7 d", "change", "The market value against that of the snapshot nearest to 7 days before."),
    ("total_quantity", "For sale", "number", "Units in the newest snapshot."),
    ("num_auctions", "Auctions", "number", "Lots in the newest snapshot."),
    (
        "sold_per_day",
        "Sold a day",
        "sold",
        "Over 7 days, estimated from what is gone between two snapshots, with a low and a high bound.",
    ),
    (
        "turnover_per_day",
        "Turnover a day",
        "money",
        "Units sold, each at the market value of its hour, over 7 days.",
    ),
)
"""Figures of an item now: key, name, kind and meaning."""

REASONS: Final = {
    "no_output": "nobody says what the recipe makes",
    "no_commodity": "what it makes is worn or doesn't stack: no region's market trades it",
    "output_unpriced": "what it makes is sold out, or has no usual price yet",
    "slots_unknown": "no file says all that it takes",
    "reagent_unpriced": "none of a reagent is for sale",
    "short_book": "fewer of a reagent are for sale than it takes",
    "yield_unknown": "nobody says how many units it makes: the revenue is at least that of one",
    "rank_unknown": "of several ranks nobody says which",
    "stale": "the newest snapshot is old",
    "thin_market": "fewer than 5 auctions, or fewer than 1 sold a day",
}
"""Why a craft is not ranked, or what has to be minded."""


def reason(kind: str) -> str:
    """A kind of reason in words.

    >>> reason("stale"), reason("other")
    ('the newest snapshot is old', 'other')
    """
    return REASONS.get(kind, kind)


def reasons(names: Iterable[str]) -> list[str]:
    """Reasons in words, each kind once, with the items that it is about.

    >>> reasons(["short_book:12", "stale", "short_book:7"])
    ['fewer of a reagent are for sale than it takes (items 12, 7)', 'the newest snapshot is old']
    """
    found: dict[str, list[str]] = {}
    for name in names:
        kind, _, item = name.partition(":")
        found.setdefault(kind, []).extend([item] if item else [])
    return [
        f"{reason(kind)} (item{'s' if len(items) > 1 else ''} {', '.join(items)})" if items else reason(kind)
        for kind, items in found.items()
    ]


def figure_name(key: str) -> str:
    """What a figure is called.

    >>> figure_name("market_value"), figure_name("seen_sales")
    ('Market value', 'Seen sales')
    """
    return next((name for known, name, _, _ in PRICES if known == key), key.replace("_", " ").capitalize())
