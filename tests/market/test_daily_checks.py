"""A day's figures: which snapshots count, and of how few nothing is said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ironforge_cli.market.daily_checks import (
    ENOUGH_DATED,
    ENOUGH_PARTLY_SOLD,
    LONGEST_DATED_SECONDS,
    DayFigures,
    day_figures,
)
from ironforge_cli.market.doubts import ENOUGH_WITHDRAWN, Doubt, SoldLots

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOTS = SoldLots((10.0, 10.0, 10.0, 10.0), seen=40.0)


@dataclass(frozen=True)
class Hour:
    """What is kept of a snapshot."""

    snapshot_time: datetime
    auctions: int = 1_000
    interval_seconds: int | None = 3_600
    withdrawn_auctions: int | None = 10
    partly_sold: int | None = 20
    partly_sold_above_cheaper: int | None = 1
    lots: SoldLots | None = LOTS


def hours(number: int, **kept: Any) -> list[Hour]:
    """So many snapshots, newest first, and the one before them."""
    return [Hour(NOON - age * HOUR, **kept) for age in range(number)] + [Hour(NOON - number * HOUR, auctions=2_000)]


def figures(held: list[Hour]) -> DayFigures:
    return day_figures(held, since=NOON - 24 * HOUR)


def test_a_days_figures_are_those_of_all_its_snapshots() -> None:
    found = figures(hours(24))
    assert found.phase == pytest.approx(1.0)
    assert found.passed_by == pytest.approx(1 / 20)
    # Shares of what stood before each: 23 times a thousand, and once two.
    assert found.withdrawn_an_hour == pytest.approx(24 * 10 / 25_000)


def test_only_snapshots_after_the_time_count() -> None:
    day = [*hours(24, withdrawn_auctions=ENOUGH_WITHDRAWN), Hour(NOON - 25 * HOUR, auctions=7)]
    assert figures(day) == figures(day[:-1])
    assert day_figures(day, since=NOON - HOUR).withdrawn_an_hour == pytest.approx(ENOUGH_WITHDRAWN / 1_000)
    assert day_figures(day, since=NOON) == DayFigures(None, None, None)
    assert day_figures([], since=NOON) == day_figures(day[:1], since=NOON - HOUR) == DayFigures(None, None, None)


def test_half_an_hour_counts_half() -> None:
    found = figures(hours(24, interval_seconds=1_800))
    assert found.withdrawn_an_hour == pytest.approx(2 * 24 * 10 / 25_000)


@pytest.mark.parametrize(("number", "is_told"), [(ENOUGH_DATED - 1, False), (ENOUGH_DATED, True)])
def test_the_phase_needs_enough_hours_that_are_short_and_known(number: int, *, is_told: bool) -> None:
    assert (figures(hours(number)).phase is not None) is is_told
    longest = [Hour(one.snapshot_time, interval_seconds=LONGEST_DATED_SECONDS) for one in hours(number)]
    assert (figures(longest).phase is not None) is is_told
    for unfit in (Hour(NOON, interval_seconds=LONGEST_DATED_SECONDS + 1), Hour(NOON, lots=None)):
        assert (figures([unfit, *hours(number)]).phase is not None) is is_told


@pytest.mark.parametrize(("fewer", "is_told"), [(1, False), (0, True)])
def test_shares_of_few_say_nothing(fewer: int, *, is_told: bool) -> None:
    found = figures(hours(1, partly_sold=ENOUGH_PARTLY_SOLD - fewer, withdrawn_auctions=ENOUGH_WITHDRAWN - fewer))
    assert (found.passed_by is not None) is is_told
    assert (found.withdrawn_an_hour is not None) is is_told


def test_what_is_not_known_of_a_snapshot_says_nothing() -> None:
    known = hours(2, partly_sold=ENOUGH_PARTLY_SOLD, withdrawn_auctions=ENOUGH_WITHDRAWN)
    expected = figures(known)
    unknown = Hour(NOON + HOUR, withdrawn_auctions=None, partly_sold=None, partly_sold_above_cheaper=None, lots=None)
    assert figures([unknown, *known]) == expected
    assert figures([Hour(NOON + HOUR, interval_seconds=None, partly_sold=0, partly_sold_above_cheaper=0), *known]) == (
        expected
    )


def test_where_nothing_stood_before_no_share_of_it_was_withdrawn() -> None:
    emptied = [Hour(NOON, withdrawn_auctions=ENOUGH_WITHDRAWN), Hour(NOON - HOUR, auctions=0)]
    assert figures(emptied).withdrawn_an_hour is None


def test_figures_are_doubted_by_their_own_thresholds() -> None:
    assert DayFigures(phase=2.0, withdrawn_an_hour=None, passed_by=None).doubts(thinned=None) == (Doubt.LISTED_LATE,)
    assert DayFigures(None, withdrawn_an_hour=1.0, passed_by=None).doubts(thinned=None) == (Doubt.CANCELLING,)
    assert DayFigures(None, None, passed_by=1.0).doubts(thinned=0.1) == (Doubt.THINNING, Doubt.NOT_CHEAPEST)
