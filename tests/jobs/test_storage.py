"""Where collecting works."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import (
    DatabaseError,
)
from ironforge_cli.jobs.storage import Workplace, evidence_of
from ironforge_cli.values import replace
from tests.conftest import storage_in

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

AWAY = DatabaseError("The server is away.")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


@pytest.mark.parametrize("days", [0, 1, 30])
def test_whoever_works_knows_how_long_bodies_may_be_kept(storage: Storage, clock: TickingClock, days: int) -> None:
    evidence = evidence_of(storage, command="collect", clock=clock)
    kept = replace(storage, retention_days=days)
    workplace = Workplace.at(kept, evidence=evidence, decoding=threading.Lock())
    assert (workplace.retention_days, workplace.away) == (days, AWAY)
