"""Log rows that wait for a database take only so much room: the oldest stay, and that others don't is said once."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories.runs import LogRow
from ironforge_cli.jobs.pending import PendingRows
from ironforge_cli.regions import Region
from tests.jobs import stored

if TYPE_CHECKING:
    from pathlib import Path

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
