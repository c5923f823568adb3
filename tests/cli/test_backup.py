"""What docs/backup.md says is done as it stands there, and the collection goes on as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ironforge_cli.db.dumps import ClientPrograms
from ironforge_cli.db.embedded.programs import find_bindir
from ironforge_cli.db.engine import conninfo
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.test_documentation import PAGES, fenced_under

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run
    from tests.servers import TestServer

PAGE = PAGES / "backup.md"
PROGRAMS = find_bindir(None, environment={})
EMBEDDED = {"IRONFORGE_DATABASE_URL": "", "DATABASE_URL": ""}


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox whose newest hour is this one."""
    return make_sandbox(starts_at=datetime.now(tz=UTC) - timedelta(hours=3))


def done(heading: str, folder: Path, variables: Mapping[str, str], *, block: int = 0) -> None:
    """Do what the page says under a heading, as a shell of the operator's does it."""
    path = os.pathsep.join([str(Path(sys.executable).parent), str(PROGRAMS), os.environ["PATH"]])
    shell = ["bash", "-euo", "pipefail"] if which("bash") else ["sh", "-eu"]
    ended = subprocess.run(
        [*shell, "-c", fenced_under(PAGE, heading)[block]],
        cwd=folder,
        env={**os.environ, **variables, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "ERROR:" not in ended.stderr


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything of the market that a database holds, and how often."""
    queries = {
        "snapshots": "SELECT region, snapshot_time, auctions, interval_seconds FROM snapshots ORDER BY 1, 2",
        **{
            region: f"SELECT snapshot_time, count(*), sum(quantity * unit_price) FROM auction_snapshots_{region} "
            "GROUP BY 1 ORDER BY 1"
            for region in DEFAULT_REGIONS
        },
        "sales": "SELECT timestamp, count(*), sum(estimated_sales) FROM eu_commodity_price_stats GROUP BY 1 ORDER BY 1",
        "schema": "SELECT version_num FROM alembic_version",
    }
    with psycopg.connect(conninfo(url)) as connection:
        return {name: connection.execute(query.encode()).fetchall() for name, query in queries.items()}


def goes_on(run: Run, sandbox: Sandbox, variables: Mapping[str, str], look: Callable[[], Any], before: Any) -> None:
    """The claim of both directions: the same is there, no hour comes twice, and the next one is compared with it."""
    assert look() == before
    again = run("collect", **{**variables, **sandbox.address.environment})
    assert (again.exit_code, look()) == (0, before)
    sandbox.advance()
    assert run("collect", **{**variables, **sandbox.address.environment}).exit_code == 0
    after = look()
    for region in DEFAULT_REGIONS:
        assert after[region][:-1] == before[region]
    assert [row[3] is not None for row in after["snapshots"]] == [False, True, True] * 2
    checked = run("status", "--check", "--max-age", "4h", **variables)
    assert (checked.exit_code, checked.stderr) == (0, "")


def two_hours(run: Run, sandbox: Sandbox, variables: Mapping[str, str]) -> None:
    assert run("collect", **{**variables, **sandbox.address.environment}).exit_code == 0
    sandbox.advance()
    assert run("collect", **{**variables, **sandbox.address.environment}).exit_code == 0


@pytest.mark.slow
@pytest.mark.usefixtures("short_home")
def test_a_dump_of_the_embedded_server_goes_on_in_a_database_of_your_own(
    run: Run, sandbox: Sandbox, external: TestServer, tmp_path: Path
) -> None:
    two_hours(run, sandbox, EMBEDDED)
    done("Dump", tmp_path, EMBEDDED)
    with external.empty_database() as url:
        variables = {"IRONFORGE_DATABASE_URL": url, **sandbox.address.environment}
        done("Restore into a database of your own", tmp_path, variables, block=1)
        restored = contents(url)
        assert [len(restored[region]) for region in DEFAULT_REGIONS] == [2, 2]
        goes_on(run, sandbox, variables, lambda: contents(url), restored)


@pytest.mark.usefixtures("short_home")
@pytest.mark.parametrize(
    "is_used", [pytest.param(False, id="new", marks=pytest.mark.slow), pytest.param(True, id="in use")]
)
def test_a_dump_of_a_database_of_your_own_goes_on_in_the_embedded_server(
    run: Run, sandbox: Sandbox, external: TestServer, tmp_path: Path, *, is_used: bool
) -> None:
    if is_used:
        # What is there is lost, as the page says, and doesn't mix with what is restored.
        assert run("collect", **{**EMBEDDED, **sandbox.address.environment}).exit_code == 0
        sandbox.advance()
    variables = {**EMBEDDED, **sandbox.address.environment}
    with external.migrated_database() as url:
        elsewhere = {"IRONFORGE_DATABASE_URL": url, "IRONFORGE_HOME": str(tmp_path / "elsewhere")}
        two_hours(run, sandbox, elsewhere)
        before = contents(url)
        done("Dump", tmp_path, elsewhere)
    done("Restore into the embedded server", tmp_path, variables)
    assert run("db", "start", **variables).exit_code == 0
    try:
        address = run("db", "url", **variables).stdout.strip()
        goes_on(run, sandbox, variables, lambda: contents(address), before)
    finally:
        assert run("db", "stop", **variables).exit_code == 0


@pytest.mark.slow
def test_a_dump_without_raw_snapshots_keeps_the_statistics(
    run: Run, sandbox: Sandbox, external: TestServer, tmp_path: Path
) -> None:
    with external.migrated_database() as url, external.empty_database() as other:
        variables = {"IRONFORGE_DATABASE_URL": url}
        two_hours(run, sandbox, variables)
        before = contents(url)
        done("A database of your own", tmp_path, variables)
        (tmp_path / "small.dump").rename(tmp_path / "ironforge.dump")
        variables = {"IRONFORGE_DATABASE_URL": other, **sandbox.address.environment}
        done("Restore into a database of your own", tmp_path, variables, block=1)
        after = contents(other)
        assert [after[region] for region in DEFAULT_REGIONS] == [[], []]
        assert (after["snapshots"], after["sales"]) == (before["snapshots"], before["sales"])
        sandbox.advance()
        assert run("collect", **{**variables, **sandbox.address.environment}).exit_code == 0
        assert [len(contents(other)[region]) for region in DEFAULT_REGIONS] == [1, 1]


@pytest.mark.slow
def test_a_dump_goes_from_server_to_server_and_back_whole(
    run: Run, external: TestServer, short_home: Path, tmp_path: Path
) -> None:
    """Beginning with a demo, whose schema was made anew: through three homes and a database of your own."""
    assert (
        run(
            "demo", "--hours", "2", "--days", "0", "--auctions", "500", "--home", str(short_home.parent / "first")
        ).exit_code
        == 0
    )
    homes = [{**EMBEDDED, "IRONFORGE_HOME": str(short_home.parent / name)} for name in ("first", "second", "third")]
    with external.empty_database() as url:
        chain = [*homes[:2], {"IRONFORGE_DATABASE_URL": url}, homes[2]]
        held: list[dict[str, list[tuple[Any, ...]]]] = []
        for number, variables in enumerate(chain):
            if number:
                done_well(run, "db", "restore", str(tmp_path / f"{number - 1}.dump"), **variables)
            done_well(run, "db", "dump", str(tmp_path / f"{number}.dump"), **variables)
            with server_of(run, variables) as address:
                held.append(contents(address))
    assert [len(held[0][region]) for region in DEFAULT_REGIONS] == [2, 2]
    assert held[1:] == held[:1] * 3


def test_a_dump_takes_the_place_of_no_file_and_leaves_none_when_it_fails(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    there, new = tmp_path / "there.dump", tmp_path / "new.dump"
    there.write_text("precious")
    refused = run("db", "dump", str(there), IRONFORGE_DATABASE_URL=database_url)
    assert (refused.exit_code, there.read_text()) == (2, "precious")
    failed = run("db", "dump", str(new), IRONFORGE_DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert failed.exit_code == 74
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(("dump", "part"))] == ["there.dump"]


def test_a_restoration_leaves_alone_what_is_there_unless_the_dump_is_whole(
    run: Run, server: TestServer, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.dump", tmp_path / "cut.dump"
    with server.migrated_database() as source, server.migrated_database() as target:
        for url, note in ((source, "old"), (target, "new")):
            with psycopg.connect(conninfo(url)) as connection:
                connection.execute("INSERT INTO items (id, item_name) VALUES (7, %s)", [note])
        done_well(run, "db", "dump", str(whole), IRONFORGE_DATABASE_URL=source)
        assert whole.stat().st_mode & 0o777 == 0o600
        cut.write_bytes(whole.read_bytes()[:-400])
        to = {"IRONFORGE_DATABASE_URL": target}
        assert run("db", "restore", str(whole), **to).exit_code == 2
        assert run("db", "restore", "--replace", str(cut), **to).exit_code != 0
        assert run("db", "restore", "--replace", str(Path(__file__)), **to).exit_code == 2
        assert names(target) == ["new"]
        done_well(run, "db", "restore", "--replace", str(whole), **to)
        assert names(target) == ["old"]


def test_nothing_secret_stands_in_what_a_program_is_called_with(tmp_path: Path) -> None:
    programs = ClientPrograms(None, "postgresql://me:hidden@db.example/prices?sslmode=require", {"PGHOST": "other"})
    assert "hidden" not in programs.rest()
    assert (programs.variables()["PGPASSWORD"], programs.variables()["PGHOST"]) == ("hidden", "db.example")
    with pytest.raises(ConfigurationError, match="psql was not found"):
        ClientPrograms(tmp_path, "postgresql://db.example/x", {"PATH": str(tmp_path)}).path("psql")


def names(url: str) -> list[str]:
    with psycopg.connect(conninfo(url)) as connection:
        return [name for (name,) in connection.execute("SELECT item_name FROM items").fetchall()]


def done_well(run: Run, *arguments: str, **variables: str) -> None:
    ended = run(*arguments, **variables)
    assert ended.exit_code == 0, ended.stderr


@contextmanager
def server_of(run: Run, variables: Mapping[str, str]) -> Generator[str]:
    """The address of a database, whose server runs meanwhile."""
    if not variables["IRONFORGE_DATABASE_URL"]:
        done_well(run, "db", "start", **variables)
    yield run("db", "url", **variables).stdout.strip()
    if not variables["IRONFORGE_DATABASE_URL"]:
        done_well(run, "db", "stop", **variables)
