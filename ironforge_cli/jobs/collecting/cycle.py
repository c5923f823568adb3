"""One region's collection cycle: the hour first, then what waits on disk, and no body is ever lost.

Without a database the answer is looked at as far as it can be, and spooled. Where an answer was refused, Blizzard is
asked once more, at once, by whoever has no later attempt, since the next answer is usually whole.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from ironforge_cli.blizzard import payloads
from ironforge_cli.db import locks
from ironforge_cli.db.repositories import runs, snapshots
from ironforge_cli.db.repositories.newest_times import newest_times
from ironforge_cli.errors import STOPPED, DatabaseError, IronforgeError, UnavailableError
from ironforge_cli.jobs.collecting.intake import Known, Received, not_newer, take_in
from ironforge_cli.jobs.collecting.outcomes import NOTHING_NEW, REPEATED, CollectedRegion, failed, unchanged
from ironforge_cli.jobs.collecting.replaying import replay
from ironforge_cli.jobs.collecting.storing import make_day
from ironforge_cli.jobs.collecting.telling import harmless
from ironforge_cli.jobs.collecting.tidying import tidy, tidy_by
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.market import rhythm
from ironforge_cli.market.hours import GAP
from ironforge_cli.market.partitions import DailyPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.blizzard.transport import Answer
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.storage import Workplace
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)


class CommoditySource(Protocol):
    """Where bodies come from: Blizzard's API, as `BlizzardClient` speaks it."""

    def commodities(self, region: Region, *, newer_than: datetime | None) -> Answer:
        """The body of a region's commodity auctions, or word that nothing is newer."""
        ...

    def forget_commodities(self, region: Region) -> None:
        """Don't give a body that was received once more."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """What Blizzard is asked with."""

    newest: Known | None
    """The newest snapshot that needs no storing."""
    newer_than: datetime | None
    """For what is newer than this; None: for whatever there is."""
    known: tuple[datetime, ...] = ()
    """The newest times that Blizzard gave to anything, of any region."""
    is_anew: bool = False
    """Whether a time that is known already is asked for once more, since its body was that of the hour before."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Until when a cycle may go on with what waits on disk; None: until all of it is stored."""

    with_hour: Deadline | None = None
    """When the hour was stored."""
    without: Deadline | None = None
    """When it was not, and is asked for again then."""


