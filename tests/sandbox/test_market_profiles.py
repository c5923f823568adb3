from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from ironforge_cli.sandbox.market_profiles import (
    LEVELS,
    MODERATE,
    default_profiles,
    lot_sizes,
    mean_lot_sizes,
    purchase_sizes,
    usual_items,
)


def test_profiles_are_the_same_for_the_same_seed() -> None:
    one, same, other = (default_profiles(seed=seed, items=500) for seed in (1, 1, 2))
    assert one.base_price.tolist() == same.base_price.tolist()
    assert one.item_id.tolist() == same.item_id.tolist()
    assert one.base_price.tolist() != other.base_price.tolist()


def test_a_region_has_goods_of_every_price_and_popularity() -> None:
    profiles = default_profiles(seed=1, items=12_000)
    assert len(np.unique(profiles.item_id)) == len(profiles) == 12_000
    assert (profiles.base_price % 100 == 0).all()
    assert profiles.base_price.min() < 1_000
    assert profiles.base_price.max() > 100_000_000
    busiest_first = np.sort(profiles.popularity)[::-1]
    assert 0.5 < busiest_first[:1_200].sum() / busiest_first.sum() < 0.7
    assert (profiles.turnover > 0).all()


def test_a_catalogue_names_the_goods_and_their_prices() -> None:
    ids = np.array([7, 3, 9], dtype=np.int32)
    prices = np.array([1_000, 50, 123_456])
    profiles = default_profiles(seed=1, items=3, item_id=ids, base_price=prices)
    assert profiles.item_id.tolist() == [7, 3, 9]
    assert profiles.base_price.tolist() == [1_000, 100, 123_400]
    with pytest.raises(ValueError, match="2 rows for 3 items"):
        default_profiles(seed=1, items=3, item_id=ids[:2])
    with pytest.raises(ValueError, match="more than once"):
        default_profiles(seed=1, items=2, item_id=np.array([4, 4], dtype=np.int32))
    with pytest.raises(ValueError, match="at least one item"):
        default_profiles(seed=1, items=0)


def test_lots_have_their_median_and_round_numbers() -> None:
    level = np.arange(LEVELS)
    lots = lot_sizes(np.full(LEVELS, 60.0), level)
    assert np.median(lots) == pytest.approx(60, rel=0.05)
    assert (lots[level % 2 == 0][lots[level % 2 == 0] >= 20] % 10 == 0).all()
    assert set(lot_sizes(np.full(LEVELS, 0.5), level).tolist()) >= {1, 2}
    assert lot_sizes(np.full(LEVELS, 1e6), level).max() == 50_000
    assert mean_lot_sizes(np.array([60.0])).tolist() == [lots.mean()]


def test_purchases_have_the_mean_that_was_asked_for() -> None:
    sizes = purchase_sizes(np.full(LEVELS, 500.0), np.arange(LEVELS), spread=1.2)
    assert sizes.mean() == pytest.approx(500, rel=0.01)
    assert sizes.min() >= 1
    assert sizes.max() > 2_500


def test_small_markets_have_fewer_items_and_large_ones_no_more_than_exist() -> None:
    assert [usual_items(auctions) for auctions in (1, 30_000, 350_000, 1_000_000)] == [1, 1_034, 12_000, 12_000]


def test_the_rhythm_is_highest_at_the_peak_hour_in_utc() -> None:
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    day = [MODERATE.rhythm(0.4, midnight + timedelta(hours=hour)) for hour in range(24)]
    assert np.mean(day) == pytest.approx(1)
    assert int(np.argmax(day)) == MODERATE.peak_hour
    assert max(day) == pytest.approx(1.4)
    elsewhere = midnight.astimezone(timezone(timedelta(hours=-7)))
    assert MODERATE.rhythm(0.4, elsewhere) == MODERATE.rhythm(0.4, midnight)
