"""One `partitions maintain` as a process of its own, which ends itself at a certain step, as by kill -9."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

STEPS = (
    # Function, how often it was called when the process ends, and whether it ends before or after the call.
    ("ironforge_cli.archive.days:_write_parquet", 1, "after"),
    ("ironforge_cli.archive.store:FolderStore.put", 1, "after"),
    ("ironforge_cli.archive.store:FolderStore.put", 2, "before"),
    ("ironforge_cli.archive.store:FolderStore.put", 2, "after"),
    ("ironforge_cli.db.repositories.partitions:mark", 1, "after"),
    ("ironforge_cli.db.repositories.partitions:detach", 1, "after"),
    ("ironforge_cli.jobs.days.archiving:Archive.require_kept", 1, "after"),
    ("ironforge_cli.db.repositories.partitions:drop", 1, "after"),
    ("ironforge_cli.db.repositories.partitions:drop", 2, "after"),
)


def one_maintenance(*, url: str, home: str, archive: str, now: str, step: tuple[str, int, str] | None) -> None:
    """Maintain EU's partitions with a retention of 30 days, and end at a step."""
    from ironforge_cli.archive.days import ArchivedDays  # noqa: PLC0415 - in the new process alone
    from ironforge_cli.archive.store import store_at  # noqa: PLC0415
    from ironforge_cli.db.engine import Database  # noqa: PLC0415
    from ironforge_cli.jobs.days.archiving import Archive  # noqa: PLC0415
    from ironforge_cli.jobs.days.housekeeping import Housekeeping  # noqa: PLC0415
    from ironforge_cli.jobs.days.maintain import maintain  # noqa: PLC0415
    from ironforge_cli.regions import Region  # noqa: PLC0415
    from tests.clocks import TickingClock  # noqa: PLC0415
    from tests.conftest import storage_in  # noqa: PLC0415

    if step:
        _end_at(*step)
    clock = TickingClock(datetime.fromisoformat(now))
    kept = Housekeeping(
        ahead=0,
        retention_days=30,
        log_retention_days=400,
        archive=Archive(ArchivedDays(store_at(archive, environment={})), now=clock.now),
    )
    maintain((Region.EU,), storage=storage_in(Path(home), Database(url)), housekeeping=kept, clock=clock)


def _end_at(function: str, calls: int, when: str) -> None:
    module, _, path = function.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    whole, called = getattr(owner, name), 0

    def ending(*arguments: Any, **options: Any) -> Any:
        nonlocal called
        called += 1
        if called == calls and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = whole(*arguments, **options)
        if called == calls and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, ending)


def process_context() -> ForkServerContext:
    """Processes that begin with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.jobs.one_maintenance", "ironforge_cli.jobs.days.maintain", "ironforge_cli.jobs.days.archiving", "numpy"]
    )
    return context
