"""`ironforge crafts`: what is worth crafting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ironforge_cli.answers import chosen_crafts
from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.crafted import Crafted
from ironforge_cli.cli.frame.asking import FoundAnswer, money, question
from ironforge_cli.market.crafting import Crafter
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from ironforge_cli.answers.crafted import FiguredCrafts

_MOST_CRAFTS: Final = 1_000_000
_HIGHEST_RATING: Final = 100_000

Batch = Annotated[
    int, typer.Option("--batch", metavar="N", min=1, max=_MOST_CRAFTS, help="So many crafts, all bought for at once.")
]
Rank = Annotated[
    int | None,
    typer.Option("--rank", metavar="RANK", min=1, max=5, help="Reagents of this rank; without it the cheapest."),
]
Multicraft = Annotated[
    int, typer.Option("--multicraft", metavar="RATING", min=0, max=_HIGHEST_RATING, help="The crafter's rating.")
]
Resourcefulness = Annotated[
    int, typer.Option("--resourcefulness", metavar="RATING", min=0, max=_HIGHEST_RATING, help="The crafter's rating.")
]
Optional = Annotated[
    bool, typer.Option("--optional", help="Put in optional and finishing reagents too, the cheapest that fit.")
]
Profession = Annotated[str | None, typer.Option("--profession", metavar="NAME", help="One profession alone.")]
Tier = Annotated[
    str | None, typer.Option("--tier", metavar="NAME", help="Skill tiers whose name holds this, or one by its number.")
]
MinProfit = Annotated[
    Any, typer.Option("--min-profit", parser=money, metavar="GOLD", help="Batches that earn at least this.")
]
MinSold = Annotated[
    float | None,
    typer.Option("--min-sold", metavar="UNITS", min=0, max=10**12, help="Items of which so many sell a day."),
]
All = Annotated[bool, typer.Option("--all", help="Also crafts of which anything is unknown, below the others.")]

COLUMNS: Final = (
    *("region", "name", "item_id", "rank", "quantity", "cost", "revenue", "profit"),
    *("profit_per_day_low", "profit_per_day", "profit_per_day_high", "sold_per_day", "reasons"),
)
GOES: Final = ("rank", "quantity", "revenue", "profit_per_day_low", "profit_per_day_high")
"""What a narrow terminal does without: with cost and profit it is known how much a craft brings."""


@question
def crafts(
    asking: Asking,
    *,
    profession: Profession = None,
    tier: Tier = None,
    batch: Batch = 1,
    min_profit: MinProfit = None,
    min_sold: MinSold = None,
    rank: Rank = None,
    multicraft: Multicraft = 0,
    resourcefulness: Resourcefulness = 0,
    optional: Optional = False,
    all_: All = False,
) -> FoundAnswer:
    """List what is worth crafting: cost, revenue and profit of each craft, the most profit a day first.

    A craft of which a price, a slot, a yield or the output is unknown is not listed without --all.

    Example: ironforge crafts --profession Alchemy --region eu
    Example: ironforge crafts --batch 20 --min-profit 500 --min-sold 10
    Example: ironforge crafts --all --columns name,profit,reasons
    """
    crafter = Crafter(multicraft=multicraft, resourcefulness=resourcefulness, rank=rank, fills_optional=optional)
    found = chosen_crafts.listed(
        asking,
        crafter=crafter,
        batch=batch,
        profession=profession,
        tier=tier,
        min_profit=min_profit,
        min_sold=min_sold,
        is_all=all_,
    )
    return FoundAnswer(
        found.answer,
        Crafted,
        COLUMNS,
        empty="Nothing that is known whole earns that.",
        # Of what is known whole the one reason is a mark, which says no more than the units sold a day.
        goes=GOES if all_ else (*GOES, "reasons"),
        below=(*found.notes, *(() if all_ else _left_out(found.figured))),
    )


def _left_out(figured: FiguredCrafts) -> list[str]:
    rows = figured.unranked()
    if not rows:
        return []
    why = ", ".join(f"{reason} {number:,}" for reason, number in rows.counted_reasons().items())
    return [f"{counted(len(rows), 'row')} left out (--all shows them), by reason: {why}."]
