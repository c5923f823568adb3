"""Seeding that is killed, again and again: the next run goes on, asks for nothing twice, and the end is the same."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.errors import ExitStatus
from tests.jobs import crafts, stored
from tests.jobs.one_process import one_seeding, started

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.jobs.seeders import Seeder

_AT_ONCE = 4


def _options(seeder: Seeder, home: Path) -> dict[str, Any]:
    return {
        "url": seeder.database.url,
        "api_url": seeder.sandbox.api_url,
        "oauth_url": seeder.sandbox.oauth_url,
        "credentials": (seeder.sandbox.client_id, seeder.sandbox.client_secret),
        "home": str(home),
        "at_once": _AT_ONCE,
    }


@pytest.mark.parametrize(
    ("kills", "recipes", "items"), [(5, 120, 600), pytest.param(20, 500, 2_500, marks=pytest.mark.slow)]
)
def test_a_run_killed_at_many_moments_and_resumed_equals_an_undisturbed_one(
    make_seeder: Callable[..., Seeder], tmp_path: Path, kills: int, recipes: int, items: int
) -> None:
    seeder = make_seeder(professions=(), recipes=recipes, items=items)
    options = _options(seeder, tmp_path / "home")
    chance = random.Random(11)  # noqa: S311 - reproducible moments are wanted
    killed = 0
    for _ in range(kills):
        run = started(one_seeding, **options)
        # A run of so many requests ends somewhere among them, whatever the machine's speed.
        until = len(seeder.sandbox.requests) + chance.randrange(1, 60)
        while len(seeder.sandbox.requests) < until and run.is_alive():
            time.sleep(0.002)
        pid = run.pid
        assert pid is not None
        if run.is_alive():
            os.kill(pid, signal.SIGKILL)
        run.join()
        killed += run.exitcode == -signal.SIGKILL
    # Moments of which most are before the last step, or nothing was tried.
    assert killed > kills // 2
    last = started(one_seeding, **options)
    last.join()
    assert last.exitcode == ExitStatus.DONE
    assert crafts.held(seeder.database) == crafts.expected(seeder.sandbox.catalogue)
    answered = Counter(
        (one.path, one.query.get("id"))
        for one in seeder.sandbox.requests
        if one.status == 200 and one.endpoint not in {"professions", "oauth"}
    )
    # A list that is empty is asked for once more by each run, past what is kept.
    catalogue = seeder.sandbox.catalogue
    empty = sum(not one.tiers for one in catalogue.professions.values())
    empty += sum(not one.categories for one in catalogue.tiers.values())
    # Twice otherwise only what had been answered and not been kept yet when the kill came.
    assert answered.total() - len(answered) <= kills * _AT_ONCE + (kills + 1) * empty
    seeder.sandbox.forget_requests()
    again = started(one_seeding, **options)
    again.join()
    assert again.exitcode == ExitStatus.DONE
    assert seeder.asked() == ["/eu/data/wow/profession/index"]
    assert stored.held_locks(seeder.database) == 0


def test_two_at_once_do_the_work_once(make_seeder: Callable[..., Seeder], tmp_path: Path) -> None:
    seeder = make_seeder()
    options = _options(seeder, tmp_path / "home")
    runs = [started(one_seeding, **options) for _ in range(3)]
    for run in runs:
        run.join()
    codes = [run.exitcode for run in runs]
    # Whoever comes between two seeders of another run may do one of them; nobody fails.
    assert set(codes) <= {ExitStatus.DONE, ExitStatus.LOCKED, ExitStatus.PARTIAL}
    last = started(one_seeding, **options)
    last.join()
    assert last.exitcode == ExitStatus.DONE
    assert crafts.held(seeder.database) == crafts.expected(seeder.sandbox.catalogue)
    statuses = {row[0] for row in stored.rows(seeder.database, "SELECT status FROM scraper_logs")}
    assert statuses <= {"success", "no_change", "locked"}
