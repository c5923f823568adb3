"""Names, levels and ranks of items, as questions need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sqlalchemy import text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

_LARGEST = 2**31 - 1
_ANY = "item_id = :item"
_execute = executor("item names")


@dataclass(frozen=True, slots=True)
class NamedItem:
    """An item with what people call it; None where it is not known."""

    item_id: int
    name: str | None
    rank: int | None
    """1 to 5: of several items of one name."""
    item_level: int | None
    item_class: str | None
    quality: str | None

    @classmethod
    def without_name(cls, item_id: int) -> Self:
        """An item of which the number alone is known."""
        return cls(item_id=item_id, name=None, rank=None, item_level=None, item_class=None, quality=None)


def all_named(connection: Connection) -> dict[int, NamedItem]:
    """Every item that is seeded, by number."""
    rows = _execute(
        connection,
        text(
            "SELECT id, item_name, newest.rank, item_level, item_class, quality FROM items LEFT JOIN ("
            "SELECT DISTINCT ON (item_id) item_id, rank FROM item_ranks ORDER BY item_id, noted_at DESC, source"
            ") AS newest ON item_id = id"
        ),
    )
    return {row[0]: NamedItem(*row) for row in rows}


def was_ever_for_sale(connection: Connection, region: Region, item_id: int) -> bool:
    """Whether a snapshot or a day whose statistics are held had an item."""
    if item_id > _LARGEST:
        return False
    hours, days = PRICE_STATS[region].name, PRICE_DAYS[region].name
    newest = "(SELECT max(snapshot_time) FROM snapshots WHERE region = :region)"
    # Whatever is asked for is nearly always in the newest snapshot, which is a look-up.
    for table, where in ((hours, f"timestamp = {newest} AND item_id = :item"), (days, _ANY), (hours, _ANY)):
        statement = text(f"SELECT EXISTS (SELECT FROM {table} WHERE {where})")  # noqa: S608 - names of our own
        if _execute(connection, statement, {"item": item_id, "region": region}).scalar_one():
            return True
    return False
