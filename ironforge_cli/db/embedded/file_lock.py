"""Locks between processes that can't outlive them."""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.embedded.accounts import Account

_PAUSE_SECONDS: Final = 0.02


class Hold(Enum):
    """How a lock is held: together with others, or alone."""

    SHARED = "shared"
    ALONE = "alone"


class FileLock:
    """A lock on a file: the kernel frees it when its process ends, also by `kill -9`.

    It is a `flock`, so that the file's place says whose lock it is, from any shell, cron or service alike. Neither a
    forked child nor a started program holds it. The file is made if it is missing, private to `account`.
    """

    def __init__(self, path: Path, *, account: Account) -> None:
        self.path: Final = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with account.acting():
            self._descriptor = os.open(path, flags, 0o600)
        _open_locks.add(self)

    @property
    def is_open(self) -> bool:
        """False once closed, and in a forked child."""
        return self._descriptor >= 0

    def take(self, hold: Hold, *, seconds: float) -> bool:
        """Take the lock, or change how it is held; False when others still prevent it after `seconds`."""
        operation = fcntl.LOCK_EX if hold is Hold.ALONE else fcntl.LOCK_SH
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._descriptor, operation | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_PAUSE_SECONDS)
            else:
                return True

    def release(self) -> None:
        """Let others have it; the file stays open for another `take`."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the lock for good. Harmless when done twice."""
        if self.is_open:
            os.close(self._descriptor)
            self._descriptor = -1


def holders(path: Path) -> list[int]:
    """The ids of other processes that hold a lock on `path`, as far as the system tells (Linux does)."""
    try:
        with open("/proc/locks", encoding="ascii") as table:  # noqa: PTH123 - a path of the system's, not a user's
            rows = [line.split() for line in table]
        inode = str(path.stat().st_ino)
    except FileNotFoundError:
        return []
    # A row: `1: FLOCK ADVISORY READ <process> <major>:<minor>:<inode> 0 EOF`; `->` marks one that waits.
    found = {int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].rpartition(":")[2] == inode}
    return sorted(pid for pid in found if pid > 0 and pid != os.getpid())


_open_locks: Final[weakref.WeakSet[FileLock]] = weakref.WeakSet()


def _close_in_child() -> None:
    # Closing the child's copy leaves the parent's lock alone; unlocking would not.
    for lock in tuple(_open_locks):
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)
