"""The price of the game's token: a walk that can be looked at from any moment."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_USUAL_SECONDS_BETWEEN_UPDATES = 1_200
_LATEST_SECONDS = 90
_LOWEST, _HIGHEST = 2_400_000_000, 3_600_000_000
_WHOLE_GOLD = 10_000
# Days between two heights of a swing, and its share of the price: seasons, weeks, days, and restless hours.
_SWINGS = ((97.0, 0.10), (23.0, 0.06), (6.7, 0.03), (1.0, 0.01), (0.13, 0.004))
_NOISE = 0.002


class TokenPrice(NamedTuple):
    """What the token costs, and since when."""

    last_updated: datetime
    """Aware UTC, to the millisecond."""
    price: int
    """Copper, whole gold, above 2³¹ as the real one since 2025."""


class TokenMarket:
    """The token's price in one region, updated about every 20 minutes; the same for the same seed.

    >>> market = TokenMarket(seed=1)
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> since, price = market.price_at(noon)
    >>> since <= noon < since + timedelta(minutes=22), price % 10_000
    (True, 0)
    """

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._level = _LOWEST + _uniform(seed, -1) * (_HIGHEST - _LOWEST)
        self._phases = [_uniform(seed, -2 - swing) * 2 * math.pi for swing in range(len(_SWINGS))]

    def price_at(self, moment: datetime) -> TokenPrice:
        """Return the price that stands at an aware moment, and when it was set."""
        update = (moment - _EPOCH) // timedelta(seconds=_USUAL_SECONDS_BETWEEN_UPDATES)
        if self._updated_at(update) > moment:
            update -= 1
        days = update * _USUAL_SECONDS_BETWEEN_UPDATES / 86_400
        swings = sum(
            share * math.sin(2 * math.pi * days / period + phase)
            for (period, share), phase in zip(_SWINGS, self._phases, strict=True)
        )
        noise = _NOISE * (2 * _uniform(self._seed, 2 * update) - 1)
        gold = round(self._level * (1 + swings) * (1 + noise) / _WHOLE_GOLD)
        return TokenPrice(last_updated=self._updated_at(update), price=gold * _WHOLE_GOLD)

    def _updated_at(self, update: int) -> datetime:
        late = int(_uniform(self._seed, 2 * update + 1) * _LATEST_SECONDS * 1000)
        return _EPOCH + timedelta(seconds=update * _USUAL_SECONDS_BETWEEN_UPDATES, milliseconds=late)


def _uniform(seed: int, place: int) -> float:
    """Return the number in [0, 1) that stands at a place of a seed's endless table (SplitMix64)."""
    mask = 2**64 - 1
    mixed = (seed * 0xD1342543DE82EF95 + (place + 1) * 0x9E3779B97F4A7C15) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return (mixed ^ (mixed >> 31)) / 2**64
