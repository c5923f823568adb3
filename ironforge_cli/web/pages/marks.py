"""Small pictures of ours, as SVG in the page: curves in tables, bars of a book, and the week as a map."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from ironforge_cli.web.pages.words import plain_money

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH: Final = 120
_HEIGHT: Final = 28
_MARGIN: Final = 3
_MOST_POINTS: Final = 56
_SHADES: Final = 7
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOURS: Final = 24


def thinned(values: Sequence[float | None], most: int) -> list[float | None]:
    """Means of neighbours where there are more values than there is room for; what is not known stays out of them.

    >>> thinned([1, 3, None, None, 5, None], 3)
    [2.0, None, 5.0]
    """
    if len(values) <= most:
        return list(values)
    edges = [place * len(values) // most for place in range(most + 1)]
    parts = [[one for one in values[begins:ends] if one is not None] for begins, ends in pairwise(edges)]
    return [sum(part) / len(part) if part else None for part in parts]


def sparkline(values: Sequence[float | None], *, label: str, width: int = _WIDTH, height: int = _HEIGHT) -> Markup:
    """A curve from the lowest to the highest value, with a gap where nothing is known and a dot at its end.

    Nothing is drawn of fewer than two values.
    """
    shown = thinned(values, _MOST_POINTS)
    there = [one for one in shown if one is not None]
    if len(there) < 2:  # noqa: PLR2004 - a curve has two ends
        return Markup("")
    low, high = min(there), max(there)
    across = (width - 2 * _MARGIN) / (len(shown) - 1)
    points = [
        None
        if one is None
        else (
            round(_MARGIN + place * across, 1),
            round(
                height / 2 if high == low else height - _MARGIN - (one - low) / (high - low) * (height - 2 * _MARGIN), 1
            ),
        )
        for place, one in enumerate(shown)
    ]
    path: list[str] = []
    is_down = False
    for point in points:
        if point is not None:
            path.append(f"{'L' if is_down else 'M'}{point[0]:g} {point[1]:g}")
            # A lone value between gaps is a line of no length, which its round cap makes a dot.
            if not is_down:
                path.append("h0")
        is_down = point is not None
    last = next(point for point in reversed(points) if point is not None)
    said = f"{label}: from {plain_money(low)} to {plain_money(high)}"
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{said}">'
        '<path d="{path}"/><circle cx="{x:g}" cy="{y:g}" r="2"/></svg>'
    ).format(w=width, h=height, said=said, path="".join(path), x=last[0], y=last[1])


def depth_bar(share: float) -> Markup:
    """How much of a book there is up to a price."""
    width = round(100 * min(1.0, max(0.0, share)), 1)
    return Markup(
        '<svg class="depth" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="all" width="100" height="8"/><rect class="part" width="{:g}" height="8"/></svg>'
    ).format(width)


def week_map(values: Sequence[float | None]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The 168 hours of a week as rows of days: for each hour its shade and its title.

    Shades are as many hours each, from the cheapest, 0, on, so that one odd hour doesn't make the others alike.

    >>> name, cells = week_map([10_000.0] * 24 + [None] * 120 + [20_000.0] * 24)[6]
    >>> name, cells[0]
    ('Sunday', ('3', 'Sunday 00:00: 2g'))
    >>> week_map([1.0] + [None] * 167)[0][1][1]
    ('none', 'Monday 01:00: not known')
    """
    there = sorted(one for one in values if one is not None)

    def cell(place: int, one: float | None) -> tuple[str, str]:
        moment = f"{_DAYS[place // _HOURS]} {place % _HOURS:02}:00"
        if one is None:
            return "none", f"{moment}: not known"
        shade = bisect_left(there, one) * _SHADES // len(there)
        return str(shade), f"{moment}: {plain_money(one)}"

    cells = [cell(place, one) for place, one in enumerate(values)]
    return [(name, cells[_HOURS * day : _HOURS * (day + 1)]) for day, name in enumerate(_DAYS)]
