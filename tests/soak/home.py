"""What goes wrong in a home: files that nobody can read among the bodies, and a cache that another process holds."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from typing import TYPE_CHECKING

from ironforge_cli.blizzard.spool import Shelves
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.ownership import acting_as
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from pathlib import Path

_NAME = "20260327T000000Z-unreadable"
_KINDS = ("junk", "folder", "forbidden", "loop")


def litter(home: Path, region: Region, *, amount: float) -> bool:
    """Put something that is no body into the spool; which kind, `amount` says, from 0 to 1.

    False where there is no spool yet.
    """
    folder = Shelves.of(home).spool.folder / region
    if not folder.is_dir():
        return False
    kind = _KINDS[int(amount * len(_KINDS))]
    path = folder / f"{_NAME}-{kind}.body"
    match kind:
        case "junk":
            path.write_bytes(b"\x00\xff no label\n" * 20)
            path.chmod(0o644)
        case "folder":
            path.mkdir(exist_ok=True)
        case "forbidden":
            # Where the home is an account's, this is root's.
            path.write_bytes(b"{}\n")
            path.chmod(0)
        case _:
            path.unlink(missing_ok=True)
            path.symlink_to(path.name)
    return True


def newest_that_waits(home: Path, region: Region) -> datetime | None:
    """The newest time in a spool; None as well where what was put there keeps anybody from knowing it."""
    try:
        return Shelves.of(home).spool.newest_time(region)
    except ConfigurationError:
        return None


def clear(home: Path) -> None:
    """Take away what was put there, wherever it lies by now."""
    for path in [*home.rglob(f"{_NAME}-*.body"), *home.rglob(f"*{_NAME}*")]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class CacheLock:
    """Holds the write locks of the files of the HTTP cache, as another process does that never lets go."""

    def __init__(self, home: Path, *, account: int | None) -> None:
        self._folder = home / "http"
        self._account = account
        self._held: list[sqlite3.Connection] = []

    def take(self) -> bool:
        """Lock what is there; False where there is nothing yet, or somebody writes just now."""
        if self._held:
            return False
        with _as(self._account):
            for path in sorted(self._folder.glob("*.sqlite")):
                connection = sqlite3.connect(path, isolation_level=None, timeout=1)
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.Error:
                    connection.close()
                else:
                    self._held.append(connection)
        return bool(self._held)

    def release(self) -> None:
        """Let everybody write again."""
        with _as(self._account):
            for connection in self._held:
                connection.close()
        self._held.clear()


@contextlib.contextmanager
def _as(account: int | None) -> Generator[None]:
    if account is None:
        yield
        return
    with acting_as(account, account):
        yield


def strangers(home: Path, *, account: int) -> list[str]:
    """Which files of a home are not those of its account."""
    return sorted(str(path.relative_to(home)) for path in (home, *home.rglob("*")) if os.lstat(path).st_uid != account)
