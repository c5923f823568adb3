"""Explanations of sales: each auction that counts with its window and rule, and rules 9 to 17 step by step.

The numbers of the rules are those of docs/estimator.md. Scalars take the steps that `estimate` takes with columns, in
the same order, so that the last one's value is the stored figure to the bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.market import estimate as rules
from ironforge_cli.market.auctions import Windows, minute_of
from ironforge_cli.market.counts import PARTS, pairs_by_quantity, weighted_units
from ironforge_cli.market.explained import ArithmeticStep, Explained
from ironforge_cli.market.front import Front
from ironforge_cli.market.sales import AuctionOutcome, compare

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.market.auctions import Auctions, Book
    from ironforge_cli.market.sales import Comparison

SALES = (
    *("estimated_sales", "sales_low", "sales_high", "seen_sales", "unseen_sales", "evidence", "new_at_floor"),
    *("new_listings", "new_auctions"),
)
"""The figures that are explained."""


@dataclass(frozen=True, slots=True)
class MarketSums:
    """What an interval and its window show of a whole market: over the items with a row of which sales are known."""

    auctions: int
    """In the earlier snapshot."""
    withdrawn: int
    plain: int
    """How often an item had plain evidence, this interval among them; as the two below."""
    evident: int
    supplied: int


@dataclass(frozen=True, slots=True)
class OwnPast:
    """What the rows of one item's earlier intervals add up to; see `PastSums`."""

    intervals: int = 0
    """Of the region, in the window, without this one; as `seconds`."""
    seconds: int = 0
    plain: int = 0
    evident: int = 0
    supplied: int = 0
    seen: float = 0.0
    new_at_floor: int = 0
    unknown: int = 0
    """Intervals of which nothing is known of the item."""
    unknown_seconds: int = 0
    today: float = 0.0


@dataclass(frozen=True, slots=True)
class _Counted:
    """What an interval shows of one item, with the lines that say so."""

    auctions: int
    confirmed: int
    plain: float
    certain: int
    paired: float
    gone: int
    new_at_floor: int
    new_listings: int
    new_auctions: int
    pairs: tuple[tuple[float, float], ...]
    """Weighted units in 64ths, and the chance."""
    lines: tuple[ArithmeticStep, ...]
    """One for each auction that counts."""
    arrivals: tuple[ArithmeticStep, ...]


def explain_sales(
    previous: Book, current: Auctions, *, item_id: int, at: datetime, market: MarketSums, past: OwnPast, seconds: int
) -> Explained:
    """Explain an item's sales between two snapshots, from its own auctions in both and the sums around them; units.

    All figures end in None where an auction of the item was left out of either snapshot.
    """
    mine = previous.auctions.item_id == item_id
    windows = previous.windows
    before = replace(
        previous,
        auctions=previous.auctions.taken(mine),
        windows=Windows(windows.expires_after_min[mine], windows.expires_before_min[mine]),
    )
    now = current.taken(current.item_id == item_id)
    comparison = compare(before, now, at=at)
    place = np.flatnonzero(comparison.counts.item_id == item_id)
    if not len(place) or not comparison.counts.known[place[0]]:
        why = "An auction of the item made no sense and was left out of one of the two snapshots: nothing is known"
        return {figure: [ArithmeticStep(why, None)] for figure in SALES}
    counted = _counted(before, now, comparison, at=at)
    return _reckoned(counted, market=market, past=past, seconds=seconds)


