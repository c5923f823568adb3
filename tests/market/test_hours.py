from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.market.hours import LEAST_PATIENCE, left_out, overdue, patience, usual_delay
from ironforge_cli.market.rhythm import Rhythm, Seen

NOON = datetime(2026, 1, 14, 12, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def rhythm(step: timedelta = HOUR) -> Rhythm:
    return Rhythm(newest=NOON, step=step, spread=timedelta(seconds=5), lag=timedelta(0))


@given(hours=st.lists(st.tuples(st.booleans(), st.integers(3_590, 3_610)), min_size=2, max_size=60))
def test_what_gaps_leave_out_and_what_is_stored_are_all_hours(hours: list[tuple[bool, int]]) -> None:
    """No two steps are alike: a gap is a little longer or shorter than its hours by the rhythm."""
    times = [NOON + timedelta(seconds=passed) for passed in accumulate(step for _, step in hours)]
    published = list(zip(times, (is_held for is_held, _ in hours), strict=True))
    stored = [moment for moment, is_held in published if is_held]
    found: list[datetime] = []
    for earlier, later in pairwise(stored):
        if later - earlier > 1.5 * HOUR:
            found += left_out(earlier, later, rhythm())
    missing = [moment for moment, is_held in published if not is_held and stored and stored[0] < moment < stored[-1]]
    assert len(found) == len(missing)
    assert all(abs(one - other) <= 10 * MINUTE for one, other in zip(found, missing, strict=True))


def test_the_hours_of_a_gap_are_counted_in_steps_of_the_rhythm_from_what_is_stored_before_it() -> None:
    step = timedelta(seconds=3_605)
    assert left_out(NOON, NOON + 4 * step, rhythm(step)) == [NOON + number * step for number in (1, 2, 3)]
    assert left_out(NOON, NOON + 4 * step, None) == [NOON + number * HOUR for number in (1, 2, 3)]
    # Two hours and a half are nearer to three than the quarter before them, and one of the two is missing.
    assert len(left_out(NOON, NOON + 149 * MINUTE, rhythm())) == 1
    assert len(left_out(NOON, NOON + 151 * MINUTE, rhythm())) == 2


def test_after_a_change_of_the_minute_at_least_one_hour_was_missed() -> None:
    assert left_out(NOON, NOON + 95 * MINUTE, rhythm()) == [NOON + HOUR]


@pytest.mark.parametrize("minutes", [0, 59, 60, 121])
def test_nothing_is_overdue_before_cron_could_store_it(minutes: int) -> None:
    # Due an hour after the newest, and stored 27 minutes later as usual.
    assert overdue(NOON, NOON + minutes * MINUTE, rhythm(), delay=27 * MINUTE) == []


def test_each_hour_becomes_overdue_in_turn() -> None:
    step = timedelta(seconds=3_605)
    assert overdue(NOON, NOON + 3 * step, rhythm(step), delay=timedelta(0)) == [NOON + step, NOON + 2 * step]
    assert overdue(NOON, NOON + 122 * MINUTE, rhythm(), delay=27 * MINUTE) == [NOON + HOUR]
    assert overdue(NOON, NOON + 182 * MINUTE, None, delay=27 * MINUTE) == [NOON + HOUR, NOON + 2 * HOUR]
    assert overdue(NOON, NOON - 5 * HOUR, rhythm(), delay=27 * MINUTE) == []


def test_a_region_whose_minute_drifts_out_of_the_window_is_not_late() -> None:
    """Published in the window's last second, then a second after it: half an hour passes until the next window."""
    delay = usual_delay([Seen(NOON + hour * HOUR, NOON + hour * HOUR + timedelta(seconds=20)) for hour in range(48)])
    assert delay == timedelta(seconds=20)
    assert 30 * MINUTE + timedelta(seconds=20) <= delay + LEAST_PATIENCE


def test_one_late_run_in_twenty_does_not_make_late_usual() -> None:
    delays = [MINUTE] * 38 + [50 * MINUTE] * 2
    seen = [Seen(NOON + number * HOUR, NOON + number * HOUR + delay) for number, delay in enumerate(delays)]
    assert usual_delay(seen) == MINUTE


def test_nine_of_ten_come_sooner_than_the_usual_delay() -> None:
    seen = [Seen(NOON + number * HOUR, NOON + number * HOUR + number * MINUTE) for number in range(1, 11)]
    assert usual_delay(seen) == 9 * MINUTE
    assert usual_delay(seen[:1]) == MINUTE


def test_what_was_usual_longer_ago_than_two_days_is_not_usual_any_more() -> None:
    delays = [50 * MINUTE] * 20 + [MINUTE] * 48
    seen = [Seen(NOON + number * HOUR, NOON + number * HOUR + delay) for number, delay in enumerate(delays)]
    # As the database gives them: the newest first.
    assert usual_delay(seen[::-1]) == MINUTE
    # Six of the newest 48 are more than one in ten, five are not.
    assert usual_delay(seen[14:62]) == 50 * MINUTE
    assert usual_delay(seen[14:63]) == MINUTE


def test_a_clock_that_runs_behind_makes_no_delay_below_zero() -> None:
    assert usual_delay([Seen(NOON + HOUR, NOON)] * 9) == timedelta(0)


def test_a_stopped_cron_never_counts_as_usual() -> None:
    seen = [Seen(NOON + number * HOUR, NOON + 300 * HOUR) for number in range(40)]
    assert usual_delay(seen) == HOUR


@pytest.mark.parametrize("hours", [1, 2, 3, 24, 24 * 365])
def test_patience_ends_before_the_limit_that_was_set(hours: int) -> None:
    # Counted from the time at which the next one was due: an hour after the newest.
    assert patience(hours * HOUR) + HOUR <= max(hours * HOUR, HOUR + LEAST_PATIENCE)
