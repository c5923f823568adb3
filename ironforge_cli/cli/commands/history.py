"""`ironforge history`: items over time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from ironforge_cli import charts
from ironforge_cli.answers import history as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.history import By
from ironforge_cli.cli.commands.price import Items
from ironforge_cli.cli.frame.asking import Beginning, FoundAnswer, beginning, question, span_of, words_of
from ironforge_cli.cli.frame.options import utc_time
from ironforge_cli.cli.show.asked import ShownAnswer, curve_line, heat_map, show_rows
from ironforge_cli.cli.show.pictures import Dark, HtmlFile, PngFile, SvgFile, draw
from ironforge_cli.cli.show.plot import plot, plotter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

_MOST_NAMED: Final = 3
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_KEYS: Final = (
    *("region", "item_id", "bucket", "snapshots", "min_price", "market_value", "total_quantity"),
    *("sold_low", "sold", "sold_high"),
)


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(f"{text!r} is no time zone such as Europe/Paris or UTC") from None


Since = Annotated[
    Any,
    typer.Option("--since", parser=beginning, metavar="SPAN|TIME", help="How far back, as 7d, or from a time on."),
]
Until = Annotated[
    datetime | None,
    typer.Option("--until", parser=utc_time, metavar="TIME", help="Up to this time; usually the newest snapshot."),
]
ByOption = Annotated[By, typer.Option("--by", metavar="KIND", case_sensitive=False, help="What makes a row.")]
Plot = Annotated[bool, typer.Option("--plot", help="Also plot it in the terminal; needs the extra plot.")]
Zone = Annotated[ZoneInfo, typer.Option("--tz", parser=_zone, metavar="ZONE", help="Whose hours and days are meant.")]


@question
def history(
    asking: Asking,
    *,
    item: Items,
    since: Since = "7d",
    until: Until = None,
    by: ByOption = By.HOUR,
    tz: Zone = "UTC",  # type: ignore[assignment] - Typer parses it
    plot_: Plot = False,
    png: PngFile = None,
    svg: SvgFile = None,
    html: HtmlFile = None,
    dark: Dark = False,
) -> FoundAnswer:
    """Show items over time: by hour, day, weekday or hour of the week.

    An hour that is missing is a row without figures.

    Example: ironforge history 210930
    Example: ironforge history "Bismuth" --since 30d --by day --region eu
    Example: ironforge history 210930 --since 28d --by weekday --tz Europe/Paris
    Example: ironforge history 210930 --plot --png prices.png
    """
    plotext = plotter() if plot_ else None
    begins: Beginning = since
    over, start = span_of(begins, until)
    words = words_of(item)
    answer = answers.history(asking, words, since=start, until=until, by=by, zone=tz, over=over)
    warnings = draw(answer.rows, charts.history_chart, title=titled(answer.names), files=(png, svg, html), dark=dark)
    is_of_time = by in {By.HOUR, By.DAY}

    def show(console: Console, shown: ShownAnswer) -> None:
        rows = [record if is_of_time else {**record, "bucket": _said(record["bucket"], by)} for record in shown.records]
        show_rows(console, rows, _KEYS)
        series: dict[tuple[Any, int], list[Mapping[str, Any]]] = {}
        for record in shown.found:
            series.setdefault((record["region"], record["item_id"]), []).append(record)
        for (region, number), records in series.items():
            label = f"{region.label} {number}"
            if by is By.HOUR_OF_WEEK:
                for key, says in (("market_value", "market value"), ("sold", "sold an hour")):
                    values = [record[key] for record in records]
                    for line in heat_map(f"{label}, {says}", values, is_money=key == "market_value"):
                        console.print(line, soft_wrap=True)
            elif plotext is not None:
                _plot(console, plotext, label, records, by)
            else:
                values = [record["market_value"] for record in records]
                console.print(curve_line(label, values, console), no_wrap=True, overflow="ignore")

    return FoundAnswer(
        answer,
        answers.Period,
        _KEYS,
        keeps_last=is_of_time,
        show=show,
        empty="The span holds no snapshot.",
        warnings=warnings,
    )


def titled(names: Sequence[str]) -> str:
    """What a picture is called, by the items in it.

    >>> titled(["Bismuth"]), titled(["Bismuth", "item 2", "Ore", "Ink", "Silk"])
    ('Bismuth', 'Bismuth, item 2, Ore and 2 more')
    """
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _plot(console: Console, plotext: Any, label: str, records: Sequence[Mapping[str, Any]], by: By) -> None:
    """The price with the cheapest, and what was sold with its band."""
    labels = [_short(record["bucket"], by) for record in records]

    def column(key: str) -> list[float | None]:
        return [record[key] for record in records]

    prices = (("market value", column("market_value")), ("cheapest", column("min_price")))
    sold = (("sold", column("sold")), ("low", column("sold_low")), ("high", column("sold_high")))
    plot(console, plotext, title=f"{label}, price", labels=labels, curves=prices, in_gold=True)
    plot(console, plotext, title=f"{label}, sales", labels=labels, curves=sold, in_gold=False)


def _short(bucket: Any, by: By) -> str:
    if isinstance(bucket, datetime):
        return f"{bucket:%m-%d}" if by is By.DAY else f"{bucket:%m-%d %H:%M}"
    return _said(bucket, by)


def _said(bucket: int, by: By) -> str:
    """A weekday, or an hour of one.

    >>> _said(0, By.WEEKDAY), _said(26, By.HOUR_OF_WEEK)
    ('Mon', 'Tue 02:00')
    """
    if by is By.WEEKDAY:
        return _WEEKDAYS[bucket]
    return f"{_WEEKDAYS[bucket // 24]} {bucket % 24:02}:00"
