"""A region that is collected no more keeps nothing past its retention, and is given nothing new."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.jobs.days import checking
from ironforge_cli.jobs.days import maintain as job
from ironforge_cli.jobs.days.leaving import drop_bodies, with_leaving
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.day_tables import KEPT, TODAY, found, register

if TYPE_CHECKING:
    from ironforge_cli.blizzard.spool import Shelf
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

LEFT = replace(KEPT, leaving=(Region.US,))
TABLES = "SELECT relname FROM pg_class WHERE relname ~ '^auction_snapshots_us_[0-9_]*$' ORDER BY 1"


@pytest.fixture
def left(storage: Storage, clock: TickingClock) -> list[str]:
    """Days of the region that leaves, one of them past its retention, and bodies on disk; the tables that stay."""
    days = [DailyPartition(Region.US, TODAY - timedelta(days=number)) for number in (40, 3)]
    register(storage.database, TODAY, Region.EU)
    with storage.database.transaction() as connection:
        for day in days:
            partitions.create(connection, day)
    for shelf in (storage.shelves.spool, storage.shelves.quarantine):
        for number in (40, 3):
            keep(shelf, clock.now() - timedelta(days=number))
    return [days[1].name]


def keep(shelf: Shelf, at: datetime) -> None:
    body = at.isoformat().encode()
    shelf.keep(body, region=Region.US, snapshot_time=at, received_at=at, headers={}, reason="a test")


def bodies(storage: Storage) -> list[int]:
    return [len(shelf.kept(Region.US)) for shelf in (storage.shelves.spool, storage.shelves.quarantine)]


def test_what_is_past_its_retention_leaves_and_nothing_is_made(
    storage: Storage, clock: TickingClock, left: list[str]
) -> None:
    planned = job.maintain((Region.EU,), storage=storage, housekeeping=LEFT, clock=clock, dry_run=True)
    assert {result.action for result in planned.results if result.region is Region.US} == {"detach", "drop"}
    job.maintain((Region.EU,), storage=storage, housekeeping=LEFT, clock=clock)
    assert [name for (name,) in found(storage.database, TABLES)] == left
    assert bodies(storage) == [1, 1]


def test_what_is_left_of_it_is_not_checked_by_its_sales(
    storage: Storage, clock: TickingClock, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Region] = []

    def noted(region: Region, *_: Any, **__: Any) -> list[Any]:
        checked.append(region)
        return []

    monkeypatch.setattr(checking, "maintained", noted)
    job.maintain((Region.EU,), storage=storage, housekeeping=LEFT, clock=clock)
    assert left
    assert checked == [Region.EU]


def test_runs_that_collect_do_it_too(storage: Storage, clock: TickingClock, left: list[str]) -> None:
    assert job.upkeep((Region.EU,), storage=storage, housekeeping=LEFT, clock=clock) is not None
    assert [name for (name,) in found(storage.database, TABLES)] == left


def test_a_region_of_which_nothing_is_held_is_not_mentioned(storage: Storage, clock: TickingClock) -> None:
    job.maintain((Region.EU,), storage=storage, housekeeping=LEFT, clock=clock)
    assert found(storage.database, "SELECT DISTINCT region FROM scraper_logs ORDER BY 1") == [("eu",), (None,)]


def test_a_region_that_a_run_names_or_collects_is_none_that_leaves(
    storage: Storage, clock: TickingClock, left: list[str]
) -> None:
    job.maintain((Region.US,), storage=storage, housekeeping=LEFT, clock=clock)
    made = {name for (name,) in found(storage.database, TABLES)}
    assert {*left, *(DailyPartition(Region.US, TODAY + timedelta(days=number)).name for number in (0, 1))} <= made
    assert bodies(storage) == [2, 2]


@pytest.mark.parametrize("held", ["spool", "quarantine", "days"])
def test_a_region_of_which_anything_is_held_is_looked_after(storage: Storage, clock: TickingClock, held: str) -> None:
    if held == "days":
        with storage.database.transaction() as connection:
            partitions.create(connection, DailyPartition(Region.US, TODAY))
    else:
        keep(getattr(storage.shelves, held), clock.now())
    with storage.database.connect() as connection:
        assert with_leaving(connection, (Region.EU,), storage, LEFT) == [Region.EU, Region.US]
        assert with_leaving(connection, (Region.EU,), storage, KEPT) == [Region.EU]


class Shelves:
    """Folders of bodies of which one refuses."""

    def __init__(self, *, refused: bool = False, unread: bool = False, held: int = 1, dropped: int = 0) -> None:
        self.folder, self._refused, self._dropped = "/here", refused, dropped
        self._unread, self._held = unread, held
        self.swept: list[datetime] = []

    def kept(self, region: Region) -> list[Region]:
        if self._unread:
            raise ConfigurationError("/here can't be read.")
        return [region] * self._held

    def sweep(self, region: Region, *, before: datetime) -> list[Region]:
        if self._refused:
            raise ConfigurationError("/here can't be written.")
        self.swept.append(before)
        return [region] * self._dropped


def test_bodies_stay_where_no_time_can_be_trusted_and_a_shelf_that_refuses_hinders_no_other(
    clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    spool, quarantine = Shelves(refused=True), Shelves(dropped=2)
    storage: Any = SimpleNamespace(shelves=SimpleNamespace(spool=spool, quarantine=quarantine))
    with caplog.at_level(logging.INFO):
        drop_bodies(Region.US, storage, before=None)
        assert (caplog.messages, quarantine.swept) == ([], [])
        drop_bodies(Region.US, storage, before=clock.now())
    assert quarantine.swept == [clock.now()]
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "US: /here can't be written."),
        ("INFO", "US: removed 2 bodies past their retention from /here"),
    ]
    caplog.clear()
    storage.shelves.spool = storage.shelves.quarantine = Shelves(dropped=0)
    drop_bodies(Region.US, storage, before=clock.now())
    assert caplog.messages == []


def test_a_shelf_that_can_not_be_read_hinders_no_other_shelf_and_no_other_region(
    clock: TickingClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread, empty, quarantine = Shelves(unread=True), Shelves(held=0), Shelves()

    def nothing(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(partitions, "existing", nothing)
    connection: Any = None
    storage: Any = SimpleNamespace(shelves=SimpleNamespace(spool=unread, quarantine=quarantine))
    drop_bodies(Region.US, storage, before=clock.now())
    assert (quarantine.swept, caplog.messages) == ([clock.now()], ["US: /here can't be read."])
    for spool, refuse, is_held in ((unread, empty, True), (empty, unread, True), (empty, empty, False)):
        storage.shelves.spool, storage.shelves.quarantine = spool, refuse
        every = [Region.EU, *([Region.US] if is_held else [])]
        assert with_leaving(connection, (Region.EU,), storage, LEFT) == every
    # Where nothing lies no folder is made.
    drop_bodies(Region.US, storage, before=clock.now())
    assert empty.swept == []
