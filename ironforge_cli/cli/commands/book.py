"""`ironforge book`: an item's order book."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
import typer

from ironforge_cli import charts
from ironforge_cli.answers import book as answers
from ironforge_cli.answers.answer import Asking, MarketAnswer
from ironforge_cli.cli.commands.price import Quantity
from ironforge_cli.cli.frame.asking import FoundAnswer, one_word, question
from ironforge_cli.cli.frame.options import utc_time
from ironforge_cli.cli.show.asked import ShownAnswer, bar, cell, head, money, number
from ironforge_cli.cli.show.pictures import Dark, HtmlFile, PngFile, SvgFile, draw
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.market.worth import cost_of

if TYPE_CHECKING:
    from rich.console import Console

    from ironforge_cli.regions import Region

Item = Annotated[str, typer.Argument(metavar="ITEM", help="The number or the name of an item; - reads it from stdin.")]
At = Annotated[
    datetime | None,
    typer.Option(
        "--at", parser=utc_time, metavar="TIME", help="The newest snapshot up to this time; usually the newest."
    ),
]
_KEYS: Final = ("region", "price", "quantity", "auctions", "cumulative_quantity", "cumulative_cost")
_WIDE: Final = 30
_NARROW: Final = 10


@question
def book(
    asking: Asking,
    *,
    item: Item,
    at: At = None,
    quantity: Quantity = None,
    png: PngFile = None,
    svg: SvgFile = None,
    html: HtmlFile = None,
    dark: Dark = False,
) -> FoundAnswer:
    """Show an item's order book: what is for sale at which price, now or in a past hour.

    Any hour whose raw auctions are held can be asked for.

    Example: ironforge book 210930 --region eu
    Example: ironforge book 210930 --at yesterday --quantity 200
    """
    answer = answers.book(asking, one_word(item), at=at)
    below = () if quantity is None else tuple(_cost(answer, region, quantity) for region in asking.regions)
    (name,) = answer.names
    warnings = draw(answer.rows, charts.book_chart, title=f"{name}, order book", files=(png, svg, html), dark=dark)
    return FoundAnswer(
        answer, answers.Level, _KEYS, empty="None is for sale.", show=_show, below=below, warnings=warnings
    )


def _cost(answer: MarketAnswer[answers.Level], region: Region, quantity: int) -> str:
    levels = [row for row in answer.rows if row.region is region]
    prices = np.array([row.price for row in levels], np.int64)
    units, cost, after = cost_of(prices, np.array([row.quantity for row in levels], np.int64), quantity)
    if not units:
        return f"{region.label}: none is for sale."
    what = (
        f"{number(units)} cost"
        if units == quantity
        else f"Only {number(units)} of {number(quantity)} are there, and cost"
    )
    then = f"; the cheapest afterwards is {money(after)}" if after is not None else ""
    return f"{region.label}: {what} {money(cost)}, {money(cost / units)} each{then}."


def _show(console: Console, shown: ShownAnswer) -> None:
    """The levels with their share of all units, and a bar of it."""
    total: dict[Region, int] = {}
    for record in shown.found:
        total[record["region"]] = total.get(record["region"], 0) + record["quantity"]
    most = max(record["quantity"] / total[record["region"]] for record in shown.records)
    columns = [Column(head(key), right=key != "region") for key in _KEYS]
    columns += [Column("share", right=True), Column("", style="cyan")]
    width = _WIDE if console.width >= 100 else _NARROW  # noqa: PLR2004 - columns of a terminal that has room
    rows = [
        (
            *(cell(key, record[key]) for key in _KEYS),
            f"{(share := record['quantity'] / total[record['region']]):.1%}",
            bar(share / most, width),
        )
        for record in shown.records
    ]
    listed(console, columns, rows, empty=shown.empty)
