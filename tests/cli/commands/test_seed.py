from __future__ import annotations

import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.cli.show import progress
from ironforge_cli.cli.show.seed_progress import SeedBars
from ironforge_cli.errors import ExitStatus
from tests.jobs import crafts
from tests.jobs.stored import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run

FAST = {"IRONFORGE_REQUESTS_PER_SECOND": "100"}


def test_seed_all_tells_what_each_seeder_did(
    run: Run, database: Database, sandbox: Sandbox, api: Mapping[str, str]
) -> None:
    variables = {**api, **FAST, "IRONFORGE_DATABASE_URL": database.url}
    result = run("seed", "all", "--format", "json", **variables)
    assert result.exit_code == ExitStatus.DONE, result.stderr
    assert crafts.held(database) == crafts.expected(sandbox.catalogue)
    recipes, reagents, items, outputs = json.loads(result.stdout)
    assert [part["seeder"] for part in (recipes, reagents, items, outputs)] == [
        "recipes",
        "reagents",
        "items",
        "outputs",
    ]
    assert list(recipes) == [
        *("seeder", "outcome", "build", "rows", "inserted", "updated", "deleted", "skipped", "counted"),
        *("requests", "cache_hits", "seconds", "message"),
    ]
    assert recipes["outcome"] == "completed"
    assert recipes["requests"] > 150
    assert reagents["requests"] == 0
    # A line a profession, off a terminal.
    lines = [line for line in result.stderr.splitlines() if "Tailoring: " in line]
    assert len(lines) == 2
    assert "recipes" in lines[0]
    again = run("-q", "seed", "all", **variables)
    assert again.exit_code == ExitStatus.DONE
    assert (again.stdout, again.stderr) == ("", "")
    assert run("seed", "all", **variables).stdout.split().count("current") == 4


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_that_is_none_is_wrong_usage(run: Run, limit: str) -> None:
    result = run("seed", "recipes", "--limit", limit)
    assert result.exit_code == ExitStatus.USAGE
    assert "--limit" in result.stderr


def test_a_profession_that_there_is_not_is_wrong_usage(run: Run, database: Database, api: Mapping[str, str]) -> None:
    variables = {**api, "IRONFORGE_DATABASE_URL": database.url}
    result = run("seed", "recipes", "--profession", "Juggling", **variables)
    assert result.exit_code == ExitStatus.USAGE
    assert "there are Alchemy, Archaeology" in result.stderr


def test_credentials_are_told_before_anything_else(run: Run) -> None:
    result = run("seed", "all")
    assert result.exit_code == ExitStatus.CONFIGURATION
    assert "BLIZZARD_CLIENT_ID" in result.stderr


def test_a_database_that_is_away_is_74(run: Run, api: Mapping[str, str]) -> None:
    result = run("seed", "all", **api, IRONFORGE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert result.exit_code == ExitStatus.DATABASE
    assert "can't be reached" in result.stderr


def test_a_signal_ends_it_cleanly_and_the_next_run_goes_on(
    start: Callable[..., subprocess.Popen[bytes]],
    run: Run,
    database: Database,
    sandbox: Sandbox,
    api: Mapping[str, str],
) -> None:
    variables = {**api, "IRONFORGE_DATABASE_URL": database.url}
    process = start("seed", "all", **variables)
    while not any(one.endpoint == "skill_tier" for one in sandbox.requests):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == ExitStatus.TERMINATED
    assert b"Ended by SIGTERM, after a clean stop" in said
    assert run("-q", "seed", "all", **variables, **FAST).exit_code == ExitStatus.DONE
    assert crafts.held(database) == crafts.expected(sandbox.catalogue)


def test_a_full_disk_costs_the_cache_and_nothing_else(
    database: Database, sandbox: Sandbox, api: Mapping[str, str], tmp_path: Path
) -> None:
    environment = {**os.environ, **api, **FAST, "IRONFORGE_DATABASE_URL": database.url}
    full = subprocess.run(
        [sys.executable, "-m", "ironforge_cli", "seed", "all"],
        check=False,
        capture_output=True,
        text=True,
        # Modules compiled meanwhile would be cut off at that length, and every later run would load them.
        env={**environment, "IRONFORGE_HOME": str(tmp_path / "full"), "PYTHONDONTWRITEBYTECODE": "1"},
        # No file may grow beyond this: much as on a disk without room, and root is not spared.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY)),
    )
    assert full.returncode == ExitStatus.DONE, full.stderr
    assert "Traceback" not in full.stderr
    assert crafts.held(database) == crafts.expected(sandbox.catalogue)


def test_bars_show_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()

    class Terminal(progress.Console):
        def __init__(self, **_: Any) -> None:
            super().__init__(file=shown, force_terminal=True, width=100, color_system=None)

    monkeypatch.setattr(progress, "Console", Terminal)
    with SeedBars(no_color=True) as bars:
        bars.begin("recipes", total=40)
        for _ in range(4):
            bars.advance(5)
            # Rates are taken between updates, by the clock.
            time.sleep(0.01)
        bars.tell("nothing")
    last = shown.getvalue()
    assert "recipes" in last
    assert "20/40" in last
    assert "/s" in last
    assert "0:0" in last


def test_an_import_is_planned_done_and_taken_out_again(run: Run, database: Database, tmp_path: Path) -> None:
    with database.transaction() as connection:
        connection.execute(text("INSERT INTO recipes (id, faction, name, data) VALUES (7, 'Neutral', 'Soup', '{}')"))
    file = tmp_path / "makes.csv"
    file.write_text("recipe_id,item_id,rank,quantity\n7,70,1,5\n8,80,,\n", encoding="utf-8")

    def imported(*words: str, status: ExitStatus = ExitStatus.DONE) -> Any:
        result = run("seed", "import", *words, "--format", "json", IRONFORGE_DATABASE_URL=database.url)
        assert result.exit_code == status, result.stderr
        return json.loads(result.stdout) if status is ExitStatus.DONE else result.stderr

    def held() -> list[tuple[Any, ...]]:
        return rows(database, "SELECT recipe_id, item_id, rank, quantity, detail FROM recipe_outputs")

    (planned,) = imported(str(file), "--source", "mine", "--dry-run")
    assert (planned["joined"], planned["outputs"], planned["unknown"], planned["dry_run"]) == (1, 1, ["recipe 8"], True)
    assert held() == []
    (done,) = imported(str(file), "--source", "mine")
    assert {**done, "dry_run": True} == planned
    assert held() == [(7, 70, 1, 5.0, "mine")]
    assert imported("--remove", "mine") == [{"source": "mine", "removed": True}]
    assert held() == []
    for words in ([], [str(file), "--remove", "mine"], ["--remove", "mine"], [str(tmp_path / "none.csv")]):
        assert imported(*words, status=ExitStatus.USAGE)
