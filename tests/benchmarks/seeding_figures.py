"""Seeding at full size: the time against the limit of requests, and whether a killed run comes to the same.

A stand-in with 9,700 recipes in 118 skill tiers and 40,000 items, a snapshot of each region, and every fault of static
data for some answers each: 429 with and without Retry-After, 5xx, web pages, cut connections, bodies that are cut,
empty or no JSON. `ironforge seed all` is a process of its own. Requests a second are counted where they are answered,
over the seconds in which recipes are asked for; `--second` is the limit. Answers that a busy machine delays end
together, so that more of them can end in one second than left in any. Then two processes that share a home seed two
databases at once, and last a run is killed at 20 random moments and resumed.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from ironforge_cli.db import schema
from ironforge_cli.db.engine import Database
from ironforge_cli.regions import DEFAULT_REGIONS
from ironforge_cli.sandbox.access import Limits
from ironforge_cli.sandbox.stand_in import Sandbox
from tests.benchmarks import stage
from tests.jobs import crafts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ironforge_cli.sandbox.api import Answered, Asked

_KILLS: Final = 20
_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "rate_limited", "retry_after": 1, "count": 20, "after": 500},
    {"name": "rate_limited", "count": 20, "after": 1_000},
    {"name": "server_error", "count": 20, "after": 1_500},
    {"name": "html_5xx", "count": 20, "after": 2_000},
    {"name": "truncated", "count": 20, "after": 2_500},
    {"name": "garbage", "count": 20, "after": 3_000},
    {"name": "html", "count": 20, "after": 3_500},
    {"name": "empty", "count": 20, "after": 4_000},
    {"name": "no_content", "count": 20, "after": 4_500},
    {"name": "cut_connection", "count": 20, "after": 5_000},
    {"name": "unauthorized", "count": 1, "after": 5_500},
)


class _Timed(Sandbox):
    """A stand-in that notes when it answered."""

    def __init__(self, **options: Any) -> None:
        self.times: list[tuple[float, str | None]] = []
        super().__init__(**options)

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def _note(self, asked: Asked, answered: Answered, size: int) -> None:
        self.times.append((time.monotonic(), answered.endpoint))
        super()._note(asked, answered, size)

    def rates(self) -> tuple[float, int]:
        """Requests a second while recipes were asked for, and the most in any one second."""
        every = np.sort(np.array([at for at, _ in self.times]))
        recipes = [at for at, endpoint in self.times if endpoint == "recipe"]
        first, last = min(recipes), max(recipes)
        inside = every[(every >= first) & (every <= last)]
        most = int((np.searchsorted(every, every + 1.0) - np.arange(len(every))).max())
        return len(inside) / (last - first), most


def main() -> None:
    """Measure, and print the figures."""
    asked = stage.options(__doc__, auctions=30_000, recipes=9_700, items=40_000, second=40)
    with (
        stage.home_folder() as home,
        _Timed(
            auctions=asked.auctions,
            items=asked.items,
            recipes=asked.recipes,
            limits=Limits(per_second=None, per_hour=None),
        ) as sandbox,
        stage.running_server(asked.server, home=home) as server,
    ):
        tiers, listed = len(sandbox.catalogue.tiers), len(sandbox.catalogue.recipes)
        sys.stdout.write(f"{listed:,} recipes and others in {tiers} tiers, {len(sandbox.catalogue.items):,} items\n")
        environment = stage.environment_of(
            **sandbox.address.environment,
            IRONFORGE_HOME=str(home),
            IRONFORGE_DATABASE_URL=server.url,
            IRONFORGE_REQUESTS_PER_SECOND=str(asked.second),
            IRONFORGE_REQUESTS_PER_HOUR="36000",
        )
        _collect(environment)
        _measure(sandbox, server.url, environment, limit=asked.second)
        _two_at_once(sandbox, server, environment, home=home, limit=asked.second)
        _killed(sandbox, server, environment, home=home)


def _ironforge(*arguments: str) -> list[str]:
    return ["-m", "ironforge_cli", *arguments]


def _collect(environment: dict[str, str]) -> None:
    stage.run(_ironforge("collect"), environment=environment)


def _seed_all(environment: dict[str, str]) -> tuple[stage.Finished, list[dict[str, Any]]]:
    finished = stage.run(_ironforge("-q", "seed", "all", "--format", "json"), environment=environment)
    return finished, json.loads(finished.output)


def _same(sandbox: Sandbox, url: str) -> str:
    """Whether the tables hold what the stand-in knows to be true."""
    seen = {int(item) for region in DEFAULT_REGIONS for item in np.unique(sandbox.published(region).listings.item_id)}
    database = Database(url)
    held = crafts.held(database)
    database.close()
    expected = crafts.expected(sandbox.catalogue, seen=seen)
    if held != expected:
        wrong = [name for name in ("recipes", "reagents", "items") if getattr(held, name) != getattr(expected, name)]
        raise SystemExit(f"What is stored is not what there is: {', '.join(wrong)}.")
    return f"{len(held.recipes):,} / {len(held.reagents):,} / {len(held.items):,}"


def _measure(sandbox: _Timed, url: str, environment: dict[str, str], *, limit: int) -> None:
    for fault in _FAULTS:
        sandbox.set_fault(endpoint="recipe", **fault)
    sandbox.times.clear()
    finished, parts = _seed_all(environment)
    sandbox.clear_faults()
    rate, most = sandbox.rates()
    report = [
        stage.line("rows of recipes / reagents / items, as they should be", _same(sandbox, url)),
        stage.line("the whole run", f"{finished.seconds:.0f} s"),
        stage.line("its requests", f"{sum(part['requests'] for part in parts):,}"),
        stage.line("its own CPU", f"{finished.cpu:.0f} s"),
        stage.line("its memory at most", f"{finished.peak_mb:.0f} MB"),
        stage.line(
            f"requests a second while recipes are asked for, of {limit}",
            f"{rate:.1f} ({rate / limit:.0%})",
            budget="100%, at least 90%",
        ),
        stage.line("most answers that ended in any one second, late ones among them", f"{most}"),
    ]
    sandbox.forget_requests()
    again, parts = _seed_all(environment)
    report += [
        stage.line("a second run", f"{again.seconds:.1f} s"),
        stage.line("its requests, with that for a token", f"{sum(part['requests'] for part in parts)}"),
    ]
    sys.stdout.write("".join(report))
    sys.stdout.flush()


def _another(server: stage.RunningServer, name: str) -> str:
    """The URL of another database on the server, with the schema."""
    server.statement(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    database = Database(server.url)
    database.close()
    url = " ".join(f"dbname={name}" if part.startswith("dbname=") else part for part in server.url.split(" "))
    if "://" in server.url:
        head, _, query = server.url.partition("?")
        url = head.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")
    made = Database(url)
    schema.upgrade(made)
    made.close()
    return url


def _started(arguments: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL)


def _two_at_once(
    sandbox: _Timed, server: stage.RunningServer, environment: dict[str, str], *, home: Path, limit: int
) -> None:
    """Two processes of one home, which ask for different things: the limit is that of both together."""
    del home
    sandbox.times.clear()
    command = _ironforge("-q", "seed", "recipes", "--profession", "171")
    processes = [
        _started(
            command,
            {**environment, "IRONFORGE_DATABASE_URL": _another(server, f"at_once_{k}"), "IRONFORGE_LOCALE": locale},
        )
        for k, locale in enumerate(("fr_FR", "it_IT"))
    ]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit(f"Two at once ended with {codes}.")
    rate, most = sandbox.rates()
    sys.stdout.write(
        stage.line(f"two processes at once, requests a second together, of {limit}", f"{rate:.1f} ({rate / limit:.0%})")
        + stage.line("most answers that ended in any one second", f"{most}")
    )
    sys.stdout.flush()


def _killed(sandbox: _Timed, server: stage.RunningServer, environment: dict[str, str], *, home: Path) -> None:
    """A run that is killed at random moments, in a home and a database of its own, as fast as Blizzard allows."""
    url = _another(server, "killed")
    own = {
        **environment,
        "IRONFORGE_HOME": str(home.parent / "killed"),
        "IRONFORGE_DATABASE_URL": url,
        "IRONFORGE_REQUESTS_PER_SECOND": "100",
    }
    _collect(own)
    sandbox.forget_requests()
    chance = random.Random(5)  # noqa: S311 - reproducible moments are wanted
    # Twenty such pieces are three quarters of all: no run comes to its end before it is killed.
    share = 3 * len(sandbox.catalogue.recipes) // (2 * _KILLS)
    killed = 0
    for _ in range(_KILLS):
        until = len(sandbox.requests) + chance.randrange(1, share)
        process = _started(_ironforge("-q", "seed", "all"), own)
        while process.poll() is None and len(sandbox.requests) < until:
            time.sleep(0.01)
        process.kill()
        killed += process.wait() < 0
    _seed_all(own)
    paths = [(one.path, one.query.get("id")) for one in sandbox.requests if one.status == 200]
    of_recipes = [path for path in paths if "/recipe/" in path[0]]
    sys.stdout.write(
        stage.line(f"killed at {killed} moments and resumed: the same rows", _same(sandbox, url))
        + stage.line("recipes that were answered twice", f"{len(of_recipes) - len(set(of_recipes))}")
    )


if __name__ == "__main__":
    main()
