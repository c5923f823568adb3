"""`ironforge deals`: what stands below its usual price."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from ironforge_cli.answers import lists as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.cli.frame.asking import FoundAnswer, fraction, question

_MOST_DAYS: Final = 3_650
Discount = Annotated[
    float,
    typer.Option("--discount", parser=fraction, metavar="SHARE", help="So much below the usual price: 20%, or 0.2."),
]
Days = Annotated[
    float,
    typer.Option(
        "--days", metavar="DAYS", min=0, max=_MOST_DAYS, help="At most as many units as sell in so many days."
    ),
]


@question
def deals(asking: Asking, *, discount: Discount = "20%", days: Days = 2) -> FoundAnswer:  # type: ignore[assignment] - Typer parses it
    """List what stands below its usual price, the largest gain first.

    The gain is what is left when the units are sold at the usual price, less the auction house's 5%.

    Example: ironforge deals
    Example: ironforge deals --discount 30% --days 1 --region eu
    """
    return FoundAnswer(
        answers.deals(asking, discount=discount, days=days, limit=0),
        answers.Deal,
        ("region", "item_id", "name", "rank", "usual_price", "min_price", "units", "cost", "gain", "sold_per_day"),
        empty="Nothing stands so far below its usual price, which takes 3 closed days to be known.",
    )
