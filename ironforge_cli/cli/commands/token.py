"""`ironforge token`: what a token costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ironforge_cli import charts
from ironforge_cli.answers import token as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.cli.frame.asking import Beginning, FoundAnswer, beginning, question, span_of
from ironforge_cli.cli.show.asked import ShownAnswer, change, curve_line, money, show_rows
from ironforge_cli.cli.show.pictures import Dark, HtmlFile, PngFile, SvgFile, draw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from ironforge_cli.regions import Region

Since = Annotated[
    Any,
    typer.Option("--since", parser=beginning, metavar="SPAN|TIME", help="How far back, as 30d, or from a time on."),
]


@question
def token(
    asking: Asking,
    *,
    since: Since = "30d",
    png: PngFile = None,
    svg: SvgFile = None,
    html: HtmlFile = None,
    dark: Dark = False,
) -> FoundAnswer:
    """Show what a token costs, over time.

    Example: ironforge token
    Example: ironforge token --html tokens.html --dark
    Example: ironforge token --since 7d --region us --format csv
    """
    begins: Beginning = since
    over, start = span_of(begins, None)
    answer = answers.token(asking, over=over, since=start, until=None)
    warnings = draw(answer.rows, charts.token_chart, title="WoW token", files=(png, svg, html), dark=dark)
    return FoundAnswer(
        answer,
        answers.TokenPriceAt,
        ("region", "timestamp", "price"),
        keeps_last=True,
        show=_show,
        things="price",
        empty="The span holds no price of a token.",
        warnings=warnings,
    )


def _show(console: Console, shown: ShownAnswer) -> None:
    """The newest prices, and for each region where the price went."""
    show_rows(console, shown.records, shown.columns)
    by_region: dict[Region, list[Mapping[str, Any]]] = {}
    for record in shown.found:
        by_region.setdefault(record["region"], []).append(record)
    for region, records in by_region.items():
        first, last = records[0]["price"], records[-1]["price"]
        moved = change(last / first - 1)
        console.print(Text.assemble(f"{region.label}: {money(last)} a token, ", moved, " over the span."))
        console.print(
            curve_line(region.label, [one["price"] for one in records], console), no_wrap=True, overflow="ignore"
        )
