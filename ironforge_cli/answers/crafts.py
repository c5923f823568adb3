"""What is worth crafting: the cost, the revenue and the profit of each craft, with no fantasy in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.answers.answer import DAY, MarketAnswer, basis_of, start_of_day, without_collecting
from ironforge_cli.answers.crafted import FiguredCrafts
from ironforge_cli.answers.crafting_market import read_market
from ironforge_cli.answers.figured_crafts import figured_in
from ironforge_cli.answers.recipes import assembled, stored_recipes
from ironforge_cli.db.repositories import asked_spans, asking, crafting
from ironforge_cli.market.worth import FEWEST_DAYS, USUAL_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.answers.crafted import Crafted
    from ironforge_cli.answers.crafting_market import CraftingMarket
    from ironforge_cli.answers.figured_crafts import Wanted
    from ironforge_cli.answers.recipes import Recipes
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.auctions import Int64


@dataclass(frozen=True, slots=True)
class CraftsAnswer:
    """Rows with how they came about, what they rest on, and what there is to say of it."""

    figured: FiguredCrafts
    bases: tuple[Basis, ...]
    recipes: Recipes
    notes: tuple[str, ...]
    fitting: Mapping[tuple[int, str], Mapping[int, Sequence[int]]]
    """The items that fit into each slot by Blizzard's word, of some recipes that were asked for by name."""

    def answer(self, *, is_all: bool = True) -> MarketAnswer[Crafted]:
        """The rows, the best first; those of which anything is unknown below the others, or left out."""
        return MarketAnswer(rows=(self.figured if is_all else self.figured.ranked()).rows, bases=self.bases)


def crafts(asking_for: Asking, wanted: Wanted) -> CraftsAnswer:
    """What crafts cost and earn in each region: the most profit a day first."""
    figured: list[FiguredCrafts] = []
    notes: list[str] = []
    with without_collecting(), asking.reading(asking_for.database) as connection:
        bases = tuple(basis_of(connection, asking_for, region) for region in asking_for.regions)
        stored = stored_recipes(connection)
        if wanted.is_all:
            # Meanwhile the server reads the market: until all of it is there, nothing else asks it.
            with ThreadPoolExecutor(1, thread_name_prefix="market") as reader:
                made = np.unique(stored.outputs.item_id).astype(np.int64)
                reading = reader.submit(_markets, connection, bases, stored.vendors, taken=stored.taken, made=made)
                recipes = assembled(stored)
                markets = reading.result()
        else:
            recipes = assembled(stored)
            chosen = wanted.among(recipes.crafts)
            needed = recipes.crafts.chosen(np.flatnonzero(recipes.crafts.with_makers(chosen)))
            made = np.unique(recipes.crafts.chosen(np.flatnonzero(chosen)).made.item_id)
            markets = _markets(connection, bases, stored.vendors, taken=np.unique(needed.slots.item_id), made=made)
        for basis, market in zip(bases, markets, strict=True):
            if market is not None:
                figured.append(figured_in(basis, recipes, wanted, market))
                notes += _notes(connection, basis)
        every = FiguredCrafts.joined(figured)
        shown = [] if wanted.is_all else sorted(set(every.field("recipe_id")))
        fitting = crafting.fitting_items(connection, shown) if shown else {}
    return CraftsAnswer(every, bases, recipes, tuple(notes), fitting)


def _markets(
    connection: Transaction, bases: Iterable[Basis], vendors: Mapping[int, int], *, taken: Int64, made: Int64
) -> list[CraftingMarket | None]:
    """The market of each region, None of one that has no snapshot."""
    return [
        None
        if basis.snapshot_time is None
        else read_market(connection, basis.region, basis.snapshot_time, taken=taken, made=made, vendors=vendors)
        for basis in bases
    ]


def _notes(connection: Transaction, basis: Basis) -> list[str]:
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
