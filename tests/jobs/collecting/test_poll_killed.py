"""A window that is killed while it waits leaves a trace, which the next one turns into a row."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import UnreachableError
from ironforge_cli.jobs.collecting.poll import poll
from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.jobs.health.status import examine
from ironforge_cli.regions import Region
from tests.clocks import EventfulClock
from tests.conftest import storage_in
from tests.jobs import stored
from tests.jobs.one_process import one_window, started
from tests.jobs.polling import window

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector

_TOLD = "was killed while it waited"


def crashes(database: Database, home: Path) -> list[str]:
    """What `status` tells of as crashed."""
    now = datetime.now(tz=UTC)
    health = examine(
        (Region.EU,),
        storage=storage_in(home, database),
        home=home,
        clock=EventfulClock(now),
        max_age=timedelta(hours=2),
        since=now - timedelta(days=1),
        until=now,
        ahead=0,
        check=False,
    )
    return [problem.text for problem in health.problems if problem.kind is ProblemKind.CRASHED]


def test_a_window_killed_while_it_waits_is_told_with_and_without_a_database_until_the_next_leaves_its_row(
    make_collector: Callable[..., Collector], database: Database, tmp_path: Path
) -> None:
    collector, home = make_collector(database, auctions=50, items=10), tmp_path / "home"
    sandbox = collector.sandbox
    collector.collect(Region.EU)
    killed = started(
        one_window,
        url=database.url,
        api_url=sandbox.api_url,
        oauth_url=sandbox.oauth_url,
        credentials=(sandbox.client_id, sandbox.client_secret),
        home=str(home),
    )
    killed.join()
    assert killed.exitcode == -signal.SIGKILL

    away = MissingDatabase(UnreachableError("The server is away."))
    for asked in (database, away):
        (text,) = crashes(asked, home)
        assert _TOLD in text
    # Its own attempt ended well, and no row says that anything was at work.
    assert [row[0] for row in stored.attempts(database, Region.EU)] == ["success", "no_change"]

    poll(
        (Region.EU,),
        window=window(length=timedelta(seconds=4)),
        market=collector.client,
        storage=lambda: storage_in(home, database),
        clock=EventfulClock(datetime.now(tz=UTC)),
    )
    (row,) = [row for row in stored.attempts(database, Region.EU) if row[0] == "failed"]
    assert _TOLD in row[2]
    assert list((home / "locks").glob("*.window*")) == []
    assert crashes(database, home) == []
