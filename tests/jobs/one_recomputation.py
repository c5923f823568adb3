"""One `stats recompute` as a process of its own, to be killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext
    from multiprocessing.process import BaseProcess

    from ironforge_cli.regions import Region


class _Killing:
    """Progress that kills its process when the n-th step begins."""

    def __init__(self, at_step: int) -> None:
        self._left = at_step

    def step(self, region: Region | None, name: str) -> None:
        del region, name
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def one_recomputation(url: str, home: str, kill_at: int) -> None:
    """Recompute every region, and exit with the code of the result."""
    from ironforge_cli.cli.frame.wiring import Stop, SystemClock  # noqa: PLC0415 - in the new process alone
    from ironforge_cli.db.engine import Database  # noqa: PLC0415
    from ironforge_cli.jobs.history.recompute import recompute  # noqa: PLC0415
    from ironforge_cli.jobs.history.recomputed import Extent  # noqa: PLC0415
    from ironforge_cli.regions import Region  # noqa: PLC0415
    from tests.conftest import storage_in  # noqa: PLC0415

    database = Database(url)
    recomputed = recompute(
        tuple(Region),
        storage=storage_in(Path(home), database),
        clock=SystemClock(Stop()),
        extent=Extent(),
        dry_run=False,
        workers=2,
        progress=_Killing(kill_at),
    )
    database.close()
    sys.exit(int(recomputed.status))


def process_context() -> ForkServerContext:
    """Processes that begin with everything imported, so that what is killed is the work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.jobs.one_recomputation", "tests.conftest", "ironforge_cli.jobs.history.recompute"]
    )
    return context


def start(context: ForkServerContext, url: str, home: Path, *, kill_at: int = 0) -> BaseProcess:
    """Start a run; with `kill_at` it dies when so many steps have begun."""
    process = context.Process(target=one_recomputation, args=(url, str(home), kill_at))
    process.start()
    return process
