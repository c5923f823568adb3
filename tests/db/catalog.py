"""What PostgreSQL's catalog says of a schema, and Alembic's own commands on a database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from sqlalchemy import text

from ironforge_cli.db import revisions

if TYPE_CHECKING:
    from collections.abc import Generator

    from ironforge_cli.db.engine import Database

# Everything that the catalog says of a schema, without the numbers that a new one gets.
CATALOG = {
    "columns": """
        SELECT relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
            pg_get_expr(adbin, adrelid), col_description(attrelid, attnum), attstorage
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
    """,
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "tables": """
        SELECT relname, relkind, relpersistence, pg_get_partkeydef(oid), obj_description(oid, 'pg_class') FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
    """,
    "labels": "SELECT enumtypid::regtype::text, enumsortorder, enumlabel FROM pg_enum",
}


def catalog(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    with database.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(text(query))), key=repr)
            for name, query in CATALOG.items()
        }


@contextmanager
def alembic(database: Database, config: Config | None = None) -> Generator[Config]:
    """What Alembic's own commands take to work on a database."""
    config = config or Config()
    config.set_main_option("script_location", str(revisions.migrations_folder()))
    config.set_main_option("path_separator", "os")
    with database.connect() as connection:
        config.attributes["connection"] = connection
        yield config
