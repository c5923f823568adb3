"""A market that halves is believed within three hours, and its refused hours are stored from the quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.handed import HOUR, NOON, Cycle, Handed, answer, body_of, keep, nothing_newer

if TYPE_CHECKING:
    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock


def collect(
    storage: Storage, clock: TickingClock, hour: int, auctions: int, *, region: Region = Region.EU, force: bool = False
) -> CollectedRegion:
    source = Handed([answer(body_of(auctions, first=1_000 * (hour + 1)), NOON + hour * HOUR)])
    return Cycle(storage, clock, region=region).run(source, force=force, asks_again=False)


@pytest.fixture
def usual(storage: Storage, clock: TickingClock) -> Storage:
    """Three hours of a market of a hundred auctions, in both regions."""
    for region in DEFAULT_REGIONS:
        for hour in range(3):
            assert collect(storage, clock, hour, 100, region=region).outcome is Outcome.STORED
    return storage


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
def test_a_market_that_halved_heals_in_three_hours_and_nothing_is_left_in_the_quarantine(
    usual: Storage, clock: TickingClock, region: Region, caplog: pytest.LogCaptureFixture
) -> None:
    for hour, auctions in ((3, 42), (4, 41)):
        refused = collect(usual, clock, hour, auctions, region=region)
        assert (refused.outcome, refused.status) == (Outcome.REJECTED, ExitStatus.REFUSED)
        # What is asked for again and again counts once.
        collect(usual, clock, hour, auctions, region=region)
    believed = collect(usual, clock, 5, 40, region=region)
    assert (believed.outcome, believed.status, believed.replayed) == (Outcome.STORED, ExitStatus.DONE, 2)
    assert "the last 3 hours agree" in (believed.message or "")
    assert "the last 3 hours agree" in caplog.text
    assert believed.is_odd
    assert stored.times(usual.database, region) == [NOON + hour * HOUR for hour in range(6)]
    assert usual.shelves.quarantine.kept() == []
    again = collect(usual, clock, 6, 39, region=region)
    assert (again.status, again.is_odd, again.message) == (ExitStatus.DONE, False, None)


def test_the_row_of_an_hour_that_is_believed_at_last_says_so(usual: Storage, clock: TickingClock) -> None:
    for hour in (3, 4):
        collect(usual, clock, hour, 40)
    cycle = Cycle(usual, clock)
    cycle.run(Handed([answer(body_of(40, first=9_000), NOON + 5 * HOUR)]))
    status, _, message = cycle.ended
    assert status == "success"
    assert "the market has become so small" in (message or "")


def test_hours_that_disagree_stay_refused(usual: Storage, clock: TickingClock) -> None:
    for hour, auctions in ((3, 10), (4, 25), (5, 40), (6, 20)):
        assert collect(usual, clock, hour, auctions).outcome is Outcome.REJECTED
    assert len(usual.shelves.quarantine.kept()) == 4


def test_hours_before_a_good_one_prove_nothing(usual: Storage, clock: TickingClock) -> None:
    for hour, auctions in ((3, 40), (4, 40), (5, 100), (6, 40)):
        found = collect(usual, clock, hour, auctions)
        assert found.outcome is (Outcome.STORED if auctions == 100 else Outcome.REJECTED)


def test_one_that_is_forced_makes_the_like_plausible(usual: Storage, clock: TickingClock) -> None:
    assert collect(usual, clock, 3, 40).outcome is Outcome.REJECTED
    assert collect(usual, clock, 4, 40, force=True).replayed == 1
    assert collect(usual, clock, 5, 41).outcome is Outcome.STORED
    assert collect(usual, clock, 6, 20).outcome is Outcome.REJECTED
    assert stored.times(usual.database, Region.EU) == [NOON + hour * HOUR for hour in range(6)]


def test_hours_that_were_spooled_heal_alike(usual: Storage, clock: TickingClock) -> None:
    for hour in (3, 4, 5):
        keep(usual.shelves.spool, body_of(40, first=1_000 * hour), snapshot_time=NOON + hour * HOUR)
    found = Cycle(usual, clock).run(Handed([nothing_newer()]))
    assert found.replayed == 3
    assert stored.times(usual.database, Region.EU) == [NOON + hour * HOUR for hour in range(6)]
    assert usual.shelves.quarantine.kept() == usual.shelves.spool.kept() == []


def test_a_refused_answer_whose_hour_came_whole_stays_out_of_the_tables(usual: Storage, clock: TickingClock) -> None:
    for hour in (3, 4):
        collect(usual, clock, hour, 40)
    assert collect(usual, clock, 4, 100).outcome is Outcome.STORED
    assert collect(usual, clock, 5, 40, force=True).outcome is Outcome.STORED
    # The one between two whole hours: nothing beside it is as small.
    assert stored.times(usual.database, Region.EU) == [NOON + hour * HOUR for hour in (0, 1, 2, 4, 5)]
    assert len(usual.shelves.quarantine.kept()) == 2
