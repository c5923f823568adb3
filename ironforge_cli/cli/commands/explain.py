"""`ironforge explain`: the arithmetic of each figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from ironforge_cli.answers import explain as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.cli.commands.book import At, Item
from ironforge_cli.cli.frame.asking import FoundAnswer, question
from ironforge_cli.cli.show.asked import UNKNOWN, ShownAnswer, money
from ironforge_cli.cli.show.tables import Column, listed

if TYPE_CHECKING:
    from rich.console import Console

    from ironforge_cli.cli.show.tables import Cell

Figure = Annotated[
    str | None,
    typer.Option("--figure", metavar="NAME", help="This one alone, by its name in the JSON, such as market_value."),
]
_MONEY: Final = frozenset(answers.PRICES) - {"total_quantity", "num_auctions"}


@question
def explain(asking: Asking, *, item: Item, figure: Figure = None, at: At = None) -> FoundAnswer:
    """Show the arithmetic of each figure of an item, step by step.

    Prices are made again from the auctions, copper and units, and sales from each auction that counts; the last line is
    the stored figure.

    Example: ironforge explain 210930 --region eu
    Example: ironforge explain "Bismuth" --figure market_value --at yesterday
    """
    name = None if figure is None else figure.strip().lower().replace("-", "_").replace(" ", "_")
    return FoundAnswer(
        answers.explain(asking, item, figure=name, at=at),
        answers.ExplainedFigure,
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
        title.append(f"  {record['region'].label}, id {record['item_id']}", style="dim")
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
    """
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value == int(value) else f"{value:,}"
