from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from ironforge_cli.sandbox.market import TokenMarket

_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_the_token_price_is_the_same_from_whatever_moment_it_is_looked_at() -> None:
    one, same = TokenMarket(seed=3), TokenMarket(seed=3)
    moments = [_NOON + timedelta(minutes=7 * place) for place in range(200)]
    assert [one.price_at(moment) for moment in moments] == [same.price_at(moment) for moment in reversed(moments)][::-1]


def test_regions_have_prices_of_their_own() -> None:
    assert TokenMarket(seed=3).price_at(_NOON).price != TokenMarket(seed=4).price_at(_NOON).price


def test_the_price_changes_about_every_20_minutes_and_stands_in_between() -> None:
    market = TokenMarket(seed=3)
    seen: dict[datetime, int] = {}
    for minute in range(24 * 60):
        moment = _NOON + timedelta(minutes=minute)
        since, price = market.price_at(moment)
        assert since <= moment < since + timedelta(minutes=22)
        assert seen.setdefault(since, price) == price
    assert 71 <= len(seen) <= 74
    assert len(set(seen.values())) > 60


def test_prices_are_whole_gold_above_two_to_the_31_and_wander() -> None:
    for seed in range(5):
        market = TokenMarket(seed=seed)
        prices = [market.price_at(_NOON + timedelta(hours=6 * place)).price for place in range(4 * 365)]
        assert all(price % 10_000 == 0 for price in prices)
        assert min(prices) > 1_900_000_000
        assert max(prices) < 4_400_000_000
        assert sum(price > 2**31 for price in prices) > 0.8 * len(prices)
        steps = [abs(later - earlier) / earlier for earlier, later in pairwise(prices)]
        assert max(steps) < 0.06
        assert max(prices) > 1.15 * min(prices)


def test_a_moment_just_after_a_late_update_still_has_the_price_before() -> None:
    market = TokenMarket(seed=3)
    since, price = market.price_at(_NOON + timedelta(minutes=10))
    assert market.price_at(since) == (since, price)
    earlier, _ = market.price_at(since - timedelta(milliseconds=1))
    assert timedelta(minutes=18) < since - earlier < timedelta(minutes=22)
