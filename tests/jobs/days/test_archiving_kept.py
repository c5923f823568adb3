"""What keeping a day in the archive believes, writes and leaves as it is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from ironforge_cli.archive.days import DATA, MANIFEST, ArchivedDays, folder_of
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.db.repositories import lots_left_out, partitions, raw_days
from ironforge_cli.errors import ArchiveError
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.market.auctions import LeftOut
from ironforge_cli.market.rows import RawRows, RowTally, moment_of
from ironforge_cli.values import replace
from tests.jobs.day_tables import ago
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from tests.clocks import TickingClock

OLD = ago(40)
ROWS = day_of_rows(OLD, snapshots=3, auctions=4)
WHOLE = RowTally.of([ROWS]).snapshots
FIRST = ROWS.taken(ROWS.snapshot_time == ROWS.snapshot_time[0])
REST = ROWS.taken(ROWS.snapshot_time != ROWS.snapshot_time[0])


@pytest.fixture
def archive(tmp_path: Path, clock: TickingClock) -> Archive:
    return Archive(ArchivedDays(FolderStore(tmp_path)), now=clock.now)


def put(database: Database, rows: RawRows) -> None:
    with database.transaction() as connection:
        partitions.create(connection, OLD)
        raw_days.append(connection, OLD, rows)


def take(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text(f"DELETE FROM {OLD.name}"))


def in_table(database: Database) -> dict[int, Any]:
    with database.connect() as connection:
        return dict(raw_days.tally(connection, OLD).snapshots)


def require_kept(archive: Archive, database: Database) -> None:
    with database.connect() as connection:
        archive.require_kept(connection, OLD)


def test_a_day_that_is_archived_already_is_read_back_and_not_written_again(
    database: Database, archive: Archive, clock: TickingClock
) -> None:
    put(database, ROWS)
    at = clock.now()
    assert archive.keep(database, OLD) == len(ROWS)
    require_kept(archive, database)
    clock.turn_to(at + timedelta(hours=1))
    assert archive.keep(database, OLD) == len(ROWS)
    assert archive.archived(OLD).archived_at == at
    # Also where the table holds a part of it alone.
    take(database)
    put(database, FIRST)
    assert archive.keep(database, OLD) == len(FIRST)
    require_kept(archive, database)
    assert archive.archived(OLD).archived_at == at
    assert in_table(database) == RowTally.of([FIRST]).snapshots
    assert archive.days.tally(OLD).snapshots == WHOLE


def test_of_a_snapshot_that_both_hold_the_tables_rows_count_and_the_others_stay(
    database: Database, archive: Archive, clock: TickingClock
) -> None:
    put(database, ROWS)
    archive.keep(database, OLD)
    take(database)
    changed = replace(FIRST, expires_after_min=(FIRST.expires_after_min - 1).astype(np.int16))
    put(database, changed)
    # Beside it one that is as it was archived.
    put(database, REST.taken(REST.snapshot_time == REST.snapshot_time[0]))
    with pytest.raises(ArchiveError, match="is not dropped"):
        require_kept(archive, database)
    at = clock.now() + timedelta(hours=1)
    clock.turn_to(at)
    assert archive.keep(database, OLD) == len(ROWS)
    assert archive.archived(OLD).archived_at == at
    assert archive.days.tally(OLD).snapshots == {**WHOLE, **RowTally.of([changed]).snapshots}
    require_kept(archive, database)


def test_what_was_left_out_of_snapshots_stays_known_by_the_archive_and_by_the_registry(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = (moment_of(time) for time in WHOLE)
    said = {first: LeftOut(1, (7,), (9,)), second: LeftOut(2, (8,), (10,))}

    def told(*times: Any) -> list[Any]:
        def registered(*_: Any, **__: Any) -> dict[Any, LeftOut]:
            return {time: said[time] for time in times}

        monkeypatch.setattr(lots_left_out, "left_out_between", registered)
        archive.keep(database, OLD)
        return [one.left_out for one in archive.archived(OLD).snapshots[:2]]

    put(database, FIRST)
    assert told(first) == [said[first]]
    put(database, REST)
    # The registry does not know the first one any more.
    assert told(second) == [said[first], said[second]]


def test_an_empty_table_is_nothing_to_archive_and_nothing_to_keep(database: Database, archive: Archive) -> None:
    put(database, ROWS.taken(np.zeros(len(ROWS), np.bool_)))
    assert archive.keep(database, OLD) == 0
    assert archive.days.manifest(OLD) is None
    require_kept(archive, database)


def test_rows_that_were_never_archived_are_not_kept(database: Database, archive: Archive) -> None:
    put(database, ROWS)
    with pytest.raises(ArchiveError, match=f"{OLD.name} holds rows that the archive"):
        require_kept(archive, database)
    with pytest.raises(ArchiveError, match=r"does not hold .* of EU"):
        archive.archived(OLD)


@pytest.mark.parametrize("damage", [b"", None])
def test_a_file_that_no_longer_is_what_its_manifest_says_keeps_no_day(
    database: Database, archive: Archive, tmp_path: Path, damage: bytes | None
) -> None:
    put(database, ROWS)
    archive.keep(database, OLD)
    manifest, file = (tmp_path / folder_of(OLD) / name for name in (MANIFEST, DATA))
    if damage is None:
        # Whole, and of the same times and counts.
        says = manifest.read_bytes()
        other = replace(ROWS, unit_price=ROWS.unit_price + 1)
        archive.days.write(OLD, [other.by_auction()], archived_at=archive.now())
        manifest.write_bytes(says)
    else:
        file.write_bytes(damage)
    with pytest.raises(ArchiveError, match="is not dropped"):
        require_kept(archive, database)
    # While the table is there it is written anew.
    assert archive.keep(database, OLD) == len(ROWS)
    assert archive.days.tally(OLD).snapshots == WHOLE
    require_kept(archive, database)


@pytest.mark.parametrize("left", ["nothing", "cut", "a part", "all", "more"])
def test_a_file_without_a_manifest_is_written_anew_unless_it_holds_what_the_table_does_not(
    database: Database, archive: Archive, tmp_path: Path, left: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(database, REST)
    manifest, file = (tmp_path / folder_of(OLD) / name for name in (MANIFEST, DATA))
    if left != "nothing":
        rows = {"a part": REST.taken(REST.snapshot_time == REST.snapshot_time[0]), "more": ROWS}.get(left, REST)
        archive.days.write(OLD, [rows.by_auction()], archived_at=archive.now())
        manifest.unlink()
    if left == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    if left == "more":
        before = file.read_bytes()
        with pytest.raises(ArchiveError, match=r"holds 1 snapshot that .* no manifest"):
            archive.keep(database, OLD)
        assert file.read_bytes() == before
        assert not manifest.exists()
    else:
        assert archive.keep(database, OLD) == len(REST)
        assert ("It is written anew." in caplog.text) is (left == "cut")
        assert archive.days.tally(OLD).snapshots == archive.archived(OLD).counts == RowTally.of([REST]).snapshots


def test_a_writing_that_was_ended_between_file_and_manifest_loses_nothing(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, FIRST)
    archive.keep(database, OLD)
    take(database)
    put(database, REST)
    put_file = FolderStore.put

    def ended(store: FolderStore, path: str, write: Any, **options: Any) -> int:
        if path.endswith(MANIFEST):
            raise ArchiveError("The disk is full.")
        return put_file(store, path, write, **options)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "put", ended)
        with pytest.raises(ArchiveError):
            archive.keep(database, OLD)
    # What only the archive held was in the table before the file was written over.
    assert in_table(database) == WHOLE
    with pytest.raises(ArchiveError, match="is not dropped"):
        require_kept(archive, database)
    assert archive.keep(database, OLD) == len(ROWS)
    assert archive.days.tally(OLD).snapshots == WHOLE
    require_kept(archive, database)


def test_a_day_is_archived_as_it_was_at_one_moment(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, ROWS)
    monkeypatch.setattr(raw_days, "ROWS_AT_ONCE", 4)
    pieces_by_auction = raw_days.pieces_by_auction
    pieces = 0

    def disturbed(*arguments: Any) -> Iterator[RawRows]:
        nonlocal pieces
        for piece in pieces_by_auction(*arguments):
            pieces += 1
            yield piece
            if pieces == 1:
                # Its windows are computed again meanwhile.
                with database.transaction() as connection:
                    connection.execute(text(f"UPDATE {OLD.name} SET expires_after_min = expires_after_min - 1"))

    monkeypatch.setattr(raw_days, "pieces_by_auction", disturbed)
    archive.keep(database, OLD)
    assert pieces > 1
    assert archive.days.tally(OLD).snapshots == WHOLE
    with pytest.raises(ArchiveError, match="is not dropped"):
        require_kept(archive, database)


@pytest.mark.parametrize("at_once", [3, 250_000])
def test_a_day_with_ids_at_the_end_of_64_bits_is_kept_whole(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(raw_days, "ROWS_AT_ONCE", at_once)
    put(database, replace(ROWS, auction_id=2**63 - 1 - (ROWS.auction_id - ROWS.auction_id.min())))
    assert archive.keep(database, OLD) == len(ROWS)
    require_kept(archive, database)
    assert archive.archived(OLD).counts == in_table(database)
