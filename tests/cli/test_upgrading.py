"""What docs/upgrading.md says of a newer version happens, with a migration that a next version could bring."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from ironforge_cli.db import revisions
from ironforge_cli.db.engine import conninfo
from ironforge_cli.regions import DEFAULT_REGIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Result, Run
    from tests.servers import TestServer

NEWER = "20990101_0000"
MIGRATION = f'''"""A column that the next version brings."""

from alembic import op

revision = "{NEWER}"
down_revision = "{revisions.head()}"


def upgrade() -> None:
    op.execute("ALTER TABLE snapshots ADD COLUMN of_the_next_version int")
'''


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Callable[[], None]]:
    """Install the next version; what is returned takes it away again."""
    present = revisions.migrations_folder

    def install() -> Callable[[], None]:
        folder = tmp_path / "migrations"
        shutil.copytree(revisions.migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / f"{NEWER}_next.py").write_text(MIGRATION)
        monkeypatch.setattr(revisions, "migrations_folder", lambda: folder)
        return lambda: monkeypatch.setattr(revisions, "migrations_folder", present)

    return install


@pytest.fixture
def collect(run: Run, make_sandbox: Callable[..., Sandbox]) -> Callable[..., Result]:
    """Collect once; `advance` publishes an hour before."""
    sandbox = make_sandbox(starts_at=datetime.now(tz=UTC) - timedelta(hours=3))

    def once(*, advance: bool = False, **variables: str) -> Result:
        if advance:
            sandbox.advance()
        return run("collect", **variables, **sandbox.address.environment)

    return once


def stored(url: str) -> int:
    with psycopg.connect(conninfo(url)) as connection:
        row = connection.execute("SELECT count(*) FROM snapshots").fetchone()
    assert row is not None
    return row[0]


def test_a_database_of_your_own_is_upgraded_when_you_say_so_and_goes_on(
    run: Run, collect: Callable[..., Result], any_server: TestServer, next_version: Callable[[], Callable[[], None]]
) -> None:
    with any_server.migrated_database() as url:
        variables = {"IRONFORGE_DATABASE_URL": url}
        assert collect(**variables).exit_code == 0
        next_version()
        refused = collect(advance=True, **variables)
        assert refused.exit_code == 78
        assert "ironforge db upgrade" in refused.stderr
        assert stored(url) == len(DEFAULT_REGIONS)
        assert run("db", "current", **variables).exit_code == 78
        assert run("db", "upgrade", **variables).exit_code == 0
        assert run("db", "current", **variables).exit_code == 0
        assert collect(**variables).exit_code == 0
        assert collect(**variables).exit_code == 0
        assert stored(url) == 2 * len(DEFAULT_REGIONS)


def test_a_version_that_is_older_than_the_schema_stores_nothing_and_says_why(
    run: Run, collect: Callable[..., Result], database_url: str, next_version: Callable[[], Callable[[], None]]
) -> None:
    variables = {"IRONFORGE_DATABASE_URL": database_url}
    take_away = next_version()
    assert run("db", "upgrade", **variables).exit_code == 0
    assert collect(**variables).exit_code == 0
    take_away()
    refused = collect(advance=True, **variables)
    assert refused.exit_code == 78
    assert "is newer than this ironforge" in refused.stderr
    assert stored(database_url) == len(DEFAULT_REGIONS)


@pytest.mark.usefixtures("short_home")
def test_the_embedded_database_is_upgraded_by_the_first_command_that_uses_it(
    run: Run, collect: Callable[..., Result], next_version: Callable[[], Callable[[], None]]
) -> None:
    assert collect().exit_code == 0
    next_version()
    assert collect(advance=True).exit_code == 0
    shown = run("db", "current", "--format", "json")
    assert (shown.exit_code, NEWER in shown.stdout) == (0, True)
