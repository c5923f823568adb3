"""What is kept on disk: whole, private and for good; what is found damaged; what is swept away."""

from __future__ import annotations

import fcntl
import json
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.spool import Shelf, Shelves
from ironforge_cli.errors import ConfigurationError, RefusedAnswerError
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.blizzard.spool import Kept

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
# Bytes that don't pack: a byte of the file that changes changes one of the body, and nothing of its length.
BODY = random.Random(7).randbytes(500)  # noqa: S311 - no secret
HEADERS = {"Last-Modified": "Wed, 14 Jan 2026 12:00:00 GMT", "date": "x", "Content-Type": "y", "Set-Cookie": "z"}


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves.of(tmp_path)


def keep(
    shelf: Shelf,
    *,
    body: bytes = BODY,
    region: Region = Region.EU,
    at: datetime | None = NOON,
    received_at: datetime = NOON,
    reason: str = "away",
) -> Kept:
    return shelf.keep(body, region=region, snapshot_time=at, headers=HEADERS, received_at=received_at, reason=reason)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# What is kept


@pytest.mark.parametrize("region", Region)
@pytest.mark.parametrize("shelf", ["spool", "quarantine"])
def test_a_body_is_read_back_with_all_that_was_known_of_it(tmp_path: Path, shelf: str, region: Region) -> None:
    kept = keep(getattr(Shelves.of(tmp_path), shelf), region=region, received_at=NOON + HOUR)
    again: Shelf = getattr(Shelves.of(tmp_path), shelf)
    assert again.kept() == again.kept(region) == [kept]
    assert again.kept(next(other for other in DEFAULT_REGIONS if other is not region)) == []
    assert again.body(kept) == BODY
    assert (kept.region, kept.snapshot_time, kept.received_at) == (region, NOON, NOON + HOUR)
    assert (kept.bytes, kept.reason, kept.name) == (len(BODY), "away", kept.digest[:12])
    assert kept.path.parent == tmp_path / shelf / region


def test_of_the_headers_those_that_tell_the_time_and_kind_are_kept(shelves: Shelves) -> None:
    label = json.loads(keep(shelves.spool).path.read_bytes().partition(b"\n")[0])
    assert label["headers"] == {name: HEADERS[name] for name in ("Last-Modified", "date", "Content-Type")}


def test_what_is_kept_is_private(shelves: Shelves) -> None:
    kept = keep(shelves.spool)
    files = [file for file in shelves.spool.folder.rglob("*") if file.is_file()]
    assert {file.stat().st_mode & 0o7777 for file in files} == {0o600}
    assert kept.path.parent.stat().st_mode & 0o7777 == 0o700


def test_a_body_is_packed(shelves: Shelves) -> None:
    assert keep(shelves.spool, body=b"auction" * 10_000).path.stat().st_size < 2_000


def test_a_reason_of_any_length_leaves_the_body_readable(shelves: Shelves) -> None:
    kept = keep(shelves.quarantine, reason="\0" * 100_000)
    assert shelves.quarantine.kept() == [kept]
    assert kept.reason == "\0" * 2_000


def test_the_spool_keeps_a_body_once_for_each_time(shelves: Shelves) -> None:
    first = keep(shelves.spool)
    keep(shelves.spool, received_at=NOON + HOUR, reason="still away")
    assert shelves.spool.kept() == [first]
    later = keep(shelves.spool, at=NOON + HOUR)
    without = keep(shelves.spool, at=None, received_at=NOON + 2 * HOUR)
    assert shelves.spool.kept() == [first, later, without]


def test_the_quarantine_keeps_a_body_once_whatever_its_time(shelves: Shelves) -> None:
    first = keep(shelves.quarantine)
    for at in (NOON, NOON + HOUR, None):
        keep(shelves.quarantine, at=at, received_at=NOON + HOUR, reason="again")
    assert shelves.quarantine.kept() == [first]
    of_us = keep(shelves.quarantine, region=Region.US, received_at=NOON + HOUR)
    assert shelves.quarantine.kept() == [first, of_us]


def test_evidence_takes_the_place_of_itself_and_nothing_else_does(shelves: Shelves) -> None:
    refused, quarantine = keep(shelves.quarantine, reason="Cut."), shelves.quarantine
    assert quarantine.is_evidence(refused) is False
    told: dict[str, Any] = {"region": Region.EU, "snapshot_time": NOON, "headers": {}, "received_at": NOON}
    for reason, is_evidence in (("It is stored.", True), ("Cut again.", False)):
        quarantine.keep(BODY, **told, reason=reason, is_evidence=is_evidence)
        (kept,) = quarantine.kept()
        assert (kept.path, kept.reason, kept.is_evidence) == (refused.path, "It is stored.", True)


