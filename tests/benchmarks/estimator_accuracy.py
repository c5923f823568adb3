"""How near the estimated sales come to the truth, beside version 1 and the rules that others use.

Run it with `uv run python -m tests.benchmarks.estimator_accuracy`; it takes a few minutes. Seeds after the module's
name take the place of its own, so that anyone can try others.

The market is the sandbox's, with its ordinary behaviour (`MODERATE`) or that of another named market:

- 20 seeds, each 200 items with 5,800 auctions, so 29 an item as in a real region. Popularity is lognormal with a
  spread of 1.5, as a recorded answer suggests: half of the items have fewer than 10 auctions, a few have hundreds.
- Each hour 5% of the lots above the floor of their item and 2% of those at it are cancelled, 70% of them listed
  again after 5 to 15 minutes at the floor or just below it. Of the fresh lots 35% go to the floor, too.
- 75% of the lots are listed for 12 hours, 15% for 24 and 10% for 48. A turnover differs from item to item, 2.6% of
  the listed units an hour on the average; a purchase is three mean lots on the average, and widely spread.
- Buying swings over a day by 40%, listing by 25%, cancelling by 20%.
- 48 hours pass before the 96 that are measured, the last 24 of them under the estimator's eyes: it judges by an item's
  own last 12 hours, and how the market was opened must not matter.

Hourly means 96 comparisons; with a quarter missed, 24 of the 95 snapshots before the last are left out at random.

An item's error is that of its sum over the whole period, and stands for items that sold in at least 15% of the
observed intervals. False sales are the share of item-intervals without any sale for which a rule reports some.
Units that were listed and sold between two snapshots belong to the truth, though nobody can see them. The bounds are
judged by item-days.

The last two rules count what was taken from surviving auctions as well, which is more than they usually do.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ironforge_cli.market.auctions import Auctions, Book
from ironforge_cli.market.past import Past
from ironforge_cli.market.sales import compare, first_windows
from ironforge_cli.market.time_left import TimeLeft
from ironforge_cli.sandbox.market import MODERATE, Behaviour, Listings, SimulatedMarket, Truth, default_profiles
from ironforge_cli.sandbox.market_kinds import MARKETS
from tests.benchmarks.version_1 import version_1

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]
Bool: TypeAlias = NDArray[np.bool_]

SEEDS = (11, 23, 37, 41, 59)
FRESH_SEEDS = tuple(1_000 * number + 7 for number in range(31, 51))
"""Named when the rules and constants were final, and looked at by nobody before."""
GRID_SEEDS = (101, 202)
ITEMS = 200
AUCTIONS = 29 * ITEMS
WARM_UP_HOURS = 48
WATCHED_HOURS = 24
HOURS = 96
HOURS_A_DAY = 24
OFTEN_SOLD = 0.15
ESTIMATOR, VERSION_1 = "version 2", "version 1"
NAIVE, LONG_ONLY = "gone, and not SHORT before", "gone at LONG or VERY_LONG"
RULES = (ESTIMATOR, VERSION_1, NAIVE, LONG_ONLY)
HIDDEN = (0.1, 0.2, 0.3, 0.4)
"""Shares of an item's units that were never visible, between which its estimate is calibrated."""
_START = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Observed:
    """What one market's snapshots told, and the truth: a row an interval, a column an item."""

    hour: Int64
    """At which each interval ended, from 1."""
    sold: Int64
    unseen: Int64
    confirmed: Int64
    """Taken from auctions that are still there."""
    low: Int64
    high: Int64
    low_1: Int64
    """The bounds of version 1."""
    high_1: Int64
    withdrawn: Float64
    """Auctions of the market withdrawn an hour, as a share of all: a number an interval."""
    reported: dict[str, Int64]
    """By rule."""


@dataclass(frozen=True, slots=True)
class RuleAccuracy:
    """How one rule did over all seeds."""

    median_error: float
    """Median over items of |reported - sold| / sold."""
    median_bias: float
    """Median over items of (reported - sold) / sold."""
    false_sales: float
    """Share of the item-intervals without a sale for which it reports one."""
    total: float
    """All that it reports, as a multiple of all that was sold."""
    error_by_frequency: tuple[float, ...]
    """Median error of the items that sold in 15-30%, 30-60% and 60-100% of the intervals."""


