"""The shelves' limits on disk: the oldest bodies stay, and what is not kept is said with what to do."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.spool import Shelf, ShelfFullError, Shelves
from ironforge_cli.errors import ConfigurationError, ExitStatus
from ironforge_cli.regions import DEFAULT_REGIONS, Region

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Kept

BEGAN = datetime(2026, 1, 14, 12, tzinfo=UTC)
MEGABYTE = 1_000_000


def incompressible(size: int, *, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - bytes that don't pack, not a secret


def keep(shelf: Shelf, number: int, *, region: Region = Region.EU, size: int = MEGABYTE // 4) -> Kept:
    at = BEGAN + timedelta(hours=number)
    return shelf.keep(
        incompressible(size, seed=number), region=region, snapshot_time=at, headers={}, received_at=at, reason="away"
    )


def on_disk(shelf: Shelf) -> int:
    return sum(file.stat().st_size for file in shelf.folder.rglob("*") if file.is_file())


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves.of(tmp_path, spool_megabytes=1, quarantine_megabytes=1)


@pytest.mark.parametrize("shelf", ["spool", "quarantine"])
def test_the_oldest_bodies_of_both_regions_stay_when_a_shelf_is_full(shelves: Shelves, shelf: str) -> None:
    full: Shelf = getattr(shelves, shelf)
    first = [keep(full, number, region=list(DEFAULT_REGIONS)[number % 2]) for number in range(3)]
    for number in (3, 4):
        for region in DEFAULT_REGIONS:
            with pytest.raises(ShelfFullError):
                keep(full, number, region=region)
    assert full.kept() == first
    assert [full.body(kept) for kept in first] == [incompressible(MEGABYTE // 4, seed=number) for number in range(3)]
    assert on_disk(full) <= MEGABYTE
    # What is smaller than what is left still goes in.
    assert keep(full, 5, size=1_000) in full.kept()


def test_what_is_lost_and_what_to_do_is_said(shelves: Shelves) -> None:
    for number in range(3):
        keep(shelves.spool, number)
        keep(shelves.quarantine, number)
    with pytest.raises(ConfigurationError) as of_spool:
        keep(shelves.spool, 3, region=Region.US)
    told = str(of_spool.value)
    assert of_spool.value.status is ExitStatus.CONFIGURATION
    for words in (
        "0.8 MB in 3 bodies",
        "IRONFORGE_SPOOL_LIMIT_MB allows 1 MB",
        "of US of 2026-01-14 15:00 UTC (0.3 MB) was NOT kept",
        "unless Blizzard still has it",
        "bring the database back",
        "raise IRONFORGE_SPOOL_LIMIT_MB",
    ):
        assert words in told
    with pytest.raises(ConfigurationError) as of_quarantine:
        keep(shelves.quarantine, 3)
    told = str(of_quarantine.value)
    assert "`ironforge spool drop --quarantine`" in told
    assert "raise IRONFORGE_QUARANTINE_LIMIT_MB" in told
    assert "hour is lost" not in told


def test_a_body_that_is_there_already_needs_no_room(shelves: Shelves) -> None:
    kept = [keep(shelves.spool, number) for number in range(3)]
    assert keep(shelves.spool, 2) == kept[2]


def test_a_shelf_holds_what_it_may_to_the_last_byte(tmp_path: Path) -> None:
    size = keep(Shelves.of(tmp_path / "elsewhere").spool, 0).path.stat().st_size
    shelf = Shelves.of(tmp_path, spool_megabytes=1).spool
    folder = shelf.folder / Region.US
    folder.mkdir(parents=True)
    (folder / "other.body").write_bytes(bytes(MEGABYTE - size + 1))
    # What is no body takes no room of theirs.
    (folder / "log-rows.jsonl").write_bytes(bytes(MEGABYTE))
    with pytest.raises(ShelfFullError):
        keep(shelf, 0)
    (folder / "other.body").write_bytes(bytes(MEGABYTE - size))
    assert keep(shelf, 0) in shelf.kept()


def test_each_shelf_has_a_limit_of_its_own_and_none_unless_one_is_set(tmp_path: Path) -> None:
    for spool, quarantine in ((1, 0), (0, 1), (1, 2), (2, 1)):
        shelves = Shelves.of(tmp_path / f"{spool}-{quarantine}", spool_megabytes=spool, quarantine_megabytes=quarantine)
        for shelf, megabytes in ((shelves.spool, spool), (shelves.quarantine, quarantine)):
            if megabytes == 1:
                with pytest.raises(ShelfFullError, match="1 MB"):
                    keep(shelf, 0, size=MEGABYTE + 1)
            else:
                assert keep(shelf, 0, size=MEGABYTE + 1)
    unlimited = Shelves.of(tmp_path)
    assert keep(unlimited.spool, 0, size=MEGABYTE + 1)
    assert keep(unlimited.quarantine, 0, size=MEGABYTE + 1)


def test_a_body_without_a_time_that_is_not_kept_is_said_to_be_so(shelves: Shelves) -> None:
    with pytest.raises(ShelfFullError, match=r"it holds 0\.0 MB in 0 bodies.* of EU without a time \(1\.5 MB\)"):
        shelves.quarantine.keep(
            incompressible(3 * MEGABYTE // 2, seed=1),
            region=Region.EU,
            snapshot_time=None,
            headers={},
            received_at=BEGAN,
            reason="no time",
        )


def test_room_that_was_made_is_used(shelves: Shelves) -> None:
    first = [keep(shelves.spool, number) for number in range(3)]
    shelves.spool.drop(first[0])
    assert keep(shelves.spool, 3, region=Region.US) in shelves.spool.kept()


def test_without_a_limit_everything_is_kept(tmp_path: Path) -> None:
    shelves = Shelves.of(tmp_path, spool_megabytes=0, quarantine_megabytes=0)
    for number in range(6):
        keep(shelves.spool, number)
        keep(shelves.quarantine, number)
    assert (len(shelves.spool.kept()), len(shelves.quarantine.kept())) == (6, 6)


def test_regions_that_keep_at_once_do_not_pass_the_limit_together(shelves: Shelves) -> None:
    def kept(number: int) -> bool:
        try:
            keep(shelves.spool, number, region=list(DEFAULT_REGIONS)[number % 2])
        except ShelfFullError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(kept, range(16))) == 3
    assert on_disk(shelves.spool) <= MEGABYTE


def cut(content: bytes) -> bytes:
    return content[:-10]


def changed(content: bytes) -> bytes:
    return content[:-10] + bytes([content[-10] ^ 1]) + content[-9:]


def whole(content: bytes) -> bytes:
    return content


@pytest.mark.parametrize("damage", [cut, changed, whole])
def test_a_spooled_body_that_is_refused_stays_in_the_spool_when_the_quarantine_is_full(
    shelves: Shelves, damage: Callable[[bytes], bytes]
) -> None:
    for number in range(3):
        keep(shelves.quarantine, number)
    spooled = keep(shelves.spool, 9)
    spooled.path.write_bytes(damage(spooled.path.read_bytes()))
    with pytest.raises(ShelfFullError, match="QUARANTINE"):
        shelves.quarantine_spooled(spooled, reason="refused")
    assert shelves.spool.kept() == [spooled]
    shelves.quarantine.drop(shelves.quarantine.kept()[0])
    shelves.quarantine_spooled(spooled, reason="refused")
    assert shelves.spool.kept() == []
    assert len(shelves.quarantine.kept()) == 3
