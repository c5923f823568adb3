"""`ironforge spread`: the same items in two regions."""

from __future__ import annotations

from ironforge_cli import charts
from ironforge_cli.answers import spread as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.cli.commands.movers import MinTurnover
from ironforge_cli.cli.frame.asking import FoundAnswer, question
from ironforge_cli.cli.show.pictures import Dark, HtmlFile, PngFile, SvgFile, draw
from ironforge_cli.errors import UsageError


@question
def spread(
    asking: Asking,
    *,
    min_turnover: MinTurnover = "0",  # type: ignore[assignment] - Typer parses it
    png: PngFile = None,
    svg: SvgFile = None,
    html: HtmlFile = None,
    dark: Dark = False,
) -> FoundAnswer:
    """Compare items of two regions, in gold and in tokens.

    Gold can't leave its region; what a price is in tokens can be compared. The largest difference is first.

    Example: ironforge spread
    Example: ironforge spread --region eu --region us --min-turnover 10000
    """
    if len(asking.regions) < 2:  # noqa: PLR2004 - two are compared
        raise UsageError("Two regions are compared: name both, as --region eu,us.")
    answer = answers.spread(asking, min_turnover=min_turnover, limit=0)
    warnings = draw(
        answer.rows[: charts.MOST_BARS],
        charts.spread_chart,
        title="Spread in tokens",
        files=(png, svg, html),
        dark=dark,
    )
    return FoundAnswer(
        answer,
        answers.Spread,
        ("item_id", "name", "rank", "region_a", "price_a", "tokens_a", "region_b", "price_b", "tokens_b", "ratio"),
        empty="No item has a price, and its region a token's price, on both sides.",
        warnings=warnings,
    )
