"""The two roles of docs/sql/roles.sql: each may do its work, and nothing else."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from ironforge_cli.db.embedded.programs import find_bindir
from ironforge_cli.db.engine import conninfo
from ironforge_cli.db.models import whole_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Result, Run
    from tests.servers import TestServer

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "sql" / "roles.sql"
PROGRAMS = find_bindir(None, environment={})
OWNER, READER = "ironforge", "ironforge_reader"
PASSWORD = "only-for-tests"  # noqa: S105 - of roles that live as long as a test


@contextmanager
def with_roles(url: str) -> Generator[None]:
    """Make the two roles in a superuser's database for as long as the block lasts."""
    try:
        # Running it again changes nothing, as it says.
        for _ in range(2):
            run_script(url)
        with psycopg.connect(conninfo(url), autocommit=True) as connection:
            for role in (OWNER, READER):
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(PASSWORD))
                )
        yield
    finally:
        with (
            psycopg.connect(conninfo(url), autocommit=True) as connection,
            suppress(psycopg.errors.UndefinedObject),
        ):
            for role in (OWNER, READER):
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def prepared(any_server: TestServer) -> Generator[str]:
    """A database without a schema, with the two roles; the superuser's URL."""
    with any_server.empty_database() as url, with_roles(url):
        yield url


def by(role: str, url: str) -> str:
    """The same database as that role sees it."""
    head, _, tail = url.partition("://")
    return f"{head}://{role}:{PASSWORD}@{tail.rpartition('@')[2]}"


@pytest.fixture
def as_role(run: Run, prepared: str, make_sandbox: Callable[..., Sandbox]) -> Callable[..., Result]:
    """Run the program as one of the roles, beside a sandbox whose newest hour is this one."""
    sandbox = make_sandbox(starts_at=datetime.now(tz=UTC) - timedelta(hours=1))

    def called(role: str, *arguments: str) -> Result:
        return run(*arguments, IRONFORGE_DATABASE_URL=by(role, prepared), **sandbox.address.environment)

    return called


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_owner_may_do_all_that_cron_runs(as_role: Callable[..., Result], prepared: str) -> None:
    assert as_role(OWNER, "db", "upgrade").exit_code == 0
    collected = as_role(OWNER, "collect")
    assert (collected.exit_code, collected.stderr.count("ERROR")) == (0, 0)
    assert as_role(OWNER, "collect").exit_code == 0
    assert as_role(OWNER, "status", "--check").exit_code == 0
    made = rows(prepared, "SELECT tableowner FROM pg_tables WHERE tablename ~ '^auction_snapshots_eu_[0-9]'")
    assert made
    assert {owner for (owner,) in made} == {OWNER}


def test_the_reader_reads_all_that_the_owner_made_later(as_role: Callable[..., Result], prepared: str) -> None:
    assert as_role(OWNER, "db", "upgrade").exit_code == 0
    assert as_role(OWNER, "collect").exit_code == 0
    shown = as_role(READER, "status", "--check")
    assert (shown.exit_code, shown.stderr) == (0, "")
    # Each day by itself, too, as pg_dump and a curious person read it.
    for (partition,) in rows(prepared, "SELECT tablename FROM pg_tables WHERE tablename ~ '^auction_snapshots_'"):
        rows(by(READER, prepared), f"SELECT count(*) FROM {partition}")


def test_the_reader_may_write_nothing(as_role: Callable[..., Result], prepared: str) -> None:
    assert as_role(OWNER, "db", "upgrade").exit_code == 0
    refused = as_role(READER, "collect", "--region", "eu")
    assert refused.exit_code == 74
    assert "permission denied" in refused.stderr
    for statement in (
        "DELETE FROM snapshots",
        "UPDATE scraper_logs SET status = 'success'",
        "INSERT INTO items (id) VALUES (1)",
        "TRUNCATE benchmarks",
        "CREATE TABLE mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(by(READER, prepared), statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (x int)",
        "COPY (SELECT 1) TO '/tmp/mine'",
        "SELECT pg_read_file('postgresql.conf')",
        "ALTER SYSTEM SET fsync = off",
        "SELECT * FROM of_another",
        "DROP TABLE of_another",
    ],
)
def test_the_owner_may_do_nothing_else(prepared: str, statement: str) -> None:
    with psycopg.connect(conninfo(prepared), autocommit=True) as connection:
        connection.execute("CREATE TABLE of_another (x int)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(by(OWNER, prepared), statement)


def run_script(url: str) -> None:
    subprocess.run(
        [PROGRAMS / "psql", "--no-psqlrc", "--quiet", f"--file={SCRIPT}", conninfo(url)],
        check=True,
        capture_output=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
    )


def test_tables_that_another_role_made_become_the_owner_s_and_no_others(
    as_role: Callable[..., Result], run: Run, prepared: str
) -> None:
    # A superuser began: its tables, a day among them, are none of the owner's.
    assert run("db", "upgrade", IRONFORGE_DATABASE_URL=prepared).exit_code == 0
    assert run("partitions", "maintain", IRONFORGE_DATABASE_URL=prepared).exit_code == 0
    rows_by = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND relowner {} 'ironforge'::regrole ORDER BY 1 DESC"
    )
    with psycopg.connect(conninfo(prepared), autocommit=True) as connection:
        connection.execute("CREATE TABLE of_another (x int)")
        connection.execute("CREATE TABLE auction_snapshots_eu_2001_01_01 (x int)")
    assert as_role(OWNER, "collect").exit_code != 0
    run_script(prepared)
    assert rows(prepared, rows_by.format("<>")) == [("of_another",), ("auction_snapshots_eu_2001_01_01",)]
    collected = as_role(OWNER, "collect")
    assert (collected.exit_code, collected.stderr.count("ERROR")) == (0, 0)
    maintained = as_role(OWNER, "partitions", "maintain", "--ahead", "20")
    # A table of somebody's that bears a day's name is named, and left to a person.
    assert (maintained.exit_code, maintained.stderr.count("ERROR")) == (3, 1)
    assert "auction_snapshots_eu_2001_01_01" in maintained.stderr
    assert set(whole_schema().tables) | {"alembic_version"} <= {name for (name,) in rows(prepared, rows_by.format("="))}


def test_nobody_else_gets_into_the_database(prepared: str) -> None:
    with psycopg.connect(conninfo(prepared), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}'")
        try:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(conninfo(by("stranger", prepared)))
        finally:
            connection.execute("DROP ROLE stranger")
