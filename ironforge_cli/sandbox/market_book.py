"""The simulated market's order book, as columns, and the ids that its auctions bear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ironforge_cli.sandbox.market_profiles import Float64

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Bool: TypeAlias = NDArray[np.bool_]
_Value = TypeVar("_Value", np.int32, np.int64, np.bool_)

COPPER_STEP = 100
"""Every recorded price is a multiple of this (BLIZZARD_API.md, section 3)."""

LARGEST_ID_GAP = 13

# A row's key is its item's index in the high half and its price, in steps, in the low half.
_ITEM_SHIFT = 32
_PRICE_MASK = 2**32 - 1


@dataclass(frozen=True, slots=True)
class LotBook:
    """All lots on sale, sorted as buyers take them: by item and price, then newest first; n rows."""

    key: Int64
    """An item's row in the profiles and a price, in one number that sorts."""
    sequence: Int64
    """Rises with the moment of listing and never wraps; the id is made from it."""
    quantity: Int32
    expires: Int64
    """Seconds after the market's start."""
    tended: Bool
    """Whether a bot watches over it."""

    def __len__(self) -> int:
        """Return the number of lots."""
        return len(self.key)

    @classmethod
    def of(
        cls,
        *,
        index: Int64,
        price: Int64,
        sequence: Int64,
        quantity: Int32,
        expires: Int64,
        tended: Bool | None = None,
    ) -> LotBook:
        """Sort lots in any order; `price` is in steps of 100 copper, and no lot is `tended` where that is None."""
        key = (index << _ITEM_SHIFT) | price
        order = np.lexsort((-sequence, key))
        watched = np.zeros(len(key), np.bool_) if tended is None else tended[order]
        return cls(key[order], sequence[order], quantity[order], expires[order], watched)

    @property
    def index(self) -> Int64:
        """Each lot's row in the profiles."""
        return self.key >> _ITEM_SHIFT

    @property
    def price(self) -> Int64:
        """Each lot's unit price in steps of 100 copper."""
        return self.key & _PRICE_MASK

    def keep(self, kept: Bool) -> LotBook:
        """Return the book without the lots that aren't kept."""
        return LotBook(self.key[kept], self.sequence[kept], self.quantity[kept], self.expires[kept], self.tended[kept])

    def with_newer(self, lots: LotBook) -> LotBook:
        """Return the book with further lots, all of which are newer than its own."""
        # On the left of their equals, so that the newest is bought first.
        at = np.searchsorted(self.key, lots.key, side="left") + np.arange(len(lots))
        old = np.ones(len(self) + len(lots), dtype=np.bool_)
        old[at] = False

        def merged(mine: NDArray[_Value], theirs: NDArray[_Value]) -> NDArray[_Value]:
            column = np.empty(len(old), dtype=mine.dtype)
            column[old] = mine
            column[at] = theirs
            return column

        return LotBook(
            key=merged(self.key, lots.key),
            sequence=merged(self.sequence, lots.sequence),
            quantity=merged(self.quantity, lots.quantity),
            expires=merged(self.expires, lots.expires),
            tended=merged(self.tended, lots.tended),
        )

    def floor(self, items: int) -> Int64:
        """Return the lowest price of each of so many items, in steps; 0 where none is on sale."""
        floor = np.zeros(items, dtype=np.int64)
        first = self._first_rows()
        floor[self.index[first]] = self.price[first]
        return floor

    def bought(self, wanted: Int64, *, dearest: Float64) -> Int64:
        """Return the units of each lot that go to buyers who take the cheapest first, newest first among equals.

        `wanted` units and the `dearest` price in steps that buyers accept stand one row an item.
        """
        index = self.index
        upto = np.cumsum(self.quantity, dtype=np.int64)
        first = self._first_rows()
        before_item = np.zeros(len(wanted), dtype=np.int64)
        before_item[index[first]] = upto[first] - self.quantity[first]
        before = upto - self.quantity - before_item[index]
        bought = np.clip(wanted[index] - before, 0, self.quantity)
        bought[self.price > dearest[index]] = 0
        return bought

    def without(self, bought: Int64) -> LotBook:
        """Return the book after units of its lots were taken."""
        left = (self.quantity - bought).astype(np.int32)
        return LotBook(self.key, self.sequence, left, self.expires, self.tended).keep(left > 0)

    def rows_of(self, index: Int64, place: Float64) -> Int64:
        """Return a row of each of some items, at a place from 0, its first, to 1, excluded; -1 where it has none."""
        mine = self.index
        first, end = np.searchsorted(mine, index, side="left"), np.searchsorted(mine, index, side="right")
        return np.where(first < end, first + (place * (end - first)).astype(np.int64), -1)

    def _first_rows(self) -> Int64:
        index = self.index
        first = np.ones(len(index), dtype=np.bool_)
        np.not_equal(index[1:], index[:-1], out=first[1:])
        return np.flatnonzero(first)


@dataclass(frozen=True, slots=True)
class IdRange:
    """The ids that a market gives out: rising from `first` to `highest`, then on from `lowest`.

    The real ones look as if they wrapped below 2³¹. A narrow range reuses them soon: one twice as wide as the
    market within half a day, one half as wide again within hours.
    """

    first: int = 2_080_882_850
    lowest: int = 1
    highest: int = 2**31 - 1

    def __post_init__(self) -> None:
        if not 0 <= self.lowest <= self.first <= self.highest:
            raise ValueError("ids must rise from the lowest over the first to the highest")

    @property
    def span(self) -> int:
        """How many different ids there are."""
        return self.highest - self.lowest + 1

    def auction_ids(self, sequence: Int64) -> Int64:
        """Return the ids of lots by their sequence numbers."""
        return self.lowest + sequence % self.span


class IdSequence:
    """Gives out sequence numbers whose ids are free.

    Raises `ValueError` for a range that is not a quarter wider than the market.
    """

    def __init__(self, ids: IdRange, *, auctions: int) -> None:
        if ids.span < auctions * 5 / 4:
            raise ValueError(f"{ids.span} ids are too few for {auctions} auctions, which come and go")
        self._span = ids.span
        self.next = ids.first - ids.lowest

    def take(self, count: int, *, live: Int64, rng: np.random.Generator, sparse: int = 1) -> Int64:
        """Return the next rising numbers, with gaps, whose ids no lot with a `live` number bears.

        The gaps stand for the region's auctions that are no commodities; `sparse` widens them.
        Raises `ValueError` where the range has fewer free ids than that.
        """
        if len(live) + count > self._span:
            raise ValueError(f"{len(live) + count} auctions at a time are more than {self._span} ids can name")
        widest = max(1, min(LARGEST_ID_GAP * sparse, self._span // (4 * max(count + len(live), 1))))
        taken = np.zeros(0, np.int64)
        while len(taken) < count:
            proposed = self.next - 1 + np.cumsum(rng.integers(1, widest, size=count - len(taken), endpoint=True))
            self.next = int(proposed[-1]) + 1
            if self.next > self._span:
                busy = np.concatenate([live, taken]) % self._span
                proposed = proposed[~np.isin(proposed % self._span, busy)]
            taken = np.concatenate([taken, proposed])
        return taken
