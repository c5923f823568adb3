"""Answers as pictures: each function makes a Vega-Lite specification of an answer's rows; nothing here draws.

Prices are gold in pictures, times UTC. What is not known is a gap in a line, never a 0.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.answers.book import Level
    from ironforge_cli.answers.history import Period
    from ironforge_cli.answers.spread import Spread
    from ironforge_cli.answers.token import TokenPriceAt

Specification: TypeAlias = dict[str, Any]
"""A Vega-Lite specification, as JSON knows it."""

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"
_GOLD: Final = 10_000
MOST_BARS: Final = 20
_WIDTH: Final = 720
_A_DAY: Final = timedelta(hours=36)
_FEW_DAYS: Final = timedelta(days=14)
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS_A_DAY: Final = 24
_DAYS_A_WEEK: Final = 7
# Told apart by who sees no red or no green, too, on white and on black (Okabe and Ito).
_COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
_LIGHT: Final = {"background": "#ffffff", "text": "#24292f", "grid": "#d8dee4"}
_DARK: Final = {"background": "#0d1117", "text": "#e6edf3", "grid": "#30363d"}


def history_chart(periods: Sequence[Period], *, title: str, dark: bool = False) -> Specification:
    """Prices over time, and below them what was sold, with the band from low to high; one colour an item and region.

    Weekdays are bars, and hours of the week a heat map.
    """
    first = next((one.bucket for one in periods), None)
    if isinstance(first, int):
        if max(int(one.bucket) for one in periods if isinstance(one.bucket, int)) < _DAYS_A_WEEK:
            return _weekdays(periods, title=title, dark=dark)
        return _hours_of_week(periods, title=title, dark=dark)
    values = [
        {
            "time": _time(one.bucket),
            "series": _series(one),
            "value": _gold(one.market_value),
            "cheapest": _gold(one.min_price),
            "low": one.sold_low,
            "sold": one.sold,
            "high": one.sold_high,
        }
        for one in periods
        if isinstance(one.bucket, datetime)
    ]
    prices = {
        "height": 240,
        "width": _WIDTH,
        "encoding": {"x": _over_time(None, values), "color": _colour()},
        "layer": [
            {"name": "prices", **_line("value", "gold; dotted: the cheapest", "market value")},
            {
                "mark": {"type": "line", "strokeDash": [2, 3], "strokeWidth": 1},
                "encoding": {"y": _number("cheapest", "gold; dotted: the cheapest")},
            },
        ],
    }
    sold = {
        "height": 130,
        "width": _WIDTH,
        "encoding": {"x": _over_time("UTC", values), "color": _colour()},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.25, "line": False},
                "encoding": {"y": {**_number("low", "sold, low to high"), "stack": None}, "y2": {"field": "high"}},
            },
            {"name": "sales", **_line("sold", "sold, low to high", "sold")},
        ],
    }
    body = {"vconcat": [prices, sold], "params": [_zoom("prices", "sales")]}
    return _whole(title, body, values, dark=dark, says=f"{title}: price and units sold over time")


def token_chart(prices: Sequence[TokenPriceAt], *, title: str, dark: bool = False) -> Specification:
    """The price of a token over time, one colour a region."""
    values = [{"time": _time(one.timestamp), "series": one.region.label, "price": one.price / _GOLD} for one in prices]
    # A price holds until the next one.
    mark = {"type": "line", "interpolate": "step-after"}
    encoding = {"x": _over_time("UTC", values), "y": _number("price", "gold for a token"), "color": _colour()}
    body = {"width": _WIDTH, "height": 300, "mark": mark, "encoding": encoding, "params": [_zoom()]}
    return _whole(title, body, values, dark=dark)


def book_chart(levels: Sequence[Level], *, title: str, dark: bool = False) -> Specification:
    """How many units there are up to each price, one colour a region."""
    values = [
        {"series": one.region.label, "price": one.price / _GOLD, "units": one.cumulative_quantity} for one in levels
    ]
    # Each book goes on to the right edge, so that one of a single price is seen, too.
    edge = 1.03 * max(one.price for one in levels) / _GOLD
    values += [{**last, "price": edge} for last in {one["series"]: one for one in values}.values()]
    mark = {"type": "area", "interpolate": "step-after", "opacity": 0.35, "line": True}
    encoding = {
        "x": _number("price", "gold for one", from_zero=False),
        "y": {**_number("units", "units up to this price", from_zero=True), "stack": None},
        "color": _colour(),
    }
    body = {"width": _WIDTH, "height": 300, "mark": mark, "encoding": encoding, "params": [_zoom()]}
    return _whole(title, body, values, dark=dark)


def spread_chart(spreads: Sequence[Spread], *, title: str, dark: bool = False) -> Specification:
    """The largest ratios of what items cost in tokens, each a bar from 1, to the right where the first is dearer."""
    shown = spreads[:MOST_BARS]
    values = [
        {
            "item": f"{one.name} {one.item_id}" if one.name else f"item {one.item_id}",
            "ratio": one.ratio,
            "one": 1,
            "dearer": (one.region_a if one.ratio >= 1 else one.region_b).label,
        }
        for one in shown
    ]
    encoding = {
        "y": {"field": "item", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 240}},
        "x": {
            "field": "ratio",
            "type": "quantitative",
            "scale": {"type": "log"},
            "title": f"price in tokens: {shown[0].region_a.label} / {shown[0].region_b.label}" if shown else None,
        },
        "x2": {"field": "one"},
        "color": {**_colour(), "field": "dearer", "title": "dearer in"},
    }
    body = {"width": _WIDTH - 200, "height": {"step": 22}, "mark": {"type": "bar"}, "encoding": encoding}
    return _whole(title, body, values, dark=dark)


def _weekdays(periods: Sequence[Period], *, title: str, dark: bool) -> Specification:
    values = [
        {"day": _WEEKDAYS[int(one.bucket)], "series": _series(one), "value": _gold(one.market_value), "sold": one.sold}
        for one in periods
        if isinstance(one.bucket, int)
    ]
    x = {"field": "day", "type": "ordinal", "sort": list(_WEEKDAYS), "title": None, "axis": {"labelAngle": 0}}

    def bars(field: str, says: str) -> Specification:
        encoding = {"x": x, "y": _number(field, says, from_zero=True), "xOffset": {"field": "series"}}
        return {
            "width": _WIDTH,
            "height": 180,
            "mark": {"type": "bar"},
            "encoding": {**encoding, "color": _colour()},
        }

    body = {"vconcat": [bars("value", "market value, gold"), bars("sold", "sold an hour")]}
    return _whole(title, body, values, dark=dark)


def _hours_of_week(periods: Sequence[Period], *, title: str, dark: bool) -> Specification:
    values = [
        {
            "day": _WEEKDAYS[int(one.bucket) // _HOURS_A_DAY],
            "hour": int(one.bucket) % _HOURS_A_DAY,
            "series": _series(one),
            "value": _gold(one.market_value),
        }
        for one in periods
        if isinstance(one.bucket, int)
    ]
    encoding = {
        "x": {"field": "hour", "type": "ordinal", "title": "hour", "axis": {"labelAngle": 0}},
        "y": {"field": "day", "type": "ordinal", "sort": list(_WEEKDAYS), "title": None},
        "color": {
            "field": "value",
            "type": "quantitative",
            "title": "gold",
            "scale": {"scheme": "viridis", "zero": False},
        },
    }
    grid = {"width": _WIDTH - 80, "height": 190, "mark": {"type": "rect", "invalid": "filter"}, "encoding": encoding}
    body = {
        "facet": {"row": {"field": "series", "title": None}},
        "spec": grid,
        "resolve": {"scale": {"color": "independent"}},
    }
    return _whole(title, body, values, dark=dark)


def _whole(
    title: str, body: Specification, values: list[dict[str, Any]], *, dark: bool, says: str | None = None
) -> Specification:
    """A whole picture; `says` is what somebody hears of it who doesn't see it, where the title doesn't say that."""
    look = _DARK if dark else _LIGHT
    text, grid = look["text"], look["grid"]
    return {
        "$schema": SCHEMA,
        "description": says or title,
        "background": look["background"],
        "padding": 16,
        "title": {"text": title, "anchor": "start", "fontSize": 16},
        "data": {"values": values},
        **body,
        "config": {
            "title": {"color": text},
            "axis": {
                "labelColor": text,
                "titleColor": text,
                "gridColor": grid,
                "domainColor": grid,
                "tickColor": grid,
                "titleFontWeight": "normal",
            },
            "legend": {"labelColor": text, "titleColor": text, "orient": "top", "labelLimit": 300},
            "header": {"labelColor": text, "titleColor": text},
            "view": {"stroke": None},
            "line": {"strokeWidth": 2},
        },
    }


def _line(field: str, says: str, name: str) -> Specification:
    tooltips = [{"field": "time", "type": "temporal"}, {"field": "series"}, {"field": field, "title": name}]
    return {
        # A lone hour between two gaps has no line, only its point.
        "mark": {"type": "line", "point": {"size": 8}, "strokeJoin": "round"},
        "encoding": {"y": _number(field, says), "tooltip": tooltips},
    }


def _over_time(title: str | None, values: Sequence[dict[str, Any]]) -> Specification:
    times = [datetime.fromisoformat(one["time"]) for one in values]
    span = max(times) - min(times)
    days = "%H:%M" if span < _A_DAY else "%m-%d %H:%M" if span < _FEW_DAYS else "%Y-%m-%d"
    axis = {"format": days, "labelOverlap": True, "tickCount": 8}
    return {"field": "time", "type": "temporal", "scale": {"type": "utc"}, "title": title, "axis": axis}


def _zoom(*views: str) -> Specification:
    """Where a picture is shown by a program that can: dragging moves along its axis, Shift and the wheel zoom.

    `views` are those of several that move together; a picture that is a single view names none.
    """
    select = {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.shiftKey]"}
    zoom = {"name": "zoom", "select": select, "bind": "scales"}
    return zoom | {"views": list(views)} if views else zoom


def _number(field: str, title: str, *, from_zero: bool = False) -> Specification:
    scale = {"zero": from_zero}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale}


def _colour() -> Specification:
    return {"field": "series", "type": "nominal", "title": None, "scale": {"range": list(_COLOURS)}}


def _series(period: Period) -> str:
    return f"{period.region.label} {period.item_id}"


def _time(moment: datetime) -> str:
    return moment.isoformat()


def _gold(copper: float | None) -> float | None:
    return None if copper is None else copper / _GOLD
