from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.market.rhythm import FEWEST_STEPS, Rhythm, Seen, learned, pause

if TYPE_CHECKING:
    from random import Random

FIRST = datetime(2026, 1, 14, 3, 48, 7, tzinfo=UTC)
HALF_A_MINUTE = timedelta(seconds=30)
steps = st.lists(st.integers(3_598, 3_602), min_size=FEWEST_STEPS, max_size=60)


def seen_after(step_seconds: list[int], *, lag: int = 20) -> list[Seen]:
    times = [FIRST + timedelta(seconds=passed) for passed in accumulate(step_seconds, initial=0)]
    return [Seen(time, stored_at=time + timedelta(seconds=lag)) for time in times]


def rhythm_at(newest: datetime) -> Rhythm:
    return Rhythm(newest=newest, step=timedelta(hours=1), spread=timedelta(seconds=5), lag=timedelta(seconds=20))


@given(steps, st.integers(3_598, 3_602))
def test_the_next_hour_is_expected_within_the_drift_of_a_step(past: list[int], next_step: int) -> None:
    rhythm = learned(seen_after(past))
    assert rhythm is not None
    published = rhythm.newest + timedelta(seconds=next_step)
    assert abs(rhythm.due_after(rhythm.newest) - published) <= timedelta(seconds=4)


@given(steps, st.randoms(use_true_random=False))
def test_missed_hours_and_their_order_change_nothing(past: list[int], chance: Random) -> None:
    whole = seen_after(past)
    shuffled = list(whole)
    chance.shuffle(shuffled)
    assert learned(shuffled) == learned(whole)


def test_after_maintenance_the_new_minute_counts_at_once() -> None:
    rhythm = learned([*seen_after([3_600] * 20), Seen(FIRST + timedelta(hours=23, minutes=17), stored_at=FIRST)])
    assert rhythm is not None
    assert rhythm.minute == 5
    assert rhythm.due_after(rhythm.newest).minute == 5


@pytest.mark.parametrize("number", [0, 1, FEWEST_STEPS])
def test_too_few_hours_say_nothing(number: int) -> None:
    assert learned(seen_after([3_600] * 20)[:number]) is None


def test_hours_that_do_not_follow_each_other_say_nothing() -> None:
    assert learned(seen_after([7_200] * 20)) is None


def test_snapshots_that_were_stored_late_do_not_hide_how_soon_they_could_be_fetched() -> None:
    quick, slow = seen_after([3_600] * 20, lag=12)[::3], seen_after([3_600] * 20, lag=1_700)
    mixed = {one.snapshot_time: one for one in (*slow, *quick)}
    rhythm = learned(list(mixed.values()))
    assert rhythm is not None
    assert rhythm.lag == timedelta(seconds=12)


def test_a_clock_that_runs_behind_makes_no_lag_below_zero() -> None:
    rhythm = learned(seen_after([3_600] * 20, lag=-90))
    assert rhythm is not None
    assert rhythm.lag == timedelta(0)


@given(st.integers(-3_600, 7_200), st.integers(1, 600))
def test_pauses_are_never_longer_than_five_minutes_nor_shorter_than_a_third(after: int, interval: int) -> None:
    between = timedelta(seconds=interval)
    waited = pause(rhythm_at(FIRST), now=FIRST + timedelta(seconds=after), interval=between)
    assert between / 3 <= waited <= max(between, timedelta(minutes=5))


@given(st.integers(0, 3_500))
def test_no_pause_leads_past_the_moment_at_which_a_region_is_due(after: int) -> None:
    now = FIRST + timedelta(seconds=after)
    assert now + pause(rhythm_at(FIRST), now=now, interval=HALF_A_MINUTE) <= FIRST + timedelta(hours=1, seconds=20)


def test_without_a_rhythm_the_pause_is_the_interval() -> None:
    assert pause(None, now=FIRST, interval=HALF_A_MINUTE) == HALF_A_MINUTE
