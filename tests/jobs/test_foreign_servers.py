"""Whole runs on servers that are set up in ways of their own: poolers, few connections, odd settings."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from ironforge_cli.db import engine, schema, sessions, turns
from ironforge_cli.db.engine import Database, conninfo
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.collecting.outcomes import Outcome
from ironforge_cli.jobs.days import maintain as days
from ironforge_cli.jobs.days.housekeeping import Housekeeping
from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.jobs.health.status import examine
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.day_tables import hold
from tests.servers import PASSWORD, pgbouncer, pooler

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.jobs.conftest import Collector
    from tests.servers import TestServer

KEPT = Housekeeping(ahead=1, retention_days=30, log_retention_days=400)


@contextmanager
def database_of(server: TestServer, *, limit: int) -> Generator[tuple[Database, str]]:
    """A migrated database of a role that is allowed so many connections, and the role."""
    role = f"few_{uuid4().hex[:8]}"
    with server.empty_database() as url:
        name = url.rpartition("/")[2]
        admin = Database(url)
        with admin.connect(autocommit=True) as connection:
            connection.execute(text(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit} PASSWORD '{PASSWORD}'"))
            connection.execute(text(f"ALTER DATABASE {name} OWNER TO {role}"))
        parts = conninfo_to_dict(conninfo(url))
        opened = Database(f"postgresql://{role}:{PASSWORD}@{parts['host']}:{parts['port']}/{name}")
        try:
            schema.upgrade(opened)
            yield opened, role
        finally:
            opened.close()
            with admin.connect(autocommit=True) as connection:
                connection.execute(text(f"REASSIGN OWNED BY {role} TO operator"))
                connection.execute(text(f"ALTER DATABASE {name} OWNER TO operator"))
                connection.execute(text(f"DROP OWNED BY {role}"))
                connection.execute(text(f"DROP ROLE {role}"))
            admin.close()


def set_limit(server: TestServer, role: str, limit: int) -> None:
    admin = Database(server.admin_url)
    with admin.connect(autocommit=True) as connection:
        connection.execute(text(f"ALTER ROLE {role} CONNECTION LIMIT {limit}"))
    admin.close()


def collected_twice(collector: Collector, database: Database) -> None:
    """Two hours of both regions, and all that has to be there afterwards."""
    for hour in range(2):
        if hour:
            collector.publish()
        collected = collector.collect()
        assert [found.message for found in collected.regions] == [None, None]
        assert collected.status is ExitStatus.DONE
    for region in DEFAULT_REGIONS:
        expected = collector.expected(region)
        assert stored.auctions(database, region) == expected.auctions
        assert stored.statistics(database, region) == expected.statistics
        assert [row[0] for row in stored.attempts(database, region)] == ["success", "success"]


def maintained(collector: Collector, database: Database) -> list[str]:
    """Let a day leave, and say what was done."""
    hold(database, 40)
    result = days.maintain((Region.EU,), storage=collector.storage, housekeeping=KEPT, clock=collector.clock)
    assert result.status is ExitStatus.DONE
    return [str(one.action) for one in result.results]


@pytest.fixture(params=["transaction_pooler", "session_pooler"])
def pooled(request: pytest.FixtureRequest, external: TestServer) -> Generator[Database]:
    """A migrated, empty database behind a pooler, in each mode that works."""
    address = request.getfixturevalue(request.param)
    with external.migrated_database() as straight:
        opened = Database(f"{address}/{straight.rpartition('/')[2]}")
        yield opened
        opened.close()


def test_everything_is_collected_and_maintained_behind_a_pooler(
    pooled: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(pooled)
    collected_twice(collector, pooled)
    assert "drop" in maintained(collector, pooled)


@pytest.mark.parametrize("limit", [pytest.param(5, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow), 3])
def test_few_connections_are_enough_for_both_regions(
    external: TestServer, make_collector: Callable[..., Collector], limit: int
) -> None:
    with database_of(external, limit=limit) as (database, _):
        collector = make_collector(database)
        collected_twice(collector, database)
        assert "drop" in maintained(collector, database)


@pytest.mark.parametrize("limit", [2, pytest.param(1, marks=pytest.mark.slow), 0])
def test_too_few_connections_are_refused_and_nothing_is_lost(
    external: TestServer, make_collector: Callable[..., Collector], monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 0.01)
    with database_of(external, limit=3) as (database, role):
        collector = make_collector(database)
        database.close()
        set_limit(external, role, limit)
        collected = collector.collect()
        assert [found.outcome for found in collected.regions] == [Outcome.SPOOLED, Outcome.SPOOLED]
        assert collected.status is ExitStatus.DATABASE
        for found in collected.regions:
            assert "ironforge needs 3 at least" in str(found.message)
        database.close()
        set_limit(external, role, 3)
        collector.publish()
        collected = collector.collect()
        assert collected.status is ExitStatus.DONE
        for region in DEFAULT_REGIONS:
            assert stored.auctions(database, region) == collector.expected(region).auctions


@pytest.mark.parametrize(("limit", "room"), [(5, 5), (2, 2)])
def test_connections_are_counted_and_none_is_left_open(external: TestServer, limit: int, room: int) -> None:
    with database_of(external, limit=3) as (database, role):
        set_limit(external, role, limit)
        for _ in range(2):
            assert database.room() == room


def test_a_poolers_sessions_are_counted_and_not_the_clients_that_it_takes(
    external: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for a session to be opened on a busy machine: the third is never greeted, however long that takes.
    monkeypatch.setattr(engine, "LONGEST_GREETING_SECONDS", 2)
    monkeypatch.setattr(sessions, "LONGEST_GREETING_SECONDS", 2)
    program = pgbouncer()
    if program is None:
        pytest.skip("no PgBouncer is installed")
    with pooler(program, external, mode="transaction", size=2) as address:
        database = Database(f"{address}/postgres")
        assert database.room() == 2
        database.close()


# Each of them changes what is sent, stored or read back, or ends what takes its time.
ODD = {
    "standard_conforming_strings": "off",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "America/New_York",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "backslash_quote": "off",
    "quote_all_identifiers": "on",
    "xmloption": "document",
    "row_security": "on",
    "check_function_bodies": "off",
    "synchronous_commit": "off",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1s",
    "idle_session_timeout": "1s",
    "session_replication_role": "replica",
    "exit_on_error": "on",
    "search_path": "pg_catalog, public",
    "lc_numeric": "C",
    "enable_partition_pruning": "off",
    "enable_indexscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "default_statistics_target": "1",
    "client_min_messages": "error",
}


@pytest.mark.parametrize("scope", ["database", "role"])
def test_no_setting_of_the_server_changes_what_is_stored_or_read(
    external: TestServer, make_collector: Callable[..., Collector], scope: str
) -> None:
    with external.migrated_database() as url:
        name = url.rpartition("/")[2]
        admin = Database(url)
        of = f"DATABASE {name}" if scope == "database" else f"ROLE operator IN DATABASE {name}"
        with admin.connect(autocommit=True) as connection:
            for setting, value in ODD.items():
                quoted = value if setting == "search_path" else f"'{value}'"
                connection.execute(text(f"ALTER {of} SET {setting} = {quoted}"))
        admin.close()
        database = Database(url)
        collector = make_collector(database)
        collected_twice(collector, database)
        assert "drop" in maintained(collector, database)
        found = examine(
            DEFAULT_REGIONS,
            storage=collector.storage,
            home=collector.home,
            clock=collector.clock,
            max_age=timedelta(hours=2),
            since=collector.clock.now() - timedelta(days=1),
            until=collector.clock.now(),
            ahead=1,
            check=False,
        )
        assert found.status is ExitStatus.DONE
        misread = {
            ProblemKind.DATABASE,
            ProblemKind.SCHEMA,
            ProblemKind.NO_SNAPSHOT,
            ProblemKind.STALE,
            ProblemKind.CRASHED,
            ProblemKind.PAST_RETENTION,
        }
        assert misread.isdisjoint(problem.kind for problem in found.problems)
        database.close()
