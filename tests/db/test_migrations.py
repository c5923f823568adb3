from __future__ import annotations

import ast
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from ironforge_cli.db import revisions
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import IronforgeError
from tests.db.catalog import alembic, catalog

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.servers import TestServer

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = sorted((ROOT / "alembic" / "versions").glob("*.py"))


@pytest.fixture
def empty(server: TestServer) -> Generator[Database]:
    """A database without a schema."""
    with server.empty_database() as url:
        opened = Database(url)
        yield opened
        opened.close()


def imported(source: str) -> set[str]:
    """The packages that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(f"{'.' * node.level}{node.module or ''}")
    return {name.partition(".")[0] for name in names}


def test_there_are_migrations_and_each_has_a_dated_name() -> None:
    assert MIGRATIONS
    assert all(re.fullmatch(r"\d{8}_\d{4}_[a-z0-9_]+\.py", path.name) for path in MIGRATIONS)
    assert revisions.revisions() == [path.name[:13] for path in MIGRATIONS]


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_runs_as_it_was_written_whatever_the_package_becomes(path: Path) -> None:
    source = path.read_text()
    assert imported(source) <= {"__future__", "alembic", "sqlalchemy", "datetime", "typing"}
    assert f'revision = "{path.name[:13]}"' in source
    assert ast.get_docstring(ast.parse(source))


def test_the_folder_of_migrations_does_not_hide_the_library() -> None:
    assert not list((ROOT / "alembic").rglob("__init__.py"))
    assert hasattr(command, "upgrade")


def test_a_wheel_brings_the_migrations_and_uses_its_own(tmp_path: Path, empty: Database) -> None:
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv, which builds the wheel, is not installed")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path, ROOT], check=True)
    # Alembic expands percent signs, and a shell splits at spaces.
    installed = tmp_path / "100% of it"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        wheel.extractall(installed)
    carried = {name for name in names if name.startswith("ironforge_cli/_migrations/")}
    assert carried == {
        f"ironforge_cli/_migrations/{name}"
        for name in ("env.py", "big_indexes.py", "script.py.mako", *(f"versions/{path.name}" for path in MIGRATIONS))
    }
    assert not [name for name in names if name.startswith("alembic")]
    program = (
        "import sys; from ironforge_cli.db import revisions, schema; from ironforge_cli.db.engine import Database;"
        " database = Database(sys.argv[1]); schema.upgrade(database); database.close();"
        " print(revisions.migrations_folder())"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, empty.url],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )
    assert found.stdout.strip() == str(installed / "ironforge_cli" / "_migrations")
    with empty.connect() as connection:
        assert revisions.version(connection).is_current


def test_an_installation_without_its_migrations_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "__file__", str(tmp_path / "ironforge_cli" / "db" / "revisions.py"))
    revisions.migrations_folder.cache_clear()
    try:
        with pytest.raises(IronforgeError, match="install ironforge-cli again"):
            revisions.migrations_folder()
    finally:
        revisions.migrations_folder.cache_clear()


def test_the_printed_statements_make_the_same_schema(empty: Database, database: Database) -> None:
    printed = io.StringIO()
    config = Config(output_buffer=printed)
    config.set_main_option("script_location", str(revisions.migrations_folder()))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head", sql=True)
    with empty.connect(autocommit=True) as connection:
        connection.exec_driver_sql(printed.getvalue())
    assert catalog(empty) == catalog(database)


def test_a_new_migration_has_a_dated_name_the_policy_and_the_difference(database: Database, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "alembic", tmp_path / "alembic")
    with database.transaction() as connection:
        connection.execute(text("ALTER TABLE items DROP quality"))
    with alembic(database, Config(ROOT / "alembic.ini")) as config:
        config.set_main_option("script_location", str(tmp_path / "alembic"))
        command.revision(config, "Say how rare an item is", autogenerate=True)
    (path,) = {*(tmp_path / "alembic" / "versions").glob("2*.py")} - {
        tmp_path / "alembic" / "versions" / migration.name for migration in MIGRATIONS
    }
    assert re.fullmatch(r"\d{8}_\d{4}_say_how_rare_an_item_is\.py", path.name)
    source = path.read_text()
    compile(source, path, "exec")
    assert "never import the package" in source
    assert f'revision = "{path.name[:13]}"'.replace('"', "'") in source
    assert f"down_revision = '{revisions.head()}'" in source
    assert "op.add_column('items', sa.Column('quality'" in source
    assert "op.drop_column('items', 'quality')" in source


def test_alembics_own_command_line_wants_to_be_told_the_database(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "alembic", "-c", ROOT / "alembic.ini", "current"]
    environment = {key: value for key, value in os.environ.items() if not key.endswith("DATABASE_URL")}
    refused = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert refused.returncode == 1
    assert "Set IRONFORGE_DATABASE_URL" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_alembics_own_command_line_finds_the_database_by_the_setting(database: Database, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "alembic", "-c", ROOT / "alembic.ini", "current"]
    environment = {**os.environ, "IRONFORGE_DATABASE_URL": database.url}
    found = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    assert found.stdout.strip() == f"{revisions.head()} (head)"
