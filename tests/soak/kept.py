"""What no run may destroy: rows of evidence within their retention, and what was seeded once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.jobs import stored
from tests.soak.window import HOUSEKEEPING

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database

_QUERIES = {
    "log rows": "SELECT id FROM scraper_logs WHERE timestamp >= :since",
    "recipes": "SELECT id FROM recipes",
    "reagents": "SELECT recipe_id, item_id FROM reagents",
    "items": "SELECT id FROM items",
}


class Kept:
    """What was there whenever somebody looked, so that what is missing later is found."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._seen: dict[str, set[tuple[object, ...]]] = {what: set() for what in _QUERIES}

    def look(self, database: Database, *, now: datetime, when: str) -> None:
        """Note what is there; what was there and is gone is wrong. Days are held against the bodies by the verdict."""
        # Clocks were set back while rows were written: those may leave.
        since = now - timedelta(days=HOUSEKEEPING.log_retention_days - 60)
        for what, query in _QUERIES.items():
            found = set(stored.rows(database, query, **({"since": since} if ":since" in query else {})))
            missing = self._seen[what] - found
            if missing:
                self.wrong.append(f"{len(missing)} {what} were destroyed, found {when}")
            self._seen[what] = found

    @property
    def counts(self) -> dict[str, int]:
        """How many of each there were when somebody looked last."""
        return {what: len(seen) for what, seen in self._seen.items()}
