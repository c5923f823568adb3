"""What a window decides after an attempt: what is news, when it is over, and when to ask again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
from ironforge_cli.jobs.collecting.storing import SnapshotCounts
from ironforge_cli.jobs.collecting.window import Beginning, Standing, Window, after, news, until_tick, waiting
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.market.rhythm import Rhythm
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.handed import HOUR, NOON

if TYPE_CHECKING:
    from datetime import datetime

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
HALF_A_MINUTE = timedelta(seconds=30)
STARTED = NOON + 30 * MINUTE
COUNTS = SnapshotCounts(7, 1, None, None, None, None, None, None, None, None, 0)
UNCERTAIN = Beginning(STARTED, spooled=NOON)
CERTAIN = replace(UNCERTAIN, stored=NOON - HOUR, is_certain=True)
HOURLY = Rhythm(newest=NOON, step=HOUR, spread=10 * SECOND, lag=20 * SECOND)


def end(outcome: Outcome = Outcome.STORED, at: datetime | None = NOON + HOUR, **changes: Any) -> CollectedRegion:
    ended = CollectedRegion(Region.EU, outcome, ExitStatus.DONE, snapshot_time=at, counts=None, message=None)
    return replace(ended, **changes)


REFUSED = end(Outcome.REJECTED, None, status=ExitStatus.REFUSED)
NOTHING = end(Outcome.NO_CHANGE, NOON)
SPOOLED = end(Outcome.SPOOLED, status=ExitStatus.DATABASE)


@pytest.mark.parametrize(
    ("result", "before", "is_news"),
    [
        (end(), CERTAIN, True),
        (end(at=NOON), CERTAIN, False),
        (end(at=NOON - HOUR), CERTAIN, False),
        (end(at=NOON - HOUR), replace(CERTAIN, spooled=None), False),
        (end(at=NOON), replace(CERTAIN, spooled=None), True),
        (end(at=NOON), replace(CERTAIN, spooled=None, stored=None), True),
        # It may have been stored by another run, or from the spool.
        (end(Outcome.NO_CHANGE), CERTAIN, True),
        (end(Outcome.NO_CHANGE, is_odd=True), CERTAIN, False),
        # A market that has become small is stored, and worth a look.
        (end(counts=COUNTS, is_odd=True), CERTAIN, True),
        (REFUSED, CERTAIN, False),
        # What the database held is not known: only what came after the beginning is new for sure.
        (SPOOLED, UNCERTAIN, True),
        (end(Outcome.SPOOLED, at=STARTED), UNCERTAIN, False),
        (end(Outcome.NO_CHANGE), UNCERTAIN, False),
    ],
)
def test_news_is_what_was_not_there_when_the_window_began(
    result: CollectedRegion, before: Beginning, *, is_news: bool
) -> None:
    assert news(result, before) == (result.snapshot_time if is_news else None)


def test_what_a_cycle_without_a_database_takes_for_known_is_what_a_database_has_told() -> None:
    assert (UNCERTAIN.newest, UNCERTAIN.stored_time) == (NOON, None)
    assert (CERTAIN.newest, CERTAIN.stored_time) == (NOON, NOON)
    assert replace(CERTAIN, stored=NOON + HOUR).stored_time == NOON + HOUR


def stand(*results: CollectedRegion, before: Beginning = CERTAIN, now: datetime = STARTED + HOUR) -> Standing:
    standing = after(None, results[0], before, now=now)
    for result in results[1:]:
        standing = after(standing, result, before, now=now)
    return standing


def test_refusals_count_in_a_row_and_attempts_go_on() -> None:
    assert (stand(REFUSED, REFUSED).refusals, stand(REFUSED, REFUSED).number) == (2, 2)
    assert stand(REFUSED, NOTHING).refusals == 0
    assert stand(REFUSED, NOTHING, REFUSED).refusals == 1


@pytest.mark.parametrize("status", set(ExitStatus) - {ExitStatus.DONE})
def test_what_asking_again_soon_does_not_mend_is_asked_for_ever_more_rarely(status: ExitStatus) -> None:
    is_lasting = status in {ExitStatus.REFUSED, ExitStatus.CREDENTIALS, ExitStatus.CONFIGURATION}
    failure = end(Outcome.FAILED, None, status=status)
    assert stand(failure, failure).refusals == (2 if is_lasting else 0)


def test_the_delay_is_that_of_an_hour_that_the_window_stored_itself() -> None:
    stored = stand(end(counts=COUNTS), now=NOON + HOUR + 20 * SECOND)
    assert stored.got is not None
    assert stored.got.delay == 20 * SECOND
    found = stand(end(Outcome.NO_CHANGE)).got
    assert found is not None
    assert found.delay is None


def test_the_same_hour_again_counts_where_it_was_spooled_and_is_stored_by_now() -> None:
    first = stand(SPOOLED)
    again = after(first, replace(SPOOLED, message="Still."), CERTAIN, now=STARTED)
    assert again.got == first.got
    replayed = end(Outcome.NO_CHANGE, replayed=1)
    better = after(again, replayed, CERTAIN, now=STARTED)
    assert better.got is not None
    assert (better.got.collected, better.got.attempts) == (replayed, 3)
    assert after(better, end(Outcome.NO_CHANGE), CERTAIN, now=STARTED).got == better.got


@pytest.mark.parametrize(
    ("standing", "left", "is_over"),
    [
        (stand(NOTHING), HOUR, False),
        (stand(end()), HOUR, True),
        (stand(SPOOLED), HOUR, True),
        (stand(end(Outcome.FAILED, None, status=ExitStatus.TERMINATED)), HOUR, True),
        (
            after(None, end(Outcome.LOCKED, None, status=ExitStatus.LOCKED), CERTAIN, now=NOON, is_taken=True),
            HOUR,
            True,
        ),
        # Another cycle of this region holds its lock: the next attempt may find it free.
        (stand(end(Outcome.LOCKED, None, status=ExitStatus.LOCKED)), HOUR, False),
        # The hour after the one that came is due at 14:00:27, and the window is asked at 13:30:07.
        (stand(end(), before=replace(CERTAIN, rhythm=HOURLY)), 30 * MINUTE + 20 * SECOND, False),
        (stand(end(), before=replace(CERTAIN, rhythm=HOURLY)), 30 * MINUTE + 19 * SECOND, True),
    ],
)
def test_a_window_is_over_with_news_unless_the_next_hour_is_due_in_it(
    standing: Standing, left: timedelta, *, is_over: bool
) -> None:
    assert standing.is_over(now=NOON + 90 * MINUTE, left=left) is is_over


@pytest.mark.parametrize(
    ("standing", "adaptive", "seconds"),
    [
        (stand(NOTHING), False, 23.0),
        (stand(REFUSED), False, 23.0),
        (stand(REFUSED, REFUSED), False, 53.0),
        # What was refused grows also where the rhythm says that the hour is due.
        (stand(REFUSED, REFUSED, before=replace(CERTAIN, rhythm=HOURLY)), True, 53.0),
        (stand(NOTHING, before=replace(CERTAIN, rhythm=HOURLY)), True, 3.0),
        (stand(NOTHING), True, 23.0),
    ],
)
def test_the_next_attempt_is_at_a_tick_as_far_away_as_the_last_one_s_end_asks_for(
    standing: Standing, *, adaptive: bool, seconds: float
) -> None:
    window = Window(length=HOUR, interval=HALF_A_MINUTE, adaptive=adaptive)
    # The hour is due 20 seconds from then.
    assert standing.pause(window, now=NOON + HOUR, left=HOUR) == pytest.approx(seconds)
    assert standing.pause(window, now=NOON + HOUR, left=2 * SECOND) is None


def test_a_window_ends_with_its_news_unless_somebody_asked_it_to_end() -> None:
    stopped = end(Outcome.FAILED, None, status=ExitStatus.TERMINATED)
    good = stand(end(), NOTHING).ended()
    assert (good.collected, good.attempts, good.is_new) == (end(), 2, True)
    told = stand(end(), stopped).ended()
    assert (told.collected, told.attempts, told.is_new, told.delay) == (stopped, 2, True, None)
    assert stand(NOTHING).ended().is_new is False


@pytest.mark.parametrize(
    ("now", "wanted", "left", "seconds"),
    [
        # From the middle of two ticks, from a tick, and from just before one.
        (75.0, 30, 900.0, 15.0),
        (60.0, 30, 900.0, 30.0),
        (89.5, 30, 900.0, 0.5),
        # Several ticks count from the last one; what is shorter than a tick is one.
        (75.0, 60, 900.0, 45.0),
        (75.0, 5, 900.0, 15.0),
        # The end of the window: its last tick at the latest, and none beyond.
        (75.0, 480, 80.0, 75.0),
        (75.0, 480, 75.0, 75.0),
        (75.0, 480, 74.0, 45.0),
        (75.0, 30, 15.0, 15.0),
        (75.0, 30, 14.0, None),
        (75.0, 30, 0.0, None),
        (60.0, 30, 0.0, None),
        (75.0, 480, -3_600.0, None),
    ],
)
def test_an_attempt_falls_on_a_tick_within_the_window(
    now: float, wanted: int, left: float, seconds: float | None
) -> None:
    assert until_tick(now, wanted=timedelta(seconds=wanted), grid=HALF_A_MINUTE, left=left) == seconds


@pytest.mark.parametrize(
    ("rhythm", "said"),
    [
        (None, ", ends 13:00Z"),
        (HOURLY, f", due {HOURLY.due:%H:%M}Z, ends 13:00Z"),
    ],
)
def test_who_watches_is_told_what_a_region_waits_for(rhythm: Rhythm | None, said: str) -> None:
    standing = replace(after(None, NOTHING, CERTAIN, now=STARTED), rhythm=rhythm)
    assert waiting(standing, now=STARTED, seconds=30, left=30 * MINUTE) == (
        f"waiting to {STARTED + HALF_A_MINUTE:%H:%M:%S}Z{said}"
    )
