"""Raw days in the archive: writing one and reading it back, checked, a snapshot at a time or as it lies.

A day is `region=eu/date=2024-01-15/auctions.parquet`, each auction's rows one after the other, so that they pack;
beside it `_manifest.json` says what is in it, snapshot by snapshot. The manifest is written after the file was read
back: where there is one, the day was archived whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from ironforge_cli.archive.arrow import arrow, explained, row_groups
from ironforge_cli.decoding import learn
from ironforge_cli.errors import ArchiveError
from ironforge_cli.market.auctions import LeftOut
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rows import Count, RawRows, RowTally, joined, microseconds_of, moment_of
from ironforge_cli.market.time_left import TimeLeft
from ironforge_cli.regions import Region
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ironforge_cli.archive.store import ArchiveStore
    from ironforge_cli.market.auctions import Book, UInt8

FORMAT: Final = 1
DATA: Final = "auctions.parquet"
MANIFEST: Final = "_manifest.json"
ROWS_AT_ONCE: Final = 2_000_000
"""So many rows are held while snapshots are picked out of a day, or one snapshot where that is larger."""
_ZSTD_LEVEL: Final = 3
_LABELS: Final = tuple(bucket.name for bucket in TimeLeft)
# Few different values pack as numbers of them, ids as differences; the others pack best as they are, since an auction
# repeats them from hour to hour.
_NUMBERED: Final = ("snapshot_time", "time_left", "expires_after_min", "expires_before_min")
_ENCODINGS: Final = {
    "auction_id": "DELTA_BINARY_PACKED",
    "item_id": "PLAIN",
    "unit_price": "PLAIN",
    "quantity": "PLAIN",
}
_NOT_WRITTEN: Final = "What was there stays, and nothing was dropped; check the store."
_DAMAGED: Final = "Bring the file back from a copy, or remove its folder from the archive."


class ManifestSnapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """One snapshot of an archived day."""

    snapshot_time: datetime
    rows: int
    checksum: str
    """Hexadecimal."""
    skipped: int = 0
    """Auctions of its body that made no sense, and are not among its rows."""
    skipped_items: tuple[int, ...] = ()
    """The items that these name."""
    skipped_auctions: tuple[int, ...] = ()
    """Their ids."""

    @property
    def left_out(self) -> LeftOut:
        """What is not among its rows."""
        return LeftOut(self.skipped, self.skipped_items, self.skipped_auctions)

    @property
    def count(self) -> Count:
        """Its rows and their checksum."""
        return Count(self.rows, int(self.checksum, 16))


class Manifest(msgspec.Struct, frozen=True):
    """What an archived day holds, as it was read back when it had been written."""

    format: int
    region: Region
    date: date
    rows: int
    checksum: str
    bytes: int
    """Of the Parquet file."""
    archived_at: datetime
    snapshots: list[ManifestSnapshot]

    @property
    def counts(self) -> dict[int, Count]:
        """Rows and checksum by the microseconds of the snapshot's time."""
        return {microseconds_of(one.snapshot_time): one.count for one in self.snapshots}


learn(ManifestSnapshot, Manifest)


def folder_of(partition: DailyPartition) -> str:
    """Where a day lies in the archive, as engines that read Parquet find the region and the day.

    >>> folder_of(DailyPartition(Region.EU, date(2024, 1, 15)))
    'region=eu/date=2024-01-15'
    """
    return f"region={partition.region}/date={partition.day.isoformat()}"


