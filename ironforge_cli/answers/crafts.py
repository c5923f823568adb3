"""What is worth crafting: the cost, the revenue and the profit of each craft, with no fantasy in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.answers.answer import DAY, MarketAnswer, basis_of, start_of_day, without_collecting
from ironforge_cli.answers.crafting_market import read_market
from ironforge_cli.answers.recipes import Recipes, assembled, stored_recipes
from ironforge_cli.db.repositories import asked_spans, asking, slots
from ironforge_cli.market.crafting import FEWEST_AUCTIONS, FEWEST_SOLD, earned_per_day, expected_yield, revenue_of
from ironforge_cli.market.crafting_at_once import costs_of
from ironforge_cli.market.crafting_costs import Workshop
from ironforge_cli.market.worth import FEWEST_DAYS, USUAL_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.answers.crafting_market import CraftingMarket, Selling
    from ironforge_cli.answers.recipes import StoredRecipes
    from ironforge_cli.market.crafting import Craft, Crafter, Made
    from ironforge_cli.market.crafting_at_once import CraftCost
    from ironforge_cli.market.crafting_costs import CraftingPlan
    from ironforge_cli.regions import Region

THIN_MARKET: Final = "thin_market"
"""A mark alone: such a row stays in the ranking."""


@dataclass(frozen=True, slots=True)
class Crafted:
    """What a batch of a recipe makes of one item; money in copper for the whole batch, None where it is not known."""

    region: Region
    recipe_id: int
    faction: str
    name: str | None
    profession: str | None
    skill_tier: str | None
    item_id: int | None
    item_name: str | None
    rank: int | None
    output_source: str | None
    """`api`, `file` or `name`: who says what is made."""
    quantity: float | None
    """Units that the batch makes."""
    batch: int
    cost: float | None
    cost_floor: float | None
    revenue: float | None
    revenue_floor: float | None
    profit: float | None
    profit_per_day_low: float | None
    profit_per_day: float | None
    profit_per_day_high: float | None
    sold_per_day: float | None
    reasons: tuple[str, ...]

    @property
    def is_ranked(self) -> bool:
        """Whether all of it is known, so that it can be compared."""
        return not set(self.reasons) - {THIN_MARKET}


@dataclass(frozen=True, slots=True)
class Figured:
    """A row with how it came about."""

    row: Crafted
    craft: Craft
    workshop: Workshop
    made: Made | None
    price: float | None
    """The newest `cheapest_15_percent_price` of what is made, copper."""
    usual_price: float | None

    def plan(self) -> CraftingPlan:
        """What is bought and made, in full."""
        return self.workshop.plan(self.craft, self.row.batch)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which crafts are asked for, and how they are crafted."""

    crafter: Crafter
    batch: int = 1
    recipes: frozenset[int] | None = None
    """These alone; None is all."""
    items: frozenset[int] | None = None
    """Only rows that make one of these."""


@dataclass(frozen=True, slots=True)
class CraftsAnswer:
    """Rows with how they came about, what they rest on, and what there is to say of it."""

    figured: tuple[Figured, ...]
    bases: tuple[Basis, ...]
    recipes: Recipes
    notes: tuple[str, ...]
    fitting: Mapping[tuple[int, str], Mapping[int, Sequence[int]]]
    """The items that fit into each slot by Blizzard's word, of some recipes that were asked for by name."""

    def answer(self, *, is_all: bool = True) -> MarketAnswer[Crafted]:
        """The rows, the best first; those of which anything is unknown below the others, or left out."""
        return MarketAnswer(
            rows=tuple(one.row for one in self.figured if is_all or one.row.is_ranked), bases=self.bases
        )


def crafts(asking_for: Asking, wanted: Wanted) -> CraftsAnswer:
    """What crafts cost and earn in each region: the most profit a day first."""
    figured: list[Figured] = []
    notes: list[str] = []
    with without_collecting(), asking.reading(asking_for.database) as connection:
        bases = tuple(basis_of(connection, asking_for, region) for region in asking_for.regions)
        stored = stored_recipes(connection)
        # Meanwhile the server reads the market: until all of it is there, nothing else asks it.
        with ThreadPoolExecutor(1, thread_name_prefix="market") as reader:
            reading = reader.submit(_markets, connection, bases, stored, wanted)
            recipes = assembled(stored)
            markets = reading.result()
        for basis, market in zip(bases, markets, strict=True):
            if market is not None:
                figured += figured_in(basis, recipes, wanted, market)
                notes += _notes(connection, basis)
        is_all = wanted.recipes is None and wanted.items is None
        shown = [] if is_all else sorted({one.row.recipe_id for one in figured})
        fitting = slots.fitting_items(connection, shown) if shown else {}
    return CraftsAnswer(tuple(figured), bases, recipes, tuple(notes), fitting)


def _markets(
    connection: Connection, bases: Iterable[Basis], stored: StoredRecipes, wanted: Wanted
) -> list[CraftingMarket | None]:
    """The market of each region, None of one that has no snapshot."""
    taken = {row.item_id for rows in (stored.slots, stored.reagents) for row in rows}
    made = {
        row.item_id
        for row in stored.outputs
        if (wanted.recipes is None or row.recipe_id in wanted.recipes)
        and (wanted.items is None or row.item_id in wanted.items)
    }
    return [
        None
        if basis.snapshot_time is None
        else read_market(connection, basis.region, basis.snapshot_time, taken=taken, made=made, vendors=stored.vendors)
        for basis in bases
    ]