@dataclass(frozen=True, slots=True)
class BoundsAccuracy:
    """In which share of the item-days the truth lies within the bounds."""

    within: float
    often_within: float
    """Of the items that sold often."""
    version_1_within: float
    above_confirmed: float
    """What was confirmed alone is not more than the truth."""
    low_of_sold: float
    """All lower bounds together, as a share of all that was sold."""


@dataclass(frozen=True, slots=True)
class HiddenBand:
    """How the estimate does for items of which about so many units were never visible."""

    items: int
    total: float
    """All that it reports of them, as a multiple of all that was sold."""
    median_error: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """All figures of one benchmark run."""

    rules: dict[str, RuleAccuracy]
    bounds: BoundsAccuracy
    by_hidden: tuple[HiddenBand, ...]
    """Of the items that sold often: below each share of `HIDDEN`, and above the last."""
    often_sold: float
    """Share of the items whose errors count."""
    median_unseen: float
    """Of the units that those items sold, the share that no snapshot showed: the median."""
    withdrawn: float
    """Auctions withdrawn an hour, as a share of all: the median interval's."""


def measure(
    *, seeds: tuple[int, ...] = SEEDS, hours: int = HOURS, missed: float = 0.0, behaviour: Behaviour = MODERATE
) -> Accuracy:
    """Observe a market for each seed, and sum up; `missed` is the share of snapshots that are left out."""
    return summed_up([observe(seed=seed, hours=hours, missed=missed, behaviour=behaviour) for seed in seeds])


def observe(*, seed: int, hours: int, missed: float, behaviour: Behaviour) -> Observed:
    """Let one market run, and look at it as a collector would."""
    profiles = default_profiles(seed=seed, items=ITEMS)
    market = SimulatedMarket(profiles=profiles, auctions=AUCTIONS, seed=seed, starts_at=_START, behaviour=behaviour)
    market.advance(hours=WARM_UP_HOURS - WATCHED_HOURS)
    between = np.arange(1, hours)
    left_out = np.random.default_rng(seed).choice(between, size=round(missed * len(between)), replace=False)

    first = as_collected(market.listings())
    book = Book(auctions=first, windows=first_windows(first), snapshot_time=market.now)
    past = Past()
    kept: list[int] = []
    truths: list[Truth] = []
    columns: dict[str, list[Int64]] = {}
    withdrawn: list[float] = []
    for hour in range(1 - WATCHED_HOURS, hours + 1):
        market.advance(hours=1)
        if hour in left_out:
            continue
        truth, now = market.truth(), as_collected(market.listings())
        found = compared(book, now, at=market.now, items=profiles.item_id, past=past)
        if hour >= 1:
            kept.append(hour)
            truths.append(truth)
            withdrawn.append(found.withdrawn)
            for name, units in found.columns.items():
                columns.setdefault(name, []).append(units)
        book = found.book
    return Observed(
        hour=np.array(kept),
        sold=np.array([truth.sold for truth in truths]),
        unseen=np.array([truth.unseen for truth in truths]),
        withdrawn=np.array(withdrawn),
        reported={rule: np.array(columns.pop(rule)) for rule in RULES},
        **{name: np.array(units) for name, units in columns.items()},
    )


