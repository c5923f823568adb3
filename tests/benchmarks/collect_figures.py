"""What one collection of a whole region costs, step by step, beside `psql \\copy` of the same rows.

Run it with `uv run python -m tests.benchmarks.collect_figures`; it takes about a minute. `--auctions 1000000` is
the size at which memory matters, `--server external` the server of an operator.

The command runs as cron runs it: in a process of its own, against the stand-in on loopback with its body ready
gzipped, into a server that runs already, with the previous hour stored. In every round one region is collected, psql
loads the rows that were just stored once more into the same table, in the order of their ids, half an hour later, and
then both regions are collected side by side. So all of them meet the same table in every round, and what else the
machine does strikes all. Medians over the rounds are printed; ratios are formed round by round first.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import psycopg

from ironforge_cli.db.engine import conninfo
from ironforge_cli.regions import Region
from tests.benchmarks.stage import Finished, environment_of, home_folder, line, options, run, running_server, sandbox_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.benchmarks.stage import RunningServer

ROUNDS: Final = 5
MOST_ROUNDS: Final = 10
REGION: Final = Region.EU
MOST_MEGABYTES: Final = {350_000: 450, 1_000_000: 1_000}
"""The most memory that both regions may take, by their size."""
_TABLE: Final = f"auction_snapshots_{REGION}"
_HALF_AN_HOUR: Final = "interval '30 minutes'"


@dataclass(frozen=True, slots=True)
class Collection:
    """One run of `ironforge collect`."""

    process: Finished
    auctions: int
    """Of all its regions."""
    snapshot_time: str
    """Of its first region."""
    steps: Mapping[str, float]
    """Seconds of each step of its first region."""
    run: float
    """Seconds of the run, as its benchmark says: without the process's start-up and end."""


@dataclass(frozen=True, slots=True)
class Round:
    """One region, psql with its rows, and both regions."""

    one: Collection
    copy: float
    """Seconds of psql."""
    both: Collection


def measure(*, auctions: int, rounds: int, server: str) -> list[Round]:
    """Collect an hour to compare with, then so many rounds."""
    with home_folder() as home, running_server(server, home=home) as running, sandbox_of(auctions) as sandbox:
        address = {"IRONFORGE_HOME": str(home), **sandbox.address.environment}
        if server == "external":
            address["IRONFORGE_DATABASE_URL"] = running.url
        environment = environment_of(**address)
        with psycopg.connect(conninfo(running.url), autocommit=True) as database:
            sandbox.prepare()
            collected(environment, database)
            taken: list[Round] = []
            for _ in range(rounds):
                sandbox.advance(REGION)
                sandbox.prepare()
                one = collected(environment, database, REGION)
                copy = copied_again(one.snapshot_time, server=running, file=home.parent / "rows.tsv")
                sandbox.advance()
                sandbox.prepare()
                taken.append(Round(one=one, copy=copy, both=collected(environment, database)))
        return taken


def collected(environment: Mapping[str, str], database: psycopg.Connection[Any], *regions: Region) -> Collection:
    """Run the command once, for those regions or for all."""
    chosen = [part for region in regions for part in ("--region", region.value)]
    process = run(["-m", "ironforge_cli", "collect", *chosen, "--format", "json"], environment=environment)
    records = json.loads(process.output)
    row = database.execute(
        "SELECT duration_seconds FROM benchmarks WHERE operation_type = 'command' ORDER BY id DESC"
    ).fetchone()
    assert row is not None
    return Collection(
        process=process,
        auctions=sum(record["auctions"] for record in records),
        snapshot_time=records[0]["snapshot_time"],
        steps=records[0]["steps"],
        run=row[0],
    )


def copied_again(snapshot_time: str, *, server: RunningServer, file: Path) -> float:
    """Load a stored snapshot's rows once more by psql, and return the seconds that psql took for it."""
    columns = "auction_id, unit_price, item_id, quantity, time_left, expires_after_min, expires_before_min"
    rows = (
        f"SELECT snapshot_time + {_HALF_AN_HOUR}, {columns} FROM {_TABLE}"
        f" WHERE snapshot_time = '{snapshot_time}' ORDER BY auction_id"
    )
    server.statement(rf"\copy ({rows}) TO '{file}'")
    return server.statement(rf"\copy {_TABLE} (snapshot_time, {columns}) FROM '{file}'")


def report(rounds: list[Round], *, auctions: int, server: str) -> str:
    """The figures as a table for people."""
    copy = median(taken.copy for taken in rounds)

    def of_copy(name: str, seconds: float) -> str:
        return f"{name:<34}{seconds:>9.3f}{seconds / copy:>9.2f} x\n"

    def ratio(name: str, ratios: list[float], budget: str) -> str:
        spread = f"   ({min(ratios):.2f} to {max(ratios):.2f})"
        return line(name, f"{median(ratios):.2f} x", budget=budget).rstrip("\n") + spread + "\n"

    steps = dict.fromkeys(step for taken in rounds for step in taken.one.steps)
    peak = median(taken.both.process.peak_mb for taken in rounds)
    most = MOST_MEGABYTES.get(auctions)
    stored = median(taken.one.auctions for taken in rounds)
    return "".join(
        [
            f"{stored:,.0f} auctions of one region, {server} server; medians of {len(rounds)} rounds\n\n",
            f"{'':<34}{'seconds':>9}{'of psql':>11}\n",
            *(of_copy(step, median(taken.one.steps.get(step, 0.0) for taken in rounds)) for step in steps),
            of_copy("the run, without start-up", median(taken.one.run for taken in rounds)),
            of_copy("the process", median(taken.one.process.seconds for taken in rounds)),
            of_copy("  of it on the CPU", median(taken.one.process.cpu for taken in rounds)),
            of_copy(r"psql \copy, in id order", copy),
            of_copy("the process, both regions", median(taken.both.process.seconds for taken in rounds)),
            "\nround by round, with the smallest and the largest:\n",
            ratio("the process of psql", [taken.one.process.seconds / taken.copy for taken in rounds], "4 x"),
            ratio("the run, without start-up, of psql", [taken.one.run / taken.copy for taken in rounds], "2.5 x"),
            ratio(
                "both regions of one",
                [taken.both.process.seconds / taken.one.process.seconds for taken in rounds],
                "1.6 x",
            ),
            "\n",
            line("peak memory, both regions", f"{peak:,.0f} MB", budget=f"{most:,} MB" if most else ""),
            line("peak memory, one region", f"{median(taken.one.process.peak_mb for taken in rounds):,.0f} MB"),
        ]
    )


def main() -> None:
    """Print the figures."""
    asked = options(__doc__, rounds=ROUNDS)
    if not 1 <= asked.rounds <= MOST_ROUNDS:
        raise SystemExit(f"--rounds goes from 1 to {MOST_ROUNDS}: the hours of one day hold no more.")
    rounds = measure(auctions=asked.auctions, rounds=asked.rounds, server=asked.server)
    sys.stdout.write(report(rounds, auctions=asked.auctions, server=asked.server))


if __name__ == "__main__":
    main()
