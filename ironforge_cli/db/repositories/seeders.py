"""Which seeders are complete, and for which build of the game."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import SEEDER_STATUS, SEEDER_TYPES
from ironforge_cli.market.builds import is_newer_build
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Connection

_execute = executor("seeders")


class SeederState(Value, frozen=True):
    """How one seeder stands."""

    seeder: str
    """recipe, reagent, item or output."""
    completed: bool
    """Whether all of it is there, for the newest build that was seen."""
    completed_at: datetime | None
    """When it was last complete, whatever happened since."""
    build: str | None
    """The game's build that it was last complete for; None where Blizzard named none, or it never was."""
    locale: str | None
    """Of the names, when it was last complete."""
    newer_build: str | None
    """A newer build that was seen since, for which it is not complete; None where there is none."""

    def is_current(self, *, build: str | None, locale: str) -> bool:
        """Whether nothing is left to do for a build and a locale."""
        return self.completed and self.locale == locale and (build is None or not is_newer_build(build, self.build))


def seeder_states(connection: Connection) -> dict[str, SeederState]:
    """The state of every seeder, by its type, in the order in which they run; also of those that never ran."""
    rows = {row.seeder_type: row for row in _execute(connection, select(SEEDER_STATUS))}
    return {seeder: _state(seeder, rows.get(seeder)) for seeder in SEEDER_TYPES}


def _state(seeder: str, row: Any) -> SeederState:
    if row is None:
        return SeederState(seeder, completed=False, completed_at=None, build=None, locale=None, newer_build=None)
    is_newer = row.completed_at is not None and is_newer_build(row.seen_build, row.build)
    return SeederState(
        seeder,
        completed=row.completed,
        completed_at=row.completed_at,
        build=row.build,
        locale=row.locale,
        newer_build=row.seen_build if is_newer else None,
    )


def see_build(connection: Connection, build: str | None) -> None:
    """Note the build that Blizzard's answers are of: what is complete for an older one is not complete any more."""
    if build is None:
        return
    _make_rows(connection)
    for row in _execute(connection, select(SEEDER_STATUS).order_by(SEEDER_STATUS.c.seeder_type).with_for_update()):
        changes: dict[str, Any] = {}
        if is_newer_build(build, row.seen_build):
            changes["seen_build"] = build
        if row.completed and is_newer_build(build, row.build):
            changes["completed"] = False
        if changes:
            _set(connection, row.seeder_type, changes)


def reopen(connection: Connection, seeder: str) -> None:
    """Note that something is left to do, or may have changed, for a seeder."""
    _make_rows(connection)
    _set(connection, seeder, {"completed": False})


def complete(connection: Connection, seeder: str, *, build: str | None, locale: str) -> None:
    """Note that all of a seeder is there, of a build; where a newer one was seen, that is not enough."""
    _make_rows(connection)
    query = select(SEEDER_STATUS.c.seen_build).where(SEEDER_STATUS.c.seeder_type == seeder)
    seen = _execute(connection, query).scalar_one()
    changes = {"completed_at": func.now(), "build": build, "locale": locale}
    _set(connection, seeder, {**changes, "completed": not is_newer_build(seen, build)})


def _make_rows(connection: Connection) -> None:
    _execute(
        connection,
        insert(SEEDER_STATUS).on_conflict_do_nothing(),
        [{"seeder_type": seeder} for seeder in sorted(SEEDER_TYPES)],
    )


def _set(connection: Connection, seeder: str, changes: Mapping[str, Any]) -> None:
    _execute(
        connection,
        update(SEEDER_STATUS).where(SEEDER_STATUS.c.seeder_type == seeder).values(**changes, updated_at=func.now()),
    )
