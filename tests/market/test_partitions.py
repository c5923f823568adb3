from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.market.partitions import (
    Action,
    DailyPartition,
    Existing,
    Mark,
    Plan,
    State,
    covers,
    plan,
    wanted_days,
)
from ironforge_cli.regions import Region
from ironforge_cli.values import replace

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
TODAY = NOW.date()


def partition(day: date) -> DailyPartition:
    return DailyPartition(Region.EU, day)


def table(day: date, *, state: State = State.ATTACHED, mark: Mark = Mark.MADE) -> Existing:
    own = partition(day)
    attached = state is not State.DETACHED
    return Existing(
        region=Region.EU,
        name=own.name,
        state=state,
        mark=mark,
        made_for=None if mark is Mark.FOREIGN else day,
        starts_at=own.starts_at if attached else None,
        ends_at=own.ends_at if attached else None,
    )


def by_hand(name: str, starts_at: datetime | None, ends_at: datetime | None, *, is_default: bool = False) -> Existing:
    return Existing(
        Region.EU, name, State.ATTACHED, Mark.FOREIGN, None, starts_at=starts_at, ends_at=ends_at, is_default=is_default
    )


def planned(
    *existing: Existing,
    ahead: int = 0,
    retention: int = 30,
    spooled: tuple[date, ...] = (),
    in_default: tuple[date, ...] = (),
    archive: bool = False,
) -> Plan:
    wanted = wanted_days(now=NOW, ahead=ahead, retention_days=retention, spooled=spooled, region=Region.EU)
    return plan(existing, wanted, now=NOW, retention_days=retention, in_default=in_default, archive=archive)


def steps(found: Plan) -> list[tuple[str, date]]:
    return [(step.action.value, step.partition.day) for step in found.steps]


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


# Made ahead


def test_today_and_the_days_ahead_are_made_and_gaps_filled() -> None:
    assert steps(planned(table(ago(-1)), ahead=3)) == [
        ("create", ago(0)),
        ("create", ago(-2)),
        ("create", ago(-3)),
    ]


def test_days_are_made_from_the_oldest_spooled_one_on() -> None:
    assert steps(planned(spooled=(ago(2), ago(1)))) == [("create", ago(2)), ("create", ago(1)), ("create", ago(0))]


def test_a_spooled_day_is_made_up_to_a_year_away_and_not_beyond() -> None:
    year, day = timedelta(days=366), timedelta(days=1)
    assert steps(planned(spooled=(TODAY - year,), retention=0)) == [("create", ago(366 - n)) for n in range(367)]
    assert steps(planned(spooled=(TODAY - year - day,), retention=0)) == [("create", TODAY)]
    # Of days to come only those that wait are made, none in between.
    assert steps(planned(spooled=(TODAY + year,), retention=0)) == [("create", TODAY), ("create", TODAY + year)]
    assert steps(planned(spooled=(TODAY + year + day,), retention=0)) == [("create", TODAY)]


@pytest.mark.parametrize("hours", [-11, 13])
def test_today_is_the_utc_day_whatever_the_zone_of_the_clock(hours: int) -> None:
    now = NOW.astimezone(timezone(timedelta(hours=hours)))
    wanted = wanted_days(now=now, ahead=0, retention_days=30, spooled=(), region=Region.US)
    assert wanted == [DailyPartition(Region.US, TODAY)]


def test_a_spooled_day_past_the_retention_or_years_off_is_not_made_ahead() -> None:
    assert steps(planned(spooled=(ago(31), date(2004, 1, 1)), retention=30)) == [
        ("create", ago(day)) for day in range(29, -1, -1)
    ]
    assert steps(planned(spooled=(date(2004, 1, 1), date(2044, 1, 1)), retention=0)) == [("create", TODAY)]


def test_the_plan_of_what_was_planned_is_empty() -> None:
    assert steps(planned(*(table(ago(day)) for day in range(-7, 31)), ahead=7)) == [
        ("detach", ago(30)),
        ("drop", ago(30)),
    ]
    assert planned(*(table(ago(day)) for day in range(-7, 30)), ahead=7) == Plan((), ())


# Leaving


