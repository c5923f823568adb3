from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db import locks
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import DatabaseError, LockedError
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.db.embedded_playground import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.servers import TestServer

    Hold = Callable[[Database], AbstractContextManager[None]]
    Kind = tuple[Hold, str, str]

ADVISORY = "SELECT {} FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND datname = :name"


def storing(region: Region) -> Kind:
    """The lock of a region's snapshots, its name, and what whoever finds it taken is told."""
    return (lambda database: locks.storing(database, region), f"store:{region}", f"storing {region.label} snapshots")


def recomputing(region: Region) -> Kind:
    """The same of a region's recomputation."""
    told = f"recomputing {region.label} statistics"
    return (lambda database: locks.recomputing(database, region), f"recompute:{region}", told)


KINDS: list[Kind] = [
    *(kind(region) for kind in (storing, recomputing) for region in DEFAULT_REGIONS),
    (locks.seeding, "seed", "seeding"),
    (locks.maintaining, "maintain", "looking after the partitions"),
    (locks.exporting, "export", "exporting"),
    *(
        (
            lambda database, watch=watch: locks.watching(database, watch, otherwise=f"Another run is {watch}."),
            f"watch:{watch}",
            watch,
        )
        for watch in ("mine", "theirs")
    ),
]
each = pytest.mark.parametrize("kind", KINDS, ids=[name for _, name, _ in KINDS])


@pytest.fixture(scope="module")
def database(server: TestServer) -> Generator[Database]:
    """A database for all tests of the module, which leave no lock in it."""
    with server.empty_database() as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture
def another(database: Database) -> Generator[Database]:
    """The same database, with sessions of its own."""
    opened = Database(database.url)
    yield opened
    opened.close()


def sessions(database: Database, columns: str) -> list[tuple[object, ...]]:
    """Columns of all that hold or wait for an advisory lock of a database."""
    with database.connect(autocommit=True) as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        return [tuple(row) for row in connection.execute(text(ADVISORY.format(columns)), {"name": name})]


def held(database: Database) -> set[tuple[object, object]]:
    """The keys that are held, and what the sessions that hold them are doing."""
    columns = "(classid::bigint << 32) | objid::bigint, state"
    return {(key, state) for key, state in sessions(database, columns)}


def refused(hold: Hold, database: Database) -> str:
    with pytest.raises(LockedError) as locked, hold(database):
        raise AssertionError
    return str(locked.value)


@each
def test_work_of_a_kind_holds_its_own_lock_alone_and_no_transaction_open(
    database: Database,
    another: Database,
    kind: Kind,
) -> None:
    hold, name, told = kind
    # A transaction that stays open for a whole download keeps every old row, and a server may end its session.
    with hold(database):
        assert held(another) == {(locks.advisory_key(name), "idle")}
        assert refused(hold, another).startswith(f"Another run is {told}")
        assert held(another) == {(locks.advisory_key(name), "idle")}
    assert held(another) == set()
    with hold(another):
        pass

    def fail() -> None:
        with hold(database):
            raise ValueError("of the work's own")

    with pytest.raises(ValueError, match="of the work's own"):
        fail()
    assert held(another) == set()


@each
def test_work_that_is_done_is_no_failure_though_its_locks_session_ended(
    database: Database,
    another: Database,
    caplog: pytest.LogCaptureFixture,
    kind: Kind,
) -> None:
    hold, name, _ = kind
    with hold(database):
        with another.connect(autocommit=True) as connection:
            connection.execute(text(ADVISORY.format("pg_terminate_backend(pid, 5000)")), {"name": name_of(another)})
        assert held(another) == set()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("ironforge")] == [
        f"The session that held the lock {name} had ended: the server was restarted or cut it off."
    ]
    with hold(database):
        assert held(another) == {(locks.advisory_key(name), "idle")}


def name_of(database: Database) -> str:
    with database.connect(autocommit=True) as connection:
        return str(connection.execute(text("SELECT current_database()")).scalar_one())


def test_the_names_of_locks_stay_the_same_between_versions_that_run_at_the_same_time() -> None:
    assert [locks.store_lock(region) for region in DEFAULT_REGIONS] == ["store:eu", "store:us"]
    assert [locks.poll_lock(region) for region in DEFAULT_REGIONS] == ["poll:eu", "poll:us"]
    assert [locks.recompute_lock(region) for region in DEFAULT_REGIONS] == ["recompute:eu", "recompute:us"]
    assert locks.run_lock(4_711) == "run:4711"
    assert (locks.MIGRATION_LOCK, locks.MAINTENANCE_LOCK, locks.SEED_LOCK) == ("migrate", "maintain", "seed")
    assert locks.EXPORT_LOCK == "export"