def _counted(previous: Book, current: Auctions, comparison: Comparison, *, at: datetime) -> _Counted:
    before, outcome = previous.auctions, comparison.outcome
    nowhere, here = np.zeros(len(before), np.int64), np.zeros(len(current), np.int64)
    stayed = np.flatnonzero(outcome <= AuctionOutcome.PARTLY_SOLD)
    front = Front.of(before, nowhere, stayed=stayed, items=1)
    rows, chances = pairs_by_quantity(
        item=(nowhere, here),
        quantity=(before.quantity, current.quantity),
        likely=outcome == AuctionOutcome.SOLD_LIKELY,
        is_new=comparison.is_new,
        not_above=front.not_above(current, here),
    )
    chance = dict(zip(rows.tolist(), chances.tolist(), strict=True))
    in_front = comparison.is_new & front.in_reach(current, here)
    elapsed = minute_of(at) - minute_of(previous.snapshot_time)
    left = dict(zip(current.auction_id.tolist(), current.quantity.tolist(), strict=True))
    lines: list[ArithmeticStep] = []
    confirmed = certain = gone = 0
    plain = paired = 0
    pairs: list[tuple[float, float]] = []
    for row, (auction, quantity, price) in enumerate(
        zip(before.auction_id.tolist(), before.quantity.tolist(), before.unit_price.tolist(), strict=True)
    ):
        kind = AuctionOutcome(int(outcome[row]))
        says = f"Auction {auction}: {quantity:,} at {price:,}"
        first = int(previous.windows.expires_after_min[row]) - elapsed
        last = int(previous.windows.expires_before_min[row]) - elapsed
        window = f"expiring from {first} to {last} min after the later snapshot"
        gone += quantity if comparison.in_reach[row] else 0
        if kind is AuctionOutcome.PARTLY_SOLD:
            sold = quantity - left[auction]
            confirmed += sold
            lines.append(ArithmeticStep(f"{says}, {left[auction]:,} left: sold, confirmed (rule 1)", sold))
        elif kind is AuctionOutcome.EXPIRED:
            lines.append(ArithmeticStep(f"{says}, {window}: expired (rule 2)", 0))
        elif kind is AuctionOutcome.WITHDRAWN:
            lines.append(ArithmeticStep(f"{says}, {window}, not in reach of buyers: withdrawn (rule 3)", 0))
        elif kind is AuctionOutcome.SOLD_LIKELY:
            parts = _parts(quantity, ahead=last, width=last - first)
            share = min(1.0, last / (last - first))
            if row in chance:
                paired += parts
                pairs.append((float(parts), chance[row]))
                also = f"beside a new one of {quantity:,}: paired (rules 4 and 5), a coincidence by {chance[row]:.4g}"
            else:
                plain += parts
                certain += quantity if last >= last - first else 0
                also = "sold, likely (rule 4)"
            lines.append(ArithmeticStep(f"{says}, {window}: {share:.4g} of its units {also}", parts / PARTS))
    new = [
        (int(current.auction_id[row]), int(current.quantity[row]), int(current.unit_price[row]), bool(in_front[row]))
        for row in np.flatnonzero(comparison.is_new).tolist()
    ]
    return _Counted(
        auctions=len(before),
        confirmed=confirmed,
        plain=plain / PARTS,
        certain=certain,
        paired=paired / PARTS,
        gone=gone,
        new_at_floor=sum(quantity for _, quantity, _, reached in new if reached),
        new_listings=sum(quantity for _, quantity, _, _ in new),
        new_auctions=len(new),
        pairs=tuple(pairs),
        lines=tuple(lines),
        arrivals=tuple(
            ArithmeticStep(f"New auction {auction}: {quantity:,} at {price:,}, in reach of buyers", quantity)
            for auction, quantity, price, reached in new
            if reached
        ),
    )


def _parts(quantity: int, *, ahead: int, width: int) -> int:
    def column(value: int) -> np.ndarray:
        return np.array([value], np.int64)

    return int(weighted_units(column(quantity), ahead=column(ahead), width=column(width))[0])


