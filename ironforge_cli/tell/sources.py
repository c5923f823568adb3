"""What can be exported: the rows of each kind, by what was asked for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.answers import crafts as crafts_of
from ironforge_cli.answers import items as naming
from ironforge_cli.answers.answer import Asking, basis_at
from ironforge_cli.answers.book import require_raw_held
from ironforge_cli.answers.crafted import Crafted
from ironforge_cli.answers.figured_crafts import Wanted
from ironforge_cli.answers.items import Found
from ironforge_cli.answers.recipe_parts import RecipePart, recipe_parts
from ironforge_cli.archive.exported import ValueType
from ironforge_cli.db.repositories import asking, exported_rows
from ironforge_cli.market.crafting import Crafter
from ironforge_cli.tell.exporting import QueryRows, RecordRows

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ironforge_cli.db.transactions import Transaction

_OF_TEXT: Final = {
    "int": ValueType.INT64,
    "float": ValueType.REAL,
    "str": ValueType.TEXT,
    "bool": ValueType.TRUTH,
    "datetime": ValueType.TIME,
    "Region": ValueType.TEXT,
    "tuple[str, ...]": ValueType.TEXTS,
}


@dataclass(frozen=True, slots=True)
class Span:
    """(since, until]: so long before a region's newest snapshot, or from a time on; None has no such end."""

    since: datetime | timedelta | None = None
    until: datetime | None = None

    def begins(self, end: datetime) -> datetime | None:
        """Its beginning, where it ends so."""
        return end - self.since if isinstance(self.since, timedelta) else self.since

    def ends(self, newest: datetime) -> datetime:
        """Its end, where the newest there is is so new."""
        return newest if self.until is None else min(newest, self.until)


@contextmanager
def statistics(asking_for: Asking, span: Span, words: Sequence[str]) -> Generator[QueryRows]:
    """What each stored snapshot says of each item. Raises `UsageError` where a word names no item."""
    with exported_rows.exporting(asking_for.database) as connection:
        newest = asking.newest_times(connection, asking_for.regions)
        until = {region: span.ends(time) for region, time in newest.items()}
        items = _items(connection, asking_for, words)
        parts = [
            part
            for region in asking_for.regions
            if region in until
            for part in exported_rows.statistics_parts(
                connection, [region], since=span.begins(until[region]), until=until, items=items
            )
        ]
        yield QueryRows(connection, exported_rows.statistics_columns(asking_for.regions[0]), tuple(parts))


@contextmanager
def book(asking_for: Asking, at: datetime | None, words: Sequence[str]) -> Generator[QueryRows]:
    """The price levels of each item in the newest snapshot of each region, or in the newest one that is not newer.

    Raises `UsageError` where there is none, where its raw auctions are not held, or where a word names no item.
    """
    with exported_rows.exporting(asking_for.database) as connection:
        items = _items(connection, asking_for, words)
        parts: list[exported_rows.ExportedPart] = []
        for region in asking_for.regions:
            found = basis_at(connection, asking_for, region, at).snapshot_time
            if found is not None:
                require_raw_held(connection, region, found)
                parts.append(exported_rows.book_part(region, at=found, items=items))
        yield QueryRows(connection, exported_rows.book_columns(), tuple(parts))


@contextmanager
def tokens(asking_for: Asking, span: Span) -> Generator[QueryRows]:
    """What a token cost, over time."""
    with exported_rows.exporting(asking_for.database) as connection:
        parts: list[exported_rows.ExportedPart] = []
        for region in asking_for.regions:
            newest = asking.newest_token(connection, region)
            if newest is not None:
                end = span.ends(newest[0])
                parts.append(exported_rows.token_part(region, since=span.begins(end), until=end))
        yield QueryRows(connection, exported_rows.token_columns(asking_for.regions[0]), tuple(parts))


@contextmanager
def items(asking_for: Asking, words: Sequence[str]) -> Generator[RecordRows]:
    """Every item that has a name or is for sale. Raises `UsageError` where a word names none."""
    chosen = _chosen(asking_for, words)
    answer = naming.every_item(asking_for, chosen)
    yield RecordRows(_types(Found), (asdict(one) for one in answer.rows))


@contextmanager
def recipes(asking_for: Asking, words: Sequence[str]) -> Generator[RecordRows]:
    """What each recipe makes and takes, or those that make or take an item."""
    chosen = _chosen(asking_for, words)
    parts = recipe_parts(asking_for.database, items=None if chosen is None else frozenset(chosen))
    yield RecordRows(_types(RecipePart), (asdict(one) for one in parts))


@contextmanager
def crafts(asking_for: Asking, words: Sequence[str]) -> Generator[RecordRows]:
    """What each craft costs and earns, also those of which something is unknown; or those that make an item."""
    chosen = _chosen(asking_for, words)
    wanted = Wanted(Crafter(), items=None if chosen is None else frozenset(chosen))
    found = crafts_of.crafts(asking_for, wanted)
    yield RecordRows(_types(Crafted), (asdict(one) for one in found.figured.rows))


def _items(connection: Transaction, asking_for: Asking, words: Sequence[str]) -> list[int] | None:
    if not words:
        return None
    return [one.item_id for one in naming.all_of(connection, asking_for.regions, words)]


def _chosen(asking_for: Asking, words: Sequence[str]) -> list[int] | None:
    if not words:
        return None
    with asking.reading(asking_for.database) as connection:
        return _items(connection, asking_for, words)


def _types(row: type[Any]) -> dict[str, ValueType]:
    """The columns of a kind of rows, and what their values are, by what its fields are declared to be.

    >>> list(_types(Found).items())[:2]
    [('item_id', <ValueType.INT64: 'int64'>), ('name', <ValueType.TEXT: 'string'>)]
    """
    return {one.name: _OF_TEXT[str(one.type).removesuffix(" | None")] for one in fields(row)}
