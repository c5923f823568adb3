"""A full disk under IRONFORGE_HOME: what can be stored is stored, and what can't is said."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.jobs import stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector

# No file may grow beyond this: much as on a disk without room, and root is not spared.
_ROOM = 4_096


def _collect(collector: Collector, url: str, home: Path, *, room: int | None) -> subprocess.CompletedProcess[str]:
    def fill() -> None:
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    return subprocess.run(
        [sys.executable, "-m", "ironforge_cli", "collect"],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            **collector.sandbox.address.environment,
            "IRONFORGE_HOME": str(home),
            "IRONFORGE_DATABASE_URL": url,
            # Modules compiled meanwhile would be cut off at that length, and every later run would load them.
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        preexec_fn=fill,
        timeout=120,
    )


@pytest.mark.parametrize(
    "first", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["from the start", "later on"]
)
def test_a_full_home_costs_no_hour_while_the_database_has_room(
    make_collector: Callable[..., Collector], database: Database, tmp_path: Path, *, first: bool
) -> None:
    collector = make_collector(database, auctions=400, items=40)
    home = tmp_path / "home"
    if not first:
        assert _collect(collector, database.url, home, room=None).returncode == ExitStatus.DONE
        collector.publish()
    full = _collect(collector, database.url, home, room=_ROOM)
    assert full.returncode == ExitStatus.DONE, full.stderr
    assert "Traceback" not in full.stderr
    for region in DEFAULT_REGIONS:
        assert stored.auctions(database, region) == collector.expected(region).auctions


def test_a_body_that_can_neither_be_stored_nor_kept_is_said(
    make_collector: Callable[..., Collector], database: Database, tmp_path: Path
) -> None:
    collector = make_collector(database, auctions=400, items=40)
    home = tmp_path / "home"
    assert _collect(collector, database.url, home, room=None).returncode == ExitStatus.DONE
    collector.publish()
    nowhere = _collect(collector, "postgresql://operator@127.0.0.1:1/gone", home, room=_ROOM)
    assert nowhere.returncode in {ExitStatus.DATABASE, ExitStatus.CONFIGURATION}, nowhere.stderr
    assert "can't be kept" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr
    assert [path for path in home.rglob("*") if ".tmp-" in path.name] == []
    assert _collect(collector, database.url, home, room=None).returncode == ExitStatus.DONE
    for region in DEFAULT_REGIONS:
        assert stored.auctions(database, region) == collector.expected(region).auctions
