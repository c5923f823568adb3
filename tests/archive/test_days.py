from __future__ import annotations

import json
import re
import sys
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from ironforge_cli.archive import days as module
from ironforge_cli.archive.arrow import arrow
from ironforge_cli.archive.days import DATA, MANIFEST, ArchivedDays, folder_of
from ironforge_cli.archive.store import FolderStore, store_at
from ironforge_cli.errors import ArchiveError, ConfigurationError
from ironforge_cli.market.auctions import LeftOut
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rows import RawRows, RowTally, joined, moment_of
from ironforge_cli.market.time_left import TimeLeft
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stores import S3

DAY = DailyPartition(Region.EU, date(2024, 1, 15))
NOW = datetime(2024, 2, 20, tzinfo=UTC)
ROWS = day_of_rows(DAY, snapshots=4, auctions=50)


@pytest.fixture
def archive(tmp_path: Path) -> ArchivedDays:
    return ArchivedDays(FolderStore(tmp_path))


def by_auction(rows: RawRows, *, pieces: int = 3) -> Iterator[RawRows]:
    """Rows as a table gives them: by auction, in pieces that share none."""
    ordered = rows.by_auction()
    ids = np.unique(ordered.auction_id)
    for chosen in np.array_split(ids, pieces):
        yield ordered.taken(np.isin(ordered.auction_id, chosen))


def written(archive: ArchivedDays, rows: RawRows = ROWS) -> module.Manifest:
    return archive.write(DAY, by_auction(rows), archived_at=NOW)


def assert_same(one: RawRows, other: RawRows) -> None:
    for column in fields(RawRows):
        np.testing.assert_array_equal(getattr(one, column.name), getattr(other, column.name))
        assert getattr(one, column.name).dtype == getattr(other, column.name).dtype


def test_a_day_reads_back_as_it_was_written(archive: ArchivedDays, tmp_path: Path) -> None:
    manifest = written(archive)
    assert_same(joined(list(archive.pieces(DAY))), ROWS.by_auction())
    assert archive.manifest(DAY) == manifest
    assert (manifest.rows, manifest.region, manifest.date) == (200, Region.EU, DAY.day)
    assert manifest.counts == RowTally.of([ROWS]).snapshots
    assert (manifest.format, manifest.archived_at) == (1, NOW)
    assert manifest.bytes == (tmp_path / folder_of(DAY) / DATA).stat().st_size
    assert manifest.checksum == f"{RowTally.of([ROWS]).total.checksum:016x}"
    assert [one.snapshot_time for one in manifest.snapshots] == [moment_of(time) for time in sorted(manifest.counts)]
    later = DailyPartition(Region.EU, date(2024, 2, 1))
    for other in (later, DailyPartition(Region.US, DAY.day)):
        archive.write(other, [ROWS.by_auction()], archived_at=NOW)
    assert archive.listed(Region.EU) == [DAY, later]


def test_the_same_in_a_store_that_speaks_s3(s3: S3) -> None:
    archive = ArchivedDays(store_at(f"s3://{s3.new_bucket()}/raw", environment=s3.environment))
    assert archive.manifest(DAY) is None
    assert archive.listed(Region.EU) == []
    manifest = written(archive)
    assert_same(joined(list(archive.pieces(DAY))), ROWS.by_auction())
    assert archive.manifest(DAY) == manifest
    assert archive.listed(Region.EU) == [DAY]
    assert joined(list(archive.snapshots(manifest))).auction_id.tolist() == ROWS.auction_id.tolist()


