"""The table of what watches remember. `models.py` makes it part of the schema."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP


def watch_states(metadata: MetaData) -> Table:
    """What each watch remembers."""
    return Table(
        "watch_states",
        metadata,
        Column("watch", Text, primary_key=True, comment="the path of the file of rules, or the rule of the arguments"),
        Column(
            "state",
            JSONB,
            nullable=False,
            comment="which rules are armed, what was told, and what waits to be delivered; no address in full",
        ),
        Column(
            "updated_at",
            TIMESTAMP(timezone=True),
            nullable=False,
            server_default=func.now(),
            comment="when it was last written",
        ),
        comment="What `ironforge watch` remembers from run to run",
    )
