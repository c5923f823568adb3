"""In what a day's table without a mark differs from one of ironforge's, and giving the mark back where it doesn't."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import partitions, unmarked_days
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.market.partitions import DailyPartition, Mark, State
from ironforge_cli.regions import Region
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg.sql import Composed
    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.market.partitions import Existing
    from ironforge_cli.market.unmarked_days import UnmarkedDay

DAY = DailyPartition(Region.EU, date(2024, 1, 15))
NEXT = DailyPartition(Region.EU, date(2024, 1, 16))
PARENT = "auction_snapshots_eu"
AWAY = f"ALTER TABLE {PARENT} DETACH PARTITION {DAY.name}"
AGAIN = f"ALTER TABLE {PARENT} ATTACH PARTITION {DAY.name} FOR VALUES FROM ('2024-01-15Z') TO ('2024-01-15 12:00Z')"
UNLOGGED = f"CREATE UNLOGGED TABLE {DAY.name} (LIKE {PARENT} INCLUDING ALL)"
WINDOW = f"ck_{PARENT}_window"
PLAIN = "it is not a plain table, or has rules or row security"
COLUMNS = f"its columns are not those of {PARENT}"
CHECKS = f"its key or its checks are not those of {PARENT}"


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    """A day that is like one of ironforge's in all but its comment; all is rolled back after the test."""
    with shared.connect() as opened:
        for day in (DAY, NEXT):
            partitions.create(opened, day)
        execute(opened, f"COMMENT ON TABLE {DAY.name} IS NULL")
        yield opened


def execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def existing(connection: Connection, name: str = DAY.name) -> Existing:
    (one,) = [table for table in partitions.existing(connection, Region.EU) if table.name == name]
    return one


def differences(connection: Connection) -> tuple[str, ...]:
    (one,) = unmarked_days.unmarked(connection, partitions.existing(connection, Region.EU))
    assert (one.table.name, one.partition) == (DAY.name, DAY)
    return one.differences


def test_days_without_a_mark_are_told_and_no_other_table(connection: Connection) -> None:
    execute(connection, f"CREATE TABLE by_hand PARTITION OF {PARENT} FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')")
    assert differences(connection) == ()
    execute(connection, f"COMMENT ON TABLE {NEXT.name} IS NULL")
    found = unmarked_days.unmarked(connection, partitions.existing(connection, Region.EU))
    assert [one.partition for one in found] == [DAY, NEXT]
    assert unmarked_days.unmarked(connection, []) == []


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        ([AWAY], [f"it is not attached to {PARENT}"]),
        ([AWAY, AGAIN], ["its bounds are not 2024-01-15 (UTC)"]),
        ([f"ALTER TABLE {DAY.name} ENABLE ROW LEVEL SECURITY"], [PLAIN]),
        ([f"CREATE RULE nothing AS ON DELETE TO {DAY.name} DO INSTEAD NOTHING"], [PLAIN]),
        ([AWAY, f"DROP TABLE {DAY.name}", UNLOGGED], [f"it is not attached to {PARENT}", PLAIN]),
        ([f"ALTER TABLE {DAY.name} ALTER quantity SET DEFAULT 1"], [COLUMNS]),
        ([AWAY, f"ALTER TABLE {DAY.name} ADD note text"], [f"it is not attached to {PARENT}", COLUMNS]),
        (
            [AWAY, f"ALTER TABLE {DAY.name} ALTER quantity DROP NOT NULL"],
            [f"it is not attached to {PARENT}", COLUMNS],
        ),
        (
            [AWAY, f"ALTER TABLE {DAY.name} ALTER quantity TYPE bigint"],
            [f"it is not attached to {PARENT}", COLUMNS],
        ),
        # A column that was dropped again is none.
        (
            [AWAY, f"ALTER TABLE {DAY.name} ADD note text", f"ALTER TABLE {DAY.name} DROP note"],
            [f"it is not attached to {PARENT}"],
        ),
        ([f"ALTER TABLE {DAY.name} ADD CHECK (quantity < 9)"], [CHECKS]),
        ([f"ALTER TABLE {DAY.name} ADD CONSTRAINT more CHECK (quantity > 0) NOT VALID"], [CHECKS]),
        # The same check, but it was never tried on what is there.
        (
            [
                AWAY,
                f"ALTER TABLE {DAY.name} DROP CONSTRAINT {WINDOW}",
                f"ALTER TABLE {DAY.name} ADD CHECK (expires_after_min < expires_before_min) NOT VALID",
            ],
            [f"it is not attached to {PARENT}", CHECKS],
        ),
        ([f"COMMENT ON TABLE {DAY.name} IS 'keep this'"], ["it has a comment of somebody else's"]),
        (
            [f"COMMENT ON TABLE {DAY.name} IS 'keep this'", f"ALTER TABLE {DAY.name} ADD CHECK (quantity < 9)"],
            [CHECKS, "it has a comment of somebody else's"],
        ),
    ],
)
def test_each_difference_is_told_and_keeps_it_from_being_adopted(
    connection: Connection, statements: list[str], told: list[str]
) -> None:
    execute(connection, *statements)
    assert list(differences(connection)) == told
    with pytest.raises(ConfigurationError) as refused:
        unmarked_days.adopt(connection, DAY)
    assert str(refused.value) == f"{DAY.name} was not adopted: {'; '.join(told)}."
    assert existing(connection).mark is Mark.FOREIGN