@pytest.mark.parametrize(
    ("now", "leaves"),
    [
        (datetime(2024, 1, 31, tzinfo=UTC), False),
        (datetime(2024, 1, 31, tzinfo=UTC) + timedelta(microseconds=1), True),
    ],
)
def test_a_day_leaves_as_soon_as_its_first_instant_is_older_than_the_retention(now: datetime, *, leaves: bool) -> None:
    found = plan([table(date(2024, 1, 1))], [], now=now, retention_days=30)
    assert steps(found) == ([("detach", date(2024, 1, 1)), ("drop", date(2024, 1, 1))] if leaves else [])


def test_the_day_of_the_newest_snapshot_never_leaves_and_is_attached_again_where_it_was_leaving() -> None:
    existing = [table(ago(41)), table(ago(40)), table(ago(0))]
    wanted = wanted_days(now=NOW, ahead=0, retention_days=30, spooled=(), region=Region.EU)
    for newest in (partition(ago(40)).starts_at, partition(ago(40)).ends_at - timedelta(microseconds=1)):
        found = plan(existing, wanted, now=NOW, retention_days=30, newest=newest)
        assert steps(found) == [("detach", ago(41)), ("drop", ago(41))]
    leaving = table(ago(40), state=State.DETACHED, mark=Mark.LEAVING)
    newest = partition(ago(40)).starts_at
    assert steps(plan([leaving], [], now=NOW, retention_days=30, newest=newest)) == [("attach", ago(40))]


def test_without_a_time_by_which_days_are_old_none_leaves() -> None:
    assert steps(plan([table(ago(400))], [], now=None, retention_days=30)) == []


def test_a_day_is_archived_before_it_leaves() -> None:
    assert [action for action, _ in steps(planned(table(ago(40)), table(ago(0)), archive=True))] == [
        "archive",
        "detach",
        "drop",
    ]


def test_with_a_retention_of_nothing_everything_stays() -> None:
    assert steps(planned(table(ago(4_000)), table(ago(0)), retention=0)) == []


def test_a_restored_day_stays() -> None:
    assert steps(planned(table(ago(40), mark=Mark.RESTORED), table(ago(0)))) == []
    # Also where the restoring was ended before it was attached.
    assert steps(planned(table(ago(40), mark=Mark.RESTORED, state=State.DETACHED), table(ago(0)))) == []
    pending = table(ago(40), mark=Mark.RESTORED, state=State.DETACHING)
    assert steps(planned(pending, table(ago(0)))) == [("finish", ago(40))]


def test_a_day_that_was_marked_and_not_yet_taken_out_leaves_by_its_retention_alone() -> None:
    marked = table(ago(40), mark=Mark.LEAVING)
    assert steps(planned(marked, table(ago(0)))) == [("detach", ago(40)), ("drop", ago(40))]
    assert steps(planned(marked, table(ago(0)), retention=60)) == []


def test_each_step_says_how_large_its_table_is() -> None:
    found = planned(
        replace(table(ago(40)), bytes=5),
        replace(table(ago(41), state=State.DETACHING, mark=Mark.LEAVING), bytes=6),
        replace(table(ago(0), state=State.DETACHED), bytes=7),
        ahead=1,
        archive=True,
    )
    assert [(step.action.value, step.bytes) for step in found.steps] == [
        ("finish", 6),
        ("attach", 7),
        ("create", 0),
        ("archive", 6),
        ("drop", 6),
        ("archive", 5),
        ("detach", 5),
        ("drop", 5),
    ]


def test_a_detaching_that_was_cut_off_is_finished_first() -> None:
    pending = table(ago(40), state=State.DETACHING, mark=Mark.LEAVING)
    assert steps(planned(table(ago(41)), pending)) == [
        ("finish", ago(40)),
        ("create", ago(0)),
        ("detach", ago(41)),
        ("drop", ago(41)),
        ("drop", ago(40)),
    ]


def test_a_table_that_was_leaving_is_dropped_or_put_back_by_its_retention() -> None:
    left = table(ago(40), state=State.DETACHED, mark=Mark.LEAVING)
    assert steps(planned(left, table(ago(0)))) == [("drop", ago(40))]
    assert steps(planned(left, table(ago(0)), archive=True)) == [("archive", ago(40)), ("drop", ago(40))]
    assert steps(planned(left, table(ago(0)), retention=60)) == [("attach", ago(40))]
    pending = table(ago(40), state=State.DETACHING, mark=Mark.LEAVING)
    assert steps(planned(pending, table(ago(0)), retention=60)) == [("finish", ago(40)), ("attach", ago(40))]


