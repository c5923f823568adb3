"""How a database gets the migrations that it lacks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from ironforge_cli.db import revisions
from ironforge_cli.db.engine import executor

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.revisions import SchemaVersion

# Alembic keeps the migration at work in variables of its modules. Processes take turns by a lock of the database.
_alembic_in_use: Final = threading.Lock()

_execute = executor("schema")


def upgrade(database: Database) -> SchemaVersion:
    """Run the migrations that a database lacks and return what it had before. Safe to run at the same time twice.

    Raises `ConfigurationError` where the schema is newer than this program, or another program's.
    """
    with database.connect() as connection:
        before = revisions.version(connection)
        connection.rollback()
        if before.is_current:
            return before
        revisions.require_upgradable(before)
        # Alembic takes as long to import as everything else together, and most runs have nothing to migrate.
        from alembic.command import upgrade as run_migrations  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        # Alembic expands percent signs, which a folder's name can hold.
        config.set_main_option("script_location", str(revisions.migrations_folder()).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        with _alembic_in_use:
            run_migrations(config, "head")
    return before


def start_anew(database: Database) -> None:
    """Throw away everything in a database that is nobody's but the demo's, and make the schema again."""
    with database.transaction() as connection:
        _execute(connection, text("DROP SCHEMA public CASCADE"))
        _execute(connection, text("CREATE SCHEMA public"))
    upgrade(database)
