"""`ironforge explain`: the arithmetic of each figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from ironforge_cli.answers import explain as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.explaining_crafts import CRAFT_FIGURES, ExplainedCraft, explain_craft
from ironforge_cli.cli.commands.book import At, Item
from ironforge_cli.cli.frame.asking import FoundAnswer, one_word, question
from ironforge_cli.cli.show.asked import UNKNOWN, ShownAnswer, money
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from ironforge_cli.cli.show.tables import Cell

Figure = Annotated[
    str | None,
    typer.Option("--figure", metavar="NAME", help="This one alone, by its name in the JSON, such as market_value."),
]
Recipe = Annotated[
    bool, typer.Option("--recipe", help="Explain what crafting costs and earns, by a recipe's name or number.")
]
_MONEY: Final = (frozenset(answers.PRICES) | frozenset(CRAFT_FIGURES)) - {
    "total_quantity",
    "num_auctions",
    "quantity",
}


@question
def explain(asking: Asking, *, item: Item, figure: Figure = None, at: At = None, recipe: Recipe = False) -> FoundAnswer:
    """Show the arithmetic of each figure of an item, step by step.

    Prices are made again from the auctions, copper and units, and sales from each auction that counts; the last line is
    the stored figure.

    With --recipe, or --figure quantity, cost, revenue, profit or profit_per_day, it is what a craft by a recipe earns,
    or by each recipe that makes an item.

    Example: ironforge explain 210930 --region eu
    Example: ironforge explain "Bismuth" --figure market_value --at yesterday
    Example: ironforge explain "Quiet Draught" --recipe
    """
    word = one_word(item)
    name = None if figure is None else figure.strip().lower().replace("-", "_").replace(" ", "_")
    if recipe or name in CRAFT_FIGURES:
        if at is not None:
            raise UsageError("--at: a craft is explained in the newest snapshot alone.")
        if name is not None and name not in CRAFT_FIGURES:
            raise UsageError(f"--figure: {name!r} is not one of a craft's: {', '.join(CRAFT_FIGURES)}.")
        found, row = explain_craft(asking, word, figure=name), ExplainedCraft
    else:
        found, row = answers.explain(asking, word, figure=name, at=at), answers.ExplainedFigure
    return FoundAnswer(
        found,
        row,
        ("region", "figure", "value"),
        show=_show,
        empty="Nothing is stored.",
    )


def _show(console: Console, shown: ShownAnswer) -> None:
    """A block a figure."""
    for place, record in enumerate(shown.records):
        if place:
            console.print()
        title = Text(f"{record['figure'].replace('_', ' ')}  ", style="bold")
        title.append(_said(record["figure"], record["value"]))
        by = f", recipe {record['recipe_id']}" if "recipe_id" in record else ""
        item = "no known item" if record["item_id"] is None else f"id {record['item_id']}"
        title.append(f"  {record['region'].label}, {item}{by}", style="dim")
        console.print(title, soft_wrap=True)
        *earlier, last = record["steps"]
        rows: list[tuple[str, Cell]] = [(step["text"], exact(step["value"])) for step in earlier]
        rows.append((last["text"], Text(exact(last["value"]), style="bold")))
        listed(console, [Column("", is_text=True), Column("", right=True)], rows, empty="", has_heads=False)


def _said(figure: str, value: Any) -> str:
    return money(value) if figure in _MONEY else exact(value)


def exact(value: float | None) -> str:
    """A number with all that is known of it.

    >>> exact(1234), exact(0.25), exact(4833519.374369324), exact(None) == UNKNOWN
    ('1,234', '0.25', '4,833,519.374369324', True)
    >>> exact(2**63 - 1)
    '9,223,372,036,854,775,807'
    """
    if value is None:
        return UNKNOWN
    # Large whole numbers, too, are told to the last digit.
    return f"{int(value) if value == int(value) else value:,}"
