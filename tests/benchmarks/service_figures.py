"""What the service answers a second, with a client on the same machine and a year of data; a bare FastAPI route beside.

Run it with `uv run python -m tests.benchmarks.service_figures`. A year of hours of `--items` items is made in SQL, its
closed months laid and days made as maintenance does; `ironforge serve` runs in a process of its own, and the client in
this one, whose own CPU is said. An hour's collection of `--auctions` auctions is timed alone and beside 20 uncached
requests a second. `--keep FOLDER` is a home whose embedded server has its year already, or is given it and kept: the
measured hours of the other region are added to it.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import psutil
from sqlalchemy import text

from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import asking
from ironforge_cli.regions import Region
from tests.benchmarks import years_built
from tests.benchmarks.stage import (
    STARTS_AT,
    environment_of,
    home_folder,
    line,
    options,
    run,
    running_server,
    sandbox_of,
)
from tests.benchmarks.years_built import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from datetime import datetime

CLIENTS: Final = 8
SECONDS: Final = 5.0
BESIDE_A_SECOND: Final = 20
ROUNDS: Final = 5
_BARE: Final = """
import sys
import uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def root():
    return {"status": "ok"}
print("Serving on http://127.0.0.1:8499/ (bare)", flush=True)
uvicorn.run(app, port=8499, log_level="error", access_log=False)
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What some clients got in some seconds."""

    answers: int
    seconds: float
    milliseconds: Sequence[float]
    bytes: int
    cpu_seconds: float
    """Of this process, which asked."""

    @property
    def a_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def percentile(self, share: float) -> float:
        """How many milliseconds so large a share of the answers took at most."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> tuple[int, int, bytes]:
    """Ask over an open connection: the status, the body's length, and the head."""
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    length = int(found[1]) if found else 0
    if length:
        await reader.readexactly(length)
    return int(head[9:12]), length, head


