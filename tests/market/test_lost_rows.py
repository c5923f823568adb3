from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ironforge_cli.market.lost_rows import CountedSnapshot, told
from ironforge_cli.regions import Region

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "statistics", "is_whole"),
    [(10, 5, True), (9, 5, False), (11, 5, False), (10, 4, False), (10, 6, False), (5, 10, False)],
)
def test_a_snapshot_is_whole_with_what_was_registered_and_no_more(
    rows: int, statistics: int, *, is_whole: bool
) -> None:
    assert CountedSnapshot(NOON, 10, 5, rows, statistics).is_whole is is_whole


def test_what_the_registry_does_not_know_is_never_whole() -> None:
    assert not CountedSnapshot(NOON, None, None, 0, 0).is_whole


def test_the_first_is_told_with_both_counts_and_how_many_there_are() -> None:
    odd = [CountedSnapshot(NOON, 1_000, 1, 8, 0), CountedSnapshot(NOON.replace(hour=13), None, None, 1, 1)]
    said = told(Region.US, odd)
    assert said.startswith("US: the rows of 2 snapshots of 2024-01-15 are not those that were stored: of 12:00:00Z ")
    assert "8 of 1,000 raw rows are held, and 0 of 1 row of statistics." in said
    for half_known in (CountedSnapshot(NOON, None, 5, 8, 5), CountedSnapshot(NOON, 8, None, 8, 5)):
        assert "of 12:00:00Z the registry knows nothing." in told(Region.EU, [half_known])
