"""`ironforge price`: what items are worth now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from ironforge_cli.answers import price as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.cli.frame.asking import FoundAnswer, question, words_of
from ironforge_cli.cli.show.asked import UNKNOWN, ShownAnswer, cell, head, money, number, rank
from ironforge_cli.cli.show.tables import by_region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from rich.console import Console

    from ironforge_cli.cli.show.tables import Cell

MOST_UNITS: Final = 10**12
Items = Annotated[
    list[str], typer.Argument(metavar="ITEM…", help="Numbers or names of items; - reads them from stdin, a line each.")
]
Quantity = Annotated[
    int | None,
    typer.Option("--quantity", metavar="N", min=1, max=MOST_UNITS, help="Also what the cheapest N units cost."),
]
_ROWS: Final = (
    *("min_price", "market_value", "cheapest_15_percent_price", "median_price", "mean_price", "max_price"),
    *("total_quantity", "num_auctions", "usual_price", "weighted_market_value", "change_24h", "change_7d"),
)


@question
def price(asking: Asking, *, item: Items, quantity: Quantity = None) -> FoundAnswer:
    """Show what items are worth now, in each region, and what a number of units costs.

    A name that several items bear, as ranks do, shows each of them.

    Example: ironforge price "Bismuth"
    Example: ironforge price 210930 --quantity 200
    Example: ironforge price - --format csv < names.txt
    """
    answer = answers.price(asking, words_of(item), quantity=quantity)
    row = answers.Price if quantity is None else answers.PriceOfUnits
    return FoundAnswer(
        answer, row, columns=(), show=_show, empty="There is no price: nothing is stored, or nothing was asked."
    )


def _show(console: Console, shown: ShownAnswer) -> None:
    """A block an item, a column a region."""
    by_item: dict[int, list[Mapping[str, Any]]] = {}
    for record in shown.records:
        by_item.setdefault(record["item_id"], []).append(record)
    for place, records in enumerate(by_item.values()):
        if place:
            console.print()
        first = records[0]
        title = Text(first["name"] or f"item {first['item_id']}", style="bold")
        level = "" if first["item_level"] is None else f", level {first['item_level']}"
        title.append(f"  {rank(first['rank'])}, id {first['item_id']}{level}", style="dim")
        console.print(title)
        by_region([record["region"].label for record in records], _facts(records), console)


def _facts(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Cell]]:
    facts = {head(key): [cell(key, record[key]) for record in records] for key in _ROWS}
    facts["sold/day (low to high)"] = [_sold(record) for record in records]
    facts["turnover/day"] = [cell("turnover_per_day", record["turnover_per_day"]) for record in records]
    if "units" in records[0]:
        facts[f"cost of {number(records[0]['quantity'])}"] = [_cost(record) for record in records]
        facts["each"] = [cell("mean_cost", record["mean_cost"]) for record in records]
        facts["cheapest after"] = [cell("floor_after", record["floor_after"]) for record in records]
    return facts


def _sold(record: Mapping[str, Any]) -> str:
    if record["sold_per_day"] is None:
        return UNKNOWN
    low, high = number(record["sold_per_day_low"]), number(record["sold_per_day_high"])
    return f"{number(record['sold_per_day'])} ({low} to {high})"


def _cost(record: Mapping[str, Any]) -> Cell:
    if record["units"] == 0:
        return Text("none for sale", style="yellow")
    if record["complete"] is False:
        return Text.assemble(money(record["cost"]), (f" for {number(record['units'])} (all)", "yellow"))
    return cell("cost", record["cost"])
