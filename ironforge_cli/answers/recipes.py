"""Recipes as crafts: what each makes and takes, by the best evidence that is stored."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeVar

from ironforge_cli.db.repositories import crafting, item_names
from ironforge_cli.market.crafting import Craft, Made, Option, Slot
from ironforge_cli.market.naming import folded
from ironforge_cli.market.outputs import is_modern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.db.repositories.crafting import OutputRow, ReagentRow, RecipeRow, SlotRow
    from ironforge_cli.db.repositories.item_names import NamedItem

_Row = TypeVar("_Row", "OutputRow", "SlotRow", "ReagentRow")
_SLOT_OF: Final = itemgetter(2)
_BEST_FIRST: Final = ("api", "file", "name")


@dataclass(frozen=True, slots=True)
class Recipes:
    """Everything that can be crafted, as far as it is known."""

    rows: Mapping[tuple[int, str], RecipeRow]
    crafts: tuple[Craft, ...]
    named: Mapping[int, NamedItem]
    vendors: Mapping[int, int]
    never_stacked: frozenset[int]


@dataclass(frozen=True, slots=True)
class StoredRecipes:
    """What the database says of recipes, row by row; rows of one recipe stand together, the best first."""

    recipes: Sequence[RecipeRow]
    outputs: Sequence[OutputRow]
    slots: Sequence[SlotRow]
    reagents: Sequence[ReagentRow]
    named: Mapping[int, NamedItem]
    vendors: Mapping[int, int]
    never_stacked: frozenset[int]


def stored_recipes(connection: Connection) -> StoredRecipes:
    """Read every recipe with all that is said of it."""
    return StoredRecipes(
        recipes=crafting.recipe_rows(connection),
        outputs=crafting.output_rows(connection),
        slots=crafting.slot_rows(connection),
        reagents=crafting.reagent_rows(connection),
        named=item_names.all_named(connection),
        vendors=crafting.vendor_prices(connection),
        never_stacked=frozenset(crafting.never_stacked(connection)),
    )


def all_recipes(connection: Connection) -> Recipes:
    """Every stored recipe, with the best that is known of it."""
    return assembled(stored_recipes(connection))


def assembled(stored: StoredRecipes) -> Recipes:
    """The recipes as crafts, with the best that is known of each."""
    rows = {(row.id, row.faction): row for row in stored.recipes}
    outputs, slots, reagents = _grouped(stored.outputs), _grouped(stored.slots), _grouped(stored.reagents)
    names = _FoldedNames(stored.named)
    crafts = tuple(
        _craft(row, outputs.get(key, ()), slots.get(key, ()), reagents.get(key, ()), names) for key, row in rows.items()
    )
    return Recipes(
        rows=rows, crafts=crafts, named=stored.named, vendors=stored.vendors, never_stacked=stored.never_stacked
    )


class _FoldedNames(dict[int, str | None]):
    """Names of items as names are compared, each folded when it is asked for first."""

    def __init__(self, named: Mapping[int, NamedItem]) -> None:
        super().__init__()
        self._named = named

    def __missing__(self, item: int) -> str | None:
        found = self._named.get(item)
        name = self[item] = folded(found.name) if found is not None and found.name else None
        return name


def _grouped(rows: Iterable[_Row]) -> dict[tuple[int, str], list[_Row]]:
    return {key: list(some) for key, some in groupby(rows, key=itemgetter(0, 1))}


def _craft(
    row: RecipeRow,
    outputs: Sequence[OutputRow],
    slots: Sequence[SlotRow],
    reagents: Sequence[ReagentRow],
    names: Mapping[int, str | None],
) -> Craft:
    required, is_known = _slots(row, slots, reagents, names)
    return Craft(row.id, row.faction, tuple(required), tuple(_made(outputs)), are_slots_known=is_known)


def _made(outputs: Sequence[OutputRow]) -> list[Made]:
    """What a recipe makes by the best who says so; of files the newest. A yield that it lacks is another's."""
    if not outputs:
        return []
    if len(outputs) == 1:
        one = outputs[0]
        return [Made(one.item_id, one.rank, one.source, one.quantity)]
    best = min(outputs, key=lambda one: _BEST_FIRST.index(one.source))
    chosen = [one for one in outputs if (one.source, one.detail) == (best.source, best.detail)]
    yields: dict[int, float] = {}
    ranks: dict[int, int] = {}
    for one in outputs:
        if one.quantity is not None:
            yields.setdefault(one.item_id, one.quantity)
        if one.rank is not None:
            ranks.setdefault(one.item_id, one.rank)
    return [
        Made(
            one.item_id,
            one.rank if one.rank is not None else ranks.get(one.item_id),
            one.source,
            one.quantity if one.quantity is not None else yields.get(one.item_id),
            is_rank_unknown=len(chosen) > 1 and one.rank is None and one.item_id not in ranks,
        )
        for one in chosen
    ]


def _slots(
    row: RecipeRow, slots: Sequence[SlotRow], reagents: Sequence[ReagentRow], names: Mapping[int, str | None]
) -> tuple[list[Slot], bool]:
    """What a recipe takes, and whether that is all.

    Before Dragonflight Blizzard names all of it; since then a file has to. What Blizzard says that a file lacks is
    taken as well.
    """
    is_new = is_modern(row.skill_tier_id) or (row.skill_tier_id is None and row.crafted_item_id is None)
    is_said = bool(reagents) and all(one.quantity for one in reagents if not one.optional)
    if slots and (is_new or not is_said):
        found = _of_file([one for one in slots if one.detail == slots[0].detail], names)
        there = {option.item_id for slot in found for option in slot.options}
        found += [_of_reagent(one) for one in reagents if not one.optional and one.item_id not in there]
        is_any = any(slot.required for slot in found)
        return found, is_any and all(slot.quantity for slot in found if slot.required)
    found = [_of_reagent(one) for one in reagents]
    is_known = not is_new and is_said and any(slot.required for slot in found)
    return found, is_known


def _of_file(rows: Sequence[SlotRow], names: Mapping[int, str | None]) -> list[Slot]:
    found: list[Slot] = []
    for _, group in groupby(rows, key=_SLOT_OF):
        options = list(group)
        _, _, _, item, _, rank, quantity, is_required = options[0]
        if len(options) == 1:
            # Of a slot of which nobody says whether it is required, nothing is known without it.
            found.append(Slot((Option(item, rank),), quantity, is_required is not False))
            continue
        found.append(
            Slot(
                options=tuple([Option(one[3], one[5]) for one in options]),
                quantity=quantity if len({one[6] for one in options}) == 1 else None,
                required=any(one[7] is not False for one in options),
                is_ranked=_is_ranked(options, names),
            )
        )
    return found


def _is_ranked(options: Sequence[SlotRow], names: Mapping[int, str | None]) -> bool:
    """Whether several options are ranks: some rank is known, or they share a name."""
    if any(one.rank is not None for one in options):
        return True
    known = [name for one in options if (name := names[one.item_id])]
    return len(set(known)) < len(known)


def _of_reagent(row: ReagentRow) -> Slot:
    return Slot((Option(row.item_id, None),), row.quantity or None, not row.optional)
