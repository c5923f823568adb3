from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.archive.marker import MARKER, MadeStore, mark, marker_of
from ironforge_cli.archive.store import FolderStore, store_at
from ironforge_cli.errors import ArchiveError, ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from ironforge_cli.archive.store import ArchiveStore
    from tests.stores import S3

NOW = datetime(2026, 1, 14, 12, 30, tzinfo=UTC)


def nothing(stream: BinaryIO) -> None:
    stream.write(b"x")


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArchiveStore:
    """Both kinds of place in turn, where nothing is."""
    if request.param == "folder":
        return store_at(str(tmp_path / "not" / "there"), environment={})
    s3: S3 = request.getfixturevalue("s3")
    return store_at(f"s3://{s3.new_bucket()}/prefix", environment=s3.environment)


USES: tuple[Callable[[ArchiveStore], object], ...] = (
    lambda store: store.put("region=eu/x", nothing),
    lambda store: store.remove("region=eu/x"),
    lambda store: store.opened("region=eu/x"),
    lambda store: store.found("region=eu"),
)


def test_a_place_without_a_marker_is_refused_in_every_use_and_never_made(store: ArchiveStore) -> None:
    for use in USES:
        with pytest.raises(ArchiveError, match=r"There is no archive at .*; is it mounted\? `ironforge archive init"):
            use(MadeStore(store))
    assert ArchiveError("").status is ExitStatus.CONFIGURATION
    assert store.found("") == {}
    if isinstance(store, FolderStore):
        assert not store.root.parent.exists()


def test_a_place_that_was_made_is_used_as_it_is(store: ArchiveStore) -> None:
    assert mark(store, now=NOW) == marker_of(store)
    made = MadeStore(store)
    assert made.name == store.name
    assert made.put("region=eu/x", nothing) == 1
    assert made.found("region=eu") == {"region=eu/x": 1}
    made.opened("region=eu/x").close()
    made.remove("region=eu/x")
    assert made.opened("region=eu/x") is None


@dataclass(frozen=True, slots=True)
class Watched(FolderStore):
    """A folder that notes how often the marker is looked for."""

    looks: list[str] = field(default_factory=list[str])

    def opened(self, path: str) -> Any:
        if path == MARKER:
            self.looks.append(path)
        return FolderStore.opened(self, path)


def test_the_marker_is_looked_for_before_each_writing_and_once_before_all_reading(tmp_path: Path) -> None:
    mark(FolderStore(tmp_path), now=NOW)
    store = Watched(tmp_path)
    made = MadeStore(store)
    for _ in range(2):
        made.found("region=eu")
        made.opened("region=eu/x")
    assert len(store.looks) == 1
    for number in range(2):
        made.put("region=eu/x", nothing)
        made.remove("region=eu/x")
        assert len(store.looks) == 3 + 2 * number


def test_a_marker_says_when_it_was_made_and_what_it_is_for(tmp_path: Path) -> None:
    marker = mark(FolderStore(tmp_path), now=NOW)
    assert (marker.format, marker.made_at) == (1, NOW)
    assert "archive of ironforge's" in (tmp_path / MARKER).read_text()
    with pytest.raises(AttributeError):
        marker.format = 2  # pyright: ignore[reportAttributeAccessIssue] - that is the claim


def test_a_place_that_went_while_it_was_used_is_not_written_to(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "mounted")
    mark(store, now=NOW)
    made = MadeStore(store)
    made.require_made()
    store.root.rename(tmp_path / "away")
    for use in USES[:2]:
        with pytest.raises(ArchiveError, match="is it mounted"):
            use(made)
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is damaged"),
        (b"{}", "is damaged"),
        (b'{"format": 0, "made_at": "2026-01-14T12:30:00Z"}', "of the format 0, which another version"),
        (b'{"format": 2, "made_at": "2026-01-14T12:30:00Z"}', "of the format 2, which another version"),
    ],
)
def test_a_marker_that_says_nothing_is_no_marker_and_is_not_written_over(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / MARKER).write_bytes(content)
    with pytest.raises(ArchiveError, match=said):
        marker_of(FolderStore(tmp_path))
    with pytest.raises(ArchiveError, match=said):
        MadeStore(FolderStore(tmp_path)).found("")
    assert (tmp_path / MARKER).read_bytes() == content
