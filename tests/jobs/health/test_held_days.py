from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.jobs.health import held_days
from ironforge_cli.market.partitions import DailyPartition, Existing, Mark, State
from ironforge_cli.market.retention import Present
from ironforge_cli.regions import Region
from tests.jobs.healthy import NOW

if TYPE_CHECKING:
    from ironforge_cli.jobs.health.status_findings import Days

TODAY = NOW.date()
DAY = timedelta(days=1)


def midnight(day: int) -> datetime:
    """The first instant of a day, counted from today."""
    return datetime.combine(TODAY + day * DAY, datetime.min.time(), UTC)


def made(day: int, **otherwise: Any) -> Existing:
    """The partition of a day, counted from today, as ironforge makes it."""
    partition = DailyPartition(Region.EU, TODAY + day * DAY)
    usual: dict[str, Any] = {
        "name": partition.name,
        "state": State.ATTACHED,
        "mark": Mark.MADE,
        "made_for": partition.day,
        "starts_at": partition.starts_at,
        "ends_at": partition.ends_at,
    }
    return Existing(region=Region.EU, **{**usual, **otherwise})


def foreign(first: int | None, end: int | None, *, name: str = "theirs", **otherwise: Any) -> Existing:
    """A table of somebody else's, from a day up to another."""
    return Existing(
        region=Region.EU,
        name=name,
        state=State.ATTACHED,
        mark=Mark.FOREIGN,
        made_for=None,
        starts_at=None if first is None else midnight(first),
        ends_at=None if end is None else midnight(end),
        **otherwise,
    )


def detached(day: int, *, mark: Mark = Mark.MADE) -> Existing:
    return made(day, state=State.DETACHED, mark=mark, starts_at=None, ends_at=None)


REST = foreign(None, None, name="rest", is_default=True)


def days(
    *tables: Existing,
    ahead: int = 7,
    retention_days: int = 30,
    now: datetime = NOW,
    newest: dict[Region, datetime] | None = None,
) -> Days:
    return held_days.held_days(
        Region.EU,
        tables,
        present=Present(now, {Region.US: now} if newest is None else newest),
        ahead=ahead,
        retention_days=retention_days,
        is_default_used=False,
    )


def test_days_are_told_from_the_oldest_to_the_newest_that_are_attached() -> None:
    found = days(*(made(day) for day in (3, -2, 0, 1)), detached(-9), detached(9), REST)
    assert (found.oldest, found.newest) == (TODAY - 2 * DAY, TODAY + 3 * DAY)
    # What is detached is not held; a default partition is.
    assert found.held == 5
    nothing = days()
    assert (nothing.held, nothing.oldest, nothing.newest, nothing.ahead) == (0, None, None, None)


def test_a_table_without_a_beginning_or_an_end_has_neither_oldest_nor_newest_day() -> None:
    assert days(foreign(None, 3)).oldest is None
    assert days(foreign(None, 3)).newest == TODAY + 2 * DAY
    assert days(foreign(-3, None)).oldest == TODAY - 3 * DAY
    assert days(foreign(-3, None)).newest is None


@pytest.mark.parametrize(
    ("tables", "ahead", "ready"),
    [
        ([], 7, None),
        ([made(1), made(2)], 7, None),
        ([made(0)], 7, 0),
        ([made(0), made(1), made(3)], 7, 1),
        ([made(day) for day in range(9)], 7, 7),
        ([made(day) for day in range(9)], 0, 0),
        ([foreign(-3, 3)], 7, 2),
        # None of these takes a day's rows where they belong.
        ([made(0), REST], 7, 0),
        ([made(0), detached(1)], 7, 0),
        ([made(0), made(1, state=State.DETACHING)], 7, 0),
    ],
)
def test_days_ahead_are_counted_in_a_row_after_today(tables: list[Existing], ahead: int, ready: int | None) -> None:
    assert days(*tables, ahead=ahead).ahead == ready


def test_a_table_should_have_left_a_day_after_its_last_day_was_due() -> None:
    # The day of 30 days ago has been due since midnight, the one before it since yesterday's.
    assert days(made(-30)).past_retention == ()
    assert days(made(-31)).past_retention == (made(-31).name,)
    assert days(made(-31), now=midnight(0)).past_retention == ()
    assert days(made(-31), retention_days=0).past_retention == ()
    # Of several days none can leave before the last.
    assert days(foreign(-40, -30)).past_retention == ("theirs",)
    assert days(foreign(-40, -29)).past_retention == ()
    assert days(foreign(-40, None), REST).past_retention == ()


def test_what_is_detached_and_not_dropped_is_past_its_retention_too_and_what_came_back_never() -> None:
    assert days(detached(-31), detached(-30)).past_retention == (detached(-31).name,)
    restored = made(-99, mark=Mark.RESTORED)
    assert days(restored, detached(-99, mark=Mark.RESTORED)).past_retention == ()
    assert days(restored).held == 1


def test_detachings_that_were_cut_off_and_the_default_partition_are_named() -> None:
    found = days(made(0), made(1, state=State.DETACHING), REST)
    assert found.detaching == (made(1).name,)
    assert found.default == "rest"
    assert found.held == 3
    assert (days(made(0)).detaching, days(made(0)).default) == ((), None)


@pytest.mark.parametrize("is_used", [True, False])
def test_whether_rows_lie_in_the_default_partition_is_passed_on(*, is_used: bool) -> None:
    found = held_days.held_days(
        Region.EU, [REST], present=Present(NOW, {}), ahead=7, retention_days=30, is_default_used=is_used
    )
    assert found.is_default_used is is_used


def test_the_day_is_that_of_utc() -> None:
    late = datetime(2026, 1, 14, 23, 59, 59, tzinfo=UTC).astimezone()
    assert days(made(0), now=late).ahead == 0
    assert made(0).made_for == date(2026, 1, 14)


def test_days_that_are_old_by_the_clock_alone_are_told_apart_from_those_that_should_be_gone() -> None:
    newest = {Region.US: NOW - 5 * DAY}
    found = days(made(-40), made(-33), newest=newest)
    assert found.past_retention == (made(-40).name, made(-33).name)
    assert found.held_back == (made(-33).name,)
    # That of the region's own newest snapshot stays, whatever the others have by now.
    assert days(made(-40), newest={Region.US: NOW, Region.EU: midnight(-40)}).held_back == (made(-40).name,)
    assert days(made(-40), newest={}).held_back == (made(-40).name,)
