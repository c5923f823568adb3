"""Indexes on tables that are large and in use, made by migrations while others read and write them."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from ironforge_cli.db import revisions, schema
from ironforge_cli.db.engine import Database, conninfo
from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import DatabaseError
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.servers import TestServer

NEWER = "20990101_0000"
INDEX = "ix_of_the_next_version"
DAY = DailyPartition(Region.EU, date(2024, 1, 15))
IN_USE = {"eu_token_price": "(price, timestamp)", "auction_snapshots_eu": "(item_id)"}


def migration(table: str) -> str:
    return f'''"""An index that the next version brings."""

from alembic import op

revision = "{NEWER}"
down_revision = "{revisions.head()}"


def upgrade() -> None:
    op.build_index("{INDEX}", "{table}", "{IN_USE[table]}")


def downgrade() -> None:
    op.remove_index("{INDEX}")
'''


@pytest.fixture
def present(any_server: TestServer) -> Generator[Database]:
    """A database of the present schema, with a day and a row in each table that is to have an index."""
    with any_server.empty_database() as url:
        opened = Database(url)
        schema.upgrade(opened)
        with opened.transaction() as connection:
            partitions.create(connection, DAY)
            insert(connection)
        yield opened
        opened.close()


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    def install(table: str) -> Path:
        folder = tmp_path / "migrations"
        shutil.copytree(revisions.migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / f"{NEWER}_next.py").write_text(migration(table))
        monkeypatch.setattr(revisions, "migrations_folder", lambda: folder)
        return folder

    return install


def insert(connection: Any) -> None:
    connection.execute(
        text(
            "INSERT INTO auction_snapshots_eu"
            " SELECT '2024-01-15 01:00+00', 1 + count(*), 1, 1, 1, 'LONG', 0, 9 FROM auction_snapshots_eu"
        )
    )
    connection.execute(
        text(
            "INSERT INTO eu_token_price (timestamp, price)"
            " SELECT now() + count(*) * interval '1 s', 1 + count(*) FROM eu_token_price"
        )
    )


@contextmanager
def reading(database: Database) -> Generator[psycopg.Connection[Any]]:
    """Somebody whose transaction stays open, as a dump's."""
    with psycopg.connect(conninfo(database.url)) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM snapshots")
        yield reader


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.connect(autocommit=True) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def wait_for(database: Database, query: str) -> None:
    """Wait until a query finds something; the test's own end is the limit."""
    while not rows(database, query):
        time.sleep(0.02)


