"""Statistics computed from the archive alone equal those that collecting stored."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ironforge_cli.archive import spark
from ironforge_cli.archive.days import ArchivedDays
from ironforge_cli.archive.statistics import (
    ArchivedStretch,
    _days_of,  # pyright: ignore[reportPrivateUsage] - what is read too much shows in nothing else
    batch_of,
    computed,
    schema,
    stretches,
)
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.errors import ExitStatus
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rows import microseconds_of, moment_of
from ironforge_cli.market.sales import REACH
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.archives import made as marked
from tests.jobs import stored
from tests.jobs.chains import Chain, every_three_hours
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock
    from tests.jobs.expected import Row

ALL = range(48)
"""Every snapshot of six days."""


@pytest.fixture
def chain(storage: Storage, clock: TickingClock) -> Chain:
    """Six days of snapshots, one every three hours, stored for EU."""
    chain = Chain(storage, clock, every_three_hours())
    chain.store(Region.EU)
    return chain


def rows_of(archive: ArchivedDays, tasks: list[ArchivedStretch]) -> list[Row]:
    """The rows of stretches, as `stored.statistics` has them."""
    rows: list[Row] = []
    for task in tasks:
        for snapshot in computed(archive, task):
            table: list[dict[str, Any]] = batch_of(snapshot).to_pylist()
            for row in table:
                del row["region"], row["date"]
                rows.append(tuple(row.values()))
    return sorted(rows, key=lambda row: (row[1], row[0]))


@pytest.mark.parametrize("days", [1, 2, 30])
def test_any_stretches_give_what_collecting_stored(chain: Chain, tmp_path: Path, days: int) -> None:
    right = stored.statistics(chain.database, Region.EU)
    archive = chain.archive(tmp_path, Region.EU, *ALL)
    tasks = stretches(archive.listed(Region.EU), days=days)
    first = chain.time(0)
    assert rows_of(archive, tasks) == [row for row in right if row[1] > first]
    assert len(tasks) == math.ceil(6 / days)


def test_a_stretch_is_right_though_the_windows_before_it_were_archived_wrong(chain: Chain, tmp_path: Path) -> None:
    right = stored.statistics(chain.database, Region.EU)
    chain.spoil(Region.EU, figures=False)
    archive = chain.archive(tmp_path, Region.EU, *ALL)
    last = stretches(archive.listed(Region.EU), days=1)[-1]
    begins = chain.time(47).date()
    assert rows_of(archive, [last]) == [row for row in right if row[1].date() == begins]


def test_the_run_in_reads_no_more_days_than_it_needs(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = chain.archive(tmp_path, Region.EU, *ALL)
    read: list[str] = []
    books = type(archive).books

    def counted(days: ArchivedDays, partition: Any, **options: Any) -> Any:
        read.append(partition.name)
        return books(days, partition, **options)

    monkeypatch.setattr(type(archive), "books", counted)
    last = stretches(archive.listed(Region.EU), days=1)[-1]
    list(computed(archive, last))
    assert len(read) == 1 + 2 * REACH / timedelta(days=1) + 1


def made(archive: ArchivedDays, hours: list[float]) -> None:
    """Archive snapshots of a row each, at so many hours since the beginning of a month, by their days."""
    first = microseconds_of(datetime(2024, 1, 1, tzinfo=UTC))
    times = [first + int(hour * 3_600_000_000) for hour in hours]
    few = day_of_rows(DailyPartition(Region.EU, date(2024, 1, 1)), snapshots=len(times), auctions=1)
    rows = replace(few, snapshot_time=np.array(times, np.int64))
    for day in sorted({moment_of(time).date() for time in times}):
        partition = DailyPartition(Region.EU, day)
        of_the_day = [moment_of(time).date() == day for time in times]
        archive.write(partition, [rows.taken(np.array(of_the_day)).by_auction()], archived_at=partition.ends_at)


@pytest.mark.parametrize(
    ("hours", "days"),
    [
        # The newest before the stretch is of 143:00; reading begins with the day that holds one of 47:00 or before.
        ([23, 47, 71, 143, 144, 145, 168], [2, 3, 6, 7]),
        ([23, 47.5, 71, 143, 144, 145, 168], [1, 2, 3, 6, 7]),
        # Of a day's snapshots the newest is what is compared with, and the oldest says how far the day goes back.
        ([23, 47, 47.5, 71, 120, 143, 144, 145, 168], [2, 3, 6, 7]),
        # Where none is so old, with the first day there is.
        ([48, 71, 143, 144, 145, 168], [3, 6, 7]),
        ([144, 145, 168], [7]),
        # Days may lack in between.
        ([1, 100, 144, 145, 168], [1, 5, 7]),
    ],
)
def test_the_run_in_reaches_96_hours_before_the_snapshot_that_the_first_is_compared_with(
    tmp_path: Path, hours: list[float], days: list[int]
) -> None:
    archive = ArchivedDays(FolderStore(tmp_path))
    made(archive, hours)
    day = date(2024, 1, 7)
    read = _days_of(archive, ArchivedStretch(Region.EU, day, day))
    assert [partition.day.day for partition in read] == days
    computed_at = [found.snapshot_time for found in computed(archive, ArchivedStretch(Region.EU, day, day))]
    # Of the archive's very first snapshot it is not known what was before it.
    begins = 1 if days == [7] else 0
    assert [moment.hour for moment in computed_at] == [0, 1][begins:]


def test_the_last_day_of_a_stretch_is_the_last_that_is_read(tmp_path: Path) -> None:
    archive = ArchivedDays(FolderStore(tmp_path))
    made(archive, [1, 30, 60, 80])
    (first, last) = stretches(archive.listed(Region.EU), days=2)
    assert [found.snapshot_time.day for found in computed(archive, first)] == [2]
    assert [found.snapshot_time.day for found in computed(archive, last)] == [3, 4]
    assert list(computed(archive, ArchivedStretch(Region.US, first.first, last.last))) == []


def test_spark_is_told_the_columns_that_come() -> None:
    words = [tuple(column.split()) for column in spark._RESULT.split(",")]  # pyright: ignore[reportPrivateUsage] - held against its twin
    kinds = {
        "smallint": "int16",
        "int": "int32",
        "bigint": "int64",
        "double": "double",
        "string": "string",
        "timestamp": "timestamp[us, tz=UTC]",
    }
    assert [(name, kinds[kind]) for name, kind in words] == [(field.name, str(field.type)) for field in schema()]


def test_a_worker_gives_what_its_task_asks_for(chain: Chain, tmp_path: Path) -> None:
    archive = chain.archive(tmp_path, Region.EU, *ALL)
    (task,) = stretches(archive.listed(Region.EU), days=30)

    class Tasks:
        """A batch of Arrow's, as far as a worker looks at it."""

        def to_pylist(self) -> list[dict[str, str]]:
            return [{"region": "eu", "first": task.first.isoformat(), "last": task.last.isoformat()}]

    batches = list(spark._worked(iter([Tasks()]), archive=marked(tmp_path)))  # pyright: ignore[reportPrivateUsage] - what Spark calls
    right = stored.statistics(chain.database, Region.EU)
    assert sum(batch.num_rows for batch in batches) == sum(row[1] > chain.time(0) for row in right)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [(["--days", "0"], ExitStatus.USAGE, "--days"), ([], ExitStatus.CONFIGURATION, "ironforge-cli[spark]")],
)
def test_what_is_missing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: ExitStatus, words: str
) -> None:
    assert spark.main([str(tmp_path), str(tmp_path / "out"), *arguments]) is code
    assert words in capsys.readouterr().err