def as_collected(listings: Listings) -> Auctions:
    """Return what was published as a collector keeps it."""
    return Auctions.from_columns(
        auction_id=listings.auction_id,
        item_id=listings.item_id,
        unit_price=listings.unit_price,
        quantity=listings.quantity,
        time_left=listings.time_left,
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """What two snapshots told: the later one's book, and units by item under the names of `Observed` and of rules."""

    book: Book
    columns: dict[str, Int64]
    withdrawn: float


def compared(previous: Book, now: Auctions, *, at: datetime, items: NDArray[np.int32], past: Past) -> Compared:
    """Return the units that the estimator and the other rules report between two snapshots, a row an item."""
    comparison = compare(previous, now, at=at)
    seconds = (at - previous.snapshot_time) // timedelta(seconds=1)
    sales = past.estimated(comparison.counts, ended_at=at, seconds=seconds)
    first = version_1(previous.auctions, now, comparison, item_id=items)
    row = np.searchsorted(items, sales.item_id)

    def by_item(units: Int64) -> Int64:
        column = np.zeros(len(items), dtype=np.int64)
        column[row] = units
        return column

    # The other rules are worked out here from the two snapshots alone.
    before = previous.auctions
    at_row = np.minimum(np.searchsorted(now.auction_id, before.auction_id), len(now) - 1)
    survives = now.auction_id[at_row] == before.auction_id
    taken = np.where(survives, before.quantity - now.quantity[at_row], 0)

    def gone_and(left: Bool) -> Int64:
        units = np.where(survives, taken, before.quantity * left)
        column = np.searchsorted(items, before.item_id)
        return np.bincount(column, weights=units, minlength=len(items)).astype(np.int64)

    return Compared(
        book=Book(auctions=now, windows=comparison.windows, snapshot_time=at),
        columns={
            ESTIMATOR: by_item(sales.estimated_sales),
            VERSION_1: first.estimated,
            NAIVE: gone_and(before.time_left > TimeLeft.SHORT),
            LONG_ONLY: gone_and(before.time_left > TimeLeft.MEDIUM),
            "confirmed": by_item(comparison.counts.confirmed),
            "low": by_item(sales.sales_low),
            "high": by_item(sales.sales_high),
            "low_1": first.low,
            "high_1": first.high,
        },
        withdrawn=comparison.counts.withdrawn_share * 3600 / seconds,
    )


def summed_up(markets: list[Observed]) -> Accuracy:
    """Sum up what several markets told."""
    sold = np.concatenate([market.sold.sum(axis=0) for market in markets])
    unseen = np.concatenate([market.unseen.sum(axis=0) for market in markets])
    frequency = np.concatenate([np.mean(market.sold > 0, axis=0) for market in markets])
    often = frequency >= OFTEN_SOLD

    def of_rule(rule: str) -> RuleAccuracy:
        reported = np.concatenate([market.reported[rule].sum(axis=0) for market in markets])
        deviation = (reported[often] - sold[often]) / sold[often]
        false = np.concatenate([market.reported[rule][market.sold == 0] > 0 for market in markets])
        band = np.digitize(frequency[often], (0.3, 0.6))
        return RuleAccuracy(
            median_error=float(np.median(np.abs(deviation))),
            median_bias=float(np.median(deviation)),
            false_sales=float(np.mean(false)),
            total=float(reported.sum() / sold.sum()),
            error_by_frequency=tuple(float(np.median(np.abs(deviation[band == place]))) for place in range(3)),
        )

    hidden = unseen[often] / sold[often]
    estimated = np.concatenate([market.reported[ESTIMATOR].sum(axis=0) for market in markets])[often]
    band = np.digitize(hidden, HIDDEN)

    def of_band(place: int) -> HiddenBand:
        mine = band == place
        if not mine.any():
            return HiddenBand(0, float("nan"), float("nan"))
        error = np.abs(estimated[mine] - sold[often][mine]) / sold[often][mine]
        total = float(estimated[mine].sum() / sold[often][mine].sum())
        return HiddenBand(items=int(mine.sum()), total=total, median_error=float(np.median(error)))

    return Accuracy(
        rules={rule: of_rule(rule) for rule in RULES},
        bounds=bounds(markets),
        by_hidden=tuple(of_band(place) for place in range(len(HIDDEN) + 1)),
        often_sold=float(np.mean(often)),
        median_unseen=float(np.median(hidden)),
        withdrawn=float(np.median(np.concatenate([market.withdrawn for market in markets]))),
    )


def bounds(markets: list[Observed]) -> BoundsAccuracy:
    """Hold the truth of item-days against the bounds."""

    def daily(market: Observed, name: str) -> Int64:
        starts = np.flatnonzero(np.diff((market.hour - 1) // HOURS_A_DAY, prepend=-1))
        return np.add.reduceat(getattr(market, name), starts, axis=0)

    def pooled(name: str) -> Int64:
        return np.concatenate([daily(market, name).ravel() for market in markets])

    def of_item(market: Observed) -> Bool:
        often = np.mean(market.sold > 0, axis=0) >= OFTEN_SOLD
        return np.broadcast_to(often, daily(market, "sold").shape).ravel()

    sold, low, high = pooled("sold"), pooled("low"), pooled("high")
    within = (low <= sold) & (sold <= high)
    often = np.concatenate([of_item(market) for market in markets])
    return BoundsAccuracy(
        within=float(np.mean(within)),
        often_within=float(np.mean(within[often])),
        version_1_within=float(np.mean((pooled("low_1") <= sold) & (sold <= pooled("high_1")))),
        above_confirmed=float(np.mean(pooled("confirmed") <= sold)),
        low_of_sold=float(low.sum() / sold.sum()),
    )


def report(title: str, accuracy: Accuracy) -> str:
    """Return the figures as a table for people."""
    lines = [
        title,
        f"{'rule':<28}{'median error':>14}{'bias':>8}{'false sales':>13}{'total':>8}   error where sold in",
        f"{'':<28}{'':>14}{'':>8}{'':>13}{'':>8}   15-30%  30-60%  60-100% of the intervals",
    ]
    for rule, figures in accuracy.rules.items():
        bands = "  ".join(f"{error:>6.0%}" for error in figures.error_by_frequency)
        lines.append(
            f"{rule:<28}{figures.median_error:>14.1%}{figures.median_bias:>+8.0%}"
            f"{figures.false_sales:>13.1%}{figures.total:>7.2f}x   {bands}"
        )
    held = accuracy.bounds
    told = (
        f"{accuracy.often_sold:.0%} of the items sold often enough to count; of their sales "
        f"{accuracy.median_unseen:.0%} were never visible; {accuracy.withdrawn:.1%} of the auctions withdrawn an hour\n"
        f"the truth of an item-day is within the bounds in {held.within:.1%}, of items that sold often in "
        f"{held.often_within:.1%}; within those of version 1 in {held.version_1_within:.1%}\n"
        f"what was confirmed is not more than the truth in {held.above_confirmed:.1%}; all lower bounds are "
        f"{held.low_of_sold:.0%} of the sales\n"
        "never visible       items   total   median error"
    )
    lines.append(told)
    edges = (0.0, *HIDDEN, 1.0)
    for (least, most), band in zip(pairwise(edges), accuracy.by_hidden, strict=True):
        lines.append(f"{least:>5.0%} to {most:<5.0%}  {band.items:>9}  {band.total:>6.2f}x  {band.median_error:>11.1%}")
    return "\n".join(lines) + "\n"


def grid(seeds: tuple[int, ...]) -> str:
    """Return a line for each named market, and how all of them do."""
    heading = (
        f"{'market':<13}{'median error':>13}{'bias':>7}{'false':>7}{'in bounds':>11}{'withdrawn':>11}"
        f"{'version 1':>11}{'false':>7}"
    )
    lines = [heading]
    errors: list[float] = []
    for name, kind in MARKETS.items():
        accuracy = measure(seeds=seeds, behaviour=kind.behaviour)
        ours, first = accuracy.rules[ESTIMATOR], accuracy.rules[VERSION_1]
        errors.append(ours.median_error)
        lines.append(
            f"{name:<13}{ours.median_error:>13.1%}{ours.median_bias:>+7.0%}{ours.false_sales:>7.1%}"
            f"{accuracy.bounds.within:>11.1%}{accuracy.withdrawn:>11.1%}{first.median_error:>11.1%}{first.false_sales:>7.1%}"
        )
    lines.append(f"the median of the markets' median errors is {np.median(errors):.1%}, the highest {max(errors):.1%}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the figures of all seeds."""
    seeds = tuple(int(word) for word in sys.argv[1:]) or FRESH_SEEDS
    sys.stdout.write(f"seeds {seeds}, {ITEMS} items and {AUCTIONS:,} auctions each, {HOURS} hours\n\n")
    sys.stdout.write(report("Hourly", measure(seeds=seeds)) + "\n")
    sys.stdout.write(report("A quarter of the snapshots missed", measure(seeds=seeds, missed=0.25)) + "\n")
    sys.stdout.write(grid(GRID_SEEDS))


if __name__ == "__main__":
    main()
