"""Making an archive, listing it, and reading it back."""

from __future__ import annotations

from io import BytesIO
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.archive.days import DATA, MANIFEST, ArchivedDays, folder_of
from ironforge_cli.archive.marker import MARKER, MadeStore
from ironforge_cli.archive.store import FolderStore, store_at
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.repositories import partitions, raw_days
from ironforge_cli.errors import ArchiveError, ExitStatus, UnreachableError
from ironforge_cli.jobs.days import archives as job
from ironforge_cli.jobs.days.archives import DayVerdict
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.regions import Region
from tests.jobs.day_tables import EU, ago
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.days.archives import CheckedArchive
    from ironforge_cli.market.partitions import DailyPartition
    from tests.clocks import TickingClock
    from tests.stores import S3

OLD, OLDER = ago(40), ago(41)
CHANCE = Random(7)  # noqa: S311 - which day of a sample it is, is no secret


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "archive")


@pytest.fixture
def archive(store: FolderStore, clock: TickingClock) -> Archive:
    """An archive with two days."""
    job.init(store, now=clock.now())
    made = Archive(ArchivedDays(MadeStore(store)), now=clock.now)
    for day in (OLDER, OLD):
        made.days.write(day, [day_of_rows(day, snapshots=3, auctions=4)], archived_at=clock.now())
    return made


def checked(archive: Archive, database: Database, clock: TickingClock, **options: Any) -> CheckedArchive:
    return job.check(EU, archive=archive, database=database, clock=clock, progress=Silent(), chance=CHANCE, **options)


def away() -> Database:
    missing: Any = MissingDatabase(UnreachableError("It is away."))
    return missing


def verdicts(found: CheckedArchive) -> dict[DailyPartition, DayVerdict]:
    return {job.DailyPartition(day.region, day.day): day.verdict for day in found.days}


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_an_archive_is_made_once_and_stays_as_it_is(
    request: pytest.FixtureRequest, clock: TickingClock, tmp_path: Path, kind: str
) -> None:
    if kind == "folder":
        place = store_at(str(tmp_path / "new" / "archive"), environment={})
    else:
        s3: S3 = request.getfixturevalue("s3")
        place = store_at(f"s3://{s3.new_bucket()}/prefix", environment=s3.environment)
    at = clock.now()
    first = job.init(place, now=at)
    assert (first.was_made, first.made_at, first.days, first.tables) == (False, at, {}, 0)
    clock.sleep(60)
    again = job.init(place, now=clock.now())
    assert (again.was_made, again.made_at) == (True, at)


def test_an_archive_of_before_there_were_markers_gets_one_and_is_told_of(
    archive: Archive, store: FolderStore, clock: TickingClock
) -> None:
    (store.root / MARKER).unlink()
    exported = store.root / "token_prices" / "region=eu" / "token_prices.parquet"
    exported.parent.mkdir(parents=True)
    exported.write_bytes(b"x")
    # What somebody else put there is no day.
    (store.root / "region=eu" / "date=soon").mkdir()
    (store.root / "region=eu" / "date=soon" / MANIFEST).write_bytes(b"")
    before = store.found("")
    found = job.init(store, now=clock.now())
    assert (found.was_made, found.tables) == (False, 1)
    assert found.days == {Region.EU: [OLDER.day, OLD.day]}
    assert before.items() <= store.found("").items()
    assert [day.rows for day in job.listed(EU, archive=archive)] == [12, 12]


def test_a_place_that_can_not_be_written_is_no_archive(clock: TickingClock, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveError, match="can't be"):
        job.init(FolderStore(tmp_path / "file"), now=clock.now())


