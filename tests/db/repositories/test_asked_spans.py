"""Which part of a span is read from days and which from hours, and what a look at the database reads once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import insert, text

from ironforge_cli.db.models import REGISTRY
from ironforge_cli.db.repositories import asked_spans
from ironforge_cli.db.repositories.asked_spans import DAY, NEXT, Parts, StoredSnapshot, starts_at
from ironforge_cli.regions import Region
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

EU = Region.EU
HOUR = timedelta(hours=1)
FIRST, SECOND, THIRD = (date(2024, 3, day) for day in (1, 2, 3))
LONG_AGO = starts_at(FIRST) - 40 * DAY
# The first of a region has no interval; the others' are told apart by their length.
STORED = [
    StoredSnapshot(LONG_AGO, None),
    *(
        StoredSnapshot(starts_at(FIRST) + hours * HOUR, 2**number)
        for number, hours in enumerate((-1, 0, 12, 24, 36, 47.5, 48, 60, 72))
    ),
]


@pytest.fixture(scope="module")
def filled(shared: Database) -> Database:
    """Three days of March, of which two are made; their month's hours are held, and those of long before are not."""
    with shared.transaction() as connection:
        make_months(connection, starts_at(FIRST), regions=(EU,))
        for region, one in [*((EU, one) for one in STORED), (Region.US, StoredSnapshot(starts_at(FIRST) + NEXT, 9))]:
            row = {"auctions": 1, "items": 1, "bytes": 1, "digest": "x", "source": "live", "estimator_version": 1}
            span = {"region": region, "snapshot_time": one.time, "interval_seconds": one.interval_seconds}
            connection.execute(insert(REGISTRY).values(row | span))
        for day in (FIRST, SECOND):
            for item in (1, 2):
                connection.execute(
                    text(
                        "INSERT INTO eu_commodity_price_days (day, item_id, mean_quantity, covered_seconds, snapshots,"
                        " priced_snapshots) VALUES (:day, :item, 1, 3600, 1, 0)"
                    ),
                    {"day": day, "item": item},
                )
    return shared


