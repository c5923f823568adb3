"""`ironforge find`: which items a text can mean."""

from __future__ import annotations

from typing import Annotated

import typer

from ironforge_cli.answers import items as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.cli.frame.asking import FoundAnswer, question, words_of

TextArgument = Annotated[
    str, typer.Argument(metavar="TEXT", help="A part of a name, or a number; - reads texts from stdin, a line each.")
]


@question
def find(asking: Asking, *, text: TextArgument) -> FoundAnswer:
    """List which items a text can mean.

    What sold most in 7 days, over the regions asked for, is first. Case, accents and apostrophes don't matter.

    Example: ironforge find ore
    Example: ironforge find "tempered potion" --format json
    """
    answer = answers.find(asking, words_of([text]), limit=0)
    return FoundAnswer(
        answer,
        answers.Found,
        ("item_id", "name", "rank", "item_level", "item_class", "quality", "total_quantity"),
        empty="No item has such a name. `ironforge seed items` fetches names.",
    )
