"""Whose folder it is: what root does in a folder of somebody else's, it does with that one's rights and for that one.

Whoever owns a folder decides what is found in it: a link to a file of root's, or another folder under the old name a
moment later. So root never writes there as root. While a block works in such a folder, its thread opens, makes,
renames and removes as the owner would: what is made is the owner's from its first moment, nothing is handed over
afterwards, and a link leads only to where the owner may go anyway. The kernel sees to that, whatever is swapped, and
whenever.

Only files are concerned: signals and programs stay root's. Modules are imported before such a block, since root's own
may lie where the owner can't read.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections import deque
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Generator

_MOST_LINKS: Final = 40
# <sys/unistd.h> of macOS: the identity of the process again.
_NO_OTHER: Final = 0xFFFF_FFFF - 100
_ROOT: Final = (0, 0)
# macOS doesn't tell as whom a thread used files before.
_in_this_thread: Final = threading.local()


class Owner(Value, frozen=True):
    """Who owns a place, and so all that is found through it."""

    uid: int
    gid: int
    place: Path
    """The first folder or link on the way that is not root's."""


def owner_on_the_way(path: Path) -> Owner | None:
    """Who but root decides what is found at `path`, which need not be there: the first other owner on the way to it.

    None where the whole way, with its links, is root's.
    """
    place, ahead, links = Path("/"), deque(path.absolute().parts[1:]), 0
    while ahead:
        part = ahead.popleft()
        if part == "..":
            place = place.parent
            continue
        try:
            status = os.lstat(place / part)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if status.st_uid:
            return Owner(status.st_uid, status.st_gid, place / part)
        if not stat.S_ISLNK(status.st_mode):
            place /= part
            continue
        links += 1
        if links > _MOST_LINKS:
            return None
        target = (place / part).readlink()
        if target.is_absolute():
            place = Path("/")
        ahead.extendleft(reversed(target.parts[1:] if target.is_absolute() else target.parts))
    return None


@contextmanager
def owners_rights(folder: Path) -> Generator[None]:
    """Work in `folder` with the rights of whoever owns it, or owns the way to it; for all but root nothing changes.

    Where that owner can't get there, and so can neither be kept out nor swap anything, root stays root.
    """
    owner = owner_on_the_way(folder) if os.geteuid() == 0 else None
    if owner is None:
        yield
        return
    with acting_as(owner.uid, owner.gid):
        is_reachable = _is_reachable(owner.place)
        if is_reachable:
            yield
    if not is_reachable:
        yield


@contextmanager
def acting_as(uid: int, gid: int) -> Generator[None]:
    """Use files as another user would, in this thread, until the block ends; only root can.

    Where the system has no such user to give (a container that lacks the id, or the right to change), root stays root.
    """
    before = _become(uid, gid)
    try:
        yield
    finally:
        _become(*before)


def _is_reachable(place: Path) -> bool:
    try:
        os.lstat(place)
    except PermissionError:
        return False
    return True


def _become(uid: int, gid: int) -> tuple[int, int]:
    """Use files as that user from now on, and return as whom before."""
    library = _library()
    if sys.platform == "linux":
        # The group first: the user may have no right to change it.
        group = int(library.setfsgid(gid))
        return int(library.setfsuid(uid)), group
    before: tuple[int, int] = getattr(_in_this_thread, "identity", _ROOT)
    _in_this_thread.identity = uid, gid
    is_end = (uid, gid) == _ROOT
    library.pthread_setugid_np(_NO_OTHER if is_end else uid, _NO_OTHER if is_end else gid)
    return before


@cache
def _library() -> Any:
    # Hardly anybody needs it: root alone, in a folder of somebody else's.
    import ctypes  # noqa: PLC0415

    return ctypes.CDLL(None)
