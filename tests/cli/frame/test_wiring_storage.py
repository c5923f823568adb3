"""Where what is collected goes, and the servers behind it: made of settings, without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.cli.frame import wiring
from ironforge_cli.db import embedded
from ironforge_cli.db.engine import Database, MissingDatabase
from ironforge_cli.errors import ConfigurationError, DatabaseError
from tests.cli.conftest import NOBODY
from tests.cli.given import Given

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.cli.frame.wiring import Invocation


def away() -> Database:
    raise DatabaseError("It is away.")


def wrong() -> Database:
    raise ConfigurationError("It can't start.")


def test_storage_is_in_the_home_that_is_given(invoke: Callable[..., Invocation], tmp_path: Path) -> None:
    database = Database(NOBODY)
    storage = invoke(IRONFORGE_RAW_RETENTION_DAYS="8").storage(lambda: database, home=tmp_path)
    assert storage.database is database
    assert storage.retention_days == 8
    assert storage.locks_folder == tmp_path / "locks"
    assert storage.shelves.spool.folder == tmp_path / "spool"
    assert storage.pending.waiting() == 0
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "log-rows.jsonl").mkdir()
    with pytest.raises(ConfigurationError):
        storage.pending.waiting()


def test_a_database_that_is_away_is_told_to_who_works_with_it(
    invoke: Callable[..., Invocation], tmp_path: Path
) -> None:
    storage = invoke().storage(away, home=tmp_path)
    assert isinstance(storage.database, MissingDatabase)
    with pytest.raises(DatabaseError, match="It is away"), storage.database.connect():
        pass


def test_a_wrong_setting_of_an_operator_s_database_stops_everything(
    invoke: Callable[..., Invocation], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="It can't start"):
        invoke().storage(wrong, home=tmp_path)
    # An embedded server that can't start only sends bodies to the spool.
    storage = invoke(IRONFORGE_DATABASE_URL="").storage(wrong, home=tmp_path)
    with pytest.raises(ConfigurationError, match="It can't start"), storage.database.connect():
        pass


def test_a_database_is_opened_once_and_closed_with_the_command(
    invoke: Callable[..., Invocation], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Database] = []

    def close(database: Database) -> None:
        closed.append(database)

    monkeypatch.setattr(Database, "close", close)
    with invoke() as run:
        assert run.database is run.database
        assert run.database.url.endswith("127.0.0.1:1/x")
        as_it_is = run.database_as_it_is
        assert closed == []
    # What was opened last is closed first.
    assert closed == [as_it_is, run.database]


class FakeServer(Given):
    """An embedded server that starts and ends nothing."""

    conninfo = "host=/nowhere dbname=ironforge"

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.fault: Exception | None = None

    def start(self) -> None:
        self.events.append("start")
        if self.fault is not None:
            raise self.fault

    def make_home(self) -> str:
        return "made"

    def __enter__(self) -> FakeServer:
        self.events.append("enter")
        return self

    def __exit__(self, *_: object) -> None:
        self.events.append("exit")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The embedded server that is made, and the migrations that are run."""
    fake = FakeServer()
    monkeypatch.setattr(embedded, "EmbeddedServer", fake)

    def upgrade(_: Database) -> None:
        fake.events.append("upgrade")

    monkeypatch.setattr("ironforge_cli.db.schema.upgrade", upgrade)
    return fake


def test_the_embedded_server_is_started_and_migrated_and_ends_with_the_command(
    invoke: Callable[..., Invocation], server: FakeServer, tmp_path: Path
) -> None:
    variables = {"IRONFORGE_DATABASE_URL": "", "IRONFORGE_PG_BINDIR": "/programs", "IRONFORGE_PG_USER": "smith"}
    with invoke(**variables) as run:
        assert "/nowhere" in run.database.url
        assert server.events == ["enter", "upgrade"]
        assert server.arguments == (tmp_path / "home",)
        assert server.options == {
            "environment": run.environment,
            "bindir": run.settings.pg_bindir,
            "account": "smith",
            "keep_running": False,
        }
        # Its account has to get in, too.
        assert str(run.home) == "made"
        run.server(keep_running=True, home=tmp_path)
        assert server.arguments == (tmp_path,)
        assert server.options["keep_running"] is True
    assert server.events == ["enter", "upgrade", "exit"]


