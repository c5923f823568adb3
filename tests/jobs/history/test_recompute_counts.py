"""Counting what was computed again: each snapshot once, whatever its segments found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from ironforge_cli.jobs.history.recompute_counts import RecomputeCounts
from ironforge_cli.market.changes import StatisticsChange

FIRST = datetime(2026, 1, 14, 12, tzinfo=UTC)
A, B, C, D, E = (FIRST + timedelta(hours=hour) for hour in range(5))
NONE = StatisticsChange()
SOME = StatisticsChange(changed=2)


def recomputed(at: datetime, *, windows: int = 0, statistics: StatisticsChange = NONE, registry: bool = False) -> Any:
    book = SimpleNamespace(snapshot_time=at)
    return SimpleNamespace(book=book, windows=windows, statistics=statistics, registry=registry)


def test_a_snapshot_changed_where_a_window_or_a_row_did_and_is_counted_once() -> None:
    counts = RecomputeCounts()
    for found in (
        recomputed(A),
        recomputed(B, windows=3),
        recomputed(C, statistics=SOME),
        recomputed(D, registry=True),
        recomputed(B, windows=1, statistics=SOME, registry=True),
        recomputed(E, windows=1),
    ):
        counts.add(found)
    assert (counts.computed, counts.changed, counts.registry) == ({A, B, C, D, E}, {B, C, E}, {B, D})
    assert (counts.auctions, counts.statistics.rows) == (5, 4)
    assert (counts.without_rows, counts.without_previous) == (set(), set())


def test_what_segments_found_is_one_count() -> None:
    counts = RecomputeCounts({A}, {A}, {B}, {C}, {D}, 5, SOME)
    counts.join(RecomputeCounts({A, B}, {C}, {D}, {E}, {A}, 7, SOME))
    assert (counts.computed, counts.changed, counts.registry) == ({A, B}, {A, C}, {B, D})
    assert (counts.without_rows, counts.without_previous) == ({C, E}, {A, D})
    assert (counts.auctions, counts.statistics.rows) == (12, 4)
