"""A cycle with a database: for what Blizzard is asked, what is gone on with afterwards, and what its row says."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db import locks
from ironforge_cli.errors import DatabaseError, UnreachableError
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Evidence, Silent
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs import stored
from tests.jobs.handed import HOUR, NOON, Breaking, Cycle, Handed, answer, body_of, keep, nothing_newer, raising

if TYPE_CHECKING:
    from ironforge_cli.blizzard.transport import Answer
    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

EARLIER = NOON - HOUR


def ran(storage: Storage, clock: TickingClock, given: Answer, *, progress: Breaking | None = None) -> CollectedRegion:
    """A cycle of EU to which one answer is handed, with its row."""
    evidence = Evidence(storage.database, pending=None, command="collect", clock=clock)
    cycle = Cycle(storage, clock, progress=progress or Silent())
    with evidence.attempt(Region.EU, progress=cycle.progress) as cycle.attempt:
        return cycle.run(Handed([given]))


def once(error: Exception) -> Breaking:
    """Fails the first time that something is to be committed."""
    errors = [error]

    def fail() -> None:
        if errors:
            raising(errors.pop())()

    return Breaking("commit", fail)


def times(storage: Storage) -> list[datetime]:
    return stored.times(storage.database, Region.EU)


def waiting(storage: Storage) -> set[datetime | None]:
    return {kept.snapshot_time for kept in storage.shelves.spool.kept()}


def test_what_waits_is_left_alone_once_the_server_is_away(storage: Storage, clock: TickingClock) -> None:
    keep(storage.shelves.spool, body_of(5), snapshot_time=EARLIER)
    gone = once(UnreachableError("The server went."))
    assert ran(storage, clock, answer(body_of(5, first=50), NOON), progress=gone).outcome is Outcome.SPOOLED
    assert (times(storage), waiting(storage)) == ([], {EARLIER, NOON})


def test_an_hour_that_was_just_refused_waits_for_the_next_cycle_and_what_waited_does_not(
    storage: Storage, clock: TickingClock
) -> None:
    keep(storage.shelves.spool, body_of(5), snapshot_time=EARLIER)
    refused = once(DatabaseError("Refused."))
    assert ran(storage, clock, answer(body_of(5, first=50), NOON), progress=refused).outcome is Outcome.SPOOLED
    assert (times(storage), waiting(storage)) == ([EARLIER], {NOON})


@pytest.mark.parametrize(("bad", "asked"), [(EARLIER, 1), (NOON, 2)])
def test_the_hour_is_asked_for_where_the_body_that_stood_for_it_was_of_no_use(
    storage: Storage, clock: TickingClock, bad: datetime, asked: int
) -> None:
    for at in (EARLIER, NOON):
        keep(storage.shelves.spool, b"<html>" if at == bad else body_of(5), snapshot_time=at)
    source = Handed([nothing_newer()])
    Cycle(storage, clock).run(source)
    assert len(source.asked_for) == asked


def test_a_row_never_says_that_nothing_is_newer_than_what_still_waits(storage: Storage, clock: TickingClock) -> None:
    keep(storage.shelves.spool, body_of(5))
    assert ran(storage, clock, nothing_newer(), progress=once(DatabaseError("Refused."))).last_modified is None
    assert waiting(storage) == {NOON}


def test_an_answer_that_is_not_newer_is_not_taken_in(storage: Storage, clock: TickingClock) -> None:
    stale = replace(answer(body_of(5), NOON), is_stale=True)
    assert ran(storage, clock, stale).outcome is Outcome.NO_CHANGE
    assert times(storage) == []


def test_the_end_of_a_batch_of_a_recomputation_is_waited_for(storage: Storage, clock: TickingClock) -> None:
    with locks.recomputing(storage.database, Region.EU), ExitStack() as batch:
        batch.enter_context(locks.storing(storage.database, Region.EU, at_once=True))
        ends = threading.Timer(0.1, batch.pop_all().close)
        ends.start()
        assert ran(storage, clock, answer(body_of(5), NOON)).outcome is Outcome.STORED
        ends.join()


def test_a_time_given_to_the_body_before_is_passed_over_until_its_hour_is_overdue(
    storage: Storage, clock: TickingClock
) -> None:
    clock.turn_to(NOON + HOUR + timedelta(minutes=1))
    ran(storage, clock, answer(body_of(5), NOON))
    assert ran(storage, clock, answer(body_of(5), NOON + HOUR)).outcome is Outcome.NO_CHANGE
    source = Handed([nothing_newer()])
    Cycle(storage, clock).run(source)
    assert (source.asked_for, source.forgotten) == ([NOON + HOUR], [])
    clock.turn_to(NOON + 2 * HOUR)
    Cycle(storage, clock).run(source)
    # The cache would give the very body that is not wanted.
    assert (source.asked_for[1:], source.forgotten) == ([NOON], [Region.EU])


def test_a_body_that_waits_at_the_time_of_a_stored_one_stands_for_nothing(
    storage: Storage, clock: TickingClock
) -> None:
    ran(storage, clock, answer(body_of(5), NOON))
    keep(storage.shelves.spool, body_of(5, first=50))
    # It repeats what is stored.
    assert ran(storage, clock, answer(body_of(5), NOON + HOUR)).outcome is Outcome.NO_CHANGE
    assert times(storage) == [NOON]
