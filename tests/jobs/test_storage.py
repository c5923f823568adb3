"""Where collecting works."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import (
    DatabaseError,
)
from ironforge_cli.jobs.storage import Workplace, evidence_of
from tests.conftest import storage_in

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

AWAY = DatabaseError("The server is away.")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


@pytest.mark.parametrize(("days", "retention"), [(0, None), (1, timedelta(days=1)), (30, timedelta(days=30))])
def test_no_days_of_retention_are_for_ever(
    storage: Storage, clock: TickingClock, days: int, retention: timedelta | None
) -> None:
    evidence = evidence_of(storage, command="collect", clock=clock)
    kept = replace(storage, retention_days=days)
    workplace = Workplace.at(kept, evidence=evidence, decoding=threading.Lock())
    assert (workplace.retention, workplace.away) == (retention, AWAY)
