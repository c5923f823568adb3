"""The earlier intervals of a region, held in memory: what the database answers by one query over its rows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.market.estimate import WINDOW, PastSums, estimate
from ironforge_cli.market.sales import REACH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.market.auctions import Bool, Float64, Int64
    from ironforge_cli.market.counts import ItemCounts
    from ironforge_cli.market.estimate import Estimates

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a region's earlier snapshots say of the interval that ends with the next, beside the one before it."""

    sums: PastSums
    highest_ids: tuple[int, ...] = ()
    """The highest auction id of each snapshot of the last `REACH`, oldest first, up to the one before; only those
    after the last one of which it is not known."""

    @classmethod
    def nothing(cls) -> Earlier:
        """Before a region's first interval."""
        return cls(PastSums.nothing())


def without_gaps(highest_ids: Sequence[int | None]) -> tuple[int, ...]:
    """The ids after the last one that is not known: lots between the others would be dated wrongly.

    >>> without_gaps([3, None, 7, 9]), without_gaps([3, None])
    ((7, 9), ())
    """
    known: list[int] = []
    for one in reversed(highest_ids):
        if one is None:
            break
        known.append(one)
    return tuple(reversed(known))


@dataclass(frozen=True, slots=True)
class _Interval:
    ended_at: datetime
    seconds: int
    rows: Estimates


@dataclass(slots=True)
class Past:
    """A region's intervals of the last day, in order of time; older ones are forgotten."""

    _intervals: deque[_Interval] = field(default_factory=deque[_Interval])
    _highest_ids: deque[tuple[datetime, int | None]] = field(default_factory=deque[tuple[datetime, "int | None"]])

    def add_snapshot(self, at: datetime, highest_id: int | None) -> None:
        """Remember the highest auction id of a snapshot, None where it is not known."""
        self._highest_ids.append((at, highest_id))
        while self._highest_ids[0][0] < at - REACH:
            self._highest_ids.popleft()

    def add(self, rows: Estimates, *, ended_at: datetime, seconds: int) -> None:
        """Remember an interval's rows; raises `ValueError` where it ends no later than the last one."""
        if self._intervals and ended_at <= self._intervals[-1].ended_at:
            raise ValueError(f"the interval to {ended_at} is not later than that to {self._intervals[-1].ended_at}")
        self._intervals.append(_Interval(ended_at, seconds, rows))
        while self._intervals[0].ended_at <= ended_at - _DAY:
            self._intervals.popleft()

    def estimated(self, counts: ItemCounts, *, ended_at: datetime, seconds: int) -> Estimates:
        """Estimate the sales of the next interval, and remember them."""
        rows = estimate(counts, self.sums(ended_at), seconds=seconds)
        self.add(rows, ended_at=ended_at, seconds=seconds)
        return rows

    def earlier(self, ended_at: datetime) -> Earlier:
        """What is remembered, for an interval that ends at an aware moment."""
        ids = [highest for at, highest in self._highest_ids if ended_at - REACH <= at < ended_at]
        return Earlier(self.sums(ended_at), highest_ids=without_gaps(ids))

    def digest(self) -> bytes:
        """Equal for equal memories: what comes after them is estimated alike."""
        memory = blake2b(repr(list(self._highest_ids)).encode())
        for one in self._intervals:
            memory.update(f"{one.ended_at.timestamp()} {one.seconds} {len(one.rows)}".encode())
            for column in fields(one.rows):
                memory.update(getattr(one.rows, column.name).tobytes())
        return memory.digest()

    def sums(self, ended_at: datetime) -> PastSums:
        """What the remembered intervals add up to for one that ends at an aware moment."""
        if not self._intervals:
            return PastSums.nothing()
        rows = [one.rows for one in self._intervals]
        item_id, row = np.unique(np.concatenate([one.item_id for one in rows]), return_inverse=True)
        today = ended_at.astimezone(UTC).date()

        def spread(values: list[bool] | list[int]) -> Int64:
            """One value an interval as one a row."""
            return np.repeat(np.array(values, np.int64), [len(one) for one in rows])

        in_window = spread([one.ended_at > ended_at - WINDOW for one in self._intervals]) == 1
        on_day = spread([one.ended_at.astimezone(UTC).date() == today for one in self._intervals]) == 1
        seconds = spread([one.seconds for one in self._intervals])
        known = np.concatenate([one.known for one in rows])
        evidence = np.concatenate([one.evidence for one in rows])
        seen = np.concatenate([one.seen_sales for one in rows])
        unseen = np.concatenate([one.unseen_sales for one in rows])
        new_at_floor = np.concatenate([one.new_at_floor for one in rows])

        def summed(chosen: Bool, values: Int64 | Float64) -> Float64:
            return np.bincount(row[chosen], weights=values[chosen], minlength=len(item_id)).astype(
                np.float64, copy=False
            )

        def times(chosen: Bool) -> Int64:
            return np.bincount(row[chosen], minlength=len(item_id))

        window = [one for one in self._intervals if one.ended_at > ended_at - WINDOW]
        return PastSums(
            intervals=len(window),
            seconds=sum(one.seconds for one in window),
            item_id=item_id.astype(np.int32),
            plain=times(in_window & (evidence == 2)),  # noqa: PLR2004 - the code of plain evidence
            evident=times(in_window & (evidence > 0)),
            supplied=times(in_window & (new_at_floor > 0)),
            seen=summed(in_window, seen),
            new_at_floor=summed(in_window, new_at_floor).astype(np.int64),
            unknown=times(in_window & ~known),
            unknown_seconds=summed(in_window & ~known, seconds).astype(np.int64),
            today=summed(on_day, seen + unseen),
        )
