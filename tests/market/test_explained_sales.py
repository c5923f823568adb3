"""What explanations of sales say: each auction with its rule, and each step with its numbers, reckoned by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.market.auctions import Auctions, Book, Windows
from ironforge_cli.market.explained_sales import MarketSums, OwnPast, explain_sales

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.market.explained import Explained

NOON: Final = datetime(2026, 1, 14, 12, tzinfo=UTC)
LONG: Final = (720, 2880)
# Ids, prices and units; of another item there is one auction.
BEFORE: Final = [(1, 100, 10), (2, 100, 1_000), (3, 90, 4), (4, 80, 6), (5, 200, 9), (6, 70, 5), (7, 95, 2)]
WINDOWS: Final = [LONG, LONG, LONG, (30, 100), LONG, (0, 30), LONG]
NOW: Final = [(1, 100, 7), (2, 100, 1_000), (11, 60, 6), (12, 100, 30), (13, 300, 40)]
MARKET: Final = MarketSums(auctions=100, withdrawn=3, plain=40, evident=45, supplied=60)
PAST: Final = OwnPast(
    intervals=9,
    seconds=9 * 3_600,
    plain=4,
    evident=5,
    supplied=6,
    seen=20.0,
    new_at_floor=50,
    unknown=1,
    unknown_seconds=3_600,
    today=7.75,
)


def auctions(rows: Sequence[tuple[int, int, int]]) -> Auctions:
    every = [*((number, 7, price, units) for number, price, units in rows), (99, 8, 1, 1)]
    number, item, price, units = np.array(every, np.int64).T
    return Auctions.from_columns(
        auction_id=number,
        item_id=item.astype(np.int32),
        unit_price=price,
        quantity=units.astype(np.int32),
        time_left=np.full(len(every), 3, np.uint8),
    )


def explained(
    before: Sequence[tuple[int, int, int]],
    now: Sequence[tuple[int, int, int]],
    *,
    windows: Sequence[tuple[int, int]],
    market: MarketSums = MARKET,
    past: OwnPast = PAST,
    seconds: int = 3_600,
) -> Explained:
    first, last = np.array([*windows, LONG], np.int16).T
    book = Book(auctions=auctions(before), windows=Windows(first, last), snapshot_time=NOON)
    at = NOON + timedelta(hours=1)
    return explain_sales(book, auctions(now), item_id=7, at=at, market=market, past=past, seconds=seconds)


def with_withdrawn(withdrawn: int) -> MarketSums:
    return replace(MARKET, withdrawn=withdrawn)


def said(steps: Explained, figure: str) -> list[tuple[str, float | None]]:
    return [(step.text, step.value if step.value is None else round(step.value, 6)) for step in steps[figure]]


LINES: Final = [
    ("Auction 1: 10 at 100, 7 left: sold, confirmed (rule 1)", 3),
    (
        (
            "Auction 3: 4 at 90, expiring from 660 to 2820 min after the later snapshot: 1 of its units sold, likely"
            " (rule 4)"
        ),
        4.0,
    ),
    # 40 minutes of 70, so 219 of its 384 parts.
    (
        (
            "Auction 4: 6 at 80, expiring from -30 to 40 min after the later snapshot: 0.5714 of its units beside a"
            " new one of 6: paired (rules 4 and 5), a coincidence by 0.00444"
        ),
        219 / 64,
    ),
    (
        (
            "Auction 5: 9 at 200, expiring from 660 to 2820 min after the later snapshot, not in reach of buyers:"
            " withdrawn (rule 3)"
        ),
        0,
    ),
    ("Auction 6: 5 at 70, expiring from -60 to -30 min after the later snapshot: expired (rule 2)", 0),
    (
        (
            "Auction 7: 2 at 95, expiring from 660 to 2820 min after the later snapshot: 1 of its units sold, likely"
            " (rule 4)"
        ),
        2.0,
    ),
]
# (5 + 4 x 0.28) / 13.
PLAIN_SHARE: Final = (
    "Plain evidence in 5 of 9 intervals, 0.28 usual for so many auctions: its share (rule 9)",
    round(6.12 / 13, 6),
)
CANCELLING: Final = ("Withdrawn of all auctions (100): their share (rule 8)", 0.03)


def test_each_step_of_an_hour_of_sales_says_what_it_adds() -> None:
    found = explained(BEFORE, NOW, windows=WINDOWS)
    assert said(found, "evidence") == [
        *LINES,
        ("Confirmed and likely sold, unpaired", 9.0),
        PLAIN_SHARE,
        CANCELLING,
        ("Paired units that rather are coincidences than reposts (rule 11)", 0.0),
        ("Evidence is plain (rules 10 and 11)", 2),
    ]
    assert said(found, "seen_sales") == [
        *LINES,
        ("Confirmed", 3),
        ("Likely sold, unpaired", 6.0),
        ("Paired", 219 / 64),
        ("Together, since there is evidence (rule 12)", 9 + 219 / 64),
    ]
    assert said(found, "unseen_sales") == [
        ("Evidence in 6 of 9 intervals, 0.315 usual for so many auctions: its share (rule 9)", round(7.26 / 13, 6)),
        (
            "Something new in reach of buyers in 7 of 9 intervals, 0.42 usual for so many auctions: its share (rule 9)",
            round(8.68 / 13, 6),
        ),
        ("Units seen sold in an interval, the mean of 9", round((20 + 9 + 219 / 64) / 9, 6)),
        ("Units of new auctions in reach of buyers in one, the mean", round(86 / 9, 6)),
        ("Units listed and sold unseen in an interval, on the average (rule 13)", 2.263506),
        ("This interval's length, in mean lengths", 1.0),
        ("The longer, the more it hides of what sells often: times", 1.0),
        # 2.263506 / 0.558462 is 259.4 64ths.
        ("The rate by the share of evidence, times both, in 64ths (rule 14)", 259 / 64),
    ]
    assert said(found, "estimated_sales") == [
        *LINES,
        ("Seen sold (rule 12)", 9 + 219 / 64),
        ("Listed and sold between the two snapshots, unseen (rule 14)", 259 / 64),
        ("Seen and unseen earlier on this day", 7.75),
        ("Together with those, rounded", 24),
        ("Less what earlier hours of the day were rounded to", 8),
        ("24 - 8 (rule 15)", 16),
    ]


def test_each_step_of_the_bounds_and_of_what_is_new_says_what_it_adds() -> None:
    found = explained(BEFORE, NOW, windows=WINDOWS)
    assert said(found, "sales_low") == [
        ("Confirmed", 3),
        ("Units that cannot have expired, likely sold and unpaired", 6),
        PLAIN_SHARE,
        CANCELLING,
        ("Both, since sales are much more frequent than cancelling (rule 16)", 9),
    ]
    assert said(found, "sales_high") == [
        ("Confirmed", 3),
        ("Units of all that vanished in reach of buyers", 4 + 6 + 5 + 2),
        ("Unseen at most", 11),
        ("All of these (rule 17)", 31),
    ]
    assert said(found, "new_at_floor") == [
        ("New auction 11: 6 at 60, in reach of buyers", 6),
        ("New auction 12: 30 at 100, in reach of buyers", 30),
        ("Units of new auctions in reach of buyers (rule 7)", 36),
    ]
    assert said(found, "new_listings") == [("Units of all auctions that the snapshot before had not", 76)]
    assert said(found, "new_auctions") == [("Auctions that the snapshot before had not", 3)]


def test_a_longer_interval_hides_more_of_what_sells_often() -> None:
    # 7,200 s of 36,000 in nine intervals: 1.8 mean lengths, which are 1.75 to the quarter.
    found = said(explained(BEFORE, NOW, windows=WINDOWS, seconds=7_200), "unseen_sales")
    assert found[-3:] == [
        ("This interval's length, in mean lengths", 1.8),
        ("The longer, the more it hides of what sells often: times", round(1 + 7.26 / 13 * 0.75, 6)),
        ("The rate by the share of evidence, times both, in 64ths (rule 14)", 662 / 64),
    ]


def test_pairs_are_evidence_where_little_is_cancelled_and_none_where_much_is() -> None:
    before, now = [(2, 100, 1_000), (4, 80, 6)], [(2, 100, 1_000), (11, 60, 6)]
    windows = [LONG, LONG]
    found = explained(before, now, windows=windows, market=with_withdrawn(0))
    last = {figure: steps[-1].text for figure, steps in found.items()}
    assert last["evidence"] == "Evidence is by pairs alone (rules 10 and 11)"
    assert last["seen_sales"] == "Together, since there is evidence (rule 12)"
    assert last["sales_low"] == "Both, since sales are much more frequent than cancelling (rule 16)"
    assert (found["seen_sales"][-1].value, found["sales_low"][-1].value) == (6.0, 0)
    found = explained(before, now, windows=windows, market=with_withdrawn(60))
    last = {figure: steps[-1].text for figure, steps in found.items()}
    assert last["evidence"] == "Evidence is none (rules 10 and 11)"
    assert last["seen_sales"] == "No evidence, so none (rule 12)"
    assert last["unseen_sales"] == "No evidence, so none (rule 14)"
    assert last["sales_low"] == "No evidence, so none (rule 16)"
    assert {found[figure][-1].value for figure in ("evidence", "seen_sales", "unseen_sales", "sales_low")} == {0}
    found = explained(BEFORE, NOW, windows=WINDOWS, market=with_withdrawn(60))
    assert said(found, "sales_low")[-1] == (
        "What is confirmed alone: sales are not much more frequent than cancelling (rule 16)",
        3,
    )


def test_a_markets_first_auctions_have_nothing_usual_and_no_length() -> None:
    nothing = MarketSums(auctions=0, withdrawn=0, plain=0, evident=0, supplied=0)
    found = explained([], [(11, 60, 6)], windows=[], market=nothing, past=OwnPast(), seconds=0)
    assert ("Withdrawn of all auctions (0): their share (rule 8)", 0.0) in said(found, "evidence")
    assert said(found, "unseen_sales")[:2] == [
        ("Evidence in 0 of 1 intervals, 0 usual for so many auctions: its share (rule 9)", 0.0),
        ("Something new in reach of buyers in 1 of 1 intervals, 0 usual for so many auctions: its share (rule 9)", 0.2),
    ]
    assert ("This interval's length, in mean lengths", 1.0) in said(found, "unseen_sales")
