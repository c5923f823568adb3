"""Files that can't be read or removed, or are none of what belongs in their folder: each is warned of, once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

_warned: Final[set[Path]] = set()
"""What this process has warned of: folders are looked through again and again."""


def removed(path: Path) -> bool:
    """Remove a file; one that can't be is warned of, and stays."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        warn(path, f"it can't be removed ({error.strerror or error})")
        return False
    return True


def warn(path: Path, why: str) -> None:
    """Say once in this process what is odd about a file."""
    if path not in _warned:
        _warned.add(path)
        log.warning("%s: %s. It hinders no other file; look at it, and remove it when it is of no use.", path, why)
