"""`ironforge craft`: one recipe, or what makes an item, in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ironforge_cli.answers import crafts as answers
from ironforge_cli.answers import naming_crafts
from ironforge_cli.answers.answer import Asking, MarketAnswer
from ironforge_cli.answers.crafts_in_full import CraftInFull, in_full, open_slots
from ironforge_cli.answers.figured_crafts import Wanted
from ironforge_cli.cli.commands import crafts as listing
from ironforge_cli.cli.frame.asking import FoundAnswer, question
from ironforge_cli.cli.show.asked import ShownAnswer, money, number, rank
from ironforge_cli.market.crafting import Crafter, saved_share
from ironforge_cli.market.worth import AFTER_THE_CUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from ironforge_cli.answers.crafted import Figured
    from ironforge_cli.answers.recipes import Recipes
    from ironforge_cli.market.crafting_costs import Line
    from ironforge_cli.regions import Region

Subject = Annotated[
    str, typer.Argument(metavar="RECIPE|ITEM", help="The number or name of a recipe, or of an item that is made.")
]
Buy = Annotated[bool, typer.Option("--buy", help="Show the shopping list instead: each item that is bought, once.")]


_MOST_OPTIONS = 6


@dataclass(frozen=True, slots=True)
class Shopping:
    """Units of an item that a batch buys; copper."""

    region: Region
    recipe_id: int
    faction: str
    item_id: int
    item_name: str | None
    rank: int | None
    units: int
    """Units that are wanted."""
    units_there: int
    cost: int | None
    """None where not all of them are there."""
    dearest: int | None
    """Price of the dearest unit."""
    from_vendor: int


@question
def craft(
    asking: Asking,
    *,
    subject: Subject,
    batch: listing.Batch = 1,
    rank: listing.Rank = None,
    multicraft: listing.Multicraft = 0,
    resourcefulness: listing.Resourcefulness = 0,
    optional: listing.Optional = False,
    buy: Buy = False,
) -> FoundAnswer:
    """Show one craft in full: where each copper comes from, what is made and bought, and what is unknown.

    A number is a recipe's, else that of an item that is made; so is a name. Formats for programs have the tree of what
    is made and bought.

    Example: ironforge craft "Quiet Draught" --region eu
    Example: ironforge craft 46762 --batch 20 --buy
    """
    crafter = Crafter(multicraft=multicraft, resourcefulness=resourcefulness, rank=rank, fills_optional=optional)
    recipes, items = naming_crafts.meant(asking, subject)
    found = answers.crafts(asking, Wanted(crafter=crafter, batch=batch, recipes=recipes, items=items))
    if buy:
        return _shopping(found)

    def show(console: Console, _: ShownAnswer) -> None:
        for one in found.figured:
            for line in _told(one, found.recipes, crafter):
                console.print(Text(line), soft_wrap=True)
            for line in _open(one, found):
                console.print(Text(line), soft_wrap=True)

    return FoundAnswer(in_full(found), CraftInFull, listing.COLUMNS, show=show, below=found.notes)


def _shopping(found: answers.CraftsAnswer) -> FoundAnswer:
    rows: list[Shopping] = []
    seen: set[tuple[Region, int, str]] = set()
    for one in found.figured:
        key = one.row.region, one.row.recipe_id, one.row.faction
        if key in seen:
            continue
        seen.add(key)
        for purchase in one.plan().purchases:
            named = found.recipes.named.get(purchase.item_id)
            rows.append(
                Shopping(
                    *key,
                    purchase.item_id,
                    None if named is None else named.name,
                    None if named is None else named.rank,
                    purchase.wanted,
                    purchase.units,
                    purchase.cost if purchase.is_whole else None,
                    purchase.dearest,
                    purchase.from_vendor,
                )
            )
    columns = ("region", "recipe_id", "item_id", "item_name", "rank", "units", "cost", "dearest", "from_vendor")
    return FoundAnswer(
        MarketAnswer(rows=tuple(rows), bases=found.bases),
        Shopping,
        columns,
        empty="Nothing is known of what it takes.",
        below=found.notes,
    )


def _told(one: Figured, recipes: Recipes, crafter: Crafter) -> Iterator[str]:
    """A craft in words: from what it makes, by what it takes, to what is left."""
    row, plan = one.row, one.plan()
    whose = "" if row.faction == "Neutral" else f", {row.faction}"
    place = ", ".join(part for part in (row.profession, row.skill_tier) if part)
    yield f"{row.region.label}: {row.name or 'recipe'} ({row.recipe_id}{whose}) of {place or 'no profession'}"
    if one.made is None:
        yield "  Makes: no known output. Most gear since Dragonflight is no commodity; else import a file that says it."
    else:
        units = "an unknown number" if row.quantity is None else number(row.quantity)
        yield f"  Makes: {units} of {_called(recipes, one.made.item_id)} {rank(row.rank)}, as {row.output_source} says"
        if "no_commodity" in row.reasons:
            yield "  It is no commodity: no region's market trades it."
        yield (
            f"  Price: the smaller of {money(one.price)} (cheapest 15% now) and {money(one.usual_price)} (usual), "
            f"less the auction house's {1 - AFTER_THE_CUT:.0%}"
        )
    yield f"  Takes, for {number(row.batch)}:"
    for line in plan.lines:
        yield from _line(line, recipes, depth=2)
    if not plan.lines:
        yield "    nothing that is known"
    if plan.saved:
        share = saved_share(crafter.resourcefulness)
        yield f"  Resourcefulness saves {share:.1%} of it on the average: {money(plan.saved)}"
    yield f"  Cost: {_floored(row.cost, row.cost_floor)}"
    yield f"  Revenue: {_floored(row.revenue, row.revenue_floor)}"
    yield f"  Profit: {money(row.profit)}"
    yield (
        f"  Profit a day: {money(row.profit_per_day_low)} to {money(row.profit_per_day_high)}, "
        f"best {money(row.profit_per_day)}; {number(row.sold_per_day)} sell"
    )
    if row.reasons:
        yield f"  Not known or to be minded: {', '.join(row.reasons)}"


def _open(one: Figured, found: answers.CraftsAnswer) -> Iterator[str]:
    """What Blizzard says of slots, where nobody says all that the recipe takes."""
    for slot in open_slots(one, found):
        names = [_called(found.recipes, item) for item in slot.item_ids[:_MOST_OPTIONS]]
        left = len(slot.item_ids) - len(names)
        more = f" and {left} more" if left else ""
        yield f"  Slot {slot.slot} fits {', '.join(names)}{more}: how many, and whether it needs any, nobody says"


def _line(line: Line, recipes: Recipes, *, depth: int) -> Iterator[str]:
    before = "  " * depth
    what = f"{before}{number(line.units)} {_called(recipes, line.item_id)}"
    optional = "" if line.required else " (optional)"
    bought = line.bought
    if line.maker is not None:
        made = recipes.rows[line.maker.recipe_id, line.maker.faction]
        instead = f"bought it were {money(bought.cost)}" if bought.is_whole else "the book has too few"
        yield f"{what}{optional}: made by {number(line.crafts)} x {made.name or made.id} ({made.id}); {instead}"
        for part in line.parts:
            yield from _line(part, recipes, depth=depth + 1)
        return
    if not bought.units:
        yield f"{what}{optional}: none is for sale"
        return
    vendor = f", {number(bought.from_vendor)} of them at a vendor" if bought.from_vendor else ""
    least = "" if bought.is_whole else f"only {number(bought.units)} are for sale, "
    yield f"{what}{optional}: {least}{money(bought.cost)}, the dearest {money(bought.dearest)}{vendor}"


def _called(recipes: Recipes, item: int) -> str:
    named = recipes.named.get(item)
    return f"{named.name} ({item})" if named is not None and named.name else f"item {item}"


def _floored(value: float | None, floor: float | None) -> str:
    if value is not None:
        return money(value)
    return "not known" if floor is None else f"not known, at least {money(floor)}"
