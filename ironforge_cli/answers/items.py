"""Naming items: by number, by name, and what a text can mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.answers.answer import WEEK, MarketAnswer, basis_of, first
from ironforge_cli.db.repositories import asking, item_names, sold_units
from ironforge_cli.errors import NothingThereError, UsageError
from ironforge_cli.market.naming import folded, holding, holding_any, meant, nearest
from ironforge_cli.regions import Region
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.db.repositories.item_names import NamedItem
    from ironforge_cli.db.transactions import Transaction

# Python itself refuses to read numbers of thousands of digits.
_MOST_DIGITS: Final = 20


@dataclass(frozen=True, slots=True)
class Found:
    """An item that a text can mean."""

    item_id: int
    name: str | None
    rank: int | None
    item_level: int | None
    item_class: str | None
    quality: str | None
    total_quantity: int | None
    """Units for sale in the newest snapshots of the regions asked for; None where none is stored."""


def all_of(connection: Transaction, regions: Iterable[Region], words: Iterable[str]) -> list[NamedItem]:
    """The items that words name, in their order, each once. Raises `UsageError` where one names none."""
    words = list(dict.fromkeys(word.strip() for word in words))
    # Numbers need no other names than their own, and there are many.
    own = item_names.named(connection, words) if all(_is_number(word) for word in words) else None
    meant_by = _meaning(connection, regions, item_names.all_named(connection) if own is None else own)
    found: dict[int, NamedItem] = {}
    for word in words:
        for item in meant_by(word):
            found[item.item_id] = item
    return list(found.values())


def _meaning(
    connection: Transaction, regions: Iterable[Region], named: Mapping[int, NamedItem]
) -> Callable[[str], Sequence[NamedItem]]:
    """What words name, by names that were read once. The function raises `UsageError` where a word names nothing."""
    names = {number: item.name for number, item in named.items() if item.name is not None}
    exact: dict[str, list[int]] = {}
    for number, name in names.items():
        exact.setdefault(folded(name), []).append(number)

    def meant_by(given: str) -> Sequence[NamedItem]:
        word = given.strip()
        if _is_number(word) and _is_known(connection, regions, int(word), named):
            # A number is an item's own before it is what another may be called.
            return [named.get(int(word)) or item_names.NamedItem.without_name(int(word))]
        # Lists of thousands of names come by a pipe: whole names are looked up, and only others are searched for.
        whole = sorted(exact.get(folded(word), ()))
        return [named[number] for number in whole] if whole else _searched(word, named, names)

    return meant_by


def single(connection: Transaction, regions: Iterable[Region], word: str) -> NamedItem:
    """The one item that a word names. Raises `UsageError` where it names none or several."""
    return _only(word, all_of(connection, regions, [word]))


def each_single(connection: Transaction, regions: Iterable[Region]) -> Callable[[str], NamedItem]:
    """The same for many words, by names that are read once."""
    meant_by = _meaning(connection, regions, item_names.all_named(connection))
    return lambda word: _only(word, meant_by(word))


def _only(word: str, found: Sequence[NamedItem]) -> NamedItem:
    if len(found) > 1:
        several = counted(len(found), "item")
        raise UsageError(f'"{word}" names {several}: {_listed(found)}. Say which one by its number.')
    return found[0]


def find(asking_for: Asking, texts: Sequence[str], *, limit: int) -> MarketAnswer[Found]:
    """What texts can mean: the items whose names hold it, or the one of a number; what sold most in 7 days first."""
    with asking.reading(asking_for.database) as connection:
        named = item_names.all_named(connection)
        bases = tuple(basis_of(connection, asking_for, region, over=WEEK) for region in asking_for.regions)
        names = {number: item.name for number, item in named.items() if item.name is not None}
        words = [text.strip() for text in texts]
        meant_by_any = holding_any((word for word in words if not _is_number(word)), names)
        numbers = {int(word) for word in words if _is_number(word)}
        meant_by_any |= {number for number in numbers if _is_known(connection, asking_for.regions, number, named)}
        chosen = sorted(meant_by_any)
        sold = dict.fromkeys(chosen, 0.0)
        quantity: dict[int, int | None] = dict.fromkeys(chosen)
        for basis in bases:
            if basis.snapshot_time is None or basis.since is None or not chosen:
                continue
            sales = sold_units.sales(connection, basis.region, basis.since, basis.snapshot_time, items=chosen)
            for number, units in zip(sales.item_id.tolist(), sales.estimated.tolist(), strict=True):
                sold[number] += units
            newest = asking.newest_prices(connection, basis.region, basis.snapshot_time)
            places = np.searchsorted(newest.item_id, chosen)
            for number, place in zip(chosen, places.tolist(), strict=True):
                is_there = place < len(newest.item_id) and newest.item_id[place] == number
                quantity[number] = (quantity[number] or 0) + (int(newest.total_quantity[place]) if is_there else 0)
    rows = [
        Found(
            item_id=number,
            name=named[number].name if number in named else None,
            rank=named[number].rank if number in named else None,
            item_level=named[number].item_level if number in named else None,
            item_class=named[number].item_class if number in named else None,
            quality=named[number].quality if number in named else None,
            total_quantity=quantity[number],
        )
        for number in sorted(chosen, key=lambda number: (-sold[number], number))
    ]
    return MarketAnswer(rows=first(rows, limit), bases=bases)


def every_item(asking_for: Asking, chosen: Sequence[int] | None = None) -> MarketAnswer[Found]:
    """Every item that has a name or is for sale in the newest snapshots, or the chosen ones, by rising number."""
    with asking.reading(asking_for.database) as connection:
        named = item_names.all_named(connection)
        bases = tuple(basis_of(connection, asking_for, region) for region in asking_for.regions)
        there: dict[int, int] = {}
        for basis in bases:
            if basis.snapshot_time is not None:
                newest = asking.newest_prices(connection, basis.region, basis.snapshot_time)
                for number, units in zip(newest.item_id.tolist(), newest.total_quantity.tolist(), strict=True):
                    there[number] = there.get(number, 0) + units
    absent = 0 if any(basis.snapshot_time is not None for basis in bases) else None
    rows: list[Found] = []
    for number in sorted({*named, *there} if chosen is None else chosen):
        item = named.get(number) or item_names.NamedItem.without_name(number)
        facts = (item.name, item.rank, item.item_level, item.item_class, item.quality)
        rows.append(Found(number, *facts, total_quantity=there.get(number, absent)))
    return MarketAnswer(rows=tuple(rows), bases=bases)


def with_its_ranks(asking_for: Asking, item_id: int) -> MarketAnswer[Found]:
    """An item with those that share its name, as ranks do: itself first, then by rank. Raises `NothingThereError`."""
    with asking.reading(asking_for.database) as connection:
        named = item_names.all_named(connection)
        if not _is_known(connection, asking_for.regions, item_id, named):
            raise NothingThereError(f"There is no item {item_id} among what is stored.")
    own = named.get(item_id)
    same = folded(own.name) if own is not None and own.name is not None else None
    numbers = [
        number
        for number, item in named.items()
        if number != item_id and same is not None and item.name is not None and folded(item.name) == same
    ]
    found = find(asking_for, [str(number) for number in (item_id, *numbers)], limit=0)
    rows = sorted(found.rows, key=lambda row: (row.item_id != item_id, row.rank is None, row.rank or 0, row.item_id))
    return MarketAnswer(rows=tuple(rows), bases=found.bases)


def _searched(word: str, named: Mapping[int, NamedItem], names: Mapping[int, str]) -> Sequence[NamedItem]:
    if _is_number(word):
        raise NothingThereError(f"There is no item {int(word)} among what is stored. `ironforge find` looks for names.")
    numbers = meant(word, names)
    if not numbers:
        near = nearest(word, names)
        if not names:
            raise NothingThereError(
                f'No item has a name yet: give the number of "{word}", or run `ironforge seed items`.'
            )
        # As `meant` does it: a beginning or a part that several names have means none of them.
        several = len({folded(names[number]) for number in holding(word, names)})
        listed = ", ".join(near)
        if several > 1:
            raise UsageError(
                f'"{word}" is a part of {counted(several, "name")}: {listed}{_more(several, near)}. Say more.'
            )
        also = f" Near it: {listed}." if near else " `ironforge find` looks for parts of names."
        raise NothingThereError(f'"{word}" names no item.{also}')
    return [named[number] for number in numbers]


def _more(several: int, named: Sequence[str]) -> str:
    return ", …" if several > len(named) else ""


def called(found: Iterable[NamedItem]) -> tuple[str, ...]:
    """What items are called, each name once; `item 123` where there is none."""
    return tuple(dict.fromkeys(item.name or f"item {item.item_id}" for item in found))


def _listed(found: Sequence[NamedItem]) -> str:
    return ", ".join(f"{item.item_id} (R{item.rank or '?'})" for item in found)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS


def _is_known(connection: Transaction, regions: Iterable[Region], number: int, named: Mapping[int, NamedItem]) -> bool:
    # What another region alone has is an item all the same: it is known to be absent here.
    everywhere = dict.fromkeys((*regions, *Region))
    return number in named or any(item_names.was_ever_for_sale(connection, region, number) for region in everywhere)
