"""One region's collection cycle: what was spooled is stored first, then what is new, and no body is ever lost.

Without a database the answer is looked at as far as it can be, and spooled. Where an answer was refused, Blizzard is
asked once more, at once, by whoever has no later attempt, since the next answer is usually whole.
"""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ironforge_cli.blizzard import payloads
from ironforge_cli.db import locks
from ironforge_cli.db.repositories import runs, snapshots
from ironforge_cli.errors import DatabaseError, IronforgeError, UnavailableError
from ironforge_cli.jobs.collecting.intake import Known, Received, not_newer, take_in
from ironforge_cli.jobs.collecting.outcomes import CollectedRegion, unchanged
from ironforge_cli.jobs.collecting.replaying import replay
from ironforge_cli.jobs.collecting.storing import make_day
from ironforge_cli.jobs.collecting.tidying import tidy, tidy_by
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.market.hours import GAP
from ironforge_cli.market.partitions import DailyPartition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

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


@dataclass(frozen=True, slots=True)
class RegionCycle:
    """One cycle of one region.

    `force` asks for bodies that are not newer and takes one that is implausibly small; `asks_again` asks once more, at
    once, where an answer was refused; `stored_time` is that of the newest snapshot that whoever starts the cycle knows
    to be stored, for a cycle without a database.
    """

    region: Region
    _: KW_ONLY
    source: CommoditySource
    workplace: Workplace
    attempt: Attempt
    force: bool
    asks_again: bool = True
    stored_time: datetime | None = None

    def run(self) -> CollectedRegion:
        """Do it all. Raises what went wrong before there was a body; what becomes of one is in the result."""
        collected = self._stored()
        if isinstance(collected, CollectedRegion):
            return collected
        with locks.storing_in(self.workplace.locks_folder, self.region):
            return self._without_database(collected)

    def _stored(self) -> CollectedRegion | IronforgeError:
        """The cycle with the database, or why there is none to work with."""
        if self.workplace.away is not None:
            return self.workplace.away
        collected: CollectedRegion | None = None
        try:
            with locks.storing(self.workplace.database, self.region):
                collected = self._with_database()
        except DatabaseError as error:
            # What is done stays done, though the session that held the lock ended badly.
            return collected or error
        return collected

    def _with_database(self) -> CollectedRegion:
        today = DailyPartition.holding(self.region, self.attempt.clock.now())
        with self.attempt.step("prepare"):
            tidy(self.region, self.workplace)
            # Before anything is fetched: an hour that has no partition could not be stored.
            make_day(self.workplace.database, today)
        replayed = replay(self.region, workplace=self.workplace, attempt=self.attempt, force=self.force, made=today)
        if replayed.stopped is not None:
            return replace(replayed.stopped, replayed=replayed.stored)
        collected = self._ask(self._question_by_database(), made=today)
        if collected.counts is not None:
            self._tell_gap(collected.counts.interval_seconds)
        return replayed.told_with(collected)

    def _without_database(self, away: IronforgeError) -> CollectedRegion:
        tidy(self.region, self.workplace)
        spooled = self.workplace.shelves.spool.kept(self.region)
        try:
            collected = self._ask(question_by_spool(spooled, stored_time=self.stored_time), away=away)
        except UnavailableError as error:
            raise type(away)(f"{away} Nor could Blizzard be asked: {error}") from error
        if collected.outcome is Outcome.NO_CHANGE:
            return replace(collected, status=away.status, message=f"{away} Nothing is lost: {collected.message}")
        return collected

    def _question_by_database(self) -> Question:
        with self.workplace.database.connect() as connection:
            newest = snapshots.newest(connection, self.region)
            if newest is None:
                return Question(newest=None, newer_than=None)
            repeated = runs.newest_repeated_time(connection, self.region, since=newest.snapshot_time)
        return Question(Known(newest.snapshot_time, newest.digest), newer_than=repeated or newest.snapshot_time)

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
        with self.attempt.step("download"):
            answer = self.source.commodities(self.region, newer_than=question.newer_than)
        tidy_by(answer.headers, self.region, self.workplace, now=self.attempt.clock.now())
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
            self.source.forget_commodities(self.region)
        return collected

    def _tell_gap(self, interval_seconds: int | None) -> None:
        if interval_seconds is not None and interval_seconds > GAP.total_seconds():
            log.warning(
                "%s: nothing is stored of the %.1f hours before this snapshot",
                self.region.label,
                interval_seconds / 3600,
            )


def question_by_spool(spooled: Sequence[Kept], *, stored_time: datetime | None) -> Question:
    """What to ask with while there is no database to say what is stored; of bodies of one time the last one counts."""
    newest = max(
        ((kept.snapshot_time, kept.received_at, kept.digest) for kept in spooled if kept.snapshot_time),
        default=None,
    )
    known = Known(newest[0], newest[2]) if newest else None
    times = [time for time in (known and known.snapshot_time, stored_time) if time]
    return Question(known, newer_than=max(times, default=None))


def nothing_published(region: Region, answer: Answer, question: Question) -> CollectedRegion:
    """What there is to say of an answer that came without a body."""
    why = "Blizzard has published nothing since."
    if answer.is_stale:
        why = not_newer(payloads.published_at(answer.headers), known=question.newer_than)
    time = question.newest and question.newest.snapshot_time
    return unchanged(region, time, why, last_modified=question.newer_than)
