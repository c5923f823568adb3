"""Storing one snapshot: what is believed, what is counted, and that all of it is there or nothing."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ironforge_cli.blizzard.payloads import commodities
from ironforge_cli.errors import InterruptedRunError
from ironforge_cli.jobs.collecting.collect import ingest
from ironforge_cli.jobs.collecting.storing import SnapshotCounts, is_plausible
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.market.sales import Totals
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs import stored
from tests.jobs.expected import expected_after
from tests.jobs.handed import HOUR, NOON, Breaking, Cycle, Handed, answer, body_of, raising

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.jobs.collecting.outcomes import Collected
    from ironforge_cli.jobs.evidence.runs import Progress
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock


def take(
    storage: Storage, clock: TickingClock, at: datetime, body: bytes, progress: Progress | None = None
) -> Collected:
    """Store a body of EU under its time."""
    return ingest(
        body,
        region=Region.EU,
        snapshot_time=at,
        storage=storage,
        clock=clock,
        progress=progress,
    )


@pytest.mark.parametrize(
    ("auctions", "usual", "stored_before", "is_believed"),
    [
        (5, 10.0, 3, True),
        (4, 10.0, 3, False),
        (6, 11.0, 24, True),
        (5, 11.0, 24, False),
        # The median of an even number of snapshots can lie between two counts.
        (5, 10.5, 4, False),
        (1, 10.0, 2, True),
        (1, 0.0, 0, True),
    ],
)
def test_half_of_the_usual_is_believed_and_less_is_not_once_three_are_stored(
    auctions: int, usual: float, stored_before: int, *, is_believed: bool
) -> None:
    assert is_plausible(auctions, usual=usual, stored=stored_before) is is_believed


def test_what_is_usual_is_what_was_stored_before_the_hour_itself(storage: Storage, clock: TickingClock) -> None:
    clock.turn_to(NOON + 4 * HOUR)
    for hour, auctions in enumerate((10, 9, 40)):
        assert take(storage, clock, NOON + hour * HOUR, body_of(auctions, first=100 * (hour + 1))).status == 0
    # Of the three before, the middle one has 10; with those after it, or with two alone, all would be believed.
    small = Cycle(storage, clock)
    refused = small.run(Handed([answer(body_of(4), NOON + 3 * HOUR)]))
    assert refused.outcome is Outcome.REJECTED
    assert "lists 4 auctions, fewer than half of the 10 that the last 3" in (refused.message or "")
    assert small.run(Handed([answer(body_of(5), NOON + 3 * HOUR)])).outcome is Outcome.STORED
    assert take(storage, clock, NOON - HOUR, body_of(1)).regions[0].outcome is Outcome.STORED


def test_hours_that_were_refused_before_one_that_was_stored_believe_no_later_one(
    storage: Storage, clock: TickingClock
) -> None:
    clock.turn_to(NOON + 6 * HOUR)
    for hour, auctions in enumerate((10, 10, 10)):
        assert take(storage, clock, NOON + (hour - 3) * HOUR, body_of(auctions, first=100 * (hour + 1))).status == 0
    small = Cycle(storage, clock)
    outcomes = [
        small.run(Handed([answer(body_of(auctions, first=1_000 * (hour + 1)), NOON + hour * HOUR)])).outcome
        for hour, auctions in enumerate((4, 4, 10, 4, 4, 4))
    ]
    refused = [Outcome.REJECTED] * 2
    assert outcomes == [*refused, Outcome.STORED, *refused, Outcome.STORED]


def test_each_count_is_that_of_its_own_name() -> None:
    first = summarise_snapshot(None, commodities(body_of(3), region=Region.EU), at=NOON)
    second = summarise_snapshot(first.book, commodities(body_of(5), region=Region.EU), at=NOON + HOUR)
    assert second.comparison is not None
    # Every total another number, so that none can pass for its neighbour.
    totals = Totals(**{field.name: number for number, field in enumerate(fields(Totals), start=100)})
    sales = second.statistics.sales
    assert sales is not None
    units = {"sales_low": 11, "estimated_sales": 12, "sales_high": 13}
    told = replace(sales, **{name: np.array([number]) for name, number in units.items()})
    counts = SnapshotCounts.of(
        replace(
            second,
            comparison=replace(second.comparison, totals=totals),
            statistics=replace(second.statistics, sales=told),
        )
    )
    own = {"auctions", "items", "interval_seconds", "skipped", *units}
    for field in fields(SnapshotCounts):
        if field.name not in own:
            assert getattr(counts, field.name) == getattr(totals, field.name)
    assert {name: getattr(counts, name) for name in units} == units
    assert (counts.auctions, counts.items, counts.interval_seconds) == (5, 1, 3_600)
    nulls: dict[str, Any] = {field.name: None for field in fields(SnapshotCounts)}
    assert SnapshotCounts.of(first) == SnapshotCounts(**{**nulls, "auctions": 3, "items": 1, "skipped": 0})


def test_a_late_body_and_the_hours_after_it_are_stored_together_or_not_at_all(
    storage: Storage, clock: TickingClock
) -> None:
    bodies = [(NOON + hour * HOUR, body_of(5, first=1 + hour)) for hour in range(3)]
    clock.turn_to(NOON + 3 * HOUR)
    for at, body in bodies[1:]:
        take(storage, clock, at, body)
    before = stored.everything(storage.database, Region.EU)
    for step in ("recompute", "commit"):
        broken = take(storage, clock, *bodies[0], Breaking(step, raising(InterruptedRunError("SIGTERM"))))
        assert broken.status == InterruptedRunError("SIGTERM").status
        assert stored.everything(storage.database, Region.EU) == before
    assert take(storage, clock, *bodies[0]).status == 0
    expected = expected_after(bodies)
    assert stored.auctions(storage.database, Region.EU) == expected.auctions
    assert stored.statistics(storage.database, Region.EU) == expected.statistics
    assert stored.registry(storage.database, Region.EU) == expected.registry
