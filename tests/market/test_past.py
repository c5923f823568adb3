"""What is remembered of a region's last day, and for how long."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from ironforge_cli.market.estimate import WINDOW, Estimates
from ironforge_cli.market.past import Past, without_gaps
from ironforge_cli.market.sales import REACH
from tests.market.reference import Auction
from tests.market.test_estimate import estimated

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
LOT = Auction(item=1, price=100, quantity=1, time_left="LONG")
(ROWS,) = estimated([(NOON, {1: LOT}, ()), (NOON + HOUR, {}, ())])


def intervals(*moments: datetime) -> Past:
    past = Past()
    for moment in moments:
        past.add(ROWS, ended_at=moment, seconds=3_600)
    return past


def snapshots(*moments: datetime) -> Past:
    past = Past()
    for number, moment in enumerate(moments):
        past.add_snapshot(moment, 10 * number)
    return past


def test_an_interval_is_forgotten_when_it_is_a_day_old() -> None:
    assert intervals(NOON - DAY, NOON).digest() == intervals(NOON).digest()
    kept = intervals(NOON - DAY + SECOND, NOON)
    assert kept.digest() not in {intervals(NOON).digest(), intervals(NOON - DAY, NOON).digest()}


def test_an_interval_comes_after_the_one_before_it() -> None:
    past = intervals(NOON)
    for moment in (NOON, NOON - HOUR):
        with pytest.raises(ValueError, match="is not later than"):
            past.add(ROWS, ended_at=moment, seconds=3_600)
    assert past.digest() == intervals(NOON).digest()


def test_the_window_holds_what_ended_less_than_its_length_before() -> None:
    past = intervals(NOON - WINDOW, NOON - WINDOW + SECOND, NOON - HOUR)
    sums = past.sums(NOON)
    assert (sums.intervals, sums.seconds) == (2, 7_200)
    assert Past().sums(NOON).intervals == 0


@pytest.mark.parametrize(("evidence", "plain", "evident"), [(0, 0, 0), (1, 0, 2), (2, 2, 2)])
def test_one_new_unit_at_the_floor_is_supply_and_evidence_counts_by_its_kind(
    evidence: int, plain: int, evident: int
) -> None:
    values: dict[str, Any] = {one.name: np.ones_like(getattr(ROWS, one.name)) for one in fields(Estimates)}
    values["evidence"] = np.full_like(ROWS.evidence, evidence)
    past = Past()
    for moment in (NOON - HOUR, NOON):
        past.add(Estimates(**values), ended_at=moment, seconds=3_600)
    sums = past.sums(NOON + HOUR)
    assert (sums.supplied.tolist(), sums.new_at_floor.tolist()) == ([2], [2])
    assert (sums.plain.tolist(), sums.evident.tolist()) == ([plain], [evident])
    assert sums.seen.tolist() == [2]


def test_ids_are_remembered_as_far_as_a_comparison_reaches() -> None:
    before = (NOON - REACH - SECOND, NOON - REACH, NOON - HOUR)
    past = snapshots(*before)
    # That of the next snapshot itself is none of an earlier one.
    past.add_snapshot(NOON, 30)
    assert past.earlier(NOON).highest_ids == (10, 20)
    assert past.earlier(NOON + SECOND).highest_ids == (20, 30)
    forgetful = snapshots(NOON - HOUR)
    assert forgetful.digest() != past.digest()
    again = Past()
    for moment, number in ((NOON - REACH, 10), (NOON - HOUR, 20), (NOON, 30)):
        again.add_snapshot(moment, number)
    assert again.digest() == past.digest()


def test_ids_count_after_the_last_gap_alone() -> None:
    past = Past()
    for age, highest in ((3, 1), (2, None), (1, 5)):
        past.add_snapshot(NOON - age * HOUR, highest)
    assert past.earlier(NOON).highest_ids == (5,)
    assert without_gaps([]) == ()


@pytest.mark.parametrize("column", [one.name for one in fields(Estimates)])
def test_memories_that_differ_in_anything_are_told_apart(column: str) -> None:
    values: dict[str, Any] = {one.name: np.ones_like(getattr(ROWS, one.name)) for one in fields(Estimates)}
    other = values | {column: np.zeros_like(values[column])}
    told = [(values, NOON, 3_600), (other, NOON, 3_600), (values, NOON + SECOND, 3_600), (values, NOON, 3_599)]
    digests = set[bytes]()
    for rows, ended_at, seconds in told:
        past = Past()
        past.add(Estimates(**rows), ended_at=ended_at, seconds=seconds)
        digests.add(past.digest())
    assert len(digests) == len(told)
