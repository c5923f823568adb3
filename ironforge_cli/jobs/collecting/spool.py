"""Bodies that wait on disk, in the hands of an operator: look at them, drop them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.blizzard.spool import Kept, Shelf, Shelves
    from ironforge_cli.regions import Region


def listed(shelves: Shelves, regions: Sequence[Region], *, quarantine: bool) -> list[Kept]:
    """The bodies that wait in the spool, or in the quarantine, of some regions; oldest first."""
    shelf = shelf_of(shelves, quarantine=quarantine)
    return [kept for region in regions for kept in shelf.kept(region)]


def chosen(shelves: Shelves, regions: Sequence[Region], names: Sequence[str], *, quarantine: bool) -> list[Kept]:
    """The bodies that names begin, all without names; raises `UsageError` for a name that nothing or several bear."""
    kept = listed(shelves, regions, quarantine=quarantine)
    if not names:
        return kept
    found: list[Kept] = []
    for name in names:
        matching = [body for body in kept if body.digest.startswith(name)]
        if not matching:
            raise UsageError(f"No body's name begins with {name!r}. `ironforge spool list` shows them.")
        if len({body.digest for body in matching}) > 1:
            raise UsageError(f"Several bodies' names begin with {name!r}: give more of it.")
        found += matching
    return found


def drop(bodies: Sequence[Kept], *, shelves: Shelves, quarantine: bool) -> None:
    """Remove bodies for good."""
    shelf = shelf_of(shelves, quarantine=quarantine)
    for body in bodies:
        shelf.drop(body)


def shelf_of(shelves: Shelves, *, quarantine: bool) -> Shelf:
    """Where refused bodies are, or those that wait."""
    return shelves.quarantine if quarantine else shelves.spool
