from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from ironforge_cli.db.engine import Database
from ironforge_cli.db.models import REGISTRY
from ironforge_cli.db.repositories import partitions, snapshots
from ironforge_cli.db.repositories.snapshots import Registered
from ironforge_cli.errors import DatabaseError
from ironforge_cli.market.auctions import Auctions, Book, Windows
from ironforge_cli.market.doubts import SoldLots
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rhythm import LEARNED_FROM, Seen
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.market.time_left import TimeLeft
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.market.made_up import later, narrowed, whole_market

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection


NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BODY = snapshots.Body(bytes=12_345, digest="ab" * 32, source="live")


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    """A connection whose work is rolled back after the test, with partitions around noon."""
    with shared.connect() as opened:
        for region in DEFAULT_REGIONS:
            for moment in (NOON - 24 * HOUR, NOON, NOON + 24 * HOUR):
                partitions.create(opened, DailyPartition.holding(region, moment))
        yield opened


class Lot(NamedTuple):
    auction_id: int
    item_id: int
    unit_price: int
    quantity: int
    time_left: int
    after: int
    before: int


def up_to(most: int, *, least: int = 1) -> st.SearchStrategy[int]:
    return st.integers(least, most) | st.sampled_from([least, most])


@st.composite
def lots(draw: st.DrawFn) -> Lot:
    after = draw(up_to(2**15 - 2, least=-(2**15)))
    return Lot(
        auction_id=draw(up_to(2**63 - 1, least=0)),
        item_id=draw(up_to(2**31 - 1)),
        unit_price=draw(up_to(2**63 - 1)),
        quantity=draw(up_to(2**31 - 1)),
        time_left=draw(st.sampled_from(TimeLeft)),
        after=after,
        before=draw(up_to(2**15 - 1, least=after + 1)),
    )


def by_id(lot: Lot) -> int:
    return lot.auction_id


books = st.lists(lots(), min_size=1, max_size=25, unique_by=by_id)


def book_of(rows: list[Lot], *, at: datetime = NOON) -> Book:
    rows = sorted(rows)
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    ids, items, prices, quantities, codes, after, before = columns
    return Book(
        auctions=Auctions(
            auction_id=ids.astype(np.int64),
            item_id=items.astype(np.int32),
            unit_price=prices.astype(np.int64),
            quantity=quantities.astype(np.int32),
            time_left=codes.astype(np.uint8),
        ),
        windows=Windows(expires_after_min=after.astype(np.int16), expires_before_min=before.astype(np.int16)),
        snapshot_time=at,
    )


def assert_same(one: Book | None, other: Book) -> None:
    assert one is not None
    assert one.snapshot_time == other.snapshot_time
    assert one.windows.equal(other.windows)
    for name in ("auction_id", "item_id", "unit_price", "quantity", "time_left"):
        mine, theirs = getattr(one.auctions, name), getattr(other.auctions, name)
        assert mine.dtype == theirs.dtype
        assert mine.tolist() == theirs.tolist()
    assert one.windows.expires_after_min.dtype == other.windows.expires_after_min.dtype


@settings(max_examples=30, deadline=None)
@given(rows=books, region=st.sampled_from(Region))
def test_a_snapshot_loads_as_it_was_stored(shared: Database, rows: list[Lot], region: Region) -> None:
    book = book_of(rows)
    with shared.connect() as connection:
        partitions.create(connection, DailyPartition.holding(region, NOON))
        snapshots.store(connection, region, book)
        assert_same(snapshots.load(connection, region, NOON), book)
        selected = connection.execute(
            text(
                "SELECT auction_id, item_id, unit_price, quantity, time_left::text, expires_after_min,"
                f" expires_before_min FROM auction_snapshots_{region} ORDER BY auction_id"
            )
        )
        assert [tuple(row) for row in selected] == [
            (*lot[:4], TimeLeft(lot.time_left).name, lot.after, lot.before) for lot in sorted(rows)
        ]


def market_book(seed: int, *, at: datetime, auctions: int = 6_000) -> Book:
    random = np.random.default_rng(seed)
    market = whole_market(random, auctions=auctions, items=300)
    return Book(auctions=market, windows=narrowed(random, market), snapshot_time=at)


def test_a_market_of_several_blocks_loads_as_it_was_stored_and_in_order(connection: Connection) -> None:
    book = market_book(1, at=NOON)
    snapshots.store(connection, Region.US, book)
    assert_same(snapshots.load(connection, Region.US, NOON), book)


