"""Where collecting works: the database and the folders beside it, and whether the database is there at present."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.db import revisions
from ironforge_cli.db.silence import asking_anew
from ironforge_cli.errors import ConfigurationError, DatabaseError
from ironforge_cli.jobs.evidence.runs import Evidence
from ironforge_cli.values import Value

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Shelves
    from ironforge_cli.db.engine import Database
    from ironforge_cli.errors import IronforgeError
    from ironforge_cli.jobs.evidence.pending import PendingRows
    from ironforge_cli.jobs.evidence.runs import Clock


class Storage(Value, frozen=True):
    """Where what is collected goes: the database, and folders for what it can't take."""

    database: Database
    shelves: Shelves
    pending: PendingRows
    locks_folder: Path
    retention_days: int
    """How long raw bodies may be kept; 0 for ever."""


class Workplace(Value, frozen=True):
    """What cycles of every region work with."""

    database: Database
    away: IronforgeError | None
    """Why the database can't be worked with, where that is known before a cycle begins."""
    shelves: Shelves
    locks_folder: Path
    retention_days: int
    """How long raw bodies may be kept; 0 for ever."""
    evidence: Evidence
    decoding: threading.Lock
    """Held while a body is decoded: decoded bodies are most of the memory."""

    @classmethod
    def at(cls, storage: Storage, *, evidence: Evidence, decoding: threading.Lock) -> Workplace:
        """Find out whether the database can be worked with; where it can, write what earlier runs could not."""
        away: IronforgeError | None = None
        try:
            # Whatever follows in this cycle needs no second look at a database that does not answer.
            with asking_anew(), storage.database.connect() as connection:
                revisions.require_current(connection)
        except (DatabaseError, ConfigurationError) as error:
            away = error
        else:
            evidence.settle()
        return cls(
            database=storage.database,
            away=away,
            shelves=storage.shelves,
            locks_folder=storage.locks_folder,
            retention_days=storage.retention_days,
            evidence=evidence,
            decoding=decoding,
        )


def evidence_of(storage: Storage, *, command: str, clock: Clock) -> Evidence:
    """The evidence of a command that collects: what the database can't take is kept in its folder."""
    return Evidence(storage.database, pending=storage.pending, command=command, clock=clock)