def _request(target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _load(
    port: int, targets: Iterable[str], headers: Mapping[str, str], *, status: int, clients: int, seconds: float
) -> Load:
    """Let clients ask one target after the other for some seconds."""
    left, taken, size, ends = iter(targets), list[float](), 0, time.monotonic() + seconds

    async def client() -> None:
        nonlocal size
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        for target in left:
            began = time.monotonic()
            if began > ends:
                break
            got, length, head = await _ask(reader, writer, _request(target, headers))
            if got != status:
                raise SystemExit(f"{target} was answered with {got}: {head.decode()}")
            size += length
            taken.append(1_000 * (time.monotonic() - began))
        writer.close()

    began, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Load(len(taken), time.monotonic() - began, taken, size, time.process_time() - cpu)


def load(
    port: int,
    targets: Iterable[str],
    *,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
    clients: int = CLIENTS,
    seconds: float = SECONDS,
) -> Load:
    """The same, from outside of a loop."""
    return asyncio.run(_load(port, targets, headers or {}, status=status, clients=clients, seconds=seconds))


def head(port: int, target: str, headers: Mapping[str, str]) -> tuple[bytes, int]:
    """The head of an answer, and the length of its body."""

    async def ask() -> tuple[bytes, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        _, length, found = await _ask(reader, writer, _request(target, headers))
        writer.close()
        return found, length

    return asyncio.run(ask())


@contextmanager
def served(arguments: Sequence[str], environment: Mapping[str, str]) -> Generator[tuple[int, subprocess.Popen[str]]]:
    """A server in a process of its own: its port."""
    process = subprocess.Popen([sys.executable, *arguments], env=dict(environment), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.match(r"Serving on http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        if found is None:
            raise SystemExit("The server did not begin.")
        time.sleep(1)
        yield int(found[1]), process
    finally:
        process.terminate()
        process.wait()


def repeated(target: str) -> Iterable[str]:
    """A target without end."""
    while True:
        yield target


def histories(items: int) -> Iterable[str]:
    """Histories of 90 days that nobody asked for before."""
    for limit in range(2_160, 10_000):
        for item in range(1, items + 1):
            yield f"/v1/eu/items/{item}/history?since=90d&limit={limit}"


def main() -> int:
    """Build, measure and print."""
    asked = options(__doc__, auctions=350_000, may_keep=True, items=2_000, days=365)
    say = sys.stdout.write
    if asked.keep is not None and asked.server != "embedded":
        raise SystemExit("--keep is for the embedded server alone.")
    with home_folder(asked.keep) as home, running_server(asked.server, home=home) as server:
        database = Database(server.url)
        items = _items_held(database)
        if items is None:
            began = time.monotonic()
            items, rows = asked.items, years_built.build(database, days=asked.days, items=asked.items)
            years_built.close_months(database, say)
            say(f"{asked.days} days of {items:,} items, {rows:,} rows: made in {time.monotonic() - began:.0f} s\n\n")
        database.close()
        environment = environment_of(
            IRONFORGE_DATABASE_URL=server.url, IRONFORGE_HOME=str(home), IRONFORGE_REGIONS="eu"
        )
        with served(["-c", _BARE], environment) as (port, _):
            bare = load(port, repeated("/"))
            say(line("a bare FastAPI route, answers a second", f"{bare.a_second:,.0f}"))
        with served(["-m", "ironforge_cli", "serve", "--port", "0"], environment) as (port, process):
            watching = Database(server.url)
            _tell(port, process.pid, watching, say, items=items)
            begins = _first_to_collect(watching)
            watching.close()
            _tell_collection(port, environment, say, auctions=asked.auctions, items=items, begins=begins)
    return 0


def _items_held(database: Database) -> int | None:
    """How many items the newest hour has that is there already; None where there is none."""
    with database.connect() as connection:
        newest = asking.newest_times(connection, [Region.EU]).get(Region.EU)
        return None if newest is None else len(asking.newest_prices(connection, Region.EU, newest).item_id)


def _first_to_collect(database: Database) -> datetime:
    """An hour that the other region's snapshots have not come to yet."""
    with database.connect() as connection:
        newest = asking.newest_times(connection, [Region.US]).get(Region.US)
    return STARTS_AT if newest is None else newest.replace(minute=0, second=0, microsecond=0) + 2 * HOUR


def _cpu(pid: int, database: Database) -> tuple[float, float]:
    """Seconds of CPU that the service took until now, and those of the database's processes that work for it.

    Workers that help with a statement end with it: their time is the server's.
    """
    with database.connect() as connection:
        found = connection.execute(
            text("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
        )
        backends = list(found.scalars())
    service, *sessions = (sum(psutil.Process(one).cpu_times()[:2]) for one in (pid, *backends))
    server = psutil.Process(backends[0]).parent()
    assert server is not None
    return service, sum(sessions) + sum(server.cpu_times()[2:4])


def _tell(port: int, pid: int, database: Database, say: Callable[[str], object], *, items: int) -> None:
    packed = {"Accept-Encoding": "zstd"}
    target = "/v1/eu/items/1/history?since=90d"
    first, _ = head(port, target, packed)
    etag = re.search(rb'(?i)\r\netag: ("[^"]+")', first)
    assert etag is not None
    known = load(port, repeated(target), headers={**packed, "If-None-Match": etag[1].decode()}, status=304)
    say(line("304, answers a second", f"{known.a_second:,.0f}", budget="(at least 1,000)"))
    kept = load(port, repeated(target), headers=packed)
    say(line("a kept history of 90 days, answers a second", f"{kept.a_second:,.0f}", budget="(at least 800)"))
    before = _cpu(pid, database)
    made = load(port, histories(items), headers=packed)
    service_cpu, database_cpu = (
        1_000 * (after - former) / made.answers for after, former in zip(_cpu(pid, database), before, strict=True)
    )
    say(
        line(
            f"90 days never asked before, {CLIENTS} clients, a second", f"{made.a_second:,.0f}", budget="(at least 40)"
        )
    )
    say(line("p99 of these, ms", f"{made.percentile(0.99):,.0f}", budget="250"))
    client_cpu = 1_000 * made.cpu_seconds / made.answers
    spent = f"{service_cpu:.1f} + {database_cpu:.1f} + {client_cpu:.1f}"
    say(line("CPU of one of these: service, database, this client, ms", spent))
    began = time.monotonic()
    _, length = head(port, "/v1/eu/prices", packed)
    say(line("/prices, first time, ms", f"{1_000 * (time.monotonic() - began):,.0f}"))
    say(line(f"/prices of {items:,} items, compressed, bytes", f"{length:,}", budget="1,000,000 at 12,000"))
    prices = load(port, repeated("/v1/eu/prices"), headers=packed, clients=1, seconds=2)
    say(line("/prices, kept, ms", f"{median(prices.milliseconds):.1f}", budget="50"))
    crowd = asyncio.run(_crowd(port))
    say(line("500 connections at once, p99 of the answers, ms", f"{crowd.percentile(0.99):,.0f}"))
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 - the kernel's own file
        peak = next(int(one.split()[1]) / 1_000 for one in status if one.startswith("VmHWM"))
    say(line("peak memory of the service, MB", f"{peak:,.0f}"))


async def _crowd(port: int) -> Load:
    """500 clients that come at the same moment, each with one question that is kept."""
    taken: list[float] = []

    async def client() -> None:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        status, _, _ = await _ask(reader, writer, _request("/v1/eu/top?limit=20", {}))
        writer.close()
        if status not in {200, 503}:
            raise SystemExit(f"One of many was answered with {status}")
        taken.append(1_000 * (time.monotonic() - began))

    began, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(client() for _ in range(500)))
    return Load(len(taken), time.monotonic() - began, taken, 0, time.process_time() - cpu)


def _tell_collection(
    port: int,
    environment: Mapping[str, str],
    say: Callable[[str], object],
    *,
    auctions: int,
    items: int,
    begins: datetime,
) -> None:
    """An hour's collection, alone and beside requests, in turn."""
    alone: list[float] = []
    beside: list[float] = []
    with sandbox_of(auctions, starts_at=begins) as sandbox:
        variables = {
            **environment,
            "IRONFORGE_REGIONS": "us",
            "IRONFORGE_API_URL": sandbox.api_url,
            "IRONFORGE_OAUTH_URL": sandbox.oauth_url,
            "BLIZZARD_CLIENT_ID": sandbox.client_id,
            "BLIZZARD_CLIENT_SECRET": sandbox.client_secret,
        }

        def collect() -> float:
            finished = run(["-m", "ironforge_cli", "-q", "collect"], environment=variables)
            sandbox.advance(hours=1)
            return finished.seconds

        collect()
        for _ in range(ROUNDS):
            alone.append(collect())
            with served(["-m", "tests.benchmarks.service_figures", "beside", str(port), str(items)], environment):
                beside.append(collect())
    ratio = median(b / a for a, b in zip(alone, beside, strict=True))
    say(line("an hour's collection, alone, s", f"{median(alone):.2f}"))
    say(line(f"beside {BESIDE_A_SECOND} uncached requests a second, of that", f"{ratio:.2f} x", budget="1.25 x"))


async def _ask_evenly(port: int, items: int) -> None:
    """Ask for what nobody asked for before, so many times a second, until somebody ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    since = 91
    number = 0
    begins = time.monotonic()
    while True:
        number += 1
        item, since = 1 + number % items, 91 + number // items % 250
        target = f"/v1/eu/items/{item}/history?since={since}d&limit={int(time.time()) % 7_000 + 2_500}"
        await _ask(reader, writer, _request(target, {"Accept-Encoding": "zstd"}))
        await asyncio.sleep(max(0.0, begins + number / BESIDE_A_SECOND - time.monotonic()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["beside"]:
        sys.stdout.write("Serving on http://127.0.0.1:1/ (asking)\n")
        sys.stdout.flush()
        asyncio.run(_ask_evenly(int(sys.argv[2]), int(sys.argv[3])))
    sys.exit(main())
