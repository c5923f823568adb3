"""Where a command asks its questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.cli.frame.asked_database import database_to_ask
from ironforge_cli.db import revisions
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import UnreachableError
from tests.cli.conftest import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.cli.frame.wiring import Invocation
    from tests.cli.conftest import Run
    from tests.servers import TestServer


class Embedded:
    """An embedded server that runs already."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.uses = 0

    def __enter__(self) -> Embedded:
        self.uses += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.uses -= 1


def test_the_replica_is_asked_before_the_database_itself(invoke: Callable[..., Invocation]) -> None:
    with invoke() as run:
        assert database_to_ask(run).url == NOBODY
    begun: list[str] = []
    with invoke(IRONFORGE_READ_URL="postgresql://127.0.0.1:1/replica") as run:
        run.at_work = lambda: begun.append("at work")
        database = database_to_ask(run)
        assert (database.url, begun) == ("postgresql://127.0.0.1:1/replica", ["at work"])
        with pytest.raises(UnreachableError), database.transaction():
            pass


def test_an_embedded_database_is_migrated_before_it_is_asked(
    invoke: Callable[..., Invocation], server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.empty_database() as url:
        embedded = Embedded(url)
        for _ in range(2):
            with invoke(IRONFORGE_DATABASE_URL="") as run:
                monkeypatch.setattr(run, "server", lambda: embedded)
                database = database_to_ask(run)
                assert (embedded.uses, database.url) == (1, url)
                with database.transaction() as session:
                    assert revisions.version(session).is_current
                    kept = session
            assert (embedded.uses, kept.closed) == (0, True)


def test_one_that_fits_needs_no_library_that_migrates(
    invoke: Callable[..., Invocation], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        pytest.fail("migrated")

    monkeypatch.setattr("ironforge_cli.db.schema.upgrade", never)
    with invoke(IRONFORGE_DATABASE_URL="") as run:
        monkeypatch.setattr(run, "server", lambda: Embedded(database.url))
        assert database_to_ask(run).url == database.url


def test_an_answered_question_leaves_a_benchmark_and_no_failure(run: Run, database: Database) -> None:
    def rows() -> list[tuple[object, ...]]:
        with database.connect() as connection:
            found = connection.exec_driver_sql("SELECT operation_name, status, duration_seconds >= 0 FROM benchmarks")
            return [tuple(row) for row in found]

    answered = run("find", "ore", IRONFORGE_DATABASE_URL=database.url)
    assert (answered.exit_code, answered.stderr) == (0, "")
    assert rows() == [("find", "success", True)]
    refused = run("price", "no such thing", IRONFORGE_DATABASE_URL=database.url)
    assert refused.exit_code == 2
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE benchmarks ADD CONSTRAINT never CHECK (status <> 'success') NOT VALID")
    answered = run("find", "ore", IRONFORGE_DATABASE_URL=database.url)
    assert (answered.exit_code, answered.stderr) == (0, "")
    assert rows() == [("find", "success", True)]