def is_valid(database: Database) -> list[tuple[Any, ...]]:
    return rows(database, f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{INDEX}')")


BUILDING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INDEX CONCURRENTLY%'"


def leave_invalid(database: Database, name: str, table: str, definition: str) -> None:
    """Cut a concurrent index off, as a lock time-out does beside a reader."""
    with reading(database), psycopg.connect(conninfo(database.url), autocommit=True) as cut_off:
        cut_off.execute("SET lock_timeout = '20ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            cut_off.execute(f'CREATE INDEX CONCURRENTLY "{name}" ON {table} {definition}'.encode())


@pytest.mark.parametrize("table", IN_USE)
@pytest.mark.parametrize("left_invalid", [False, True])
def test_an_index_is_built_beside_a_long_reader_whatever_an_earlier_try_left(
    present: Database, next_version: Callable[[str], Path], table: str, *, left_invalid: bool
) -> None:
    if left_invalid and table != "auction_snapshots_eu":
        leave_invalid(present, INDEX, table, IN_USE[table])
        assert is_valid(present) == [(False,)]
    next_version(table)
    with ThreadPoolExecutor(1) as pool:
        with reading(present):
            upgrading = pool.submit(schema.upgrade, present)
            wait_for(present, BUILDING)
            # Whoever collects is not kept waiting meanwhile.
            with present.transaction() as connection:
                connection.execute(text("SET LOCAL lock_timeout = '1s'"))
                insert(connection)
        upgrading.result()
    assert is_valid(present) == [(True,)]
    assert rows(present, "SELECT version_num FROM alembic_version") == [(NEWER,)]


def test_a_part_that_was_cut_off_is_mended_and_days_made_later_have_theirs(
    present: Database, next_version: Callable[[str], Path]
) -> None:
    next_version("auction_snapshots_eu")
    schema.upgrade(present)
    ((part,),) = rows(
        present, f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass('{INDEX}')"
    )
    with present.transaction() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{revisions.revisions()[-2]}'"))
        connection.execute(text(f'DROP INDEX "{INDEX}"'))
    leave_invalid(present, part, DAY.name, "(item_id)")
    schema.upgrade(present)
    assert is_valid(present) == [(True,)]
    with present.transaction() as connection:
        partitions.create(connection, DailyPartition(Region.EU, date(2024, 1, 16)))
    parts = rows(
        present,
        "SELECT indrelid::regclass::text, indisvalid FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid"
        f" WHERE inhparent = to_regclass('{INDEX}') ORDER BY 1",
    )
    assert parts == [(DAY.name, True), ("auction_snapshots_eu_2024_01_16", True)]


@pytest.mark.parametrize("table", IN_USE)
def test_an_index_that_is_there_is_not_built_again_and_its_way_back_can_be_gone_twice(
    present: Database, next_version: Callable[[str], Path], table: str
) -> None:
    next_version(table)
    schema.upgrade(present)
    before = rows(present, f"SELECT to_regclass('{INDEX}')::oid")
    with present.transaction() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{revisions.revisions()[-2]}'"))
    schema.upgrade(present)
    assert rows(present, f"SELECT to_regclass('{INDEX}')::oid") == before
    for _ in range(2):
        with present.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(revisions.migrations_folder()))
            config.set_main_option("path_separator", "os")
            config.attributes["connection"] = connection
            command.downgrade(config, "-1")
        with present.transaction() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{NEWER}'"))
    assert is_valid(present) == []


def test_a_day_that_others_use_keeps_the_short_patience(present: Database, next_version: Callable[[str], Path]) -> None:
    # What does keep others waiting is cut off as ever, and the next try goes on from there.
    folder = next_version("auction_snapshots_eu")
    environment = folder / "env.py"
    environment.write_text(environment.read_text().replace('LOCK_TIMEOUT = "10s"', 'LOCK_TIMEOUT = "20ms"'))
    with psycopg.connect(conninfo(present.url)) as writer:
        writer.execute("LOCK TABLE auction_snapshots_eu IN ROW EXCLUSIVE MODE")
        with pytest.raises(DatabaseError, match="lock"):
            schema.upgrade(present)
    schema.upgrade(present)
    assert is_valid(present) == [(True,)]


def test_two_upgrades_at_once_don_t_wait_for_each_other_for_ever(
    present: Database, next_version: Callable[[str], Path]
) -> None:
    folder = next_version("eu_token_price")
    program = (
        "import sys; from pathlib import Path; from ironforge_cli.db import revisions, schema;"
        " from ironforge_cli.db.engine import Database; revisions.migrations_folder = lambda: Path(sys.argv[2]);"
        " database = Database(sys.argv[1]); schema.upgrade(database); database.close()"
    )
    with reading(present):
        both = [
            subprocess.Popen([sys.executable, "-c", program, present.url, str(folder)], stderr=subprocess.PIPE)
            for _ in range(2)
        ]
        wait_for(present, BUILDING)
        wait_for(
            present,
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_xact_lock%' AND pid <> pg_backend_pid()",
        )
    for one in both:
        assert one.stderr is not None
        with one.stderr:
            assert one.stderr.read() == b""
        assert one.wait() == 0
    assert is_valid(present) == [(True,)]


def test_printed_statements_make_it_too(next_version: Callable[[str], Path]) -> None:
    folder = next_version("auction_snapshots_eu")
    printed = io.StringIO()
    config = Config(output_buffer=printed)
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head", sql=True)
    assert f'CREATE INDEX IF NOT EXISTS "{INDEX}" ON "auction_snapshots_eu" (item_id)' in printed.getvalue()
