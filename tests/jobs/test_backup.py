"""Dumps and restorations as jobs: in which order, with what, and what their benchmarks say. No server is needed."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db import dumps, schema
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.repositories import runs
from ironforge_cli.errors import DatabaseError, InterruptedRunError
from ironforge_cli.jobs import backup
from tests.jobs.handed import raising

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.db.repositories.runs import BenchmarkRow
    from ironforge_cli.regions import Region
    from tests.clocks import TickingClock

PROGRAMS: Any = object()
FILE = Path("/there/ironforge.dump")


class Noted(MissingDatabase):
    """A database of which a test sees in which order things are done with it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(DatabaseError("It is there."))
        self.done: list[object] = []
        monkeypatch.setattr(runs, "add_benchmark", self._measured)

    @contextmanager
    def transaction(self) -> Generator[Any]:
        yield None

    def _measured(self, _: object, row: BenchmarkRow) -> None:
        self.done.append((row.operation_name, row.status, row.extra_data))

    def step(self, region: Region | None, name: str) -> None:
        assert region is None
        self.done.append(name)


@pytest.mark.parametrize(("without_raw", "without"), [(False, None), (True, "auction_snapshots_*_2*")])
def test_a_dump_is_told_table_by_table_and_its_size_is_kept(
    monkeypatch: pytest.MonkeyPatch, clock: TickingClock, *, without_raw: bool, without: str | None
) -> None:
    database = Noted(monkeypatch)

    def dumped(programs: object, to: Path, **options: Any) -> int:
        assert (programs, to, options["without"]) == (PROGRAMS, FILE, without)
        options["tell"]("items")
        options["check"]()
        return 1_234

    monkeypatch.setattr(dumps, "dump", dumped)
    size = backup.dump(database, FILE, programs=PROGRAMS, clock=clock, without_raw=without_raw, progress=database)
    assert size == 1_234
    assert database.done == ["items", ("db dump", "success", {"bytes": 1_234})]


def test_a_dump_that_is_asked_to_end_says_that_it_did_not(monkeypatch: pytest.MonkeyPatch, clock: TickingClock) -> None:
    database = Noted(monkeypatch)
    monkeypatch.setattr(clock, "check", raising(InterruptedRunError("SIGTERM")))

    def dumped(*_: object, without: str | None, check: Callable[[], None], **_options: object) -> None:
        assert without is None
        check()

    monkeypatch.setattr(dumps, "dump", dumped)
    with pytest.raises(InterruptedRunError):
        backup.dump(database, FILE, programs=PROGRAMS, clock=clock)
    assert database.done == [("db dump", "failed", {})]


@pytest.mark.parametrize("replaces", [True, False])
def test_what_is_brought_back_is_brought_up_to_date_before_its_row_is_written(
    monkeypatch: pytest.MonkeyPatch, clock: TickingClock, *, replaces: bool
) -> None:
    database = Noted(monkeypatch)
    before: Any = object()

    def restored(programs: object, source: Path, **options: Any) -> None:
        assert (programs, source, options["database"], options["replaces"]) == (PROGRAMS, FILE, database, replaces)
        options["tell"]("items")
        options["check"]()

    def upgraded(given: object) -> object:
        assert given is database
        database.done.append("upgraded")
        return before

    monkeypatch.setattr(dumps, "restore", restored)
    monkeypatch.setattr(schema, "upgrade", upgraded)
    found = backup.restore(database, FILE, programs=PROGRAMS, replaces=replaces, clock=clock, progress=database)
    assert found is before
    assert database.done == ["items", "upgraded", ("db restore", "success", {})]
    # Asked to end, it leaves no row of a database that is none.
    monkeypatch.setattr(clock, "check", raising(InterruptedRunError("SIGTERM")))
    with pytest.raises(InterruptedRunError):
        backup.restore(database, FILE, programs=PROGRAMS, replaces=replaces, clock=clock)
    assert database.done[3:] == []
