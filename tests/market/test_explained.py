"""Explanations end in the figures that are stored, to the bit."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import pytest

from ironforge_cli.market import prices, sales
from ironforge_cli.market.auctions import Auctions, Book, LeftOut
from ironforge_cli.market.explained import explain_prices
from ironforge_cli.market.explained_sales import MarketSums, OwnPast, explain_sales
from ironforge_cli.market.past import Past
from ironforge_cli.values import replace
from tests.market.made_up import later, narrowed, whole_market

START: Final = datetime(2024, 1, 15, 20, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
ITEMS: Final = 700


def books() -> list[Book]:
    """Five hours of a market in which pairs, expiries and gaps occur."""
    random = np.random.default_rng(17)
    auctions = whole_market(random, auctions=3_000, items=ITEMS)
    made = [Book(auctions=auctions, windows=narrowed(random, auctions), snapshot_time=START)]
    for ends in (1, 2, 5, 6):
        following = later(random, made[-1].auctions)
        # The ids of one hour's new auctions are no other's.
        is_new = following.auction_id >= 10**12
        ids = np.where(is_new, following.auction_id - 10**12 + ends * 10**10, following.auction_id)
        auctions = Auctions.from_columns(
            auction_id=ids,
            item_id=following.item_id,
            unit_price=following.unit_price,
            quantity=following.quantity,
            time_left=following.time_left,
        )
        at = START + ends * HOUR
        windows = sales.compare(made[-1], auctions, at=at).windows
        made.append(Book(auctions=auctions, windows=windows, snapshot_time=at))
    return made


def of_item(auctions: Auctions, item: int) -> list[tuple[int, int]]:
    mine = auctions.item_id == item
    return list(zip(auctions.unit_price[mine].tolist(), auctions.quantity[mine].tolist(), strict=True))


def test_prices_of_two_hundred_items_end_in_what_is_stored() -> None:
    auctions = books()[0].auctions
    stored = prices.summarise(auctions)
    figures = [one.name for one in fields(stored)][1:]
    assert len(stored) >= 200
    for place, item in enumerate(stored.item_id.tolist()):
        explained = explain_prices(of_item(auctions, item))
        for figure in figures:
            assert explained[figure][-1].value == getattr(stored, figure)[place].item(), (item, figure)
            assert len({step.text for step in explained[figure]}) == len(explained[figure])


def said(lots: list[tuple[int, int]], figure: str) -> list[tuple[str, float | None]]:
    return [(step.text, step.value) for step in explain_prices(lots)[figure]]


def test_each_step_of_a_price_says_what_it_is_reckoned_of() -> None:
    few = [(10, 3), (12, 1), (11, 1)]
    assert said(few, "min_price") == [("The cheapest of 3 auctions", 10)]
    assert said(few, "max_price") == [("The dearest of 3 auctions", 12)]
    assert said(few, "mean_price") == [
        ("Units for sale", 5),
        ("What all of them cost together", 53),
        ("53 / 5", 10.6),
    ]
    assert said(few, "median_price") == [
        ("Units for sale", 5),
        ("Unit 3 from the cheapest costs", 10),
        ("It is the one in the middle", 10.0),
    ]
    assert said([(30, 2), (10, 2)], "median_price") == [
        ("Units for sale", 4),
        ("Unit 2 from the cheapest costs", 10),
        ("Unit 3 costs", 30),
        ("The mean of these two", 20.0),
    ]
    # 15% of 27 units are 4.05: five are taken, of which the last is the dearer one.
    assert said([(10, 4), (11, 23)], "cheapest_15_percent_price") == [
        ("Units for sale", 27),
        ("The cheapest 15% of them, rounded up", 5),
        ("What those cost together", 51),
        ("51 / 5, rounded up to copper", 11),
    ]
    assert said(few, "total_quantity") == [("The units of 3 auctions", 5)]
    assert said([(7, 1)], "total_quantity") == [("The units of 1 auction", 1)]
    assert said(few, "num_auctions") == [("Auctions for sale", 3)]


def test_a_price_that_goes_up_by_a_fifth_ends_what_is_looked_at_beyond_the_first_units() -> None:
    assert said([(10, 4), (12, 16)], "market_value") == [
        ("Units for sale", 20),
        ("The first 15% of 20 units, always looked at", 3),
        ("Then the price goes from 10 to 12, at least 1.2 times as much: units looked at", 4),
        ("What they cost together", 40),
        ("Their mean", 10.0),
        ("Their standard deviation", 0.0),
        ("Kept are the units from 10 to 10, within 1.5 deviations of the mean", 4),
        ("What those cost together", 40),
        ("40 / 4", 10.0),
    ]
    not_looked_at = "No price from there to 30% is 1.2 times the one before: units looked at"
    # Less than a fifth; among the first 15%; and beyond the first 30%.
    for lots, walked in (([(100, 4), (119, 16)], 6), ([(10, 2), (12, 18)], 6), ([(10, 6), (12, 14)], 6)):
        assert said(lots, "market_value")[2] == (not_looked_at, walked)
    # The third of twenty is the last of the first 15%: a jump after it counts.
    assert said([(10, 3), (12, 17)], "market_value")[2][1] == 3
    assert said([(7, 1)], "market_value")[1:3] == [
        ("The first 15% of 1 units, always looked at", 1),
        (not_looked_at, 1),
    ]


def test_an_item_that_is_sold_out_has_no_price_and_none_for_sale() -> None:
    explained = explain_prices([])
    assert {figure for figure, steps in explained.items() if steps[-1].value == 0} == {"total_quantity", "num_auctions"}
    assert explained["market_value"][-1].value is None
    assert {step.text for (step,) in explained.values() if step.value is None} == {
        "It is not for sale in this snapshot: it has no price"
    }
    assert explained["num_auctions"][0].text == "It is not for sale in this snapshot"
    assert list(explained) == list(explain_prices([(1, 1)]))


@pytest.mark.parametrize("withdrawn", [None, 0, 1], ids=["as it is", "none", "one"])
def test_sales_of_two_hundred_items_end_in_what_is_estimated(withdrawn: int | None) -> None:
    made = books()
    past = Past()
    for before, now in pairwise(made[:-1]):
        seconds = int((now.snapshot_time - before.snapshot_time).total_seconds())
        counts = sales.compare(before, now.auctions, at=now.snapshot_time).counts
        past.estimated(counts, ended_at=now.snapshot_time, seconds=seconds)
    before, now = made[-2:]
    left_out = int(now.auctions.item_id[0])
    current = replace(now.auctions, left_out=LeftOut(1, (left_out,)))
    counts = sales.compare(before, current, at=now.snapshot_time).counts
    assert counts.withdrawn > 1
    if withdrawn is not None:
        # In a market with little cancelling pairs are evidence, too.
        counts = replace(counts, withdrawn=withdrawn)
    sums = past.sums(now.snapshot_time)
    stored = past.estimated(counts, ended_at=now.snapshot_time, seconds=3_600)
    of_row = sums.of(stored.item_id)
    known = stored.known
    names = [one.name for one in fields(stored)]
    evidence, seen, unseen, new_at_floor, estimated, low, high = (getattr(stored, name) for name in names[2:])
    market = MarketSums(
        auctions=int(counts.auctions.sum()),
        withdrawn=counts.withdrawn,
        plain=int((of_row.plain + (evidence == 2))[known].sum()),
        evident=int((of_row.evident + (evidence > 0))[known].sum()),
        supplied=int((of_row.supplied + (new_at_floor > 0))[known].sum()),
    )
    assert set(evidence.tolist()) == ({0, 2} if withdrawn is None else {0, 1, 2})
    ids: list[int] = stored.item_id.tolist()
    chosen = list(enumerate(ids))[::3]
    assert len(chosen) >= 200
    assert left_out in [item for _, item in chosen]
    for place, item in chosen:
        own = OwnPast(
            sums.intervals,
            sums.seconds,
            **{one.name: getattr(of_row, one.name)[place].item() for one in fields(OwnPast)[2:]},
        )
        explained = explain_sales(
            before, current, item_id=item, at=now.snapshot_time, market=market, past=own, seconds=3_600
        )
        last = {figure: steps[-1].value for figure, steps in explained.items()}
        if item == left_out:
            assert set(last.values()) == {None}
            continue
        expected = {
            "evidence": evidence,
            "seen_sales": seen,
            "unseen_sales": unseen,
            "new_at_floor": new_at_floor,
            "estimated_sales": estimated,
            "sales_low": low,
            "sales_high": high,
        }
        assert {figure: last[figure] for figure in expected} == {
            figure: values[place].item() for figure, values in expected.items()
        }, item