def test_a_table_of_another_role_is_told_with_the_way_out(connection: Connection) -> None:
    owner = connection.execute(text("SELECT current_user")).scalar_one()
    execute(connection, "CREATE ROLE somebody", f"ALTER TABLE {DAY.name} OWNER TO somebody")
    assert differences(connection) == (
        f'it belongs to the role somebody, and {PARENT} to {owner} (ALTER TABLE {DAY.name} OWNER TO "{owner}")',
    )


def test_a_table_that_is_gone_meanwhile_is_told(connection: Connection) -> None:
    table = existing(connection)
    execute(connection, AWAY, f"DROP TABLE {DAY.name}")
    (one,) = unmarked_days.unmarked(connection, [table])
    assert one.differences == ("it is gone",)
    (one,) = unmarked_days.unmarked(connection, [replace(table, state=State.DETACHED)])
    assert one.differences == (f"it is not attached to {PARENT}", "it is gone")


def test_what_is_adopted_has_its_mark_again_and_is_adopted_once(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    look = unmarked_days.unmarked

    class Speaking:
        def execute(self, statement: Composed) -> None:
            seen.append(statement.as_string())

    def looking(asked: Connection, tables: list[Existing]) -> list[UnmarkedDay]:
        seen.append("looked")
        return look(asked, tables)

    with monkeypatch.context() as patch:
        patch.setattr(unmarked_days, "driver", lambda _: nullcontext(Speaking()))  # pyright: ignore[reportUnknownArgumentType,reportUnknownLambdaType] - any connection
        patch.setattr(unmarked_days, "unmarked", looking)
        unmarked_days.adopt(connection, DAY)
    # Nobody changes it between the look and the mark.
    assert seen == [
        f'/* ironforge partitions */ LOCK TABLE "{DAY.name}" IN SHARE UPDATE EXCLUSIVE MODE',
        "looked",
    ]
    assert (existing(connection).mark, existing(connection).made_for) == (Mark.MADE, DAY.day)
    for day in (DAY, NEXT):
        with pytest.raises(ConfigurationError, match=f"{day.name} was not adopted: it is marked already, or gone"):
            unmarked_days.adopt(connection, day)


def test_days_of_a_role_that_cannot_be_acted_for_are_told_where_the_whole_table_can(connection: Connection) -> None:
    execute(
        connection,
        "CREATE ROLE other_one",
        "CREATE ROLE own_one",
        f"ALTER TABLE {PARENT} OWNER TO own_one",
        f"CREATE TABLE by_hand PARTITION OF {PARENT} FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')",
        f"ALTER TABLE {NEXT.name} OWNER TO other_one",
        "ALTER TABLE by_hand OWNER TO other_one",
        f"COMMENT ON TABLE {DAY.name} IS 'ironforge: EU commodity auctions of 2024-01-15 (UTC)'",
        f"ALTER TABLE {DAY.name} OWNER TO own_one",
    )

    def told() -> list[str]:
        return unmarked_days.of_other_owners(connection, partitions.existing(connection, Region.EU))

    # A superuser may act for anybody.
    assert told() == []
    execute(connection, "SET LOCAL ROLE own_one")
    (message,) = told()
    assert message == (
        f"{NEXT.name} belongs to the role other_one, and {PARENT} to own_one, so that it can't leave. As a superuser: "
        f'ALTER TABLE {NEXT.name} OWNER TO "own_one".'
    )
    assert unmarked_days.of_other_owners(connection, []) == []
    # Who can't act for the whole table's owner either can do nothing about it.
    execute(connection, "RESET ROLE", "CREATE ROLE reads", "SET LOCAL ROLE reads")
    assert told() == []
    # Nor who may act for both.
    execute(connection, "RESET ROLE", "GRANT other_one TO own_one", "SET LOCAL ROLE own_one")
    assert told() == []
