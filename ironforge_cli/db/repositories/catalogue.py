"""Items, recipes and reagents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import ITEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from ironforge_cli.market import catalogue

_DESCRIPTION: Final = tuple(column.name for column in ITEMS.columns if not column.primary_key)

_execute = executor("catalogue")


def store_items(connection: Connection, items: Sequence[catalogue.Item]) -> None:
    """Write items, over what was known of them, in the caller's transaction; of one that comes twice, the last."""
    if not items:
        return
    statement = insert(ITEMS)
    changes: dict[str, Any] = {name: statement.excluded[name] for name in _DESCRIPTION}
    _execute(
        connection,
        statement.on_conflict_do_update(index_elements=[ITEMS.c.id], set_=changes),
        [
            {
                "id": item.id,
                "item_name": item.name,
                "item_level": item.level,
                "item_class": item.item_class,
                "item_subclass": item.item_subclass,
                "inventory_type": item.inventory_type,
                "is_equippable": item.is_equippable,
                "is_stackable": item.is_stackable,
                "quality": item.quality,
            }
            # Two who write the same items in one order wait for each other, and in two orders deadlock.
            for item in sorted(items, key=lambda item: item.id)
        ],
    )


def count_items(connection: Connection) -> int:
    """How many items are known."""
    return int(_execute(connection, select(func.count()).select_from(ITEMS)).scalar_one())
