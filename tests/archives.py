"""Archives for tests: places that bear the marker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ironforge_cli.archive.marker import mark
from ironforge_cli.archive.store import FolderStore

if TYPE_CHECKING:
    from pathlib import Path


def made(folder: Path) -> str:
    """Make a folder an archive, and return its URI."""
    mark(FolderStore(folder), now=datetime(2026, 1, 1, tzinfo=UTC))
    return str(folder)
