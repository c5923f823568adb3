"""The table of what watches remember, column by column. No server is needed."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql

from ironforge_cli.db.watching_tables import watch_states


def test_a_watch_has_one_state_and_the_time_of_its_writing() -> None:
    table = watch_states(MetaData())
    assert table.name == "watch_states"
    assert [
        (column.name, column.type.compile(postgresql.dialect()), column.primary_key, column.nullable)
        for column in table.columns
    ] == [
        ("watch", "TEXT", True, False),
        ("state", "JSONB", False, False),
        ("updated_at", "TIMESTAMP WITH TIME ZONE", False, False),
    ]
    assert str(getattr(table.c.updated_at.server_default, "arg", None)) == "now()"
    assert table.c.watch.server_default is table.c.state.server_default is None
    assert table.comment == "What `ironforge watch` remembers from run to run"
    assert all(column.comment for column in table.columns)
