"""What whoever seeds recipes sees of it, and that nothing more is asked for once somebody asks for the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import InterruptedRunError
from tests.clocks import TickingClock
from tests.jobs.catalogue.test_outputs import Written
from tests.jobs.listed_source import ListedSource, seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database


def test_whoever_watches_sees_lists_and_recipes_go_by_and_what_was_stored(
    database: Database, clock: TickingClock
) -> None:
    source, progress = ListedSource({1: [1, 2], 2: [3], 3: [4], 4: []}, away=[2], gone=[1]), Written()
    seeded("recipes", source, database=database, clock=clock, progress=progress)
    assert progress.lines == [
        *("professions: 4", "+1", "+1", "+1", "+1"),
        *("skill tiers: 3", "+1", "+1", "+1"),
        *("recipes: 3", "+1", "+1", "P1: 1 row of 2 recipes, 1 404"),
        "P2: failed, nothing of it was stored: 503.",
        *("+1", "P3: 1 row of 1 recipe"),
    ]


class ClockUntil(TickingClock):
    """A clock by which somebody asks for the end once something was asked for."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        super().__init__(datetime(2026, 1, 14, tzinfo=UTC))
        self._is_over = is_over

    def check(self) -> None:
        if self._is_over():
            raise InterruptedRunError("SIGTERM")


@pytest.mark.parametrize(
    ("last", "lists"), [("professions", set[tuple[int, str]]()), ("", {(1, "")}), ("A", {(1, ""), (1, "A")})]
)
def test_once_somebody_asks_for_the_end_nothing_more_is_asked_for(
    database: Database, last: str, lists: set[tuple[int, str]]
) -> None:
    source = ListedSource({1: [7]})
    clock = ClockUntil(lambda: source.indexed > 0 if last == "professions" else (1, last) in source.lists)
    with pytest.raises(InterruptedRunError):
        seeded("recipes", source, database=database, clock=clock)
    assert (source.lists.keys(), source.asked) == (lists, [])
