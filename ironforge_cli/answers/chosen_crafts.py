"""Crafts by profession, tier and what they earn, and one recipe: what every face lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.answers import crafts as answers
from ironforge_cli.answers.answer import MarketAnswer
from ironforge_cli.answers.figured_crafts import Wanted
from ironforge_cli.errors import NothingThereError
from ironforge_cli.market.naming import folded

if TYPE_CHECKING:
    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.answers.crafted import Crafted, FiguredCrafts
    from ironforge_cli.answers.crafts_in_full import CraftInFull
    from ironforge_cli.answers.recipes import Recipes
    from ironforge_cli.market.crafting import Crafter

_MOST_NAMED: Final = 8


@dataclass(frozen=True, slots=True)
class ListedCrafts:
    """Crafts that were asked for, with all that were looked at."""

    answer: MarketAnswer[Crafted]
    figured: FiguredCrafts
    notes: tuple[str, ...]


def listed(
    asking_for: Asking,
    *,
    crafter: Crafter,
    batch: int,
    profession: str | None,
    tier: str | None,
    min_profit: float | None,
    min_sold: float | None,
    is_all: bool,
) -> ListedCrafts:
    """What is worth crafting, the most profit a day first; with `is_all` also what is not known whole.

    `min_profit` is copper a batch. Raises `NothingThereError` where a profession or a tier has no recipe.
    """
    found = answers.crafts(asking_for, Wanted(crafter=crafter, batch=batch))
    figured = found.figured
    if profession is not None or tier is not None:
        chosen = _chosen(found.recipes, profession=profession, tier=tier)
        keys = zip(figured.field("recipe_id"), figured.field("faction"), strict=True)
        figured = figured.only([key in chosen for key in keys])
    kept = figured.earning(min_profit=min_profit, min_sold=min_sold)
    rows = (kept if is_all else kept.ranked()).rows
    return ListedCrafts(MarketAnswer(rows=rows, bases=found.bases), figured, found.notes)


def of_recipe(asking_for: Asking, recipe_id: int, *, crafter: Crafter, batch: int) -> MarketAnswer[CraftInFull]:
    """What one recipe costs and earns in full, a row an output. Raises `NothingThereError` where it is not stored."""
    wanted = Wanted(crafter=crafter, batch=batch, recipes=frozenset({recipe_id}))
    found = answers.crafts(asking_for, wanted)
    if not any(number == recipe_id for number, _ in found.recipes.rows):
        raise NothingThereError(f"There is no recipe {recipe_id} among what is stored.")
    # Whoever lists crafts shows none in full: a command starts sooner without that.
    from ironforge_cli.answers.crafts_in_full import in_full  # noqa: PLC0415 - see above

    return in_full(found)


def _chosen(recipes: Recipes, *, profession: str | None, tier: str | None) -> set[tuple[int, str]]:
    """The recipes of a profession and of tiers. Raises `NothingThereError` where there are none such."""
    rows = recipes.rows
    chosen = set(rows)
    if profession is not None:
        chosen = {key for key in chosen if folded(rows[key].profession or "") == folded(profession)}
        _require(chosen, "--profession", profession, {row.profession for row in rows.values()})
    if tier is not None:
        of_tier = {
            key
            for key in chosen
            if str(rows[key].skill_tier_id) == tier.strip() or folded(tier) in folded(rows[key].skill_tier or "")
        }
        _require(of_tier, "--tier", tier, {rows[key].skill_tier for key in chosen})
        chosen = of_tier
    return chosen


def _require(found: set[tuple[int, str]], option: str, given: str, known: set[str | None]) -> None:
    if found:
        return
    names = sorted(name for name in known if name)
    if not names:
        raise NothingThereError(f"{option}: no recipe is stored yet; `ironforge seed all` fetches them.")
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    raise NothingThereError(f"{option} {given!r} has no recipe: there are {', '.join(names[:_MOST_NAMED])}{more}.")
