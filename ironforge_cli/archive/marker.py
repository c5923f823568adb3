"""What says that a place is an archive: a file at its root, written once by a person's command.

A path that was mistyped, or whose disk is not mounted, is a folder like any other: days that went there would be taken
for archived, and dropped. So nothing is read from or written to a place that does not bear the marker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ironforge_cli.archive.arrow import explained
from ironforge_cli.decoding import learn
from ironforge_cli.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from ironforge_cli.archive.store import ArchiveStore

MARKER: Final = "_archive.json"
"""Engines that read folders leave out what begins so."""
FORMAT: Final = 1
_ABOUT: Final = "This is an archive of ironforge's. Without this file ironforge neither reads nor writes here."
_DAMAGED: Final = "Bring it back from a copy, or remove it and run `ironforge archive init`."


class Marker(msgspec.Struct, frozen=True):
    """What the marker says."""

    format: int
    made_at: datetime
    about: str = _ABOUT


learn(Marker)


def marker_of(store: ArchiveStore) -> Marker | None:
    """The marker of a place; None where there is none. Raises `ArchiveError` where it can't be read."""
    file = store.opened(MARKER)
    if file is None:
        return None
    with explained(f"{store.name}/{MARKER} can't be read", _DAMAGED), file:
        content = file.read()
    try:
        found = msgspec.json.decode(content, type=Marker)
    except msgspec.MsgspecError as error:
        raise ArchiveError(f"{store.name}/{MARKER} is damaged ({error}). {_DAMAGED}") from error
    if found.format != FORMAT:
        raise ArchiveError(
            f"The archive {store.name} is of the format {found.format}, which another version of ironforge made. Use "
            "that one."
        )
    return found


def mark(store: ArchiveStore, *, now: datetime) -> Marker:
    """Make a place an archive: the folder, where it is one and not there yet, and the marker in it."""
    marker = Marker(FORMAT, now)
    content = msgspec.json.format(msgspec.json.encode(marker), indent=1)

    def write(stream: BinaryIO) -> None:
        stream.write(content)

    store.put(MARKER, write)
    return marker


@dataclass(slots=True)
class MadeStore:
    """A store that refuses each call where its place bears no marker; it never makes the place.

    Before writing it looks each time, since a disk can go while a command runs; before reading once, since what is not
    there is not read.
    """

    store: ArchiveStore
    _is_known: bool = field(default=False, init=False, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The place, as people are told of it."""
        return self.store.name

    def require_made(self) -> None:
        """Raise `ArchiveError` where there is no archive."""
        if marker_of(self.store) is None:
            raise ArchiveError(
                f"There is no archive at {self.name}; is it mounted? `ironforge archive init {self.name}` makes one, "
                f"and marks one that was made before there were markers ({MARKER})."
            )
        self._is_known = True

    def put(self, path: str, write: Callable[[BinaryIO], None], *, check: Callable[[Any], None] | None = None) -> int:
        """Have a file written, as `ArchiveStore` does."""
        self.require_made()
        return self.store.put(path, write, check=check)

    def remove(self, path: str) -> None:
        """Take a file away, as `ArchiveStore` does."""
        self.require_made()
        self.store.remove(path)

    def opened(self, path: str) -> Any:
        """Open a file, as `ArchiveStore` does."""
        self._require_known()
        return self.store.opened(path)

    def found(self, folder: str) -> dict[str, int]:
        """The files below a folder, as `ArchiveStore` tells them."""
        self._require_known()
        return self.store.found(folder)

    def _require_known(self) -> None:
        if not self._is_known:
            self.require_made()
