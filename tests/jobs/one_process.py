"""One run of a job as a process of its own, to be killed: forked from a server that has imported it all."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ironforge_cli.archive.days import ArchivedDays
from ironforge_cli.archive.store import store_at
from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transport import Transport
from ironforge_cli.cli.frame.wiring import Stop, SystemClock
from ironforge_cli.db.engine import Database
from ironforge_cli.jobs.catalogue.seed import SEEDERS, seed
from ironforge_cli.jobs.collecting.collect import collect
from ironforge_cli.jobs.collecting.poll import Window, poll
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.jobs.days.housekeeping import Housekeeping
from ironforge_cli.jobs.days.maintain import maintain
from ironforge_cli.jobs.evidence.pending import PendingRows
from ironforge_cli.jobs.history.recompute import recompute
from ironforge_cli.jobs.history.recomputed import Extent
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.clocks import TickingClock
from tests.conftest import storage_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

STEPS = (
    # Of maintenance: a function, how often it was called when the process ends, and whether before or after the call.
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


def started(job: Callable[..., None], **options: Any) -> BaseProcess:
    """Start one of the jobs below; it begins with everything imported, so that what is killed is the work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=job, kwargs=options)
    process.start()
    return process


def one_collection(*, url: str, api_url: str, oauth_url: str, credentials: tuple[str, str], home: str) -> None:
    """Collect every region once, and exit with the code of the result."""
    database, folder = Database(url), Path(home)
    collected = collect(
        DEFAULT_REGIONS,
        market=_client(folder, api_url, oauth_url, credentials, per_second=100, per_hour=36_000),
        storage=storage_in(folder, database),
        clock=SystemClock(Stop()),
    )
    database.close()
    sys.exit(int(collected.status))


def one_window(*, url: str, api_url: str, oauth_url: str, credentials: tuple[str, str], home: str) -> None:
    """Poll EU until the window waits for the first time, and end then as by kill -9."""
    folder = Path(home)
    poll(
        (Region.EU,),
        window=Window(length=timedelta(minutes=30), interval=timedelta(seconds=30)),
        market=_client(folder, api_url, oauth_url, credentials, per_second=100, per_hour=36_000),
        storage=lambda: storage_in(folder, Database(url)),
        clock=_KilledAsleep(Stop()),
    )


class _KilledAsleep(SystemClock):
    """A clock that kills whoever waits by it."""

    def sleep(self, seconds: float) -> None:
        del seconds
        os.kill(os.getpid(), signal.SIGKILL)


def one_seeding(
    *,
    url: str,
    api_url: str,
    oauth_url: str,
    credentials: tuple[str, str],
    home: str,
    at_once: int,
    per_second: int = 10_000,
) -> None:
    """Seed everything once, and exit with the code of the result."""
    database, folder = Database(url), Path(home)
    seeded = seed(
        SEEDERS,
        source=_client(folder, api_url, oauth_url, credentials, per_second=per_second, per_hour=1_000_000),
        database=database,
        pending=PendingRows(folder / "spool" / "log-rows.jsonl"),
        region=Region.EU,
        clock=SystemClock(Stop()),
        at_once=at_once,
    )
    database.close()
    sys.exit(int(seeded.status))


def one_maintenance(*, url: str, home: str, archive: str, now: str, step: tuple[str, int, str] | None) -> None:
    """Maintain EU's partitions with a retention of 30 days, and end at a step, as by kill -9."""
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


def one_recomputation(*, url: str, home: str, kill_at: int = 0) -> None:
    """Recompute every region, and exit with the code; with `kill_at` die when so many steps have begun."""
    database = Database(url)
    recomputed = recompute(
        DEFAULT_REGIONS,
        storage=storage_in(Path(home), database),
        clock=SystemClock(Stop()),
        extent=Extent(),
        dry_run=False,
        workers=2,
        progress=_Killing(kill_at),
    )
    database.close()
    sys.exit(int(recomputed.status))


class _Killing:
    """Progress that kills its process when the n-th step begins."""

    def __init__(self, at_step: int) -> None:
        self._left = at_step

    def step(self, region: Region | None, name: str) -> None:
        del region, name
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _client(
    folder: Path, api_url: str, oauth_url: str, credentials: tuple[str, str], *, per_second: int, per_hour: int
) -> BlizzardClient:
    ring = folder / "http" / "requests.ring"
    limit = RateLimit(ring, per_second=per_second, per_hour=per_hour, now=time.time, sleep=time.sleep)
    transport = Transport(
        cache_folder=folder / "http",
        credentials=lambda: credentials,
        oauth_url=oauth_url,
        timeout=(5, 5),
        rate_limit=limit,
        now=time.time,
        sleep=time.sleep,
    )
    return BlizzardClient(transport, api_url=api_url, locale="en_US")


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
