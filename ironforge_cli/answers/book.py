"""An item's order book: what is for sale at which price, in any snapshot that is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ironforge_cli.answers import items as naming
from ironforge_cli.answers.answer import MarketAnswer, basis_at
from ironforge_cli.db.repositories import asking
from ironforge_cli.errors import NothingThereError

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region


@dataclass(frozen=True, slots=True)
class Level:
    """One price of a book, cheapest first; copper and units."""

    region: Region
    item_id: int
    snapshot_time: datetime
    price: int
    quantity: int
    auctions: int
    cumulative_quantity: int
    cumulative_cost: int


def book(asking_for: Asking, word: str, *, at: datetime | None = None) -> MarketAnswer[Level]:
    """The book of an item in each region's newest snapshot, or in the newest one that is not newer than `at`.

    Raises `UsageError` where the word names no item or several, or where that hour's raw auctions are not held.
    """
    rows: list[Level] = []
    bases: list[Basis] = []
    with asking.reading(asking_for.database) as connection:
        item = naming.single(connection, asking_for.regions, word)
        for region in asking_for.regions:
            basis = basis_at(connection, asking_for, region, at)
            bases.append(basis)
            if basis.snapshot_time is not None:
                rows += _levels(connection, region, basis.snapshot_time, item.item_id)
    return MarketAnswer(rows=tuple(rows), bases=tuple(bases), names=naming.called([item]))


def _levels(connection: Transaction, region: Region, at: datetime, item_id: int) -> list[Level]:
    levels = asking.levels(connection, region, at, [item_id])
    if not len(levels.price):
        require_raw_held(connection, region, at)
    rows: list[Level] = []
    units = cost = 0
    for price, quantity, auctions in zip(
        levels.price.tolist(), levels.quantity.tolist(), levels.auctions.tolist(), strict=True
    ):
        units += quantity
        cost += price * quantity
        rows.append(Level(region, item_id, at, price, quantity, auctions, units, cost))
    return rows


def require_raw_held(connection: Transaction, region: Region, at: datetime) -> None:
    """Raise `NothingThereError` where the raw auctions of a snapshot are not held."""
    if not asking.is_raw_held(connection, region, at):
        raise NothingThereError(
            f"{region.label}: the auctions of {at:%Y-%m-%d %H:%M} UTC are not held any more. `ironforge partitions"
            " restore` brings an archived day back."
        )
