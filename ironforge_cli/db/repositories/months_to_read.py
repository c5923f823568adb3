"""Partitions of the hourly statistics as whoever reads them needs them: which there are, and how each lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.partition_bounds import EDGES, EDGES_OF
from ironforge_cli.db.table_names import PRICE_STATS
from ironforge_cli.db.transactions import reader
from ironforge_cli.market.statistics_months import StatisticsMonth

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

_TO_READ: Final = (
    "WITH tables AS ("  # noqa: S608 - made of constants
    " SELECT child.oid, child.relname, pg_get_expr(child.relpartbound, 0) AS bounds"
    " FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
    " WHERE inhparent = CAST(%(parent)s AS regclass)),"
    f" bounded AS (SELECT tables.*, {EDGES} FROM tables LEFT JOIN {EDGES_OF} ON true)"
    " SELECT relname, starts_at, ends_at, coalesce(obj_description(oid, 'pg_class'), ''),"
    "  has_table_privilege(oid, 'SELECT') FROM bounded ORDER BY starts_at NULLS FIRST, relname"
)
COMMENT: Final = re.compile(r"^ironforge: \w+ statistics of (\d{4}-\d{2}) \(UTC\)(?:, by item at change (\d+))?$")
_read = reader("months")


@dataclass(frozen=True, slots=True)
class MonthToRead:
    """A partition as whoever reads it needs it; its bounds are None where it has none."""

    name: str
    starts_at: datetime | None
    ends_at: datetime | None
    is_read_by_item: bool
    """Whether it lies by item, and this role may read it by its own name."""


def to_read(connection: Transaction, region: Region) -> list[MonthToRead]:
    """Every partition of a region's statistics, oldest first; their sizes, which cost more, are not looked up."""
    found: list[MonthToRead] = []
    for name, starts_at, ends_at, comment, may_read in _read(connection, _TO_READ, {"parent": PRICE_STATS[region]}):
        _, laid_at = told(region, name, starts_at, ends_at, comment)
        # Who was granted the whole table alone reads months through it, a look-up a snapshot.
        found.append(MonthToRead(name, starts_at, ends_at, is_read_by_item=laid_at is not None and may_read))
    return found


def told(
    region: Region, name: str, starts_at: datetime | None, ends_at: datetime | None, comment: str
) -> tuple[StatisticsMonth | None, int | None]:
    """What a partition's comment says: the month that it was made for, and at which change it was laid by item."""
    words = COMMENT.match(comment)
    if words is None:
        return None, None
    month = StatisticsMonth(region, date.fromisoformat(f"{words[1]}-01"))
    if (name, starts_at, ends_at) != (month.name, month.starts_at, month.ends_at):
        return None, None
    return month, int(words[2]) if words[2] else None
