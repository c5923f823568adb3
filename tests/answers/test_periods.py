"""Which hours and days a span has, and which of them a snapshot is in: reckoned quickly for UTC, plainly for others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ironforge_cli.answers.periods import BucketedSpan, By
from ironforge_cli.db.repositories.asking import SnapshotTimes
from ironforge_cli.db.repositories.item_history import as_times

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
