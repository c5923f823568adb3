"""What becomes of days whose tables have lost their mark, as by a dump without comments, or belong to somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import text

from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import partitions, unmarked_days
from ironforge_cli.errors import ConfigurationError, ExitStatus
from ironforge_cli.jobs.days.housekeeping import StepOutcome
from tests.jobs.day_tables import PARENT, ago, execute, found, held, hold, maintain, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ironforge_cli.jobs.days.housekeeping import Maintained
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock


def forget(database: Database, *day_numbers: int) -> None:
    """Take the marks away, as a dump without comments does."""
    execute(database, *[f"COMMENT ON TABLE {ago(number).name} IS NULL" for number in day_numbers])


def reports(maintained: Maintained) -> list[str]:
    return [str(result.message) for result in maintained.results if result.action == "report"]


def test_days_without_a_mark_fail_maintenance_by_name_until_they_are_adopted_and_then_leave(
    any_storage: Storage, clock: TickingClock
) -> None:
    database, days = any_storage.database, (40, 31, 29, 0, -1)
    hold(database, *days)
    forget(database, *days)
    maintained = maintain(any_storage, clock)
    assert maintained.status is ExitStatus.CONFIGURATION
    assert [ago(day).name in message for day, message in zip(days, reports(maintained), strict=True)] == [True] * 5
    assert set(held(database).values()) == {"foreign"}
    shown = maintain(any_storage, clock, adopt=True, dry_run=True)
    assert told(shown) == [("adopt", ago(day).name, "planned") for day in days]
    assert set(held(database).values()) == {"foreign"}
    # Nothing that was just adopted leaves by the same run.
    adopted = maintain(any_storage, clock, adopt=True)
    assert told(adopted) == [("adopt", ago(day).name, "done") for day in days]
    assert adopted.status is ExitStatus.DONE
    assert held(database) == {ago(day).name: "attached" for day in days}
    assert told(maintain(any_storage, clock)) == [
        (action, ago(day).name, "done") for day in (40, 31) for action in ("detach", "drop")
    ]


UNLIKE = {
    "a column more": (f"ALTER TABLE {PARENT} DETACH PARTITION {{0}}", "ALTER TABLE {0} ADD COLUMN note text"),
    "detached": (f"ALTER TABLE {PARENT} DETACH PARTITION {{0}}",),
    "other bounds": (
        f"ALTER TABLE {PARENT} DETACH PARTITION {{0}}",
        "DELETE FROM {0}",
        f"ALTER TABLE {PARENT} ATTACH PARTITION {{0}} FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')",
    ),
    "a check more": ("ALTER TABLE {0} ADD CHECK (quantity < 9)",),
    "a default": ("ALTER TABLE {0} ALTER COLUMN quantity SET DEFAULT 1",),
    "a comment": ("COMMENT ON TABLE {0} IS 'keep this'",),
    "another owner": ("ALTER TABLE {0} OWNER TO {1}",),
    "row security": ("ALTER TABLE {0} ENABLE ROW LEVEL SECURITY",),
    "unlogged": ("ALTER TABLE {0} SET UNLOGGED",),
}


@pytest.fixture
def role(storage: Storage) -> Iterator[str]:
    """A role that owns nothing yet."""
    name = f"other_{uuid4().hex[:12]}"
    execute(storage.database, f"CREATE ROLE {name}", f"GRANT ALL ON SCHEMA public TO {name}")
    yield name
    execute(storage.database, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.parametrize("unlike", UNLIKE)
def test_a_table_that_is_not_like_one_of_ironforges_is_named_and_never_touched(
    storage: Storage, clock: TickingClock, role: str, unlike: str
) -> None:
    name = ago(40).name
    hold(storage.database, 40, 0, -1)
    forget(storage.database, 40)
    execute(storage.database, *[statement.format(name, role) for statement in UNLIKE[unlike]])
    for adopt, dry_run in ((False, False), (True, False), (True, True)):
        maintained = maintain(storage, clock, adopt=adopt, dry_run=dry_run)
        assert maintained.status is ExitStatus.CONFIGURATION
        (message,) = reports(maintained)
        assert message.startswith(f"{name} bears a day's name")
    assert held(storage.database)[name] == "foreign"
    with pytest.raises(ConfigurationError, match="was not adopted"), storage.database.transaction() as connection:
        unmarked_days.adopt(connection, ago(40))


def test_a_table_that_is_changed_between_plan_and_adoption_is_not_adopted(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(storage.database, 40, 0, -1)
    forget(storage.database, 40)
    limit = partitions.limit_waiting

    def changing(_: object) -> None:
        monkeypatch.setattr(partitions, "limit_waiting", limit)
        execute(storage.database, f"COMMENT ON TABLE {ago(40).name} IS 'mine'")

    monkeypatch.setattr(partitions, "limit_waiting", changing)
    (result,) = maintain(storage, clock, adopt=True).results
    assert (result.outcome, result.status) == (StepOutcome.FAILED, ExitStatus.CONFIGURATION)
    assert found(storage.database, f"SELECT obj_description('{ago(40).name}'::regclass)") == [("mine",)]


def test_an_operators_partition_past_the_retention_is_named_and_stays(storage: Storage, clock: TickingClock) -> None:
    hold(storage.database, 0, -1)
    execute(
        storage.database,
        f"CREATE TABLE by_hand PARTITION OF {PARENT} FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
    )
    maintained = maintain(storage, clock, adopt=True)
    assert maintained.status is ExitStatus.CONFIGURATION
    assert reports(maintained)[0].startswith("by_hand holds raw data that are past the retention of 30 days")
    assert held(storage.database)["by_hand"] == "foreign"


def test_a_day_that_was_restored_with_another_owner_is_named_with_the_way_out(storage: Storage, role: str) -> None:
    hold(storage.database, 40, 0)
    own = f"own_{uuid4().hex[:12]}"
    execute(
        storage.database,
        f"CREATE ROLE {own}",
        f"GRANT ALL ON SCHEMA public TO {own}",
        f"ALTER TABLE {PARENT} OWNER TO {own}",
        f"ALTER TABLE {ago(0).name} OWNER TO {own}",
        f"ALTER TABLE {ago(40).name} OWNER TO {role}",
    )
    acting = Database(f"{storage.database.url}&options=-c%20role%3D{own}")
    try:
        with acting.connect() as connection:
            existing = partitions.existing(connection, ago(0).region)
            (message,) = unmarked_days.of_other_owners(connection, existing)
        assert message.startswith(f"{ago(40).name} belongs to the role {role}, and {PARENT} to {own}")
        remedy = message.partition("As a superuser: ")[2].removesuffix(".")
        with storage.database.transaction() as connection:
            connection.execute(text(remedy))
        with acting.connect() as connection:
            assert unmarked_days.of_other_owners(connection, existing) == []
    finally:
        acting.close()
        execute(storage.database, f"DROP OWNED BY {own}", f"DROP ROLE {own}")
