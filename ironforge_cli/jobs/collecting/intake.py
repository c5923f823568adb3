"""The one way in: a body, wherever it comes from, is stored, found to be known, or kept where it is not lost.

Bodies come live from Blizzard, from a file that a person gives, from the spool and from the quarantine. What is asked
of each is the same, in this order: is it known, does it repeat another, is it whole, is it plausible. What can't be
stored goes to the spool, and what is refused to the quarantine, unless it lies on disk already: then it stays there,
and a person's own file where it is.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from ironforge_cli.blizzard import payloads
from ironforge_cli.db.repositories import lots_left_out, snapshots
from ironforge_cli.errors import ConfigurationError, DatabaseError, ExitStatus, IronforgeError, RefusedAnswerError
from ironforge_cli.jobs.collecting.outcomes import CollectedRegion, failed, repeated_body, unchanged
from ironforge_cli.jobs.collecting.storing import ImplausibleAnswerError, require_plausible, store_snapshot
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.plausibility import Sized

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Kept, Shelf
    from ironforge_cli.blizzard.transport import Answer
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.storage import Workplace
    from ironforge_cli.market.auctions import Auctions, Book, LeftOut
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """A body that comes in, and whence."""

    region: Region
    source: str
    """One of SNAPSHOT_SOURCES."""
    read: Callable[[], bytes]
    """Gives the bytes; raises `RefusedAnswerError` or `ConfigurationError` where a file can't be read."""
    snapshot_time: datetime | None = None
    """None: its headers say, or nothing does."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    kept: Kept | None = None
    """Its file, where it lies on disk."""
    file: Path | None = None
    """A person's own file that it was read from, which stays where it is."""

    @classmethod
    def live(cls, region: Region, answer: Answer) -> Received:
        """What Blizzard has just answered."""
        return cls(region, "live", lambda: answer.body, headers=answer.headers)

    @classmethod
    def given(cls, region: Region, body: bytes, *, snapshot_time: datetime, file: Path | None = None) -> Received:
        """What a person gives as the snapshot of a time; through a pipe, so without a file, it can't be read again."""
        return cls(region, "file", lambda: body, snapshot_time=snapshot_time, file=file)

    @classmethod
    def kept_on(cls, shelf: Shelf, kept: Kept, *, source: str, snapshot_time: datetime | None = None) -> Received:
        """What lies in the spool or in the quarantine, under the time that it was kept with or another."""
        return cls(
            kept.region,
            source,
            lambda: shelf.body(kept),
            snapshot_time=snapshot_time or kept.snapshot_time,
            kept=kept,
        )

    @property
    def is_live(self) -> bool:
        """Whether Blizzard has just answered with it."""
        return self.source == "live"

    @property
    def is_on_disk(self) -> bool:
        """Whether it can be read again, whatever becomes of it now."""
        return self.kept is not None or self.file is not None

    def time(self) -> datetime:
        """Of what time it is the snapshot; raises `RefusedAnswerError`."""
        if self.kept is not None and self.snapshot_time is None:
            raise RefusedAnswerError(f"The spooled body {self.kept.name} can't be read, or has no time.")
        return self.snapshot_time or payloads.published_at(self.headers)


