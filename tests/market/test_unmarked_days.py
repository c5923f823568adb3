from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.market.partitions import Action, DailyPartition, Existing, Mark, Plan, State, Step
from ironforge_cli.market.unmarked_days import UnmarkedDay, with_undecided
from ironforge_cli.regions import Region
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
NOTHING = Plan((), ())


def table(days_ago: int, *, mark: Mark = Mark.MADE, state: State = State.ATTACHED) -> Existing:
    own = DailyPartition(Region.EU, NOW.date() - timedelta(days=days_ago))
    attached = state is not State.DETACHED
    return Existing(
        region=Region.EU,
        name=own.name,
        state=state,
        mark=mark,
        made_for=None if mark is Mark.FOREIGN else own.day,
        starts_at=own.starts_at if attached else None,
        ends_at=own.ends_at if attached else None,
        bytes=9,
    )


def unmarked(days_ago: int, *differences: str) -> UnmarkedDay:
    own = DailyPartition(Region.EU, NOW.date() - timedelta(days=days_ago))
    return UnmarkedDay(table(days_ago, mark=Mark.FOREIGN), own, differences)


def found(
    *existing: Existing,
    unmarked: Sequence[UnmarkedDay] = (),
    adopt: bool = False,
    now: datetime | None = NOW,
    newest: datetime | None = None,
    plan: Plan = NOTHING,
) -> Plan:
    return with_undecided(plan, existing, unmarked, adopt=adopt, now=now, newest=newest, retention_days=30)


def test_a_day_that_lost_its_mark_is_named_with_the_way_out_and_adopted_when_that_is_said() -> None:
    day = unmarked(40)
    other = Step(Action.CREATE, DailyPartition(Region.EU, NOW.date()), 0)
    (told,) = found(day.table, unmarked=[day]).undecided
    assert day.table.name in told
    assert "--adopt" in told
    adopted = found(day.table, unmarked=[day], adopt=True, plan=Plan((other,), ()))
    # It leaves by no step of the same plan.
    assert adopted == Plan((Step(Action.ADOPT, day.partition, 9), other), (), ())


def test_a_day_that_differs_is_never_adopted_and_told_in_what_it_does() -> None:
    day = unmarked(1, "its columns are others", "it belongs to another")
    for adopt, words in ((False, "It is never touched"), (True, "It was not adopted")):
        left = found(day.table, unmarked=[day], adopt=adopt)
        assert left.steps == ()
        (told,) = left.undecided
        assert f"{words}, since its columns are others; it belongs to another. " in told


def test_what_a_problem_names_already_is_not_named_again() -> None:
    day = unmarked(1, "it is not attached to auction_snapshots_eu")
    plan = Plan((), (f"{day.table.name} can't be made: a table of that name is there.",))
    assert found(day.table, unmarked=[day], plan=plan).undecided == ()


@pytest.mark.parametrize(
    ("stays", "why"),
    [
        (replace(table(40, mark=Mark.FOREIGN), name="by_hand"), "ironforge did not make it"),
        # The mark of a day, on a table of other bounds.
        (replace(table(40), made_for=date(2020, 1, 1)), "or it is not what it made any more"),
        (table(40, state=State.DETACHED), "was detached by hand"),
    ],
)
def test_what_outlives_the_retention_and_is_not_dropped_is_named_as_soon_as_it_does(stays: Existing, why: str) -> None:
    (told,) = found(stays).undecided
    assert stays.name in told
    assert why in told
    assert found(stays, now=None).undecided == ()
    assert found(stays, now=NOW - timedelta(days=20)).undecided == ()


@pytest.mark.parametrize(
    "stays",
    [
        table(40),
        table(40, mark=Mark.RESTORED),
        table(40, mark=Mark.LEAVING, state=State.DETACHED),
        table(40, mark=Mark.FOREIGN, state=State.DETACHING),
        replace(table(40, mark=Mark.FOREIGN), name="rest", is_default=True),
        replace(table(40, mark=Mark.FOREIGN), name="by_hand", ends_at=None),
    ],
)
def test_what_leaves_or_stays_as_it_should_is_not_named(stays: Existing) -> None:
    assert found(stays).undecided == ()


def test_a_table_that_holds_the_newest_snapshot_is_not_named() -> None:
    stays = replace(table(40, mark=Mark.FOREIGN), name="by_hand")
    assert found(stays, newest=stays.starts_at).undecided == ()
