"""Statistics computed from the archive alone: what a task of a cluster does, with no database near.

A task takes a stretch of days. Its windows chain from snapshot to snapshot, so that it reads the archived days before
the stretch first, back over the 96 hours on which sales rest, by windows and by what was counted with them; the windows
that are archived with the oldest of them seed the chain. Stretches therefore need nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ironforge_cli.archive.arrow import arrow
from ironforge_cli.market.changes import (
    COUNT_COLUMNS,
    INTERVAL_COLUMN,
    NULL,
    PRICE_COLUMNS,
    REAL_COLUMNS,
    SALES_COLUMNS,
    StatisticsRows,
)
from ironforge_cli.market.past import Past
from ironforge_cli.market.sales import REACH
from ironforge_cli.market.statistics import summarise_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ironforge_cli.archive.days import ArchivedDays
    from ironforge_cli.market.auctions import Book
    from ironforge_cli.market.partitions import DailyPartition
    from ironforge_cli.regions import Region

_NARROW: Final = {"num_auctions": 32, "new_auctions": 32, INTERVAL_COLUMN: 32, "evidence": 16}
_RUN_IN: Final = 2 * REACH


@dataclass(frozen=True, slots=True)
class ArchivedStretch:
    """Days of a region that follow each other in the archive, the first and the last included."""

    region: Region
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class SnapshotStatistics:
    """The statistics of one archived snapshot."""

    region: Region
    snapshot_time: datetime
    rows: StatisticsRows


def stretches(archived: Sequence[DailyPartition], *, days: int) -> list[ArchivedStretch]:
    """A region's archived days in stretches of so many.

    The longer they are, the less is read twice; the shorter, the more workers can be busy.

    >>> from ironforge_cli.market.partitions import DailyPartition
    >>> from ironforge_cli.regions import Region
    >>> held = [DailyPartition(Region.EU, date(2024, 1, day)) for day in (1, 2, 3, 7, 8)]
    >>> [(found.first.day, found.last.day) for found in stretches(held, days=2)]
    [(1, 2), (3, 7), (8, 8)]
    """
    ordered = sorted(archived, key=lambda partition: partition.day)
    pieces = [ordered[start : start + days] for start in range(0, len(ordered), days)]
    return [ArchivedStretch(piece[0].region, piece[0].day, piece[-1].day) for piece in pieces]


def computed(archive: ArchivedDays, stretch: ArchivedStretch) -> Iterator[SnapshotStatistics]:
    """The statistics of a stretch's snapshots, oldest first, as collecting would have written them.

    Not of the archive's very first snapshot: what was before it is not known. Holds two snapshots at a time, and what
    `ArchivedDays` does. Raises `ArchiveError`.
    """
    previous: Book | None = None
    past = Past()
    for partition in _days_of(archive, stretch):
        for book in archive.books(partition):
            at, ids = book.snapshot_time, book.auctions.auction_id
            if previous is None:
                previous = book
                past.add_snapshot(at, int(ids[-1]) if len(ids) else None)
                continue
            summary = summarise_snapshot(previous, book.auctions, at=at, earlier=past.earlier(at))
            past.add_snapshot(at, int(ids[-1]) if len(ids) else None)
            if summary.statistics.sales is not None and summary.interval_seconds is not None:
                past.add(summary.statistics.sales, ended_at=at, seconds=summary.interval_seconds)
            previous = summary.book
            if partition.day >= stretch.first:
                yield SnapshotStatistics(stretch.region, book.snapshot_time, StatisticsRows.of(summary.statistics))


def _days_of(archive: ArchivedDays, stretch: ArchivedStretch) -> list[DailyPartition]:
    """A stretch's days, and those before it on which the sales of its first snapshot rest."""
    archived = archive.listed(stretch.region)
    wanted = [partition for partition in archived if stretch.first <= partition.day <= stretch.last]
    run_in: list[DailyPartition] = []
    reaches: datetime | None = None
    for partition in sorted(
        (one for one in archived if one.day < stretch.first), key=lambda one: one.day, reverse=True
    ):
        manifest = archive.manifest(partition)
        if manifest is None or not manifest.snapshots:
            continue
        times = [snapshot.snapshot_time for snapshot in manifest.snapshots]
        run_in.insert(0, partition)
        reaches = reaches or max(times) - _RUN_IN
        if min(times) <= reaches:
            break
    return [*run_in, *wanted]


def schema() -> Any:
    """The Arrow schema of computed statistics: the columns of their table, and the region."""
    core = arrow().core
    names = (*PRICE_COLUMNS, *COUNT_COLUMNS, *SALES_COLUMNS, INTERVAL_COLUMN)
    whole: dict[int, Any] = {16: core.int16(), 32: core.int32(), 64: core.int64()}
    kinds = {name: core.float64() if name in REAL_COLUMNS else whole[_NARROW.get(name, 64)] for name in names}
    return core.schema(
        [
            ("region", core.string()),
            ("date", core.string()),
            ("item_id", core.int32()),
            ("timestamp", core.timestamp("us", tz="UTC")),
            *kinds.items(),
        ]
    )


def batch_of(found: SnapshotStatistics) -> Any:
    """The rows of a snapshot's statistics as an Arrow record batch; nulls are null."""
    core, rows = arrow().core, len(found.rows)
    constants = {
        "region": found.region.value,
        "date": found.snapshot_time.date().isoformat(),
        "timestamp": found.snapshot_time,
    }
    columns: list[Any] = []
    for field in schema():
        if field.name in constants:
            columns.append(core.repeat(core.scalar(constants[field.name], field.type), rows))
        elif field.name == "item_id":
            columns.append(core.array(found.rows.item_id, field.type))
        else:
            values = found.rows.columns[field.name]
            nulls = np.isnan(values) if values.dtype.kind == "f" else values == NULL
            columns.append(core.array(values, field.type, mask=nulls))
    return core.RecordBatch.from_arrays(columns, schema=schema())
