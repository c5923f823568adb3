"""Money, shares and spans of time as people write them, for every face alike. What is none is a `ValueError`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from ironforge_cli.wording import counted

LONGEST_SPAN: Final = timedelta(days=36_500)
SPAN: Final = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+", re.ASCII)
MONEY: Final = re.compile(r"(?:\d+(?:\.\d+)?[gsc])+", re.ASCII)
PLAIN_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
_COINS: Final = {"g": 10_000, "s": 100, "c": 1}
_COIN: Final = re.compile(r"(\d+(?:\.\d+)?)([gsc])", re.ASCII)
_MOST_COPPER: Final = 10**18


def span_of_time(text: str) -> timedelta:
    """A span of time.

    >>> span_of_time("90m") == span_of_time("1h30m"), span_of_time("2d").days
    (True, 2)
    """
    given = text.strip()
    if not SPAN.fullmatch(given):
        raise ValueError(f"{text!r} is no span of time such as 90m, 1h30m or 2d")
    try:
        span = sum((timedelta(**{_UNITS[unit]: float(much)}) for much, unit in _PART.findall(given)), timedelta())
    except OverflowError:
        span = timedelta.max
    if span > LONGEST_SPAN:
        raise ValueError(f"{text!r} is longer than {counted(LONGEST_SPAN.days, 'day')}")
    return span


def copper_of(text: str) -> float:
    """Copper: of words such as 12g 50s, or of a plain number of gold.

    >>> copper_of("12g 50s"), copper_of("1,000"), copper_of("75c")
    (125000.0, 10000000.0, 75.0)
    """
    given = re.sub(r"[\s,_]", "", text).lower()
    if PLAIN_NUMBER.fullmatch(given):
        copper = float(given) * _COINS["g"]
    elif MONEY.fullmatch(given):
        copper = sum(float(much) * _COINS[coin] for much, coin in _COIN.findall(given))
    else:
        raise ValueError(f"{text!r} is no money such as 12g 50s, or 1000 for a thousand gold")
    if copper > _MOST_COPPER:
        raise ValueError(f"{text!r} is more gold than there is")
    return copper


def share_of(text: str) -> float:
    """A share below the whole: 20%, or 0.2.

    >>> share_of("20%"), share_of("0.2")
    (0.2, 0.2)
    """
    given = text.strip()
    number = given.removesuffix("%").strip()
    if not PLAIN_NUMBER.fullmatch(number):
        raise ValueError(f"{text!r} is no share such as 20% or 0.2")
    share = float(number) / 100 if given.endswith("%") else float(number)
    if share >= 1:
        raise ValueError(f"{text!r} is not below the whole: write 20% or 0.2")
    return share
