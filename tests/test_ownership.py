"""What root does in a folder of somebody else's it does as that one, whatever is swapped there meanwhile."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.ownership import acting_as, owner_on_the_way, owners_rights
from tests.db.embedded_playground import IS_ROOT
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

as_root = pytest.mark.skipif(not IS_ROOT, reason="only root may become somebody else")
THEIRS = 54_321


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder of root's that anybody can pass through, with one of an account's in it."""
    with open_folder() as made:
        (made / "theirs").mkdir(mode=0o700)
        os.chown(made / "theirs", THEIRS, THEIRS)
        (made / "roots").mkdir(mode=0o700)
        yield made


def of_whom(path: Path) -> int | None:
    owner = owner_on_the_way(path)
    return None if owner is None else owner.uid


@as_root
def test_who_decides_what_is_found_is_the_first_other_owner_on_the_way(folder: Path) -> None:
    theirs, roots = folder / "theirs", folder / "roots"
    assert of_whom(roots) is None
    assert of_whom(roots / "missing" / "file") is None
    assert of_whom(theirs) == THEIRS
    (theirs / "inner").mkdir()
    assert of_whom(theirs / "inner" / "missing") == THEIRS
    # A link is its owner's, wherever it leads; one of root's is followed, also over parents.
    (roots / "link").symlink_to(theirs)
    (roots / "over").symlink_to("../theirs/inner")
    assert of_whom(roots / "link" / "x") == of_whom(roots / "over" / "x") == THEIRS
    (roots / "their-link").symlink_to(roots)
    os.chown(roots / "their-link", 54_000, 54_000, follow_symlinks=False)
    assert of_whom(roots / "their-link" / "x") == 54_000
    (roots / "loop").symlink_to("loop")
    assert of_whom(roots / "loop") is None


@as_root
def test_what_root_makes_in_somebodys_folder_is_that_ones_and_root_is_root_again_afterwards(folder: Path) -> None:
    theirs = folder / "theirs"
    with owners_rights(theirs / "locks"):
        (theirs / "locks").mkdir()
        (theirs / "locks" / "x").touch()
        with pytest.raises(PermissionError):
            (folder / "roots" / "x").touch()
    assert {path.stat().st_uid for path in theirs.rglob("*")} == {THEIRS}
    (folder / "roots" / "x").touch()
    assert (folder / "roots" / "x").stat().st_uid == 0


@as_root
def test_an_error_within_and_a_block_within_another_leave_everybody_as_before(folder: Path) -> None:
    def fail() -> None:
        with owners_rights(folder / "theirs"):
            with acting_as(54_000, 54_000), pytest.raises(PermissionError):
                (folder / "theirs" / "x").touch()
            (folder / "theirs" / "y").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    (folder / "roots" / "x").touch()
    assert ((folder / "theirs" / "y").stat().st_uid, (folder / "roots" / "x").stat().st_uid) == (THEIRS, 0)


@as_root
def test_other_threads_stay_as_they_are(folder: Path) -> None:
    def beside() -> None:
        (folder / "roots" / "beside").touch()

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    ready, done = threading.Event(), threading.Event()

    def waiting() -> None:
        ready.wait(30)
        (folder / "roots" / "beside").write_text("root", encoding="ascii")
        done.set()

    other = threading.Thread(target=waiting)
    other.start()
    with owners_rights(folder / "theirs"):
        ready.set()
        assert done.wait(30)
    other.join()
    assert (folder / "roots" / "beside").read_text(encoding="ascii") == "root"


@as_root
def test_where_the_owner_can_not_get_root_stays_root(folder: Path) -> None:
    hidden = folder / "roots" / "hidden"
    hidden.mkdir()
    os.chown(hidden, THEIRS, THEIRS)
    with owners_rights(hidden):
        (hidden / "x").touch()
    assert (hidden / "x").exists()


@as_root
def test_a_folder_that_is_swapped_for_a_link_to_roots_all_the_time_takes_nothing_of_roots(folder: Path) -> None:
    theirs, roots = folder / "theirs", folder / "roots"
    target = theirs / "spool"
    target.mkdir()
    os.chown(target, THEIRS, THEIRS)
    stop = threading.Event()

    def attack() -> None:
        with acting_as(THEIRS, THEIRS):
            while not stop.is_set():
                target.rename(theirs / "away")
                target.symlink_to(roots)
                target.unlink()
                (theirs / "away").rename(target)

    attacker = threading.Thread(target=attack)
    attacker.start()
    tried = written = 0
    try:
        # Where the two threads take turns in step, all of the first attempts may come while the folder is away.
        while tried < 300 or (not written and tried < 100_000):
            tried += 1
            with suppress(OSError), owners_rights(target):
                (target / f"{tried}.body").touch()
                written += 1
    finally:
        stop.set()
        attacker.join()
    assert written
    assert list(roots.iterdir()) == []
    assert {path.lstat().st_uid for path in theirs.rglob("*")} == {THEIRS}


@as_root
def test_a_test_that_would_give_away_a_file_of_the_systems_fails() -> None:
    system = os.open("/", os.O_RDONLY)
    try:
        for change in (lambda: os.chown("/", 0, 0), lambda: os.fchown(system, 0, 0)):
            with pytest.raises(AssertionError, match="would have changed the owner of /"):
                change()
    finally:
        os.close(system)


@pytest.mark.skipif(IS_ROOT, reason="root becomes the owner")
def test_who_is_not_root_stays_who_it_is(tmp_path: Path) -> None:
    with owners_rights(tmp_path):
        (tmp_path / "x").touch()
    assert (tmp_path / "x").stat().st_uid == os.geteuid()
