"""The recomputation by Spark beside what collecting stored: the rows have to be equal, and how long it takes.

Run it with `uv run --extra spark python -m tests.benchmarks.spark_figures`; it needs Java 17 (Debian:
`apt-get install openjdk-17-jre-headless`) and takes about a minute. Six days of a simulated market are stored and
archived; Spark computes their statistics in local-cluster mode, with two workers that are processes of their own, from
the archive alone. Exits 1 where any row differs.
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.db.engine import Database
from ironforge_cli.regions import Region
from tests.archives import made
from tests.benchmarks.stage import home_folder
from tests.clocks import TickingClock
from tests.conftest import storage_in
from tests.jobs import stored
from tests.jobs.chains import Chain, every_three_hours
from tests.servers import embedded_server

if TYPE_CHECKING:
    from pathlib import Path

MASTER: Final = "local-cluster[2,1,1024]"


def by_spark(archive: Path, output: Path, *, days: int) -> float:
    """Let Spark compute an archive's statistics, as a person would, and return the seconds that it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "ironforge_cli.archive.spark", str(archive), str(output)]
    subprocess.run([*command, "--days", str(days), "--master", MASTER], check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def read(output: Path) -> list[tuple[Any, ...]]:
    """The rows that Spark wrote, as `stored.statistics` has them."""
    duckdb = import_module("duckdb")
    duckdb.sql("SET TimeZone = 'UTC'")
    rows = duckdb.sql(
        f"SELECT {stored.STATISTICS} FROM read_parquet('{output}/region=*/date=*/*.parquet')"
        " ORDER BY timestamp, item_id"
    ).fetchall()
    return [(row[0], row[1].astimezone(UTC), *row[2:]) for row in rows]


def main() -> int:
    """Print whether both agree, and the seconds."""
    with embedded_server() as server, server.migrated_database() as url, home_folder() as folder:
        database = Database(url)
        clock = TickingClock(datetime(2026, 1, 14, 12, 30, tzinfo=UTC))
        chain = Chain(storage_in(folder, database), clock, every_three_hours())
        chain.store(Region.EU)
        first, right = chain.time(0), stored.statistics(database, Region.EU)
        chain.archive(folder / "archive", Region.EU, *range(48))
        made(folder / "archive")
        database.close()
        wanted = [row for row in right if row[1] > first]
        same = True
        for days in (1, 3):
            seconds = by_spark(folder / "archive", folder / f"by-{days}", days=days)
            equal = read(folder / f"by-{days}") == wanted
            same = same and equal
            told = "equal" if equal else "DIFFER"
            sys.stdout.write(f"{days} days a task, {MASTER}: {len(wanted):,} rows {told}, {seconds:.0f} s\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