def test_rows_that_do_not_lie_in_order_are_loaded_in_order(connection: Connection) -> None:
    book = market_book(1, at=NOON, auctions=60)
    snapshots.store(connection, Region.EU, book)
    # Rows that are written again lie behind the others.
    ids = book.auctions.auction_id[[3, 0, 17]].tolist()
    for number in ids:
        connection.execute(
            text("UPDATE auction_snapshots_eu SET quantity = quantity WHERE auction_id = :number"), {"number": number}
        )
    lying = connection.execute(text("SELECT auction_id FROM auction_snapshots_eu ORDER BY ctid")).scalars().all()
    assert lying[-3:] == ids
    assert_same(snapshots.load(connection, Region.EU, NOON), book)


def test_the_rhythm_is_learned_from_the_newest_snapshots_of_the_region(connection: Connection) -> None:
    assert snapshots.seen(connection, Region.EU) == []
    stored_at = NOON + 100 * HOUR
    for region, hours_stored in ((Region.EU, range(LEARNED_FROM + 3)), (Region.US, range(500, 502))):
        for hour in hours_stored:
            add(connection, region, Registered(snapshot_time=NOON + hour * HOUR, auctions=1, digest="x"))
    connection.execute(text("UPDATE snapshots SET stored_at = :stored_at"), {"stored_at": stored_at})
    expected = [Seen(NOON + hour * HOUR, stored_at) for hour in range(LEARNED_FROM + 2, 2, -1)]
    assert snapshots.seen(connection, Region.EU) == expected


def test_a_row_and_its_index_take_no_more_bytes_than_they_may(connection: Connection) -> None:
    rows = 150_000
    snapshots.store(connection, Region.EU, market_book(1, at=NOON, auctions=rows))
    table = DailyPartition.holding(Region.EU, NOON).name
    size = connection.execute(text("SELECT pg_total_relation_size(:table)"), {"table": table}).scalar_one()
    assert size / rows <= 104


def test_only_the_snapshot_of_that_time_and_region_is_loaded_and_removed(connection: Connection) -> None:
    first, second = market_book(1, at=NOON, auctions=50), market_book(2, at=NOON + HOUR, auctions=70)
    for region in DEFAULT_REGIONS:
        for book in (first, second):
            snapshots.store(connection, region, book)
    snapshots.remove(connection, Region.EU, NOON)
    assert snapshots.load(connection, Region.EU, NOON) is None
    assert_same(snapshots.load(connection, Region.EU, NOON + HOUR), second)
    assert_same(snapshots.load(connection, Region.US, NOON), first)
    snapshots.store(connection, Region.EU, first)
    assert_same(snapshots.load(connection, Region.EU, NOON), first)


def test_a_time_in_another_zone_is_the_same_time(connection: Connection) -> None:
    east = timezone(timedelta(hours=9))
    book = market_book(1, at=NOON.astimezone(east), auctions=5)
    snapshots.store(connection, Region.EU, book)
    assert_same(snapshots.load(connection, Region.EU, NOON), book)


def test_what_is_not_stored_is_none(connection: Connection) -> None:
    assert snapshots.load(connection, Region.EU, NOON) is None
    assert snapshots.newest(connection, Region.EU) is None
    assert snapshots.at(connection, Region.EU, NOON) is None
    assert snapshots.span(connection, Region.EU) is None
    assert snapshots.trailing_median(connection, Region.EU, NOON) == (0.0, 0)


@pytest.mark.parametrize(
    ("lot", "constraint"),
    [
        (Lot(1, 1, 0, 1, 0, 0, 30), "for_sale"),
        (Lot(1, 1, -5, 1, 0, 0, 30), "for_sale"),
        (Lot(1, 1, 1, 0, 0, 0, 30), "for_sale"),
    ],
)
def test_what_is_not_for_sale_is_refused(shared: Database, lot: Lot, constraint: str) -> None:
    def store() -> None:
        with shared.transaction() as connection:
            partitions.create(connection, DailyPartition.holding(Region.EU, NOON))
            snapshots.store(connection, Region.EU, book_of([lot]))

    with pytest.raises(DatabaseError, match=constraint):
        store()