def test_an_archive_is_tried_by_a_file_that_is_read_back_and_removed(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left() -> list[str]:
        return [str(path) for path in store.root.rglob("*") if path.is_file()]

    job.probe(store)
    assert left() == []
    tried: list[str] = []
    for content in (None, b"", b"ironforge tries"):

        def otherwise(_: FolderStore, path: str, content: bytes | None = content) -> BytesIO | None:
            tried.extend(one for one in left() if one.endswith(path))
            return None if content is None else BytesIO(content)

        monkeypatch.setattr(FolderStore, "opened", otherwise)
        with pytest.raises(ArchiveError, match="reads back as something else than was written"):
            job.probe(store)
        assert left() == []
    assert len(tried) == 3


def test_the_list_says_what_each_manifest_does_and_why_one_can_not_be_read(
    archive: Archive, store: FolderStore, clock: TickingClock
) -> None:
    (store.root / folder_of(OLDER) / MANIFEST).write_bytes(b"{")
    broken, whole = job.listed(EU, archive=archive)
    assert (broken.day, broken.rows, broken.status) == (OLDER.day, None, ExitStatus.CONFIGURATION)
    assert "is damaged" in str(broken.message)
    size = (store.root / folder_of(OLD) / DATA).stat().st_size
    assert (whole.snapshots, whole.rows, whole.bytes, whole.archived_at) == (3, 12, size, clock.now())


def test_a_check_reads_every_day_back_and_finds_what_was_damaged_lost_or_cut_off(
    archive: Archive, store: FolderStore, clock: TickingClock
) -> None:
    assert verdicts(checked(archive, away(), clock)) == {OLDER: DayVerdict.WHOLE, OLD: DayVerdict.WHOLE}
    data = store.root / folder_of(OLD) / DATA
    content = data.read_bytes()
    # Whole as Parquet, and another day's rows.
    data.write_bytes((store.root / folder_of(OLDER) / DATA).read_bytes())
    found = checked(archive, away(), clock)
    assert verdicts(found) == {OLDER: DayVerdict.WHOLE, OLD: DayVerdict.DAMAGED}
    assert "other rows than its manifest says" in str(found.days[1].message)
    for damage in (content[:-9], b"", bytes([*content[:40], content[40] ^ 1, *content[41:]])):
        data.write_bytes(damage)
        assert verdicts(checked(archive, away(), clock))[OLD] is DayVerdict.DAMAGED
    data.unlink()
    assert verdicts(checked(archive, away(), clock))[OLD] is DayVerdict.DAMAGED
    (store.root / folder_of(OLDER) / MANIFEST).unlink()
    assert verdicts(checked(archive, away(), clock))[OLDER] is DayVerdict.UNFINISHED


def test_a_check_without_a_database_says_so_and_compares_with_manifests_alone(
    archive: Archive, clock: TickingClock
) -> None:
    found = checked(archive, away(), clock)
    assert (str(found.away), found.status) == ("It is away.", ExitStatus.PARTIAL)
    assert [day.in_database for day in found.days] == [None, None]


def test_a_check_compares_with_the_database_where_that_holds_the_day(
    archive: Archive, database: Database, clock: TickingClock
) -> None:
    rows = day_of_rows(OLD, snapshots=3, auctions=4)
    # What only the archive has is no difference: it left the table.
    part = rows.taken(rows.snapshot_time != rows.snapshot_time[0])
    with database.transaction() as connection:
        partitions.create(connection, OLD)
        raw_days.append(connection, OLD, part)
    found = checked(archive, database, clock)
    assert (found.status, found.away) == (ExitStatus.DONE, None)
    assert [(day.verdict, day.in_database) for day in found.days] == [
        (DayVerdict.WHOLE, False),
        (DayVerdict.WHOLE, True),
    ]
    with database.transaction() as connection:
        connection.execute(text(f"UPDATE {OLD.name} SET unit_price = unit_price + 1"))
    found = checked(archive, database, clock)
    assert verdicts(found) == {OLDER: DayVerdict.WHOLE, OLD: DayVerdict.DIFFERS}
    assert "2 snapshots from that of" in str(found.days[1].message)
    assert found.status is ExitStatus.PARTIAL
    with database.transaction() as connection:
        connection.execute(text(f"DELETE FROM {OLD.name}"))
    assert [day.in_database for day in checked(archive, database, clock).days] == [False, False]


def test_a_sample_is_some_of_the_days_and_never_more_than_there_are(archive: Archive, clock: TickingClock) -> None:
    one = checked(archive, away(), clock, sample=1)
    assert (len(one.days), one.of) == (1, 2)
    assert len(checked(archive, away(), clock, sample=9).days) == 2
