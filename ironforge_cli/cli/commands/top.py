"""`ironforge top`: what sells most."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from ironforge_cli.answers import lists as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.lists import TopBy
from ironforge_cli.cli.frame.asking import FoundAnswer, positive, question

ByOption = Annotated[
    TopBy, typer.Option("--by", metavar="KIND", case_sensitive=False, help="What counts: gold, or units.")
]
Over = Annotated[
    timedelta, typer.Option("--over", parser=positive, metavar="SPAN", help="How long before the newest snapshot.")
]


@question
def top(asking: Asking, *, by: ByOption = TopBy.TURNOVER, over: Over = "24h") -> FoundAnswer:  # type: ignore[assignment] - Typer parses it
    """List what sells most, by gold or by units.

    Example: ironforge top
    Example: ironforge top --by units --over 7d --region us --limit 50
    """
    return FoundAnswer(
        answers.top(asking, by=by, over=over, limit=0),
        answers.Seller,
        ("region", "item_id", "name", "rank", "sold", "turnover", "market_value", "total_quantity"),
        empty="Nothing sold, as far as is known.",
    )
