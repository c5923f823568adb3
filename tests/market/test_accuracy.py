from __future__ import annotations

import pytest

from tests.benchmarks.estimator_accuracy import ESTIMATOR, LONG_ONLY, NAIVE, SEEDS, Accuracy, measure


# The benchmark's first seeds, and fewer hours, so that these tests stay short; the market is the same.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param((SEEDS[:1], 48), id="one market for two days"),
        pytest.param((SEEDS[:2], 96), id="two markets for four days", marks=pytest.mark.slow),
    ],
)
def markets(request: pytest.FixtureRequest) -> tuple[tuple[int, ...], int]:
    return request.param


@pytest.fixture(scope="module")
def hourly(markets: tuple[tuple[int, ...], int]) -> Accuracy:
    seeds, hours = markets
    return measure(seeds=seeds, hours=hours)


@pytest.fixture(scope="module")
def with_gaps(markets: tuple[tuple[int, ...], int]) -> Accuracy:
    seeds, hours = markets
    return measure(seeds=seeds, hours=hours, missed=0.25)


def test_half_of_the_items_are_within_30_percent_of_the_truth(hourly: Accuracy) -> None:
    assert hourly.rules[ESTIMATOR].median_error <= 0.30


def test_half_of_the_items_are_within_35_percent_with_a_quarter_of_the_snapshots_missed(with_gaps: Accuracy) -> None:
    assert with_gaps.rules[ESTIMATOR].median_error <= 0.35


def test_hardly_any_sales_are_reported_where_there_were_none(hourly: Accuracy, with_gaps: Accuracy) -> None:
    assert hourly.rules[ESTIMATOR].false_sales <= 0.05
    assert with_gaps.rules[ESTIMATOR].false_sales <= 0.05


def test_the_rules_that_others_use_are_several_times_worse(hourly: Accuracy) -> None:
    ours = hourly.rules[ESTIMATOR]
    for rule in (NAIVE, LONG_ONLY):
        assert hourly.rules[rule].median_error > 3 * ours.median_error
        assert hourly.rules[rule].false_sales > 10 * ours.false_sales
    # ESTIMATOR.md has these figures of other simulations: several hundred percent, and 45%.
    assert 1.5 < hourly.rules[NAIVE].median_error < 4.5
    assert hourly.rules[NAIVE].false_sales == pytest.approx(0.45, abs=0.1)


def test_what_was_sold_is_never_above_the_upper_bound_unless_unseen(hourly: Accuracy, with_gaps: Accuracy) -> None:
    assert hourly.seen_days.item_days > 200
    assert hourly.seen_days.not_above_high == 1
    assert with_gaps.seen_days.not_above_high == 1


def test_what_is_confirmed_was_sold(hourly: Accuracy, with_gaps: Accuracy) -> None:
    assert hourly.all_days.above_confirmed == 1
    assert with_gaps.all_days.above_confirmed == 1


def test_the_lower_bound_is_above_the_truth_only_by_cancelled_lots(hourly: Accuracy, with_gaps: Accuracy) -> None:
    assert hourly.all_days.low_explained == 1
    assert with_gaps.all_days.low_explained == 1


def test_the_truth_is_within_the_bounds_on_most_days_with_nothing_unseen(hourly: Accuracy, with_gaps: Accuracy) -> None:
    # Not on all: a lot in reach that is cancelled and not listed again looks sold (docs/decisions/0005).
    assert hourly.seen_days.within >= 0.70
    assert with_gaps.seen_days.within >= 0.70
