"""The price of a token while the database is away: Blizzard keeps none, so it waits on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.jobs import stored

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector


@pytest.fixture
def away(collector: Collector) -> Collector:
    """A collector whose database has gone."""
    collector.database = MissingDatabase(DatabaseError("The server is away."))
    return collector


def test_prices_wait_and_are_stored_once_by_the_next_run_with_a_database(away: Collector, database: Database) -> None:
    for _ in range(3):
        collected = away.collect()
        assert [token.outcome for token in collected.tokens] == [Outcome.SPOOLED, Outcome.SPOOLED]
        assert all("waits on disk" in (token.message or "") for token in collected.tokens)
        assert collected.status is ExitStatus.DATABASE
        away.publish()
    # The same price is asked for again within the minute that an answer counts as fresh.
    away.collect()
    away.database = database
    assert away.collect().status is ExitStatus.DONE
    for region in DEFAULT_REGIONS:
        assert set(stored.token_prices(database, region)) == away.token_prices[region]
    assert away.storage.pending.waiting() == 0


def test_what_waited_is_not_stored_twice_where_the_database_has_it(away: Collector, database: Database) -> None:
    def counted() -> list[int]:
        return [
            *(len(stored.token_prices(database, region)) for region in DEFAULT_REGIONS),
            len(stored.attempts(database)),
            len(stored.benchmarks(database, "command")),
            len(stored.benchmarks(database, "snapshot")),
        ]

    away.collect()
    kept = (away.home / "spool" / "log-rows.jsonl").read_bytes()
    away.database = database
    away.collect()
    # Two runs of two regions each, of which the second stored what the first had spooled.
    assert counted() == [1, 1, 4, 2, 2]
    (away.home / "spool" / "log-rows.jsonl").write_bytes(kept)
    assert away.collect().status is ExitStatus.DONE
    assert counted() == [1, 1, 6, 3, 2]
