"""`ironforge movers`: whose prices changed most."""

from __future__ import annotations

from typing import Annotated

import typer

from ironforge_cli.answers import lists as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.lists import Direction
from ironforge_cli.cli.commands.top import Over
from ironforge_cli.cli.frame.asking import FoundAnswer, money, question
from ironforge_cli.errors import UsageError

MinTurnover = Annotated[
    float,
    typer.Option("--min-turnover", parser=money, metavar="GOLD", help="At least so much gold a day: 1000, or 12g 50s."),
]
Up = Annotated[bool, typer.Option("--up", help="Those alone that cost more now.")]
Down = Annotated[bool, typer.Option("--down", help="Those alone that cost less now.")]


@question
def movers(
    asking: Asking,
    *,
    over: Over = "24h",  # type: ignore[assignment] - Typer parses it
    min_turnover: MinTurnover = "1000",  # type: ignore[assignment] - Typer parses it
    up: Up = False,
    down: Down = False,
) -> FoundAnswer:
    """List whose prices changed most.

    The price now and the one then are medians over 3 hours, of items with 5 auctions or more on both sides.

    Example: ironforge movers
    Example: ironforge movers --over 7d --min-turnover 5000 --down
    """
    if up and down:
        raise UsageError("--up and --down leave nothing out together: give one of them, or neither.")
    direction = Direction.UP if up else Direction.DOWN if down else Direction.BOTH
    return FoundAnswer(
        answers.movers(asking, over=over, min_turnover=min_turnover, direction=direction, limit=0),
        answers.Mover,
        ("region", "item_id", "name", "rank", "price_then", "price_now", "change", "turnover_per_day"),
        empty="Nothing moved that is traded so much.",
    )
