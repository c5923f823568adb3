"""What crafts cost and earn on one market: over all of them at once, by arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from ironforge_cli.answers.columns import Columns
from ironforge_cli.answers.crafted import THIN_MARKET, Beside, Crafted, FiguredCrafts
from ironforge_cli.market.craft_table import inner, owners
from ironforge_cli.market.crafting import (
    FEWEST_AUCTIONS,
    FEWEST_SOLD,
    SOURCES,
    earned_per_day,
    expected_yield,
    revenue_of,
)
from ironforge_cli.market.crafting_at_once import costs_of
from ironforge_cli.market.crafting_costs import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ironforge_cli.answers.answer import Basis
    from ironforge_cli.answers.crafting_market import CraftingMarket, Selling
    from ironforge_cli.answers.recipes import Recipes
    from ironforge_cli.market.auctions import Bool, Float64, Int64
    from ironforge_cli.market.craft_table import CraftTable, MadeColumns
    from ironforge_cli.market.crafting import Crafter

_T = TypeVar("_T")
_RANK_UNKNOWN: Final = "rank_unknown"
_BEFORE_COST: Final = ("no_output", "no_commodity", "output_unpriced")
_AFTER_COST: Final = ("yield_unknown", _RANK_UNKNOWN, "stale", THIN_MARKET)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which crafts are asked for, and how they are crafted."""

    crafter: Crafter
    batch: int = 1
    recipes: frozenset[int] | None = None
    """These alone; None is all."""
    items: frozenset[int] | None = None
    """Only rows that make one of these."""

    @property
    def is_all(self) -> bool:
        """Whether every craft is asked for."""
        return self.recipes is None and self.items is None

    def among(self, crafts: CraftTable) -> Bool:
        """Which crafts are asked for."""
        chosen = np.ones(len(crafts), np.bool_)
        if self.recipes is not None:
            chosen &= np.isin(crafts.recipe_id, sorted(self.recipes))
        if self.items is not None:
            chosen &= crafts.making(sorted(self.items))
        return chosen


@dataclass(frozen=True, slots=True)
class _Costed:
    """What c crafts cost, one after the other."""

    place: Int64
    """Among all recipes."""
    workshop: list[Workshop]
    craft: list[int]
    """Its place in the workshop."""
    cost: list[float | None]
    floor: list[float | None]
    reasons: list[tuple[str, ...]]


def figured_in(basis: Basis, recipes: Recipes, wanted: Wanted, market: CraftingMarket) -> FiguredCrafts:
    """What crafts cost and earn on one market, the best first; those of which anything is unknown below."""
    costed = _costed(recipes.crafts, wanted, market)
    made = recipes.crafts.made
    # A row for each thing that a craft makes and somebody wants, and one for a craft of which nobody knows any.
    output, starts = inner(made.starts, costed.place)
    craft = owners(starts)
    if wanted.items is not None:
        is_wanted = np.isin(made.item_id[output], sorted(wanted.items))
        output, craft = output[is_wanted], craft[is_wanted]
    empty = np.setdiff1d(np.arange(len(costed.place)), craft)
    craft = np.concatenate((craft, empty))
    output = np.concatenate((output, np.full(len(empty), -1)))
    return _rows(basis, recipes, wanted, market.selling, costed, craft=craft, output=output)


def _costed(crafts: CraftTable, wanted: Wanted, market: CraftingMarket) -> _Costed:
    chosen = wanted.among(crafts)
    needed = np.ones(len(crafts), np.bool_) if wanted.is_all else crafts.with_makers(chosen)
    found = _Costed(np.flatnonzero(chosen), [], [], [], [], [])
    places: list[Int64] = []
    for faction in dict.fromkeys(crafts.faction[chosen].tolist()):
        # Nobody crafts for the other faction, and a recipe of everybody's is not made of one faction's alone.
        own = np.flatnonzero(needed & np.isin(crafts.faction, ["Neutral", faction]))
        workshop = Workshop(crafts if len(own) == len(crafts) else crafts.chosen(own), market.books, wanted.crafter)
        of_faction = np.flatnonzero((chosen & (crafts.faction == faction))[own])
        costs = costs_of(workshop, of_faction, wanted.batch)
        places.append(own[of_faction])
        found.workshop.extend([workshop] * len(of_faction))
        found.craft.extend(of_faction.tolist())
        found.cost.extend(costs.cost)
        found.floor.extend(costs.cost_floor)
        found.reasons.extend(costs.reasons)
    place = np.concatenate(places) if places else np.zeros(0, np.int64)
    return _Costed(place, found.workshop, found.craft, found.cost, found.floor, found.reasons)


@dataclass(frozen=True, slots=True)
class _Sold:
    """What is known of selling what each of n rows makes; NaN where nothing is, or nobody knows what it makes."""

    price: Float64
    usual_price: Float64
    low: Float64
    estimated: Float64
    high: Float64
    is_sold: Bool
    is_thin: Bool


def _sold(selling: Selling, item_id: Int64, has_output: Bool) -> _Sold:
    place = np.searchsorted(selling.item_id, item_id[has_output])

    def spread(values: Float64) -> Float64:
        found = np.full(len(item_id), np.nan)
        found[has_output] = values[place]
        return found

    estimated, high = spread(selling.estimated), spread(selling.high)
    auctions = spread(selling.auctions.astype(np.float64))
    return _Sold(
        price=spread(selling.price),
        usual_price=spread(selling.usual_price),
        low=spread(selling.low),
        estimated=estimated,
        high=high,
        is_sold=(auctions > 0) | (high > 0),
        is_thin=has_output & ((auctions < FEWEST_AUCTIONS) | ~(estimated >= FEWEST_SOLD)),
    )


