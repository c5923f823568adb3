"""Runs that are killed, and many at once: what is stored is as if nothing had happened, and nothing is left behind."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import health
from ironforge_cli.errors import ExitStatus
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.jobs import stored
from tests.jobs.one_process import one_collection, started
from tests.servers import embedded_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.jobs.conftest import Collector

_MANY = pytest.param(50, marks=pytest.mark.slow)
_A_YEAR = timedelta(days=365)


def _options(sandbox: Sandbox, url: str, home: Path) -> dict[str, Any]:
    return {
        "url": url,
        "api_url": sandbox.api_url,
        "oauth_url": sandbox.oauth_url,
        "credentials": (sandbox.client_id, sandbox.client_secret),
        "home": str(home),
    }


def _left_over(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if ".tmp-" in path.name or path.suffix == ".body"]


def _assert_undisturbed(collector: Collector, database: Database) -> None:
    for region in DEFAULT_REGIONS:
        expected = collector.expected(region)
        assert stored.auctions(database, region) == expected.auctions
        assert stored.statistics(database, region) == expected.statistics
        assert stored.registry(database, region) == expected.registry


@pytest.mark.parametrize("kills", [6, _MANY])
def test_runs_killed_at_any_moment_leave_nothing_behind(
    make_collector: Callable[..., Collector], database: Database, tmp_path: Path, kills: int
) -> None:
    collector = make_collector(database, auctions=300, items=40)
    home = tmp_path / "home"
    options = _options(collector.sandbox, database.url, home)
    # The first runs show how long one takes here; the moments of the others are spread over it and a bit more.
    began = time.monotonic()
    for _ in range(2):
        began = time.monotonic()
        run = started(one_collection, **options)
        run.join()
        assert run.exitcode == ExitStatus.DONE
    usual = time.monotonic() - began
    chance = random.Random(20_260_114)  # noqa: S311 - reproducible moments are wanted
    killed = 0
    for kill in range(kills):
        collector.publish()
        run = started(one_collection, **options)
        run.join((kill + chance.random()) / kills * 1.25 * usual)
        if run.is_alive():
            # Not by its number: it may end this instant.
            run.kill()
            killed += 1
        run.join()
        good = started(one_collection, **options)
        good.join()
        assert good.exitcode == ExitStatus.DONE
    assert killed > kills // 3
    _assert_undisturbed(collector, database)
    assert stored.held_locks(database) == 0
    assert _left_over(home) == []
    with database.connect() as connection:
        crashed = health.crashed(connection, since=collector.sandbox.now - _A_YEAR)
    # Every row tells the truth: it ended well, or its owner is gone; a run has two under way at most.
    statuses = [row[0] for row in stored.attempts(database)]
    assert set(statuses) <= {"success", "no_change", "running"}
    assert statuses.count("running") == len(crashed) <= 2 * killed
    assert statuses.count("success") <= len(DEFAULT_REGIONS) * (kills + 1)


@pytest.mark.parametrize("kills", [5, _MANY])
def test_a_server_killed_at_any_moment_costs_no_hour(
    make_collector: Callable[..., Collector], tmp_path: Path, kills: int
) -> None:
    home = tmp_path / "home"
    chance = random.Random(7)  # noqa: S311 - reproducible moments are wanted
    with embedded_server() as server, server.migrated_database() as url:
        database = Database(url)
        collector = make_collector(database, auctions=300, items=40)
        options = _options(collector.sandbox, url, home)
        for kill in range(kills):
            if kill:
                collector.publish()
            run = started(one_collection, **options)
            time.sleep((kill + chance.random()) / kills / 2)
            server.kill_and_restart()
            run.join()
            assert run.exitcode in {ExitStatus.DONE, ExitStatus.DATABASE, ExitStatus.PARTIAL}
            good = started(one_collection, **options)
            good.join()
            assert good.exitcode == ExitStatus.DONE
        _assert_undisturbed(collector, database)
        assert stored.held_locks(database) == 0
        assert _left_over(home) == []
        database.close()


@pytest.mark.parametrize("at_once", [2, 8])
def test_collects_at_the_same_instant_store_each_hour_once(
    make_collector: Callable[..., Collector], database: Database, tmp_path: Path, at_once: int
) -> None:
    collector = make_collector(database, auctions=300, items=40)
    options = _options(collector.sandbox, database.url, tmp_path / "home")
    for hour in range(3):
        if hour:
            collector.publish()
        runs = [started(one_collection, **options) for _ in range(at_once)]
        for run in runs:
            run.join()
        codes = {run.exitcode for run in runs}
        assert codes <= {ExitStatus.DONE, ExitStatus.LOCKED, ExitStatus.PARTIAL}
        for region in DEFAULT_REGIONS:
            assert len(stored.times(database, region)) == hour + 1
    _assert_undisturbed(collector, database)
    for region in DEFAULT_REGIONS:
        statuses = [row[0] for row in stored.attempts(database, region)]
        assert statuses.count("success") == 3
        assert set(statuses) <= {"success", "no_change", "locked"}
    assert stored.held_locks(database) == 0
    assert _left_over(tmp_path / "home") == []
