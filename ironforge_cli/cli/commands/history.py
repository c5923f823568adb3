"""`ironforge history`: items over time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from ironforge_cli.answers import history as answers
from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.history import By
from ironforge_cli.cli.commands.price import Items
from ironforge_cli.cli.frame.asking import Beginning, FoundAnswer, beginning, question, span_of, words_of
from ironforge_cli.cli.frame.options import utc_time
from ironforge_cli.cli.show.asked import ShownAnswer, curve_line, show_rows

if TYPE_CHECKING:
    from rich.console import Console

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
) -> FoundAnswer:
    """Show items over time: by hour, day, weekday or hour of the week.

    An hour that is missing is a row without figures.

    Example: ironforge history 210930
    Example: ironforge history "Bismuth" --since 30d --by day --region eu
    Example: ironforge history 210930 --since 28d --by weekday --tz Europe/Paris
    """
    begins: Beginning = since
    over, start = span_of(begins, until)
    answer = answers.history(asking, words_of(item), since=start, until=until, by=by, zone=tz, over=over)
    is_of_time = by in {By.HOUR, By.DAY}

    def show(console: Console, shown: ShownAnswer) -> None:
        rows = [record if is_of_time else {**record, "bucket": _said(record["bucket"], by)} for record in shown.records]
        show_rows(console, rows, _KEYS)
        lines: dict[tuple[Any, int], list[float | None]] = {}
        for record in shown.found:
            lines.setdefault((record["region"], record["item_id"]), []).append(record["market_value"])
        for (region, number), values in lines.items():
            console.print(curve_line(f"{region.label} {number}", values, console), no_wrap=True, overflow="ignore")

    return FoundAnswer(
        answer, answers.Period, _KEYS, keeps_last=is_of_time, show=show, empty="The span holds no snapshot."
    )


def _said(bucket: int, by: By) -> str:
    """A weekday, or an hour of one.

    >>> _said(0, By.WEEKDAY), _said(26, By.HOUR_OF_WEEK)
    ('Mon', 'Tue 02:00')
    """
    if by is By.WEEKDAY:
        return _WEEKDAYS[bucket]
    return f"{_WEEKDAYS[bucket // 24]} {bucket % 24:02}:00"
