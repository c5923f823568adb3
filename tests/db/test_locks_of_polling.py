from __future__ import annotations

import os
import signal
import stat
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db import locks, sessions
from ironforge_cli.db.engine import Database
from ironforge_cli.db.locks import Polling
from ironforge_cli.db.transactions import session_of
from ironforge_cli.errors import ConfigurationError, DatabaseError, LockedError
from ironforge_cli.regions import Region
from tests.db.embedded_playground import eventually

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.servers import TestServer

POLLING = text(
    "SELECT pid, state FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)


@pytest.fixture(scope="module")
def database(server: TestServer) -> Generator[Database]:
    """A database for all tests of the module, which leave no lock in it."""
    with server.empty_database() as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture
def another(database: Database) -> Generator[Database]:
    """The same database, seen from another machine."""
    opened = Database(database.url)
    yield opened
    opened.close()


def is_polled(database: Database, region: Region) -> bool:
    with database.connect(autocommit=True) as connection:
        return locks.is_held(connection, locks.poll_lock(region))


def end_holders(database: Database) -> None:
    """End every session that holds a lock, as a restart of the server does."""
    with database.connect(autocommit=True) as connection:
        for process, _ in connection.execute(POLLING).all():
            connection.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})


def test_a_session_that_answers_no_more_is_not_waited_for(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "LONGEST_GREETING_SECONDS", 0.5)
    with Polling(Region.EU, folder=tmp_path / "locks") as polling:
        polling.hold(database)
        with database.connect(autocommit=True) as connection:
            frozen = [process for process, _ in connection.execute(POLLING).all()]
            kept = session_of(connection).info.backend_pid
        for process in (*frozen, kept):
            os.kill(process, signal.SIGSTOP)
        try:
            with pytest.raises(LockedError):
                polling.hold(database)
        finally:
            for process in (*frozen, kept):
                os.kill(process, signal.SIGCONT)
        eventually(lambda: not is_polled(database, Region.EU))
        polling.hold(database)
        assert is_polled(database, Region.EU)


@pytest.mark.parametrize("region", Region)
def test_without_a_database_one_polls_a_region_on_a_machine(tmp_path: Path, region: Region) -> None:
    folder = tmp_path / "home" / "locks"
    other = next(one for one in Region if one is not region)
    with Polling(region, folder=folder):
        with pytest.raises(LockedError, match=f"Another run is polling {region.label} and does this work"):
            Polling(region, folder=folder).__enter__()
        # Another region is another's work, and so is one collection beside the window.
        with Polling(other, folder=folder), locks.storing_in(folder, region):
            pass
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with Polling(region, folder=folder):
        pass


def test_a_folder_that_refuses_the_lock_of_a_window_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file can't be made .*IRONFORGE_HOME"):
        Polling(Region.EU, folder=tmp_path / "file").__enter__()


@pytest.mark.parametrize("region", Region)
def test_by_the_database_one_polls_a_region_anywhere(
    database: Database, another: Database, tmp_path: Path, region: Region
) -> None:
    other = next(one for one in Region if one is not region)
    with Polling(region, folder=tmp_path / "there") as there:
        with Polling(region, folder=tmp_path / "here") as here, Polling(other, folder=tmp_path / "here") as beside:
            here.hold(database)
            assert is_polled(another, region)
            with pytest.raises(LockedError, match=f"Another run is polling {region.label} and does this work"):
                there.hold(another)
            beside.hold(another)
            with database.connect(autocommit=True) as connection:
                # Nobody's transaction stays open for a whole window.
                assert {state for _, state in connection.execute(POLLING)} == {"idle"}
        assert not is_polled(another, region)
        there.hold(another)
        assert is_polled(database, region)
    assert not is_polled(database, region)


def test_who_has_the_lock_of_the_database_keeps_it_from_attempt_to_attempt(database: Database, tmp_path: Path) -> None:
    with Polling(Region.EU, folder=tmp_path) as here:
        found: list[object] = []
        for _ in range(3):
            here.hold(database)
            with database.connect(autocommit=True) as connection:
                found += [process for process, _ in connection.execute(POLLING)]
        assert len(found) == 3
        assert len(set(found)) == 1


def test_a_lock_that_ended_with_its_session_is_taken_again(
    database: Database, another: Database, tmp_path: Path
) -> None:
    with Polling(Region.EU, folder=tmp_path / "here") as here, Polling(Region.EU, folder=tmp_path / "there") as there:
        here.hold(database)
        end_holders(another)
        assert not is_polled(another, Region.EU)
        here.hold(database)
        with pytest.raises(LockedError):
            there.hold(another)
    assert not is_polled(another, Region.EU)


def test_a_lock_that_another_took_meanwhile_is_lost(
    database: Database, another: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Polling(Region.EU, folder=tmp_path / "there") as there:
        with Polling(Region.EU, folder=tmp_path / "here") as here:
            here.hold(database)
            end_holders(another)
            there.hold(another)
            for _ in range(2):
                with pytest.raises(LockedError, match="polling EU"):
                    here.hold(database)
        # Whoever lost it gives back none of the other's, and nothing of a session that it holds no more.
        assert "had ended" not in caplog.text
        assert is_polled(database, Region.EU)


def test_a_window_whose_session_ended_ends_well_and_frees_the_machine(
    database: Database, another: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Polling(Region.EU, folder=tmp_path) as here:
        here.hold(database)
        end_holders(another)
    assert [
        record.getMessage().partition(":eu")[0] for record in caplog.records if record.name.startswith("ironforge")
    ] == ["The session that held the lock poll"]
    with Polling(Region.EU, folder=tmp_path) as again:
        again.hold(database)
        assert is_polled(another, Region.EU)


def test_a_window_goes_on_on_its_machine_while_the_database_is_away(tmp_path: Path) -> None:
    away = Database("postgresql://127.0.0.1:1/x")
    with Polling(Region.EU, folder=tmp_path) as here:
        with pytest.raises(DatabaseError, match="can't be reached"):
            here.hold(away)
        with pytest.raises(LockedError):
            Polling(Region.EU, folder=tmp_path).__enter__()
    away.close()
