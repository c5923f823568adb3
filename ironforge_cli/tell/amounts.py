"""What rules compare, in words: money, units, shares, ratios, spans and times; read strictly, said for people."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

_COINS: Final = {"g": 10_000, "s": 100, "c": 1}
# Thousands alone are set apart: elsewhere a comma is a decimal point to half of Europe.
_NUMBER: Final = r"(?:\d{1,3}(?:[,_]\d{3})+|\d+)(?:\.\d+)?"
_COIN: Final = re.compile(rf"({_NUMBER})\s*([gsc])", re.ASCII | re.IGNORECASE)
_MONEY: Final = re.compile(rf"([+-]?)\s*((?:{_NUMBER}\s*[gsc]\s*)+)", re.ASCII | re.IGNORECASE)
_PLAIN: Final = re.compile(rf"[+-]?(?:{_NUMBER}|\.\d+)", re.ASCII)
_SPAN_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])", re.ASCII)
_SPAN: Final = re.compile(r"(?:\d+(?:\.\d+)?\s*[smhd]\s*)+", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_SPAN: Final = timedelta(days=36_500)
_YEARS: Final = range(1970, 9_000)
_MOST: Final = 10**18
_HUNDRED_GOLD: Final = 1_000_000
_FEW: Final = 100

Amount = int | float


class Measure(StrEnum):
    """What kind of number a rule compares."""

    MONEY = "money"
    """Copper."""
    UNITS = "units"
    SHARE = "share"
    """A fraction: 0.2 is 20%."""
    RATIO = "ratio"


_SUCH_AS: Final = {
    Measure.MONEY: 'money such as "12g 50s", or a number of copper',
    Measure.UNITS: "number of units such as 500",
    Measure.SHARE: 'share such as 0.2 or "20%"',
    Measure.RATIO: "ratio such as 1.25",
}


def amount(given: object, measure: Measure) -> Amount:
    """The number that is meant; raises `ValueError` that says what to write.

    >>> amount("12g 50s", Measure.MONEY), amount("-1,000g", Measure.MONEY), amount(99, Measure.MONEY)
    (125000, -10000000, 99)
    >>> amount("20%", Measure.SHARE), amount(-0.1, Measure.SHARE), amount("1_000", Measure.UNITS)
    (0.2, -0.1, 1000)
    """
    found = _number(given, measure)
    if found is None:
        raise ValueError(f"{_quoted(given)} is no {_SUCH_AS[measure]}")
    if abs(found) > _MOST:
        raise ValueError(f"{_quoted(given)} is more than there is")
    return int(found) if found == found.to_integral_value() else float(found)


def _number(given: object, measure: Measure) -> Decimal | None:
    match given:
        case bool():
            return None
        case int() if abs(given) > _MOST:
            return Decimal(_MOST) * 10
        case int():
            return Decimal(given)
        case float():
            return Decimal(repr(given)) if math.isfinite(given) else None
        case str():
            return _in_words(given.strip(), measure)
        case _:
            return None


def _in_words(text: str, measure: Measure) -> Decimal | None:
    if measure is Measure.MONEY and (money := _MONEY.fullmatch(text)):
        parts = [(much, coin.lower()) for much, coin in _COIN.findall(money[2])]
        if len({coin for _, coin in parts}) < len(parts):
            return None
        copper = sum((_plain(much) * _COINS[coin] for much, coin in parts), Decimal())
        return -copper if money[1] == "-" else copper
    if measure in {Measure.SHARE, Measure.RATIO} and text.endswith("%"):
        bare = text.removesuffix("%").strip()
        return _plain(bare) / 100 if _PLAIN.fullmatch(bare) else None
    return _plain(text) if _PLAIN.fullmatch(text) else None


def _plain(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("_", ""))


def span(given: object) -> timedelta:
    """A length of time; raises `ValueError` that says what to write.

    >>> span("1h 30m"), span("2d").days
    (datetime.timedelta(seconds=5400), 2)
    """
    if not isinstance(given, str) or not _SPAN.fullmatch(given.strip()):
        raise ValueError(f'{_quoted(given)} is no span of time such as "90m", "1h30m" or "2d"')
    seconds = sum(Decimal(much) * _SECONDS[unit] for much, unit in _SPAN_PART.findall(given))
    if seconds > _LONGEST_SPAN.total_seconds():
        raise ValueError(f"{_quoted(given)} is longer than a hundred years")
    return timedelta(seconds=float(seconds))


def moment(given: object) -> datetime:
    """A time, UTC where it names no zone; a day is its beginning. Raises `ValueError` that says what to write.

    >>> moment("2026-12-01T08:00").isoformat(), moment(date(2026, 12, 1)).isoformat()
    ('2026-12-01T08:00:00+00:00', '2026-12-01T00:00:00+00:00')
    """
    try:
        found = (
            datetime.combine(given, time()) if isinstance(given, date) and not isinstance(given, datetime) else given
        )
        found = datetime.fromisoformat(str(found).strip())
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{_quoted(given)} is no time such as 2026-12-01T08:00:00Z or 2026-12-01") from None
    if found.year not in _YEARS:
        raise ValueError(f"{_quoted(given)} is not within the years {_YEARS[0]} to {_YEARS[-1]}")
    return found


def said(value: float | None, measure: Measure) -> str:
    """A number as people read it.

    >>> said(125000, Measure.MONEY), said(-0.125, Measure.SHARE), said(1234, Measure.UNITS), said(1.256, Measure.RATIO)
    ('12g 50s', '-12.5%', '1,234', '1.26')
    >>> said(None, Measure.MONEY)
    'unknown'
    """
    if value is None:
        return "unknown"
    match measure:
        case Measure.MONEY:
            return _coins(round(value))
        case Measure.SHARE:
            return f"{value:.1%}"
        case Measure.RATIO:
            return f"{value:.2f}"
        case Measure.UNITS:
            return f"{value:,.0f}" if value == int(value) or value >= _FEW else f"{value:.1f}"


def _coins(copper: int) -> str:
    if copper < 0:
        return f"-{_coins(-copper)}"
    if copper >= _HUNDRED_GOLD:
        return f"{copper / _COINS['g']:,.0f}g"
    parts = ((copper // 10_000, "g"), (copper // 100 % 100, "s"), (copper % 100, "c"))
    return " ".join(f"{number}{coin}" for number, coin in parts if number) or "0c"


def exact(value: float) -> str:
    """A number as a rule's identity holds it: however it was written, the same.

    >>> exact(125000), exact(125000.0), exact(0.2)
    ('125000', '125000', '0.2')
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def _quoted(given: object) -> str:
    text = str(given) if isinstance(given, date | time) else repr(given)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004 - enough to be recognised
