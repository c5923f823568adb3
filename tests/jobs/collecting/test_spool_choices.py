"""Which bodies an operator means, what becomes of each, and that none is dropped that is in no table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.spool import Shelf, Shelves
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import (
    BusyError,
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    UnreachableError,
    UsageError,
)
from ironforge_cli.jobs.collecting import spool
from ironforge_cli.jobs.collecting.replay import replay as replay_bodies
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.conftest import storage_in
from tests.jobs import stored
from tests.jobs.handed import HOUR, NOON, body_of, keep, raising

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.jobs.collecting.outcomes import Collected
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

both_shelves = pytest.mark.parametrize("quarantine", [False, True], ids=["spool", "quarantine"])


def replay(storage: Storage, clock: TickingClock, bodies: list[Kept], **options: Any) -> Collected:
    usual: dict[str, Any] = {"quarantine": False, "snapshot_time": None, "force": False}
    return replay_bodies(bodies, storage=storage, clock=clock, progress=Silent(), **{**usual, **options})


@both_shelves
def test_what_is_listed_is_one_shelf_s_and_of_the_regions_that_were_named(tmp_path: Path, *, quarantine: bool) -> None:
    shelves = Shelves.of(tmp_path)
    here, elsewhere = (shelves.quarantine, shelves.spool) if quarantine else (shelves.spool, shelves.quarantine)
    keep(elsewhere, body_of(9))
    later, earlier = (keep(here, body_of(hour + 1), snapshot_time=NOON + hour * HOUR) for hour in (1, 0))
    us = keep(here, body_of(3), region=Region.US)
    assert spool.listed(shelves, (Region.EU,), quarantine=quarantine) == [earlier, later]
    assert spool.listed(shelves, (Region.US,), quarantine=quarantine) == [us]
    assert spool.listed(shelves, DEFAULT_REGIONS, quarantine=quarantine) == [earlier, later, us]
    assert spool.chosen(shelves, DEFAULT_REGIONS, [], quarantine=quarantine) == [earlier, later, us]


def test_names_choose_the_bodies_that_they_begin_in_the_order_that_they_were_given(tmp_path: Path) -> None:
    shelves = Shelves.of(tmp_path)
    first, second, us = (
        keep(shelves.spool, body_of(number), region=region)
        for number, region in ((1, Region.EU), (2, Region.EU), (3, Region.US))
    )
    # The same body under another time bears the same name: both are meant.
    again = keep(shelves.spool, body_of(1), snapshot_time=NOON + HOUR)

    def chosen(*names: str, regions: tuple[Region, ...] = DEFAULT_REGIONS) -> list[Kept]:
        return spool.chosen(shelves, regions, names, quarantine=False)

    assert chosen(second.digest) == [second]
    assert chosen(us.name, second.name) == [us, second]
    assert chosen(first.name) == [first, again]
    with pytest.raises(UsageError, match="No body's name begins with"):
        chosen(us.name, regions=(Region.EU,))
    with pytest.raises(UsageError, match="No body's name begins with"):
        # The end of a name is none.
        chosen(second.digest[1:])
    with pytest.raises(UsageError, match="Several"):
        chosen("")


def test_a_body_without_a_time_needs_one_before_anything_is_stored(storage: Storage, clock: TickingClock) -> None:
    timed = keep(storage.shelves.quarantine, body_of(1))
    untimed = keep(storage.shelves.quarantine, body_of(2), snapshot_time=None)
    with pytest.raises(UsageError, match="no time that can be used"):
        replay(storage, clock, [timed, untimed], quarantine=True)
    assert stored.times(storage.database, Region.EU) == []
    assert replay(storage, clock, [untimed], quarantine=True, snapshot_time=NOON - HOUR).status is ExitStatus.DONE
    assert stored.times(storage.database, Region.EU) == [NOON - HOUR]
    assert storage.shelves.quarantine.kept() == [timed]


def test_a_given_time_takes_the_place_of_the_body_s_own(storage: Storage, clock: TickingClock) -> None:
    kept = keep(storage.shelves.spool, body_of(1))
    replay(storage, clock, [kept], snapshot_time=NOON - HOUR)
    assert stored.times(storage.database, Region.EU) == [NOON - HOUR]


@both_shelves
def test_what_is_stored_leaves_its_shelf_and_the_registry_names_that(
    storage: Storage, clock: TickingClock, *, quarantine: bool
) -> None:
    shelf = storage.shelves.quarantine if quarantine else storage.shelves.spool
    bodies = [keep(shelf, body_of(3, first=1 + hour), snapshot_time=NOON + hour * HOUR) for hour in range(2)]
    clock.turn_to(NOON + HOUR)
    replayed = replay(storage, clock, bodies, quarantine=quarantine)
    assert [(found.outcome, found.snapshot_time) for found in replayed.regions] == [
        (Outcome.STORED, NOON),
        (Outcome.STORED, NOON + HOUR),
    ]
    assert (replayed.status, replayed.tokens) == (ExitStatus.DONE, ())
    assert shelf.kept() == []
    whence = "quarantine" if quarantine else "spool"
    assert stored.rows(storage.database, "SELECT DISTINCT source FROM snapshots") == [(whence,)]


def test_of_several_bodies_each_one_s_end_is_told_and_some_that_failed_are_partial(
    storage: Storage, clock: TickingClock
) -> None:
    clock.turn_to(NOON + 3 * HOUR)
    good = keep(storage.shelves.spool, body_of(3))
    senseless = keep(storage.shelves.spool, b"no JSON", snapshot_time=NOON + HOUR)
    other = keep(storage.shelves.spool, body_of(5))
    same = keep(storage.shelves.quarantine, body_of(3))
    replayed = replay(storage, clock, [good, senseless, other])
    assert [(found.outcome, found.status, found.is_held) for found in replayed.regions] == [
        (Outcome.STORED, ExitStatus.DONE, True),
        (Outcome.REJECTED, ExitStatus.REFUSED, True),
        (Outcome.NO_CHANGE, ExitStatus.REFUSED, False),
    ]
    assert replayed.status is ExitStatus.PARTIAL
    assert set(storage.shelves.spool.kept()) == {senseless, other}
    # That its time is stored with this very body is as good as storing it.
    held = replay(storage, clock, [same], quarantine=True)
    assert (held.status, held.regions[0].outcome) == (ExitStatus.DONE, Outcome.NO_CHANGE)
    assert same not in storage.shelves.quarantine.kept()
    assert replay(storage, clock, [other]).status is ExitStatus.REFUSED


def test_nothing_leaves_its_shelf_while_the_database_is_away(tmp_path: Path, clock: TickingClock) -> None:
    storage = storage_in(tmp_path, MissingDatabase(DatabaseError("The server is away.")))
    kept = keep(storage.shelves.quarantine, body_of(3))
    assert replay(storage, clock, [kept], quarantine=True).status is ExitStatus.DATABASE
    assert storage.shelves.quarantine.kept() == [kept]
    assert storage.shelves.spool.kept() == []


@pytest.mark.parametrize(
    ("away", "tried"),
    [
        (UnreachableError("The server is away."), 1),
        (BusyError("Somebody holds it."), 1),
        # What refuses one body may take the next.
        (DatabaseError("It refuses."), 2),
    ],
)
def test_where_the_database_is_away_the_others_wait_without_being_tried(
    tmp_path: Path, clock: TickingClock, away: DatabaseError, tried: int
) -> None:
    storage = storage_in(tmp_path, MissingDatabase(away))
    bodies = [keep(storage.shelves.spool, body_of(3 + hour), snapshot_time=NOON - hour * HOUR) for hour in range(2)]
    replayed = replay(storage, clock, bodies)
    assert (len(replayed.regions), replayed.status) == (tried, ExitStatus.DATABASE)
    assert set(storage.shelves.spool.kept()) == set(bodies)


def test_a_run_that_is_asked_to_end_begins_no_other_body(
    tmp_path: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = storage_in(tmp_path, MissingDatabase(DatabaseError("It refuses.")))
    bodies = [keep(storage.shelves.spool, body_of(3 + hour), snapshot_time=NOON - hour * HOUR) for hour in range(2)]
    monkeypatch.setattr(clock, "check", raising(InterruptedRunError("SIGTERM")))
    replayed = replay(storage, clock, bodies)
    assert [one.status for one in replayed.regions] == [ExitStatus.TERMINATED]
    assert set(storage.shelves.spool.kept()) == set(bodies)


def test_a_given_time_is_of_one_body_and_one_that_blizzard_can_have_given(tmp_path: Path, clock: TickingClock) -> None:
    storage = storage_in(tmp_path, MissingDatabase(DatabaseError("The server is away.")))
    bodies = [keep(storage.shelves.spool, body_of(number)) for number in (1, 2)]
    for some in (bodies, []):
        with pytest.raises(UsageError, match="name that one"):
            replay(storage, clock, some, snapshot_time=NOON)
    with pytest.raises(UsageError, match="in the future"):
        replay(storage, clock, bodies[:1], snapshot_time=clock.now() + HOUR)
    # Blizzard's own time stands, whatever this machine's clock says.
    clock.turn_to(NOON - 10_000 * HOUR)
    assert replay(storage, clock, bodies[:1]).status is ExitStatus.DATABASE


def test_a_stored_body_that_can_not_be_dropped_is_told(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep(storage.shelves.spool, body_of(3))

    def refused(*_: object) -> None:
        raise ConfigurationError("The folder is another's.")

    monkeypatch.setattr(Shelf, "drop", refused)
    (found,) = replay(storage, clock, [kept]).regions
    assert (found.status, found.message) == (ExitStatus.CONFIGURATION, "The folder is another's.")
    # It is in the tables, so that its day is looked after.
    assert found.counts is not None
    assert found.counts.auctions == 3


def test_a_body_that_is_evidence_stays_though_its_hour_is_stored(storage: Storage, clock: TickingClock) -> None:
    quarantine = storage.shelves.quarantine
    first, second = (
        quarantine.keep(
            body_of(3 + hour),
            region=Region.EU,
            snapshot_time=NOON + hour * HOUR,
            headers={},
            received_at=NOON,
            reason="kept",
            is_evidence=hour == 0,
        )
        for hour in range(2)
    )
    clock.turn_to(NOON + HOUR)
    assert replay(storage, clock, [first, second], quarantine=True).status is ExitStatus.DONE
    assert quarantine.kept() == [first]


def test_a_small_body_is_stored_when_it_is_forced(storage: Storage, clock: TickingClock) -> None:
    clock.turn_to(NOON + 4 * HOUR)
    usual = [keep(storage.shelves.spool, body_of(10, first=1 + h), snapshot_time=NOON + h * HOUR) for h in range(3)]
    assert replay(storage, clock, usual).status is ExitStatus.DONE
    small = keep(storage.shelves.spool, body_of(2), snapshot_time=NOON + 3 * HOUR)
    assert replay(storage, clock, [small]).status is ExitStatus.REFUSED
    assert replay(storage, clock, [small], force=True).status is ExitStatus.DONE


@both_shelves
def test_what_is_dropped_is_what_was_named(tmp_path: Path, *, quarantine: bool) -> None:
    shelves = Shelves.of(tmp_path)
    shelf = shelves.quarantine if quarantine else shelves.spool
    bodies = [keep(shelf, body_of(number)) for number in (1, 2, 3)]
    spool.drop(bodies[:2], shelves=shelves, quarantine=quarantine)
    assert shelf.kept() == bodies[2:]
