"""What one collection of a whole region costs, step by step, beside `psql \\copy` of the same rows.

Run it with `uv run python -m tests.benchmarks.collect_figures`; it takes about a minute.

The command runs as cron runs it: in a process of its own, against the stand-in on loopback with its body ready
gzipped, into the embedded server that runs already, with the previous hour stored. After each collection psql loads
the rows that were just stored once more into the same table, in the order of their ids, half an hour later: so both
meet the same table in every round, and what else the machine does strikes both. Medians of all rounds are printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg

from ironforge_cli.db.embedded import EmbeddedServer, find_bindir
from ironforge_cli.regions import Region
from ironforge_cli.sandbox.access import Limits
from ironforge_cli.sandbox.stand_in import Sandbox
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AUCTIONS = 350_000
ITEMS = 12_000
ROUNDS = 5
REGION = Region.EU
_TABLE = f"auction_snapshots_{REGION}"
_HALF_AN_HOUR = "interval '30 minutes'"
# Between two such times of day all hours of the rounds lie in one partition.
_STARTS_AT = datetime(2026, 1, 14, 1, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Round:
    """One collection, and the load of its rows by psql."""

    auctions: int
    steps: Mapping[str, float]
    """Seconds of each step."""
    run: float
    """Seconds of the whole run, as its benchmark says: without the process's start-up and end."""
    process: float
    """Seconds of the whole process."""
    peak_mb: float
    """Most memory that the process held at once."""
    copy: float
    """Seconds of psql."""


def measure() -> list[Round]:
    """Collect an hour to compare with, then `ROUNDS` more, each beside psql."""
    with (
        open_folder() as folder,
        Sandbox(
            auctions=AUCTIONS,
            items=ITEMS * 5 // 4,
            commodities=ITEMS,
            starts_at=_STARTS_AT,
            limits=Limits(per_second=None, per_hour=None),
        ) as sandbox,
    ):
        home = folder / "home"
        server = EmbeddedServer(home, environment=os.environ, bindir=None, account=None)
        server.make_home()
        environment = {**os.environ, **sandbox.address.environment, "IRONFORGE_HOME": str(home)}
        environment.pop("IRONFORGE_DATABASE_URL", None)
        environment.pop("DATABASE_URL", None)
        with server, psycopg.connect(server.conninfo, autocommit=True) as database:
            rounds: list[Round] = []
            for number in range(ROUNDS + 1):
                if number:
                    sandbox.advance(REGION)
                _ = sandbox.published(REGION).gzipped
                taken = _round(environment, database, server=server, file=folder / "rows.tsv")
                if number:
                    rounds.append(taken)
        return rounds


def _round(
    environment: Mapping[str, str], database: psycopg.Connection[Any], *, server: EmbeddedServer, file: Path
) -> Round:
    command = [sys.executable, "-m", "ironforge_cli", "collect", "--region", REGION.value, "--format", "json"]
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        output, said = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said.decode())
    (record,) = json.loads(output)
    run = _only(database, "SELECT duration_seconds FROM benchmarks WHERE operation_type = 'command' ORDER BY id DESC")
    kilobytes = 1024 if sys.platform == "darwin" else 1
    return Round(
        auctions=record["auctions"],
        steps=record["steps"],
        run=run,
        process=seconds,
        peak_mb=usage.ru_maxrss / kilobytes / 1024,
        copy=_copied_again(record["snapshot_time"], server=server, file=file),
    )


def _copied_again(snapshot_time: str, *, server: EmbeddedServer, file: Path) -> float:
    """Load a stored snapshot's rows once more by psql, and return the seconds that psql took for it."""
    columns = "auction_id, unit_price, item_id, quantity, time_left, expires_after_min, expires_before_min"
    rows = (
        f"SELECT snapshot_time + {_HALF_AN_HOUR}, {columns} FROM {_TABLE}"
        f" WHERE snapshot_time = '{snapshot_time}' ORDER BY auction_id"
    )
    _psql(server, rf"\copy ({rows}) TO '{file}'")
    began = time.perf_counter()
    _psql(server, rf"\copy {_TABLE} (snapshot_time, {columns}) FROM '{file}'")
    return time.perf_counter() - began


def _psql(server: EmbeddedServer, command: str) -> None:
    psql = find_bindir(None, environment=dict(os.environ)) / "psql"
    subprocess.run([psql, "-X", "-q", "-d", server.conninfo, "-c", command], check=True, capture_output=True)


def _only(database: psycopg.Connection[Any], query: str) -> Any:
    row = database.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def report(rounds: list[Round]) -> str:
    """The figures as a table for people."""
    copy = median(taken.copy for taken in rounds)

    def line(name: str, seconds: float) -> str:
        return f"{name:<34}{seconds:>9.3f}{seconds / copy:>9.2f} x"

    steps = dict.fromkeys(step for taken in rounds for step in taken.steps)
    run, process = (median(column) for column in zip(*((taken.run, taken.process) for taken in rounds), strict=True))
    ratios = [(taken.process / taken.copy, taken.run / taken.copy) for taken in rounds]
    whole, without_start = (median(column) for column in zip(*ratios, strict=True))
    lines = [
        f"{median(taken.auctions for taken in rounds):,.0f} auctions of one region; medians of {len(rounds)} rounds",
        "",
        f"{'':<34}{'seconds':>9}{'of psql':>11}",
        *(line(step, median(taken.steps.get(step, 0.0) for taken in rounds)) for step in steps),
        line("the run, without start-up", run),
        line("the process", process),
        line(r"psql \copy, in id order", copy),
        "",
        f"round by round: the process {whole:.2f} x psql (budget 4), the run {without_start:.2f} x (budget 2.5)",
        f"peak memory of the process: {median(taken.peak_mb for taken in rounds):,.0f} MB",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the figures."""
    sys.stdout.write(report(measure()))


if __name__ == "__main__":
    main()
