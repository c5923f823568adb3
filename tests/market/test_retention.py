"""By which time data are old: every rule at its very boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ironforge_cli.market.retention import FAR_AHEAD, Present, cutoff, has_outlived, term_told, trusted_time
from ironforge_cli.regions import Region

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def test_what_is_as_old_as_the_cutoff_stays() -> None:
    assert not has_outlived(NOON, cutoff=NOON)
    assert has_outlived(NOON - INSTANT, cutoff=NOON)
    assert not has_outlived(NOON - DAY, NOON, cutoff=NOON)
    assert has_outlived(None, NOON - INSTANT, NOON - DAY, cutoff=NOON)


def test_the_newest_of_several_regions_counts_and_never_a_later_time_than_the_clocks() -> None:
    assert trusted_time([NOON - DAY, NOON - INSTANT, NOON - 9 * DAY], now=NOON) == NOON - INSTANT
    assert trusted_time([NOON - DAY, NOON + DAY], now=NOON) == NOON


def test_a_day_is_kept_for_so_many_days_and_one_for_one() -> None:
    assert cutoff(NOON, retention_days=1) == NOON - DAY
    assert "2 days kept" in (term_told(NOON, retention_days=2) or "")
    assert "1 day kept" in (term_told(NOON, retention_days=1) or "")


@pytest.mark.parametrize(("beyond", "is_told"), [(timedelta(), False), (INSTANT, True)])
def test_a_clock_is_far_ahead_by_more_than_two_days(beyond: timedelta, *, is_told: bool) -> None:
    present = Present(NOON, {Region.EU: NOON - FAR_AHEAD - beyond, Region.US: NOON - 9 * DAY})
    assert FAR_AHEAD == 2 * DAY
    assert present.is_clock_far_ahead is is_told
    said = present.warning()
    assert (said is not None) is is_told
    if said:
        assert said.startswith("This machine's clock is 2 days ahead of the newest snapshot (2024-01-13 11:59 UTC).")


def test_without_a_snapshot_no_clock_is_ahead_and_nothing_leaves() -> None:
    present = Present(NOON, {})
    assert (present.trusted, present.is_clock_far_ahead, present.warning()) == (None, False, None)


def test_a_newest_snapshot_of_this_very_moment_is_named() -> None:
    assert "the time of the newest snapshot" in Present(NOON, {Region.EU: NOON}).told()
