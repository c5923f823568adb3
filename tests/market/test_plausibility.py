"""A market that has shrunk is believed again when three hours agree, and never because of one fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ironforge_cli.market.plausibility import Sized, are_alike, is_believed_at_last

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
MINUTES = timedelta(minutes=1)


def at(minutes: int, auctions: int) -> Sized:
    return Sized(NOON + minutes * MINUTES, auctions)


@pytest.mark.parametrize(
    ("refused", "new", "is_believed"),
    [
        ([at(0, 100), at(60, 95)], at(120, 90), True),
        ([at(60, 95), at(0, 100)], at(120, 104), True),
        ([at(0, 100), at(60, 95)], at(120, 89), False),
        # Only the last count.
        ([at(-60, 10), at(0, 100), at(60, 95)], at(120, 90), True),
        ([at(0, 100), at(60, 10), at(120, 95)], at(180, 90), False),
        # Several of one time are one hour, and so are those of some minutes.
        ([at(60, 100), at(60, 95)], at(120, 90), False),
        ([at(60, 100), at(61, 95)], at(120, 90), False),
        ([at(0, 100), at(60, 20), at(60, 95)], at(120, 90), True),
        # Another answer of the very hour says nothing more of it.
        ([at(60, 100), at(120, 95)], at(120, 95), False),
        ([at(0, 0), at(60, 0)], at(120, 0), False),
        ([], at(0, 100), False),
    ],
)
def test_three_hours_that_agree_are_believed(refused: list[Sized], new: Sized, *, is_believed: bool) -> None:
    assert is_believed_at_last(refused, new) is is_believed


@pytest.mark.parametrize(("minute", "is_believed"), [(None, True), (-1, True), (0, False), (1, False), (60, False)])
def test_what_was_refused_before_one_was_stored_proves_nothing(minute: int | None, *, is_believed: bool) -> None:
    refused = [at(0, 100), at(60, 95)]
    stored = None if minute is None else at(minute, 0).at
    assert is_believed_at_last(refused, at(120, 90), stored=stored) is is_believed


def test_sizes_agree_within_a_tenth_of_the_larger() -> None:
    assert [are_alike((100, other)) for other in (89, 90, 111, 112)] == [False, True, True, False]
