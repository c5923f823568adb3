"""Naming what is crafted: a recipe by its number or name, or an item that recipes make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ironforge_cli.answers import items as naming
from ironforge_cli.answers.craft_evidence import Told, best_made
from ironforge_cli.db.repositories import asking, crafting, item_names
from ironforge_cli.errors import NothingThereError, UsageError
from ironforge_cli.market.naming import folded, nearest
from ironforge_cli.market.naming import meant as named_by

if TYPE_CHECKING:
    from ironforge_cli.answers.answer import Asking

_MOST_DIGITS: Final = 20


def meant(asking_for: Asking, word: str) -> tuple[frozenset[int] | None, frozenset[int] | None]:
    """The recipes that a word names, or else the items whose recipes are meant; the other is None.

    Raises `UsageError` where it names neither, or an item that nothing makes.
    """
    with asking.reading(asking_for.database) as connection:
        rows = crafting.recipe_rows(connection)
        names = {row.id: row.name for row in rows if row.name}
        if not rows:
            raise NothingThereError("No recipe is stored yet: `ironforge seed all` fetches them.")
        ids = {row.id for row in rows}
        if word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS and int(word) in ids:
            return frozenset({int(word)}), None
        exact = {number for number, name in names.items() if folded(name) == folded(word)}
        if exact:
            return frozenset(exact), None
        made = set(best_made(Told(rows), crafting.output_columns(connection)).item_id.tolist())
        try:
            items = {one.item_id for one in naming.all_of(connection, asking_for.regions, [word])}
        except UsageError as error:
            loose = named_by(word, names)
            if loose:
                return frozenset(loose), None
            if word.isdigit():
                raise NothingThereError(f"No recipe has the number {word}. {error}") from error
            called = [*names.values(), *(one.name for one in item_names.all_named(connection).values() if one.name)]
            near = nearest(word, dict(enumerate(called)))
            also = f" Near it: {', '.join(near)}." if near else ""
            raise NothingThereError(f'"{word}" names no recipe and no item, or several.{also}') from error
    if not items & made:
        listed = ", ".join(map(str, sorted(items)))
        raise NothingThereError(f'"{word}" names the item {listed}, and no recipe that is stored is known to make it.')
    return None, frozenset(items)
