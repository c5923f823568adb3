"""One region's collection cycle: what was spooled is stored first, then what is new, and no body is ever lost.

Without a database the answer goes to the spool, checked as far as it can be; a refused answer goes to the quarantine
and, by whoever has no later attempt, Blizzard is asked once more, at once, since the next answer is usually whole.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from ironforge_cli.blizzard import payloads
from ironforge_cli.blizzard.headers import http_time
from ironforge_cli.db import locks
from ironforge_cli.db.repositories import partitions, runs, snapshots
from ironforge_cli.errors import (
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    IronforgeError,
    RefusedAnswerError,
    UnavailableError,
)
from ironforge_cli.jobs.collecting.intake import quarantined, store_body
from ironforge_cli.jobs.collecting.outcomes import CollectedRegion, Outcome, in_spool, repeated_body, unchanged
from ironforge_cli.jobs.collecting.storing import require_plausible, store_snapshot
from ironforge_cli.market.hours import GAP
from ironforge_cli.market.partitions import DailyPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.blizzard.transport import Answer
    from ironforge_cli.jobs.collecting.intake import Workplace
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.market.auctions import Auctions, Book
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

_OLDER: Final = "older than the newest that is known"


class CommoditySource(Protocol):
    """Where bodies come from: Blizzard's API, as `BlizzardClient` speaks it."""

    def commodities(self, region: Region, *, newer_than: datetime | None) -> Answer:
        """The body of a region's commodity auctions, or word that nothing is newer."""
        ...

    def forget_commodities(self, region: Region) -> None:
        """Don't give a body that was received once more."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    """The newest snapshot that needs no storing: its time, and the digest of its body."""

    snapshot_time: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class _Received:
    """A new snapshot, decoded."""

    answer: Answer
    snapshot_time: datetime
    digest: str
    auctions: Auctions


class RegionCycle:
    """One cycle of one region.

    `force` asks for bodies that are not newer and takes one that is implausibly small; `asks_again` asks once more, at
    once, where an answer was refused; `stored_time` is that of the newest snapshot that whoever starts the cycle knows
    to be stored, for a cycle without a database.
    """

    def __init__(
        self,
        region: Region,
        *,
        source: CommoditySource,
        workplace: Workplace,
        attempt: Attempt,
        force: bool,
        asks_again: bool = True,
        stored_time: datetime | None = None,
    ) -> None:
        self._region = region
        self._source = source
        self._workplace = workplace
        self._database = workplace.database
        self._attempt = attempt
        self._force = force
        self._asks_again = asks_again
        self._stored_time = stored_time
        self._away = workplace.away
        self._replayed = 0
        self._has_received = False
        # PostgreSQL sends the previous snapshot while this process decodes the new one.
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"previous-{region}")
        self._previous: Callable[[], Book | None] | None = None

    def run(self) -> CollectedRegion:
        """Do it all. Raises what went wrong; a body that was received is then in the spool or the quarantine."""
        if self._away is None:
            try:
                with locks.storing(self._database, self._region), self._reading:
                    return self._with_database()
            except DatabaseError as error:
                # What was received is in the spool already; there is nothing to ask for again.
                if self._has_received:
                    raise
                self._away = error
        with locks.storing_in(self._workplace.locks_folder, self._region):
            return self._without_database(self._away)

    def _with_database(self) -> CollectedRegion:
        with self._attempt.step("prepare"):
            self._tidy()
            with self._database.transaction() as connection:
                # Before anything is fetched: an hour that has no partition could not be stored.
                partitions.create(connection, DailyPartition.holding(self._region, self._attempt.clock.now()))
        problems = self._replay()
        with self._database.connect() as connection:
            newest = snapshots.newest(connection, self._region)
            repeated = (
                runs.newest_repeated_time(connection, self._region, since=newest.snapshot_time) if newest else None
            )
        known = None if newest is None else _Known(newest.snapshot_time, newest.digest)
        asked = self._asked(known, newer_than=repeated or (known and known.snapshot_time))
        if isinstance(asked, CollectedRegion):
            return self._with_replay(asked, problems)
        with self._never_lost(asked.answer, asked.snapshot_time):
            counts = store_snapshot(
                asked.auctions,
                region=self._region,
                at=asked.snapshot_time,
                body=snapshots.Body(bytes=len(asked.answer.body), digest=asked.digest, source="live"),
                database=self._database,
                attempt=self._attempt,
                previous=self._previous,
            )
        if counts.interval_seconds is not None and counts.interval_seconds > GAP.total_seconds():
            log.warning(
                "%s: nothing is stored of the %.1f hours before this snapshot",
                self._region.label,
                counts.interval_seconds / 3600,
            )
        stored = CollectedRegion(
            region=self._region,
            outcome=Outcome.STORED,
            status=ExitStatus.DONE,
            snapshot_time=asked.snapshot_time,
            counts=counts,
            message=None,
            steps=self._attempt.steps,
        )
        return self._with_replay(stored, problems)

    def _without_database(self, away: IronforgeError) -> CollectedRegion:
        self._tidy()
        spooled = self._workplace.shelves.spool.kept(self._region)
        newest = max(
            ((kept.snapshot_time, kept.received_at, kept.digest) for kept in spooled if kept.snapshot_time),
            default=None,
        )
        known = None if newest is None else _Known(snapshot_time=newest[0], digest=newest[2])
        times = [time for time in (known and known.snapshot_time, self._stored_time) if time]
        try:
            asked = self._asked(known, newer_than=max(times, default=None))
        except UnavailableError as error:
            raise type(away)(f"{away} Nor could Blizzard be asked: {error}") from error
        if isinstance(asked, CollectedRegion):
            return replace(asked, status=away.status, message=f"{away} Nothing is lost: {asked.message}")
        # No step: a signal may end the run only when the body is on disk.
        with _both_said(away):
            self._spool(asked.answer, asked.snapshot_time, reason=str(away))
        return CollectedRegion(
            region=self._region,
            outcome=Outcome.SPOOLED,
            status=away.status,
            snapshot_time=asked.snapshot_time,
            counts=None,
            message=f"{away} {in_spool(asked.snapshot_time)}",
            steps=self._attempt.steps,
        )

    def _asked(self, known: _Known | None, *, newer_than: datetime | None) -> _Received | CollectedRegion:
        """Ask Blizzard: what is new, decoded, or a result that says why there is nothing.

        A refused answer is kept and asked for again at once, where that is wanted; raises `RefusedAnswerError` when
        that is refused, too.
        """
        try:
            return self._asked_once(known, newer_than=None if self._force else newer_than)
        except RefusedAnswerError as error:
            if not self._asks_again:
                raise
            log.warning("%s: %s Asking again at once.", self._region.label, error)
        return self._asked_once(known, newer_than=None if self._force else newer_than)

    def _asked_once(self, known: _Known | None, *, newer_than: datetime | None) -> _Received | CollectedRegion:
        with self._attempt.step("download"):
            answer = self._source.commodities(self._region, newer_than=newer_than)
        self._tidy_by(answer)
        if answer.not_modified or answer.is_stale:
            self._attempt.last_modified = newer_than
            why = "Blizzard has published nothing since."
            if answer.is_stale:
                is_same = payloads.published_at(answer.headers) == newer_than
                why = f"Blizzard's answer is {'the one that is known' if is_same else _OLDER}."
            return unchanged(self._attempt, self._region, known and known.snapshot_time, why)
        try:
            return self._read(answer, known)
        except RefusedAnswerError as error:
            kept = self._quarantined(answer, str(error))
            # Whoever asks within the next minute must not be given the same bytes from the cache.
            self._source.forget_commodities(self._region)
            raise type(error)(f"{error} {kept}") from error

    def _read(self, answer: Answer, known: _Known | None) -> _Received | CollectedRegion:
        # An answer before this one, which was refused, had a time of its own.
        self._attempt.last_modified = None
        published = self._attempt.last_modified = payloads.published_at(answer.headers)
        if known is not None and published <= known.snapshot_time:
            self._attempt.last_modified = known.snapshot_time
            how = "the one that is known" if published == known.snapshot_time else _OLDER
            return unchanged(self._attempt, self._region, known.snapshot_time, f"Blizzard's answer is {how}.")
        digest = sha256(answer.body).hexdigest()
        if known is not None and digest == known.digest:
            return repeated_body(self._attempt, self._region, published, known.snapshot_time)
        self._has_received = True
        self._read_ahead(known)
        with self._never_lost(answer, published):
            with self._attempt.step("decode"), self._workplace.decoding:
                auctions = payloads.commodities(answer.body, region=self._region)
            if self._away is None and not self._force:
                with self._database.connect() as connection:
                    require_plausible(connection, self._region, auctions, at=published)
        return _Received(answer, published, digest, auctions)

    def _read_ahead(self, known: _Known | None) -> None:
        """Begin to read the newest stored snapshot: the one that came will be compared with it."""
        if self._away is None and self._previous is None and known is not None:
            reading = self._reading.submit(self._load, known.snapshot_time)
            self._previous = reading.result

    def _load(self, moment: datetime) -> Book | None:
        with self._database.connect() as connection:
            return snapshots.load(connection, self._region, moment)

    def _replay(self) -> list[IronforgeError]:
        """Store what is in the spool, in order, and return what went wrong; no body hinders the next."""
        problems: list[IronforgeError] = []
        for kept in self._workplace.shelves.spool.kept(self._region):
            try:
                with self._attempt.step("replay"):
                    self._replay_one(kept)
            except RefusedAnswerError as error:
                try:
                    self._workplace.shelves.quarantine_spooled(kept, reason=str(error))
                except ConfigurationError as full:
                    problems.append(RefusedAnswerError(f"{error} It stays in the spool: {full}"))
                    continue
                problems.append(
                    RefusedAnswerError(
                        f"{error} It is kept: `ironforge spool replay --quarantine {kept.name}` stores it."
                    )
                )
            except (DatabaseError, ConfigurationError) as error:
                problems.append(error)
        # What became of the spool says nothing of the hour that is asked for now.
        self._attempt.status, self._attempt.message = "success", None
        return problems

    def _replay_one(self, kept: Kept) -> None:
        spool = self._workplace.shelves.spool
        if not kept.path.exists():
            # Somebody dropped or stored it meanwhile.
            return
        if kept.snapshot_time is None:
            raise RefusedAnswerError(f"The spooled body {kept.name} can't be read, or has no time.")
        started_at, started = self._attempt.clock.now(), self._attempt.clock.monotonic()
        result = store_body(
            spool.body(kept),
            region=self._region,
            snapshot_time=kept.snapshot_time,
            source="spool",
            workplace=self._workplace,
            attempt=self._attempt,
            force=self._force,
        )
        if not result.is_held:
            raise RefusedAnswerError(str(result.message))
        # Stored, or there already: a process can be killed between the commit and this line.
        spool.drop(kept)
        if result.counts is not None:
            self._replayed += 1
            self._workplace.evidence.benchmark(
                "snapshot",
                region=self._region,
                started_at=started_at,
                seconds=self._attempt.clock.monotonic() - started,
                record_count=result.counts.auctions,
                extra={"snapshot_time": kept.snapshot_time.isoformat(), "source": "spool"},
            )

    def _with_replay(self, collected: CollectedRegion, problems: list[IronforgeError]) -> CollectedRegion:
        """Add what became of the spool: a snapshot that still waits there makes a success partial."""
        if self._replayed:
            self._attempt.status = "success"
        collected = replace(collected, replayed=self._replayed)
        if not problems:
            return collected
        told = " ".join(dict.fromkeys(str(problem) for problem in problems))
        self._attempt.message = f"Not all of the spool could be stored: {told}"
        return replace(collected, status=ExitStatus.PARTIAL, message=self._attempt.message)

    def _tidy(self, *, before: datetime | None = None) -> None:
        """Remove what killed runs left half written, and raw bodies that were received before a time."""
        for shelf in (self._workplace.shelves.spool, self._workplace.shelves.quarantine):
            try:
                for kept in shelf.sweep(self._region, before=before):
                    log.warning("%s: removed %s: raw data may not be kept longer", self._region.label, kept.path)
            except ConfigurationError:
                # A full disk or a folder of somebody else's must not cost the hour.
                log.exception("%s: the folder %s could not be tidied", self._region.label, shelf.folder)

    def _tidy_by(self, answer: Answer) -> None:
        """Remove raw bodies that are older than they may be, by Blizzard's time.

        By a clock of this machine that was set forward, hours would be removed that still wait to be stored.
        """
        retention, now = self._workplace.retention, http_time(answer.headers.get("Date", ""))
        if retention is not None and now is not None:
            self._tidy(before=min(now, self._attempt.clock.now()) - retention)

    @contextmanager
    def _never_lost(self, answer: Answer, time: datetime) -> Generator[None]:
        """Put a body into the spool when anything but a refusal keeps it from being stored: an hour never returns."""
        try:
            yield
        except RefusedAnswerError:
            raise
        except (DatabaseError, ConfigurationError) as error:
            with _both_said(error):
                self._spool(answer, time, reason=str(error))
            raise
        except BaseException as error:
            try:
                self._spool(answer, time, reason=str(error) or type(error).__name__)
            except IronforgeError:
                # A signal, or a bug: that is how the cycle has to end.
                log.exception("%s: the body could not be kept either", self._region.label)
            raise

    def _spool(self, answer: Answer, time: datetime, *, reason: str) -> None:
        self._workplace.shelves.spool.keep(
            answer.body,
            region=self._region,
            snapshot_time=time,
            headers=answer.headers,
            received_at=self._attempt.clock.now(),
            reason=reason,
        )
        self._attempt.spooled_time = time
        self._attempt.status = Outcome.SPOOLED

    def _quarantined(self, answer: Answer, reason: str) -> str:
        """Keep a refused body, and say where."""
        return quarantined(
            answer.body,
            headers=answer.headers,
            snapshot_time=self._attempt.last_modified,
            region=self._region,
            reason=reason,
            workplace=self._workplace,
            attempt=self._attempt,
        )


@contextmanager
def _both_said(error: IronforgeError) -> Generator[None]:
    """Where a body can't even be kept, say so together with why it had to be: its hour may be lost."""
    try:
        yield
    except ConfigurationError as lost:
        raise type(lost)(f"{error} {lost}") from error