def _reckoned(counted: _Counted, *, market: MarketSums, past: OwnPast, seconds: int) -> Explained:
    intervals = past.intervals + 1
    own = intervals - past.unknown
    own_seconds = past.seconds + seconds - past.unknown_seconds
    cancelled = market.withdrawn / market.auctions if market.auctions else 0.0
    notes: list[ArithmeticStep] = []

    def share(name: str, times: int, of_market: int) -> float:
        """Rule 9."""
        usual = 0.0
        if market.auctions:
            usual = min(rules.LARGEST_SHARE, counted.auctions * of_market / (intervals * market.auctions))
        found = min(rules.LARGEST_SHARE, (times + rules.USUAL_INTERVALS * usual) / (own + rules.USUAL_INTERVALS))
        said = f"{name} in {times} of {own} intervals, {usual:.4g} usual for so many auctions: its share (rule 9)"
        notes.append(ArithmeticStep(said, found))
        return found

    sold = counted.confirmed + counted.plain
    is_plain = sold >= rules.ENOUGH
    plain_share = share("Plain evidence", past.plain + is_plain, market.plain)
    sales_share, notes = notes, []
    by_chance = sum(units for units, chance in counted.pairs if plain_share * chance >= rules.COINCIDENCES * cancelled)
    is_evident = sold + by_chance / PARTS >= rules.ENOUGH
    cancelling = ArithmeticStep(f"Withdrawn of all auctions ({market.auctions:,}): their share (rule 8)", cancelled)
    evidence = [
        *counted.lines,
        ArithmeticStep("Confirmed and likely sold, unpaired", sold),
        *sales_share,
        cancelling,
        ArithmeticStep("Paired units that rather are coincidences than reposts (rule 11)", by_chance / PARTS),
        ArithmeticStep(
            f"Evidence is {_EVIDENCE[2 if is_plain else int(is_evident)]} (rules 10 and 11)",
            2 if is_plain else int(is_evident),
        ),
    ]
    seen = sold + counted.paired if is_evident else 0.0
    seen_steps = [
        *counted.lines,
        ArithmeticStep("Confirmed", counted.confirmed),
        ArithmeticStep("Likely sold, unpaired", counted.plain),
        ArithmeticStep("Paired", counted.paired),
        ArithmeticStep(
            "Together, since there is evidence (rule 12)" if is_evident else "No evidence, so none (rule 12)", seen
        ),
    ]
    evident_share = share("Evidence", past.evident + is_evident, market.evident)
    supplied_share = share(
        "Something new in reach of buyers", past.supplied + (counted.new_at_floor > 0), market.supplied
    )
    mean_seen = (past.seen + seen) / own
    mean_new = (past.new_at_floor + counted.new_at_floor) / own
    rate = 0.0
    if mean_seen > 0 and mean_new > 0:
        rate = 0.5 / (
            (1 - evident_share) / (evident_share * mean_new) + (1 - supplied_share) / (supplied_share * mean_seen)
        )
    length = seconds * own / own_seconds if own_seconds > 0 else 1.0
    quarters = rules.quarters_of_mean(np.array(seconds * own), np.array(own_seconds)).item()
    longer = 1 + evident_share * (quarters - 1)
    unseen = math.floor(PARTS * (rate / evident_share * (length * longer)) + 0.5) / PARTS if is_evident else 0.0
    unseen_steps = [
        *notes,
        ArithmeticStep(f"Units seen sold in an interval, the mean of {own}", mean_seen),
        ArithmeticStep("Units of new auctions in reach of buyers in one, the mean", mean_new),
        ArithmeticStep("Units listed and sold unseen in an interval, on the average (rule 13)", rate),
        ArithmeticStep("This interval's length, in mean lengths", length),
        ArithmeticStep("The longer, the more it hides of what sells often: times", longer),
        ArithmeticStep(
            "The rate by the share of evidence, times both, in 64ths (rule 14)"
            if is_evident
            else "No evidence, so none (rule 14)",
            unseen,
        ),
    ]
    rounded = math.floor(past.today + seen + unseen + 0.5)
    earlier = math.floor(past.today + 0.5)
    is_sure = plain_share >= rules.SURE_OF_SALES * cancelled
    sure = counted.certain if is_sure else 0
    most = math.ceil(rules.UNSEEN_AT_MOST * unseen)
    if not is_evident:
        most = math.floor(rules.UNSEEN_UNEVIDENCED * rate * length + 0.5)
    return {
        "estimated_sales": [
            *counted.lines,
            ArithmeticStep("Seen sold (rule 12)", seen),
            ArithmeticStep("Listed and sold between the two snapshots, unseen (rule 14)", unseen),
            ArithmeticStep("Seen and unseen earlier on this day", past.today),
            ArithmeticStep("Together with those, rounded", rounded),
            ArithmeticStep("Less what earlier hours of the day were rounded to", earlier),
            ArithmeticStep(f"{rounded} - {earlier} (rule 15)", rounded - earlier),
        ],
        "sales_low": [
            ArithmeticStep("Confirmed", counted.confirmed),
            ArithmeticStep("Units that cannot have expired, likely sold and unpaired", counted.certain),
            *sales_share,
            cancelling,
            ArithmeticStep(
                _low_of(is_evident=is_evident, is_sure=is_sure),
                counted.confirmed + sure if is_evident else 0,
            ),
        ],
        "sales_high": [
            ArithmeticStep("Confirmed", counted.confirmed),
            ArithmeticStep("Units of all that vanished in reach of buyers", counted.gone),
            ArithmeticStep("Unseen at most", most),
            ArithmeticStep("All of these (rule 17)", counted.confirmed + counted.gone + most),
        ],
        "seen_sales": seen_steps,
        "unseen_sales": unseen_steps,
        "evidence": evidence,
        "new_at_floor": [
            *counted.arrivals,
            ArithmeticStep("Units of new auctions in reach of buyers (rule 7)", counted.new_at_floor),
        ],
        "new_listings": [
            ArithmeticStep("Units of all auctions that the snapshot before had not", counted.new_listings)
        ],
        "new_auctions": [ArithmeticStep("Auctions that the snapshot before had not", counted.new_auctions)],
    }


_EVIDENCE = ("none", "by pairs alone", "plain")


def _low_of(*, is_evident: bool, is_sure: bool) -> str:
    if not is_evident:
        return "No evidence, so none (rule 16)"
    if is_sure:
        return "Both, since sales are much more frequent than cancelling (rule 16)"
    return "What is confirmed alone: sales are not much more frequent than cancelling (rule 16)"
