"""Which entries of the cache's file are taken: by their expiry, by their label, and by no clock that was set back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.cache_file import CacheFile

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
