"""Folders are kept clean by the time that both clocks agree on. No server is needed for that."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.spool import Shelf
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError
from ironforge_cli.jobs.collecting.tidying import tidy, tidy_by
from ironforge_cli.jobs.storage import Workplace, evidence_of
from ironforge_cli.regions import Region
from tests.conftest import storage_in
from tests.jobs.handed import HOUR, NOON, answer, body_of, keep, nothing_newer

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Kept
    from tests.clocks import TickingClock

DAY = timedelta(days=1)


@pytest.fixture
def workplace(tmp_path: Path, clock: TickingClock) -> Workplace:
    storage = storage_in(tmp_path, MissingDatabase(DatabaseError("The server is away.")))
    evidence = evidence_of(storage, command="collect", clock=clock)
    return Workplace.at(storage, evidence=evidence, decoding=threading.Lock())


@pytest.mark.parametrize(
    ("known", "answered", "ours", "stays"),
    [
        ([31], None, 31, False),
        ([0], 31, 31, False),
        # The clock is ahead of all that Blizzard has said, or behind it.
        ([29], None, 500, True),
        ([], None, 500, True),
        ([31], 31, 29, True),
    ],
)
def test_a_body_goes_when_the_clock_and_the_newest_snapshot_call_it_too_old(
    workplace: Workplace,
    caplog: pytest.LogCaptureFixture,
    known: list[int],
    answered: int | None,
    ours: int,
    *,
    stays: bool,
) -> None:
    kept = keep(workplace.shelves.quarantine, body_of(1))
    headers = nothing_newer().headers if answered is None else answer(b"", NOON + answered * DAY).headers
    times = [NOON + days * DAY for days in known]
    tidy_by(headers, Region.EU, workplace, known=times, now=NOON + ours * DAY)
    assert workplace.shelves.quarantine.kept() == ([kept] if stays else [])
    told = [] if stays else [f"EU: removed {kept.path}: raw data may not be kept longer"]
    assert [record.message for record in caplog.records] == told


def test_a_body_that_a_clock_years_behind_received_stays_until_its_own_time_is_old(workplace: Workplace) -> None:
    spool = workplace.shelves.spool
    kept = keep(spool, body_of(1), snapshot_time=NOON, received_at=NOON - 2_000 * DAY)
    tidy_by({}, Region.EU, workplace, known=[NOON + 29 * DAY], now=NOON + 29 * DAY)
    assert spool.kept() == [kept]
    tidy_by({}, Region.EU, workplace, known=[NOON + 31 * DAY], now=NOON + 31 * DAY)
    assert spool.kept() == []


def test_a_folder_that_can_not_be_tidied_is_told_and_hinders_no_other(
    workplace: Workplace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, quarantine = workplace.shelves.spool, workplace.shelves.quarantine
    keep(quarantine, body_of(1))
    sweep = Shelf.sweep

    def refused(shelf: Shelf, region: Region, *, before: datetime | None) -> list[Kept]:
        if shelf is spool:
            raise PermissionError("not yours")
        return sweep(shelf, region, before=before)

    monkeypatch.setattr(Shelf, "sweep", refused)
    tidy(Region.EU, workplace, before=NOON + DAY)
    assert quarantine.kept() == []
    told = caplog.records[0]
    assert (told.levelname, told.message) == ("ERROR", f"EU: the folder {spool.folder} could not be tidied")
    assert told.exc_info is not None


def test_only_what_is_half_written_goes_where_no_time_is_given(workplace: Workplace) -> None:
    kept = keep(workplace.shelves.spool, body_of(1), received_at=NOON - 1_000 * HOUR)
    half = kept.path.with_name(".tmp-1")
    half.touch()
    tidy(Region.EU, workplace)
    assert (workplace.shelves.spool.kept(), half.exists()) == ([kept], False)