def test_bodies_are_in_the_order_of_their_times_then_of_their_coming(shelves: Shelves) -> None:
    def kept(at: datetime | None, received_at: datetime, body: bytes = b"x") -> Kept:
        return keep(shelves.spool, body=body, at=at, received_at=received_at)

    latest = kept(NOON + 3 * HOUR, NOON)
    # One without a time stands where it came.
    without = kept(None, NOON + 2 * HOUR)
    second = kept(NOON + HOUR, NOON + 5 * HOUR)
    first = kept(NOON + HOUR, NOON + 4 * HOUR, b"another")
    at_once = sorted((kept(NOON, NOON, body) for body in (b"1", b"2", b"3")), key=lambda one: one.digest)
    assert shelves.spool.kept(Region.EU) == [*at_once, first, second, without, latest]


def test_the_newest_time_is_that_of_the_region_alone(shelves: Shelves) -> None:
    assert shelves.spool.newest_time(Region.EU) is None
    keep(shelves.spool, at=None, received_at=NOON + 9 * HOUR)
    assert shelves.spool.newest_time(Region.EU) is None
    for hours in (1, 2, 0):
        keep(shelves.spool, at=NOON + hours * HOUR)
    keep(shelves.spool, region=Region.US, at=NOON + 5 * HOUR)
    assert shelves.spool.newest_time(Region.EU) == NOON + 2 * HOUR


# On the disk


def is_locked(folder: Path) -> bool:
    with (folder / ".lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# What is small is written at the end, what is large at once.
@pytest.mark.parametrize("size", [500, 50_000])
def test_a_body_has_its_name_when_all_of_it_is_on_the_disk_and_nobody_else_writes_meanwhile(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    folder = shelves.spool.folder / Region.EU
    steps: list[str] = []
    sizes: list[int] = []
    fchmod, fsync = os.fchmod, os.fsync

    def made_private(descriptor: int, mode: int) -> None:
        steps.append(f"private at {os.fstat(descriptor).st_size} bytes")
        fchmod(descriptor, mode)

    def flushed(descriptor: int) -> None:
        of_folder = os.path.samestat(os.fstat(descriptor), folder.stat())
        named = any(name.endswith(".body") for name in names(folder))
        steps.append(f"{'folder' if of_folder else 'file'} flushed, {'named' if named else 'not named'}")
        sizes.append(os.fstat(descriptor).st_size)
        assert is_locked(folder)
        assert is_locked(shelves.spool.folder)
        fsync(descriptor)

    monkeypatch.setattr(os, "fchmod", made_private)
    monkeypatch.setattr(os, "fsync", flushed)
    kept = keep(shelves.spool, body=random.Random(7).randbytes(size))  # noqa: S311 - no secret
    assert steps == ["private at 0 bytes", "file flushed, not named", "folder flushed, named"]
    assert sizes[0] == kept.path.stat().st_size
    assert not is_locked(folder)
    assert not is_locked(shelves.spool.folder)


def test_keeping_leaves_no_file_open(shelves: Shelves) -> None:
    keep(shelves.spool)
    before = len(list(Path("/dev/fd").iterdir()))
    for hours in range(3):
        keep(shelves.spool, at=NOON + hours * HOUR)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_disk_that_fills_up_leaves_nothing_half_written(shelves: Shelves, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ConfigurationError, match=r"\(No space left on device\)\. Make room"):
            keep(shelves.spool)
    assert names(shelves.spool.folder / Region.EU) == [".lock"]
    assert keep(shelves.spool) in shelves.spool.kept()


def test_a_fault_of_the_disk_without_words_of_its_own_is_told_by_what_it_says(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(_: int) -> None:
        raise OSError("something odd")

    monkeypatch.setattr(os, "fsync", odd)
    with pytest.raises(ConfigurationError, match="something odd"):
        keep(shelves.spool)


def test_a_home_that_is_a_file_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(ConfigurationError, match="IRONFORGE_HOME"):
        keep(Shelves.of(tmp_path / "home").spool)


# What is damaged


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_byte_of_the_body_that_changed_is_noticed_though_its_length_is_the_same(shelves: Shelves) -> None:
    kept = keep(shelves.spool)
    flip(kept.path, -200)
    assert shelves.spool.kept() == [kept]
    with pytest.raises(RefusedAnswerError, match=f"its digest differs. Remove it: ironforge spool drop {kept.name}"):
        shelves.spool.body(kept)


@pytest.mark.parametrize("cut", [1, 10, 400, 520])
def test_a_body_that_is_cut_is_noticed(shelves: Shelves, cut: int) -> None:
    kept = keep(shelves.spool)
    os.truncate(kept.path, kept.path.stat().st_size - cut)
    with pytest.raises(RefusedAnswerError, match=f"damaged.* Remove it: ironforge spool drop {kept.name}"):
        shelves.spool.body(kept)


def test_a_body_of_another_file_of_the_same_length_is_noticed(shelves: Shelves) -> None:
    one, other = keep(shelves.spool), keep(shelves.spool, body=BODY[::-1], at=NOON + HOUR)
    labels_and_bodies = [kept.path.read_bytes().partition(b"\n") for kept in (one, other)]
    one.path.write_bytes(labels_and_bodies[0][0] + b"\n" + labels_and_bodies[1][2])
    with pytest.raises(RefusedAnswerError, match="its digest differs"):
        shelves.spool.body(one)


def assert_damaged(shelf: Shelf, path: Path, region: Region = Region.EU) -> Kept:
    """What is wrong with a file's first line is told, and neither its time nor its digest is believed."""
    (found,) = [kept for kept in shelf.kept(region) if kept.path == path]
    changed_at = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    assert replace(found, reason="") == replace(
        found, region=region, snapshot_time=None, digest=path.stem, bytes=0, received_at=changed_at, reason=""
    )
    assert found.reason.startswith("damaged, or not a file of ironforge's (")
    with pytest.raises(RefusedAnswerError, match="damaged"):
        shelf.body(found)
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"region":"eu"', b'"region":"us"'),
        (b'"digest":"', b'"digest":"0'),
        (b'"region":"eu"', b'"region":"xx"'),
        (b'"bytes":500', b'"bytes":"x"'),
        (b'"reason":"away"', b'"reason":"\xff"'),
        (b'"reason":"away",', b""),
        (b'{"region"', b'"region"'),
        (b'"reason":"', b'"reason":"' + b"x" * 65_536),
    ],
)
@pytest.mark.parametrize("shelf", ["spool", "quarantine"])
def test_a_first_line_that_changed_is_not_believed(shelves: Shelves, shelf: str, before: bytes, after: bytes) -> None:
    damaged: Shelf = getattr(shelves, shelf)
    path = keep(damaged).path
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after, 1))
    assert_damaged(damaged, path)


