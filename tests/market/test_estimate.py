from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ironforge_cli.market import sales
from ironforge_cli.market.auctions import Book, LeftOut
from ironforge_cli.market.counts import PARTS, ItemCounts
from ironforge_cli.market.estimate import Estimates, PastSums, estimate
from ironforge_cli.market.past import Past
from ironforge_cli.values import replace
from tests.market import reference, reference_estimate
from tests.market.made_up import as_columns
from tests.market.reference import Auction, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2024, 1, 15, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
BUCKETS = list(reference.BUCKETS)

lots = st.builds(
    Auction,
    item=st.integers(1, 3),
    price=st.integers(1, 4).map(lambda price: 100 * price),
    quantity=st.sampled_from([1, 1, 2, 3, 7, 200]),
    time_left=st.sampled_from(BUCKETS),
)
gaps = st.sampled_from([60, 1800, 3600, 3600, 3600, 3631, 7200, 5 * 3600])


@st.composite
def a_later_lot(draw: st.DrawFn, old: Auction) -> Auction | None:
    fate = draw(st.sampled_from(["same"] * 4 + ["gone"] * 3 + ["less"]))
    if fate == "gone":
        return None
    quantity = draw(st.integers(1, old.quantity)) if fate == "less" else old.quantity
    return old._replace(quantity=quantity, time_left=draw(st.sampled_from([old.time_left, *BUCKETS])))


@st.composite
def several_hours(draw: st.DrawFn) -> list[tuple[datetime, Snapshot, tuple[int, ...]]]:
    """Times, snapshots, and of each the items of which an auction was left out."""
    at, snapshot = START, draw(st.dictionaries(st.integers(1, 9), lots, max_size=8))
    hours: list[tuple[datetime, Snapshot, tuple[int, ...]]] = [(at, snapshot, ())]
    for _ in range(draw(st.integers(1, 6))):
        at += timedelta(seconds=draw(gaps))
        changed = {key: draw(a_later_lot(old)) for key, old in snapshot.items()}
        listed = draw(st.dictionaries(st.integers(1, 18), lots, max_size=4))
        snapshot = listed | {key: lot for key, lot in changed.items() if lot is not None}
        odd = draw(st.sampled_from([(), (), (), (1,), (2, 3)]))
        hours.append((at, snapshot, odd))
    return hours


def counted(hours: Sequence[tuple[datetime, Snapshot, tuple[int, ...]]]) -> list[sales.Comparison]:
    comparisons: list[sales.Comparison] = []
    book: Book | None = None
    for at, snapshot, odd in hours:
        auctions = replace(as_columns(snapshot), left_out=LeftOut(len(odd), odd))
        if book is None:
            book = Book(auctions=auctions, windows=sales.first_windows(auctions), snapshot_time=at)
            continue
        comparison = sales.compare(book, auctions, at=at)
        book = Book(auctions=auctions, windows=comparison.windows, snapshot_time=at)
        comparisons.append(comparison)
    return comparisons


def estimated(hours: Sequence[tuple[datetime, Snapshot, tuple[int, ...]]]) -> list[Estimates]:
    past, rows = Past(), list[Estimates]()
    for (before, *_), (at, *_), comparison in zip(hours, hours[1:], counted(hours), strict=False):
        rows.append(past.estimated(comparison.counts, ended_at=at, seconds=int((at - before).total_seconds())))
    return rows


