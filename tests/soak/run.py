"""A soak: simulated days of both regions under faults, outages, kills, a full disk and clocks that jump.

`uv run python -m tests.soak.run --seed 1 --days 7 --server embedded` lets a week pass in some minutes. Cron starts a
window at each :30, as a process of its own; Blizzard, the database, the disk and the clock fail as the seed says. At
the end every hour that could be had is stored exactly once, and what is stored equals a plain computation. Exits 1
where anything is not so.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ironforge_cli.db.engine import Database
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.jobs import stored
from tests.servers import debian_programs, embedded_server, external_server, open_folder, pgbouncer, pooler
from tests.soak.director import Director
from tests.soak.verdict import RegionVerdict, judged
from tests.soak.weather import names, weather

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from ironforge_cli.errors import ExitStatus
    from tests.servers import TestServer

STARTS = datetime(2026, 3, 27, tzinfo=UTC)
CALM_HOURS = 3
"""At the end, without any trouble: what waits is stored, and the newest hour too."""
ACCOUNT = 54_321
"""Whose home it is where root runs the soak."""
POOLER = "server_login_retry = 1\n"
"""A database that was closed is tried again after a second: real time passes meanwhile."""


@dataclass(frozen=True)
class Soaked:
    """How a soak ended."""

    regions: tuple[RegionVerdict, ...]
    happened: Mapping[str, int]
    codes: Mapping[ExitStatus, int]
    attempts: Mapping[str, int]
    """Rows of scraper_logs by status."""
    destroyed: tuple[str, ...]
    """What was there once and is not any more, and what the account can't get at."""
    kept: Mapping[str, int]
    """Rows of evidence and of the catalogue at the end."""

    @property
    def wrong(self) -> list[str]:
        """What must not be."""
        of_regions = [f"{verdict.region.label}: {one}" for verdict in self.regions for one in verdict.wrong]
        return [*of_regions, *self.destroyed]


def soak(
    server: TestServer,
    *,
    seed: int,
    hours: int,
    home: Path,
    adaptive: bool = False,
    kinds: Collection[str] | None = None,
    account: int | None = None,
    pooler: str | None = None,
) -> Soaked:
    """Let so many hours of bad weather pass, then a few calm ones, and judge what is stored.

    Of the weather only `kinds` happen, or all. The home is an `account`'s where one is given, which only root can; a
    `pooler` may stand before the server.
    """
    with server.migrated_database() as url:
        with Director(
            server,
            url,
            home=home,
            starts_at=STARTS,
            seed=seed,
            adaptive=adaptive,
            account=account,
            pooler=pooler,
        ) as director:
            director.forecast(event for event in weather(seed, hours=hours) if kinds is None or event.kind in kinds)
            director.run(hours=hours)
            director.calm()
            director.run(hours=hours + CALM_HOURS)
            destroyed = director.destroyed()
        database = Database(url)
        try:
            attempts = stored.rows(
                database, "SELECT status, count(*) FROM scraper_logs GROUP BY status ORDER BY status"
            )
            return Soaked(
                regions=tuple(
                    judged(
                        database,
                        director.regions[region],
                        token=director.sandbox.world.regions[region].token,
                        home=home,
                        now=director.now,
                    )
                    for region in DEFAULT_REGIONS
                ),
                happened=dict(director.happened),
                codes=dict(director.codes),
                attempts=dict(attempts),
                destroyed=tuple(destroyed),
                kept=director.rounds.kept.counts,
            )
        finally:
            database.close()


def _kinds(text: str) -> frozenset[str]:
    chosen = frozenset(text.split(","))
    if unknown := sorted(chosen - set(names())):
        raise argparse.ArgumentTypeError(f"there is no weather {unknown[0]!r}; there are {', '.join(names())}")
    return chosen


def main(arguments: Sequence[str]) -> int:
    """Run a soak and print how it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--server", choices=("embedded", "external"), default="embedded")
    parser.add_argument("--adaptive", action="store_true")
    parser.add_argument("--weathers", metavar="KIND,…", type=_kinds, help=f"only these: {', '.join(names())}")
    parser.add_argument("--without", metavar="KIND,…", type=_kinds, default=frozenset(), help="all but these")
    given = parser.parse_args(arguments)
    kinds = (given.weathers or frozenset(names())) - given.without
    # What is wrong with the spool is wanted so, and told by the verdict where it matters.
    logging.getLogger("ironforge_cli").addHandler(logging.NullHandler())
    began = time.monotonic()
    with ExitStack() as stack:
        programs = debian_programs()
        if given.server == "external" and programs is None:
            parser.error("no PostgreSQL of the system's is installed (Debian: apt-get install postgresql)")
        server = stack.enter_context(
            external_server(programs) if given.server == "external" and programs else embedded_server()
        )
        program = pgbouncer() if given.server == "external" else None
        soaked = soak(
            server,
            seed=given.seed,
            hours=24 * given.days,
            # Another account than root's has to get there.
            home=stack.enter_context(open_folder()) / "home",
            adaptive=given.adaptive,
            kinds=kinds,
            account=ACCOUNT if os.geteuid() == 0 and "root-run" in kinds else None,
            pooler=stack.enter_context(pooler(program, server, mode="transaction", more=POOLER)) if program else None,
        )
    say = sys.stdout.write
    say(f"{given.days} days of both regions on the {given.server} server, seed {given.seed}, ")
    say(f"in {time.monotonic() - began:.0f} s\n\n")
    say("| region | published | stored | out of reach | lost | token prices |\n")
    say("| --- | --- | --- | --- | --- | --- |\n")
    for one in soaked.regions:
        say(f"| {one.region.label} | {one.published} | {one.stored} | {one.out_of_reach} | {one.lost} ")
        say(f"| {one.token_prices} |\n")
    say("\n| what happened | times |\n| --- | --- |\n")
    for what, times in sorted(soaked.happened.items()):
        say(f"| {what} | {times} |\n")
    say(f"\nwindows by exit code: {', '.join(f'{int(code)}: {n}' for code, n in sorted(soaked.codes.items()))}\n")
    say(f"attempts by status: {', '.join(f'{status}: {n}' for status, n in soaked.attempts.items())}\n")
    say(f"kept: {', '.join(f'{what}: {n}' for what, n in soaked.kept.items())}\n")
    for wrong in soaked.wrong:
        say(f"WRONG: {wrong}\n")
    say("All that could be had is stored, once and as it was.\n" if not soaked.wrong else "")
    return 1 if soaked.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
