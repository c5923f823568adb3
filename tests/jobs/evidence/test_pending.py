"""Rows that wait for a database: none is lost, none is written twice, and they take only so much room."""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.repositories import runs
from ironforge_cli.db.repositories.runs import BenchmarkRow, LogRow
from ironforge_cli.errors import ConfigurationError, DatabaseError
from ironforge_cli.jobs.evidence.pending import PendingRows, TokenRow
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.jobs import stored

if TYPE_CHECKING:
    from collections.abc import Generator

    from ironforge_cli.db.engine import Database

MOST = 5_000
ROW = LogRow(
    command="collect",
    region=Region.EU,
    timestamp=datetime(2026, 1, 14, 12, tzinfo=UTC),
    status="failed",
    last_modified=None,
    error_message="The server is away.",
    poll_attempts=1,
)


def rows(number: int) -> list[LogRow]:
    return [replace(ROW, timestamp=ROW.timestamp + timedelta(minutes=minute)) for minute in range(number)]


def pending(tmp_path: Path) -> PendingRows:
    """As each run makes it anew."""
    return PendingRows(tmp_path / "log-rows.jsonl", most_bytes=MOST)


def times(database: Database) -> list[datetime]:
    return [at for (at,) in stored.rows(database, "SELECT timestamp FROM scraper_logs ORDER BY timestamp")]


@pytest.mark.parametrize("broken_off", [b"", b'{"table":"scrap'], ids=["whole", "after a row that was broken off"])
def test_the_oldest_rows_stay_and_that_others_do_not_is_said_once(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture, broken_off: bytes
) -> None:
    file = tmp_path / "log-rows.jsonl"
    file.write_bytes(broken_off)
    with caplog.at_level(logging.ERROR):
        for row in rows(60):
            pending(tmp_path).add(row)
    assert len(caplog.records) == 1
    assert "is full" in caplog.text
    assert "Bring the database back" in caplog.text
    assert MOST * 0.9 < file.stat().st_size <= MOST
    caplog.clear()
    settled = pending(tmp_path).settle(database)
    assert "were left out" in caplog.text
    assert 15 < settled < 60
    assert times(database) == [row.timestamp for row in rows(settled)]


def test_there_is_room_again_when_the_rows_are_written(tmp_path: Path, database: Database) -> None:
    for row in rows(60):
        pending(tmp_path).add(row)
    settled = pending(tmp_path).settle(database)
    later = replace(ROW, timestamp=ROW.timestamp + timedelta(days=1))
    pending(tmp_path).add(later)
    assert pending(tmp_path).settle(database) == 1
    assert times(database) == [row.timestamp for row in (*rows(settled), later)]


def test_rows_that_have_room_are_all_kept(tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture) -> None:
    for row in rows(10):
        pending(tmp_path).add(row)
    assert pending(tmp_path).settle(database) == 10
    assert caplog.text == ""


def test_what_waits_is_counted_without_touching_it(tmp_path: Path, database: Database) -> None:
    assert pending(tmp_path).waiting() == 0
    assert list(tmp_path.iterdir()) == []
    for row in rows(60):
        pending(tmp_path).add(row)
    waiting = pending(tmp_path).waiting()
    assert waiting == pending(tmp_path).settle(database)
    assert pending(tmp_path).waiting() == 0


# None lost, none twice

BENCHMARK = BenchmarkRow(
    operation_type="command",
    operation_name="collect",
    region=None,
    start_time=ROW.timestamp,
    end_time=ROW.timestamp + timedelta(seconds=3),
    duration_seconds=3.0,
    record_count=None,
    status="failed",
    error_message="The server is away.",
    extra_data={"steps": {"download": 1.5}},
)
TOKENS = [
    TokenRow(region, timestamp=ROW.timestamp, price=number) for number, region in enumerate(DEFAULT_REGIONS, start=7)
]
EVERY_KIND = [ROW, BENCHMARK, replace(BENCHMARK, operation_type="snapshot", region=Region.US), *TOKENS]


def written(database: Database) -> tuple[object, ...]:
    return (
        stored.attempts(database),
        times(database),
        sorted(stored.benchmarks(database, "command") + stored.benchmarks(database, "snapshot"), key=str),
        [stored.token_prices(database, region) for region in DEFAULT_REGIONS],
    )


def test_every_kind_of_row_comes_back_as_it_was(tmp_path: Path, database: Database) -> None:
    for row in EVERY_KIND:
        pending(tmp_path).add(row)
    assert pending(tmp_path).waiting() == len(EVERY_KIND)
    assert pending(tmp_path).settle(database) == len(EVERY_KIND)
    assert written(database) == (
        [("failed", None, "The server is away.")],
        [ROW.timestamp],
        [
            ("collect", "us", None, "failed", "The server is away.", BENCHMARK.extra_data),
            ("collect", None, None, "failed", "The server is away.", BENCHMARK.extra_data),
        ],
        [[(ROW.timestamp, 7)], [(ROW.timestamp, 8)]],
    )


def test_rows_whose_writing_was_not_seen_to_end_are_not_written_twice(tmp_path: Path, database: Database) -> None:
    for row in EVERY_KIND:
        pending(tmp_path).add(row)
    kept = (tmp_path / "log-rows.jsonl").read_bytes()
    assert pending(tmp_path).settle(database) == len(EVERY_KIND)
    before = written(database)
    # Killed between the commit and the emptying of the file.
    (tmp_path / "log-rows.jsonl").write_bytes(kept)
    assert pending(tmp_path).settle(database) == len(EVERY_KIND)
    assert written(database) == before
    assert pending(tmp_path).waiting() == 0


