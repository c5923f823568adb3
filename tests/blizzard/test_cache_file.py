"""Which entries of the cache's file are taken: by their expiry, by their label, and by no clock that was set back."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard import cache_file
from ironforge_cli.blizzard.cache_file import CacheFile, RestingError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EXPIRES = 1_000


@pytest.fixture
def file(tmp_path: Path) -> Generator[CacheFile]:
    file = CacheFile(tmp_path / "responses.sqlite")
    file.write("a", format_datetime(NOON, usegmt=True).encode() + b"\nbody", expires=EXPIRES)
    file.write("unlabelled", b"\nbody", expires=EXPIRES)
    file.write("endless", b"\nbody", expires=None)
    yield file
    file.close()


@pytest.mark.parametrize(
    ("at", "longest", "is_fresh"),
    [
        (EXPIRES - 1, None, True),
        (EXPIRES, None, False),
        # Stored before the clock was set back: it has longer left than anything is kept; an expiry is rounded.
        (EXPIRES - 61, 60, True),
        (EXPIRES - 61.5, 60, False),
        (EXPIRES - 62, 60, False),
        (EXPIRES - 9_999, None, True),
    ],
)
def test_an_entry_is_taken_until_it_expires_and_not_for_longer_than_it_can_have_been_kept(
    file: CacheFile, at: float, longest: float | None, *, is_fresh: bool
) -> None:
    assert file.is_fresh("a", at=at, longest=longest, newer_than=None) is is_fresh


def test_an_entry_is_taken_where_its_label_is_newer(file: CacheFile) -> None:
    def is_newer(key: str, than: datetime) -> bool:
        return file.is_fresh(key, at=0, longest=None, newer_than=than)

    assert is_newer("a", NOON - SECOND)
    assert not is_newer("a", NOON)
    assert not is_newer("unlabelled", NOON - SECOND)
    for key in ("endless", "nobody's"):
        assert not file.is_fresh(key, at=0, longest=None, newer_than=None)


def test_what_has_expired_is_deleted_and_nothing_else(file: CacheFile) -> None:
    file.write("later", b"\n", expires=EXPIRES + 1)
    file.delete_expired(at=EXPIRES - 1)
    assert sorted(file.keys()) == ["a", "endless", "later", "unlabelled"]
    file.delete_expired(at=EXPIRES)
    assert sorted(file.keys()) == ["endless", "later"]
    file.delete("later")
    file.delete("later")
    assert (file.read("later"), file.read("endless")) == (None, b"\nbody")
    file.delete_all()
    assert file.keys() == []


def test_looking_for_what_has_expired_waits_for_nobody_who_writes(
    file: CacheFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_file, "LONGEST_WAIT_SECONDS", 0.01)
    with closing(sqlite3.connect(tmp_path / "responses.sqlite", isolation_level=None)) as writing:
        file.close()
        writing.execute("BEGIN IMMEDIATE")
        file.delete_expired(at=EXPIRES - 1)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            file.delete_expired(at=EXPIRES)


def test_a_file_that_failed_is_left_alone_for_a_minute(
    file: CacheFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [500.0]
    monkeypatch.setattr(cache_file.time, "monotonic", lambda: clock[0])
    file.close()
    (tmp_path / "responses.sqlite").rename(tmp_path / "away.sqlite")
    (tmp_path / "responses.sqlite").mkdir()
    with pytest.raises((sqlite3.Error, OSError)):
        file.read("a")
    (tmp_path / "responses.sqlite").rmdir()
    (tmp_path / "away.sqlite").rename(tmp_path / "responses.sqlite")
    clock[0] += 59.9
    with pytest.raises(RestingError):
        file.read("a")
    clock[0] = 560.0
    assert file.read("a") is not None


def test_a_damaged_file_is_begun_anew_and_one_that_others_hold_is_not(
    file: CacheFile, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_file, "LONGEST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(cache_file, "REST_SECONDS", 0.0)
    file.close()
    with closing(sqlite3.connect(tmp_path / "responses.sqlite", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError):
            file.read("a")
    assert "damaged" not in caplog.text
    assert len(file.keys()) == 3
    file.close()
    (tmp_path / "responses.sqlite").write_bytes(b"nothing of SQLite's" * 100)
    assert file.keys() == []
    assert "is damaged" in caplog.text
    assert stat.S_IMODE((tmp_path / "responses.sqlite").stat().st_mode) == 0o600
