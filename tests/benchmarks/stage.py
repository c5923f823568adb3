"""Where benchmarks play: the stand-in, a server that runs already, a home of its own, and commands as processes.

A user's machine has compiled files beside the sources, and uv makes them. Where the environment forbids Python to write
them (PYTHONDONTWRITEBYTECODE) every process here would compile ironforge anew, so that variable is taken out, and a
warm-up whose time doesn't count comes before what is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import schema
from ironforge_cli.db.embedded import EmbeddedServer, find_bindir
from ironforge_cli.db.engine import Database, conninfo
from ironforge_cli.sandbox.access import Limits
from ironforge_cli.sandbox.stand_in import Sandbox
from tests.benchmarks import measured_process
from tests.servers import debian_programs, external_server, open_folder

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

AUCTIONS: Final = 350_000
ITEMS: Final = 12_000
SERVERS: Final = ("embedded", "external")
STARTS_AT: Final = datetime(2026, 1, 14, 1, 0, tzinfo=UTC)
"""So early in a day that twenty hours lie in one partition."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a process said and took."""

    output: bytes
    seconds: float
    cpu: float
    """Seconds of CPU, its own and the kernel's for it."""
    peak_mb: float
    """Most memory that it held at once."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that runs already, with the schema in a database of its own."""

    url: str
    psql: Path

    def statement(self, command: str) -> float:
        """Run a statement or a command of psql's in a process of its own, and return the seconds that it took."""
        began = time.perf_counter()
        call = [self.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo(self.url), "-c", command]
        subprocess.run(call, check=True, capture_output=True)
        return time.perf_counter() - began


@contextmanager
def running_server(kind: str, *, home: Path) -> Generator[RunningServer]:
    """The embedded server as a user has it, or Debian's over TCP as tests run it: without fsync."""
    if kind == "embedded":
        server = EmbeddedServer(home, environment=os.environ, bindir=None, account=None)
        server.make_home()
        with server:
            database = Database(server.conninfo)
            schema.upgrade(database)
            database.close()
            yield RunningServer(server.conninfo, find_bindir(None, environment=dict(os.environ)) / "psql")
        return
    programs = debian_programs()
    if programs is None:
        raise SystemExit("No PostgreSQL of the system's is installed (Debian: apt-get install postgresql).")
    with external_server(programs) as running, running.migrated_database() as url:
        yield RunningServer(url, programs / "psql")


@contextmanager
def sandbox_of(auctions: int, *, starts_at: datetime = STARTS_AT) -> Generator[Sandbox]:
    """A stand-in whose regions have so many auctions, and which never says that it was asked too often."""
    with Sandbox(
        auctions=auctions,
        items=ITEMS * 5 // 4,
        commodities=ITEMS,
        starts_at=starts_at,
        limits=Limits(per_second=None, per_hour=None),
    ) as sandbox:
        yield sandbox


@contextmanager
def home_folder(kept: Path | None = None) -> Generator[Path]:
    """A folder for everything that ironforge keeps, thrown away at the end; or one that is kept."""
    if kept is not None:
        yield kept
        return
    with open_folder() as folder:
        yield folder / "home"


def environment_of(**variables: str) -> dict[str, str]:
    """The environment of a process that may keep compiled files, without the databases of whoever measures."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONDONTWRITEBYTECODE", "DATABASE_URL"} and not name.startswith("IRONFORGE_")
    }
    return {**kept, **variables}


def run(arguments: Sequence[str], *, environment: Mapping[str, str]) -> Finished:
    """Run Python with some arguments to its end; one that fails ends the benchmark with what it said."""
    with tempfile.TemporaryFile() as figures:
        descriptor = figures.fileno()
        process = subprocess.run(
            [sys.executable, "-S", "-E", measured_process.__file__, str(descriptor), sys.executable, *arguments],
            env=environment,
            capture_output=True,
            pass_fds=(descriptor,),
            check=False,
        )
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}: {process.stderr.decode()}")
        figures.seek(0)
        return Finished(output=process.stdout, **json.loads(figures.read()))


def options(
    description: str | None, *, auctions: int = AUCTIONS, may_keep: bool = False, **more: int | str
) -> argparse.Namespace:
    """What a benchmark was asked for: `--server`, `--auctions`, further numbers and words with their defaults.

    `--keep` names a home that is built once and measured again, where the benchmark can do so.
    """
    first = (description or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=first, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--server", choices=SERVERS, default=SERVERS[0], help="the embedded one, or Debian's over TCP")
    for name, default in {"auctions": auctions, **more}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help="see above")
    if may_keep:
        parser.add_argument("--keep", type=Path, metavar="FOLDER", help="a home that is built once and measured again")
    return parser.parse_args()


def line(name: str, value: str, *, budget: str = "") -> str:
    """A line of a report: what was measured, the figure, and the most that it may be."""
    return f"{name:<58}{value:>14}{f'   at most {budget}' if budget else ''}".rstrip() + "\n"
