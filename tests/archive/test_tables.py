"""Tables in the archive: what is written again, what is believed, and what is read back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ironforge_cli.archive.arrow import arrow
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.archive.tables import ArchivedTables, TableManifest
from ironforge_cli.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from ironforge_cli.archive.tables import Columns

NOW = datetime(2026, 1, 14, tzinfo=UTC)
FILE, MANIFEST = "prices/region=eu/prices.parquet", "prices/region=eu/_manifest.json"


def piece(*prices: float | None, first: int = 0) -> Columns:
    """Rows of a table: when, an amount, and a price that can be null."""
    moments = np.array([1_700_000_000_000_000 + first + number for number in range(len(prices))], np.int64)
    nulls = np.array([price is None for price in prices])
    return {
        "timestamp": (moments.view("M8[us]"), None),
        "amount": (np.arange(first, first + len(prices), dtype=np.int32), None),
        "price": (np.array([price or 0.0 for price in prices]), nulls),
    }


def exported(store: FolderStore, *pieces: Columns, now: datetime = NOW) -> bool:
    """Whether the file was written."""
    tables = ArchivedTables(store)
    return isinstance(tables.export("prices/region=eu", "prices", lambda: iter(pieces), now=now), TableManifest)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def rows(store: FolderStore) -> list[dict[str, Any]]:
    return arrow().parquet.read_table(store.root / FILE).to_pylist()


def test_every_piece_is_in_the_file_and_in_what_its_manifest_says(store: FolderStore) -> None:
    assert exported(store, piece(1.5, None), piece(0.0, first=2))
    found = rows(store)
    assert [row["price"] for row in found] == [1.5, None, 0.0]
    assert [row["amount"] for row in found] == [0, 1, 2]
    first = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert [row["timestamp"] for row in found] == [first + number * timedelta(microseconds=1) for number in range(3)]
    manifest = json.loads((store.root / MANIFEST).read_text())
    assert manifest["rows"] == 3
    assert manifest["bytes"] == (store.root / FILE).stat().st_size
    assert datetime.fromisoformat(manifest["exported_at"]) == NOW


def test_the_same_rows_are_not_written_again_in_whatever_pieces_they_come(store: FolderStore) -> None:
    assert exported(store, piece(1.5, None), piece(0.0, first=2))
    assert not exported(store, piece(1.5, None, 0.0))
    assert not exported(store, piece(1.5), piece(None, 0.0, first=1), now=NOW + timedelta(days=1))


@pytest.mark.parametrize(
    "other",
    [
        [piece(1.5, None, 0.5)],
        [piece(1.5, None)],
        [piece(1.5, None, 0.0, 0.0)],
        # Nothing is not the same as null.
        [piece(1.5, 0.0, 0.0)],
        [piece(1.5, None, None)],
        [piece(1.5, None, 0.0, first=1)],
    ],
)
def test_other_rows_are_written_in_their_place(store: FolderStore, other: list[Columns]) -> None:
    exported(store, piece(1.5, None, 0.0))
    assert exported(store, *other)
    assert len(rows(store)) == len(other[0]["amount"][0])
    assert not exported(store, *other)


@pytest.mark.parametrize("path", [FILE, MANIFEST])
@pytest.mark.parametrize("content", [None, b"damaged", b"{}"])
def test_what_is_gone_or_damaged_is_written_anew(store: FolderStore, path: str, content: bytes | None) -> None:
    exported(store, piece(1.5, None))
    if content is None:
        (store.root / path).unlink()
    else:
        (store.root / path).write_bytes(content)
    assert exported(store, piece(1.5, None))
    assert not exported(store, piece(1.5, None))
    assert [row["price"] for row in rows(store)] == [1.5, None]


def test_a_file_of_other_rows_under_a_manifest_that_is_right_is_written_anew(store: FolderStore) -> None:
    exported(store, piece(1.5, None))
    says = (store.root / MANIFEST).read_bytes()
    exported(store, piece(2.5, None))
    (store.root / MANIFEST).write_bytes(says)
    assert exported(store, piece(1.5, None))
    assert [row["price"] for row in rows(store)] == [1.5, None]


def test_a_manifest_of_other_rows_beside_a_file_that_is_right_is_written_anew(store: FolderStore) -> None:
    exported(store, piece(1.5, None))
    says = (store.root / MANIFEST).read_bytes()
    (store.root / MANIFEST).write_text(json.dumps({**json.loads(says), "checksum": "00000000000000ff"}))
    assert exported(store, piece(1.5, None))
    assert (store.root / MANIFEST).read_bytes() == says


def test_a_byte_of_the_file_that_changed_is_found_out(store: FolderStore) -> None:
    exported(store, piece(*(float(number) for number in range(50))))
    file = store.root / FILE
    whole = file.read_bytes()
    written = 0
    for place in range(4, len(whole) // 2, len(whole) // 40):
        content = bytearray(whole)
        content[place] ^= 1
        file.write_bytes(content)
        written += exported(store, piece(*(float(number) for number in range(50))))
    assert written > 10


@dataclass(frozen=True, slots=True)
class Forgetful(FolderStore):
    """A folder that keeps something else than it was given."""

    asked: list[str] = field(default_factory=list[str])

    def put(self, path: str, write: Callable[[BinaryIO], None], *, check: Callable[[Any], None] | None = None) -> int:
        self.asked.append(path)

        def otherwise(stream: BinaryIO) -> None:
            write(stream)
            stream.seek(4)
            stream.write(b"something else")

        return FolderStore.put(self, path, otherwise, check=check)


def test_what_does_not_read_back_leaves_the_old_file_and_its_manifest(tmp_path: Path) -> None:
    exported(FolderStore(tmp_path), piece(0.5))
    before = {path: (tmp_path / path).read_bytes() for path in (FILE, MANIFEST)}
    forgetful = Forgetful(tmp_path)
    with pytest.raises(ArchiveError, match="does not read back"):
        exported(forgetful, piece(1.5))
    assert forgetful.asked == [FILE]
    assert {path: (tmp_path / path).read_bytes() for path in before} == before


def test_rows_that_change_between_counting_and_writing_leave_the_old_file(store: FolderStore) -> None:
    exported(store, piece(0.5))
    asked: list[int] = []

    def changing() -> Iterator[Columns]:
        asked.append(len(asked))
        yield piece(float(len(asked)))

    with pytest.raises(ArchiveError, match="reads back as 1 row that is not the 1"):
        ArchivedTables(store).export("prices/region=eu", "prices", changing, now=NOW)
    assert [row["price"] for row in rows(store)] == [0.5]
    assert not exported(store, piece(0.5))


def test_no_rows_make_no_file_and_take_none_away(store: FolderStore) -> None:
    assert not exported(store)
    assert store.found("") == {}
    exported(store, piece(0.5))
    assert not exported(store)
    assert [row["price"] for row in rows(store)] == [0.5]


def test_a_file_without_a_byte_that_was_left_for_no_rows_goes(store: FolderStore) -> None:
    (store.root / FILE).parent.mkdir(parents=True)
    (store.root / FILE).touch()
    assert not exported(store)
    assert store.found("") == {}
