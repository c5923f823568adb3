"""Statistics of an archive, computed by a cluster: `python -m ironforge_cli.archive.spark ARCHIVE OUTPUT`.

For years of raw days, which no single machine should have to read again. Spark spreads stretches of days over its
workers; each runs the function that collecting runs, on days that it reads from the archive itself, and the statistics
come out as Parquet. It needs Java and the extra `ironforge-cli[spark]`; nothing else of the program loads Spark.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.archive.days import ArchivedDays
from ironforge_cli.archive.marker import MadeStore
from ironforge_cli.archive.statistics import ArchivedStretch, batch_of, computed, stretches
from ironforge_cli.archive.store import store_at
from ironforge_cli.errors import ConfigurationError, ExitStatus, IronforgeError, UsageError
from ironforge_cli.regions import Region
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TASK: Final = "region string, first string, last string"
# As `archive.statistics.schema` has it, in Spark's words.
_RESULT: Final = (
    "region string, date string, item_id int, timestamp timestamp, min_price bigint, max_price bigint,"
    " mean_price double, median_price double, market_value double, cheapest_15_percent_price bigint,"
    " total_quantity bigint, num_auctions int, estimated_sales bigint, sales_low bigint, sales_high bigint,"
    " new_listings bigint, new_auctions int, seen_sales double, unseen_sales double, new_at_floor bigint,"
    " evidence smallint, interval_seconds int"
)


def main(arguments: Sequence[str]) -> ExitStatus:
    """Compute, and say how many rows were written; what goes wrong is said on stderr."""
    parser = argparse.ArgumentParser(prog="python -m ironforge_cli.archive.spark", description=__doc__)
    parser.add_argument("archive", help="folder or s3://bucket/prefix, as IRONFORGE_ARCHIVE_URI")
    parser.add_argument("output", help="folder or address that Spark can write, which must not be there yet")
    parser.add_argument("--region", action="append", choices=list(Region), help="only this one; repeat for more")
    parser.add_argument("--days", type=int, default=7, help="days a task computes; four more are read before them")
    parser.add_argument("--master", default="local[*]", help="Spark's master, such as local-cluster[2,1,1024]")
    given = parser.parse_args(arguments)
    # Workers run what this does, unless told otherwise: by itself Spark takes the first python3 that is on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        if given.days < 1:
            raise UsageError("--days is at least 1.")
        rows = run(
            given.archive,
            given.output,
            regions=[Region(name) for name in given.region or Region],
            days=given.days,
            master=given.master,
        )
    except IronforgeError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    sys.stdout.write(f"{counted(rows, 'row')} of statistics {'is' if rows == 1 else 'are'} in {given.output}\n")
    return ExitStatus.DONE


def run(archive: str, output: str, *, regions: Sequence[Region], days: int, master: str) -> int:
    """Write the statistics of an archive's days into `output`, by region and date; return how many rows they have.

    Raises `ConfigurationError` where Spark is not installed, `UsageError` where nothing is archived, and
    `ArchiveError`; what a worker raises comes as Spark's own error.
    """
    try:
        sql: Any = import_module("pyspark.sql")
    except ImportError as error:
        raise ConfigurationError(
            f"Spark can't be loaded ({error}). Install it with ironforge: pip install 'ironforge-cli[spark]'; it needs "
            "Java 17, too."
        ) from error
    source = ArchivedDays(MadeStore(store_at(archive, environment=os.environ)))
    tasks = [task for region in regions for task in stretches(source.listed(region), days=days)]
    if not tasks:
        raise UsageError(f"{archive} holds no archived days: see `ironforge partitions list`.")
    spark: Any = (
        sql.SparkSession.builder.master(master)
        .appName("ironforge")
        # Times are UTC, whatever the machines' zone.
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    try:
        wanted = spark.createDataFrame(
            [(task.region.value, task.first.isoformat(), task.last.isoformat()) for task in tasks], _TASK
        ).repartition(len(tasks))
        found = wanted.mapInArrow(partial(_worked, archive=archive), _RESULT)
        found.write.partitionBy("region", "date").parquet(output)
        return int(spark.read.parquet(output).count())
    finally:
        spark.stop()


def _worked(batches: Iterator[Any], *, archive: str) -> Iterator[Any]:
    """What a worker does: the statistics of its stretches, a batch a snapshot."""
    source = ArchivedDays(MadeStore(store_at(archive, environment=os.environ)))
    for batch in batches:
        for task in batch.to_pylist():
            stretch = ArchivedStretch(
                Region(task["region"]), date.fromisoformat(task["first"]), date.fromisoformat(task["last"])
            )
            for snapshot in computed(source, stretch):
                yield batch_of(snapshot)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
