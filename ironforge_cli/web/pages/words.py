"""Values as a page shows them: money in coins, numbers, changes with their sign, times relative with the absolute."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from markupsafe import Markup, escape

from ironforge_cli.wording import how_long

UNKNOWN: Final = "\N{EN DASH}"
_COPPER_IN_GOLD: Final = 10_000
_COPPER_IN_SILVER: Final = 100
_GOLD_ALONE: Final = 100
"""From so much gold on, silver and copper say nothing."""
_FEW: Final = 100
_MINUTE: Final = timedelta(minutes=1)
_UNKNOWN_CELL: Final = Markup('<span class="unknown" title="not known">\N{EN DASH}</span>')
_COINS: Final = {"g": "gold", "s": "silver", "c": "copper"}
_RELATIVE: Final = re.compile(rb'(<time datetime="([^"]+)" title="[^"]+" data-relative>)[^<]*</time>')
_NARROW_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
_MINUS: Final = "\N{MINUS SIGN}"


def coins(copper: float | None) -> list[tuple[str, str]]:
    """An amount as numbers of coins, gold alone where there is much of it; nothing where it is not known.

    >>> coins(285_123_0000), coins(12_3456), coins(99), coins(0)
    ([('285,123', 'g')], [('12', 'g'), ('34', 's'), ('56', 'c')], [('99', 'c')], [('0', 'c')])
    """
    if copper is None:
        return []
    whole = round(abs(copper))
    sign = _MINUS if copper < 0 and whole else ""
    if whole >= _GOLD_ALONE * _COPPER_IN_GOLD:
        return [(f"{sign}{whole / _COPPER_IN_GOLD:,.0f}", "g")]
    parts = (
        (whole // _COPPER_IN_GOLD, "g"),
        (whole // _COPPER_IN_SILVER % _COPPER_IN_SILVER, "s"),
        (whole % _COPPER_IN_SILVER, "c"),
    )
    found = [(str(number), coin) for number, coin in parts if number] or [("0", "c")]
    return [(f"{sign}{found[0][0]}", found[0][1]), *found[1:]]


def money(copper: float | None) -> Markup:
    """An amount of copper in coins; a dash where it is not known.

    >>> print(money(50_00))
    <span class="money">50<b class="silver">s</b></span>
    """
    found = coins(copper)
    if not found:
        return _UNKNOWN_CELL
    inner = escape(_NARROW_SPACE).join(
        Markup('{}<b class="{}">{}</b>').format(number, _COINS[coin], coin) for number, coin in found
    )
    return Markup('<span class="money">{}</span>').format(inner)


def plain_money(copper: float | None) -> str:
    """The same without marks, for titles and attributes.

    >>> plain_money(12_3456), plain_money(None) == UNKNOWN
    ('12g 34s 56c', True)
    """
    return " ".join(f"{number}{coin}" for number, coin in coins(copper)) or UNKNOWN


def number(value: float | None) -> Markup:
    """Units, with a decimal where they are few and a mean; a dash where they are not known.

    >>> [str(number(value)) for value in (1234.0, 0.25, 3, 12.34)]
    ['1,234', '0.25', '3', '12.3']
    """
    if value is None:
        return _UNKNOWN_CELL
    if value == int(value) or abs(value) >= _FEW:
        return escape(f"{value:,.0f}")
    return escape(f"{value:.2f}" if abs(value) < 1 else f"{value:.1f}")


def change(value: float | None) -> Markup:
    """A fraction as a change in percent, its sign said and coloured.

    >>> print(change(0.123)); print(change(0.0))
    <span class="up">+12.3%</span>
    0.0%
    """
    if value is None:
        return _UNKNOWN_CELL
    said = f"{abs(value):,.1%}"
    if said == "0.0%":
        return escape(said)
    return Markup('<span class="{}">{}{}</span>').format(*(("up", "+") if value > 0 else ("down", _MINUS)), said)


def band(low: float | None, estimate: float | None, high: float | None) -> Markup:
    """An estimate with its bounds, these smaller; a dash where nothing is known.

    >>> print(band(1, 2, 3).striptags().replace("\N{EN DASH}", " to "))
    2 1 to 3
    """
    if estimate is None:
        return _UNKNOWN_CELL
    return Markup('{} <span class="bounds" title="low to high">{}\N{EN DASH}{}</span>').format(
        number(estimate), number(low), number(high)
    )


def utc(moment: datetime) -> str:
    """A time as a title says it.

    >>> utc(datetime(2026, 1, 14, 12, 3, 7, tzinfo=UTC))
    '2026-01-14 12:03 UTC'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def when(moment: datetime | None, now: datetime) -> Markup:
    """A time by how far it is from now, with the absolute one in the title.

    >>> noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
    >>> print(when(noon, noon + timedelta(minutes=41)))
    <time datetime="2026-01-14T12:00:00Z" title="2026-01-14 12:00 UTC" data-relative>41 min ago</time>
    """
    if moment is None:
        return _UNKNOWN_CELL
    return Markup('<time datetime="{}" title="{}" data-relative>{}</time>').format(
        _iso(moment), utc(moment), relative(moment, now)
    )


def told_anew(page: bytes, now: datetime) -> bytes:
    """A page that was written some time ago, with its relative times as they are now.

    >>> noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
    >>> page = str(when(noon, noon)).encode()
    >>> told_anew(page, noon + timedelta(minutes=5)) == str(when(noon, noon + timedelta(minutes=5))).encode()
    True
    """

    def told(found: re.Match[bytes]) -> bytes:
        return found[1] + relative(datetime.fromisoformat(found[2].decode()), now).encode() + b"</time>"

    return _RELATIVE.sub(told, page)


def due(moment: datetime, now: datetime) -> Markup:
    """When something is due, in words; what is past is overdue.

    >>> noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
    >>> str(due(noon, noon + timedelta(minutes=3)))[:22]
    'overdue, expected <tim'
    """
    before = "next " if moment > now else "overdue, expected "
    return Markup("{}{}").format(before, when(moment, now))


def relative(moment: datetime, now: datetime) -> str:
    """How far a time is from now, in words.

    >>> noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
    >>> [relative(noon, noon + timedelta(minutes=minutes)) for minutes in (0, 5, -18)]
    ['just now', '5 min ago', 'in 18 min']
    """
    age = now - moment
    if abs(age) < _MINUTE:
        return "just now"
    return f"{how_long(age)} ago" if age > timedelta() else f"in {how_long(-age)}"


def at(moment: datetime | None) -> Markup:
    """A time in a table: its date and hour in UTC; JavaScript says it in the viewer's zone."""
    if moment is None:
        return _UNKNOWN_CELL
    return Markup('<time datetime="{}" title="{}" data-local>{:%Y-%m-%d %H:%M}</time>').format(
        _iso(moment), utc(moment), moment.astimezone(UTC)
    )


def ranked(name: str | None, item_id: int, rank: int | None, *, is_shared: bool = False) -> str:
    """An item's name with its rank; its number where it has none.

    >>> ranked("Bismuth", 1, 2), ranked("Bismuth", 1, None, is_shared=True), ranked(None, 7, None)
    ('Bismuth R2', 'Bismuth R?', 'item 7')
    """
    if name is None:
        return f"item {item_id}"
    if rank is None:
        return f"{name} R?" if is_shared else name
    return f"{name} R{rank}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