def figured_in(basis: Basis, recipes: Recipes, wanted: Wanted, market: CraftingMarket) -> list[Figured]:
    """What crafts cost and earn on one market, the best first; those of which anything is unknown below."""
    chosen = [
        one
        for one in recipes.crafts
        if (wanted.recipes is None or one.recipe_id in wanted.recipes)
        and (wanted.items is None or any(made.item_id in wanted.items for made in one.outputs))
    ]
    figured: list[Figured] = []
    for faction in dict.fromkeys(one.faction for one in chosen):
        # Nobody crafts for the other faction, and a recipe of everybody's is not made of one faction's alone.
        own = [one for one in recipes.crafts if one.faction in {"Neutral", faction}]
        workshop = Workshop(own, market.books, wanted.crafter)
        of_faction = [one for one in chosen if one.faction == faction]
        for craft, cost in zip(of_faction, costs_of(workshop, of_faction, wanted.batch), strict=True):
            outputs = [made for made in craft.outputs if wanted.items is None or made.item_id in wanted.items]
            figured += [
                _figured(basis, recipes, wanted, craft, cost, workshop=workshop, made=made, selling=market.selling)
                for made in outputs or [None]
            ]
    return sorted(figured, key=_place)


def _place(one: Figured) -> tuple[bool, bool, float, bool, float, int, str, int]:
    row = one.row
    return (
        not row.is_ranked,
        row.profit_per_day is None,
        -(row.profit_per_day or 0),
        row.profit is None,
        -(row.profit or 0),
        row.recipe_id,
        row.faction,
        row.item_id or 0,
    )


def _figured(
    basis: Basis,
    recipes: Recipes,
    wanted: Wanted,
    craft: Craft,
    cost: CraftCost,
    *,
    workshop: Workshop,
    made: Made | None,
    selling: Mapping[int, Selling],
) -> Figured:
    row = recipes.rows[craft.recipe_id, craft.faction]
    reasons: list[str] = []
    quantity = revenue = floor = price = usual = None
    sold: tuple[float | None, float | None, float | None] = (None, None, None)
    is_thin = False
    if made is None:
        reasons.append("no_output")
    else:
        found = selling[made.item_id]
        price, usual = found.price, found.usual_price
        sold = (found.low, found.estimated, found.high)
        is_thin = found.auctions < FEWEST_AUCTIONS or (sold[1] or 0) < FEWEST_SOLD
        is_sold = found.auctions > 0 or bool(sold[2])
        if made.item_id in recipes.never_stacked and not is_sold:
            reasons.append("no_commodity")
        if made.quantity:
            quantity = wanted.batch * expected_yield(made.quantity, wanted.crafter.multicraft)
        floor = revenue_of(
            quantity if quantity is not None else wanted.batch, cheapest_15_percent_price=price, usual_price=usual
        )
        revenue = floor if quantity is not None else None
        if floor is None:
            reasons.append("output_unpriced")
    reasons += [one for one in cost.reasons if one != "rank_unknown"]
    if made is not None and made.quantity is None:
        reasons.append("yield_unknown")
    if "rank_unknown" in cost.reasons or (made is not None and made.is_rank_unknown):
        reasons.append("rank_unknown")
    if basis.stale:
        reasons.append("stale")
    if is_thin:
        reasons.append(THIN_MARKET)
    profit = None if revenue is None or cost.cost is None else revenue - cost.cost
    low, estimate, high = earned_per_day(profit, quantity, sold)
    named = None if made is None else recipes.named.get(made.item_id)
    return Figured(
        row=Crafted(
            region=basis.region,
            recipe_id=craft.recipe_id,
            faction=craft.faction,
            name=row.name,
            profession=row.profession,
            skill_tier=row.skill_tier,
            item_id=None if made is None else made.item_id,
            item_name=None if named is None else named.name,
            rank=None if made is None else made.rank,
            output_source=None if made is None else made.source,
            quantity=quantity,
            batch=wanted.batch,
            cost=cost.cost,
            cost_floor=cost.cost_floor,
            revenue=revenue,
            revenue_floor=floor,
            profit=profit,
            profit_per_day_low=low,
            profit_per_day=estimate,
            profit_per_day_high=high,
            sold_per_day=sold[1],
            reasons=tuple(reasons),
        ),
        craft=craft,
        workshop=workshop,
        made=made,
        price=price,
        usual_price=usual,
    )


def _notes(connection: Connection, basis: Basis) -> list[str]:
    """What keeps a whole region from having profits."""
    region, at = basis.region, basis.snapshot_time
    assert at is not None  # noqa: S101 - the caller left out regions without a snapshot
    today = start_of_day(at)
    days = {one.time.date() for one in asked_spans.snapshots(connection, region, today - USUAL_DAYS * DAY, today)}
    notes: list[str] = []
    if len(days) < FEWEST_DAYS:
        notes.append(
            f"{region.label}: {len(days)} of the {FEWEST_DAYS} closed days that a usual price takes are there: "
            "until then no revenue is known."
        )
    if not asking.is_raw_held(connection, region, at):
        notes.append(f"{region.label}: the newest book is not held any more, so that no cost is known.")
    return notes


def without(rows: Iterable[Figured], *, min_profit: float | None, min_sold: float | None) -> tuple[Figured, ...]:
    """The rows that earn and sell so much; what is not known to do so is left out."""
    return tuple(
        one
        for one in rows
        if (min_profit is None or (one.row.profit is not None and one.row.profit >= min_profit))
        and (min_sold is None or (one.row.sold_per_day is not None and one.row.sold_per_day >= min_sold))
    )


def counted_reasons(rows: Iterable[Figured]) -> Mapping[str, int]:
    """How many rows each reason keeps out of the ranking, the most frequent first; items are not told apart."""
    found: dict[str, int] = {}
    for one in rows:
        for reason in {reason.partition(":")[0] for reason in one.row.reasons} - {THIN_MARKET}:
            found[reason] = found.get(reason, 0) + 1
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
