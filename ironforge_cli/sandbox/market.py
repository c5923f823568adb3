"""A simulated commodity market whose truth is known: what was sold, to the unit, seen or unseen.

Time moves in steps of five minutes. In each step lots expire, sellers cancel, cancelled and fresh lots are
listed, and buyers take the cheapest first (at an equal price the newest first), whole lots and parts of lots.
A snapshot an hour therefore misses what a real one misses: lots that came and went in between.

The book is a set of columns sorted in the order in which buyers take it, so that a step is a handful of
passes over arrays: no Python object stands for an auction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ironforge_cli.sandbox.market_book import COPPER_STEP, LARGEST_ID_GAP, Bool, IdRange, IdSequence, LotBook
from ironforge_cli.sandbox.market_opening import DURATIONS, Opening
from ironforge_cli.sandbox.market_profiles import (
    LEVELS,
    MODERATE,
    Behaviour,
    Int32,
    Int64,
    Profiles,
    default_profiles,
    lot_sizes,
    mean_lot_sizes,
    purchase_sizes,
    usual_items,
)
from ironforge_cli.sandbox.market_token import TokenMarket, TokenPrice

__all__ = [
    "MODERATE",
    "Behaviour",
    "IdRange",
    "Listings",
    "Profiles",
    "SimulatedMarket",
    "TokenMarket",
    "TokenPrice",
    "Truth",
    "default_profiles",
    "usual_items",
]

UInt8: TypeAlias = NDArray[np.uint8]

STEP_SECONDS = 300
STEPS_PER_HOUR = 3600 // STEP_SECONDS

_SECOND = timedelta(seconds=1)
# The longest time to expiry, in seconds, of SHORT, MEDIUM and LONG.
_BUCKET_ENDS = np.array([1_800, 7_200, 43_200])
_DEAREST = 99_999_999
# A going price wanders by 1% an hour and is drawn back, so that it stays within about 30% of its base.
_DRIFT_AN_HOUR = 0.01
_DRAWN_BACK_AN_HOUR = 0.005
# Of 65,536 auctions, those that stand a little out of line in an answer: about one in a hundred, as recorded.
_OUT_OF_LINE = 600


@dataclass(frozen=True, slots=True)
class Listings:
    """What the API publishes, in its order: grouped by time left, ids nearly rising inside a group; n rows."""

    auction_id: Int64
    item_id: Int32
    quantity: Int32
    unit_price: Int64
    """Copper for one unit."""
    time_left: UInt8
    """0 SHORT (up to 30 min), 1 MEDIUM (2 h), 2 LONG (12 h), 3 VERY_LONG (48 h)."""

    def __len__(self) -> int:
        """Return the number of auctions."""
        return len(self.auction_id)


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened since the truth was taken last: units, one row an item of the market."""

    item_id: Int32
    listed: Int64
    """In lots that were put up, reposted ones included."""
    sold: Int64
    unseen: Int64
    """Of `sold`, from lots that were listed since the last taking: no snapshot ever showed these units."""
    expired: Int64
    cancelled: Int64
    """Taken back, whether or not they were listed again."""

    @classmethod
    def nothing_yet(cls, item_id: Int32) -> Truth:
        """Return a row of zeros for each item."""
        counts = [np.zeros(len(item_id), dtype=np.int64) for _ in fields(cls)[1:]]
        return cls(item_id, *counts)


@dataclass(frozen=True, slots=True)
class _Reposts:
    """Cancelled lots whose owners will list them again; `due` counts steps."""

    due: Int64
    index: Int64
    quantity: Int32
    tended: Bool

    @classmethod
    def none(cls) -> _Reposts:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.bool_))

    def keep(self, kept: Bool) -> _Reposts:
        return _Reposts(self.due[kept], self.index[kept], self.quantity[kept], self.tended[kept])

    def with_later(self, lots: _Reposts) -> _Reposts:
        return _Reposts(
            due=np.concatenate([self.due, lots.due]),
            index=np.concatenate([self.index, lots.index]),
            quantity=np.concatenate([self.quantity, lots.quantity]),
            tended=np.concatenate([self.tended, lots.tended]),
        )


