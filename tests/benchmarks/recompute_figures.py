"""How long it takes to compute statistics again, beside plain `COPY … TO` of the same raw rows.

Run it with `uv run python -m tests.benchmarks.recompute_figures`; it takes about three minutes and 3 GB of disk, which
it gives back.

Hours of one market are stored in both regions, as `collect` stores them. Then `ironforge stats recompute` runs as a
process of its own, start-up and all: where everything is right, so that snapshots are read and compared and nothing is
written; where the statistics are wrong; and where the expiry windows are wrong as well, so that every raw row is
written anew. What is wrong is made so by UPDATE, and the tables are vacuumed after it. One region alone, with one
worker, and in the first case both regions side by side. The yardstick is psql's `\\copy` of all those rows to nowhere,
which every run has beside it; a ratio is that of the medians of all rounds.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Final

from ironforge_cli.cli.frame.wiring import Stop, SystemClock
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories.snapshots import Body
from ironforge_cli.jobs.collecting.storing import store_snapshot
from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.market import SimulatedMarket, default_profiles
from tests.benchmarks.estimator_accuracy import as_collected
from tests.benchmarks.stage import ITEMS, environment_of, home_folder, line, options, run, running_server

if TYPE_CHECKING:
    from tests.benchmarks.stage import RunningServer

HOURS: Final = 8
ROUNDS: Final = 3
ALONE: Final = Region.EU
_BEGINS: Final = datetime(2026, 1, 14, 1, 3, 7, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_COPY: Final = "psql's \\copy of the rows to nowhere"
_RIGHT, _STATISTICS, _WINDOWS, _BOTH = (
    "everything right: nothing written",
    "statistics wrong",
    "statistics and windows wrong",
    "everything right, both regions side by side",
)
_WRONG_STATISTICS: Final = f"UPDATE {ALONE}_commodity_price_stats SET total_quantity = total_quantity + 1"
_WRONG_WINDOWS: Final = f"UPDATE auction_snapshots_{ALONE} SET expires_after_min = -7, expires_before_min = -3"
_TABLES: Final = f"auction_snapshots_{ALONE}, {ALONE}_commodity_price_stats"


def store(running: RunningServer, *, auctions: int, hours: int) -> int:
    """Store hours of both regions, and return the rows of one."""
    database, clock = Database(running.url), SystemClock(Stop())
    profiles = default_profiles(seed=1, items=ITEMS)
    market = SimulatedMarket(profiles=profiles, auctions=auctions, seed=1, starts_at=_BEGINS - _HOUR)
    rows = 0
    for hour in range(hours):
        market.advance(hours=1)
        held, at = as_collected(market.listings()), _BEGINS + hour * _HOUR
        rows += len(held)
        for region in DEFAULT_REGIONS:
            attempt = Attempt(clock=clock, region=region, progress=Silent())
            body = Body(bytes=len(held) * 90, digest=at.isoformat(), source="live")
            store_snapshot(held, region=region, at=at, body=body, database=database, attempt=attempt)
    database.close()
    return rows


def measure(*, auctions: int, hours: int, rounds: int, server: str) -> tuple[int, dict[str, list[float]], float]:
    """The rows of a region, seconds by what was measured, and the most memory of a process."""
    seconds: dict[str, list[float]] = defaultdict(list)
    peak = 0.0
    with home_folder() as home, running_server(server, home=home) as running:
        environment = environment_of(IRONFORGE_DATABASE_URL=running.url, IRONFORGE_HOME=str(home))
        rows = store(running, auctions=auctions, hours=hours)

        def recompute(name: str, *regions: Region) -> None:
            nonlocal peak
            chosen = [word for region in regions for word in ("--region", region.value)]
            call = ["-m", "ironforge_cli", "-q", "stats", "recompute", *chosen, "--workers", str(len(regions))]
            finished = run([*call, "--format", "json"], environment=environment)
            for record in json.loads(finished.output):
                wrong = name in {_STATISTICS, _WINDOWS}
                if record["snapshots"] != hours or record["changed"] != (hours if wrong else 0):
                    raise SystemExit(f"{name}: {record}")
            seconds[name].append(finished.seconds)
            peak = max(peak, finished.peak_mb)

        def spoil(*statements: str) -> None:
            for statement in (*statements, f"VACUUM {_TABLES}", "CHECKPOINT"):
                running.statement(statement)

        running.statement(f"VACUUM ANALYZE {_TABLES}")
        recompute(_RIGHT, ALONE)
        seconds.clear()
        for _ in range(rounds):
            seconds[_COPY].append(running.statement(f"\\copy (SELECT * FROM auction_snapshots_{ALONE}) TO /dev/null"))
            recompute(_RIGHT, ALONE)
            recompute(_BOTH, *DEFAULT_REGIONS)
            spoil(_WRONG_STATISTICS)
            recompute(_STATISTICS, ALONE)
            spoil(_WRONG_STATISTICS, _WRONG_WINDOWS)
            recompute(_WINDOWS, ALONE)
            spoil()
    return rows, seconds, peak


def main() -> None:
    """Print the figures."""
    asked = options(__doc__, hours=HOURS, rounds=ROUNDS)
    rows, seconds, peak = measure(auctions=asked.auctions, hours=asked.hours, rounds=asked.rounds, server=asked.server)
    copied = median(seconds[_COPY])
    sys.stdout.write(
        f"{asked.hours} snapshots, {rows:,} rows a region, {asked.rounds} rounds, {asked.server} server\n\n"
    )
    for name, taken in seconds.items():
        regions = len(DEFAULT_REGIONS) if name == _BOTH else 1
        a_million = median(taken) / rows / regions * 1e6
        ratio = f"{median(taken) / copied / regions:.1f} x"
        sys.stdout.write(line(name, f"{a_million:.2f} s a million rows, {ratio}"))
    sys.stdout.write(line("peak memory of a process", f"{peak:.0f} MB"))


if __name__ == "__main__":
    main()
