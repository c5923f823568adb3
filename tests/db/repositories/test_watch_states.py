"""What watches remember, and what the connected role may do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.models import SNAPSHOTS, whole_schema
from ironforge_cli.db.repositories import thinning_checks, watch_states
from ironforge_cli.db.repositories.rights import Rights, rights
from ironforge_cli.db.repositories.thinning_checks import ThinningCheck
from ironforge_cli.regions import Region
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    with shared.connect() as opened:
        yield opened


def test_a_watch_remembers_its_own_last_document(connection: Connection) -> None:
    assert watch_states.load(connection, "b") is None
    for watch, document in (("b", '{"n": 1}'), ("a", '{"n": 2}'), ("b", '{"n": 3}')):
        connection.execute(text("UPDATE watch_states SET updated_at = '2020-01-01'"))
        watch_states.save(connection, watch, document)
    assert json.loads(watch_states.load(connection, "b") or "") == {"n": 3}
    assert json.loads(watch_states.load(connection, "a") or "") == {"n": 2}
    assert watch_states.names(connection) == ["a", "b"]
    dated = text("SELECT watch FROM watch_states WHERE updated_at > '2020-01-02'")
    assert connection.execute(dated).scalars().all() == ["b"]


def test_the_newest_check_of_a_region_is_told_and_one_of_the_same_snapshots_replaced(connection: Connection) -> None:
    assert thinning_checks.newest(connection, Region.EU) is None
    day = ThinningCheck(NOON - 24 * HOUR, NOON, 40, 1.25)
    earlier = ThinningCheck(NOON - 48 * HOUR, NOON - 24 * HOUR, 30, None)
    for region, check in ((Region.EU, day), (Region.EU, earlier), (Region.US, replace(day, until=NOON + HOUR))):
        thinning_checks.keep(connection, region, check)
    assert thinning_checks.newest(connection, Region.EU) == day
    connection.execute(text("UPDATE thinning_checks SET checked_at = '2020-01-01'"))
    again = ThinningCheck(NOON - 23 * HOUR, NOON, 41, 0.5)
    thinning_checks.keep(connection, Region.EU, again)
    assert thinning_checks.newest(connection, Region.EU) == again
    dated = text("SELECT count(*) FROM thinning_checks WHERE checked_at > '2020-01-02'")
    assert connection.execute(dated).scalar_one() == 1


def test_the_owner_of_all_may_do_all(connection: Connection) -> None:
    found = rights(connection)
    assert found == Rights(
        role=found.role,
        is_replica=False,
        is_read_only=False,
        not_written=(),
        not_owned=(),
        makes_tables=True,
    )
    assert found.role == connection.execute(text("SELECT current_user")).scalar_one()
    assert watch_states.may_write(connection)
    assert watch_states.may_log(connection)
    connection.execute(text("SET LOCAL default_transaction_read_only = on"))
    assert rights(connection).is_read_only
    assert not watch_states.may_write(connection)


def test_a_role_that_was_granted_a_part_lacks_the_rest(connection: Connection) -> None:
    tables = sorted(whole_schema().tables)
    connection.execute(text("CREATE ROLE granted_a_part"))
    connection.execute(text("REVOKE CREATE ON SCHEMA public FROM public"))
    connection.execute(text("GRANT SELECT, INSERT, UPDATE ON watch_states, scraper_logs TO granted_a_part"))
    connection.execute(text("GRANT SELECT, INSERT, UPDATE, DELETE ON items TO granted_a_part"))
    connection.execute(text("SET LOCAL ROLE granted_a_part"))
    found = rights(connection)
    assert found.role == "granted_a_part"
    # Each of the three rights is needed.
    assert found.not_written == tuple(name for name in tables if name != "items")
    assert found.not_owned == tuple(sorted(table.name for table in SNAPSHOTS.values()))
    assert not found.makes_tables
    assert watch_states.may_write(connection)
    assert not watch_states.may_log(connection)
    connection.execute(text("RESET ROLE"))
    connection.execute(text("GRANT SELECT, INSERT, UPDATE ON benchmarks TO granted_a_part"))
    for right in ("SELECT", "INSERT", "UPDATE"):
        connection.execute(text(f"REVOKE {right} ON watch_states FROM granted_a_part"))
        connection.execute(text("SET LOCAL ROLE granted_a_part"))
        assert not watch_states.may_write(connection)
        assert watch_states.may_log(connection)
        connection.execute(text("RESET ROLE"))
        connection.execute(text(f"GRANT {right} ON watch_states TO granted_a_part"))


EVERYTHING = Rights("me", is_replica=False, is_read_only=False, not_written=(), not_owned=(), makes_tables=True)
NO_NEW_DAY = "make tables in the schema, as each new day is one"
ALL_TABLES = tuple(sorted(whole_schema().tables))


@pytest.mark.parametrize(
    ("found", "reads_alone", "lacking"),
    [
        (EVERYTHING, False, None),
        (replace(EVERYTHING, is_replica=True), True, "the server is a replica, which can only be read"),
        (
            replace(EVERYTHING, is_read_only=True),
            True,
            "transactions of the role me are read-only (default_transaction_read_only)",
        ),
        (replace(EVERYTHING, not_written=ALL_TABLES), True, "the role me may only read"),
        (
            replace(EVERYTHING, not_written=ALL_TABLES[:-1]),
            False,
            f"the role me may not write {', '.join(ALL_TABLES[:-1])}",
        ),
        (
            replace(EVERYTHING, not_written=("a", "b"), not_owned=("c", "d"), makes_tables=False),
            False,
            f"the role me may not write a, b, nor add days to c, d, whose owner is another role, nor {NO_NEW_DAY}",
        ),
        (
            replace(EVERYTHING, makes_tables=False),
            False,
            f"the role me may not {NO_NEW_DAY}",
        ),
    ],
)
def test_what_a_role_lacks_is_said_in_words(found: Rights, lacking: str | None, *, reads_alone: bool) -> None:
    assert (found.reads_alone, found.lacking) == (reads_alone, lacking)