def test_a_time_that_changed_makes_no_other_hour_of_a_spooled_body(shelves: Shelves) -> None:
    path = keep(shelves.spool).path
    path.write_bytes(path.read_bytes().replace(b'"snapshot_time":"2026-01-14T12', b'"snapshot_time":"2026-01-14T13', 1))
    assert_damaged(shelves.spool, path)
    assert shelves.spool.newest_time(Region.EU) is None


def test_files_that_swapped_their_places_are_not_believed(shelves: Shelves) -> None:
    one, other = keep(shelves.spool), keep(shelves.spool, region=Region.US, body=BODY[::-1])
    contents = [kept.path.read_bytes() for kept in (other, one)]
    for kept, content in zip((one, other), contents, strict=True):
        kept.path.write_bytes(content)
        assert_damaged(shelves.spool, kept.path, kept.region)


def test_a_file_of_another_region_is_not_believed(shelves: Shelves) -> None:
    of_eu = keep(shelves.spool)
    keep(shelves.spool, region=Region.US, at=NOON + HOUR)
    moved = shelves.spool.folder / Region.US / of_eu.path.name
    of_eu.path.rename(moved)
    assert_damaged(shelves.spool, moved, Region.US)
    assert shelves.spool.newest_time(Region.US) == NOON + HOUR


def test_a_file_that_is_gone_meanwhile_is_no_fault(shelves: Shelves) -> None:
    kept = keep(shelves.spool)
    # A name that leads nowhere is there when the folder is read, and gone when the file is.
    kept.path.with_name("gone.body").symlink_to("nowhere")
    limited = Shelves.of(shelves.spool.folder.parent, spool_megabytes=1).spool
    assert limited.kept() == [kept]
    assert keep(limited, at=NOON + HOUR) in limited.kept()
    limited.drop(kept)
    limited.drop(kept)
    assert not limited.is_evidence(kept)
    with pytest.raises(RefusedAnswerError, match="is gone: somebody stored or dropped it"):
        limited.body(kept)