@pytest.mark.parametrize("at_once", [1, 100, 10_000])
def test_snapshots_come_one_after_the_other_however_many_rows_may_be_held(
    archive: ArchivedDays, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", at_once)
    manifest = written(archive)
    assert_same(joined(list(archive.snapshots(manifest))), ROWS)
    times = sorted(manifest.counts)[1:3]
    assert_same(joined(list(archive.snapshots(manifest, times=times))), ROWS.taken(np.isin(ROWS.snapshot_time, times)))


def test_a_day_is_read_as_books(archive: ArchivedDays) -> None:
    assert list(archive.books(DAY)) == []
    manifest = written(archive)
    times = [moment_of(time) for time in sorted(manifest.counts)]
    assert [book.snapshot_time for book in archive.books(DAY)] == times
    (book,) = archive.books(DAY, times=[times[2]])
    rows = ROWS.taken(ROWS.snapshot_time == sorted(manifest.counts)[2])
    assert book.auctions.unit_price.tolist() == rows.unit_price.tolist()
    assert book.windows.expires_before_min.tolist() == rows.expires_before_min.tolist()


def test_the_file_has_the_documented_columns_and_any_engine_reads_region_and_day(
    archive: ArchivedDays, tmp_path: Path
) -> None:
    written(archive)
    found = duckdb.sql(f"SELECT * FROM read_parquet('{tmp_path}/region=*/date=*/*.parquet', hive_partitioning = true)")
    assert found is not None
    assert dict(zip(found.columns, map(str, found.types), strict=True)) == {
        "snapshot_time": "TIMESTAMP WITH TIME ZONE",
        "auction_id": "BIGINT",
        "item_id": "INTEGER",
        "unit_price": "BIGINT",
        "quantity": "INTEGER",
        "time_left": "VARCHAR",
        "expires_after_min": "SMALLINT",
        "expires_before_min": "SMALLINT",
        "date": "DATE",
        "region": "VARCHAR",
    }
    ((rows, region, day, price, label),) = found.aggregate(
        "count(*), any_value(region), any_value(date), sum(unit_price), arg_min(time_left, (snapshot_time, auction_id))"
    ).fetchall()
    assert (rows, region, day, int(price)) == (200, "eu", DAY.day, int(ROWS.unit_price.astype(object).sum()))
    assert label == TimeLeft(int(ROWS.time_left[0])).name


def test_the_documented_queries_run_in_duckdb(archive: ArchivedDays, tmp_path: Path) -> None:
    written(archive)
    page = (Path(__file__).parents[2] / "docs" / "archive.md").read_text(encoding="utf-8")
    # The second block is of statistics: tests/jobs/days/test_export.py.
    block, _ = re.findall(r"^```duckdb\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    queries = [query for query in block.split(";\n") if query.strip()]
    assert len(queries) == 3
    item = f"item_id = {ROWS.item_id[0]}"
    for query in queries:
        here = query.replace("/srv/ironforge/archive", str(tmp_path)).replace("item_id = 190327", item)
        found = duckdb.sql(here)
        assert found is not None
        assert found.fetchall()


def test_columns_are_packed_as_documented(archive: ArchivedDays, tmp_path: Path) -> None:
    written(archive)
    group = arrow().parquet.ParquetFile(tmp_path / folder_of(DAY) / DATA).metadata.row_group(0)
    assert not any(field.nullable for field in arrow().parquet.read_schema(tmp_path / folder_of(DAY) / DATA))
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert "DELTA_BINARY_PACKED" in columns["auction_id"].encodings
    assert "RLE_DICTIONARY" in columns["snapshot_time"].encodings
    assert "RLE_DICTIONARY" not in columns["unit_price"].encodings


# What is not as it should be


def test_a_day_without_its_manifest_counts_as_not_archived(archive: ArchivedDays, tmp_path: Path) -> None:
    assert not archive.is_there(DAY)
    written(archive)
    (tmp_path / folder_of(DAY) / MANIFEST).unlink()
    assert archive.manifest(DAY) is None
    assert archive.listed(Region.EU) == []
    assert archive.is_there(DAY)


def test_days_that_are_not_finished_are_told_apart_and_what_is_no_day_is_left_alone(
    archive: ArchivedDays, tmp_path: Path
) -> None:
    next_days = [DailyPartition(Region.EU, date(2024, 1, day)) for day in (17, 16)]
    written(archive)
    for day in (*next_days, DailyPartition(Region.US, DAY.day)):
        archive.write(day, [ROWS.by_auction()], archived_at=NOW)
    for day in next_days:
        (tmp_path / folder_of(day) / MANIFEST).unlink()
    others = ("a folder", "date=20240118", "date=2024-01-19/deeper", "date=2024-13-01", "2024-01-20", "later")
    for name in (*others, "date=2024-01-21"):
        (tmp_path / "region=eu" / name).mkdir(parents=True)
        (tmp_path / "region=eu" / name / "another.parquet").touch()
    for name in others:
        for file in (DATA, MANIFEST):
            (tmp_path / "region=eu" / name / file).touch()
    assert archive.listed(Region.EU) == [DAY]
    assert archive.unfinished(Region.EU) == next_days[::-1]
    assert archive.unfinished(Region.US) == []


def test_what_was_left_out_of_a_snapshot_comes_back_with_it(archive: ArchivedDays) -> None:
    times = [moment_of(time) for time in np.unique(ROWS.snapshot_time).tolist()]
    left_out = LeftOut(count=2, item_id=(7,), auction_id=(9, 11))
    manifest = archive.write(DAY, by_auction(ROWS), archived_at=NOW, left_out={times[1]: left_out})
    wanted = [LeftOut(), left_out, LeftOut(), LeftOut()]
    assert [one.left_out for one in manifest.snapshots] == wanted
    assert archive.manifest(DAY) == manifest
    assert [book.auctions.left_out for book in archive.books(DAY)] == wanted
    # What is known of a day is not changed by whoever reads it.
    for read in (manifest, manifest.snapshots[0]):
        with pytest.raises(AttributeError):
            read.rows = 0  # pyright: ignore[reportAttributeAccessIssue] - that is the claim


def test_what_reads_back_otherwise_leaves_the_old_file_and_its_manifest(
    archive: ArchivedDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(archive)
    other = replace(ROWS, unit_price=ROWS.unit_price + 1)

    def others(*_: object) -> Iterator[RawRows]:
        yield other

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(module, "_pieces_in", others)
        with pytest.raises(ArchiveError, match="reads back as 200 rows that are not the 200"):
            written(archive)
    assert archive.manifest(DAY) == before
    assert archive.tally(DAY).snapshots == before.counts


def test_a_file_whose_bytes_were_changed_is_found_out_wherever_that_matters(
    archive: ArchivedDays, tmp_path: Path
) -> None:
    written(archive)
    file = tmp_path / folder_of(DAY) / DATA
    whole = file.read_bytes()
    refused = 0
    for place in range(0, len(whole), len(whole) // 60):
        content = bytearray(whole)
        content[place] ^= 1
        file.write_bytes(content)
        try:
            # Without what the manifest says: each page has a checksum of its own.
            rows = joined(list(archive.pieces(DAY)))
        except ArchiveError as error:
            refused += 1
            assert "from a copy" in str(error)  # noqa: PT017 - not every place matters
        else:
            # It was a byte that nobody needs, such as of a page's statistics.
            assert_same(rows, ROWS.by_auction())
    assert refused > 30


def test_a_file_that_is_gone_is_found_out(archive: ArchivedDays, tmp_path: Path) -> None:
    manifest = written(archive)
    (tmp_path / folder_of(DAY) / DATA).unlink()
    with pytest.raises(ArchiveError, match=r"auctions\.parquet is not there\. Bring the file back"):
        list(archive.snapshots(manifest))


def test_a_file_that_was_cut_is_found_out(archive: ArchivedDays, tmp_path: Path) -> None:
    manifest = written(archive)
    file = tmp_path / folder_of(DAY) / DATA
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ArchiveError, match="Bring the file back from a copy"):
        list(archive.snapshots(manifest))


@pytest.mark.parametrize("column", [column.name for column in fields(RawRows) if column.name != "snapshot_time"])
def test_another_file_of_the_same_times_in_its_place_is_found_out(archive: ArchivedDays, column: str) -> None:
    manifest = written(archive)
    # Of one row of one snapshot one column differs.
    at = 3 * 50 + 7
    different = getattr(ROWS, column).copy()
    different[at] = 1 if column == "time_left" and different[at] != 1 else different[at] - 1
    written(archive, replace(ROWS, **{column: different}))
    snapshots = archive.snapshots(manifest)
    assert [len(next(snapshots)) for _ in range(3)] == [50, 50, 50]
    with pytest.raises(ArchiveError, match="is not as its manifest says"):
        next(snapshots)


def test_a_file_without_a_snapshot_of_its_manifest_is_found_out(archive: ArchivedDays) -> None:
    manifest = written(archive)
    written(archive, ROWS.taken(ROWS.snapshot_time != ROWS.snapshot_time[0]))
    with pytest.raises(ArchiveError, match="is not as its manifest says"):
        next(archive.snapshots(manifest))


@pytest.mark.parametrize("other", [DailyPartition(Region.US, DAY.day), DailyPartition(Region.EU, date(2024, 1, 16))])
def test_another_days_folder_in_its_place_is_found_out(
    archive: ArchivedDays, tmp_path: Path, other: DailyPartition
) -> None:
    written(archive)
    (tmp_path / folder_of(other)).parent.mkdir(exist_ok=True)
    (tmp_path / folder_of(DAY)).rename(tmp_path / folder_of(other))
    with pytest.raises(ArchiveError, match=r"is of 2024-01-15 \(UTC\) of EU: another day's folder"):
        archive.manifest(other)


def test_a_file_of_something_else_is_refused(archive: ArchivedDays, tmp_path: Path) -> None:
    manifest = written(archive)
    arrow().parquet.write_table(arrow().core.table({"auction_id": [1]}), tmp_path / folder_of(DAY) / DATA)
    with pytest.raises(ArchiveError, match="is not a day that ironforge wrote"):
        list(archive.snapshots(manifest))


def test_a_file_of_other_columns_is_refused_whichever_differs(archive: ArchivedDays, tmp_path: Path) -> None:
    written(archive)
    file, core = tmp_path / folder_of(DAY) / DATA, arrow().core
    right = arrow().parquet.read_table(file)
    assert_same(joined(list(archive.pieces(DAY))), ROWS.by_auction())

    def refused(table: Any) -> str:
        arrow().parquet.write_table(table, file)
        with pytest.raises(ArchiveError) as error:
            list(archive.pieces(DAY))
        return str(error.value)

    for number, field in enumerate(right.schema):
        assert "is not a day that ironforge wrote" in refused(right.drop_columns([field.name]))
        other = core.string() if field.name == "time_left" else core.float64()
        cast = right.column(number).cast(core.int64()) if field.name == "snapshot_time" else right.column(number)
        assert "is not a day that ironforge wrote" in refused(right.set_column(number, field.name, cast.cast(other)))
        missing = core.array([None] + [1] * (len(right) - 1), core.int64())
        if field.name != "time_left":
            nulls = right.set_column(number, core.field(field.name, field.type), missing.cast(field.type))
            assert "is not a day that ironforge wrote" in refused(nulls)
    strange = core.DictionaryArray.from_arrays(np.zeros(len(right), np.int8), ["SOON"])
    assert "a time to expiry that is none" in refused(right.set_column(5, "time_left", strange))


def test_times_to_expiry_are_read_by_their_names_in_whatever_order_a_file_numbers_them(
    archive: ArchivedDays, tmp_path: Path
) -> None:
    written(archive)
    file, core = tmp_path / folder_of(DAY) / DATA, arrow().core
    right = arrow().parquet.read_table(file)
    names = right.column("time_left").to_pylist()
    numbered = sorted(set(names))
    other = core.DictionaryArray.from_arrays(np.array([numbered.index(name) for name in names], np.int8), numbered)
    position = right.column_names.index("time_left")
    arrow().parquet.write_table(right.set_column(position, "time_left", other), file)
    assert_same(joined(list(archive.pieces(DAY))), ROWS.by_auction())


def test_only_rows_of_the_times_that_are_asked_for_are_read(archive: ArchivedDays) -> None:
    manifest = written(archive)
    times = sorted(manifest.counts)
    found = joined(list(archive.pieces(DAY, times=times[1:2])))
    assert_same(found, ROWS.taken(ROWS.snapshot_time == times[1]).by_auction())
    assert list(archive.pieces(DAY, times=[])) == []
    assert list(archive.snapshots(manifest, times=[])) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[1]"])
def test_a_damaged_manifest_is_told(archive: ArchivedDays, tmp_path: Path, content: bytes) -> None:
    written(archive)
    (tmp_path / folder_of(DAY) / MANIFEST).write_bytes(content)
    with pytest.raises(ArchiveError, match=r"_manifest\.json is damaged"):
        archive.manifest(DAY)


@pytest.mark.parametrize("form", [0, 2])
def test_a_manifest_of_another_format_asks_for_the_version_that_wrote_it(
    archive: ArchivedDays, tmp_path: Path, form: int
) -> None:
    written(archive)
    file = tmp_path / folder_of(DAY) / MANIFEST
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": form}))
    with pytest.raises(ArchiveError, match="another version of ironforge"):
        archive.manifest(DAY)


def test_without_pyarrow_an_archive_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    arrow.cache_clear()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'ironforge-cli\[archive\]'"):
        arrow()


def patterns() -> dict[str, str]:
    """What the page says of how each table's files are named below the root."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "archive.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| (raw rows|statistics|token prices) \| `(\S+)` \|$", page, re.M))


def test_each_table_is_read_by_the_pattern_of_the_page_and_no_other_comes_along(
    archive: ArchivedDays, tmp_path: Path
) -> None:
    written(archive)
    core, named = arrow().core, patterns()
    for table in ("statistics", "token prices"):
        file = tmp_path / named[table].replace("region=*", "region=eu").replace("month=*", "month=2024-01")
        file.parent.mkdir(parents=True)
        arrow().parquet.write_table(core.table({"price": [1, 2, 3]}), file)
        (file.parent / MANIFEST).write_text("{}")
    for table, rows in (("raw rows", len(ROWS)), ("statistics", 3), ("token prices", 3)):
        found = duckdb.sql(f"SELECT count(*) FROM read_parquet('{tmp_path}/{named[table]}')")
        assert found is not None
        assert found.fetchall() == [(rows,)]
    # Engines that take folders leave the manifest out.
    assert len(arrow().parquet.read_table(tmp_path / "statistics")) == 3
    assert len(arrow().parquet.read_table(tmp_path / f"region={DAY.region}")) == len(ROWS)
