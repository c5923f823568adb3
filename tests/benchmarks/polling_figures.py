"""What one more question costs whose answer is that nothing is new (304), in one region, with open connections.

Run it with `uv run python -m tests.benchmarks.polling_figures`; it takes about ten seconds.

Two things are measured in one process, in turn: the cycle of one region with its log row, which is what polling
repeats, and the whole of `jobs.collect.collect`, which adds the price of the token, a benchmark row and the threads.
The stand-in runs in a process of its own, so that the CPU counted is the client's. The bodies are stored and cached as
after a real collection, and the cached ones are too old to be taken without asking.

What is written is counted by Linux for the whole process (`wchar` of /proc/self/io: files; what goes to sockets is not
among them), by file, and by the server's write-ahead log, in which the log rows are. What crosses the wire is counted
by a relay between the two, after the rest: HTTP alone, without TLS and TCP around it.
"""

from __future__ import annotations

import multiprocessing
import socket
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sqlalchemy import text

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.transport import DYNAMIC_CACHE_SECONDS, Transport
from ironforge_cli.cli.frame.wiring import Stop, SystemClock
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.collecting.collect import COMMAND, collect
from ironforge_cli.jobs.collecting.cycle import RegionCycle
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Evidence, Silent
from ironforge_cli.jobs.storage import Workplace
from ironforge_cli.regions import Region
from tests.benchmarks.stage import home_folder, line, options, running_server, sandbox_of
from tests.conftest import storage_in

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime
    from multiprocessing.connection import Connection

    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.sandbox.stand_in import Address

ATTEMPTS: Final = 200
WARM_UPS: Final = 10
REGION: Final = Region.EU
BUDGET: Final = "15 ms"


@contextmanager
def sandbox_elsewhere(auctions: int) -> Generator[Address]:
    """The stand-in in a process of its own, ready to answer."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(auctions, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join()


def _serve(auctions: int, line_to_owner: Connection[Any, Any]) -> None:
    with sandbox_of(auctions) as sandbox:
        sandbox.prepare()
        line_to_owner.send(sandbox.address)
        line_to_owner.recv()


class Polled:
    """One region of a stored and cached market, asked again and again."""

    def __init__(self, client: BlizzardClient, storage: Storage, clock: SystemClock) -> None:
        self._client = client
        self._storage = storage
        self._clock = clock
        self._evidence = Evidence(storage.database, pending=storage.pending, command=COMMAND, clock=clock)
        self._workplace = Workplace(
            database=storage.database,
            away=None,
            shelves=storage.shelves,
            locks_folder=storage.locks_folder,
            retention_days=0,
            evidence=self._evidence,
            decoding=threading.Lock(),
        )

    def cycle(self) -> Outcome:
        """One attempt of one region, as polling makes it."""
        with self._evidence.attempt(REGION, progress=Silent()) as attempt:
            return (
                RegionCycle(REGION, source=self._client, workplace=self._workplace, attempt=attempt, force=False)
                .run()
                .outcome
            )

    def collect(self) -> Outcome:
        """The whole job, for one region."""
        (region,) = collect([REGION], market=self._client, storage=self._storage, clock=self._clock).regions
        return region.outcome


class Relay:
    """Hands on what a client and a server on this machine say to each other, and counts it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.asked = 0
        """Bytes of the client's so far."""
        self.answered = 0
        """Bytes of the server's so far."""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listening.accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            for ends, counter in (((client, server), "asked"), ((server, client), "answered")):
                threading.Thread(target=self._hand_on, args=(*ends, counter), daemon=True).start()

    def _hand_on(self, giving: socket.socket, taking: socket.socket, counter: str) -> None:
        while piece := giving.recv(65_536):
            setattr(self, counter, getattr(self, counter) + len(piece))
            taking.sendall(piece)


def on_the_wire(transport: Transport, *, api_url: str, newer_than: datetime) -> tuple[int, int]:
    """Bytes of one more question that is answered with 304, and of that answer, over an open connection."""
    port = urlsplit(api_url.replace("{region}", REGION)).port or 80
    relay = Relay(port)
    client = BlizzardClient(transport, api_url=api_url.replace(f":{port}", f":{relay.port}"), locale="en_US")
    before = (0, 0)
    for _ in range(2):
        before = relay.asked, relay.answered
        if not client.commodities(REGION, newer_than=newer_than).not_modified:
            raise SystemExit("An answer was new where nothing was.")
    return relay.asked - before[0], relay.answered - before[1]


