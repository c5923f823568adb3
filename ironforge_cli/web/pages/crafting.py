"""The pages of crafts: all that is worth crafting, and one in full."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.answers import crafts as answers
from ironforge_cli.answers.crafted import Crafted
from ironforge_cli.answers.figured_crafts import Wanted
from ironforge_cli.errors import NothingThereError, UsageError
from ironforge_cli.market.crafting import AFTER_THE_CUT, Crafter
from ironforge_cli.web.pages import tables
from ironforge_cli.web.pages.asked import Choice, chosen, whole
from ironforge_cli.web.pages.meanings import reason, reasons
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.answers.crafted import Figured
    from ironforge_cli.answers.recipes import Recipes
    from ironforge_cli.market.crafting_costs import Line
    from ironforge_cli.web.pages.frame import Frame

_MOST: Final = 100
_MOST_BATCH: Final = 10_000


def crafts(frame: Frame, asking_for: Asking) -> dict[str, Any]:
    """What is worth crafting, the most profit a day first. Raises `UsageError` for a profession that there is not."""
    batch = whole(frame.query, "batch", least=1, most=_MOST_BATCH) or 1
    is_all = chosen(frame.query, "all", "Rows", (("", "ranked"), ("1", "all"))).chosen == "1"
    of_region = replace(asking_for, regions=(frame.region,))
    found = answers.crafts(of_region, Wanted(crafter=Crafter(), batch=batch))
    professions = sorted({row.profession for row in found.recipes.rows.values() if row.profession})
    profession = frame.query.get("profession", "")
    if profession and profession not in professions:
        raise UsageError(
            f"profession={profession[:40]!r} is not one of {', '.join(professions) or 'none that is stored'}."
        )
    figured = found.figured
    if profession:
        figured = figured.only([one == profession for one in figured.field("profession")])
    kept = figured if is_all else figured.ranked()
    left_out = len(figured) - len(kept)
    counts = figured.unranked().counted_reasons()
    columns = tables.CRAFTS_WITH_REASONS if is_all else tables.CRAFTS
    return {
        "bases": found.bases,
        "notes": found.notes,
        "batch": batch,
        "is_all": is_all,
        "profession": Choice(
            "profession", "Profession", [("", "all"), *((one, one) for one in professions)], profession
        ),
        "has_recipes": bool(found.recipes.rows),
        "left_out": left_out,
        "reasons": [(reason(name), number) for name, number in counts.items()],
        "table": tables.table(
            frame,
            [record(one) for one in kept.rows[:_MOST]],
            columns,
            caption="What is worth crafting",
            empty="Nothing that is known whole.",
        ),
        "below": (f"The first {counted(_MOST, 'row')} alone: .json and .csv have more.",) if len(kept) > _MOST else (),
    }


def craft(frame: Frame, asking_for: Asking, recipe_id: int) -> dict[str, Any]:
    """One recipe in full. Raises `NothingThereError` where there is none of that number."""
    batch = whole(frame.query, "batch", least=1, most=_MOST_BATCH) or 1
    of_region = replace(asking_for, regions=(frame.region,))
    wanted = Wanted(crafter=Crafter(), batch=batch, recipes=frozenset({recipe_id}))
    found = answers.crafts(of_region, wanted)
    known = [row for row in found.recipes.rows.values() if row.id == recipe_id]
    if not known:
        raise NothingThereError(f"There is no recipe {recipe_id} among what is stored.")
    return {
        "recipe_id": recipe_id,
        "name": known[0].name or f"recipe {recipe_id}",
        "place": ", ".join(part for part in (known[0].profession, known[0].skill_tier) if part),
        "bases": found.bases,
        "notes": found.notes,
        "batch": batch,
        "after_the_cut": f"{AFTER_THE_CUT:.0%}",
        "made": [_shown(one, found.recipes) for one in found.figured],
    }


def record(row: Crafted) -> dict[str, Any]:
    """A row by its keys; the reasons in words."""
    found = {name: getattr(row, name) for name in Crafted.__slots__}
    return {**found, "reasons": "; ".join(reasons(row.reasons))}


def _shown(one: Figured, recipes: Recipes) -> dict[str, Any]:
    plan = one.plan()
    return {
        "row": one.row,
        "price": one.price,
        "usual_price": one.usual_price,
        "saved": plan.saved,
        "lines": [_line(line, recipes) for line in plan.lines],
        "purchases": [
            {
                "item_id": bought.item_id,
                "name": _name(recipes, bought.item_id),
                "units": bought.units,
                "wanted": bought.wanted,
                "cost": bought.cost if bought.is_whole else None,
                "dearest": bought.dearest,
                "from_vendor": bought.from_vendor,
            }
            for bought in plan.purchases
        ],
        "reasons": reasons(one.row.reasons),
    }


def _line(line: Line, recipes: Recipes) -> dict[str, Any]:
    maker = line.maker
    made = None if maker is None else recipes.rows[maker.recipe_id, maker.faction]
    return {
        "item_id": line.item_id,
        "name": _name(recipes, line.item_id),
        "units": line.units,
        "required": line.required,
        "cost": line.bought.cost if line.bought.is_whole else None,
        "for_sale": line.bought.units,
        "crafts": line.crafts,
        "maker": None if made is None else {"recipe_id": made.id, "name": made.name or f"recipe {made.id}"},
        "parts": _parts(line.parts, recipes),
    }


def _parts(lines: Sequence[Line], recipes: Recipes) -> list[dict[str, Any]]:
    return [_line(line, recipes) for line in lines]


def _name(recipes: Recipes, item_id: int) -> str:
    named = recipes.named.get(item_id)
    return named.name if named is not None and named.name else f"item {item_id}"
