"""How near the estimated sales come to the truth, beside the rules that others use.

Run it with `uv run python -m tests.benchmarks.estimator_accuracy`; it takes about half a minute.

The market is the sandbox's with its ordinary behaviour (`MODERATE`), and nothing is set for this benchmark:

- 5 seeds, each 200 items with 5,800 auctions, so 29 an item as in a real region. Popularity is lognormal with a
  spread of 1.5, as a recorded answer suggests: half of the items have fewer than 10 auctions, a few have hundreds.
- Each hour 5% of the lots above the floor of their item and 2% of those at it are cancelled, 70% of them listed
  again after 5 to 15 minutes at the floor or just below it. Of the fresh lots 35% go to the floor, too.
- 75% of the lots are listed for 12 hours, 15% for 24 and 10% for 48. A turnover differs from item to item, 2.6% of
  the listed units an hour on the average; a purchase is three mean lots on the average, and widely spread.
- Buying swings over a day by 40%, listing by 25%, cancelling by 20%.
- 48 hours pass before the 96 that are measured, so that nothing rests on how the market was opened.

Hourly means 96 comparisons; with a quarter missed, 24 of the 95 snapshots before the last are left out at random.

An item's error is that of its sum over the whole period, and stands for items that sold in at least 15% of the
observed intervals. False sales are the share of item-intervals without any sale for which a rule reports some.
Units that were listed and sold between two snapshots belong to the truth, though nobody can see them; the bounds
are judged by item-days, all of them and those without such unseen units.

Both other rules count what was taken from surviving auctions as well, which is more than they usually do.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ironforge_cli.market.auctions import Auctions, Book, TimeLeft
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.sandbox.market import Listings, SimulatedMarket, Truth, default_profiles

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]
Bool: TypeAlias = NDArray[np.bool_]

SEEDS = (11, 23, 37, 41, 59)
ITEMS = 200
AUCTIONS = 29 * ITEMS
WARM_UP_HOURS = 48
HOURS = 96
HOURS_A_DAY = 24
OFTEN_SOLD = 0.15
ESTIMATOR, NAIVE, LONG_ONLY = "ironforge", "gone, and not SHORT before", "gone at LONG or VERY_LONG"
_START = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Observed:
    """What one market's snapshots told, and the truth: a row an interval, a column an item."""

    hour: Int64
    """At which each interval ended, from 1."""
    sold: Int64
    unseen: Int64
    cancelled: Int64
    confirmed: Int64
    """Taken from auctions that are still there."""
    low: Int64
    high: Int64
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

    item_days: int
    within: float
    not_below_low: float
    not_above_high: float
    above_confirmed: float
    """What was confirmed alone is not more than the truth."""
    low_explained: float
    """`sales_low` is not more than was sold or cancelled."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """All figures of one benchmark run."""

    rules: dict[str, RuleAccuracy]
    all_days: BoundsAccuracy
    seen_days: BoundsAccuracy
    """Of the item-days in which nothing was listed and sold unseen."""
    often_sold: float
    """Share of the items whose errors count."""
    median_unseen: float
    """Of the units that those items sold, the share that no snapshot showed: the median."""
    low_of_sold: float
    """All lower bounds together, as a share of all that was sold."""


def measure(*, seeds: tuple[int, ...] = SEEDS, hours: int = HOURS, missed: float = 0.0) -> Accuracy:
    """Observe a market for each seed, and sum up; `missed` is the share of snapshots that are left out."""
    return summed_up([observe(seed=seed, hours=hours, missed=missed) for seed in seeds])


def observe(*, seed: int, hours: int, missed: float) -> Observed:
    """Let one market run, and look at it as a collector would."""
    profiles = default_profiles(seed=seed, items=ITEMS)
    market = SimulatedMarket(profiles=profiles, auctions=AUCTIONS, seed=seed, starts_at=_START)
    market.advance(hours=WARM_UP_HOURS)
    market.truth()
    between = np.arange(1, hours)
    left_out = np.random.default_rng(seed).choice(between, size=round(missed * len(between)), replace=False)

    book = summarise_snapshot(None, as_collected(market.listings()), at=market.now).book
    kept: list[int] = []
    truths: list[Truth] = []
    columns: dict[str, list[Int64]] = {}
    for hour in range(1, hours + 1):
        market.advance(hours=1)
        if hour in left_out:
            continue
        kept.append(hour)
        truths.append(market.truth())
        now = as_collected(market.listings())
        for name, units in compared(book, now, at=market.now, items=profiles.item_id).items():
            columns.setdefault(name, []).append(units)
        book = summarise_snapshot(book, now, at=market.now).book
    return Observed(
        hour=np.array(kept),
        sold=np.array([truth.sold for truth in truths]),
        unseen=np.array([truth.unseen for truth in truths]),
        cancelled=np.array([truth.cancelled for truth in truths]),
        confirmed=np.array(columns["confirmed"]),
        low=np.array(columns["low"]),
        high=np.array(columns["high"]),
        reported={rule: np.array(columns[rule]) for rule in (ESTIMATOR, NAIVE, LONG_ONLY)},
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


def compared(previous: Book, now: Auctions, *, at: datetime, items: NDArray[np.int32]) -> dict[str, Int64]:
    """Return the units that the estimator and the other rules report between two snapshots, a row an item."""
    sales = summarise_snapshot(previous, now, at=at).statistics.sales
    if sales is None:
        raise ValueError("a snapshot with a predecessor has figures of sales")
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

    return {
        ESTIMATOR: by_item(sales.estimated_sales),
        "confirmed": by_item(sales.confirmed),
        "low": by_item(sales.sales_low),
        "high": by_item(sales.sales_high),
        NAIVE: gone_and(before.time_left > TimeLeft.SHORT),
        LONG_ONLY: gone_and(before.time_left > TimeLeft.MEDIUM),
    }


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

    days = [by_day(market) for market in markets]
    return Accuracy(
        rules={rule: of_rule(rule) for rule in (ESTIMATOR, NAIVE, LONG_ONLY)},
        all_days=bounds(days, seen_only=False),
        seen_days=bounds(days, seen_only=True),
        often_sold=float(np.mean(often)),
        median_unseen=float(np.median(unseen[often] / sold[often])),
        low_of_sold=float(sum(market.low.sum() for market in markets) / sold.sum()),
    )


def by_day(market: Observed) -> Observed:
    """Sum intervals by the day in which they end."""
    day = (market.hour - 1) // HOURS_A_DAY
    starts = np.flatnonzero(np.diff(day, prepend=-1))

    def daily(column: Int64) -> Int64:
        return np.add.reduceat(column, starts, axis=0)

    return Observed(
        hour=market.hour[starts],
        sold=daily(market.sold),
        unseen=daily(market.unseen),
        cancelled=daily(market.cancelled),
        confirmed=daily(market.confirmed),
        low=daily(market.low),
        high=daily(market.high),
        reported={rule: daily(column) for rule, column in market.reported.items()},
    )


def bounds(days: list[Observed], *, seen_only: bool) -> BoundsAccuracy:
    """Hold the truth of item-days against the bounds; `seen_only` leaves out those with unseen sales."""

    def pooled(name: str) -> Int64:
        return np.concatenate([getattr(market, name)[(market.unseen == 0) | (not seen_only)] for market in days])

    sold, low, high = pooled("sold"), pooled("low"), pooled("high")
    return BoundsAccuracy(
        item_days=len(sold),
        within=float(np.mean((low <= sold) & (sold <= high))),
        not_below_low=float(np.mean(low <= sold)),
        not_above_high=float(np.mean(sold <= high)),
        above_confirmed=float(np.mean(pooled("confirmed") <= sold)),
        low_explained=float(np.mean(low <= sold + pooled("cancelled"))),
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
    lines.append(
        f"{accuracy.often_sold:.0%} of the items sold often enough to count; of their sales "
        f"{accuracy.median_unseen:.0%} were never visible; all lower bounds are {accuracy.low_of_sold:.0%} of the sales"
    )
    lines.append(f"{'item-days':<28}{'number':>14}{'in bounds':>12}{'>= low':>9}{'<= high':>9}{'>= confirmed':>14}")
    for name, held in (("nothing sold unseen", accuracy.seen_days), ("all", accuracy.all_days)):
        lines.append(
            f"{name:<28}{held.item_days:>14,}{held.within:>12.1%}{held.not_below_low:>9.1%}"
            f"{held.not_above_high:>9.1%}{held.above_confirmed:>14.1%}"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the figures of all seeds."""
    sys.stdout.write(f"seeds {SEEDS}, {ITEMS} items and {AUCTIONS:,} auctions each, {HOURS} hours\n\n")
    sys.stdout.write(report("Hourly", measure()) + "\n")
    sys.stdout.write(report("A quarter of the snapshots missed", measure(missed=0.25)))


if __name__ == "__main__":
    main()
