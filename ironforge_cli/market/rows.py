"""Raw rows of many snapshots as columns, and a checksum of them that no order changes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ironforge_cli.market.auctions import Auctions, Book, Windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ironforge_cli.market.auctions import Bool, Int16, Int32, Int64, UInt8

UInt64: TypeAlias = NDArray[np.uint64]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# The constants of splitmix64, which spreads every bit of its input over all of its output.
_GOLDEN, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows of raw snapshots of one region, in any order, as columns of one length."""

    snapshot_time: Int64
    """Microseconds since 1970, UTC."""
    auction_id: Int64
    item_id: Int32
    unit_price: Int64
    quantity: Int32
    time_left: UInt8
    """Codes of `TimeLeft`."""
    expires_after_min: Int16
    expires_before_min: Int16

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.auction_id)

    def taken(self, chosen: Bool | NDArray[np.intp] | slice) -> RawRows:
        """The rows of an index, or where a mask is true."""
        return RawRows(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    def by_auction(self) -> RawRows:
        """The same in the order in which they pack best: each auction's rows one after the other, by time."""
        return self.taken(np.lexsort((self.snapshot_time, self.auction_id)))

    def book(self) -> Book:
        """Rows of one snapshot, whatever their order, as a book; raises `ValueError` where they are not of one."""
        times = np.unique(self.snapshot_time)
        if len(times) != 1:
            raise ValueError(f"rows of {len(times)} snapshots are not one")
        order = np.argsort(self.auction_id, kind="stable")
        rows = self.taken(order)
        return Book(
            auctions=Auctions.from_columns(
                auction_id=rows.auction_id,
                item_id=rows.item_id,
                unit_price=rows.unit_price,
                quantity=rows.quantity,
                time_left=rows.time_left,
            ),
            windows=Windows(expires_after_min=rows.expires_after_min, expires_before_min=rows.expires_before_min),
            snapshot_time=moment_of(int(times[0])),
        )


def joined(pieces: Sequence[RawRows]) -> RawRows:
    """Rows of several pieces, at least one, one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    return RawRows(
        **{one.name: np.concatenate([getattr(piece, one.name) for piece in pieces]) for one in fields(RawRows)}
    )


def moment_of(microseconds: int) -> datetime:
    """The time of a snapshot from its microseconds since 1970.

    >>> moment_of(1_705_290_482_000_001).isoformat()
    '2024-01-15T03:48:02.000001+00:00'
    """
    return _EPOCH + microseconds * _MICROSECOND


def microseconds_of(moment: datetime) -> int:
    """The microseconds since 1970 of a time, exactly.

    >>> microseconds_of(moment_of(-1))
    -1
    """
    return (moment - _EPOCH) // _MICROSECOND


class Count(NamedTuple):
    """How many rows, and their checksum: two sets of rows with the same of both are the same."""

    rows: int
    checksum: int
    """64 bits. It tells accidents from one another, and is no proof against forgery."""


@dataclass(slots=True)
class RowTally:
    """The rows of each snapshot, counted and summed up as they pass by, in whatever order and pieces."""

    snapshots: dict[int, Count] = field(default_factory=dict[int, Count])
    """By the microseconds of the snapshot's time."""

    def add(self, rows: RawRows) -> None:
        """Count rows."""
        hashes = row_hashes(rows)
        for time in np.unique(rows.snapshot_time).tolist():
            chosen = rows.snapshot_time == time
            before = self.snapshots.get(time, Count(0, 0))
            self.snapshots[time] = Count(
                before.rows + int(chosen.sum()), (before.checksum + int(hashes[chosen].sum())) % 2**64
            )

    @classmethod
    def of(cls, pieces: Iterable[RawRows]) -> RowTally:
        """The tally of pieces."""
        tally = cls()
        for piece in pieces:
            tally.add(piece)
        return tally

    @property
    def total(self) -> Count:
        """Of all snapshots together."""
        return total_of(self.snapshots)


def total_of(snapshots: Mapping[int, Count]) -> Count:
    """The rows of several snapshots together."""
    return Count(
        sum(count.rows for count in snapshots.values()), sum(count.checksum for count in snapshots.values()) % 2**64
    )


def row_hashes(rows: RawRows) -> UInt64:
    """A number for each row that depends on every bit of it; the checksum of rows is their sum, modulo 2**64."""
    lots = (rows.item_id.astype(np.int64) << 32) | rows.quantity
    expiries = (
        (rows.time_left.astype(np.int64) << 32)
        | ((rows.expires_after_min.astype(np.int64) & 0xFFFF) << 16)
        | (rows.expires_before_min.astype(np.int64) & 0xFFFF)
    )
    return hashes_of((rows.snapshot_time, rows.auction_id, rows.unit_price, lots, expiries))


def hashes_of(columns: Sequence[NDArray[np.signedinteger]]) -> UInt64:
    """A number for each row of some columns, at least one, that depends on every bit of it."""
    hashed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        hashed ^= np.ascontiguousarray(column, np.int64).view(np.uint64)
        hashed += _GOLDEN
        hashed ^= hashed >> np.uint64(30)
        hashed *= _FIRST
        hashed ^= hashed >> np.uint64(27)
        hashed *= _SECOND
        hashed ^= hashed >> np.uint64(31)
    return hashed