@dataclass(frozen=True, slots=True)
class Known:
    """A snapshot that needs no storing: its time, and the digest of its body."""

    snapshot_time: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The snapshots beside one that comes in, stored or, without a database, spooled."""

    same: Known | None
    """Of the same time."""
    before: Known | None
    """The newest that is older; for a live one the newest of all, which it has to follow."""


def take_in(
    received: Received,
    *,
    workplace: Workplace,
    attempt: Attempt,
    force: bool,
    away: IronforgeError | None = None,
    newest: Known | None = None,
    made: DailyPartition | None = None,
) -> CollectedRegion:
    """Store a body as its snapshot, unless it is known. Whatever goes wrong is in the result, and no body is lost.

    Who calls holds the region's lock. `away` says why there is no database: the body is looked at and spooled then.
    `newest` is the newest snapshot that is known, which a live one has to follow; any other is stored between others,
    too. `force` takes one that is implausibly small, and one of which however many auctions make no sense. `made` is a
    day's partition that is known to be there.
    """
    region, time, body = received.region, received.snapshot_time, b""
    keeping = _Keeping(received, workplace=workplace, attempt=attempt)
    try:
        body = received.read()
        time = received.time()
        digest = sha256(body).hexdigest()
        beside = _neighbours(received, time, newest, away, workplace)
        if (nothing_new := known_already(received, time, digest, beside)) is not None:
            return nothing_new
        if away is not None:
            _decode(body, region, workplace=workplace, attempt=attempt, force=force)
            return keeping.unstored(away, body=body, time=time)
        with _reading_before(region, time, workplace.database) as previous:
            auctions = _decode(body, region, workplace=workplace, attempt=attempt, force=force)
            shrunken = None if force else _require_plausible(region, len(auctions), at=time, workplace=workplace)
            counts = store_snapshot(
                auctions,
                region=region,
                at=time,
                body=snapshots.Body(bytes=len(body), digest=digest, source=received.source),
                database=workplace.database,
                attempt=attempt,
                previous=previous,
                made=made,
            )
    except RefusedAnswerError as error:
        return keeping.refused(error, body=body, time=time)
    except IronforgeError as error:
        return keeping.unstored(error, body=body, time=time)
    except Exception as error:
        # A bug that one body brings to light must cost neither it nor another.
        log.exception("%s: an unexpected error", region.label)
        return keeping.unstored(error, body=body, time=time)
    except BaseException as error:
        keeping.unstored(error, body=body, time=time)
        raise
    if shrunken is not None:
        log.warning("%s", shrunken)
    odd = keeping.told_of_left_out(auctions.left_out, body=body, time=time) if auctions.left_out.count else None
    return CollectedRegion(
        region=region,
        outcome=Outcome.STORED,
        status=ExitStatus.DONE,
        snapshot_time=time,
        counts=counts,
        message=" ".join(said for said in (shrunken, odd) if said) or None,
        is_odd=shrunken is not None,
        last_modified=time,
    )


def known_already(received: Received, time: datetime, digest: str, beside: Neighbours) -> CollectedRegion | None:
    """What there is to say of a body that needs no storing; None where it is new."""
    region, same, before = received.region, beside.same, beside.before
    if received.is_live and before is not None and time <= before.snapshot_time:
        # What is asked for from now on is what is known, not the time of an older answer.
        return unchanged(
            region,
            before.snapshot_time,
            not_newer(time, known=before.snapshot_time),
            last_modified=before.snapshot_time,
        )
    if same is not None:
        is_held = same.digest == digest
        held = "this body" if is_held else "another body, which stays"
        return replace(unchanged(region, time, f"That time is stored already, with {held}."), is_held=is_held)
    if before is not None and before.digest == digest:
        # A time that a person gave says nothing of what Blizzard answered, and must not be asked with.
        return repeated_body(region, time, before.snapshot_time, last_modified=time if received.is_live else None)
    return None


def not_newer(published: datetime | None, *, known: datetime | None) -> str:
    """Why an answer brings nothing new, though Blizzard gave one."""
    which = "the one that is known" if published == known else "older than the newest that is known"
    return f"Blizzard's answer is {which}."


def _neighbours(
    received: Received, time: datetime, newest: Known | None, away: IronforgeError | None, workplace: Workplace
) -> Neighbours:
    if received.is_live or away is not None:
        return Neighbours(same=None, before=newest)
    with workplace.database.connect() as connection:
        same = snapshots.at(connection, received.region, time)
        before = snapshots.before(connection, received.region, time)
    return Neighbours(same=_known(same), before=_known(before))


def _known(registered: snapshots.Registered | None) -> Known | None:
    return Known(registered.snapshot_time, registered.digest) if registered else None


def _decode(body: bytes, region: Region, *, workplace: Workplace, attempt: Attempt, force: bool) -> Auctions:
    with attempt.step("decode"), workplace.decoding:
        return payloads.commodities(body, region=region, force=force)


def _require_plausible(region: Region, auctions: int, *, at: datetime, workplace: Workplace) -> str | None:
    def refused() -> list[Sized]:
        try:
            kept = workplace.shelves.quarantine.kept(region)
        except ConfigurationError:
            # Without what was refused before nothing can agree.
            log.exception("%s: the quarantine can't be looked through", region.label)
            return []
        return [Sized(one.snapshot_time, one.auctions) for one in kept if one.snapshot_time and one.auctions]

    with workplace.database.connect() as connection:
        return require_plausible(connection, region, auctions, at=at, refused=refused)


@contextmanager
def _reading_before(region: Region, time: datetime, database: Database) -> Generator[Callable[[], Book | None]]:
    """Let PostgreSQL send the snapshot before a time while the block decodes; gives what waits for it."""

    def load() -> Book | None:
        with database.connect() as connection:
            before = snapshots.before(connection, region, time)
            return snapshots.load(connection, region, before.snapshot_time) if before else None

    reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"previous-{region}")
    try:
        yield reading.submit(load).result
    finally:
        # A body that can't be stored must be on disk before anything is waited for.
        reading.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Keeping:
    """Where a body goes that is not stored; one that lies on disk stays there."""

    received: Received
    _: KW_ONLY
    workplace: Workplace
    attempt: Attempt

    def refused(self, error: RefusedAnswerError, *, body: bytes, time: datetime | None) -> CollectedRegion:
        """Keep a refused body in the quarantine and say where; that it can't be kept is said too, and hides nothing."""
        region = self.received.region
        auctions = error.auctions if isinstance(error, ImplausibleAnswerError) else None
        if self.received.kept is not None:
            return replace(failed(region, error, last_modified=time), refused_auctions=auctions)
        if self.received.file is not None:
            told = RefusedAnswerError(f"{error} {self.received.file} stays as it is.")
            return replace(failed(region, told, last_modified=time), refused_auctions=auctions)
        try:
            kept = self._keep(self.workplace.shelves.quarantine, body, time, reason=str(error), auctions=auctions)
            told = f"The body is kept: `ironforge spool list --quarantine` shows it as {kept.name}."
        except IronforgeError as full:
            told = f"The body could not be kept: {full}"
        said = failed(region, RefusedAnswerError(f"{error} {told}"), last_modified=time)
        return replace(said, refused_auctions=auctions)

    def unstored(self, error: BaseException, *, body: bytes, time: datetime | None) -> CollectedRegion:
        """Put a body that could not be stored into the spool, unless it lies on disk: an hour never returns."""
        region = self.received.region
        if self.received.kept is not None:
            return failed(region, error, last_modified=time)
        try:
            # No step: a signal may end the run only when the body is on disk.
            self._keep(self.workplace.shelves.spool, body, time, reason=str(error) or type(error).__name__)
        except IronforgeError as lost:
            if isinstance(error, DatabaseError | ConfigurationError):
                # Its hour may be lost: that is said together with why it had to be kept.
                return failed(region, type(lost)(f"{error} {lost}"), last_modified=time)
            # A signal, or a bug: that is how the cycle has to end.
            log.exception("%s: the body could not be kept either", region.label)
            return failed(region, error, last_modified=time)
        return failed(region, error, last_modified=time, spooled=time)

    def told_of_left_out(self, left_out: LeftOut, *, body: bytes, time: datetime) -> str:
        """Say what was left out of a snapshot that is stored, and keep its body as evidence: the first of a day's.

        An odd auction stands for days, and a body of each hour would fill the quarantine. Whatever goes wrong here is
        said, and the snapshot is stored all the same.
        """
        told = f"{left_out.count} of its auctions made no sense and were left out: {left_out.first}"
        try:
            if self.received.file is None and self._is_first_of_its_day(time):
                reason = f"It is stored, and kept as evidence: {told}"
                kept = self._keep(self.workplace.shelves.quarantine, body, time, reason=reason, is_evidence=True)
                told += f" The body is kept as evidence: `ironforge spool list --quarantine` shows it as {kept.name}."
        except Exception as error:  # noqa: BLE001 - the hour is stored, and nothing may unmake that
            told += f" The body could not be kept as evidence: {error}"
        log.warning("%s: %s", self.received.region.label, told)
        return told

    def _is_first_of_its_day(self, time: datetime) -> bool:
        """Whether no other snapshot of a UTC day was stored that something was left out of."""
        region = self.received.region
        day = DailyPartition.holding(region, time)
        with self.workplace.database.connect() as connection:
            found = lots_left_out.left_out_between(connection, region, since=day.starts_at, until=day.ends_at)
        return not any(other != time and DailyPartition.holding(region, other) == day for other in found)

    def _keep(
        self,
        shelf: Shelf,
        body: bytes,
        time: datetime | None,
        *,
        reason: str,
        is_evidence: bool = False,
        auctions: int | None = None,
    ) -> Kept:
        return shelf.keep(
            body,
            region=self.received.region,
            snapshot_time=time,
            headers=self.received.headers,
            received_at=self.attempt.clock.now(),
            reason=reason,
            is_evidence=is_evidence,
            auctions=auctions,
        )