def test_a_table_that_somebody_detached_stays_unless_its_day_is_needed() -> None:
    assert steps(planned(table(ago(40), state=State.DETACHED), table(ago(0)))) == []
    assert steps(planned(table(ago(0), state=State.DETACHED))) == [("attach", ago(0))]
    assert steps(planned(table(ago(40), state=State.DETACHING), table(ago(0)))) == [("finish", ago(40))]


# What somebody else made


def test_what_somebody_else_made_is_never_touched() -> None:
    own, old = table(ago(0)), partition(ago(40))
    for other in (
        table(ago(40), mark=Mark.FOREIGN),
        by_hand("by_hand", old.starts_at, old.ends_at),
        by_hand("by_hand", None, own.starts_at),
        # Bears the mark, and is no longer what was made.
        replace(table(ago(40)), ends_at=old.ends_at + timedelta(days=1)),
        replace(table(ago(40)), starts_at=old.starts_at - timedelta(days=1)),
        replace(table(ago(40)), name="renamed"),
        replace(table(ago(40)), made_for=ago(39)),
        replace(table(ago(40)), made_for=None),
        # Its comment names the day, and does not bear the mark.
        replace(table(ago(40)), mark=Mark.FOREIGN),
        replace(table(ago(40), state=State.DETACHED, mark=Mark.LEAVING), mark=Mark.FOREIGN),
    ):
        assert planned(own, other) == Plan((), ())


def test_a_table_is_a_days_own_as_long_as_it_is_what_was_made() -> None:
    made = table(TODAY)
    assert made.own == partition(TODAY)
    for state in State:
        assert table(TODAY, state=state, mark=Mark.LEAVING).own == partition(TODAY)
        # Its comment names the day, and does not bear the mark: nothing of it is finished, attached or dropped.
        assert replace(table(TODAY, state=state), mark=Mark.FOREIGN).own is None
        assert replace(table(TODAY, state=state), made_for=None).own is None
        assert replace(table(TODAY, state=state), name="renamed").own is None
    instant = timedelta(microseconds=1)
    for state in (State.ATTACHED, State.DETACHING):
        assert replace(made, state=state, starts_at=partition(TODAY).starts_at + instant).own is None
        assert replace(made, state=state, ends_at=partition(TODAY).ends_at + instant).own is None


def test_a_day_that_others_cover_needs_no_partition() -> None:
    start, end = partition(TODAY).starts_at, partition(TODAY).ends_at
    assert planned(by_hand("a", None, None)) == Plan((), ())
    assert planned(by_hand("a", None, NOW), by_hand("b", NOW, end)) == Plan((), ())
    assert planned(by_hand("b", NOW, None), by_hand("a", start, NOW)) == Plan((), ())


def test_what_covers_a_part_of_a_day_is_reported() -> None:
    found = planned(by_hand("half", None, NOW))
    assert found.steps == ()
    assert "half covers a part of 2024-01-15" in found.problems[0]


@pytest.mark.parametrize(
    ("starts", "ends", "overlaps"),
    [
        (-24, 0, False),
        (-24, 1, True),
        (23, 48, True),
        (24, 48, False),
        (None, 0, False),
        (None, 1, True),
        (23, None, True),
        (24, None, False),
        (None, None, True),
        (5, 6, True),
    ],
)
def test_a_table_overlaps_a_day_where_they_share_an_instant(
    starts: int | None, ends: int | None, *, overlaps: bool
) -> None:
    day = partition(TODAY)
    edges = [None if hours is None else day.starts_at + timedelta(hours=hours) for hours in (starts, ends)]
    assert by_hand("other", *edges).overlaps(day) is overlaps


def test_a_day_is_covered_from_its_first_instant_to_its_last_whatever_lies_before_it() -> None:
    day, instant = partition(TODAY), timedelta(microseconds=1)
    before = by_hand("before", None, partition(ago(2)).ends_at)
    halves = [by_hand("b", NOW, day.ends_at), by_hand("a", day.starts_at, NOW)]
    assert covers([before, *halves], day)
    assert not covers([before], day)
    assert not covers([], day)
    assert not covers([halves[0], by_hand("a", day.starts_at + instant, NOW)], day)
    assert not covers([halves[0], by_hand("a", day.starts_at, NOW - instant)], day)
    assert not covers([halves[1], by_hand("b", NOW, day.ends_at - instant)], day)
    assert covers([by_hand("after", NOW, None), by_hand("a", None, NOW)], day)


