"""A segment of a chain: where it begins to read, what of it counts, and where it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.jobs.history.one_snapshot import RecomputedSnapshot, Wake, starting_point
from ironforge_cli.jobs.history.raw_snapshots import RawSnapshot
from ironforge_cli.jobs.history.segment import Segment
from ironforge_cli.market.auctions import Auctions, Book, Windows
from ironforge_cli.market.changes import StatisticsChange
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.sales import REACH
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.regions import Region
from tests.clocks import TickingClock
from tests.market.made_up import as_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.repositories.snapshots import Registered

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL_DAY = 86_400.0
# No windows that computing gives: what is shown with them counts as changed.
WRONG = (-7, -3)


def at(hour: float) -> datetime:
    return BEGINS + hour * HOUR


def hours(moments: Iterable[datetime]) -> list[int]:
    return sorted(int((moment - BEGINS) / HOUR) for moment in moments)


def register(database: Database, *numbers: float) -> None:
    """Write into the registry that snapshots of some hours are stored."""
    with database.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source,"
                " estimator_version) VALUES ('eu', :at, 1, 1, 1, 'x', 'live', :version)"
            ),
            [{"at": at(number), "version": ESTIMATOR_VERSION} for number in numbers],
        )


@dataclass
class Shown:
    """A place that holds every hour, with one auction that never changes."""

    clock: TickingClock
    gone: set[int] = field(default_factory=set[int])
    """The hours of which nothing is held."""
    in_archive: bool = False
    read: list[int] = field(default_factory=list[int])
    """The hours that were read, in order."""

    def load(self, connection: Connection, region: Region, registered: Registered) -> RawSnapshot | None:
        del connection
        assert region is Region.EU
        (hour,) = hours([registered.snapshot_time])
        self.read.append(hour)
        self.clock.turn_to(self.clock.now() + timedelta(seconds=1))
        if hour in self.gone:
            return None
        auctions = Auctions.from_columns(
            auction_id=np.array([7]),
            item_id=np.array([1], np.int32),
            unit_price=np.array([5]),
            quantity=np.array([1], np.int32),
            time_left=np.array([3], np.uint8),
        )
        windows = Windows(
            expires_after_min=np.array([WRONG[0]], np.int16), expires_before_min=np.array([WRONG[1]], np.int16)
        )
        book = Book(auctions=auctions, windows=windows, snapshot_time=registered.snapshot_time)
        return RawSnapshot(book, is_in_table=not self.in_archive)


@pytest.fixture
def shown(clock: TickingClock) -> Shown:
    return Shown(clock)


def segment(shown: Shown, *, since: float, until: float | None = None, carries: bool = False) -> Segment:
    return Segment(
        Region.EU,
        since=at(since),
        until=None if until is None else at(until),
        carries=carries,
        source=shown,
        attempt=Attempt(clock=shown.clock, region=Region.EU, progress=Silent()),
        write=False,
    )


def work(segment: Segment, database: Database, *, seconds: float = ALL_DAY, most: int = 1_000) -> bool:
    return segment.work(database, seconds=seconds, snapshots_at_most=most)


def through(segment: Segment, database: Database, **options: Any) -> None:
    while work(segment, database, **options):
        pass


def test_reading_begins_with_the_newest_snapshot_96_hours_before_the_one_before(database: Database) -> None:
    register(database, 0, 1, 98, 99, 195, 196)

    def begins(moment: float) -> list[int]:
        with database.connect() as connection:
            return hours([starting_point(connection, Region.EU, at(moment))])

    assert REACH == 48 * HOUR
    assert begins(196) == [99]
    # Exactly 96 hours are enough, and an instant less is not.
    assert begins(99) == [1]
    register(database, 97)
    assert begins(98) == [1]
    assert begins(99) == [1]
    # Where none is so old the oldest, and without any before it the moment itself.
    assert begins(97) == [0]
    assert begins(0) == [0]
    with database.connect() as connection:
        assert starting_point(connection, Region.US, at(3)) == at(3)


def test_what_follows_a_change_ends_with_windows_counts_of_twelve_hours_and_the_day() -> None:
    def again(hour: float, *, windows: int = 0, changed: int = 0) -> RecomputedSnapshot:
        nothing = as_columns({})
        summary = summarise_snapshot(None, nothing, at=at(hour))
        return RecomputedSnapshot(summary, windows, StatisticsChange(changed=changed), registry=False)

    # The snapshot's highest id dates lots for 48 hours.
    wake = Wake(at(1))
    wake.add(again(2))
    assert wake.reaches(at(49))
    assert not wake.reaches(at(50))
    wake.add(again(49, windows=1))
    assert wake.reaches(at(60))
    wake.add(again(60, changed=1))
    # The day that ends 72 hours after the beginning, and 12 hours where these end later.
    assert wake.reaches(at(72))
    assert not wake.reaches(at(72.1))
    wake.add(again(71, changed=1))
    assert wake.reaches(at(83))
    assert not wake.reaches(at(84))


def test_both_ends_count_and_what_is_read_before_does_not(database: Database, shown: Shown) -> None:
    register(database, *range(120))
    one = segment(shown, since=110, until=112)
    through(one, database)
    assert shown.read == list(range(13, 113))
    assert hours(one.counts.computed) == [110, 111, 112]
    assert one.entry is not None
    assert one.last is not None
    assert hours([one.entry.snapshot_time, one.last.snapshot_time]) == [109, 112]
    assert one.stepped == 100
    assert one.counts.auctions == 3
    assert not work(one, database)


@pytest.mark.parametrize(
    ("stored", "ends"),
    [
        (range(170), 158),
        # The first that is compared with one of the 96 hours is among them.
        ([*range(101), 163, 164], 163),
        (range(159), 158),
    ],
)
def test_what_rests_on_the_end_is_carried_for_96_hours(
    database: Database, shown: Shown, stored: list[int], ends: int
) -> None:
    register(database, *stored)
    one = segment(shown, since=60, until=62, carries=True)
    through(one, database)
    assert hours(one.counts.computed) == [number for number in stored if 60 <= number <= ends]


def test_without_an_end_it_goes_on_with_what_is_stored_meanwhile(database: Database, shown: Shown) -> None:
    register(database, 0, 1, 2)
    one = segment(shown, since=1)
    assert work(one, database)
    assert not work(one, database)
    register(database, 3)
    assert work(one, database)
    assert shown.read == [0, 1, 2, 3]
    assert hours(one.counts.computed) == [1, 2, 3]


# Between them, where reading would begin now, and before all that is read.
@pytest.mark.parametrize(("late", "goes_on_at"), [(2.5, 2), (3, 3), (1, 101)])
def test_it_begins_anew_where_a_snapshot_was_stored_between_those_that_were_read(
    database: Database, shown: Shown, late: float, goes_on_at: int
) -> None:
    register(database, *[number for number in range(108) if number not in {1, 3}])
    one = segment(shown, since=100)
    assert work(one, database, most=98)
    assert shown.read[0] == 2
    before = hours(one.counts.computed)
    shown.read.clear()
    register(database, late)
    through(one, database)
    assert shown.read[0] == goes_on_at
    assert hours(one.counts.computed) == list(range(100, 108))
    assert set(before) <= set(hours(one.counts.computed))
    assert one.entry is not None
    assert hours([one.entry.snapshot_time]) == [99]


def test_after_its_end_it_goes_on_while_windows_change_where_another_rests_on_it(
    database: Database, shown: Shown
) -> None:
    register(database, *range(200))
    one = segment(shown, since=60, until=62)
    through(one, database)
    assert one.carry_on()
    assert not one.carry_on()
    through(one, database)
    # What is shown always has other windows than those that are computed.
    assert hours(one.counts.computed) == list(range(60, 200))


def test_a_segment_joins_one_that_began_as_it_ended_by_windows_and_by_counts(database: Database, shown: Shown) -> None:
    register(database, *range(6))
    one, following, later = (segment(shown, since=since, until=since + 1) for since in (1, 3, 4))
    for each in (one, following, later):
        through(each, database)
    assert one.joins(following)
    assert not one.joins(later)
    digest, following.entry_digest = following.entry_digest, b"other counts"
    assert not one.joins(following)
    following.entry_digest, following.entry = digest, None
    assert not one.joins(following)


def test_what_is_archived_keeps_its_windows_so_that_nothing_changes_by_it(database: Database, shown: Shown) -> None:
    register(database, *range(170))
    shown.in_archive = True
    one = segment(shown, since=60, until=62)
    assert one.carry_on()
    through(one, database)
    assert hours(one.counts.computed) == list(range(60, 159))


def test_what_is_not_held_is_left_and_the_next_seeds_the_chain(database: Database, shown: Shown) -> None:
    register(database, *range(10))
    shown.gone = {1, 5, 6}
    one = segment(shown, since=4)
    through(one, database)
    assert hours(one.counts.without_rows) == [5, 6]
    assert hours(one.counts.without_previous) == [7]
    assert hours(one.counts.computed) == [4, 8, 9]
    last = segment(shown, since=6, until=6)
    through(last, database)
    assert last.last is None
    assert last.entry is None


def test_a_regions_first_snapshot_is_computed_without_one_before(database: Database, shown: Shown) -> None:
    register(database, 3, 4)
    one = segment(shown, since=0)
    through(one, database)
    assert hours(one.counts.computed) == [3, 4]
    assert hours(one.counts.without_previous) == []


def test_a_batch_ends_after_its_seconds_or_its_snapshots(database: Database, shown: Shown) -> None:
    register(database, *range(10))
    one = segment(shown, since=0)
    # Each takes a second.
    assert work(one, database, seconds=3)
    assert shown.read == [0, 1, 2]
    assert work(one, database, most=2)
    assert shown.read == [0, 1, 2, 3, 4]
    assert work(one, database, seconds=0)
    assert one.stepped == 6
    assert work(one, database, most=4)
    assert not work(one, database, most=4)
    assert work(segment(shown, since=0), database, most=11)
    assert work(segment(shown, since=0), database, most=10)
