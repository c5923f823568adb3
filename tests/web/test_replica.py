"""The service on a replica: as fresh as that is, never older than it says, and whole again by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import text

from ironforge_cli.db.engine import Database, conninfo
from ironforge_cli.db.generations import changed
from ironforge_cli.regions import Region
from ironforge_cli.web.app import create_app
from ironforge_cli.web.service import Service
from tests.answers import chain, test_crafts
from tests.db.test_replica import replica_of
from tests.servers import debian_programs, external_server
from tests.web.client import Client
from tests.web.conftest import Clock, settings

if TYPE_CHECKING:
    from collections.abc import Generator

TOP = "/v1/eu/top"
_PAUSE = 200
"""Looks at a replica that catches up, each a tenth of a second."""


class Pair:
    """A market on a primary, its replica, and the service that reads there."""

    def __init__(self, url: str, there: str) -> None:
        self.primary = Database(url)
        self.replica = psycopg.connect(conninfo(there), autocommit=True)
        self.database, self.clock = Database(there), Clock()
        service = Service(lambda: self.database, settings(), now=self.clock.now, monotonic=self.clock.monotonic)
        self.client = Client(create_app(service))

    def offers(self, units: int) -> None:
        """Let the market of the primary change."""
        with self.primary.transaction() as connection:
            connection.execute(
                text("UPDATE eu_commodity_price_stats SET total_quantity = :units WHERE timestamp = :newest"),
                {"units": units, "newest": chain.NEWEST},
            )
            changed(connection, Region.EU)

    def catch_up(self) -> None:
        """Wait until the replica has all that the primary wrote."""
        with self.primary.connect() as connection:
            written = connection.execute(text("SELECT pg_current_wal_lsn()::text")).scalar_one()
        for _ in range(_PAUSE):
            (is_there,) = self.asked("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [written])
            if is_there:
                self.clock.pass_by(1)
                return
            self.asked("SELECT pg_sleep(0.1)")
        pytest.fail("the replica does not catch up")

    def asked(self, statement: str, parameters: list[Any] | None = None) -> tuple[Any, ...]:
        row = self.replica.execute(statement.encode(), parameters).fetchone()
        assert row is not None
        return row

    def close(self) -> None:
        self.replica.close()
        self.database.close()
        self.primary.close()


@pytest.fixture(scope="module")
def pair() -> Generator[Pair]:
    programs = debian_programs()
    if programs is None:
        pytest.skip("no PostgreSQL of the system's is installed (Debian: apt-get install postgresql)")
    with (
        external_server(programs) as server,
        server.prepared_database("crafted", test_crafts.install) as url,
        replica_of(server, programs) as address,
    ):
        made = Pair(url, url.replace(url.partition("@")[2].partition("/")[0], address))
        with made.client:
            yield made
        made.close()


@pytest.mark.slow
def test_a_replica_that_lags_is_answered_from_as_it_is_and_no_etag_of_old_data_passes_for_new(pair: Pair) -> None:
    first = pair.client.get(TOP)
    assert first.status == 200
    pair.asked("SELECT 1 FROM pg_wal_replay_pause()")
    try:
        pair.offers(1_000_003)
        pair.clock.pass_by(1)
        # What the primary has is not there yet: the answer is the old one, under the old name.
        lagging = pair.client.get(TOP)
        assert (lagging.status, lagging.body) == (200, first.body)
        assert lagging.headers["etag"] == first.headers["etag"]
        assert pair.client.get(TOP, {"If-None-Match": first.headers["etag"]}).status == 304
        ready = pair.client.get("/readyz")
        assert (ready.status, ready.json["status"]) == (200, "ready")
        pair.clock.pass_by(3 * 3_600)
        assert pair.client.get(TOP).headers["ironforge-stale"] == "true"
        assert [one["stale"] for one in pair.client.get("/readyz").json["regions"]] == [True, True]
    finally:
        pair.asked("SELECT 1 FROM pg_wal_replay_resume()")
    pair.catch_up()
    after = pair.client.get(TOP, {"If-None-Match": first.headers["etag"]})
    assert (after.status, b"1000003" in after.body) == (200, True)
    assert after.headers["etag"] != first.headers["etag"]


@pytest.mark.slow
def test_a_replica_that_ends_what_it_works_at_is_asked_again_without_a_restart(pair: Pair) -> None:
    known = pair.client.get(TOP)
    pair.asked(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    pair.clock.pass_by(1)
    assert pair.client.get(TOP, {"If-None-Match": known.headers["etag"]}).status == 304
    pair.offers(1_000_007)
    pair.catch_up()
    again = pair.client.get(TOP, {"If-None-Match": known.headers["etag"]})
    assert (again.status, b"1000007" in again.body) == (200, True)