@dataclass(frozen=True, slots=True)
class ArchivedDays:
    """The raw days of an archive. Every method raises `ArchiveError` where the archive refuses or is damaged."""

    store: ArchiveStore

    def manifest(self, partition: DailyPartition) -> Manifest | None:
        """What an archived day holds; None where it was not archived, or not to the end."""
        path = f"{folder_of(partition)}/{MANIFEST}"
        file = self.store.opened(path)
        if file is None:
            return None
        with explained(f"{self.store.name}/{path} can't be read", _DAMAGED), file:
            content = file.read()
        try:
            found = msgspec.json.decode(content, type=Manifest)
        except msgspec.MsgspecError as error:
            raise ArchiveError(f"{self.store.name}/{path} is damaged ({error}). {_DAMAGED}") from error
        if found.format != FORMAT:
            raise ArchiveError(
                f"{self.store.name}/{path} is of the format {found.format}, which another version of ironforge wrote. "
                "Use that one."
            )
        if (found.region, found.date) != (partition.region, partition.day):
            # Its rows say nothing of their region: put into another's table they would pass for that one's.
            raise ArchiveError(
                f"{self.store.name}/{path} is of {found.date} (UTC) of {found.region.label}: another day's folder was "
                "put in its place. Move it back."
            )
        return found

    def listed(self, region: Region) -> list[DailyPartition]:
        """The days of a region that were archived to their end, oldest first."""
        return [day for day, names in self._days(region).items() if MANIFEST in names]

    def unfinished(self, region: Region) -> list[DailyPartition]:
        """The days of a region whose file is there and whose manifest is not, oldest first."""
        return [day for day, names in self._days(region).items() if DATA in names and MANIFEST not in names]

    def _days(self, region: Region) -> dict[DailyPartition, set[str]]:
        """The names of the files of each day; what lies beside them and is no day is left alone."""
        found: dict[date, set[str]] = {}
        for path in self.store.found(f"region={region}"):
            folder, _, name = path.removeprefix(f"region={region}/").rpartition("/")
            try:
                day = date.fromisoformat(folder.removeprefix("date="))
            except ValueError:
                continue
            if folder == f"date={day.isoformat()}":
                found.setdefault(day, set()).add(name)
        return {DailyPartition(region, day): found[day] for day in sorted(found)}

    def is_there(self, partition: DailyPartition) -> bool:
        """Whether a day's Parquet file is there, read back or not."""
        file = self.store.opened(f"{folder_of(partition)}/{DATA}")
        if file is None:
            return False
        file.close()
        return True

    def write(
        self,
        partition: DailyPartition,
        pieces: Iterable[RawRows],
        *,
        archived_at: datetime,
        left_out: Mapping[datetime, LeftOut] | None = None,
    ) -> Manifest:
        """Write a day's rows, read them back, put them in place of what is there, and write the manifest.

        The pieces come in the order of their auctions, and none shares an auction with the next; `left_out` says what
        is in none of them, by the snapshot's time. Raises `ArchiveError`
        where what is read back is not what was written; what was there stays then.
        """
        written, read = RowTally(), RowTally()
        path = f"{folder_of(partition)}/{DATA}"

        def check(file: Any) -> None:
            with explained(f"{self.store.name}/{path} does not read back", _NOT_WRITTEN):
                for rows in _pieces_in(file, path):
                    read.add(rows)
            if read.snapshots != written.snapshots:
                raise ArchiveError(
                    f"{self.store.name}/{path} reads back as {counted(read.total.rows, 'row')} that "
                    f"{'is' if read.total.rows == 1 else 'are'} not the "
                    f"{written.total.rows:,} that were written. {_NOT_WRITTEN}"
                )

        size = self.store.put(path, lambda stream: _write_parquet(stream, pieces, tally=written), check=check)
        manifest = Manifest(
            format=FORMAT,
            region=partition.region,
            date=partition.day,
            rows=read.total.rows,
            checksum=f"{read.total.checksum:016x}",
            bytes=size,
            archived_at=archived_at,
            snapshots=[
                _manifest_snapshot(moment_of(time), count, (left_out or {}).get(moment_of(time), LeftOut()))
                for time, count in sorted(read.snapshots.items())
            ],
        )
        content = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        self.store.put(f"{folder_of(partition)}/{MANIFEST}", lambda stream: _write_bytes(stream, content))
        return manifest

    def tally(self, partition: DailyPartition) -> RowTally:
        """Count and sum up all rows of a day's file, snapshot by snapshot."""
        return RowTally.of(self.pieces(partition))

    def pieces(self, partition: DailyPartition, *, times: Collection[int] | None = None) -> Iterator[RawRows]:
        """A day's rows as they lie, in the order of their auctions; only those of some times, where those are given.

        Times are microseconds since 1970.
        """
        chosen = None if times is None else np.array(sorted(times), np.int64)
        path = f"{folder_of(partition)}/{DATA}"
        file = self.store.opened(path)
        if file is None:
            raise ArchiveError(f"{self.store.name}/{path} is not there. {_DAMAGED}")
        with explained(f"{self.store.name}/{path} can't be read", _DAMAGED), file:
            for rows in _pieces_in(file, path):
                if chosen is not None:
                    rows = rows.taken(np.isin(rows.snapshot_time, chosen))  # noqa: PLW2901 - fewer of the same
                if len(rows):
                    yield rows

    def snapshots(self, manifest: Manifest, *, times: Collection[int] | None = None) -> Iterator[RawRows]:
        """A day's snapshots, oldest first, or some of them, each with its rows by auction, checked by the manifest.

        The file is read once for every `ROWS_AT_ONCE` rows.
        """
        partition = DailyPartition(manifest.region, manifest.date)
        counts = {time: count for time, count in manifest.counts.items() if times is None or time in times}
        for batch in _batches(counts):
            found: dict[int, list[RawRows]] = {time: [] for time in batch}
            for rows in self.pieces(partition, times=batch):
                for time in np.unique(rows.snapshot_time).tolist():
                    found[time].append(rows.taken(rows.snapshot_time == time))
            for time in batch:
                snapshot = joined(found.pop(time)) if found[time] else None
                if snapshot is None or RowTally.of([snapshot]).total != counts[time]:
                    raise ArchiveError(
                        f"{self.store.name}/{folder_of(partition)}/{DATA} is damaged: the snapshot of "
                        f"{moment_of(time).isoformat()} is not as its manifest says. {_DAMAGED}"
                    )
                yield snapshot

    def books(self, partition: DailyPartition, *, times: Collection[datetime] | None = None) -> Iterator[Book]:
        """A day's snapshots as books, oldest first, or those of some times; nothing where it was not archived."""
        manifest = self.manifest(partition)
        if manifest is None:
            return
        wanted = None if times is None else {microseconds_of(time) for time in times}
        left_out = {one.snapshot_time: one.left_out for one in manifest.snapshots}
        for rows in self.snapshots(manifest, times=wanted):
            book = rows.book()
            yield replace(book, auctions=replace(book.auctions, left_out=left_out[book.snapshot_time]))