def counter_milliseconds(folder: Path, *, times: int) -> float:
    """Milliseconds of CPU that the counter of requests takes for each, when many were made."""
    limit = RateLimit(folder / "counter", per_second=times, per_hour=36_000, now=time.time, sleep=time.sleep)
    limit.wait()
    began = time.process_time()
    for _ in range(times - 1):
        limit.wait()
    return (time.process_time() - began) * 1000 / (times - 1)


def milliseconds(asking: Callable[[], Outcome], *, times: int) -> list[float]:
    """Milliseconds of CPU that each of so many questions takes this process, in all its threads."""
    taken: list[float] = []
    for _ in range(times):
        began = time.process_time()
        outcome = asking()
        taken.append((time.process_time() - began) * 1000)
        if outcome is not Outcome.NO_CHANGE:
            raise SystemExit(f"An answer was {outcome} where nothing was new.")
    return taken


def files_below(folder: Path) -> dict[str, tuple[int, int]]:
    """The size and the time of change of every file below a folder, by its path."""
    return {
        str(file.relative_to(folder)): (file.stat().st_size, file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "postgres" not in file.relative_to(folder).parts[0]
    }


def written() -> int | None:
    """Bytes that this process has written to files so far; None where the system does not count them."""
    counters = Path("/proc/self/io")
    if not counters.exists():
        return None
    return int(dict(row.split(": ") for row in counters.read_text().splitlines())["wchar"])


def wal(database: Database) -> int:
    """Bytes of the server's write-ahead log so far."""
    with database.connect() as connection:
        return int(connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")).scalar_one())


def main() -> None:
    """Print the figures."""
    asked = options(__doc__, attempts=ATTEMPTS)
    with (
        sandbox_elsewhere(asked.auctions) as address,
        home_folder() as home,
        running_server(asked.server, home=home) as server,
    ):
        home.mkdir(exist_ok=True)
        clock, database = SystemClock(Stop()), Database(server.url)
        later = 0.0
        transport = Transport(
            cache_folder=home / "http",
            credentials=lambda: (address.client_id, address.client_secret),
            oauth_url=address.oauth_url,
            timeout=(10, 60),
            rate_limit=RateLimit(
                home / "http" / "requests.ring",
                per_second=10_000,
                per_hour=36_000,
                now=time.time,
                sleep=time.sleep,
            ),
            now=lambda: time.time() + later,
            sleep=time.sleep,
        )
        client = BlizzardClient(transport, api_url=address.api_url, locale="en_US")
        storage = storage_in(home, database)
        stored = collect([REGION], market=client, storage=storage, clock=clock)
        if stored.status is not ExitStatus.DONE:
            raise SystemExit(str(stored))
        later = DYNAMIC_CACHE_SECONDS + 1.0
        polled = Polled(client, storage, clock)
        milliseconds(polled.cycle, times=WARM_UPS)
        milliseconds(polled.collect, times=WARM_UPS)

        files, bytes_before, wal_before = files_below(home), written(), wal(database)
        cycles = milliseconds(polled.cycle, times=asked.attempts)
        bytes_after, wal_after, files_after = written(), wal(database), files_below(home)
        whole = milliseconds(polled.collect, times=asked.attempts)
        newest = stored.regions[0].snapshot_time
        if newest is None:
            raise SystemExit(str(stored))
        counting = counter_milliseconds(home, times=20_000)
        question, answer = on_the_wire(transport, api_url=address.api_url, newer_than=newest)
        transport.close()
        database.close()

    changed = [name for name, state in files_after.items() if files.get(name) != state]
    body = max(size for size, _ in files.values())
    sys.stdout.write(
        f"{asked.attempts} questions about {REGION.label}, {asked.auctions:,} auctions stored and cached; medians\n\n"
        + line("one more 304, its cycle and its log row", f"{median(cycles):.2f} ms CPU", budget=BUDGET)
        + line("of it the counter of requests", f"{counting:.2f} ms CPU")
        + line("the whole of collect, token price and benchmark row too", f"{median(whole):.2f} ms CPU")
        + line(
            "the server's log of it (the log row, written twice)",
            f"{(wal_after - wal_before) / asked.attempts:,.0f} bytes",
        )
    )
    if bytes_before is not None and bytes_after is not None:
        sys.stdout.write(
            line(
                "written to files",
                f"{(bytes_after - bytes_before) / asked.attempts:,.0f} bytes",
                budget="the log row's",
            )
        )
    sys.stdout.write(
        line("on the wire, question and answer", f"{question:,} + {answer:,} bytes")
        + line("the cached body, neither read nor written", f"{body:,} bytes")
        + f"files that changed meanwhile: {', '.join(changed) or 'none'}\n"
    )


if __name__ == "__main__":
    main()