def test_rows_that_the_database_does_not_take_wait_on_whole(tmp_path: Path, database: Database) -> None:
    for row in EVERY_KIND:
        pending(tmp_path).add(row)
    kept = (tmp_path / "log-rows.jsonl").read_bytes()
    with pytest.raises(DatabaseError, match="away"):
        pending(tmp_path).settle(MissingDatabase(DatabaseError("The server is away.")))
    # The last of them fails, after the others were written.
    stored.change(database, "ALTER TABLE us_token_price ADD CONSTRAINT none CHECK (price = 0)")
    with pytest.raises(DatabaseError, match="none"):
        pending(tmp_path).settle(database)
    assert written(database) == ([], [], [], [[], []])
    assert (tmp_path / "log-rows.jsonl").read_bytes() == kept
    stored.change(database, "ALTER TABLE us_token_price DROP CONSTRAINT none")
    assert pending(tmp_path).settle(database) == len(EVERY_KIND)


def test_rows_wait_on_whose_transaction_can_not_be_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(MissingDatabase):
        @contextmanager
        def transaction(self) -> Generator[Any]:
            yield None
            raise DatabaseError("The commit was cut off.")

    def add_log(*_: object) -> None:
        """It is taken."""

    monkeypatch.setattr(runs, "add_log", add_log)
    pending(tmp_path).add(ROW)
    with pytest.raises(DatabaseError, match="cut off"):
        pending(tmp_path).settle(Refused(DatabaseError("It is there.")))
    assert pending(tmp_path).waiting() == 1


def test_where_nothing_waits_the_database_is_not_asked(tmp_path: Path) -> None:
    nobody = MissingDatabase(DatabaseError("The server is away."))
    assert pending(tmp_path).settle(nobody) == 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "log-rows.jsonl").touch()
    assert pending(tmp_path).settle(nobody) == 0


def test_a_damaged_row_is_left_out_and_said_and_costs_no_other(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    first, last = rows(2)
    pending(tmp_path).add(first)
    with (tmp_path / "log-rows.jsonl").open("ab") as stream:
        stream.write(b'\n{"table":"benchmarks","row":{"start_time":7}}\n{"table":"another","row":{}}\n{"table":"scra')
    pending(tmp_path).add(last)
    assert pending(tmp_path).settle(database) == 2
    assert times(database) == [first.timestamp, last.timestamp]
    assert [record.message.partition("(")[0] for record in caplog.records] == [
        "A log row that was kept for the database is damaged and was left out "
    ] * 3


# What the file holds


def test_a_row_has_room_as_long_as_the_last_line_has_some_after_it(tmp_path: Path) -> None:
    file = tmp_path / "one"
    PendingRows(file).add(ROW)
    size = file.stat().st_size
    for spare, kept in ((0, 2), (-1, 1)):
        file = tmp_path / f"two{spare}"
        most = 2 * size + len('{"table":"full"}\n') + 1 + spare
        for row in (ROW, ROW, ROW):
            PendingRows(file, most_bytes=most).add(row)
        assert PendingRows(file).waiting() == kept
        assert file.read_bytes().endswith(b'\n{"table":"full"}\n')
        assert file.stat().st_size <= most


def test_the_file_is_its_owner_s_alone_and_its_folder_is_made(tmp_path: Path) -> None:
    file = tmp_path / "deeper" / "spool" / "log-rows.jsonl"
    PendingRows(file).add(ROW)
    assert [path.stat().st_mode & 0o777 for path in (file, file.parent)] == [0o600, 0o700]
    PendingRows(file).add(replace(ROW, region=Region.US))
    assert PendingRows(file).waiting() == 2


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    nobody = MissingDatabase(DatabaseError("The server is away."))
    (tmp_path / "log-rows.jsonl" / "inside").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="can't be read"):
        pending(tmp_path).waiting()
    for what in (lambda: pending(tmp_path).add(ROW), lambda: pending(tmp_path).settle(nobody)):
        with pytest.raises(ConfigurationError, match="can't be kept"):
            what()


def test_a_fault_of_the_disk_without_words_of_its_own_is_told_by_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the tape is torn")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(ConfigurationError, match="the tape is torn"):
        pending(tmp_path).waiting()
    with pytest.raises(ConfigurationError, match="the tape is torn"):
        pending(tmp_path).add(ROW)


def test_a_row_is_on_the_disk_when_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    def sync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", sync)
    pending(tmp_path).add(ROW)
    assert synced == [(tmp_path / "log-rows.jsonl").stat().st_size]
    assert synced[0]


def test_where_a_row_goes_is_looked_up_when_nobody_else_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def locked_after_another(stream: int, how: int) -> None:
        # Whoever had the lock before was killed while it wrote.
        with (tmp_path / "log-rows.jsonl").open("ab") as other:
            other.write(b'{"table":"scrap')
        lock(stream, how)

    monkeypatch.setattr(fcntl, "flock", locked_after_another)
    pending(tmp_path).add(ROW)
    broken, whole = (tmp_path / "log-rows.jsonl").read_bytes().splitlines()
    assert broken == b'{"table":"scrap'
    assert whole.endswith(b"}")
