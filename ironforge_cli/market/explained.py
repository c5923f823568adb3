"""Explanations: the arithmetic of a figure, a step a line, of which the last one's value is the figure.

They are made again from the auctions, one at a time and in whole numbers where the figure is: whoever reads them can
follow by hand what `prices` computes for all items at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Number: TypeAlias = int | float


@dataclass(frozen=True, slots=True)
class ArithmeticStep:
    """One line of an explanation."""

    text: str
    value: Number | None
    """None where the line is words alone, or what it tells is not known."""


Lot: TypeAlias = tuple[int, int]
"""Copper for one unit, and units."""
Explained: TypeAlias = dict[str, list[ArithmeticStep]]
"""The steps of each figure, by the name of its column."""


def explain_prices(lots: Sequence[Lot]) -> Explained:
    """Explain every price and count of an item in a snapshot from its auctions, in any order; copper and units.

    An item that is not for sale has no price: so its prices' last step says.

    >>> lots = [(1, 5), (2, 13), (3, 15), (1, 16), (2, 17), (1, 19), (6, 20), (2, 21), (1, 29), (2, 45), (1, 46)]
    >>> found = explain_prices([(price, units) for units, price in [*lots, (1, 47), (1, 100)]])
    >>> for step in found["market_value"][1:]:
    ...     print(step.text, "=", step.value)
    The first 15% of 24 units, always looked at = 3
    No price from there to 30% is 1.2 times the one before: units looked at = 7
    What they cost together = 92
    Their mean = 13.142857142857142
    Their standard deviation = 3.760699023168052
    Kept are the units from 13 to 16, within 1.5 deviations of the mean = 6
    What those cost together = 87
    87 / 6 = 14.5
    """
    book = sorted(lots)
    if not book:
        gone = [ArithmeticStep("It is not for sale in this snapshot: it has no price", None)]
        prices = ("min_price", "max_price", "mean_price", "median_price", "market_value", "cheapest_15_percent_price")
        return dict.fromkeys(prices, gone) | {
            name: [ArithmeticStep("It is not for sale in this snapshot", 0)]
            for name in ("total_quantity", "num_auctions")
        }
    units = sum(quantity for _, quantity in book)
    cost = sum(price * quantity for price, quantity in book)
    return {
        "min_price": [ArithmeticStep(f"The cheapest of {_auctions(book)}", book[0][0])],
        "max_price": [ArithmeticStep(f"The dearest of {_auctions(book)}", book[-1][0])],
        "mean_price": [
            ArithmeticStep("Units for sale", units),
            ArithmeticStep("What all of them cost together", cost),
            ArithmeticStep(f"{cost} / {units}", cost / units),
        ],
        "median_price": _median(book, units),
        "market_value": _market_value(book, units),
        "cheapest_15_percent_price": _cheapest(book, units),
        "total_quantity": [ArithmeticStep(f"The units of {_auctions(book)}", units)],
        "num_auctions": [ArithmeticStep("Auctions for sale", len(book))],
    }


def _auctions(book: Sequence[Lot]) -> str:
    return f"{len(book):,} auction{'s' if len(book) != 1 else ''}"


def _price_of(book: Sequence[Lot], number: int) -> int:
    """What the unit of a number costs, counted from 1 at the cheapest."""
    before = 0
    for price, quantity in book:
        before += quantity
        if number <= before:
            return price
    raise ValueError(f"the book has no unit {number}")


def _taken(book: Sequence[Lot], units: int) -> list[Lot]:
    """The cheapest units, as lots."""
    taken: list[Lot] = []
    for price, quantity in book:
        much = min(quantity, units)
        if much:
            taken.append((price, much))
        units -= much
    return taken


def _cost(lots: Sequence[Lot]) -> int:
    return sum(price * quantity for price, quantity in lots)


def _median(book: Sequence[Lot], units: int) -> list[ArithmeticStep]:
    lower, upper = (units + 1) // 2, units // 2 + 1
    steps = [
        ArithmeticStep("Units for sale", units),
        ArithmeticStep(f"Unit {lower} from the cheapest costs", _price_of(book, lower)),
    ]
    if upper == lower:
        return [*steps, ArithmeticStep("It is the one in the middle", float(_price_of(book, lower)))]
    middle = (_price_of(book, lower) + _price_of(book, upper)) / 2
    return [
        *steps,
        ArithmeticStep(f"Unit {upper} costs", _price_of(book, upper)),
        ArithmeticStep("The mean of these two", middle),
    ]


def _cheapest(book: Sequence[Lot], units: int) -> list[ArithmeticStep]:
    wanted = (3 * units + 19) // 20
    cost = _cost(_taken(book, wanted))
    return [
        ArithmeticStep("Units for sale", units),
        ArithmeticStep("The cheapest 15% of them, rounded up", wanted),
        ArithmeticStep("What those cost together", cost),
        ArithmeticStep(f"{cost} / {wanted}, rounded up to copper", -(-cost // wanted)),
    ]


def _market_value(book: Sequence[Lot], units: int) -> list[ArithmeticStep]:
    always, most = max(3 * units // 20, 1), max(3 * units // 10, 1)
    walked, jump = most, None
    before = 0
    for (price, quantity), (following, _) in pairwise(book):
        before += quantity
        # Prices are compared in whole numbers: 1.2 times is 6 to 5.
        if before < walked and 5 * following >= 6 * price and 20 * (before + 1) > 3 * units:
            walked, jump = before, (price, following)
            break
    looked_at = _taken(book, walked)
    total, lowest = _cost(looked_at), book[0][0]
    squares = sum(quantity * (price - lowest) ** 2 for price, quantity in looked_at)
    above = total - lowest * walked
    spread = walked * squares - above * above
    reach = math.isqrt(9 * walked * spread // (4 * max(walked - 1, 1)))
    kept = [lot for lot in looked_at if abs(walked * (lot[0] - lowest) - above) <= reach]
    count, cost = sum(quantity for _, quantity in kept), _cost(kept)
    deviation = math.sqrt(spread / (walked * (walked - 1))) if walked > 1 else 0.0
    end = (
        "No price from there to 30% is 1.2 times the one before: units looked at"
        if jump is None
        else f"Then the price goes from {jump[0]} to {jump[1]}, at least 1.2 times as much: units looked at"
    )
    return [
        ArithmeticStep("Units for sale", units),
        ArithmeticStep(f"The first 15% of {units} units, always looked at", always),
        ArithmeticStep(end, walked),
        ArithmeticStep("What they cost together", total),
        ArithmeticStep("Their mean", total / walked),
        ArithmeticStep("Their standard deviation", deviation),
        ArithmeticStep(
            f"Kept are the units from {kept[0][0]} to {kept[-1][0]}, within 1.5 deviations of the mean", count
        ),
        ArithmeticStep("What those cost together", cost),
        ArithmeticStep(f"{cost} / {count}", cost / count),
    ]
