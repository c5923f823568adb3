"""What things are worth over days, each rule at its edge and against plain sums."""

from __future__ import annotations

import math
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.market import worth

NAN = math.nan
values = st.lists(st.lists(st.floats(1, 1e9) | st.just(NAN), min_size=3, max_size=3), min_size=1, max_size=15)


def same(found: list[float], expected: list[float]) -> bool:
    return np.allclose(found, expected, rtol=1e-12, atol=0, equal_nan=True)


@settings(max_examples=20)
@given(values)
def test_medians_and_weighted_means_are_those_of_plain_sums(days: list[list[float]]) -> None:
    matrix = np.array(days)
    known = [[value for value in column if not math.isnan(value)] for column in zip(*days, strict=True)]
    medians = [median(some) if some else NAN for some in known]
    assert same(worth.median_of_snapshots(matrix).tolist(), medians)
    usual = [one if len(some) >= 3 else NAN for one, some in zip(medians, known, strict=True)]
    assert same(worth.usual_price(matrix).tolist(), usual)
    weighted: list[float] = []
    for column in zip(*days, strict=True):
        pairs = [pair for pair in zip(worth.WEIGHTS, column, strict=False) if not math.isnan(pair[1])]
        total = sum(weight for weight, _ in pairs)
        weighted.append(sum(weight * value for weight, value in pairs) / total if total else NAN)
    assert same(worth.weighted_market_value(matrix).tolist(), weighted)


def test_of_no_days_nothing_is_known() -> None:
    none = np.zeros((0, 2))
    for figure in (worth.usual_price, worth.weighted_market_value, worth.median_of_snapshots):
        assert np.isnan(figure(none)).tolist() == [True, True]


def test_the_weights_are_those_that_were_published() -> None:
    assert worth.WEIGHTS == (132, 125, 100, 75, 45, 34, 33, 38, 28, 21, 15, 10, 7, 5, 4)
    assert (worth.USUAL_DAYS, worth.FEWEST_DAYS, worth.AFTER_THE_CUT, worth.DAY_SECONDS) == (14, 3, 0.95, 86_400)


def test_a_change_is_a_fraction_of_what_was_and_sales_a_day_of_what_was_watched() -> None:
    changed = worth.change(np.array([150.0, 75.0, NAN, 1.0]), np.array([100.0, 100.0, 100.0, NAN]))
    assert same(changed.tolist(), [0.5, -0.25, NAN, NAN])
    sold = worth.per_day(np.array([7.0, 0.0, 3.0, NAN]), np.array([86_400.0, 3_600.0, 0.5, 3_600.0]))
    assert same(sold.tolist(), [7.0, 0.0, 518_400.0, NAN])
    assert np.isnan(worth.per_day(np.array([7.0]), np.array([0.0]))).all()


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        (0, (0, 0, 5)),
        (1, (1, 5, 5)),
        (10, (10, 50, 6)),
        (11, (11, 56, 6)),
        (30, (30, 170, None)),
        (31, (30, 170, None)),
    ],
)
def test_a_book_is_bought_from_the_cheapest_on(units: int, expected: tuple[int, int, int | None]) -> None:
    assert worth.cost_of(np.array([5, 6]), np.array([10, 20]), units) == expected


@pytest.mark.parametrize(
    ("most", "discount", "expected"),
    [
        (100, 0.2, (7, 540, 0.95 * 100 * 7 - 540)),
        (7, 0.2, (7, 540, 125.0)),
        (6, 0.2, (6, 460, 110.0)),
        # At the very price, which counts; a copper more doesn't.
        (100, 0.3, (2, 140, 50.0)),
        (100, 0.31, (0, 0, 0.0)),
        (100, 0.0, (16, 1_350, 170.0)),
    ],
)
def test_a_gain_is_made_of_what_is_cheap_enough(most: int, discount: float, expected: tuple[int, int, float]) -> None:
    prices, quantities = np.array([70, 80, 90]), np.array([2, 5, 9])
    found = worth.gain_of(prices, quantities, usual=100.0, discount=discount, most=most)
    assert found == pytest.approx(expected)
