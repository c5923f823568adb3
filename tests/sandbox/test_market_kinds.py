from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

import numpy as np
import pytest

from ironforge_cli.regions import Region
from ironforge_cli.sandbox.market import MODERATE, Behaviour, Listings, SimulatedMarket, Truth, default_profiles
from ironforge_cli.sandbox.market_kinds import MARKETS, ORDINARY
from ironforge_cli.sandbox.world import World
from ironforge_cli.values import replace

BUCKET_ENDS = np.array([1_800, 7_200, 43_200])


def market(behaviour: Behaviour, *, auctions: int = 1_450) -> SimulatedMarket:
    return SimulatedMarket(
        profiles=default_profiles(seed=1, items=auctions // 29),
        auctions=auctions,
        seed=1,
        starts_at=datetime(2026, 3, 2, tzinfo=UTC),
        behaviour=behaviour,
    )


def after_hours(behaviour: Behaviour, *, hours: int) -> tuple[SimulatedMarket, Truth]:
    one = market(behaviour)
    one.advance(hours=hours)
    return one, one.truth()


def units(listings: Listings) -> int:
    return int(listings.quantity.sum())


def test_the_ordinary_market_is_the_first_and_each_other_differs_from_it() -> None:
    assert next(iter(MARKETS)) == ORDINARY
    assert MARKETS[ORDINARY].behaviour == MODERATE
    behaviours = [kind.behaviour for kind in MARKETS.values()]
    assert all(one not in behaviours[:place] for place, one in enumerate(behaviours))


@pytest.mark.parametrize("name", MARKETS)
def test_in_every_market_units_come_and_go_by_the_truth(name: str) -> None:
    one = market(MARKETS[name].behaviour)
    before = units(one.listings())
    one.advance(hours=2)
    truth = one.truth()
    assert all((getattr(truth, column.name) >= 0).all() for column in fields(truth))
    assert truth.sold.sum() > 0
    left = truth.sold.sum() + truth.expired.sum() + truth.cancelled.sum()
    assert units(one.listings()) == before + truth.listed.sum() - left


def test_lots_have_the_sizes_of_their_market() -> None:
    assert set(market(MARKETS["singles"].behaviour).listings().quantity.tolist()) == {1}
    stacks, _ = after_hours(MARKETS["stacks"].behaviour, hours=1)
    whole = np.isin(stacks.listings().quantity, (1, 20, 200))
    # The rest of them were bought in part.
    assert 0.9 < whole.mean() < 1
    assert units(market(MARKETS["bulky"].behaviour).listings()) > 5 * units(market(MODERATE).listings())


def test_a_mistaken_time_left_is_the_one_beside_and_stays_while_one_looks() -> None:
    one = market(MARKETS["mislabelled"].behaviour, auctions=14_500)
    shown = one.listings().time_left.astype(np.int64)
    assert one.listings().time_left.tolist() == shown.tolist()
    off = np.abs(shown - np.searchsorted(BUCKET_ENDS, one.seconds_left(), side="left"))
    # Half of the mistakes about the first and the last bucket point to where there is none.
    assert off.max() == 1
    assert 0.012 < off.mean() < 0.03
    assert (
        market(MODERATE).listings().time_left == np.searchsorted(BUCKET_ENDS, market(MODERATE).seconds_left())
    ).all()


def test_bunched_lots_come_in_one_quarter_of_the_hour() -> None:
    one = market(replace(MARKETS["bunched"].behaviour, cancelled_dearer=0.0, cancelled_cheapest=0.0))
    quarters: list[int] = []
    for _ in range(8):
        one.advance(minutes=15)
        quarters.append(int(one.truth().listed.sum()))
    assert [bool(listed) for listed in quarters] == [False, True, False, False] * 2
    spread, even = sum(quarters), int(after_hours(MARKETS["calm"].behaviour, hours=2)[1].listed.sum())
    assert 0.6 < spread / even < 1.6


def test_bots_take_back_what_was_undercut_and_undercut_in_turn() -> None:
    _, with_bots = after_hours(MARKETS["bots"].behaviour, hours=3)
    _, without = after_hours(MODERATE, hours=3)
    assert with_bots.cancelled.sum() > 5 * without.cancelled.sum()
    # They list all of it again, but for what waits its five minutes.
    assert with_bots.listed.sum() > 0.9 * with_bots.cancelled.sum()


def test_a_purchase_by_taste_passes_cheaper_lots_by() -> None:
    def passed_by(behaviour: Behaviour) -> int:
        small = {"turnover_times": 20.0, "purchase_lots": 0.2}
        one = market(replace(behaviour, cancelled_dearer=0.0, cancelled_cheapest=0.0, fresh_at_floor=0.0, **small))
        before = one.listings()
        one.advance(minutes=5)
        after = one.listings()
        left = dict(zip(after.auction_id.tolist(), after.quantity.tolist(), strict=True))
        quantity = np.array([left.get(auction, 0) for auction in before.auction_id.tolist()])
        partly, untouched = (quantity > 0) & (quantity < before.quantity), quantity == before.quantity
        return sum(
            bool((untouched & (before.item_id == item) & (before.unit_price < price)).any())
            for item, price in zip(before.item_id[partly], before.unit_price[partly], strict=True)
        )

    assert passed_by(MODERATE) == 0
    assert passed_by(replace(MODERATE, not_cheapest=1.0)) > 0


def test_elastic_buyers_take_more_where_it_is_cheap() -> None:
    # Floors stand below the going price more often than above it.
    _, elastic = after_hours(MARKETS["elastic"].behaviour, hours=6)
    _, constant = after_hours(MODERATE, hours=6)
    assert elastic.sold.sum() > 1.1 * constant.sold.sum()


def test_a_world_publishes_the_market_that_it_was_given() -> None:
    world = World(
        seed=1,
        auctions=300,
        items=60,
        recipes=0,
        monotonic=lambda: 0.0,
        regions=(Region.US,),
        behaviour=MARKETS["singles"].behaviour,
    )
    publication, _ = world.publications(Region.US)
    assert set(publication.listings.quantity.tolist()) == {1}