@dataclass(frozen=True, slots=True)
class RegionCycle:
    """One cycle of one region.

    `force` asks for bodies that are not newer and takes one that is implausibly small; `asks_again` asks once more, at
    once, where an answer was refused; `stored_time` is that of the newest snapshot that whoever starts the cycle knows
    to be stored, for a cycle without a database; `bounds` are for what is stored after the hour.
    """

    region: Region
    _: KW_ONLY
    source: CommoditySource
    workplace: Workplace
    attempt: Attempt
    force: bool
    asks_again: bool = True
    stored_time: datetime | None = None
    bounds: Bounds = Bounds()

    def run(self) -> CollectedRegion:
        """Do it all. Raises what went wrong before Blizzard was asked; everything later is in the result."""
        collected = self._stored()
        if isinstance(collected, CollectedRegion):
            return collected
        away, done = collected, list[CollectedRegion]()
        with _given_back(done), locks.storing_in(self.workplace.locks_folder, self.region):
            done.append(self._without_database(away))
        return done[0]

    def _stored(self) -> CollectedRegion | IronforgeError:
        """The cycle with the database, or why there is none to work with."""
        if self.workplace.away is not None:
            return self.workplace.away
        done = list[CollectedRegion]()
        try:
            with _given_back(done), locks.storing(self.workplace.database, self.region):
                done.append(self._with_database())
        except DatabaseError as error:
            return error
        return done[0]

    def _with_database(self) -> CollectedRegion:
        today = DailyPartition.holding(self.region, self.attempt.clock.now())
        with self.attempt.step("prepare"):
            tidy(self.region, self.workplace)
            # Before anything is fetched: an hour that has no partition could not be stored.
            make_day(self.workplace.database, today)
        collected, spooled = self._asked(today), None
        if collected.status in STOPPED or collected.is_unreachable:
            return collected
        until = self.bounds.without if collected.counts is None else self.bounds.with_hour
        replayed = replay(
            self.region,
            workplace=self.workplace,
            attempt=self.attempt,
            force=self.force,
            made=today,
            until=until,
            # What could not be stored a moment ago waits for the next cycle.
            but=collected.snapshot_time if collected.outcome is Outcome.SPOOLED else None,
        )
        if collected.outcome is Outcome.NO_CHANGE and collected.last_modified in replayed.refused:
            # It was not asked for, since it waited; what waited was of no use.
            collected = self._asked(today, but=replayed.refused)
        with harmless(f"{self.region.label}: looking at what still waits"):
            spooled = self.workplace.shelves.spool.newest_time(self.region)
            self._tell_gap(collected)
        if collected.outcome is Outcome.NO_CHANGE and spooled == collected.last_modified:
            # A row with that time would say that Blizzard has nothing else, though nothing of it is stored.
            collected = replace(collected, last_modified=None)
        return replayed.told_with(collected)

    def _asked(self, today: DailyPartition, *, but: Collection[datetime] = ()) -> CollectedRegion:
        """What came of the hour; whatever hinders it, what waits on disk has its turn."""
        try:
            return self._ask(self._question_by_database(but), made=today)
        except DatabaseError:
            # Without a database Blizzard is asked all the same.
            raise
        except IronforgeError as error:
            return failed(self.region, error)
        except Exception as error:
            log.exception("%s: an unexpected error", self.region.label)
            return failed(self.region, error)

    def _without_database(self, away: IronforgeError) -> CollectedRegion:
        tidy(self.region, self.workplace)
        try:
            collected = self._ask(question_by_spool(self._spooled(), stored_time=self.stored_time), away=away)
        except UnavailableError as error:
            raise type(away)(f"{away} Nor could Blizzard be asked: {error}") from error
        if collected.outcome is Outcome.NO_CHANGE:
            return replace(collected, status=away.status, message=f"{away} Nothing is lost: {collected.message}")
        return collected

    def _question_by_database(self, but: Collection[datetime]) -> Question:
        spooled = [kept for kept in self._spooled() if kept.snapshot_time not in but]
        with self.workplace.database.connect() as connection:
            newest = snapshots.newest(connection, self.region)
            stored = None if newest is None else newest.snapshot_time
            question = question_by_spool(spooled, stored_time=stored)
            known = (*question.known, *newest_times(connection).values())
            if newest is None or (question.newest is not None and question.newest.snapshot_time > newest.snapshot_time):
                # What waits was received: it is not asked for once more.
                return replace(question, known=known)
            asked = Question(Known(newest.snapshot_time, newest.digest), newest.snapshot_time, known)
            return self._past_repetitions(connection, asked, since=newest.snapshot_time)

    def _past_repetitions(self, connection: Connection, question: Question, *, since: datetime) -> Question:
        """Don't ask for a time whose body was that of the hour before, except once an hour when one is overdue."""
        repeated = runs.newest_repeated_time(connection, self.region, since=since)
        if repeated is None:
            return question
        learned = rhythm.learned(snapshots.seen(connection, self.region))
        received = runs.received_repetitions(connection, self.region, time=repeated, beginning=REPEATED)
        due = learned.due if learned else since + rhythm.USUAL_STEP
        if rhythm.asks_anew(repeated, received, due=due, now=self.attempt.clock.now()):
            log.info("%s: %s is asked for anew: its body was that of the hour before", self.region.label, repeated)
            return replace(question, is_anew=True)
        return replace(question, newer_than=repeated)

    def _spooled(self) -> Sequence[Kept]:
        """What waits, as far as it can be looked at: a folder that refuses must not cost the hour."""
        with harmless(f"{self.region.label}: looking through the spool"):
            return self.workplace.shelves.spool.kept(self.region)
        return ()

    def _ask(
        self, question: Question, *, away: IronforgeError | None = None, made: DailyPartition | None = None
    ) -> CollectedRegion:
        """Ask Blizzard, once more at once where the answer was refused and that is wanted, and take in what is new."""
        if self.force:
            question = replace(question, newer_than=None)
        collected = self._ask_once(question, away=away, made=made)
        if collected.outcome is not Outcome.REJECTED or not self.asks_again:
            return collected
        log.warning("%s: %s Asking again at once.", self.region.label, collected.message)
        return self._ask_once(question, away=away, made=made)

    def _ask_once(
        self, question: Question, *, away: IronforgeError | None, made: DailyPartition | None
    ) -> CollectedRegion:
        if question.is_anew:
            self._forget()
        with self.attempt.step("download"):
            answer = self.source.commodities(self.region, newer_than=question.newer_than)
        with harmless(f"{self.region.label}: tidying"):
            now = self.attempt.clock.now()
            tidy_by(answer.headers, self.region, self.workplace, known=question.known, now=now)
        if answer.not_modified or answer.is_stale:
            return nothing_published(self.region, answer, question)
        collected = take_in(
            Received.live(self.region, answer),
            workplace=self.workplace,
            attempt=self.attempt,
            force=self.force,
            away=away,
            newest=question.newest,
            made=made,
        )
        if collected.outcome is Outcome.REJECTED:
            # Whoever asks within the next minute must not be given the same bytes from the cache.
            self._forget()
        return collected

    def _forget(self) -> None:
        with harmless(f"{self.region.label}: forgetting the cached answer"):
            self.source.forget_commodities(self.region)

    def _tell_gap(self, collected: CollectedRegion) -> None:
        """Say which hours are missing before the new one, after those that waited are stored."""
        if collected.counts is None or collected.snapshot_time is None:
            return
        with self.workplace.database.connect() as connection:
            before = snapshots.before(connection, self.region, collected.snapshot_time)
        gap = collected.snapshot_time - before.snapshot_time if before else timedelta(0)
        if gap > GAP:
            log.warning(
                "%s: nothing is stored of the %.1f hours before this snapshot",
                self.region.label,
                gap / timedelta(hours=1),
            )


def question_by_spool(spooled: Sequence[Kept], *, stored_time: datetime | None) -> Question:
    """What to ask with while there is no database to say what is stored; of bodies of one time the last one counts."""
    newest = max(
        ((kept.snapshot_time, kept.received_at, kept.digest) for kept in spooled if kept.snapshot_time),
        default=None,
    )
    known = Known(newest[0], newest[2]) if newest else None
    times = [time for time in (known and known.snapshot_time, stored_time) if time]
    return Question(known, newer_than=max(times, default=None), known=tuple(times))


@contextmanager
def _given_back(done: Sequence[CollectedRegion]) -> Generator[None]:
    """What is done stays done, though the lock under which it was done can't be given back."""
    try:
        yield
    except Exception:
        if not done:
            raise
        log.exception("%s: a lock could not be given back; what is done stays done", done[0].region.label)


def nothing_published(region: Region, answer: Answer, question: Question) -> CollectedRegion:
    """What there is to say of an answer that came without a body."""
    why = NOTHING_NEW
    if answer.is_stale:
        why = not_newer(payloads.published_at(answer.headers), known=question.newer_than)
    time = question.newest and question.newest.snapshot_time
    return unchanged(region, time, why, last_modified=question.newer_than)