def test_a_snapshot_is_not_stored_twice(shared: Database) -> None:
    book = market_book(1, at=NOON, auctions=50)

    def store_twice() -> None:
        with shared.transaction() as connection:
            partitions.create(connection, DailyPartition.holding(Region.EU, NOON))
            snapshots.store(connection, Region.EU, book)
            snapshots.store(connection, Region.EU, book)

    with pytest.raises(DatabaseError, match="SQLSTATE 23505"):
        store_twice()
    with shared.connect() as connection:
        assert snapshots.load(connection, Region.EU, NOON) is None


def add(connection: Connection, region: Region, registered: Registered) -> None:
    row = {
        "region": region,
        "snapshot_time": registered.snapshot_time,
        "auctions": registered.auctions,
        "items": 1,
        "bytes": 1,
        "digest": registered.digest,
        "source": "live",
        "estimator_version": ESTIMATOR_VERSION,
    }
    connection.execute(insert(REGISTRY).values(row))


hours = st.dictionaries(st.integers(-40, 40), st.integers(0, 10**6), max_size=40)


@settings(max_examples=25, deadline=None)
@given(mine=hours, others=hours, asked=st.integers(-42, 42), half=st.booleans())
def test_the_registry_finds_what_a_plain_search_finds(
    shared: Database, mine: dict[int, int], others: dict[int, int], asked: int, *, half: bool
) -> None:
    held = {
        region: [
            Registered(snapshot_time=NOON + hour * HOUR, auctions=auctions, digest=f"{region}{hour}")
            for hour, auctions in sorted(stored.items())
        ]
        for region, stored in ((Region.EU, mine), (Region.US, others))
    }
    moment = NOON + asked * HOUR + half * HOUR / 2
    with shared.connect() as connection:
        for region, rows in held.items():
            for row in reversed(rows):
                add(connection, region, row)
        for region, rows in held.items():
            earlier = [row for row in rows if row.snapshot_time < moment]
            after = [row for row in rows if row.snapshot_time > moment]
            assert snapshots.newest(connection, region) == (rows[-1] if rows else None)
            assert snapshots.before(connection, region, moment) == (earlier[-1] if earlier else None)
            assert snapshots.after(connection, region, moment) == (after[0] if after else None)
            exact = [row for row in rows if row.snapshot_time == moment]
            assert snapshots.at(connection, region, moment) == (exact[0] if exact else None)
            last = [row.auctions for row in earlier[-24:]]
            assert snapshots.trailing_median(connection, region, moment) == (median(last) if last else 0, len(last))
            span = snapshots.span(connection, region)
            assert (span is None) is (not rows)
            if span is not None:
                assert (span.since, span.until) == (rows[0].snapshot_time, rows[-1].snapshot_time)
                assert (span.snapshots, span.auctions) == (len(rows), sum(row.auctions for row in rows))
            times = [row.snapshot_time for row in rows]
            for bounds in ({}, {"since": moment}, {"until": moment}, {"since": moment - 3 * HOUR, "until": moment}):
                since, until = bounds.get("since", NOON - 50 * HOUR), bounds.get("until", NOON + 50 * HOUR)
                wanted = [time for time in times if since <= time <= until]
                assert snapshots.stored_times(connection, region, **bounds) == wanted
                assert snapshots.count(connection, region, **bounds) == len(wanted)
                assert snapshots.outdated_times(connection, region, **bounds) == []


def test_the_newest_snapshots_are_listed_oldest_first_and_one_alone_is_taken_out(connection: Connection) -> None:
    for region in DEFAULT_REGIONS:
        for hour in (2, 0, 1, 3):
            add(connection, region, Registered(snapshot_time=NOON + hour * HOUR, auctions=hour, digest="x"))

    def listed(region: Region = Region.EU, **asked: Any) -> list[int]:
        found = snapshots.registry(connection, region, **asked)
        assert {one.region for one in found} <= {region}
        assert [one.snapshot_time for one in found] == [NOON + one.auctions * HOUR for one in found]
        return [one.auctions for one in found]

    assert listed() == [0, 1, 2, 3]
    assert listed(limit=2) == [2, 3]
    assert listed(since=NOON + HOUR, until=NOON + 2 * HOUR) == [1, 2]
    assert listed(until=NOON + 2 * HOUR, limit=1) == [2]
    snapshots.unregister(connection, Region.EU, NOON + HOUR)
    assert listed() == [0, 2, 3]
    assert listed(Region.US) == [0, 1, 2, 3]


def registry(connection: Connection) -> dict[str, Any]:
    return dict(connection.execute(text("SELECT * FROM snapshots")).mappings().one())


