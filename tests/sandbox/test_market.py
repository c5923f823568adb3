from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from ironforge_cli.sandbox.market import (
    MODERATE,
    Behaviour,
    IdRange,
    Listings,
    SimulatedMarket,
    Truth,
    default_profiles,
    usual_items,
)
from ironforge_cli.values import replace

_MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
_NOBODY_CANCELS = replace(MODERATE, cancelled_dearer=0.0, cancelled_cheapest=0.0)


def _market(
    *,
    auctions: int = 2_900,
    seed: int = 1,
    starts_at: datetime = _MIDNIGHT,
    behaviour: Behaviour = MODERATE,
    ids: IdRange | None = None,
) -> SimulatedMarket:
    return SimulatedMarket(
        profiles=default_profiles(seed=seed, items=usual_items(auctions)),
        auctions=auctions,
        seed=seed,
        starts_at=starts_at,
        behaviour=behaviour,
        ids=ids,
    )


def _columns(listings: Listings) -> list[list[int]]:
    return [
        listings.auction_id.tolist(),
        listings.item_id.tolist(),
        listings.quantity.tolist(),
        listings.unit_price.tolist(),
        listings.time_left.tolist(),
    ]


def _units_by_item(listings: Listings, market: SimulatedMarket) -> NDArray[np.int64]:
    row = np.searchsorted(market.profiles.item_id, listings.item_id)
    return np.bincount(row, weights=listings.quantity, minlength=len(market.profiles)).astype(np.int64)


