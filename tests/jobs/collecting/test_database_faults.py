"""The database in every bad state: no hour is lost, nothing is half stored, and the next good run recovers at once."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ironforge_cli.db import revisions
from ironforge_cli.db.engine import Database, MissingDatabase, conninfo
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.faults import OF_THE_DATABASE, Case, Kept
from tests.jobs.markets import Between

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.jobs.conftest import Collector
    from tests.servers import TestServer

_SLOW = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(5); RETURN NULL; END'",
    "CREATE TRIGGER slow BEFORE INSERT ON eu_commodity_price_stats FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    "CREATE TRIGGER slow BEFORE INSERT ON us_commodity_price_stats FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''300ms''', current_database()); END $$",
)
_FULL = (
    """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$""",
    "CREATE TRIGGER full_disk BEFORE INSERT ON snapshots FOR EACH STATEMENT EXECUTE FUNCTION full_disk()",
)
_READ_ONLY = (
    """DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$""",
)
_MENDED = (
    "SET default_transaction_read_only = off",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET ALL', current_database()); END $$",
    "DROP FUNCTION IF EXISTS slow() CASCADE",
    "DROP FUNCTION IF EXISTS full_disk() CASCADE",
)
_DETACHED = ("DROP TABLE by_hand_eu, by_hand_us",)


def _by_hand(starts: str, ends: str) -> tuple[str, ...]:
    return tuple(
        f"CREATE TABLE by_hand_{region} PARTITION OF auction_snapshots_{region}"
        f" FOR VALUES FROM ('{starts}') TO ('{ends}')"
        for region in DEFAULT_REGIONS
    )


def _revision(version: str) -> tuple[str, ...]:
    return (f"UPDATE alembic_version SET version_num = '{version}'",)


_BROKEN_BY: dict[str, tuple[str, ...]] = {
    "read_only": _READ_ONLY,
    "cancelled": _SLOW,
    "disk_full": _FULL,
    "overlap": _by_hand("2026-01-15T06:00Z", "2026-01-15T18:00Z"),
    "attached": _by_hand("2026-01-15T00:00Z", "2026-02-15T00:00Z"),
    "schema_foreign": _revision("20000101_0000"),
    "schema_new": _revision("99991231_2359"),
    "no_partitions": (),
}


class Patient:
    """A database of a test server, to be broken and mended."""

    def __init__(self, server: TestServer, url: str) -> None:
        self.server = server
        self.url = url

    def execute(self, *statements: str) -> None:
        """Run statements as the server's owner."""
        with psycopg.connect(conninfo(self.url), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def let_in(self, *, allowed: bool) -> None:
        """Close the database to everybody, or open it again."""
        name = sql.Identifier(str(conninfo_to_dict(conninfo(self.url))["dbname"]))
        with psycopg.connect(conninfo(self.server.admin_url), autocommit=True) as admin:
            admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(name, sql.Literal(allowed)))

    def cut_off(self) -> None:
        """End every session of the database but this one, as a restart does."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def patient(server: TestServer) -> Generator[Patient]:
    with server.migrated_database() as url:
        yield Patient(server, url)


@contextmanager
def _broken(case: Case, patient: Patient) -> Generator[Database]:
    """The database as `case` has it; mended afterwards."""
    with ExitStack() as ends:
        opened: Database
        match case.name:
            case "away":
                with socket.create_server(("127.0.0.1", 0)) as taken:
                    port = taken.getsockname()[1]
                opened = Database(f"postgresql://operator@127.0.0.1:{port}/gone")
            case "no_connections":
                patient.execute(
                    "DROP ROLE IF EXISTS trader_without_room",
                    "CREATE ROLE trader_without_room LOGIN CONNECTION LIMIT 0",
                )
                ends.callback(patient.execute, "DROP ROLE trader_without_room")
                opened = Database(patient.url.replace("postgres@", "trader_without_room@"))
            case "closed":
                patient.let_in(allowed=False)
                ends.callback(patient.let_in, allowed=True)
                opened = Database(patient.url)
            case "wrong_encoding":
                opened = Database(ends.enter_context(patient.server.empty_database(encoding="SQL_ASCII")))
            case "schema_missing":
                opened = Database(ends.enter_context(patient.server.empty_database()))
            case _:
                patient.execute(*_BROKEN_BY.get(case.name, ()))
                # What a person attached as wide as a month is in use by then, and stays.
                detached = _DETACHED if case.name == "overlap" else ()
                ends.callback(
                    patient.execute,
                    *_MENDED,
                    *detached,
                    f"UPDATE alembic_version SET version_num = '{revisions.head()}'",
                )
                opened = Database(patient.url)
        ends.callback(opened.close)
        yield opened


@contextmanager
def _struck(case: Case, patient: Patient, collector: Collector) -> Generator[Between]:
    """The market of a bad hour, during which the server may restart."""
    if case.name != "restarted":
        yield Between(collector.client)
        return
    # While Blizzard's answer is on its way.
    yield Between(collector.client, meanwhile=lambda _: patient.cut_off())


@pytest.mark.parametrize("case", OF_THE_DATABASE, ids=lambda case: case.name)
def test_an_hour_survives_the_database(
    make_collector: Callable[..., Collector], patient: Patient, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What waits for room on the server waits in vain here, several times over.
    monkeypatch.setattr("ironforge_cli.db.turns.LONGEST_WAIT_SECONDS", 0.3)
    good = Database(patient.url)
    # The bad hour begins a day, so that a partition has to be made.
    collector = make_collector(good, auctions=200, items=40, starts_at=datetime(2026, 1, 14, 23, 20, tzinfo=UTC))
    collector.collect()
    good.close()
    collector.publish()
    with _broken(case, patient) as broken:
        collector.database = broken
        # A restart strikes regions side by side at different steps; one alone is always struck at the same.
        struck = (Region.EU,) if case.name == "restarted" else DEFAULT_REGIONS
        with _struck(case, patient, collector) as market:
            collected = collector.collect(*struck, market=market)
        assert {region.outcome for region in collected.regions} == {case.outcome}, collected
        assert {region.status for region in collected.regions} == {case.status}
        for region in collected.regions:
            assert re.search(case.told, region.message or "")
            assert PASSWORD_FREE.search(region.message or "") is None
        waiting = collector.storage.shelves.spool.kept()
        assert len(waiting) == (len(DEFAULT_REGIONS) if case.kept is Kept.SPOOL else 0)

    collector.database = good
    if case.kept is Kept.SPOOL:
        # Nothing of it is half there.
        for region in DEFAULT_REGIONS:
            assert len(stored.times(good, region)) == 1
            assert len({row[0] for row in stored.auctions(good, region)}) == 1
    collector.publish()
    recovered = collector.collect()
    assert recovered.status is ExitStatus.DONE
    assert [region.replayed for region in recovered.regions] == [int(case.kept is Kept.SPOOL)] * 2
    for region in DEFAULT_REGIONS:
        expected = collector.expected(region, hours=[0, 1, 2] if region in struck else [0, 2])
        assert stored.auctions(good, region) == expected.auctions
        assert stored.statistics(good, region) == expected.statistics
        assert stored.registry(good, region) == expected.registry
    assert collector.storage.shelves.spool.kept() == []
    assert stored.held_locks(good) == 0
    # The evidence of the bad hour came too, and tells the truth.
    middle = "spooled" if case.outcome is Outcome.SPOOLED else "success"
    for region in struck:
        assert sorted(row[0] for row in stored.attempts(good, region)) == sorted(["success", middle, "success"])
    good.close()


PASSWORD_FREE = re.compile("only-for-tests")


def test_three_hours_without_a_database_are_stored_in_order_when_it_is_back(
    make_collector: Callable[..., Collector], database: Database
) -> None:
    collector = make_collector(database, auctions=200, items=40)
    collector.collect()
    collector.database = MissingDatabase(DatabaseError("The server is away."))
    for _ in range(3):
        collector.publish()
        away = collector.collect()
        assert away.status is ExitStatus.DATABASE
        assert {region.outcome for region in away.regions} == {Outcome.SPOOLED}
        # Asked again within the hour, it costs a 304 and spools nothing twice.
        collector.clock.sleep(30)
        again = collector.collect()
        assert {region.outcome for region in again.regions} == {Outcome.NO_CHANGE}
        assert again.status is ExitStatus.DATABASE
    assert len(collector.storage.shelves.spool.kept()) == 3 * len(DEFAULT_REGIONS)
    collector.database = database
    collector.publish()
    back = collector.collect()
    assert back.status is ExitStatus.DONE
    assert [region.replayed for region in back.regions] == [3, 3]
    for region in DEFAULT_REGIONS:
        expected = collector.expected(region)
        assert stored.auctions(database, region) == expected.auctions
        assert stored.statistics(database, region) == expected.statistics
        assert stored.registry(database, region) == expected.registry
        assert [row[0] for row in stored.attempts(database, region)].count("spooled") == 3
    assert collector.storage.shelves.spool.kept() == []
