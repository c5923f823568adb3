from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from ironforge_cli.db import revisions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.servers import TestServer

NOBODY = "postgresql://me:hidden@127.0.0.1:1/x"


def test_an_operator_s_database_is_upgraded_by_command_alone(run: Run, server: TestServer) -> None:
    with server.empty_database() as url:
        before = run("db", "current", "--format", "json", IRONFORGE_DATABASE_URL=url)
        assert before.exit_code == 78
        assert json.loads(before.stdout) == [{"current": None, "head": revisions.head(), "is_current": False}]
        assert "ironforge db upgrade" in before.stderr
        assert "not there" in run("db", "current", IRONFORGE_DATABASE_URL=url).stdout

        upgraded = run("db", "upgrade", IRONFORGE_DATABASE_URL=url)
        assert (upgraded.exit_code, upgraded.stderr) == (0, "")
        assert upgraded.stdout.endswith(f"the schema is {revisions.head()}; it was not there.\n")
        assert "as it was" in run("db", "upgrade", IRONFORGE_DATABASE_URL=url).stdout

        after = run("db", "current", "--format", "json", IRONFORGE_DATABASE_URL=url)
        assert (after.exit_code, after.stderr) == (0, "")
        assert json.loads(after.stdout) == [{"current": revisions.head(), "head": revisions.head(), "is_current": True}]


@pytest.mark.parametrize("command", ["current", "upgrade"])
def test_a_database_that_is_away_is_exit_code_74(run: Run, command: str) -> None:
    ended = run("db", command, IRONFORGE_DATABASE_URL=NOBODY)
    assert (ended.exit_code, ended.stdout) == (74, "")
    assert "127.0.0.1:1" in ended.stderr
    assert "hidden" not in ended.stderr


@pytest.mark.parametrize("command", ["current", "upgrade"])
@pytest.mark.parametrize("url", ["postgresql://h:port/x", "mysql://h/x"])
def test_an_address_that_is_no_database_s_is_exit_code_78(run: Run, command: str, url: str) -> None:
    ended = run("db", command, IRONFORGE_DATABASE_URL=url)
    assert (ended.exit_code, ended.stdout) == (78, "")
    assert "IRONFORGE_DATABASE_URL" in ended.stderr


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("postgresql://me:p%40ss@h:5433/x?sslmode=require", "postgresql://me:p%40ss@h:5433/x?sslmode=require"),
        ("postgresql+psycopg://me@h/x", "postgresql://me@h/x"),
        ("postgres://me@h/x", "postgres://me@h/x"),
        ("host=h dbname=x", "host=h dbname=x"),
    ],
)
@pytest.mark.parametrize("variable", ["IRONFORGE_DATABASE_URL", "DATABASE_URL"])
def test_the_url_is_one_that_psql_takes(run: Run, variable: str, url: str, printed: str) -> None:
    shown = run("db", "url", **{variable: url})
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, f"{printed}\n", "")


@pytest.mark.parametrize("command", ["start", "stop"])
def test_an_operator_s_server_is_not_started_or_stopped(run: Run, command: str) -> None:
    refused = run("db", command, DATABASE_URL=NOBODY)
    assert (refused.exit_code, refused.stdout) == (78, "")
    assert "DATABASE_URL" in refused.stderr


def test_the_embedded_server_starts_stays_and_stops(run: Run, short_home: Path) -> None:
    upgraded = run("db", "upgrade")
    assert upgraded.exit_code == 0
    assert "it was not there" in upgraded.stdout
    assert run("db", "stop").stdout == "The embedded server was not running.\n"

    started = run("db", "start")
    url = run("db", "url").stdout.strip()
    assert started.stdout == f"The embedded server runs: {url}\n"
    assert str(short_home) in url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(revisions.head(),)]
    assert "as it was" in run("db", "upgrade").stdout
    assert run("db", "current").exit_code == 0
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]

    assert run("db", "stop").stdout == "The embedded server has stopped.\n"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    assert run("db", "stop").exit_code == 0


def test_a_shell_is_psql_on_the_database_in_use_and_its_failure_is_told(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    written = tmp_path / "answer"
    asked = ("-At", "-o", str(written), "-c", "SELECT count(*) FROM snapshots")
    assert run("db", "shell", "--", *asked, IRONFORGE_DATABASE_URL=database_url).exit_code == 0
    assert written.read_text() == "0\n"
    failed = run("db", "shell", "--", "-c", "nonsense", IRONFORGE_DATABASE_URL=database_url)
    assert failed.exit_code == 74
    assert "psql ended with exit code 1" in failed.stderr
