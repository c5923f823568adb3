"""A guard around the tests, which root may run: none gives away a file outside of the folders that tests make."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_OPEN_TO_TESTS: Final = (Path(tempfile.gettempdir()), Path("/dev/shm"), Path("/tmp"))  # noqa: S108 - where tests write


def guard_ownership() -> None:
    """Let this process change the owner of files in temporary folders alone; anything else fails the test."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return
    os.chown, os.fchown = _guarded(os.chown), _guarded(os.fchown)


def _guarded(real: Callable[..., None]) -> Callable[..., None]:
    def checked(path: Any, uid: int, gid: int, **named: Any) -> None:
        place = Path(f"/proc/self/fd/{path}").readlink() if isinstance(path, int) else Path(path)
        # The place itself may be a link; what leads to it has to be what it seems.
        found = place.parent.resolve() / place.name
        if not any(found != open_ and found.is_relative_to(open_) for open_ in _OPEN_TO_TESTS):
            raise AssertionError(f"a test would have changed the owner of {found}")
        real(path, uid, gid, **named)

    return checked