def test_the_owner_of_a_row_is_the_only_one_and_watches_of_a_machine_take_turns(
    database: Database, another: Database, tmp_path: Path
) -> None:
    with locks.owning(database, 7):
        assert held(another) == {(locks.advisory_key("run:7"), "idle")}
        with pytest.raises(LockedError, match="Another run owns the row 7 of scraper_logs"), locks.owning(another, 7):
            raise AssertionError
        with locks.owning(another, 8), locks.owning(database, 9):
            assert {key for key, _ in held(another)} == {locks.advisory_key(f"run:{number}") for number in (7, 8, 9)}
    assert held(another) == set()
    with (
        locks.watching_in(tmp_path, "mine", otherwise="It is watched."),
        locks.watching_in(tmp_path, "o", otherwise=""),
        pytest.raises(LockedError, match="It is watched"),
        locks.watching_in(tmp_path, "mine", otherwise="It is watched."),
    ):
        raise AssertionError
    with locks.watching_in(tmp_path, "mine", otherwise=""):
        pass


def signed(number: int, *, bits: int) -> int:
    return number - (1 << bits) if number >> (bits - 1) else number


@pytest.mark.parametrize("name", ["store:eu", "store:us"])
def test_a_lock_of_another_key_is_not_taken_for_the_one_that_is_asked_about(database: Database, name: str) -> None:
    key = locks.advisory_key(name)
    halves = {
        "high": signed((key >> 32) & 0xFFFF_FFFF, bits=32),
        "low": signed(key & 0xFFFF_FFFF, bits=32),
    }
    with database.connect(autocommit=True) as connection:
        for other in (key ^ 1, key ^ (1 << 33)):
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": other})
        # A key of two halves is another one to PostgreSQL than one of the same 64 bits.
        connection.execute(text("SELECT pg_advisory_lock(:high, :low)"), halves)
        assert not locks.is_held(connection, name)
        assert locks.acquire(connection, name)
        assert locks.is_held(connection, name)
        connection.execute(text("SELECT pg_advisory_unlock_all()"))


def of_storing(database: Database) -> tuple[bool, str]:
    """Store a region's snapshots: whether the lock was held, and the limit that its session has afterwards."""
    with locks.storing(database, Region.EU):
        store = locks.advisory_key(locks.store_lock(Region.EU))
        had = (store, "idle") in held(database)
    with database.connect() as one, database.connect() as other:
        limits = {setting(connection) for connection in (one, other)}
    assert len(limits) == 1
    return had, limits.pop()


def setting(connection: Connection) -> str:
    return str(connection.execute(text("SHOW lock_timeout")).scalar_one())


def waiting(database: Database) -> list[tuple[object, ...]]:
    return [row for row in sessions(database, "pid, granted") if not row[1]]


def started_beside_a_batch(pool: ThreadPoolExecutor, database: Database, another: Database) -> Future[tuple[bool, str]]:
    """Somebody who wants to store, and waits for the end of a recomputation's batch."""
    storing = pool.submit(of_storing, another)
    eventually(lambda: storing.done() or bool(waiting(database)))
    assert not storing.done()
    return storing


def test_beside_a_recomputation_the_end_of_its_batch_gives_the_lock_to_who_waits(
    database: Database, another: Database
) -> None:
    with ThreadPoolExecutor(1) as pool, locks.recomputing(database, Region.EU):
        with locks.storing(database, Region.EU, at_once=True):
            storing = started_beside_a_batch(pool, database, another)
        assert storing.result(timeout=30) == (True, "1min")


def test_who_waits_for_the_end_of_a_batch_and_is_cut_off_is_told_of_that_and_of_no_other_run(
    database: Database, another: Database
) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        locks.recomputing(database, Region.EU),
        locks.storing(database, Region.EU, at_once=True),
    ):
        storing = started_beside_a_batch(pool, database, another)
        with database.connect(autocommit=True) as connection:
            for process, _ in waiting(database):
                connection.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
        with pytest.raises(DatabaseError, match="SQLSTATE 57P01"):
            storing.result(timeout=30)


@pytest.mark.parametrize("recomputed", [None, Region.US], ids=["nobody recomputes", "another region is recomputed"])
def test_another_who_stores_is_not_waited_for(
    database: Database, another: Database, monkeypatch: pytest.MonkeyPatch, recomputed: Region | None
) -> None:
    refuse_to_wait(monkeypatch)
    with locks.storing(database, Region.EU):
        if recomputed is None:
            assert "storing EU" in refused(lambda to: locks.storing(to, Region.EU), another)
            return
        with locks.recomputing(database, recomputed):
            assert "storing EU" in refused(lambda to: locks.storing(to, Region.EU), another)


def test_a_recomputation_that_is_told_to_take_its_turn_at_once_waits_for_nobody(
    database: Database, another: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_wait(monkeypatch)
    with locks.recomputing(database, Region.EU), locks.storing(database, Region.EU):
        assert "storing EU" in refused(lambda to: locks.storing(to, Region.EU, at_once=True), another)


def refuse_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object, **__: object) -> bool:
        raise AssertionError("it was waited for")

    monkeypatch.setattr(locks, "_acquire_waiting", wait)


def test_a_batch_is_waited_for_a_minute(database: Database, another: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    def wait(*_: object, seconds: float) -> bool:
        limits.append(seconds)
        return False

    monkeypatch.setattr(locks, "_acquire_waiting", wait)
    with locks.recomputing(database, Region.EU), locks.storing(database, Region.EU):
        refused(lambda to: locks.storing(to, Region.EU), another)
    assert limits == [60]