def _survivors(before: Listings, after: Listings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows, in both, of the auctions that are in both."""
    order = np.argsort(after.auction_id)
    place = np.minimum(np.searchsorted(after.auction_id[order], before.auction_id), len(after) - 1)
    there = np.flatnonzero(after.auction_id[order][place] == before.auction_id)
    return there, order[place[there]]


def test_the_same_seed_gives_the_same_market() -> None:
    one, same, other = _market(seed=5), _market(seed=5), _market(seed=6)
    for market in (one, same, other):
        market.advance(hours=3)
    assert _columns(one.listings()) == _columns(same.listings())
    assert _columns(one.listings()) != _columns(other.listings())


@pytest.mark.parametrize("minutes", [(360.0,), (60.0,) * 6, (90.0, 0.0, 7.5, 262.5), (1.0, 2.0, 3.0, 354.0)])
def test_how_time_is_cut_into_calls_changes_nothing(minutes: tuple[float, ...]) -> None:
    whole, cut = _market(), _market()
    whole.advance(hours=6)
    for part in minutes:
        cut.advance(minutes=part)
    assert cut.now == whole.now == _MIDNIGHT + timedelta(hours=6)
    assert _columns(cut.listings()) == _columns(whole.listings())
    assert cut.truth().sold.tolist() == whole.truth().sold.tolist()


def test_looking_and_taking_the_truth_change_nothing() -> None:
    watched, alone = _market(), _market()
    for _ in range(12):
        watched.advance(minutes=20)
        watched.listings()
        watched.seconds_left()
        watched.truth()
    alone.advance(hours=4)
    assert _columns(watched.listings()) == _columns(alone.listings())


def test_a_truth_that_was_taken_stays_as_it_is() -> None:
    market = _market()
    market.advance(hours=1)
    taken = market.truth()
    sold = taken.sold.tolist()
    market.advance(hours=3)
    assert taken.sold.tolist() == sold


@pytest.mark.parametrize("auctions", [100, 2_900, 60_000, 1_000_000])
def test_a_market_opens_at_the_size_that_was_asked_for(auctions: int) -> None:
    market = _market(auctions=auctions)
    assert len(market.listings()) == len(market) == pytest.approx(auctions, rel=0.1)


@pytest.mark.parametrize("opens_at", [1, pytest.param(13, marks=pytest.mark.slow)])
def test_the_size_stays_within_a_tenth_for_days(opens_at: int) -> None:
    market = _market(auctions=29_000, starts_at=_MIDNIGHT + timedelta(hours=opens_at))
    sizes: list[int] = []
    for _ in range(24):
        market.advance(hours=2)
        sizes.append(len(market))
    assert min(sizes) >= 26_100
    assert max(sizes) <= 31_900
    assert np.mean(sizes[-12:]) == pytest.approx(29_000, rel=0.04)


@pytest.mark.parametrize("auctions", [20_000, pytest.param(60_000, marks=pytest.mark.slow)])
def test_hours_flow_as_in_a_real_region(auctions: int) -> None:
    # Of about 349,000: 308,700 survive, 40,200 vanish, 30,400 are new, 800 survivors shrank. One hour's gap
    # between vanished and new is the rhythm's; over a day both are about a tenth.
    market = _market(auctions=auctions)
    before = market.listings()
    vanished: list[float] = []
    new: list[float] = []
    shrank: list[float] = []
    for _ in range(24):
        market.advance(hours=1)
        after = market.listings()
        there, now = _survivors(before, after)
        vanished.append(1 - len(there) / len(before))
        new.append((len(after) - len(now)) / len(before))
        shrank.append(float(np.mean(after.quantity[now] < before.quantity[there])))
        before = after
    assert np.mean(vanished) == pytest.approx(0.10, abs=0.01)
    assert np.mean(new) == pytest.approx(0.10, abs=0.01)
    assert np.mean(shrank) == pytest.approx(0.0026, abs=0.0009)
    assert min(vanished) > 0.07
    assert max(vanished) > 0.108
    assert min(new) < 0.087
    assert max(new) < 0.14


def test_units_are_conserved_item_by_item() -> None:
    market = _market()
    before = _units_by_item(market.listings(), market)
    sold = expired = cancelled = 0
    for minutes in (60, 59.5, 240, 3, 600):
        market.advance(minutes=minutes)
        after = _units_by_item(market.listings(), market)
        truth = market.truth()
        left = truth.sold + truth.expired + truth.cancelled
        assert (before + truth.listed - left).tolist() == after.tolist()
        assert (truth.unseen <= truth.sold).all()
        sold += int(truth.sold.sum())
        expired += int(truth.expired.sum())
        cancelled += int(truth.cancelled.sum())
        before = after
    assert min(sold, expired, cancelled) > 1_000


def _unchanged_by_expiry(
    market: SimulatedMarket, *, before: Listings, left: NDArray[np.int64], seconds: int
) -> NDArray[np.bool_]:
    """Return for each item whether none of its auctions expired."""
    row = np.searchsorted(market.profiles.item_id, before.item_id)
    expiring = np.bincount(row[left <= seconds], minlength=len(market.profiles))
    return expiring == 0


def test_unseen_units_are_those_that_no_snapshot_showed() -> None:
    market = _market(behaviour=_NOBODY_CANCELS)
    unseen = 0
    for _ in range(8):
        market.truth()
        before, left = market.listings(), market.seconds_left()
        market.advance(hours=1)
        after, truth = market.listings(), market.truth()
        there, now = _survivors(before, after)
        taken = before.quantity.astype(np.int64)
        taken[there] -= after.quantity[now]
        row = np.searchsorted(market.profiles.item_id, before.item_id)
        seen = np.bincount(row, weights=taken, minlength=len(market.profiles))
        clear = _unchanged_by_expiry(market, before=before, left=left, seconds=3600)
        assert clear.sum() > 40
        assert seen[clear].tolist() == (truth.sold - truth.unseen)[clear].tolist()
        unseen += int(truth.unseen.sum())
    assert unseen > 0


def test_missed_snapshots_hide_more() -> None:
    def unseen_share(every_hours: int) -> float:
        market = _market(auctions=10_000)
        taken: list[Truth] = []
        for _ in range(24 // every_hours):
            market.advance(hours=every_hours)
            taken.append(market.truth())
        return sum(int(truth.unseen.sum()) for truth in taken) / sum(int(truth.sold.sum()) for truth in taken)

    assert 0.1 < unseen_share(1) < unseen_share(4) < 1


def test_buyers_take_the_cheapest_first_and_the_newest_first_at_an_equal_price() -> None:
    market = _market(behaviour=_NOBODY_CANCELS)
    partly_sold = wholly_sold = 0
    for _ in range(8):
        before, left = market.listings(), market.seconds_left()
        market.advance(hours=1)
        after = market.listings()
        there, now = _survivors(before, after)
        remaining = np.zeros(len(before), dtype=np.int64)
        remaining[there] = after.quantity[now]
        # An auction that expired may have been passed over or bought before: it proves nothing.
        lasting = left > 3600
        order = np.lexsort((-before.auction_id, before.unit_price, before.item_id))
        order = order[lasting[order]]
        item, rest, full = before.item_id[order], remaining[order], before.quantity[order]
        same_item = item[1:] == item[:-1]
        # Behind an auction that still has units nothing was taken.
        assert (rest[1:] == full[1:])[same_item & (rest[:-1] > 0)].all()
        partly_sold += int(((rest > 0) & (rest < full)).sum())
        wholly_sold += int((rest == 0).sum())
    assert partly_sold > 10
    assert wholly_sold > 50


def test_time_left_is_the_bucket_of_the_true_expiry() -> None:
    market = _market(auctions=10_000)
    seen: set[int] = set()
    for minutes in (0, 61.3, 60, 5):
        market.advance(minutes=minutes)
        for bucket, left in zip(market.listings().time_left.tolist(), market.seconds_left().tolist(), strict=True):
            longest = (1_800, 7_200, 43_200, 172_800)
            shortest = (0, *longest)
            assert shortest[bucket] < left <= longest[bucket]
            seen.add(bucket)
    assert seen == {0, 1, 2, 3}


def test_no_auction_outlives_its_time() -> None:
    market = _market()
    before, left = market.listings(), market.seconds_left()
    market.advance(minutes=47.5)
    over = set(before.auction_id[left <= 47.5 * 60].tolist())
    assert over
    assert not over & set(market.listings().auction_id.tolist())


def test_the_answer_is_grouped_by_time_left_with_ids_nearly_rising_inside() -> None:
    market = _market(auctions=20_000)
    market.advance(hours=2)
    listings = market.listings()
    assert (np.diff(listings.time_left.astype(np.int64)) >= 0).all()
    for bucket in range(4):
        rising = np.diff(listings.auction_id[listings.time_left == bucket]) > 0
        assert 0.95 < rising.mean() <= 1
    assert (np.diff(listings.auction_id) < 0).any()


def test_prices_are_multiples_of_100_copper_and_lots_hold_units() -> None:
    market = _market(auctions=20_000)
    market.advance(hours=6)
    listings = market.listings()
    assert (listings.unit_price % 100 == 0).all()
    assert listings.unit_price.min() >= 100
    assert listings.quantity.min() == 1
    assert 1_000 <= listings.quantity.max() <= 50_000
    assert 0.2 < np.mean(listings.quantity == 1) < 0.5
    assert [column.dtype for column in (listings.auction_id, listings.item_id, listings.quantity)] == [
        np.int64,
        np.int32,
        np.int32,
    ]
    assert (listings.unit_price.dtype, listings.time_left.dtype) == (np.int64, np.uint8)


def test_prices_stay_near_what_their_items_are_worth() -> None:
    market = _market(auctions=10_000)
    market.advance(hours=96)
    listings = market.listings()
    profiles = market.profiles
    row = np.searchsorted(profiles.item_id, listings.item_id)
    floor = np.full(len(profiles), np.iinfo(np.int64).max)
    np.minimum.at(floor, row, listings.unit_price)
    listed = np.unique(row)
    ratio = floor[listed] / profiles.base_price[listed]
    assert 0.6 < np.median(ratio) < 1.3
    assert np.quantile(ratio, 0.05) > 0.4
    assert np.quantile(ratio, 0.95) < 3


def test_there_are_thin_and_busy_items() -> None:
    market = _market(auctions=29_000)
    _, auctions = np.unique(market.listings().item_id, return_counts=True)
    assert np.quantile(auctions, 0.25) < 6
    assert auctions.max() > 300
    hours_with_sales = np.zeros(len(market.profiles))
    for _ in range(24):
        market.advance(hours=1)
        hours_with_sales += market.truth().sold > 0
    assert (hours_with_sales == 0).mean() > 0.1
    assert (hours_with_sales > 20).any()


def test_evenings_are_livelier_than_mornings() -> None:
    market = _market(auctions=29_000)
    sold: list[int] = []
    listed: list[int] = []
    for _ in range(4):
        market.advance(hours=6)
        truth = market.truth()
        sold.append(int((truth.sold > 0).sum()))
        listed.append(int(truth.listed.sum()))
    # The quarters of the day; activity is highest at 19:00 and lowest at 7:00.
    assert sold[3] > 1.2 * sold[1]
    assert listed[3] > 1.2 * listed[1]


def test_ids_rise_with_time_and_are_unique() -> None:
    market = _market()
    highest = 0
    for _ in range(5):
        listings = market.listings()
        assert len(np.unique(listings.auction_id)) == len(listings)
        assert listings.auction_id.max() > highest
        highest = int(listings.auction_id.max())
        market.advance(hours=1)
        there, now = _survivors(listings, market.listings())
        assert len(there) > 0
        new = np.delete(market.listings().auction_id, now)
        assert new.min() > highest


def test_the_real_range_of_ids_wraps_below_two_to_the_31() -> None:
    market = _market(ids=IdRange(first=2**31 - 60_000))
    market.advance(hours=24)
    ids = market.listings().auction_id
    assert ids.max() < 2**31
    assert ids.min() < 1_000_000
    assert (ids > 2**31 - 60_000).any()


def test_a_narrow_range_reuses_ids_for_other_items_and_never_twice_at_a_time() -> None:
    market = _market(ids=IdRange(first=6_000, lowest=1_000, highest=6_799))
    item_of: dict[int, int] = {}
    reused = 0
    for _ in range(24):
        listings = market.listings()
        assert len(np.unique(listings.auction_id)) == len(listings)
        assert listings.auction_id.min() >= 1_000
        assert listings.auction_id.max() <= 6_799
        now = dict(zip(listings.auction_id.tolist(), listings.item_id.tolist(), strict=True))
        reused += sum(item_of.get(auction, item) != item for auction, item in now.items())
        item_of |= now
        market.advance(hours=1)
    assert reused > 100


def test_cancelled_lots_come_back_at_or_below_the_floor() -> None:
    everybody = replace(
        MODERATE, cancelled_dearer=0.5, cancelled_cheapest=0.0, reposted=1.0, repost_minutes=(5, 5), fresh_at_floor=0.0
    )
    market = _market(behaviour=everybody)
    market.advance(hours=3)
    before = market.listings()
    row = np.searchsorted(market.profiles.item_id, before.item_id)
    floor = np.full(len(market.profiles), np.iinfo(np.int64).max)
    np.minimum.at(floor, row, before.unit_price)
    market.advance(minutes=5)
    after = market.listings()
    there, now = _survivors(before, after)
    new = np.delete(np.arange(len(after)), now)
    new_row = np.searchsorted(market.profiles.item_id, after.item_id[new])
    at_floor = after.unit_price[new] <= floor[new_row]
    # Lots that were on the book for an item are reposts; fresh ones all stand above the floor here.
    gone = np.delete(np.arange(len(before)), there)
    lots = set(zip(before.item_id.tolist(), before.quantity.tolist(), strict=True))
    assert at_floor.sum() > 0.5 * len(gone)
    assert {(int(after.item_id[place]), int(after.quantity[place])) for place in new[at_floor]} & lots


def test_the_truth_of_every_item_is_told_in_the_order_of_the_profiles() -> None:
    market = _market()
    market.advance(hours=2)
    truth = market.truth()
    assert truth.item_id.tolist() == market.profiles.item_id.tolist()
    again = market.truth()
    assert not any(column.any() for column in (again.listed, again.sold, again.unseen, again.expired, again.cancelled))


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one auction"):
        _market(auctions=0)
    with pytest.raises(ValueError, match="aware"):
        _market(starts_at=datetime(2026, 3, 2))  # noqa: DTZ001 - a time without a zone is what is refused.
    with pytest.raises(ValueError, match="too few"):
        _market(ids=IdRange(first=1, lowest=1, highest=3_000))
    with pytest.raises(ValueError, match="rise"):
        IdRange(first=5, lowest=10, highest=20)
    with pytest.raises(ValueError, match="forward"):
        _market().advance(hours=-1)
