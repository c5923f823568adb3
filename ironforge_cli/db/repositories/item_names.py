"""Names, levels and ranks of items, as questions need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self
from weakref import WeakKeyDictionary

from ironforge_cli.db.table_names import PRICE_DAYS, PRICE_STATS
from ironforge_cli.db.transactions import reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

_LARGEST = 2**31 - 1
_ANY = "item_id = %(item)s"
_MANY: Final = 200
_read = reader("item names")
# By the connection or the session of a look.
_KEPT: Final[WeakKeyDictionary[Transaction, dict[int, NamedItem] | None]] = WeakKeyDictionary()


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


_NAMED: Final = (
    "SELECT id, item_name, newest.rank, item_level, item_class, quality FROM items LEFT JOIN LATERAL ("
    "SELECT rank FROM item_ranks WHERE item_id = id ORDER BY noted_at DESC, source LIMIT 1) AS newest ON TRUE"
)
_ALL: Final = (
    "SELECT id, item_name, newest.rank, item_level, item_class, quality FROM items LEFT JOIN ("
    "SELECT DISTINCT ON (item_id) item_id, rank FROM item_ranks ORDER BY item_id, noted_at DESC, source"
    ") AS newest ON item_id = id"
)
_SOME: Final = f"{_NAMED} WHERE id = ANY(%(ids)s::int4[]) OR item_name = ANY(%(names)s::text[])"
_OF_ITEMS: Final = f"{_NAMED} WHERE id = ANY(%(ids)s::int4[])"


def keep_names(connection: Transaction) -> None:
    """Let a look at the database read the names once, whoever asks for them; it has to be of one moment."""
    _KEPT[connection] = None


def forget_names(connection: Transaction) -> None:
    """A look has ended: what it kept is forgotten."""
    _KEPT.pop(connection, None)


def all_named(connection: Transaction) -> dict[int, NamedItem]:
    """Every item that is seeded, by number."""
    kept = _KEPT.get(connection)
    if kept is not None:
        return kept
    found = {row[0]: NamedItem(*row) for row in _read(connection, _ALL)}
    if connection in _KEPT:
        _KEPT[connection] = found
    return found


def of_items(connection: Transaction, numbers: Sequence[int]) -> dict[int, NamedItem]:
    """Each of some items, also those that are not seeded."""
    if len(numbers) > _MANY or _KEPT.get(connection) is not None:
        found = all_named(connection)
    else:
        found = {row[0]: NamedItem(*row) for row in _read(connection, _OF_ITEMS, {"ids": list(numbers)})}
    return {number: found.get(number) or NamedItem.without_name(number) for number in numbers}


def named(connection: Transaction, numbers: Sequence[str]) -> dict[int, NamedItem] | None:
    """The seeded items of some numbers, as they are written, and those that bear such a number as their name.

    None where they are so many that all are looked up quicker.
    """
    if len(numbers) > _MANY:
        return None
    ids = [number for number in map(int, numbers) if number <= _LARGEST]
    return {row[0]: NamedItem(*row) for row in _read(connection, _SOME, {"ids": ids, "names": list(numbers)})}


def was_ever_for_sale(connection: Transaction, region: Region, item_id: int) -> bool:
    """Whether a snapshot or a day whose statistics are held had an item."""
    if item_id > _LARGEST:
        return False
    hours, days = PRICE_STATS[region], PRICE_DAYS[region]
    newest = "(SELECT max(snapshot_time) FROM snapshots WHERE region = %(region)s)"
    # Whatever is asked for is nearly always in the newest snapshot, which is a look-up.
    for table, where in ((hours, f"timestamp = {newest} AND item_id = %(item)s"), (days, _ANY), (hours, _ANY)):
        statement = f"SELECT EXISTS (SELECT FROM {table} WHERE {where})"  # noqa: S608 - names of our own
        ((is_there,),) = _read(connection, statement, {"item": item_id, "region": region})
        if is_there:
            return True
    return False
