from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from ironforge_cli.db import locks
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import ConfigurationError, LockedError
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import TestServer


@given(name=st.text(), other=st.text())
def test_a_locks_key_is_a_bigint_of_its_own(name: str, other: str) -> None:
    assert -(2**63) <= locks.advisory_key(name) < 2**63
    assert (locks.advisory_key(name) == locks.advisory_key(other)) is (name == other)


def test_a_locks_key_stays_the_same_between_versions_that_run_at_the_same_time() -> None:
    assert locks.advisory_key(locks.store_lock(Region.EU)) == -6_457_533_707_901_326_982
    assert locks.advisory_key(locks.MIGRATION_LOCK) == 6_848_822_810_819_616_952


@pytest.mark.parametrize("name", [locks.store_lock(Region.EU), locks.run_lock(7), locks.MIGRATION_LOCK])
def test_a_lock_is_held_by_one_session_until_it_gives_it_back(any_database: Database, name: str) -> None:
    with any_database.connect(autocommit=True) as one, any_database.connect(autocommit=True) as other:
        assert not locks.is_held(other, name)
        assert locks.acquire(one, name)
        assert not locks.acquire(other, name)
        assert locks.is_held(one, name)
        assert locks.is_held(other, name)
        assert locks.release(one, name) is True
        assert locks.release(one, name) is False
        assert not locks.is_held(one, name)
        assert locks.acquire(other, name)
        locks.release(other, name)


def test_to_look_at_a_lock_takes_nothing(any_database: Database) -> None:
    with any_database.connect(autocommit=True) as connection:
        assert not locks.is_held(connection, "store:eu")
        held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert connection.execute(held).scalar_one() == 0


def test_locks_of_a_negative_and_of_a_positive_key_are_both_seen(any_database: Database) -> None:
    names = [locks.run_lock(number) for number in range(20)]
    assert {locks.advisory_key(name) < 0 for name in names} == {True, False}
    with any_database.connect(autocommit=True) as connection:
        for name in names:
            assert locks.acquire(connection, name)
            assert locks.is_held(connection, name)
            locks.release(connection, name)
            assert not locks.is_held(connection, name)


def test_a_rollback_gives_no_lock_back(any_database: Database) -> None:
    with any_database.connect() as connection:
        assert locks.acquire(connection, "store:eu")
        connection.rollback()
        assert locks.is_held(connection, "store:eu")
        locks.release(connection, "store:eu")


def test_each_database_of_a_server_has_locks_of_its_own(any_server: TestServer, any_database: Database) -> None:
    with any_server.empty_database() as url:
        elsewhere = Database(url)
        with elsewhere.connect(autocommit=True) as there, any_database.connect(autocommit=True) as here:
            assert locks.acquire(there, "store:eu")
            assert not locks.is_held(here, "store:eu")
            assert locks.acquire(here, "store:eu")
            locks.release(here, "store:eu")
        elsewhere.close()


def test_a_lock_ends_with_the_process_that_held_it_however_it_ended(any_database: Database) -> None:
    program = (
        "import sys; from ironforge_cli.db import locks; from ironforge_cli.db.engine import Database\n"
        "with Database(sys.argv[1]).connect(autocommit=True) as connection:\n"
        "    print(locks.acquire(connection, 'store:eu'), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, any_database.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with any_database.connect(autocommit=True) as connection:
            assert locks.is_held(connection, "store:eu")
            holder.kill()
            for _ in range(1_000):
                if not locks.is_held(connection, "store:eu"):
                    break
                time.sleep(0.01)
            assert locks.acquire(connection, "store:eu")
            locks.release(connection, "store:eu")


def store(database: Database, region: Region) -> None:
    with locks.storing(database, region):
        pass


def test_only_one_stores_a_region_and_the_other_is_told(any_database: Database) -> None:
    another = Database(any_database.url)
    with locks.storing(any_database, Region.EU):
        for database in (any_database, another):
            with pytest.raises(LockedError, match=r"Another run is storing EU snapshots.*nothing is lost") as locked:
                store(database, Region.EU)
            assert locked.value.status == 75
        store(another, Region.US)
    store(another, Region.EU)
    another.close()


def test_beside_a_recomputation_the_end_of_its_batch_is_waited_for_and_not_for_ever(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LONGEST_BATCH_SECONDS", 0.001)
    with locks.recomputing(any_database, Region.EU):
        with locks.storing(any_database, Region.EU, at_once=True):
            with pytest.raises(LockedError, match="Another run is storing EU"):
                store(any_database, Region.EU)
            # Its limit is not left to whoever is given the session next.
            for _ in range(2):
                with any_database.connect() as connection:
                    assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "1min"
        store(any_database, Region.EU)
        store(any_database, Region.US)
        with pytest.raises(LockedError, match="recomputing EU"), locks.recomputing(any_database, Region.EU):
            raise AssertionError


def test_the_lock_is_given_back_when_the_work_fails(any_database: Database) -> None:
    def fail() -> None:
        with locks.storing(any_database, Region.EU):
            raise ValueError("of the work's own")

    with pytest.raises(ValueError, match="of the work's own"):
        fail()
    with any_database.connect(autocommit=True) as connection:
        assert not locks.is_held(connection, locks.store_lock(Region.EU))


def end_other_sessions(database: Database) -> None:
    other = Database(database.url)
    ending = text(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with other.connect(autocommit=True) as connection:
        connection.execute(ending)
    other.close()


def test_the_works_own_failure_is_told_even_where_the_locks_session_ended(any_database: Database) -> None:
    def fail() -> None:
        with locks.storing(any_database, Region.EU):
            end_other_sessions(any_database)
            raise ValueError("of the work's own")

    with pytest.raises(ValueError, match="of the work's own"):
        fail()
    store(any_database, Region.EU)


def test_without_a_database_a_file_decides_who_spools_a_region(tmp_path: Path) -> None:
    with locks.storing_in(tmp_path / "locks", Region.EU):
        with (
            pytest.raises(LockedError, match="Another run is spooling EU") as locked,
            locks.storing_in(tmp_path / "locks", Region.EU),
        ):
            raise AssertionError
        assert locked.value.status == 75
        with locks.storing_in(tmp_path / "locks", Region.US):
            pass
    with locks.storing_in(tmp_path / "locks", Region.EU):
        pass


def test_a_folder_that_refuses_the_lock_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigurationError, match=r"file.* can't be made .*IRONFORGE_HOME"),
        locks.storing_in(tmp_path / "file", Region.EU),
    ):
        raise AssertionError


def test_a_lock_that_was_given_back_is_taken_anew_and_not_remembered(any_database: Database) -> None:
    other = Database(any_database.url)
    ours, theirs = locks.RunLocks(any_database), locks.RunLocks(other)
    kept, lent = ours.take("kept"), ours.take("lent")
    assert kept is not None
    assert lent is not None
    ours.give_back("lent", lent)
    borrowed = theirs.take("lent")
    assert borrowed is not None
    assert ours.take("lent") is None
    theirs.give_back("lent", borrowed)
    ours.give_back("kept", kept)
    other.close()


def test_a_lock_whose_release_fails_is_said_and_costs_nothing(
    any_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> bool:
        raise OperationalError("SELECT pg_advisory_unlock", None, Exception("gone"))

    with any_database.connect(autocommit=True) as connection:
        assert locks.acquire(connection, "lent")
        monkeypatch.setattr(locks, "release", fail)
        locks.give_back(connection, "lent")
        assert connection.invalidated
    assert "The session that held the lock lent had ended" in caplog.text
