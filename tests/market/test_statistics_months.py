from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from ironforge_cli.market.statistics_months import (
    RELAID_AFTER,
    HeldMonths,
    MonthAction,
    MonthPlan,
    StatisticsMonth,
    plan_months,
    wanted_months,
)
from ironforge_cli.regions import Region
from ironforge_cli.values import replace

NOW = datetime(2024, 3, 10, tzinfo=UTC)


def month(year: int, number: int) -> StatisticsMonth:
    return StatisticsMonth(Region.EU, date(year, number, 1))


def held(of: StatisticsMonth, *, laid: int | None = None) -> HeldMonths:
    return HeldMonths(of.name, of, of.starts_at, of.ends_at, bytes=1, rows=1, laid_at_change=laid)


BEFORE = HeldMonths("eu_commodity_price_stats_before", None, None, month(2024, 3).starts_at, 7, 7, is_from_before=True)


def planned(
    *tables: HeldMonths,
    changes: dict[StatisticsMonth, int] | None = None,
    now: datetime | None = NOW,
    retention_months: int = 0,
) -> MonthPlan:
    wanted = wanted_months(NOW, ahead=7, region=Region.EU)
    return plan_months(
        tables, wanted, region=Region.EU, changes=changes or {}, now=now, retention_months=retention_months
    )


def actions(plan: MonthPlan) -> list[tuple[str, str]]:
    return [(step.action, step.table) for step in plan.steps]


READY = (held(month(2024, 3)), held(month(2024, 4)))


def test_this_month_and_the_next_are_made() -> None:
    assert actions(planned()) == [(MonthAction.CREATE, one.name) for one in (month(2024, 3), month(2024, 4))]
    assert actions(planned(READY[0])) == [(MonthAction.CREATE, READY[1].name)]


def test_what_covers_a_month_is_room_enough_and_what_covers_a_part_is_in_the_way() -> None:
    whole = replace(BEFORE, ends_at=None)
    assert planned(whole) == MonthPlan(())
    part = replace(BEFORE, ends_at=month(2024, 3).starts_at + timedelta(days=3), is_from_before=False)
    (problem,) = planned(part, READY[1]).problems
    assert "eu_commodity_price_stats_2024_03 can't be made: eu_commodity_price_stats_before covers a part" in problem


def test_a_closed_month_is_laid_once_two_days_have_passed() -> None:
    closed = held(month(2024, 2))
    assert actions(planned(closed, *READY)) == [(MonthAction.LAY, closed.name)]
    just = month(2024, 3).starts_at + timedelta(days=2)
    assert actions(planned(closed, *READY, now=just)) == [(MonthAction.LAY, closed.name)]
    assert planned(closed, *READY, now=just - timedelta(microseconds=1)).steps == ()
    assert planned(closed, *READY, now=None).steps == ()
    assert planned(held(month(2024, 2), laid=3), *READY, changes={month(2024, 2): 3}).steps == ()


def test_a_month_into_which_much_was_written_since_is_laid_anew() -> None:
    laid = held(month(2024, 2), laid=3)
    assert planned(laid, *READY, changes={month(2024, 2): 2 + RELAID_AFTER}).steps == ()
    (step,) = planned(laid, *READY, changes={month(2024, 2): 3 + RELAID_AFTER}).steps
    assert step.action is MonthAction.LAY


def test_months_past_their_retention_leave_whole() -> None:
    tables = [held(month(2023, number)) for number in (10, 11)]
    assert actions(planned(*tables, *READY, retention_months=4)) == [
        (MonthAction.DROP, tables[0].name),
        (MonthAction.LAY, tables[1].name),
    ]
    assert planned(*tables, *READY, retention_months=4, now=None).steps == ()


def test_what_was_there_before_months_is_split_when_it_is_closed() -> None:
    (step,) = planned(BEFORE, *READY).steps
    assert (step.action, step.table, step.month) == (MonthAction.SPLIT, BEFORE.name, month(2024, 2))
    still_open = replace(BEFORE, ends_at=month(2024, 4).starts_at)
    assert planned(still_open, READY[1]).steps == ()


def test_what_somebody_else_attached_is_left_alone() -> None:
    foreign = replace(held(month(2020, 1)), month=None)
    assert planned(foreign, *READY, retention_months=1).steps == ()
