"""Who collects never waits for the embedded schema to be upgraded, whoever does it and however long it takes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.cli.frame import upgrading
from ironforge_cli.db import embedded, schema
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import ConfigurationError, DatabaseError
from tests.cli.frame.test_wiring_storage import FakeServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.cli.frame.wiring import Invocation
    from ironforge_cli.db.engine import Database


class SlowUpgrade:
    """An upgrade that ends when it is let, and in the way that it is told."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.error: Exception | None = None
        self.runs = 0

    def __call__(self, _: Database) -> None:
        self.runs += 1
        self.may_end.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowUpgrade:
    slow = SlowUpgrade()
    monkeypatch.setattr(embedded, "EmbeddedServer", FakeServer())
    monkeypatch.setattr(schema, "upgrade", slow)
    monkeypatch.setattr(upgrading, "PATIENCE_SECONDS", 0.0)
    return slow


def test_what_comes_while_the_schema_is_upgraded_goes_to_the_spool_and_then_to_the_database(
    invoke: Callable[..., Invocation], slow: SlowUpgrade, tmp_path: Path
) -> None:
    with invoke(IRONFORGE_DATABASE_URL="") as run:
        run.home = tmp_path
        storage = run.lasting_storage()
        for _ in range(2):
            found = storage().database
            assert isinstance(found, MissingDatabase)
            with pytest.raises(DatabaseError, match="is being upgraded"), found.connect():
                pass
        slow.may_end.set()
        while isinstance(storage().database, MissingDatabase):
            pass
        assert storage().database is storage().database is run.database
        assert slow.runs == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DatabaseError("Another run is upgrading."), "^Another run is upgrading"),
        (ConfigurationError("It is newer."), "^It is newer"),
        (RuntimeError("A bug."), r"RuntimeError: A bug\.\)\. Run `ironforge db upgrade`"),
    ],
)
def test_an_upgrade_that_fails_costs_no_hour_and_is_tried_again(
    invoke: Callable[..., Invocation], slow: SlowUpgrade, tmp_path: Path, error: Exception, told: str
) -> None:
    slow.error = error
    slow.may_end.set()
    with invoke(IRONFORGE_DATABASE_URL="") as run, pytest.MonkeyPatch.context() as patched:
        patched.setattr(upgrading, "PATIENCE_SECONDS", 60.0)
        run.home = tmp_path
        storage = run.lasting_storage()
        found = storage().database
        with pytest.raises((DatabaseError, ConfigurationError), match=told), found.connect():
            pass
        slow.error = None
        assert storage().database is run.database
        assert slow.runs == 2


def test_an_upgrade_that_fails_while_it_is_waited_for_is_tried_again_at_once(
    invoke: Callable[..., Invocation], slow: SlowUpgrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_done = upgrading.Upgrade.require_done

    def required_when_it_ends(upgrade: upgrading.Upgrade) -> None:
        slow.may_end.set()
        require_done(upgrade)

    monkeypatch.setattr(upgrading, "PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(upgrading.Upgrade, "require_done", required_when_it_ends)
    slow.error = DatabaseError("Another run is upgrading.")
    with invoke(IRONFORGE_DATABASE_URL="") as run:
        with pytest.raises(DatabaseError, match="Another run"):
            run.collecting_database()
        slow.error = None
        assert run.collecting_database() is run.database
    assert slow.runs == 2


def test_a_run_sees_to_the_end_of_what_it_began_unless_a_signal_comes(
    invoke: Callable[..., Invocation], slow: SlowUpgrade, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []
    run = invoke(IRONFORGE_DATABASE_URL="")

    def whole() -> None:
        with run:
            run.home = tmp_path
            run.lasting_storage()()
        ended.append("the run")

    running = threading.Thread(target=whole)
    running.start()
    while "goes on upgrading" not in caplog.text:
        assert not ended
    slow.may_end.set()
    running.join()
    assert ended == ["the run"]

    slow.may_end.clear()
    with invoke(IRONFORGE_DATABASE_URL="") as stopped:
        stopped.home = tmp_path
        stopped.lasting_storage()()
        stopped.stop.ask("SIGTERM")
    slow.may_end.set()
    assert slow.runs == 2


def test_the_operator_s_own_database_is_never_upgraded_by_the_way(
    invoke: Callable[..., Invocation], slow: SlowUpgrade
) -> None:
    with invoke() as run:
        assert run.collecting_database() is run.database
    assert slow.runs == 0
