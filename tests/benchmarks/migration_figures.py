"""What upgrading a database from before there were months takes: 20 million rows of hourly statistics in one table.

Run it with `uv run python -m tests.benchmarks.migration_figures`. The rows are made in SQL under the schema as it was
then, most of three months of one region at a real market's size. `ironforge db upgrade` runs in a process of its own,
while hours are stored beside it as collecting stores them: the longest of these is what an hour had to wait. Then
`ironforge partitions maintain` puts the rows into months, laid by item, and makes the days. Rows are counted at each
stage; a difference ends the program.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import median
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

from alembic.command import upgrade
from alembic.config import Config
from sqlalchemy import text

from ironforge_cli.db import revisions
from ironforge_cli.db.embedded import EmbeddedServer
from ironforge_cli.db.engine import Database
from tests.benchmarks import stage

if TYPE_CHECKING:
    from collections.abc import Mapping

BEFORE: Final = "20261127_0015"
"""The last schema whose statistics are one table."""
HOUR: Final = timedelta(hours=1)
NOW: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
_COLUMNS: Final = (
    "item_id, timestamp, min_price, max_price, mean_price, median_price, market_value, cheapest_15_percent_price,"
    " total_quantity, num_auctions, estimated_sales, sales_low, sales_high, new_listings, new_auctions,"
    " interval_seconds"
)
_MAKE: Final = (
    f"INSERT INTO eu_commodity_price_stats ({_COLUMNS}) SELECT item, CAST(:since AS timestamptz)"
    " + hour * INTERVAL '1 hour', price, price * 9, price * 1.7, price * 1.4, price * 1.1, price, 40 + item, 12,"
    " sold / 2, sold / 4, sold, 7, 3, 3600 FROM generate_series(0, CAST(:hours AS int) - 1) AS hour,"
    " generate_series(1, CAST(:items AS int)) AS item,"
    " LATERAL (SELECT 100 * (1 + (item * 7919 + hour) % 9973) AS price, 4 * ((item + hour) % 11) AS sold) AS made"
)
_REGISTER: Final = (
    "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, interval_seconds,"
    " estimator_version) SELECT 'eu', CAST(:since AS timestamptz) + hour * INTERVAL '1 hour', 0, :items, 1, 'x',"
    " 'live', 3600, 1 FROM generate_series(0, CAST(:hours AS int) - 1) AS hour"
)


def main() -> int:
    """Build, migrate, measure and print."""
    asked = stage.options(__doc__, auctions=0, items=11_000, rows=20_000_000)
    say = sys.stdout.write
    days = max(1, round(asked.rows / asked.items / 24))
    with stage.home_folder() as home, ExitStack() as running:
        server = EmbeddedServer(home, environment=os.environ, bindir=None, account=None)
        server.make_home()
        running.enter_context(server)
        database = Database(server.conninfo)
        running.callback(database.close)
        _upgrade_to(database, BEFORE)
        rows = _build(database, days=days, items=asked.items)
        say(f"{rows:,} rows of {days} days: {_size(database):.2f} GB\n")
        environment = stage.environment_of(IRONFORGE_DATABASE_URL=server.conninfo, IRONFORGE_HOME=str(home))
        with _Hours(database, items=asked.items) as hours:
            _run(say, "db upgrade", environment)
        rows += hours.rows
        say(stage.line("hours stored meanwhile, longest", f"{1_000 * max(hours.seconds):.0f} ms"))
        say(stage.line("median of these", f"{1_000 * median(hours.seconds):.0f} ms"))
        _require(database, rows)
        say(f"{_size(database):.2f} GB\n")
        _run(say, "partitions maintain", environment)
        _require(database, rows)
        say(f"{_size(database):.2f} GB, {rows:,} rows as before\n")
    return 0


def _upgrade_to(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(revisions.migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with database.connect() as connection:
        config.attributes["connection"] = connection
        upgrade(config, revision)


def _build(database: Database, *, days: int, items: int) -> int:
    for back in range(days, 0, -1):
        given: dict[str, Any] = {"since": NOW - back * 24 * HOUR, "hours": 24, "items": items}
        with database.transaction() as connection:
            connection.execute(text(_MAKE), given)
            connection.execute(text(_REGISTER), given)
    with database.connect(autocommit=True) as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return days * 24 * items


class _Hours:
    """Hours that are stored one after the other beside something else, each of them timed."""

    def __init__(self, database: Database, *, items: int) -> None:
        self._database = database
        self._items = items
        self._ends = Event()
        self._thread = Thread(target=self._store)
        self.seconds: list[float] = []
        self.rows = 0

    def __enter__(self) -> _Hours:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _store(self) -> None:
        while not self._ends.is_set():
            given = {"since": NOW + len(self.seconds) * HOUR, "hours": 1, "items": self._items}
            began = time.monotonic()
            with self._database.transaction() as connection:
                connection.execute(text(_MAKE), given)
                connection.execute(text(_REGISTER), given)
            self.seconds.append(time.monotonic() - began)
            self.rows += self._items
            self._ends.wait(0.5)


def _run(say: Any, words: str, environment: Mapping[str, str]) -> None:
    done = stage.run(["-m", "ironforge_cli", *words.split()], environment=environment)
    say(stage.line(f"ironforge {words}", f"{done.seconds:.0f} s"))


def _require(database: Database, rows: int) -> None:
    with database.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM eu_commodity_price_stats")).scalar_one()
    if found != rows:
        raise SystemExit(f"{found:,} rows are there, not {rows:,}.")


def _size(database: Database) -> float:
    with database.connect() as connection:
        return connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one() / 1e9


if __name__ == "__main__":
    sys.exit(main())