@pytest.fixture
def connection(filled: Database) -> Generator[Connection]:
    with filled.connect() as opened:
        yield opened


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent from here on, whoever puts it together."""
    found: list[str] = []
    execute: Any = psycopg.Cursor.execute

    def noted(cursor: psycopg.Cursor[Any], query: Any, *given: Any, **more: Any) -> Any:
        found.append(query if isinstance(query, str) else query.as_string())
        return execute(cursor, query, *given, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", noted)
    return found


def times(since: datetime, until: datetime) -> list[StoredSnapshot]:
    return [one for one in STORED if since < one.time <= until]


SPANS = [
    (LONG_AGO - NEXT, STORED[-1].time),
    (LONG_AGO, STORED[-1].time - NEXT),
    (STORED[2].time, STORED[6].time),
    (STORED[2].time - NEXT, STORED[6].time - NEXT),
    (STORED[2].time, STORED[2].time),
]


@pytest.mark.parametrize("is_look", [True, False])
def test_snapshots_are_those_of_a_span_without_its_first_moment(connection: Connection, *, is_look: bool) -> None:
    if is_look:
        asked_spans.keep_spans(connection)
    for since, until in [*SPANS, *reversed(SPANS)]:
        assert asked_spans.snapshots(connection, EU, since, until) == times(since, until)
    assert asked_spans.snapshots(connection, Region.US, *SPANS[0]) == [StoredSnapshot(starts_at(FIRST) + NEXT, 9)]


def test_a_span_that_is_longer_than_what_is_read_ahead_is_read_whole(connection: Connection) -> None:
    asked_spans.keep_spans(connection)
    assert asked_spans.snapshots(connection, EU, *SPANS[0]) == STORED


def test_a_look_reads_once_what_a_shorter_span_asks_for_first_and_others_read_each_time(
    connection: Connection, sent: list[str]
) -> None:
    until = STORED[-1].time
    asked_spans.keep_spans(connection)
    ahead = until - timedelta(days=15, hours=1)
    for since, last in ((until - HOUR, until), (ahead, until), (ahead, until - HOUR)):
        assert asked_spans.snapshots(connection, EU, since, last) == times(since, last)
        assert len(sent) == 1
    # What reaches further on either side is asked for.
    asked_spans.snapshots(connection, EU, ahead - NEXT, until)
    asked_spans.snapshots(connection, EU, ahead, until + NEXT)
    assert len(sent) == 3
    # What was read is one region's.
    assert asked_spans.snapshots(connection, Region.US, ahead, until) == [
        StoredSnapshot(starts_at(FIRST) + NEXT, 9),
    ]
    for since, last in ((FIRST, THIRD), (FIRST, THIRD), (FIRST, SECOND), (SECOND, THIRD)):
        made = asked_spans.made_days(connection, EU, since, last)
        assert made == [day for day in (FIRST, SECOND) if since <= day < last]
        assert len(sent) == 5
    asked_spans.made_days(connection, EU, FIRST - DAY, THIRD)
    asked_spans.made_days(connection, EU, FIRST, THIRD + DAY)
    assert len(sent) == 7


def test_without_a_look_each_question_reads(connection: Connection, sent: list[str]) -> None:
    for number in (1, 2):
        asked_spans.snapshots(connection, EU, *SPANS[2])
        asked_spans.made_days(connection, EU, FIRST, THIRD)
        assert len(sent) == 2 * number


def test_made_days_are_those_that_have_a_row_once_each(connection: Connection) -> None:
    assert asked_spans.made_days(connection, EU, FIRST - 9 * DAY, THIRD + 9 * DAY) == [FIRST, SECOND]
    assert asked_spans.made_days(connection, EU, SECOND, THIRD) == [SECOND]
    assert asked_spans.made_days(connection, EU, FIRST, SECOND) == [FIRST]
    assert asked_spans.made_days(connection, EU, THIRD, THIRD + DAY) == []
    assert asked_spans.made_days(connection, Region.US, FIRST, THIRD) == []


def seconds(since: datetime, until: datetime) -> int:
    return sum(one.interval_seconds or 0 for one in times(since, until))


@pytest.mark.parametrize(
    ("since", "until", "made"),
    [
        # A day ends before the midnight of the next: an interval that ends then belongs to the next.
        (starts_at(FIRST) - NEXT, starts_at(THIRD) - NEXT, [FIRST, SECOND]),
        (starts_at(FIRST), starts_at(THIRD) - NEXT, [SECOND]),
        (starts_at(FIRST) - NEXT, starts_at(THIRD) - 2 * NEXT, [FIRST]),
        (starts_at(FIRST), starts_at(SECOND), []),
        (starts_at(FIRST) - 2 * HOUR, starts_at(THIRD) + DAY, [FIRST, SECOND]),
    ],
)
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-7))])
def test_whole_days_that_are_made_are_read_as_days_and_the_rest_as_hours(
    connection: Connection, since: datetime, until: datetime, made: list[date], zone: timezone
) -> None:
    found = asked_spans.parts_of(connection, EU, since.astimezone(zone), until.astimezone(zone))
    inside = times(since, until)
    by_day = {day: sum(one.interval_seconds or 0 for one in inside if one.time.date() == day) for day in made}
    # February's hours are not held.
    rest = [one.time for one in inside if one.time.date() not in made and one.time >= starts_at(FIRST)]
    known = sum(one.interval_seconds or 0 for one in inside if one.time >= starts_at(FIRST))
    assert found == Parts(made=by_day, times=rest, seconds=known)


def test_what_has_no_snapshot_before_it_adds_no_time_to_a_day_or_to_hours(connection: Connection) -> None:
    in_a_day, in_hours = STORED[3], STORED[-2]
    span = starts_at(FIRST) - NEXT, STORED[-1].time
    before = asked_spans.parts_of(connection, EU, *span)
    connection.execute(
        text("UPDATE snapshots SET interval_seconds = NULL WHERE snapshot_time IN (:first, :second)"),
        {"first": in_a_day.time, "second": in_hours.time},
    )
    found = asked_spans.parts_of(connection, EU, *span)
    less = in_a_day.interval_seconds or 0
    assert found.made == {FIRST: before.made[FIRST] - less, SECOND: before.made[SECOND]}
    assert found.times == before.times
    assert in_hours.time in found.times
    assert found.seconds == before.seconds - less - (in_hours.interval_seconds or 0)


def test_hours_are_gone_where_no_month_holds_them_and_a_look_asks_once_for_the_months(
    connection: Connection, sent: list[str]
) -> None:
    asked_spans.keep_spans(connection)
    edge = starts_at(FIRST)
    assert asked_spans.without_hours(connection, EU, []) == set()
    assert sent == []
    assert asked_spans.without_hours(connection, EU, [edge - NEXT, edge, LONG_AGO]) == {edge - NEXT, LONG_AGO}
    before = len(sent)
    assert asked_spans.without_hours(connection, EU, [edge + 31 * DAY - NEXT, edge + 31 * DAY]) == {edge + 31 * DAY}
    assert len(sent) == before
