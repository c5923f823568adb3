"""What plans are made by: which days are wanted and may leave, as values of what is stored and spooled."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories import partitions
from ironforge_cli.jobs.days.planning import Planning, present_of
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.day_tables import EU, KEPT, TODAY, ago, execute, hold, register
from tests.jobs.days.test_maintain_evidence import Watching

if TYPE_CHECKING:
    from ironforge_cli.jobs.days.housekeeping import Housekeeping
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock


def planned(
    storage: Storage, clock: TickingClock, kept: Housekeeping = KEPT, *, adopt: bool = False
) -> list[tuple[str, str]]:
    with storage.database.connect() as connection:
        present = present_of(connection, now=clock.now())
        # Nothing is adopted unless that is said.
        planning = Planning(storage, kept, present, adopt=True) if adopt else Planning(storage, kept, present)
        plan = planning.plan(connection, Region.EU)
    return [(str(step.action), step.partition.name) for step in plan.steps]


def test_the_newest_day_of_a_region_stays_while_it_is_collected_and_leaves_when_it_is_not(
    storage: Storage, clock: TickingClock
) -> None:
    register(storage.database, ago(40).day)
    hold(storage.database, 41, 40)
    leaving = [("detach", ago(41).name), ("drop", ago(41).name)]
    assert planned(storage, clock, replace(KEPT, ahead=0)) == [("create", ago(0).name), *leaving]
    # Of a region that is collected no more none is made, and the newest day leaves as well.
    left = replace(KEPT, leaving=EU)
    assert planned(storage, clock, left) == [*leaving, ("detach", ago(40).name), ("drop", ago(40).name)]


def test_days_are_archived_where_there_is_an_archive_and_kept_for_ever_where_the_term_is_none(
    storage: Storage, clock: TickingClock
) -> None:
    hold(storage.database, 40)
    archived = replace(KEPT, ahead=0, archive=Watching(storage.database))
    assert planned(storage, clock, archived)[1:] == [(action, ago(40).name) for action in ("archive", "detach", "drop")]
    assert planned(storage, clock, replace(KEPT, ahead=0, retention_days=0)) == [("create", ago(0).name)]


def test_days_are_made_by_the_clock_and_none_leaves_without_a_snapshot(storage: Storage, clock: TickingClock) -> None:
    hold(storage.database, 40, newest=None)
    with storage.database.connect() as connection:
        present = present_of(connection, now=clock.now())
    assert (present.clock, present.trusted) == (clock.now(), None)
    assert planned(storage, clock) == [("create", ago(0).name), ("create", ago(-1).name)]


def test_days_are_made_by_the_clock_though_the_newest_snapshot_is_of_days_ago(
    storage: Storage, clock: TickingClock
) -> None:
    register(storage.database, ago(3).day)
    assert planned(storage, clock) == [("create", ago(0).name), ("create", ago(-1).name)]


@pytest.mark.parametrize("adopt", [False, True])
def test_a_day_without_its_mark_is_adopted_where_that_is_asked(
    storage: Storage, clock: TickingClock, *, adopt: bool
) -> None:
    hold(storage.database, 0)
    execute(storage.database, f"COMMENT ON TABLE {ago(0).name} IS NULL")
    assert (("adopt", ago(0).name) in planned(storage, clock, replace(KEPT, ahead=0), adopt=adopt)) is adopt


def test_a_body_that_waits_asks_for_its_own_day_by_utc(storage: Storage, clock: TickingClock) -> None:
    with storage.database.transaction() as connection:
        for number in (0, 1):
            partitions.create(connection, ago(number))
    late = datetime.combine(TODAY - timedelta(days=2), time(23, 59, 59), tzinfo=UTC)
    # One whose time nobody knows asks for none.
    for body, moment in ((b"{}", late), (b"[]", None)):
        storage.shelves.spool.keep(
            body, region=Region.EU, snapshot_time=moment, headers={}, received_at=clock.now(), reason="no database"
        )
    assert planned(storage, clock, replace(KEPT, ahead=0)) == [("create", ago(2).name)]