def test_what_can_neither_be_read_nor_removed_is_told_in_words(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(_: Path) -> bytes:
        raise OSError("something odd")

    kept = keep(shelves.spool)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", odd)
        with pytest.raises(ConfigurationError, match="something odd"):
            shelves.spool.body(kept)
    kept.path.unlink()
    kept.path.mkdir()
    with pytest.raises(ConfigurationError, match=r"can't be read \(Is a directory\)"):
        shelves.spool.body(kept)
    with pytest.raises(ConfigurationError, match="IRONFORGE_HOME"):
        shelves.spool.drop(kept)


# Swept away


def test_bodies_are_swept_when_they_are_old_by_every_time_that_they_bear(shelves: Shelves) -> None:
    before = NOON
    old = [
        keep(shelves.spool, at=at, received_at=NOON - timedelta(seconds=seconds))
        for at, seconds in ((NOON - 9 * HOUR, 2), (None, 1))
    ]
    fresh = [
        keep(shelves.spool, at=NOON + 9 * HOUR, received_at=NOON - 9 * HOUR),
        keep(shelves.spool, at=NOON - 8 * HOUR, received_at=NOON),
        keep(shelves.spool, at=NOON + HOUR, received_at=NOON + HOUR),
        keep(shelves.spool, region=Region.US, received_at=NOON - 9 * HOUR),
    ]
    assert sorted(shelves.spool.sweep(Region.EU, before=before), key=lambda kept: kept.received_at) == old
    assert sorted(shelves.spool.kept(), key=lambda kept: (kept.region, kept.received_at)) == fresh


def test_without_a_time_no_body_is_swept(shelves: Shelves) -> None:
    kept = keep(shelves.spool, received_at=NOON - 9_000 * HOUR)
    assert shelves.spool.sweep(Region.EU, before=None) == []
    assert shelves.spool.kept() == [kept]


@pytest.mark.parametrize("before", [None, NOON])
def test_what_a_killed_process_left_is_swept_while_nobody_writes(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch, before: datetime | None
) -> None:
    kept = keep(shelves.spool)
    left = [kept.path.with_name(f".tmp-{number}") for number in (1, 2)]
    for file in left:
        file.touch()
    elsewhere = keep(shelves.spool, region=Region.US).path.with_name(".tmp-3")
    elsewhere.touch()
    locked: list[bool] = []
    unlink: Callable[..., None] = Path.unlink

    def unlinked(path: Path, *, missing_ok: bool = False) -> None:
        locked.append(is_locked(path.parent))
        # Somebody else was quicker.
        os.unlink(path)  # noqa: PTH108 - the method is what is watched
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlinked)
    assert shelves.spool.sweep(Region.EU, before=before) == []
    assert locked == [True, True]
    assert names(kept.path.parent) == sorted([".lock", kept.path.name])
    assert elsewhere.exists()


# Refused when it should have been stored


def test_a_spooled_body_that_is_refused_goes_to_the_quarantine_with_the_reason(shelves: Shelves) -> None:
    spooled = keep(shelves.spool, region=Region.US, received_at=NOON + HOUR)
    shelves.quarantine_spooled(spooled, reason="no auctions")
    assert shelves.spool.kept() == []
    (refused,) = shelves.quarantine.kept(Region.US)
    assert refused == replace(spooled, path=refused.path, reason="no auctions")
    assert shelves.quarantine.body(refused) == BODY


def test_a_spooled_body_that_was_refused_before_is_in_the_quarantine_once(shelves: Shelves) -> None:
    before = keep(shelves.quarantine, reason="before")
    shelves.quarantine_spooled(keep(shelves.spool), reason="again")
    assert shelves.spool.kept() == []
    assert shelves.quarantine.kept() == [before]


def test_a_damaged_body_goes_to_the_quarantine_as_it_is(shelves: Shelves) -> None:
    spooled = keep(shelves.spool, region=Region.US)
    flip(spooled.path, -200)
    content = spooled.path.read_bytes()
    shelves.quarantine_spooled(spooled, reason="its digest differs")
    assert shelves.spool.kept() == []
    (refused,) = shelves.quarantine.kept()
    assert refused == replace(spooled, path=shelves.quarantine.folder / Region.US / spooled.path.name)
    assert refused.path.read_bytes() == content


@pytest.mark.parametrize("received", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_has_no_place_in_utc_makes_a_damaged_file_and_hides_no_other(
    shelves: Shelves, received: str
) -> None:
    odd, good = keep(shelves.spool), keep(shelves.spool, body=b"other")
    line, _, body = odd.path.read_bytes().partition(b"\n")
    label = json.loads(line) | {"received_at": received}
    odd.path.write_bytes(json.dumps(label).encode() + b"\n" + body)
    found = {kept.path: kept for kept in shelves.spool.kept(Region.EU)}
    assert found[good.path].reason == "away"
    assert found[odd.path].reason.startswith("damaged")
