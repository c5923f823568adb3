"""A dump of the whole database into a file, and back: what can't be fetched again, in one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ironforge_cli.db import dumps, schema
from ironforge_cli.jobs.evidence.runs import Evidence, Silent

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.dumps import ClientPrograms
    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.revisions import SchemaVersion
    from ironforge_cli.jobs.evidence.runs import Clock, Progress

DUMP: Final = "db dump"
RESTORE: Final = "db restore"
RAW_DAYS: Final = "auction_snapshots_*_2*"
"""The tables of raw days, as `pg_dump` names several."""


def dump(
    database: Database,
    to: Path,
    *,
    programs: ClientPrograms,
    clock: Clock,
    without_raw: bool = False,
    progress: Progress | None = None,
) -> int:
    """Write the database into a file that is not there yet, and return its bytes. Raises as `dumps.dump`.

    `without_raw` leaves out the rows of raw snapshots.
    """
    shown = progress or Silent()
    with Evidence(database, pending=None, command=DUMP, clock=clock).run() as run:
        size = dumps.dump(
            programs,
            to,
            without=RAW_DAYS if without_raw else None,
            tell=lambda table: shown.step(None, table),
            check=clock.check,
        )
        run.extra = {"bytes": size}
    return size


def restore(
    database: Database,
    source: Path,
    *,
    programs: ClientPrograms,
    replaces: bool,
    clock: Clock,
    progress: Progress | None = None,
) -> SchemaVersion:
    """Bring a dump into the database, and its schema up to date; return the dump's. Raises as `dumps.restore`.

    A dump of a newer ironforge is refused when it is there, so that nothing is half done: what was there before is
    gone.
    """
    shown = progress or Silent()
    dumps.restore(
        programs,
        source,
        database=database,
        replaces=replaces,
        tell=lambda table: shown.step(None, table),
        check=clock.check,
    )
    before = schema.upgrade(database)
    with Evidence(database, pending=None, command=RESTORE, clock=clock).run():
        # Where its row would have gone was not there before.
        return before
