"""Rows of crafts, and how each came about: held as a list a field, since a market has ten thousand of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, overload

from ironforge_cli.answers.columns import Columns, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ironforge_cli.market.crafting import Craft, Made
    from ironforge_cli.market.crafting_costs import CraftingPlan, Workshop
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


class FiguredCrafts(Sequence[Figured]):
    """Rows of crafts, each with how it came about when it is looked at."""

    def __init__(self, rows: Columns[Crafted], beside: Columns[Beside]) -> None:
        self.rows = rows
        self._beside = beside

    @classmethod
    def joined(cls, parts: Sequence[FiguredCrafts]) -> FiguredCrafts:
        """The rows of all parts, one part after the other."""
        rows = Columns[Crafted].joined(Crafted, (part.rows for part in parts))
        return cls(rows, Columns[Beside].joined(Beside, (part._beside for part in parts)))

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Figured: ...
    @overload
    def __getitem__(self, place: slice) -> FiguredCrafts: ...
    def __getitem__(self, place: int | slice) -> Figured | FiguredCrafts:
        """A row with how it came about, or some of them."""
        if isinstance(place, slice):
            return FiguredCrafts(self.rows[place], self._beside[place])
        beside = self._beside[place]
        craft = beside.workshop.crafts[beside.craft]
        made = None if beside.made is None else craft.outputs[beside.made]
        return Figured(self.rows[place], craft, beside.workshop, made, beside.price, beside.usual_price)

    def field(self, name: str) -> list[Any]:
        """A field of every row."""
        return self.rows.columns[names_of(Crafted).index(name)]

    @property
    def is_ranked(self) -> list[bool]:
        """Of every row whether all of it is known."""
        # The same few reasons stand in thousands of rows.
        known = {reasons: not set(reasons) - {THIN_MARKET} for reasons in set(self.field("reasons"))}
        return [known[reasons] for reasons in self.field("reasons")]

    def only(self, chosen: Sequence[bool]) -> FiguredCrafts:
        """The rows that are chosen."""
        if all(chosen):
            return self
        rows, beside = ([list(compress(column, chosen)) for column in one.columns] for one in (self.rows, self._beside))
        return FiguredCrafts(Columns(Crafted, rows), Columns(Beside, beside))

    def ranked(self) -> FiguredCrafts:
        """The rows of which all is known."""
        return self.only(self.is_ranked)

    def unranked(self) -> FiguredCrafts:
        """The rows of which anything is unknown."""
        return self.only([not ranked for ranked in self.is_ranked])

    def earning(self, *, min_profit: float | None, min_sold: float | None) -> FiguredCrafts:
        """The rows that earn and sell so much; what is not known to do so is left out."""
        found = self
        for name, least in (("profit", min_profit), ("sold_per_day", min_sold)):
            if least is not None:
                found = found.only([value is not None and value >= least for value in found.field(name)])
        return found

    def counted_reasons(self) -> Mapping[str, int]:
        """How many rows each reason keeps out of the ranking, the most frequent first; items are not told apart."""
        found: dict[str, int] = {}
        for reasons in self.field("reasons"):
            for reason in {reason.partition(":")[0] for reason in reasons} - {THIN_MARKET}:
                found[reason] = found.get(reason, 0) + 1
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


@dataclass(frozen=True, slots=True)
class Beside:
    """Where a row came from."""

    workshop: Workshop
    craft: int
    """By its place in the workshop."""
    made: int | None
    """Which of what the craft makes."""
    price: float | None
    usual_price: float | None