def test_a_database_that_is_looked_at_as_it_is_is_not_migrated(
    invoke: Callable[..., Invocation], server: FakeServer
) -> None:
    with invoke(IRONFORGE_DATABASE_URL="") as run:
        assert "/nowhere" in run.database_as_it_is.url
    assert server.events == ["enter", "exit"]


@pytest.mark.parametrize("fault", [None, DatabaseError("Gone."), ConfigurationError("Gone.")])
def test_work_that_outlasts_its_server_starts_it_again_each_time(
    invoke: Callable[..., Invocation], server: FakeServer, tmp_path: Path, fault: Exception | None
) -> None:
    with invoke(IRONFORGE_DATABASE_URL="") as run:
        run.home = tmp_path
        storage = run.lasting_storage()
        first = storage().database
        assert server.events == ["enter", "upgrade"]
        server.fault = fault
        # Whoever connects is told what is wrong.
        assert storage().database is storage().database is first
        assert server.events == ["enter", "upgrade", "start", "start"]


def test_work_on_an_operator_s_database_starts_no_server(invoke: Callable[..., Invocation], server: FakeServer) -> None:
    with invoke() as run:
        assert run.lasting_storage()().database is run.database
    assert server.events == []


def test_what_a_command_opens_is_closed_when_it_ends(invoke: Callable[..., Invocation]) -> None:
    server = FakeServer()
    with invoke() as run:
        assert run.close_with(server) is server
        assert server.events == ["enter"]
    assert server.events == ["enter", "exit"]


def test_questions_are_asked_where_the_settings_say_else_of_the_database_itself(
    invoke: Callable[..., Invocation],
) -> None:
    with invoke() as run:
        assert run.database_to_read is run.database
    with invoke(IRONFORGE_READ_URL="postgresql://127.0.0.1:1/replica") as run:
        assert run.database_to_read.url.endswith("/replica")
        assert run.database.url.endswith("/x")
        assert run.lasting_database_to_read()() is run.database_to_read


def test_who_asks_for_long_starts_a_server_again_that_died_and_looks_now_and_then(
    invoke: Callable[..., Invocation], server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(wiring.time, "monotonic", lambda: clock[0])
    with invoke(IRONFORGE_DATABASE_URL="") as run:
        found = run.lasting_database_to_read()
        clock[0] += 5
        assert found() is run.database
        assert server.events == ["enter", "upgrade"]
        clock[0] += 0.1
        for _ in range(2):
            assert found() is run.database
        assert server.events == ["enter", "upgrade", "start"]
        # One that can't be started is told, and tried again later, not at each question.
        clock[0] += 5.1
        server.fault = DatabaseError("Gone.")
        with pytest.raises(DatabaseError, match="Gone"):
            found()
        assert found() is run.database
        clock[0] += 5.1
        server.fault = None
        assert found() is run.database
        assert server.events == ["enter", "upgrade", "start", "start", "start"]


def test_a_database_of_an_operator_s_is_looked_at_without_a_server(
    invoke: Callable[..., Invocation], server: FakeServer
) -> None:
    with invoke() as run:
        assert run.database_as_it_is.url.endswith("127.0.0.1:1/x")
        assert run.lasting_database_to_read()() is run.database
    assert server.events == []


def test_the_embedded_database_of_another_home_is_that_home_s(
    invoke: Callable[..., Invocation], server: FakeServer, tmp_path: Path
) -> None:
    with invoke() as run:
        assert "/nowhere" in run.embedded_database(home=tmp_path / "demo").url
        assert server.arguments == (tmp_path / "demo",)
    assert server.events == ["enter", "upgrade", "exit"]
