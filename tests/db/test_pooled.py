"""Behind a PgBouncer: what a session holds and is set to, where each transaction may have another one."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

from ironforge_cli.db import engine, locks, revisions, schema, sessions
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import partitions
from ironforge_cli.db.silence import asking_anew
from ironforge_cli.db.transactions import session_of
from ironforge_cli.errors import ConfigurationError, DatabaseError, LockedError, UnreachableError
from ironforge_cli.regions import Region
from tests.db.embedded_playground import eventually
from tests.jobs.day_tables import ago, held, hold
from tests.servers import pgbouncer, pooler

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.servers import TestServer


@pytest.fixture(params=["transaction_pooler", "session_pooler"])
def url(request: pytest.FixtureRequest, external: TestServer) -> Generator[str]:
    """A migrated, empty database behind a pooler, in each mode that works."""
    address = request.getfixturevalue(request.param)
    with external.migrated_database() as straight:
        yield f"{address}/{straight.rpartition('/')[2]}"


@pytest.fixture
def database(url: str) -> Generator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def another(url: str) -> Generator[Database]:
    """The same database, seen by another program."""
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def straight(external: TestServer, url: str) -> Generator[Database]:
    """The same database without a pooler."""
    opened = Database(external.url_of(url.rpartition("/")[2]))
    yield opened
    opened.close()


def keys(database: Database) -> list[int]:
    """The advisory locks of a database that anybody holds."""
    holders = text(
        "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with database.connect() as connection:
        return sorted(int(key) for key in connection.execute(holders).scalars())


def test_only_a_pooler_is_taken_for_one(database: Database, straight: Database) -> None:
    with database.connect() as pooled, straight.connect() as direct:
        assert session_of(pooled).is_pooled
        assert not session_of(direct).is_pooled


def test_a_lock_is_held_until_it_is_given_back_whatever_the_pooler_does_in_between(
    database: Database, another: Database, straight: Database
) -> None:
    with locks.storing(database, Region.EU):
        for _ in range(5):
            # The work's own transactions, and those of other programs, get whatever session is free.
            for busy in (database, another):
                with busy.transaction() as connection:
                    connection.execute(text("SELECT 1"))
            for other in (another, straight, database):
                with pytest.raises(LockedError), locks.storing(other, Region.EU):
                    raise AssertionError
        with locks.storing(another, Region.US):
            pass
    assert keys(straight) == []
    with locks.storing(another, Region.EU), pytest.raises(LockedError), locks.storing(database, Region.EU):
        raise AssertionError


def test_locks_of_a_run_share_a_session_and_none_of_them_outlives_the_run(
    database: Database, another: Database, straight: Database, tmp_path: Path
) -> None:
    with ExitStack() as run:
        polling = run.enter_context(locks.Polling(Region.EU, folder=tmp_path))
        with locks.owning(database, 7):
            polling.hold(database)
            with locks.maintaining(database), locks.owning(database, 8), straight.connect() as connection:
                assert all(
                    locks.is_held(connection, name) for name in ("run:7", "run:8", "poll:eu", locks.MAINTENANCE_LOCK)
                )
                with pytest.raises(LockedError), locks.maintaining(another):
                    raise AssertionError
        polling.hold(database)
        # What the run gave back it may take again, though the others are still held.
        with locks.maintaining(database), straight.connect() as connection:
            assert locks.is_held(connection, "poll:eu")
            sessions = connection.execute(
                text("SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory'")
            ).scalar_one()
            assert sessions == 1
    assert keys(straight) == []


def test_a_transaction_that_holds_locks_keeps_no_old_row_alive(database: Database, straight: Database) -> None:
    with locks.storing(database, Region.EU), locks.owning(database, 1), straight.connect() as connection:
        holders = text(
            "SELECT DISTINCT pid, state, backend_xmin, backend_xid FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        found = [tuple(row)[1:] for row in connection.execute(holders)]
        assert found == [("idle in transaction", None, None)] * 2


def test_a_server_that_ends_idle_transactions_leaves_those_that_hold_locks(
    database: Database, straight: Database
) -> None:
    with straight.connect(autocommit=True) as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '250ms'"))
    with locks.storing(database, Region.EU), straight.connect() as connection:
        shown = text(
            "SELECT pg_sleep(0.5), count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        assert connection.execute(shown).one()[1] == 1


def test_a_lock_ends_with_the_process_that_held_it(url: str, straight: Database) -> None:
    program = (
        "import sys; from ironforge_cli.db import locks; from ironforge_cli.db.engine import Database\n"
        "from ironforge_cli.regions import Region\n"
        "database = Database(sys.argv[1])\n"
        "with locks.storing(database, Region.EU), locks.owning(database, 7):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert len(keys(straight)) == 2
        holder.kill()
        eventually(lambda: not keys(straight))


def test_a_lock_whose_session_was_ended_is_said_to_be_lost_and_taken_again(
    database: Database, straight: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with locks.Polling(Region.EU, folder=tmp_path) as polling:
        polling.hold(database)
        with locks.storing(database, Region.US), straight.connect(autocommit=True) as connection:
            ending = (
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE locktype = 'advisory' AND datname = current_database()"
            )
            connection.execute(text(ending))
        assert "The session that held the lock store:us had ended" in caplog.text
        polling.hold(database)
        with straight.connect() as connection:
            assert locks.is_held(connection, "poll:eu")
    assert keys(straight) == []


def test_the_end_of_a_batch_is_waited_for(
    database: Database, another: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LONGEST_BATCH_SECONDS", 0.001)
    with locks.recomputing(database, Region.EU):
        with (
            locks.storing(database, Region.EU, at_once=True),
            pytest.raises(LockedError, match="storing EU"),
            locks.storing(another, Region.EU),
        ):
            raise AssertionError
        with locks.storing(another, Region.EU):
            pass


def test_no_session_is_left_with_settings_of_ours(external: TestServer, straight: Database) -> None:
    program = pgbouncer()
    if program is None:
        pytest.skip("no PgBouncer is installed")
    # With one session for all, whoever comes next gets the very one that we had.
    with pooler(program, external, mode="transaction", size=2) as address:
        name = straight.url.rpartition("/")[2]
        database = Database(f"{address}/{name}")
        names = ("lock_timeout", "statement_timeout", "synchronous_commit", "row_security", "search_path")
        with psycopg.connect(f"{address}/{name}", autocommit=True) as stranger:
            before = [stranger.execute(f"SHOW {setting}").fetchone() for setting in names]
            with locks.storing(database, Region.EU):
                pass
            with database.transaction() as connection:
                connection.execute(text("SELECT 1"))
            hold(database, 40)
            with database.connect(autocommit=True) as connection, partitions.impatient(connection):
                partitions.detach(connection, ago(40))
            after = [stranger.execute(f"SHOW {setting}").fetchone() for setting in names]
            assert after == before
            assert stranger.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        database.close()


def test_no_free_session_is_waited_for_as_long_as_a_pooler_likes(
    external: TestServer, straight: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = pgbouncer()
    if program is None:
        pytest.skip("no PgBouncer is installed")
    for module in (engine, sessions):
        monkeypatch.setattr(module, "LONGEST_GREETING_SECONDS", 0.2)
    # The pooler would say "query_wait_timeout" by itself, after two minutes where nothing else is set, or never.
    with pooler(program, external, mode="transaction", size=1, more="query_wait_timeout = 6\n") as address:
        name = straight.url.rpartition("/")[2]
        database = Database(f"{address}/{name}")
        with psycopg.connect(f"{address}/{name}") as stranger:
            with database.connect() as connection:
                connection.execute(text("SELECT 1"))
            stranger.execute("SELECT 1")
            # The one that was kept waits, and so does another in its place.
            with pytest.raises(UnreachableError, match="no session of the server was free"), database.connect():
                raise AssertionError
            stranger.rollback()
            # It counts as away for the rest of a cycle, and the next one asks anew.
            with asking_anew(), database.connect() as connection:
                stranger.execute("SELECT 1")
                with pytest.raises(psycopg.Error, match="no session of the server was free"):
                    connection.execute(text("SELECT 1"))
            stranger.rollback()
            with asking_anew(), database.connect() as connection:
                assert connection.execute(text("SELECT 1")).scalar_one() == 1
        database.close()


def test_a_day_is_taken_out_behind_a_pooler_and_one_that_somebody_reads_is_postponed(
    database: Database, straight: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(database, 40, 39)
    monkeypatch.setattr(partitions, "LOCK_PATIENCE", timedelta(milliseconds=20))
    with straight.connect() as reader:
        reader.execute(text("SELECT count(*) FROM auction_snapshots_eu"))
        with pytest.raises(DatabaseError), database.connect(autocommit=True) as connection:
            partitions.detach(connection, ago(40))
    with database.connect(autocommit=True) as connection, partitions.impatient(connection):
        partitions.detach(connection, ago(40))
    assert held(straight)[ago(40).name] == "leaving"
    assert held(straight)[ago(39).name] == "attached"


def test_the_same_statement_over_and_over_is_never_prepared(database: Database, another: Database) -> None:
    for _ in range(12):
        for one in (database, another):
            with one.transaction() as connection:
                connection.execute(
                    text("SELECT CAST(:number AS integer) + 1, CAST(:word AS text)"), {"number": 1, "word": "x"}
                )


def test_migrations_run_behind_a_pooler(external: TestServer, transaction_pooler: str) -> None:
    with external.empty_database() as url:
        database = Database(f"{transaction_pooler}/{url.rpartition('/')[2]}")
        assert schema.upgrade(database).current is None
        with database.connect() as connection:
            revisions.require_current(connection)
        database.close()
        direct = Database(url)
        assert keys(direct) == []
        direct.close()


def test_a_pooler_in_statement_mode_is_refused_with_the_way_out(external: TestServer) -> None:
    program = pgbouncer()
    if program is None:
        pytest.skip("no PgBouncer is installed")
    with pooler(program, external, mode="statement") as address:
        database = Database(f"{address}/postgres")
        with (
            pytest.raises(ConfigurationError, match=r"statement mode.*session or transaction mode") as refused,
            database.connect(),
        ):
            raise AssertionError
        assert refused.value.status == 78
        database.close()


def test_a_pooler_that_can_not_be_told_from_the_server_is_found_out_by_its_locks(straight: Database) -> None:
    with straight.connect(autocommit=True) as connection:
        session = session_of(connection)
        # As if the next transaction had come to another session than the one that greeted.
        session.info.__class__.backend_pid, kept = property(lambda _: 1), session.info.__class__.backend_pid  # pyright: ignore[reportAttributeAccessIssue] - only for the next call
        try:
            with pytest.raises(ConfigurationError, match=r"transaction mode.*session mode, or give"):
                locks.acquire(connection, "store:eu")
        finally:
            session.info.__class__.backend_pid = kept  # pyright: ignore[reportAttributeAccessIssue] - as it was
