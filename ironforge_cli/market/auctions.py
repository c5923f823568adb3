"""One snapshot of a region's commodity market, as columns, with what is known of each auction's expiry."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Int16: TypeAlias = NDArray[np.int16]
Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
UInt8: TypeAlias = NDArray[np.uint8]
Float64: TypeAlias = NDArray[np.float64]
Bool: TypeAlias = NDArray[np.bool_]
Times: TypeAlias = NDArray[np.datetime64]
"""In UTC, to the microsecond."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_TABLE = 1 << 22


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The auctions of a body that make no sense, so that its snapshot is stored without them.

    They are neither gone nor sold: nothing is known of what happened to their items in the intervals around.
    """

    count: int = 0
    item_id: tuple[int, ...] = ()
    """The items that they name, as far as those can be read: sorted, each once."""
    auction_id: tuple[int, ...] = ()
    """Their own ids, as far as those can be read: sorted, each once."""
    first: str | None = field(default=None, compare=False)
    """What is wrong with the first of them, and where it stands; only known while the body is at hand."""


@dataclass(frozen=True, slots=True)
class Auctions:
    """The auctions of one snapshot: n rows, sorted by `auction_id`, every id once."""

    auction_id: Int64
    item_id: Int32
    unit_price: Int64
    """Copper for one unit, 1 to 10**15."""
    quantity: Int32
    """Units still for sale, at least 1."""
    time_left: UInt8
    """Codes of `TimeLeft`."""
    left_out: LeftOut = LeftOut()
    """What the snapshot had beside these."""

    def __len__(self) -> int:
        """Return the number of auctions."""
        return len(self.auction_id)

    def items_of(self, auction_ids: tuple[int, ...]) -> Int32:
        """The items of the auctions with some ids, each once; an id that no auction has is no fault.

        >>> one = np.array([1])
        >>> lone = Auctions(one, np.array([7], np.int32), one, one.astype(np.int32), one.astype(np.uint8))
        >>> lone.items_of((1, 2)).tolist(), lone.items_of(()).tolist()
        ([7], [])
        """
        wanted = np.array(auction_ids, np.int64)
        rows = np.searchsorted(self.auction_id, wanted)
        found = rows[rows < len(self)]
        there = self.auction_id[found] == wanted[rows < len(self)]
        return np.unique(self.item_id[found[there]])

    def taken(self, chosen: Bool) -> Auctions:
        """Those where a mask is true."""
        return Auctions(
            auction_id=self.auction_id[chosen],
            item_id=self.item_id[chosen],
            unit_price=self.unit_price[chosen],
            quantity=self.quantity[chosen],
            time_left=self.time_left[chosen],
            left_out=self.left_out,
        )

    @property
    def items(self) -> int:
        """How many different items are for sale."""
        return len(np.unique(self.item_id))

    @classmethod
    def from_columns(
        cls,
        *,
        auction_id: Int64,
        item_id: Int32,
        unit_price: Int64,
        quantity: Int32,
        time_left: UInt8,
        left_out: LeftOut = LeftOut(),
    ) -> Auctions:
        """Sort columns in any order by id; raises `ValueError` where an id comes twice."""
        order = np.argsort(auction_id, kind="stable")
        ids = auction_id[order]
        twice = np.flatnonzero(ids[1:] == ids[:-1])
        if len(twice):
            raise ValueError(f"auction {ids[twice[0]]} comes more than once")
        return cls(
            auction_id=ids,
            item_id=item_id[order],
            unit_price=unit_price[order],
            quantity=quantity[order],
            time_left=time_left[order],
            left_out=left_out,
        )


@dataclass(frozen=True, slots=True)
class Windows:
    """When each auction of a snapshot may expire, in minutes from `snapshot_time`: after one, until the other.

    Raises `ValueError` where a window is empty.
    """

    expires_after_min: Int16
    """The earliest possible expiry, itself excluded."""
    expires_before_min: Int16
    """The latest possible expiry, itself included."""

    def __post_init__(self) -> None:
        empty = np.flatnonzero(self.expires_after_min >= self.expires_before_min)
        if len(empty):
            raise ValueError(f"the window of row {empty[0]} ends before it begins")

    def equal(self, other: Windows) -> bool:
        """Whether two snapshots' windows are the same, row by row."""
        return np.array_equal(self.expires_after_min, other.expires_after_min) and np.array_equal(
            self.expires_before_min, other.expires_before_min
        )

    def __len__(self) -> int:
        """Return the number of auctions."""
        return len(self.expires_after_min)


@dataclass(frozen=True, slots=True)
class Book:
    """One stored snapshot: all that the comparison with the next one needs.

    Raises `ValueError` where the windows are not one an auction, or the time has no zone.
    """

    auctions: Auctions
    windows: Windows
    snapshot_time: datetime

    def __post_init__(self) -> None:
        if len(self.windows) != len(self.auctions):
            raise ValueError(f"{len(self.windows)} windows for {len(self.auctions)} auctions")
        if self.snapshot_time.utcoffset() is None:
            raise ValueError("a snapshot's time needs a time zone")


def minute_of(moment: datetime) -> int:
    """Return the minute nearest to a moment, counted from 1970.

    Windows are shifted by whole minutes; as a difference of two of these the shift never adds up rounding.

    >>> noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
    >>> [minute_of(noon + timedelta(seconds=s)) - minute_of(noon) for s in (0, 29, 30, 89)]
    [0, 0, 1, 1]
    """
    return (moment - _EPOCH + timedelta(seconds=30)) // timedelta(minutes=1)


def item_codes(*columns: Int32) -> tuple[Int32, list[Int64]]:
    """Number the items that occur in any of the columns 0, 1, 2 … by their id.

    Returns the sorted ids, and each column with numbers in place of ids.

    >>> ids, (before, after) = item_codes(np.array([7, 3, 7], np.int32), np.array([9, 3], np.int32))
    >>> ids.tolist(), before.tolist(), after.tolist()
    ([3, 7, 9], [1, 0, 1], [2, 0])
    """
    everything = np.concatenate(columns)
    largest = int(everything.max(initial=0))
    if largest < _LARGEST_TABLE:
        # Today's ids end near 250,000: marking them in a table costs a tenth of sorting them.
        occurs = np.zeros(largest + 1, np.bool_)
        occurs[everything] = True
        ids = np.flatnonzero(occurs).astype(np.int32)
        number = np.cumsum(occurs, dtype=np.int64) - 1
        return ids, [number[column] for column in columns]
    ids = np.unique(everything)
    return ids, [np.searchsorted(ids, column).astype(np.int64) for column in columns]
