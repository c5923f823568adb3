"""The arithmetic of what a craft costs and earns, step by step, ending in the figures that `crafts` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.answers import crafts, naming_crafts
from ironforge_cli.answers.answer import MarketAnswer
from ironforge_cli.answers.explain import ExplainedFigure
from ironforge_cli.answers.figured_crafts import Wanted
from ironforge_cli.market.crafting import Crafter
from ironforge_cli.market.explained import ArithmeticStep
from ironforge_cli.market.worth import AFTER_THE_CUT
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.answers.crafted import Figured
    from ironforge_cli.answers.recipes import Recipes
    from ironforge_cli.market.books import Purchase
    from ironforge_cli.market.crafting_costs import Line

CRAFT_FIGURES: Final = ("quantity", "cost", "revenue", "profit", "profit_per_day")
"""What can be explained of a craft, by its keys."""


@dataclass(frozen=True, slots=True)
class ExplainedCraft(ExplainedFigure):
    """A craft's figure with its arithmetic; `item_id` is what it makes, None where that is not known."""

    recipe_id: int = 0
    faction: str = "Neutral"


def explain_craft(asking_for: Asking, word: str, *, figure: str | None = None) -> MarketAnswer[ExplainedFigure]:
    """Explain what one craft by a recipe, or by each recipe that makes an item, costs and earns: all, or one figure.

    Raises `UsageError` where the word names neither.
    """
    recipes, items = naming_crafts.meant(asking_for, word)
    found = crafts.crafts(asking_for, Wanted(crafter=Crafter(), recipes=recipes, items=items))
    times = {basis.region: basis.snapshot_time for basis in found.bases}
    rows: list[ExplainedFigure] = []
    for one in found.figured:
        at = times[one.row.region]
        if at is None:
            continue
        steps = _steps(one, found.recipes)
        rows += [
            ExplainedCraft(
                region=one.row.region,
                item_id=one.row.item_id,
                figure=name,
                snapshot_time=at,
                value=steps[name][-1].value,
                steps=tuple(steps[name]),
                recipe_id=one.row.recipe_id,
                faction=one.row.faction,
            )
            for name in (CRAFT_FIGURES if figure is None else (figure,))
        ]
    return MarketAnswer(rows=tuple(rows), bases=found.bases)


def _steps(one: Figured, recipes: Recipes) -> dict[str, list[ArithmeticStep]]:
    row = one.row
    return {
        "quantity": _quantity(one),
        "cost": _cost(one, recipes),
        "revenue": _revenue(one),
        "profit": [
            ArithmeticStep("Revenue, copper", row.revenue),
            ArithmeticStep("Cost, copper", row.cost),
            ArithmeticStep("Revenue less cost", row.profit),
        ],
        "profit_per_day": _per_day(one),
    }


def _quantity(one: Figured) -> list[ArithmeticStep]:
    if one.made is None:
        return [ArithmeticStep("Nobody says what it makes", None)]
    said = f"Units of one craft, as {one.made.source} says"
    return [
        ArithmeticStep(said, one.made.quantity),
        ArithmeticStep(f"Times {counted(one.row.batch, 'craft')}", one.row.quantity),
    ]


def _cost(one: Figured, recipes: Recipes) -> list[ArithmeticStep]:
    plan, row = one.plan(), one.row
    steps = [ArithmeticStep(_made_as(line, recipes), None) for line in _made_lines(plan.lines)]
    steps += [ArithmeticStep(_bought_as(purchase, recipes), purchase.cost) for purchase in plan.purchases]
    if plan.reasons:
        steps.append(ArithmeticStep("Together, of what is known", row.cost_floor))
        return [*steps, ArithmeticStep(f"Not known: {', '.join(plan.reasons)}", None)]
    return [*steps, ArithmeticStep("Together", row.cost)]


def _made_lines(lines: Iterable[Line]) -> Iterable[Line]:
    for line in lines:
        if line.maker is not None:
            yield line
            yield from _made_lines(line.parts)


def _made_as(line: Line, recipes: Recipes) -> str:
    maker = line.maker
    name = "" if maker is None else recipes.rows[maker.recipe_id, maker.faction].name or maker.recipe_id
    instead = f"which cost {line.bought.cost:,} to buy" if line.bought.is_whole else "of which too few are for sale"
    times = counted(line.crafts, "craft")
    return f"{line.units:,} x {_called(recipes, line.item_id)}, {instead}, made by {times} of {name}"


def _bought_as(purchase: Purchase, recipes: Recipes) -> str:
    what = f"{purchase.wanted:,} x {_called(recipes, purchase.item_id)}"
    if not purchase.units:
        return f"{what}: none is for sale"
    short = "" if purchase.is_whole else f", of which {purchase.units:,} are for sale"
    vendor = f", {purchase.from_vendor:,} of them at a vendor" if purchase.from_vendor else ""
    return f"{what}{short}, the cheapest up to {purchase.dearest:,} a unit{vendor}"


def _revenue(one: Figured) -> list[ArithmeticStep]:
    row = one.row
    steps = [
        ArithmeticStep("cheapest_15_percent_price of the newest snapshot, copper", one.price),
        ArithmeticStep("Usual price, copper", one.usual_price),
    ]
    if row.revenue_floor is None or one.price is None or one.usual_price is None:
        return [*steps, ArithmeticStep("Both are needed", row.revenue)]
    steps.append(ArithmeticStep("The smaller of both", min(one.price, one.usual_price)))
    if row.revenue is None:
        known = f"Times {counted(row.batch, 'unit')}, times {AFTER_THE_CUT}: at least"
        return [
            *steps,
            ArithmeticStep(known, row.revenue_floor),
            ArithmeticStep("Nobody says how many units a craft makes", None),
        ]
    steps.append(ArithmeticStep("Units", row.quantity))
    return [*steps, ArithmeticStep(f"Units times price, times {AFTER_THE_CUT} after the cut", row.revenue)]


def _per_day(one: Figured) -> list[ArithmeticStep]:
    row = one.row
    per_unit = row.profit / row.quantity if row.profit is not None and row.quantity else None
    sells = None if row.sold_per_day is None or row.quantity is None else min(row.quantity, row.sold_per_day)
    return [
        ArithmeticStep("Profit, copper", row.profit),
        ArithmeticStep("Profit of a unit", per_unit),
        ArithmeticStep("Units that sell a day, over 7 days", row.sold_per_day),
        ArithmeticStep("No more than a batch makes", sells),
        ArithmeticStep("Profit of a unit times these", row.profit_per_day),
    ]


def _called(recipes: Recipes, item: int) -> str:
    named = recipes.named.get(item)
    return f"{named.name} ({item})" if named is not None and named.name else f"item {item}"
