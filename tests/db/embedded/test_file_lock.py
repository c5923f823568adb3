from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.embedded.accounts import Account, own_account
from ironforge_cli.db.embedded.file_lock import FileLock, Hold, holders
from tests.db.embedded_playground import IS_ROOT
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

HOLDER = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.{}; print('held', flush=True); sys.stdin.read()"


@contextmanager
def lock_on(path: Path) -> Generator[FileLock]:
    """A lock as each process has one of its own: two of one process's are in each other's way just so."""
    lock = FileLock(path, account=own_account())
    try:
        yield lock
    finally:
        lock.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "use.lock"


@pytest.mark.parametrize(
    ("held", "wanted", "had"),
    [
        (Hold.SHARED, Hold.SHARED, True),
        (Hold.SHARED, Hold.ALONE, False),
        (Hold.ALONE, Hold.SHARED, False),
        (Hold.ALONE, Hold.ALONE, False),
    ],
)
def test_a_lock_is_shared_or_held_alone(path: Path, *, held: Hold, wanted: Hold, had: bool) -> None:
    with lock_on(path) as one, lock_on(path) as other:
        assert one.take(held, seconds=0)
        assert other.take(wanted, seconds=0) is had
        one.release()
        assert other.take(wanted, seconds=0)
        assert one.is_open


def test_how_a_lock_is_held_can_be_changed(path: Path) -> None:
    with lock_on(path) as one, lock_on(path) as other:
        assert one.take(Hold.SHARED, seconds=0)
        assert one.take(Hold.ALONE, seconds=0)
        assert not other.take(Hold.SHARED, seconds=0)
        assert one.take(Hold.SHARED, seconds=0)
        assert other.take(Hold.SHARED, seconds=0)
        assert not one.take(Hold.ALONE, seconds=0)


def test_a_lock_that_is_closed_is_free_for_others(path: Path) -> None:
    with lock_on(path) as one, lock_on(path) as other:
        assert one.take(Hold.ALONE, seconds=0)
        one.close()
        one.close()
        assert not one.is_open
        assert other.take(Hold.ALONE, seconds=0)


def test_a_lock_that_is_given_back_meanwhile_is_had(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lock_on(path) as one, lock_on(path) as other:
        assert one.take(Hold.ALONE, seconds=0)

        def release(_: float) -> None:
            one.release()

        monkeypatch.setattr(time, "sleep", release)
        assert other.take(Hold.ALONE, seconds=30)


def test_a_lock_is_waited_for_as_long_as_was_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    with lock_on(path) as one, lock_on(path) as other:
        assert one.take(Hold.SHARED, seconds=0)
        for seconds in (0, 1, 30):
            began = now[0]
            assert not other.take(Hold.ALONE, seconds=seconds)
            assert seconds <= now[0] - began < seconds + 0.1


def test_the_file_of_a_lock_is_private_and_is_never_reached_through_a_link(path: Path) -> None:
    before = os.umask(0)
    try:
        with lock_on(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.stat().st_uid == os.geteuid()
    finally:
        os.umask(before)
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic link"):
        FileLock(link, account=own_account())


@pytest.mark.skipif(not IS_ROOT, reason="only root may give files away")
def test_the_file_of_a_lock_that_root_makes_is_the_accounts() -> None:
    somebody = Account(name="somebody", uid=54_321, gid=54_322, named=False, borrowed=True)
    with open_folder() as folder:
        somebody.make_folder(folder / "base")
        path = folder / "base" / "use.lock"
        FileLock(path, account=somebody).close()
        assert (path.stat().st_uid, path.stat().st_gid) == (54_321, 54_322)


def test_no_program_that_is_started_holds_the_lock(path: Path) -> None:
    with lock_on(path) as one, lock_on(path) as other:
        assert one.take(Hold.ALONE, seconds=0)
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, close_fds=False) as program:
            one.close()
            # The kernel closes files a moment after the new program began.
            assert other.take(Hold.ALONE, seconds=5)
            assert program.poll() is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who holds a lock")
def test_the_processes_that_hold_a_lock_are_named_and_no_others(path: Path) -> None:
    elsewhere = path.with_name("elsewhere.lock")
    for file in (path, elsewhere):
        file.touch()
    kinds = {
        "shared": ("flock(f, fcntl.LOCK_SH)", path),
        "too": ("flock(f, fcntl.LOCK_SH)", path),
        "another kind": ("lockf(f, fcntl.LOCK_EX)", path),
        "elsewhere": ("flock(f, fcntl.LOCK_EX)", elsewhere),
    }
    started = {
        name: subprocess.Popen(
            [sys.executable, "-S", "-c", HOLDER.format(how), file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name, (how, file) in kinds.items()
    }
    for process in started.values():
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
    with lock_on(path) as own:
        assert own.take(Hold.SHARED, seconds=0)
        assert holders(path) == sorted([started["shared"].pid, started["too"].pid])
        assert holders(elsewhere) == [started["elsewhere"].pid]
    for process in started.values():
        process.communicate()
    assert holders(path) == []
    assert holders(path.with_name("never made")) == []