def test_what_is_told_names_the_tables_of_the_region() -> None:
    day = DailyPartition(Region.US, TODAY)
    default = replace(by_hand("rest", None, None, is_default=True), region=Region.US)
    pending = replace(by_hand("theirs", None, NOW), region=Region.US, state=State.DETACHING)
    found = plan([default, pending], [day], now=NOW, retention_days=30, in_default=[TODAY])
    assert found.steps == ()
    in_default, unfinished = found.problems
    assert "ALTER TABLE auction_snapshots_us DETACH PARTITION rest," in in_default
    assert "ALTER TABLE auction_snapshots_us DETACH PARTITION theirs FINALIZE" in unfinished


def test_a_table_in_the_way_is_reported() -> None:
    found = planned(table(TODAY, state=State.DETACHED, mark=Mark.FOREIGN))
    assert found.steps == ()
    assert "auction_snapshots_eu_2024_01_15 can't be made: a table of that name" in found.problems[0]


def test_a_default_partition_is_in_the_way_only_with_rows_of_the_day() -> None:
    default = by_hand("rest", None, None, is_default=True)
    assert steps(planned(default)) == [("create", TODAY)]
    found = planned(table(ago(1)), default, in_default=(TODAY,), ahead=1)
    assert steps(found) == [("create", ago(-1))]
    assert "the default partition rest holds rows of 2024-01-15" in found.problems[0]


def test_a_detaching_of_somebody_elses_is_reported() -> None:
    found = planned(table(ago(0)), replace(by_hand("theirs", None, partition(ago(9)).ends_at), state=State.DETACHING))
    assert found.steps == ()
    assert "DETACH PARTITION theirs FINALIZE" in found.problems[0]


# Whatever there is

tables = st.builds(
    table,
    st.integers(-10, 60).map(ago),
    state=st.sampled_from(State),
    mark=st.sampled_from(Mark),
)


def applied(existing: dict[str, Existing], found: Plan) -> dict[str, Existing]:
    """What is there when every step was done."""
    after = dict(existing)
    for step in found.steps:
        day, name = step.partition.day, step.partition.name
        match step.action:
            case Action.CREATE | Action.ATTACH:
                assert name not in after or after[name].state is State.DETACHED
                after[name] = table(day)
            case Action.DETACH:
                assert after[name].state is State.ATTACHED
                after[name] = table(day, state=State.DETACHED, mark=Mark.LEAVING)
            case Action.FINISH:
                assert after[name].state is State.DETACHING
                after[name] = replace(after[name], state=State.DETACHED)
            case Action.DROP:
                assert after[name].state is State.DETACHED
                del after[name]
            case Action.ARCHIVE | Action.ADOPT:
                assert name in after
    return after


@given(
    existing=st.lists(tables, unique_by=lambda one: one.name),
    ahead=st.integers(0, 9),
    retention=st.integers(0, 50),
    spooled=st.lists(st.integers(-5, 60).map(ago)),
    archive=st.booleans(),
)
def test_one_run_does_all_and_touches_nothing_of_others(
    existing: list[Existing], *, ahead: int, retention: int, spooled: list[date], archive: bool
) -> None:
    options = {"ahead": ahead, "retention": retention, "spooled": tuple(spooled), "archive": archive}
    before = {one.name: one for one in existing}
    found = planned(*existing, **options)  # pyright: ignore[reportArgumentType] - each has its own type
    after = applied(before, found)
    # Whoever looks again finds nothing to do, unless a person has to act.
    again = planned(*after.values(), **options)  # pyright: ignore[reportArgumentType] - each has its own type
    assert again.steps == ()
    assert set(again.problems) <= set(found.problems)
    for name, one in before.items():
        if one.mark in {Mark.FOREIGN, Mark.RESTORED} and one.state is State.ATTACHED:
            assert after[name] == one
        if retention == 0:
            assert name in after
    oldest = NOW - timedelta(days=retention)
    for one in after.values():
        if retention and one.mark is Mark.MADE and one.state is State.ATTACHED:
            assert one.starts_at is not None
            assert one.starts_at >= oldest
    if not found.problems:
        ready = {one.own.day for one in after.values() if one.own and one.state is State.ATTACHED} | {
            one.starts_at.date() for one in after.values() if one.starts_at and one.state is State.ATTACHED
        }
        assert {ago(-day) for day in range(ahead + 1)} <= ready
