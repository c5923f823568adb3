"""What counts as news in a window: what was stored or spooled before it began does not, however late it is stored."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError, ExitStatus, InterruptedRunError
from ironforge_cli.jobs.collecting.collect import collect
from ironforge_cli.jobs.collecting.poll import Polled, poll
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import Region
from tests.clocks import EventfulClock
from tests.conftest import storage_in
from tests.jobs import stored
from tests.jobs.handed import HOUR, NOON, Cycle, Handed, answer, body_of, keep, nothing_newer
from tests.jobs.polling import STARTS, window

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.engine import Database

AWAY = MissingDatabase(DatabaseError("The server is away."))
TWO_MINUTES = window(length=timedelta(minutes=2))
NEW = STARTS.replace(second=10)
NOTHING = nothing_newer()


@pytest.fixture
def clock() -> EventfulClock:
    return EventfulClock(STARTS)


@dataclass
class Desk:
    """Polls EU with a database that can go and come."""

    home: Path
    database: Database
    clock: EventfulClock

    def poll(self, source: Handed) -> Polled:
        return poll(
            [Region.EU],
            window=TWO_MINUTES,
            market=source,
            storage=lambda: storage_in(self.home, self.database),
            clock=self.clock,
        )


@pytest.fixture
def desk(tmp_path: Path, database: Database, clock: EventfulClock) -> Desk:
    """A desk where the hour of noon is stored."""
    stored_first = Cycle(storage_in(tmp_path, database), clock).run(Handed([answer(body_of(1), NOON)]))
    assert stored_first.outcome is Outcome.STORED
    return Desk(tmp_path, database, clock)


def test_a_window_that_first_stores_what_was_spooled_waits_for_the_hour_after_it(desk: Desk) -> None:
    keep(storage_in(desk.home, desk.database).shelves.spool, body_of(2), snapshot_time=NOON + 0.2 * HOUR)
    (one,) = desk.poll(Handed([NOTHING, NOTHING, answer(body_of(3), NEW)])).regions
    assert (one.attempts, one.is_new, one.collected.outcome) == (3, True, Outcome.STORED)
    assert stored.times(desk.database, Region.EU) == [NOON, NOON + 0.2 * HOUR, NEW]


def test_an_hour_that_waited_from_before_what_is_stored_is_no_news_either(desk: Desk) -> None:
    keep(storage_in(desk.home, desk.database).shelves.spool, body_of(2), snapshot_time=NOON - HOUR)
    polled = desk.poll(Handed([NOTHING]))
    assert (polled.regions[0].attempts, polled.without_news) == (5, (Region.EU,))
    assert stored.times(desk.database, Region.EU) == [NOON - HOUR, NOON]


def test_what_a_window_spooled_itself_before_the_database_came_back_is_its_news(desk: Desk) -> None:
    # Published before the window began: only the database can tell that it is new.
    database, desk.database = desk.database, AWAY
    desk.clock.after(20, lambda: setattr(desk, "database", database))
    (one,) = desk.poll(Handed([answer(body_of(2), NOON + 0.2 * HOUR), NOTHING])).regions
    assert (one.attempts, one.is_new, one.collected.replayed) == (2, True, 1)
    assert one.collected.status is ExitStatus.DONE


def test_an_hour_that_is_known_is_no_news_to_a_window_whose_database_comes_back(desk: Desk) -> None:
    database, desk.database = desk.database, AWAY
    desk.clock.after(20, lambda: setattr(desk, "database", database))
    (one,) = desk.poll(Handed([answer(body_of(1), NOON), NOTHING])).regions
    assert (one.attempts, one.is_new) == (5, False)


def test_the_price_that_waited_is_asked_for_again_once_the_database_is_back(desk: Desk) -> None:
    database, desk.database = desk.database, AWAY
    desk.clock.after(20, lambda: setattr(desk, "database", database))
    source = Handed([NOTHING])
    polled = desk.poll(source)
    assert len(source.priced) == 2
    assert [token.outcome for token in polled.tokens] == [Outcome.NO_CHANGE]
    assert polled.status is ExitStatus.DONE
    assert len(stored.token_prices(database, Region.EU)) == 1


def test_what_a_window_stored_is_said_with_its_delay_and_the_number_of_the_attempt(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "ironforge_cli.jobs"):
        (one,) = desk.poll(Handed([NOTHING, answer(body_of(3), NEW)])).regions
    assert one.delay == timedelta(seconds=20)
    assert [record.message for record in caplog.records] == [
        f"EU: stored {NEW.isoformat()}, 3 auctions, 20 s after it was published, attempt 2."
    ]


def test_what_another_run_stored_meanwhile_is_said_so(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def other() -> None:
        collect(
            [Region.EU],
            market=Handed([answer(body_of(3), NEW)]),
            storage=storage_in(desk.home, desk.database),
            clock=desk.clock,
        )
        caplog.clear()

    desk.clock.after(20, other)
    with caplog.at_level(logging.INFO, "ironforge_cli.jobs"):
        (one,) = desk.poll(Handed([NOTHING])).regions
    assert (one.attempts, one.is_new, one.delay) == (2, True, None)
    assert [record.message for record in caplog.records] == [
        f"EU: {NEW.isoformat()} has been stored meanwhile, attempt 2."
    ]


def test_a_repeated_body_is_told_at_the_attempt_that_finds_it(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ironforge_cli.jobs"):
        polled = desk.poll(Handed([NOTHING, answer(body_of(1), NEW), NOTHING, NOTHING, answer(body_of(1), NEW)]))
    assert polled.without_news == (Region.EU,)
    told = [(record.levelname, record.message.partition(" again")[0]) for record in caplog.records]
    # In the middle of the window, and at its end.
    assert told == [("WARNING", f"EU: The body of {NEW.isoformat()} is that of {NOON.isoformat()}")] * 2


@pytest.fixture
def behind(desk: Desk, database: Database) -> Desk:
    """A desk whose region has a rhythm, on a clock at which the hour after the next is due within the window, too."""
    storage = storage_in(desk.home, database)
    for hour in range(7, 0, -1):
        keep(storage.shelves.spool, body_of(4, first=10 * hour), snapshot_time=NEW - hour * HOUR)
    assert Cycle(storage, desk.clock).run(Handed([NOTHING])).status is ExitStatus.DONE
    stored.change(database, "UPDATE snapshots SET stored_at = snapshot_time")
    desk.clock.turn_to(NEW + HOUR - timedelta(seconds=60))
    return desk


def test_a_signal_is_told_though_something_new_had_come(behind: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise InterruptedRunError("SIGTERM")

    monkeypatch.setattr(behind.clock, "sleep", interrupted)
    polled = behind.poll(Handed([answer(body_of(3), NEW), NOTHING]))
    (one,) = polled.regions
    assert (polled.status, one.is_new, one.attempts) == (ExitStatus.TERMINATED, True, 1)
    assert NEW in stored.times(behind.database, Region.EU)


def test_an_hour_that_stays_in_the_spool_is_what_a_window_that_goes_on_ends_with(behind: Desk) -> None:
    behind.clock.after(5, lambda: setattr(behind, "database", AWAY))
    polled = behind.poll(Handed([NOTHING, answer(body_of(3), NEW), NOTHING]))
    (one,) = polled.regions
    assert (one.is_new, one.attempts) == (True, 5)
    assert (one.collected.outcome, one.collected.status) == (Outcome.SPOOLED, ExitStatus.DATABASE)
    assert one.collected.snapshot_time == NEW