def _rows(
    basis: Basis,
    recipes: Recipes,
    wanted: Wanted,
    selling: Selling,
    costed: _Costed,
    *,
    craft: Int64,
    output: Int64,
) -> FiguredCrafts:
    """A row for each craft and what it makes, the best first."""
    crafts, made, has_output = recipes.crafts, recipes.crafts.made, output >= 0
    item_id = _of(made.item_id, output, 0)
    sold = _sold(selling, item_id, has_output)
    units = _of(made.quantity, output, np.nan)
    quantity = _batch_of(units, wanted)
    is_yielding = ~np.isnan(quantity)
    floor = revenue_of(
        np.where(is_yielding, quantity, wanted.batch),
        cheapest_15_percent_price=sold.price,
        usual_price=sold.usual_price,
    )
    revenue = np.where(is_yielding, floor, np.nan)
    cost = np.array([np.nan if one is None else one for one in costed.cost], np.float64)[craft]
    profit = revenue - cost
    low, estimate, high = earned_per_day(profit, quantity, (sold.low, sold.estimated, sold.high))
    cost_reasons = _picked(costed.reasons, craft)
    is_rankless = np.array([_RANK_UNKNOWN in one for one in cost_reasons], np.bool_)
    before = (
        ~has_output,
        has_output & ~sold.is_sold & np.isin(item_id, list(recipes.never_stacked)),
        has_output & np.isnan(floor),
    )
    after = (
        has_output & np.isnan(units),
        is_rankless | _of(made.is_rank_unknown, output, value=False),
        np.full(len(output), basis.stale),
        sold.is_thin,
    )
    reasons = _told(before, cost_reasons, after)
    is_ranked = ~np.logical_or.reduce([*before, *after[:-1], np.array([bool(one) for one in cost_reasons], np.bool_)])
    place = costed.place[craft]
    order = np.lexsort(
        (
            item_id,
            crafts.faction[place],
            crafts.recipe_id[place],
            -np.nan_to_num(profit),
            np.isnan(profit),
            -np.nan_to_num(estimate),
            np.isnan(estimate),
            ~is_ranked,
        )
    )
    craft, output, item_id = craft[order], output[order], item_id[order]
    ids = [item or None for item in item_id.tolist()]
    named = _picked(list(recipes.rows.values()), costed.place[craft])
    items = [None if item is None else recipes.named.get(item) for item in ids]
    source = _of(made.source, output, -1).tolist()
    columns: list[list[Any]] = [
        [basis.region] * len(order),
        [row.id for row in named],
        [row.faction for row in named],
        [row.name for row in named],
        [row.profession for row in named],
        [row.skill_tier for row in named],
        ids,
        [None if item is None else item.name for item in items],
        [rank or None for rank in _of(made.rank, output, 0).tolist()],
        [None if one < 0 else SOURCES[one] for one in source],
        _known(quantity[order]),
        [wanted.batch] * len(order),
        _picked(costed.cost, craft),
        _picked(costed.floor, craft),
        *(_known(one[order]) for one in (revenue, floor, profit, low, estimate, high, sold.estimated)),
        _picked(reasons, order),
    ]
    beside: list[list[Any]] = [
        _picked(costed.workshop, craft),
        _picked(costed.craft, craft),
        _places_in_craft(made, output, costed.place[craft]),
        _known(sold.price[order]),
        _known(sold.usual_price[order]),
    ]
    return FiguredCrafts(Columns(Crafted, columns), Columns(Beside, beside))


def _picked(values: Sequence[_T], places: Int64) -> list[_T]:
    return list(map(values.__getitem__, places.tolist()))


def _of(values: np.ndarray, output: Int64, value: float) -> np.ndarray:
    """What the table says of each row's output, and `value` of a row that has none."""
    found = np.full(len(output), value, values.dtype)
    found[output >= 0] = values[output[output >= 0]]
    return found


def _batch_of(units: Float64, wanted: Wanted) -> Float64:
    """Units that a batch makes, of units that a craft makes."""
    kinds, kind = np.unique(units, return_inverse=True)
    of_kind = [wanted.batch * expected_yield(one, wanted.crafter.multicraft) for one in kinds.tolist()]
    return np.array(of_kind, np.float64)[kind]


def _told(
    before: Sequence[Bool], cost_reasons: Iterable[tuple[str, ...]], after: Sequence[Bool]
) -> list[tuple[str, ...]]:
    """The reasons of each row: what is not known of what it makes, of what it takes, and the rest."""
    first, last = _names(before, _BEFORE_COST), _names(after, _AFTER_COST)
    return [
        (*one, *(reason for reason in of_cost if reason != _RANK_UNKNOWN), *other) if of_cost or one else other
        for one, of_cost, other in zip(first, cost_reasons, last, strict=True)
    ]


def _names(flags: Sequence[Bool], names: Sequence[str]) -> list[tuple[str, ...]]:
    """For each row the names whose flag it bears."""
    code = sum((flag.astype(np.int64) << bit for bit, flag in enumerate(flags)), np.zeros(len(flags[0]), np.int64))
    known = [tuple(name for bit, name in enumerate(names) if one >> bit & 1) for one in range(1 << len(names))]
    return [known[one] for one in code.tolist()]


def _places_in_craft(made: MadeColumns, output: Int64, place: Int64) -> list[int | None]:
    """Which of what its craft makes each row is about; None where it makes nothing that is known."""
    return [
        None if one < 0 else one - start
        for one, start in zip(output.tolist(), made.starts[place].tolist(), strict=True)
    ]


def _known(values: Float64) -> list[Any]:
    """Numbers, None where there is none."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - only NaN differs from itself