COMPARED = {
    "interval_seconds": "interval_seconds",
    "new_auctions": "new_auctions",
    "gone_auctions": "gone_auctions",
    "estimated_sales": "estimated_sales",
    "sales_low": "sales_low",
    "sales_high": "sales_high",
    "expired_units": "expired_units",
    "withdrawn_units": "withdrawn_units",
    "partly_sold": "partly_sold_auctions",
    "partly_sold_above_cheaper": "partly_sold_above_cheaper",
    "window_misfits": "window_misfits",
    "withdrawn_auctions": "withdrawn_auctions",
}
OF_THE_SUMMARY = {"interval_seconds", "estimated_sales", "sales_low", "sales_high"}
LOTS = (*(f"sold_lots_quarter_{number}" for number in range(1, 5)), "sold_lots_seen", "sold_lots_unseen")


def test_a_regions_first_snapshot_is_registered_without_a_comparison(connection: Connection) -> None:
    summary = summarise_snapshot(None, market_book(1, at=NOON, auctions=200).auctions, at=NOON)
    snapshots.register(connection, Region.EU, summary, BODY)
    row = registry(connection)
    assert (row["region"], row["snapshot_time"]) == ("eu", NOON)
    assert (row["auctions"], row["items"]) == (200, summary.book.auctions.items)
    assert (row["bytes"], row["digest"], row["source"]) == (BODY.bytes, BODY.digest, "live")
    assert row["estimator_version"] == ESTIMATOR_VERSION
    assert row["stored_at"] is not None
    assert [row[column] for column in COMPARED] == [None] * len(COMPARED)
    found = snapshots.newest(connection, Region.EU)
    assert found == Registered(snapshot_time=NOON, auctions=200, digest=BODY.digest)


def test_a_comparison_is_registered_and_can_be_corrected(connection: Connection) -> None:
    random = np.random.default_rng(3)
    first, other = market_book(1, at=NOON, auctions=2_000), market_book(2, at=NOON - HOUR, auctions=2_000)
    current = later(random, first.auctions)
    summary = summarise_snapshot(first, current, at=NOON + HOUR)
    snapshots.register(connection, Region.EU, summary, BODY)
    before = registry(connection)
    for compared, corrected in ((summary, False), (summarise_snapshot(other, current, at=NOON + HOUR), True)):
        if corrected:
            snapshots.reregister(connection, Region.EU, compared)
        row = registry(connection)
        assert compared.totals is not None
        for column, name in COMPARED.items():
            figures = compared if column in OF_THE_SUMMARY else compared.totals
            assert row[column] == getattr(figures, name), column
        assert {name: row[name] for name in row if name not in COMPARED} == {
            name: before[name] for name in row if name not in COMPARED
        }
    assert registry(connection)["interval_seconds"] == 7_200


def test_the_registry_agrees_with_the_summary_that_it_was_made_of_alone(connection: Connection) -> None:
    random = np.random.default_rng(3)
    first = market_book(1, at=NOON, auctions=2_000)
    summary = replace(
        summarise_snapshot(first, later(random, first.auctions), at=NOON + HOUR),
        lots=SoldLots((4.0, 3.0, 2.0, 1.0), seen=11.0, unseen=5.0),
    )
    snapshots.register(connection, Region.EU, summary, BODY)
    # The interval's last quarter is the one just before the snapshot that first shows the lot.
    assert [registry(connection)[name] for name in LOTS] == [1.0, 2.0, 3.0, 4.0, 11.0, 5.0]
    assert snapshots.agrees(connection, Region.EU, summary)
    for column in (*COMPARED, *LOTS, "highest_auction_id", "estimator_version"):
        connection.execute(text(f"UPDATE snapshots SET {column} = {column} + 1"))
        assert not snapshots.agrees(connection, Region.EU, summary), column
        assert bool(snapshots.outdated_times(connection, Region.EU)) is (column == "estimator_version")
        snapshots.reregister(connection, Region.EU, summary)
        assert snapshots.agrees(connection, Region.EU, summary), column


def test_a_time_is_registered_once(shared: Database) -> None:
    summary = summarise_snapshot(None, market_book(1, at=NOON, auctions=5).auctions, at=NOON)

    def register_twice() -> None:
        with shared.transaction() as connection:
            snapshots.register(connection, Region.EU, summary, BODY)
            snapshots.register(connection, Region.EU, summary, BODY)

    with pytest.raises(DatabaseError, match="pk_snapshots"):
        register_twice()