class SimulatedMarket:
    """A region's commodity market: deterministic by seed, however its hours are cut into calls.

    `auctions` is how many lots stand on the book on a day's average, `starts_at` an aware time, `ids` the real
    range where it is None. Profiles with about 29 auctions an item (`usual_items`) move in a real region's
    proportions. Raises `ValueError` for sizes, times and ranges that can't work.
    """

    def __init__(
        self,
        *,
        profiles: Profiles,
        auctions: int,
        seed: int,
        starts_at: datetime,
        behaviour: Behaviour = MODERATE,
        ids: IdRange | None = None,
    ) -> None:
        if auctions < 1:
            raise ValueError("a market needs at least one auction")
        if starts_at.utcoffset() is None:
            raise ValueError("the start must be an aware time")
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._profiles = profiles
        self._behaviour = behaviour
        self._starts_at = starts_at
        self._elapsed = timedelta(0)
        self._steps = 0

        opening = Opening(behaviour, starts_at)
        self._usual_lots = auctions * profiles.popularity / profiles.popularity.sum()
        turnover = profiles.turnover * behaviour.turnover_times
        self._typical_lot = profiles.typical_lot * behaviour.lot_times
        self._fresh_an_hour = self._usual_lots * opening.fresh_share(turnover)
        self._purchases_an_hour = self._usual_lots * turnover / behaviour.purchase_lots
        self._mean_purchase = mean_lot_sizes(self._typical_lot, stacks=behaviour.stacks) * behaviour.purchase_lots
        wandered = _DRIFT_AN_HOUR / math.sqrt(2 * _DRAWN_BACK_AN_HOUR)
        self._drift = self._rng.standard_normal(len(profiles)) * wandered

        self._ids = IdRange() if ids is None else ids
        self._sequence = IdSequence(self._ids, auctions=auctions)
        self._book = self._standing_book(round(auctions * opening.share_of_usual()), opening)
        self._waiting = _Reposts.none()
        self._truth = Truth.nothing_yet(profiles.item_id)
        self._seen_before = self._sequence.next

    @property
    def now(self) -> datetime:
        """The market's time."""
        return self._starts_at + self._elapsed

    @property
    def profiles(self) -> Profiles:
        """The goods that are traded here."""
        return self._profiles

    def __len__(self) -> int:
        """Return the number of auctions on the book now."""
        return len(self._book)

    def advance(self, *, hours: float = 0, minutes: float = 0) -> None:
        """Let time pass, to the microsecond; raises `ValueError` when asked to go back."""
        span = timedelta(hours=hours, minutes=minutes)
        if span < timedelta(0):
            raise ValueError("time only moves forward")
        self._elapsed += span
        seconds = self._elapsed // _SECOND
        while (self._steps + 1) * STEP_SECONDS <= seconds:
            self._step()
        self._expire(seconds)

    def listings(self) -> Listings:
        """Publish the book as the API does; looking changes nothing."""
        order, time_left = self._published()
        book = self._book
        return Listings(
            auction_id=self._ids.auction_ids(book.sequence[order]),
            item_id=self._profiles.item_id[book.index[order]],
            quantity=book.quantity[order],
            unit_price=book.price[order] * COPPER_STEP,
            time_left=time_left[order],
        )

    def seconds_left(self) -> Int64:
        """Seconds to the true expiry of each auction, in the order of `listings()`."""
        order, _ = self._published()
        return self._book.expires[order] - self._elapsed // _SECOND

    def truth(self) -> Truth:
        """Take what happened since the last taking, or since the start.

        Take it together with each snapshot that counts as seen: units are `unseen` when their lot was listed
        after the previous taking. A missed snapshot is one with which no truth is taken.
        """
        taken = self._truth
        self._truth = Truth.nothing_yet(self._profiles.item_id)
        self._seen_before = self._sequence.next
        return taken

    def _published(self) -> tuple[Int64, UInt8]:
        """Return the order in which the API lists the rows of the book, and each row's bucket."""
        left = self._book.expires - self._elapsed // _SECOND
        time_left = np.searchsorted(_BUCKET_ENDS, left, side="left").astype(np.uint8)
        if self._behaviour.wrong_buckets:
            time_left = self._mistaken(time_left)
        scrambled = (self._book.sequence * 2_654_435_761) & 0xFFFF
        place = self._book.sequence + np.where(scrambled < _OUT_OF_LINE, 8 * LARGEST_ID_GAP, 0)
        return np.lexsort((place, time_left)), time_left

    def _mistaken(self, time_left: UInt8) -> UInt8:
        """Put some auctions into a bucket beside their own, each hour others; the same however often one looks."""
        # A scramble of id and hour, so that it needs no draw: the middle bits of a product look random.
        drawn = ((self._book.sequence * 1_000_003 + self._steps) * 2_654_435_761 >> 13) & 0xFFFFF
        wrong = drawn < self._behaviour.wrong_buckets * 2**20
        beside = time_left.astype(np.int64) + np.where(drawn % 2 == 0, 1, -1)
        return np.where(wrong, np.clip(beside, 0, len(_BUCKET_ENDS)), time_left).astype(np.uint8)

    def _standing_book(self, lots: int, opening: Opening) -> LotBook:
        """Make the book of a market that has been open for days."""
        behaviour = self._behaviour
        items = len(self._profiles)
        index = np.repeat(np.arange(items), self._rng.multinomial(lots, self._usual_lots / self._usual_lots.sum()))
        age, duration = opening.draw_ages(lots, rng=self._rng)
        # Most of the lots that were listed with these are gone again, and their ids with them.
        sequence = np.empty(lots, dtype=np.int64)
        sequence[np.argsort(-age, kind="stable")] = self._sequence.take(
            lots, live=np.zeros(0, np.int64), rng=self._rng, sparse=4
        )
        floor = self._going_price() * self._rng.uniform(behaviour.lowest_undercut, 1.1, items)
        at_floor = self._rng.random(lots) < behaviour.fresh_at_floor
        above = np.where(at_floor, 0.04, 0.25) * self._rng.standard_exponential(lots)
        return LotBook.of(
            index=index,
            price=_in_steps(floor[index] * (1 + above)),
            sequence=sequence,
            quantity=self._draw_lots(index),
            expires=duration - age,
            tended=self._draw_tended(lots),
        )

    def _going_price(self) -> NDArray[np.float64]:
        """What each item is worth to those who trade it, in steps of 100 copper."""
        return self._profiles.base_price / COPPER_STEP * np.exp(self._drift)

    def _units(self, index: Int64, quantity: Int32 | Int64) -> Int64:
        """Sum quantities by item."""
        # Sums of units stay far below 2**53, so that the detour over floats is exact.
        return np.bincount(index, weights=quantity, minlength=len(self._profiles)).astype(np.int64)

    def _happen(self, an_hour: NDArray[np.float64], *, swing: float) -> Int64:
        """Draw which items something happens to in this step, one entry for each time."""
        now = self._starts_at + self._steps * STEP_SECONDS * _SECOND
        rate = an_hour * self._behaviour.rhythm(swing, now) / STEPS_PER_HOUR
        times = self._rng.poisson(rate).astype(np.int64)
        return np.repeat(np.arange(len(self._profiles)), times)

    def _step(self) -> None:
        self._steps += 1
        if self._steps % STEPS_PER_HOUR == 0:
            noise = self._rng.standard_normal(len(self._profiles))
            self._drift = self._drift * (1 - _DRAWN_BACK_AN_HOUR) + noise * _DRIFT_AN_HOUR
        self._expire(self._steps * STEP_SECONDS)
        self._cancel()
        self._list()
        self._sell()

    def _expire(self, seconds: int) -> None:
        over = self._book.expires <= seconds
        if over.any():
            self._truth.expired[:] += self._units(self._book.index[over], self._book.quantity[over])
            self._book = self._book.keep(~over)

    def _cancel(self) -> None:
        """Let sellers take lots back; most of them will list them again."""
        behaviour = self._behaviour
        book = self._book
        index = book.index
        now = self._starts_at + self._steps * STEP_SECONDS * _SECOND
        lively = behaviour.rhythm(behaviour.cancelling_swing, now) / STEPS_PER_HOUR
        at_floor = book.price == book.floor(len(self._profiles))[index]
        chance = np.full(len(book), 1 - (1 - behaviour.cancelled_dearer) ** lively)
        chance[at_floor] = 1 - (1 - behaviour.cancelled_cheapest) ** lively
        undercut = book.tended & ~at_floor
        chance[undercut] = -math.expm1(-STEP_SECONDS / 60 / behaviour.tending_minutes)
        rows = np.flatnonzero(np.less(self._rng.random(len(book)), chance))
        self._truth.cancelled[:] += self._units(index[rows], book.quantity[rows])
        stays = np.ones(len(book), dtype=np.bool_)
        stays[rows] = False
        self._book = book.keep(stays)

        again = rows[(self._rng.random(len(rows)) < behaviour.reposted) | undercut[rows]]
        soonest, latest = (minutes * 60 // STEP_SECONDS for minutes in behaviour.repost_minutes)
        wait = self._rng.integers(soonest, latest, size=len(again), endpoint=True)
        wait[undercut[again]] = 1
        reposts = _Reposts(self._steps + wait, index[again], book.quantity[again], book.tended[again])
        self._waiting = self._waiting.with_later(reposts)

    def _list(self) -> None:
        """Put up the cancelled lots whose time has come, and fresh ones."""
        behaviour = self._behaviour
        due = self._waiting.due <= self._steps
        reposts = self._waiting.keep(due)
        self._waiting = self._waiting.keep(~due)

        # Sellers list more of what has become scarce, and less of what lies about.
        standing = np.bincount(self._book.index, minlength=len(self._profiles))
        scarcity = np.clip(1.5 - 0.5 * standing / self._usual_lots, 0.5, 1.5)
        fresh = self._happen(self._fresh_an_hour * scarcity * self._listed_now(), swing=behaviour.supply_swing)
        for_floor = self._rng.random(len(fresh)) < behaviour.fresh_at_floor
        # Reposts and fresh lots come in any order; their ids rise with the second of listing.
        order = self._rng.permutation(len(reposts.due) + len(fresh))
        index = np.concatenate([reposts.index, fresh])[order]
        quantity = np.concatenate([reposts.quantity, self._draw_lots(fresh)])[order]
        tended = np.concatenate([reposts.tended, self._draw_tended(len(fresh))])[order]
        at_floor = np.concatenate([np.ones(len(reposts.due), dtype=np.bool_), for_floor])[order]
        listed_at = np.sort(self._steps * STEP_SECONDS - self._rng.integers(0, STEP_SECONDS, size=len(order)))
        longer_than = np.cumsum(behaviour.duration_shares)[:-1]
        duration = DURATIONS[np.searchsorted(longer_than, self._rng.random(len(order)), side="right")]
        self._truth.listed[:] += self._units(index, quantity)
        self._book = self._book.with_newer(
            LotBook.of(
                index=index,
                price=self._draw_prices(index, at_floor | tended, tended=tended),
                sequence=self._sequence.take(len(order), live=self._book.sequence, rng=self._rng),
                quantity=quantity,
                expires=listed_at + duration,
                tended=tended,
            )
        )

    def _listed_now(self) -> float:
        """How many fresh lots come in this step, as a multiple of what comes in one on an hour's average."""
        begins, ends = (minutes * 60 // STEP_SECONDS for minutes in self._behaviour.listing_minutes)
        # The first step of an hour ends five minutes after it.
        within = begins <= (self._steps - 1) % STEPS_PER_HOUR < ends
        return STEPS_PER_HOUR / (ends - begins) if within else 0.0

    def _draw_tended(self, lots: int) -> Bool:
        """Draw which of so many fresh lots are a bot's."""
        if not self._behaviour.tended:
            return np.zeros(lots, np.bool_)
        return np.less(self._rng.random(lots), self._behaviour.tended)

    def _draw_lots(self, index: Int64) -> Int32:
        level = self._rng.integers(0, LEVELS, size=len(index))
        return lot_sizes(self._typical_lot[index], level, stacks=self._behaviour.stacks)

    def _draw_prices(self, index: Int64, at_floor: Bool, *, tended: Bool) -> Int64:
        """Draw prices, in steps of 100 copper, as sellers set them who look at the floor; bots always go below it."""
        behaviour = self._behaviour
        count = len(index)
        floor = self._book.floor(len(self._profiles))[index]
        going = self._going_price()[index]
        undercut = (self._rng.random(count) < behaviour.undercutting) | tended
        by_share = np.rint(floor * self._rng.uniform(0.002, 0.03, count)).astype(np.int64)
        by_share[self._rng.random(count) < behaviour.one_step_less] = 1
        below = floor - np.maximum(by_share, 1)
        low = np.where(undercut & (below >= behaviour.lowest_undercut * going), below, floor)
        # Where nothing is on sale, or nothing that anyone would buy, a seller goes by what the item is worth.
        sensible = np.minimum(floor, behaviour.dearest_bought * going)
        followed = (floor > 0) & (floor == sensible)
        alone = going * self._rng.uniform(0.9, 1.2, count)
        high = np.maximum(sensible, 0.9 * going) * (1.01 + 0.25 * self._rng.standard_exponential(count))
        silly = self._rng.random(count) < behaviour.silly
        high[silly] *= self._rng.uniform(3, 20, int(silly.sum()))
        return _in_steps(np.where(at_floor, np.where(followed, low, alone), high))

    def _sell(self) -> None:
        """Let the step's buyers take what they want: nearly all of them the cheapest first."""
        behaviour = self._behaviour
        buyers = self._happen(self._purchases_an_hour * self._demand(), swing=behaviour.demand_swing)
        size = purchase_sizes(
            self._mean_purchase[buyers],
            self._rng.integers(0, LEVELS, size=len(buyers)),
            spread=behaviour.purchase_spread,
        )
        dearest = behaviour.dearest_bought * self._going_price()
        by_taste = np.zeros(len(buyers), np.bool_)
        if behaviour.not_cheapest:
            by_taste = np.less(self._rng.random(len(buyers)), behaviour.not_cheapest)
        book = self._book
        bought = book.bought(self._units(buyers[~by_taste], size[~by_taste]), dearest=dearest)
        if by_taste.any():
            chosen = book.rows_of(buyers[by_taste], self._rng.random(int(by_taste.sum())))
            taken = np.bincount(chosen[chosen >= 0], weights=size[by_taste][chosen >= 0], minlength=len(book))
            taken[book.price > dearest[book.index]] = 0
            bought = np.minimum(bought + taken.astype(np.int64), book.quantity)
        rows = np.flatnonzero(bought)
        index, units = book.index[rows], bought[rows]
        unseen = book.sequence[rows] >= self._seen_before
        self._truth.sold[:] += self._units(index, units)
        self._truth.unseen[:] += self._units(index[unseen], units[unseen])
        self._book = book.without(bought)

    def _demand(self) -> NDArray[np.float64]:
        """How much more buyers ask for than usually, since the lowest price is below the going one, or less."""
        floor, going = self._book.floor(len(self._profiles)), self._going_price()
        return np.clip(going / np.where(floor > 0, floor, going), 0.5, 2.0) ** self._behaviour.elasticity


def _in_steps(price: NDArray[np.float64]) -> Int64:
    """Round prices to whole steps, within what the game allows."""
    return np.clip(np.rint(price), 1, _DEAREST).astype(np.int64)
