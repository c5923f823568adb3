"""How many bytes a raw row takes in the archive, and how long archiving and restoring a day take beside plain COPY.

Run it with `uv run python -m tests.benchmarks.archive_figures`; it takes about four minutes and 3 GB of disk, which it
gives back.

A day of 24 snapshots of the simulated market is stored as `collect` stores it. Plain COPY is `COPY … TO` of the day's
partition into a file by psql, as text and as binary, and `COPY … FROM` of the binary file into an empty partition of
the same shape. Archiving is all that `partitions maintain` does before a day is dropped: reading the rows by auction,
packing them, reading the file back, and reading the table once more to compare. Restoring is all of `partitions
restore`. Both count the start of their process. They run in turn, `--rounds` times; each figure is the median. Memory
is the most that a process held which does this alone.
"""

from __future__ import annotations

import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from statistics import median
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from ironforge_cli.archive.days import DATA, ArchivedDays, folder_of
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import partitions, raw_days, snapshots
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.jobs.days.one_day import drop, restore
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.regions import Region
from ironforge_cli.sandbox.market import SimulatedMarket, default_profiles
from tests.benchmarks.estimator_accuracy import as_collected
from tests.benchmarks.stage import ITEMS, home_folder, line, options, running_server
from tests.clocks import TickingClock
from tests.conftest import storage_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.benchmarks.stage import RunningServer

HOURS: Final = 24
_BEGINS: Final = datetime(2026, 1, 30, 0, 3, 7, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = DailyPartition.holding(Region.EU, _BEGINS)
_MILLION: Final = 1_000_000


def store_day(database: Database, *, auctions: int) -> int:
    """Store a day of the simulated market, with windows as if it had been collected for hours before; its rows."""
    market = SimulatedMarket(
        profiles=default_profiles(seed=1, items=ITEMS), auctions=auctions, seed=1, starts_at=_BEGINS - 13 * _HOUR
    )
    with database.transaction() as connection:
        partitions.create(connection, _DAY)
    book, rows = None, 0
    for hour in range(-12, HOURS):
        market.advance(hours=1)
        book = summarise_snapshot(book, as_collected(market.listings()), at=_BEGINS + hour * _HOUR).book
        if hour >= 0:
            with database.transaction() as connection:
                snapshots.store(connection, Region.EU, book)
            rows += len(book.auctions)
    return rows


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _archive_of(folder: Path) -> Archive:
    return Archive(ArchivedDays(FolderStore(folder)), now=lambda: _BEGINS)


def _archive_alone(url: str, folder: Path) -> None:
    database, archive = Database(url), _archive_of(folder)
    archive.keep(database, _DAY)
    with database.connect() as connection:
        archive.require_kept(connection, _DAY)
    database.close()


def _restore_alone(url: str, folder: Path) -> None:
    database = Database(url)
    restored = restore(
        (Region.EU,),
        _DAY.day,
        storage=storage_in(folder.parent / "home", database),
        archive=_archive_of(folder),
        clock=TickingClock(_BEGINS),
    )
    if restored.status:
        raise SystemExit(f"Restoring failed: {restored.days}")
    database.close()


def alone(work: Callable[[str, Path], None], url: str, folder: Path) -> tuple[float, float]:
    """Seconds and the most megabytes of a process that does one thing."""
    receiving, sending = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=_alone, args=(work, url, folder, sending))
    process.start()
    took, peak = receiving.recv()
    process.join()
    return took, peak / 1024


def _alone(work: Callable[[str, Path], None], url: str, folder: Path, answer: object) -> None:
    took = seconds(lambda: work(url, folder))
    answer.send((took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))  # type: ignore[attr-defined] - a pipe's end


def measure(running: RunningServer, *, home: Path, auctions: int, rounds: int) -> str:
    """Store a day, and time everything that leaves or enters the table."""
    database = Database(running.url)
    rows = store_day(database, auctions=auctions)
    with database.connect(autocommit=True) as connection:
        connection.execute(text(f"VACUUM ANALYZE {_DAY.name}"))
        size = int(connection.execute(text(f"SELECT pg_total_relation_size('{_DAY.name}')")).scalar_one())
        held = raw_days.tally(connection, _DAY).total
    folder = home.parent / "archive"
    folder.mkdir()
    copied = home.parent / "copied"
    times: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    archived = 0

    def timed(name: str, took: float) -> None:
        times.setdefault(name, []).append(took)

    for _ in range(rounds):
        for form in ("text", "binary"):
            timed(f"to {form}", running.statement(f"\\copy {_DAY.name} TO '{copied}.{form}' (FORMAT {form})"))
        took, peaks["archive"] = alone(_archive_alone, running.url, folder)
        timed("archive", took)
        archived = (folder / folder_of(_DAY) / DATA).stat().st_size
        timed("checked again", alone(_archive_alone, running.url, folder)[0])
        storage = storage_in(home, database)
        drop((Region.EU,), _DAY.day, storage=storage, archive=None, clock=TickingClock(_BEGINS))
        took, peaks["restore"] = alone(_restore_alone, running.url, folder)
        timed("restore", took)
        with database.connect() as connection:
            if raw_days.tally(connection, _DAY).total != held:
                raise SystemExit("The restored day is not the one that was archived.")
        drop((Region.EU,), _DAY.day, storage=storage, archive=None, clock=TickingClock(_BEGINS))
        with database.transaction() as connection:
            partitions.create(connection, _DAY)
        timed("from binary", running.statement(f"\\copy {_DAY.name} FROM '{copied}.binary' (FORMAT binary)"))
        (folder / folder_of(_DAY) / DATA).unlink()
        (folder / folder_of(_DAY) / "_manifest.json").unlink()
    database.close()
    taken = {name: median(values) for name, values in times.items()}

    def row(name: str, key: str, beside: str) -> str:
        a_million = taken[key] / rows * _MILLION
        return line(name, f"{a_million:.2f} s   {taken[key] / taken[beside]:.2f} x COPY")

    return "".join(
        [
            f"{rows:,} rows, {rows // HOURS:,} auctions a snapshot; seconds are for a million rows\n\n",
            line("bytes a row in the table, with its index", f"{size / rows:.1f}", budget="104"),
            line("bytes a row in the archive", f"{archived / rows:.2f}", budget="8"),
            line("COPY TO, text", f"{taken['to text'] / rows * _MILLION:.2f} s"),
            line("COPY TO, binary", f"{taken['to binary'] / rows * _MILLION:.2f} s"),
            row("archive, read back, compared with the table", "archive", "to text"),
            row("read back and compared, archived before", "checked again", "to text"),
            line("COPY FROM, binary, in the order of the table", f"{taken['from binary'] / rows * _MILLION:.2f} s"),
            row("restore", "restore", "from binary"),
            line("restore, of COPY TO as text", f"{taken['restore'] / taken['to text']:.2f} x COPY"),
            line("peak memory while archiving", f"{peaks['archive']:.0f} MB"),
            line("peak memory while restoring", f"{peaks['restore']:.0f} MB"),
        ]
    )


def main() -> None:
    """Measure, and print the figures."""
    wanted = options(__doc__, rounds=3)
    with home_folder() as home, running_server(wanted.server, home=home) as running:
        sys.stdout.write(measure(running, home=home, auctions=wanted.auctions, rounds=wanted.rounds))


if __name__ == "__main__":
    main()
