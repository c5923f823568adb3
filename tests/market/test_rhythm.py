from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.market.rhythm import FEWEST_STEPS, Rhythm, Seen, learned, pause
from ironforge_cli.values import replace

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


# What is learned, to the second


def test_five_hours_in_a_row_are_enough() -> None:
    assert learned(seen_after([3_600] * 4)) is None
    assert learned(seen_after([3_600] * 5)) == Rhythm(
        newest=FIRST + timedelta(hours=5),
        step=timedelta(hours=1),
        spread=timedelta(seconds=5),
        lag=timedelta(seconds=20),
    )


@pytest.mark.parametrize(("step", "counts"), [(3_900, True), (3_901, False), (3_300, True), (3_299, False)])
def test_a_step_counts_within_five_minutes_of_an_hour(step: int, *, counts: bool) -> None:
    assert (learned(seen_after([3_600] * 4 + [step])) is not None) is counts


def test_steps_that_are_no_hours_change_nothing_but_the_newest() -> None:
    rhythm = learned(seen_after([3_601] * 5 + [9_000]))
    assert rhythm is not None
    assert rhythm.step == timedelta(seconds=3_601)
    assert rhythm.newest == FIRST + timedelta(seconds=5 * 3_601 + 9_000)


def test_the_step_is_that_in_the_middle_and_the_spread_that_of_nineteen_in_twenty() -> None:
    rhythm = learned(seen_after([3_600, 3_610, 3_700, 3_620, 3_605]))
    assert rhythm is not None
    assert rhythm.step == timedelta(seconds=3_610)
    assert rhythm.spread == timedelta(seconds=90)
    # Of twenty-one the farthest is left out, and those on both sides count alike.
    rhythm = learned(seen_after([3_600] * 18 + [3_560, 3_630, 3_700]))
    assert rhythm is not None
    assert (rhythm.step, rhythm.spread) == (timedelta(hours=1), timedelta(seconds=40))


def test_two_days_of_snapshots_are_looked_at() -> None:
    # The first snapshot of these alone was stored at once: it is the quickest of the last seven, not of the last six.
    old, new = seen_after([3_600] * 59, lag=1)[:-48], seen_after([3_600] * 59, lag=60)[-48:]
    rhythm = learned([*old, *new])
    assert rhythm is not None
    assert rhythm.lag == timedelta(seconds=60)
    rhythm = learned([*old, *new[: -len(old)]])
    assert rhythm is not None
    assert rhythm.lag == timedelta(seconds=1)


def test_the_lag_is_that_of_the_quickest_sixth_and_five_minutes_at_most() -> None:
    whole = seen_after([3_600] * 11)
    slowly = [Seen(one.snapshot_time, one.snapshot_time + timedelta(minutes=n)) for n, one in enumerate(whole, 1)]
    rhythm = learned(slowly)
    assert rhythm is not None
    assert rhythm.lag == timedelta(minutes=3)
    rhythm = learned(seen_after([3_600] * 11, lag=1_700))
    assert rhythm is not None
    assert rhythm.lag == timedelta(minutes=5)


def test_a_publication_is_due_a_step_and_a_lag_after_the_newest() -> None:
    rhythm = rhythm_at(FIRST)
    hour = timedelta(hours=1)
    assert rhythm.due == FIRST + hour + timedelta(seconds=20)
    assert rhythm.after(FIRST + hour).due == rhythm.due + hour
    for passed, due in ((-3 * hour, 1), (0 * hour, 1), (hour - HALF_A_MINUTE, 1), (hour, 2), (2 * hour, 3)):
        assert rhythm.due_after(FIRST + passed) == FIRST + due * hour


# When to ask, to the second


@pytest.mark.parametrize(
    ("before_due", "waited"),
    [
        # Due in so many seconds; often begins at the larger of the interval and twice the spread before that.
        (400, 300),
        (330, 300),
        (329, 299),
        (41, 11),
        (40, 10),
        (31, 10),
        (30, 10),
        (0, 10),
        (-180, 10),
        (-181, 30),
    ],
)
def test_a_region_is_asked_rarely_then_often_then_as_usual(before_due: int, waited: int) -> None:
    rhythm = rhythm_at(FIRST)
    now = rhythm.due - timedelta(seconds=before_due)
    assert pause(rhythm, now=now, interval=HALF_A_MINUTE) == timedelta(seconds=waited)


def test_a_region_that_strays_far_is_asked_often_from_twice_as_long_before() -> None:
    rhythm = replace(rhythm_at(FIRST), spread=timedelta(seconds=60))
    for before_due, waited in ((150, 30), (121, 10), (120, 10)):
        now = rhythm.due - timedelta(seconds=before_due)
        assert pause(rhythm, now=now, interval=HALF_A_MINUTE) == timedelta(seconds=waited)
