"""Names, levels and ranks of items, as questions need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self
from weakref import WeakKeyDictionary

from sqlalchemy import text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_STATS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

_LARGEST = 2**31 - 1
_execute = executor("item names")
# By the connection, which is another object for each transaction, and forgotten with it.
_KEPT: Final[WeakKeyDictionary[Connection, dict[int, NamedItem] | None]] = WeakKeyDictionary()


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


def keep_names(connection: Connection) -> None:
    """Let a look at the database read the names once, whoever asks for them; it has to be of one moment."""
    _KEPT[connection] = None


def all_named(connection: Connection) -> dict[int, NamedItem]:
    """Every item that is seeded, by number."""
    kept = _KEPT.get(connection)
    if kept is not None:
        return kept
    found = _all_named(connection)
    if connection in _KEPT:
        _KEPT[connection] = found
    return found


def _all_named(connection: Connection) -> dict[int, NamedItem]:
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
    """Whether a snapshot whose statistics are held had an item."""
    if item_id > _LARGEST:
        return False
    statement = text(f"SELECT EXISTS (SELECT FROM {PRICE_STATS[region].name} WHERE item_id = :item)")  # noqa: S608 - ours
    return bool(_execute(connection, statement, {"item": item_id}).scalar_one())
