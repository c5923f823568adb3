"""One `collect` as a process of its own, to be killed: started from a server of processes that has imported it all."""

from __future__ import annotations

import multiprocessing
import sys
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


def one_run(*, url: str, api_url: str, oauth_url: str, credentials: tuple[str, str], home: str) -> None:
    """Collect every region once, and exit with the code of the result."""
    from ironforge_cli.blizzard.client import BlizzardClient  # noqa: PLC0415 - in the new process alone
    from ironforge_cli.blizzard.ratelimit import RateLimit  # noqa: PLC0415
    from ironforge_cli.blizzard.transport import Transport  # noqa: PLC0415
    from ironforge_cli.cli.frame.wiring import Stop, SystemClock  # noqa: PLC0415
    from ironforge_cli.db.engine import Database  # noqa: PLC0415
    from ironforge_cli.jobs.collecting.collect import collect  # noqa: PLC0415
    from ironforge_cli.regions import DEFAULT_REGIONS  # noqa: PLC0415
    from tests.conftest import storage_in  # noqa: PLC0415

    clock, folder = SystemClock(Stop()), Path(home)
    transport = Transport(
        cache_folder=folder / "http",
        credentials=lambda: credentials,
        oauth_url=oauth_url,
        timeout=(5, 5),
        rate_limit=RateLimit(
            folder / "http" / "requests.ring", per_second=100, per_hour=36_000, now=time.time, sleep=time.sleep
        ),
        now=time.time,
        sleep=time.sleep,
    )
    database = Database(url)
    collected = collect(
        DEFAULT_REGIONS,
        market=BlizzardClient(transport, api_url=api_url, locale="en_US"),
        storage=storage_in(folder, database),
        clock=clock,
    )
    database.close()
    sys.exit(int(collected.status))


def process_context() -> ForkServerContext:
    """Processes that begin with everything imported, so that what is killed is the work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.jobs.one_run", "ironforge_cli.jobs.collecting.collect", "ironforge_cli.blizzard.client"]
    )
    return context


def start(context: ForkServerContext, **options: Any) -> BaseProcess:
    """Start a run."""
    process = context.Process(target=one_run, kwargs=options)
    process.start()
    return process