def _manifest_snapshot(time: datetime, count: Count, left_out: LeftOut) -> ManifestSnapshot:
    return ManifestSnapshot(
        snapshot_time=time,
        rows=count.rows,
        checksum=f"{count.checksum:016x}",
        skipped=left_out.count,
        skipped_items=left_out.item_id,
        skipped_auctions=left_out.auction_id,
    )


def _batches(counts: dict[int, Count]) -> Iterator[list[int]]:
    """Times in order, together as long as their rows may be held at once.

    >>> most = ROWS_AT_ONCE
    >>> list(_batches({4: Count(1, 0), 3: Count(most - 1, 0), 2: Count(1, 0), 1: Count(most + 1, 0)}))
    [[1], [2, 3], [4]]
    """
    batch: list[int] = []
    held = 0
    for time, count in sorted(counts.items()):
        if batch and held + count.rows > ROWS_AT_ONCE:
            yield batch
            batch, held = [], 0
        batch.append(time)
        held += count.rows
    if batch:
        yield batch


def _schema() -> Any:
    core = arrow().core
    return core.schema(
        [
            core.field("snapshot_time", core.timestamp("us", tz="UTC"), nullable=False),
            core.field("auction_id", core.int64(), nullable=False),
            core.field("item_id", core.int32(), nullable=False),
            core.field("unit_price", core.int64(), nullable=False),
            core.field("quantity", core.int32(), nullable=False),
            core.field("time_left", core.dictionary(core.int8(), core.string()), nullable=False),
            core.field("expires_after_min", core.int16(), nullable=False),
            core.field("expires_before_min", core.int16(), nullable=False),
        ]
    )


def _write_parquet(stream: Any, pieces: Iterable[RawRows], *, tally: RowTally) -> None:
    core = arrow().core
    schema = _schema()
    with arrow().parquet.ParquetWriter(
        stream,
        schema,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=list(_NUMBERED),
        column_encoding=_ENCODINGS,
        write_page_checksum=True,
    ) as writer:
        for rows in pieces:
            tally.add(rows)
            columns = [
                core.DictionaryArray.from_arrays(rows.time_left.astype(np.int8), list(_LABELS))
                if field.name == "time_left"
                else core.array(getattr(rows, field.name), core.int64()).cast(field.type)
                if field.name == "snapshot_time"
                else core.array(getattr(rows, field.name), field.type)
                for field in schema
            ]
            writer.write_table(core.Table.from_arrays(columns, schema=schema), row_group_size=max(1, len(rows)))


def _write_bytes(stream: Any, content: bytes) -> None:
    stream.write(content)


def _pieces_in(file: Any, path: str) -> Iterator[RawRows]:
    for table in row_groups(file):
        yield _rows_of(table, path)


def _rows_of(table: Any, path: str) -> RawRows:
    """The columns of a piece of a day's file; raises `ArchiveError` where they are not those of raw rows."""
    core = arrow().core
    schema = _schema()
    names = [field.name for field in schema]
    columns = {name: table.column(name).combine_chunks() for name in names if name in table.column_names}
    if (
        list(columns) != names
        or any(columns[field.name].type != field.type for field in schema if field.name != "time_left")
        or any(column.null_count for column in columns.values())
        or not core.types.is_dictionary(columns["time_left"].type)
    ):
        raise ArchiveError(f"{path} in the archive is not a day that ironforge wrote. {_DAMAGED}")
    return RawRows(
        snapshot_time=columns["snapshot_time"].cast(core.int64()).to_numpy(),
        **{name: columns[name].to_numpy() for name in names if name not in {"snapshot_time", "time_left"}},
        time_left=_codes(columns["time_left"], path),
    )


def _codes(column: Any, path: str) -> UInt8:
    labels: Sequence[str] = column.dictionary.to_pylist()
    if not set(labels) <= set(_LABELS):
        raise ArchiveError(f"{path} in the archive names a time to expiry that is none: {labels}. {_DAMAGED}")
    numbers = np.array([_LABELS.index(label) for label in labels], np.uint8)
    return numbers[column.indices.to_numpy()]