def assert_equal_counts(counts: ItemCounts, plainly: dict[int, reference_estimate.Counts | None]) -> None:
    assert counts.item_id.tolist() == sorted(plainly)
    assert counts.known.tolist() == [plainly[item] is not None for item in sorted(plainly)]
    expected = [plainly[item] or reference_estimate.Counts() for item in sorted(plainly)]
    for name in ("auctions", "confirmed", "plain", "certain", "paired", "gone", "new_at_floor"):
        assert getattr(counts, name).tolist() == [getattr(one, name) for one in expected], name
    pairs = sorted(
        zip(counts.pairs.row.tolist(), counts.pairs.units.tolist(), counts.pairs.chance.tolist(), strict=True)
    )
    wanted = sorted((row, PARTS * units, chance) for row, one in enumerate(expected) for units, chance in one.pairs)
    assert [pair[:2] for pair in pairs] == [pair[:2] for pair in wanted]
    assert [pair[2] for pair in pairs] == pytest.approx([float(pair[2]) for pair in wanted], rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(several_hours())
def test_hours_in_a_row_equal_the_plain_reference(hours: list[tuple[datetime, Snapshot, tuple[int, ...]]]) -> None:
    past: list[reference_estimate.Interval] = []
    windows = reference.first_windows(hours[0][1])
    for (at, old, old_odd), (now, new, odd), comparison, rows in zip(
        hours, hours[1:], counted(hours), estimated(hours), strict=False
    ):
        hour = reference.compare(
            old,
            windows,
            new,
            old_time=at,
            new_time=now,
            old_left=reference.LeftOut(frozenset(old_odd)),
            new_left=reference.LeftOut(frozenset(odd)),
        )
        windows = hour.windows
        plainly = reference_estimate.count(old, new, hour)
        assert_equal_counts(comparison.counts, plainly)
        seconds = int((now - at).total_seconds())
        withdrawn = sum(fate == "WITHDRAWN" and old[key].item not in hour.unknown for key, fate in hour.fate.items())
        assert comparison.counts.withdrawn == withdrawn
        expected = reference_estimate.estimate(plainly, past, withdrawn=withdrawn, at=now, seconds=seconds)
        # Doubles may fall on the other side of what is equal, or half a 64th, in fractions.
        assume(expected.narrowest > 1e-9)
        for place, item in enumerate(rows.item_id.tolist()):
            row = expected.rows[item]
            assert rows.known[place] == (row is not None)
            if row is None:
                continue
            for part in (PARTS * row.exact_unseen + Fraction(1, 2), row.exact_uneventful):
                assume(abs(part - round(part)) > 1e-9)
            found = (rows.evidence[place], rows.seen_sales[place], rows.unseen_sales[place], rows.new_at_floor[place])
            assert found == (row.evidence, row.seen, row.unseen, row.new_at_floor)
            bounds = (rows.sales_low[place], rows.estimated_sales[place], rows.sales_high[place])
            assert bounds == (row.low, row.estimate, row.high)
        past.append(reference_estimate.Interval(now, seconds, expected.rows))


@settings(max_examples=15, deadline=None)
@given(several_hours())
def test_what_must_hold_holds(hours: list[tuple[datetime, Snapshot, tuple[int, ...]]]) -> None:
    days: dict[tuple[object, int], list[tuple[float, int]]] = {}
    for (at, *_), rows in zip(hours[1:], estimated(hours), strict=True):
        assert (rows.sales_low >= 0).all()
        assert (rows.sales_low <= rows.estimated_sales).all()
        assert (rows.estimated_sales <= rows.sales_high).all()
        nothing = rows.evidence == 0
        for column in (rows.estimated_sales, rows.seen_sales, rows.unseen_sales, rows.sales_low):
            assert not column[nothing].any()
        assert np.isfinite(rows.unseen_sales).all()
        assert (rows.unseen_sales >= 0).all()
        for column in (rows.seen_sales, rows.unseen_sales):
            assert (np.floor(PARTS * column) == PARTS * column).all()
        for one in fields(rows)[2:]:
            assert not getattr(rows, one.name)[~rows.known].any()
        for item, exact, sold in zip(
            rows.item_id.tolist(),
            (rows.seen_sales + rows.unseen_sales).tolist(),
            rows.estimated_sales.tolist(),
            strict=True,
        ):
            days.setdefault((at.date(), item), []).append((exact, sold))
    for found in days.values():
        assert sum(sold for _, sold in found) == int(np.floor(sum(exact for exact, _ in found) + 0.5))


@settings(max_examples=8, deadline=None)
@given(several_hours())
def test_the_order_of_past_rows_does_not_matter(hours: list[tuple[datetime, Snapshot, tuple[int, ...]]]) -> None:
    past = Past()
    for (before, *_), (at, *_), comparison in zip(hours, hours[1:], counted(hours), strict=False):
        sums, seconds = past.sums(at), int((at - before).total_seconds())
        backwards = replace(sums, **{one.name: getattr(sums, one.name)[::-1] for one in fields(sums)[2:]})
        rows = past.estimated(comparison.counts, ended_at=at, seconds=seconds)
        again = estimate(comparison.counts, backwards, seconds=seconds)
        assert all(np.array_equal(getattr(rows, one.name), getattr(again, one.name)) for one in fields(rows))


WORKED_BEFORE = {
    1: Auction(7, 50_000, 10, "VERY_LONG"),
    2: Auction(7, 60_000, 20, "VERY_LONG"),
    3: Auction(7, 90_000, 5, "VERY_LONG"),
}
WORKED_AFTER = {
    2: Auction(7, 60_000, 12, "VERY_LONG"),
    4: Auction(7, 49_900, 10, "VERY_LONG"),
    5: Auction(7, 55_000, 6, "VERY_LONG"),
}


def worked_counts(after: Snapshot) -> ItemCounts:
    """The example's item, and all the rest of its market as if that were one item."""
    (comparison,) = counted([(START, WORKED_BEFORE, ()), (START + HOUR, after, ())])
    mine = comparison.counts
    columns: dict[str, Any] = {one.name: np.append(getattr(mine, one.name), 0) for one in fields(mine)[2:11]}
    columns |= {"item_id": np.array([7, 8], np.int32), "known": np.array([True, True]), "withdrawn": 40}
    return replace(mine, **{**columns, "auctions": np.append(mine.auctions, 997)})


def worked_past(**columns: list[int]) -> PastSums:
    """Eleven hours of which the item, and the rest of the market, had so many with each property."""
    ones = {name: np.array(values) for name, values in columns.items()}
    return PastSums(
        intervals=11,
        seconds=11 * 3600,
        item_id=np.array([7, 8], np.int32),
        seen=np.array([31.0, 0.0]),
        new_at_floor=np.array([45, 0]),
        unknown=np.array([0, 0]),
        unknown_seconds=np.array([0, 0]),
        today=np.array([20.25, 0.0]),
        **ones,
    )


def test_the_worked_example_of_the_page() -> None:
    counts = worked_counts(WORKED_AFTER)
    item = {one.name: getattr(counts, one.name)[0] for one in fields(counts)[2:9]}
    assert item == {
        "auctions": 3,
        "confirmed": 8,
        "plain": 0,
        "certain": 0,
        "paired": 10,
        "gone": 10,
        "new_at_floor": 16,
    }
    assert counts.pairs.chance.tolist() == pytest.approx([0.009975])
    # The market's 204 hours with plain evidence, 236 with any and 356 with something new are this and eleven others'.
    rows = estimate(counts, worked_past(plain=[3, 200], evident=[3, 232], supplied=[5, 350]), seconds=3600)
    assert rows.evidence.tolist()[0] == 2
    assert (rows.seen_sales[0], rows.unseen_sales[0]) == (18, 2.0625)
    assert (rows.sales_low[0], rows.estimated_sales[0], rows.sales_high[0]) == (8, 20, 24)


@pytest.mark.parametrize(
    ("seconds", "unseen"),
    [
        pytest.param(3_700, 2.109375, id="by its length alone where it is some minutes longer than the others"),
        # 2.0575 times 24/13, and since the nearest quarter of that is 1.75, times 1 + 0.75 p.
        pytest.param(7_200, 4.546875, id="by more than its length where a snapshot is missing"),
    ],
)
def test_the_worked_example_in_a_longer_interval_hides_more(seconds: int, unseen: float) -> None:
    past = worked_past(plain=[3, 200], evident=[3, 232], supplied=[5, 350])
    assert estimate(worked_counts(WORKED_AFTER), past, seconds=seconds).unseen_sales[0] == unseen


def test_the_worked_example_without_the_partial_sale_is_no_evidence() -> None:
    counts = worked_counts({**WORKED_AFTER, 2: WORKED_BEFORE[2]})
    rows = estimate(counts, worked_past(plain=[3, 200], evident=[3, 232], supplied=[5, 350]), seconds=3600)
    assert (rows.evidence[0], rows.estimated_sales[0], rows.sales_low[0]) == (0, 0, 0)
    assert rows.sales_high[0] >= counts.gone[0]


def test_among_single_lots_the_pair_that_anyone_could_have_made_is_a_sale() -> None:
    single = Auction(7, 100, 1, "VERY_LONG")
    before = {key: single._replace(price=100 + key) for key in range(1, 11)}
    after = {key: lot for key, lot in before.items() if key > 1} | {20: single}
    (comparison,) = counted([(START, before, ()), (START + HOUR, after, ())])
    assert comparison.counts.paired.tolist() == [1]
    assert comparison.counts.pairs.chance[0] > 0.9
    one = replace(comparison.counts, auctions=np.array([1000]), withdrawn=40)
    often = PastSums(
        intervals=11,
        seconds=11 * 3600,
        item_id=np.array([7], np.int32),
        plain=np.array([4]),
        evident=np.array([4]),
        supplied=np.array([4]),
        seen=np.array([4.0]),
        new_at_floor=np.array([4]),
        unknown=np.array([0]),
        unknown_seconds=np.array([0]),
        today=np.array([0.0]),
    )
    rarely = replace(often, plain=np.array([0]))
    assert estimate(one, often, seconds=3600).evidence.tolist() == [1]
    assert estimate(one, often, seconds=3600).seen_sales.tolist() == [1]
    assert estimate(one, rarely, seconds=3600).evidence.tolist() == [0]


def test_an_item_alone_in_a_market_without_auctions_before_has_an_estimate() -> None:
    (comparison,) = counted([(START, {}, ()), (START + HOUR, {1: Auction(1, 100, 3, "LONG")}, ())])
    rows = estimate(comparison.counts, PastSums.nothing(), seconds=3600)
    assert (rows.estimated_sales.tolist(), rows.sales_high.tolist(), rows.new_at_floor.tolist()) == ([0], [0], [3])


def test_an_interval_of_which_nothing_is_known_counts_for_its_item_as_none() -> None:
    herb, ore = Auction(1, 100, 5, "VERY_LONG"), Auction(2, 100, 5, "VERY_LONG")
    sold = {1: herb._replace(quantity=4), 2: ore._replace(quantity=4)}
    hours = [(START, {1: herb, 2: ore}, ()), (START + HOUR, sold, (1,)), (START + 2 * HOUR, sold, ())]
    past = Past()
    for (at, *_), comparison in zip(hours[1:2], counted(hours), strict=False):
        past.estimated(comparison.counts, ended_at=at, seconds=3600)
    sums = past.sums(START + 2 * HOUR)
    assert (sums.intervals, sums.seconds) == (1, 3600)
    assert (sums.unknown.tolist(), sums.unknown_seconds.tolist()) == ([1, 0], [3600, 0])
    assert (sums.plain.tolist(), sums.today.tolist()) == ([0, 1], [0, 1])


def test_the_window_is_twelve_hours_without_its_first_moment_and_the_day_begins_at_midnight() -> None:
    counts = counted([(START, {1: Auction(1, 100, 5, "VERY_LONG")}, ()), (START + HOUR, {}, ())])[0].counts
    midnight = datetime(2024, 1, 16, tzinfo=UTC)
    past = Past()
    for ended in (midnight - HOUR, midnight, midnight + HOUR):
        past.estimated(counts, ended_at=ended, seconds=3600)
    sums = past.sums(midnight + 11 * HOUR)
    assert (sums.intervals, sums.plain.tolist(), sums.today.tolist()) == (2, [2], [10])
    assert past.sums(midnight + 11 * HOUR - timedelta(seconds=1)).intervals == 3
    with pytest.raises(ValueError, match="not later"):
        past.estimated(counts, ended_at=midnight + HOUR, seconds=3600)


def test_past_sums_with_an_item_twice_are_refused() -> None:
    nothing = PastSums.nothing()
    with pytest.raises(ValueError, match="more than once"):
        replace(nothing, item_id=np.array([1, 1], np.int32))
