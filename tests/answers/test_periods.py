"""Which hours and days a span has, and which of them a snapshot is in: reckoned quickly for UTC, plainly for others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ironforge_cli.answers.periods import BucketedSpan, By, Gathering
from ironforge_cli.db.repositories.asking import SnapshotTimes
from ironforge_cli.db.repositories.item_history import ItemDays, ItemHours, as_times

START = datetime(2026, 3, 27, tzinfo=UTC)
MINUTES = st.integers(0, 5 * 1_440)


def span(begins: int, length: int, stored: list[int], by: By, zone: str) -> BucketedSpan:
    start = START + timedelta(minutes=begins)
    within = sorted({one % length + 1 for one in stored}) if length > 0 else []
    times = as_times([start + timedelta(minutes=one) for one in within])
    return BucketedSpan(
        start, start + timedelta(minutes=length), SnapshotTimes(times, np.full(len(times), 3600.0)), by, ZoneInfo(zone)
    )


@pytest.mark.parametrize("by", By)
@given(begins=MINUTES, length=st.integers(-60, 5 * 1_440), stored=st.lists(MINUTES, max_size=6))
@example(begins=0, length=60, stored=[59])
@example(begins=30, length=60, stored=[5])
@example(begins=30, length=60, stored=[])
@example(begins=30, length=0, stored=[])
@example(begins=0, length=0, stored=[])
def test_utc_by_that_name_has_the_buckets_of_a_zone_that_keeps_its_time(
    by: By, begins: int, length: int, stored: list[int]
) -> None:
    quick, plain = (span(begins, length, stored, by, zone) for zone in ("UTC", "Etc/UTC"))
    assert quick.buckets == plain.buckets
    assert quick.places.tolist() == plain.places.tolist()
    assert (quick.places >= 0).all()


def test_times_before_the_epoch_have_their_hours_too() -> None:
    start = datetime(1969, 12, 31, 22, 30, tzinfo=UTC)
    times = as_times([start + timedelta(minutes=45)])
    early = BucketedSpan(
        start, start + timedelta(hours=2), SnapshotTimes(times, np.array([np.nan])), By.HOUR, ZoneInfo("UTC")
    )
    assert early.buckets == [datetime(1969, 12, 31, 23, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
    assert early.places.tolist() == [0]


def hours(*rows: tuple[float, ...] | None) -> ItemHours:
    """What snapshots say: price, value, units for sale, and sold low, as estimated and high; None where nothing."""
    nothing = (np.nan,) * 6
    columns: list[Any] = list(np.array([row or nothing for row in rows], np.float64).reshape(-1, 6).T)
    return ItemHours(np.array([row is not None for row in rows], np.bool_), *columns)


def gathered(
    by: By, begins: int, places: list[int], said: ItemHours, *, gone: tuple[int, ...] = ()
) -> list[tuple[Any, ...]]:
    over = span(begins, 3 * 1_440, places, by, "UTC")
    gathering = Gathering(over)
    everything = np.ones(len(places), np.bool_)
    gathering.add_hours(said, chosen=everything, held=~np.isin(np.arange(len(places)), gone))
    return list(zip(*gathering.columns(), strict=True))


def test_what_is_not_for_sale_is_known_and_what_has_left_is_not() -> None:
    said = hours((10, 12.5, 4, np.nan, np.nan, np.nan), None, None, (np.nan, np.nan, 0, 1, 2, 3))
    first, second, third, _ = gathered(By.DAY, 0, [59, 119, 179, 1_500], said, gone=(2,))
    # Two snapshots of three are held; the sales of the first are not known, and in the second there were none.
    assert first == (3, 10, 12.5, 2.0, 0, 0, 0)
    assert second == (1, None, None, 0.0, 1, 2, 3)
    assert third == (0, None, None, None, None, None, None)
    assert gathered(By.DAY, 0, [59], hours(None), gone=(0,))[0] == (1, None, None, None, None, None, None)
    assert gathered(By.DAY, 0, [], hours()) == [third] * 4


def test_weeks_put_together_are_means_of_the_snapshots_that_know() -> None:
    said = hours((10, 12.0, 4, 1, 3, 5), (8, 14.0, 6, 2, 4, 7), (9, 1.0, 2, np.nan, np.nan, np.nan))
    rows = gathered(By.WEEKDAY, 0, [59, 119, 179], said)
    assert rows[START.weekday()] == (3, 8, 9.0, 4.0, 1.5, 3.5, 6.0)
    assert all(row[0] == 0 for place, row in enumerate(rows) if place != START.weekday())


def test_a_day_that_is_read_whole_counts_as_its_snapshots_would() -> None:
    over = span(-1, 3 * 1_440, [60, 120, 1_500], By.WEEKDAY, "UTC")
    gathering = Gathering(over)
    one, other = (np.datetime64(START.date() + timedelta(days=number), "D") for number in range(2))
    figures: list[Any] = [np.array([value], np.float64) for value in (7, 11.0, 3.0, 2, 4, 6)]
    counts: list[Any] = [np.array([value], np.int64) for value in (3_600, 2, 1)]
    gathering.add_days(ItemDays(np.array([one]), *figures, *counts), whole=np.array([one, other]))
    rows = list(zip(*gathering.columns(), strict=True))
    # The sales of half of the first day's time are known: as many as of one of its two snapshots.
    assert rows[START.weekday()] == (2, 7, 11.0, 3.0, 2.0, 4.0, 6.0)
    # On the second day the item was not for sale, which is known.
    assert rows[(START.weekday() + 1) % 7] == (1, None, None, 0.0, 0.0, 0.0, 0.0)
