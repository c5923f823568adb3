"""Bodies with one auction that makes no sense: which they were, and what is to be stored of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from ironforge_cli.sandbox.faults import FAULTS, Aim
from tests.soak.weather import ODD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ironforge_cli.sandbox.faults import Scene
    from tests.jobs.expected import Row

_STANDS = timedelta(hours=49)
_LARGEST = 2**63 - 1
_TIME_LEFT = {"SHORT", "MEDIUM", "LONG", "VERY_LONG"}


def answered_as(body: bytes, digest: str) -> bytes:
    """The body as it was answered with that digest: as it is, or with an auction that makes no sense."""
    for name in ODD:
        rewrite = FAULTS[name].rewrite
        # Of the scene these look at their aim alone.
        scene = cast("Scene", SimpleNamespace(aim=Aim(name), struck=0))
        if rewrite is not None and sha256(changed := rewrite(body, scene)).hexdigest() == digest:
            return changed
    return body


def without_odd(body: bytes) -> tuple[bytes, set[int], set[int]]:
    """A body without the auctions that make no sense, whose ids and items come along."""
    document = json.loads(body.decode("utf-8-sig"))
    odd = [auction for auction in document["auctions"] if not _makes_sense(auction)]
    if not odd:
        return body, set(), set()
    document["auctions"] = [auction for auction in document["auctions"] if _makes_sense(auction)]
    return json.dumps(document).encode(), {one["id"] for one in odd}, {one["item"]["id"] for one in odd}


@dataclass(frozen=True)
class Mask:
    """Takes out of rows what an auction that was left out makes unknowable for a plain computation.

    That is its own windows, and what its item sold, for the 48 hours in which it can stand and be seen again. Prices
    and counts stay, and so does every other item.
    """

    odd: Sequence[tuple[datetime, set[int], set[int]]]

    @classmethod
    def of(cls, odd: Iterable[tuple[datetime, set[int], set[int]]]) -> Mask:
        """A mask for auctions and items that were left out of the snapshots of some times."""
        return cls(tuple(odd))

    def auctions(self, rows: Sequence[Row]) -> list[Row]:
        """Raw rows without the windows of these auctions."""
        return [(*row[:6], None, None) if self._is_masked(row[0], row[1], of_item=False) else row for row in rows]

    def statistics(self, rows: Sequence[Row]) -> list[Row]:
        """Statistics without what these items sold."""
        return [row[:10] if self._is_masked(row[1], row[0], of_item=True) else row for row in rows]

    def registry(self, rows: Sequence[Row]) -> list[Row]:
        """Registry rows without the totals of these hours."""
        return [row[:3] if any(time <= row[0] < time + _STANDS for time, _, _ in self.odd) else row for row in rows]

    def _is_masked(self, at: datetime, number: int, *, of_item: bool) -> bool:
        return any(
            number in (items if of_item else ids) and time <= at < time + _STANDS for time, ids, items in self.odd
        )


def _makes_sense(auction: dict[str, Any]) -> bool:
    numbers = (auction.get("id"), auction.get("quantity"), auction.get("unit_price"), auction["item"].get("id"))
    return auction.get("time_left") in _TIME_LEFT and all(
        isinstance(number, int) and 0 < number <= _LARGEST for number in numbers
    )
