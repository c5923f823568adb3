"""What is a problem: each kind with its meaning and what to do, and the rules that find them. Pure.

Whoever runs cron reads these once, at a bad moment: each says what is wrong, since when, and what to do.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Final

from ironforge_cli.errors import ConfigurationError
from ironforge_cli.jobs.health.crashes import COLLECTING, GOOD, UPKEEP, has_row, is_collected_since, is_made_up_for
from ironforge_cli.jobs.health.vacuums import untidy
from ironforge_cli.market import hours, lost_rows
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.values import Value
from ironforge_cli.wording import counted, how_long

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ironforge_cli.db.repositories.health import LoggedAttempt
    from ironforge_cli.jobs.health.status_findings import RegionFindings, StatusFindings
    from ironforge_cli.regions import Region

LEAST_FREE_SHARE: Final = 0.05
"""Of a disk; with less left it is told as a problem."""
CLOCKS_DIFFER: Final = timedelta(minutes=5)
FEWEST_RUNS: Final = 3
LONGEST_STREAK: Final = timedelta(hours=2)
"""So many runs in a row, or all for so long, without a good one: no longer chance."""
SELF_CHECK_FACTOR, SELF_CHECK_RISE = 2, 0.05  # Far above what it was: over twice that, and over 5 points above.
_LACKING_AHEAD: Final = 2


class ProblemKind(StrEnum):
    """Everything that can be wrong, worst first: the name of its metric's label, what it means, and what to do."""

    DATABASE = "database", "the database can't be reached, or refuses to be read", "mend it as the message says"
    SCHEMA = "schema", "the database has no schema, or that of another version", "run `ironforge db upgrade`"
    UNREADABLE = (
        "unreadable",
        "spool, quarantine or waiting log rows can't be read",
        "correct the permissions of `IRONFORGE_HOME`, or run it as the account that owns it",
    )
    DISK = "disk", "less than 5% of the disk that holds `IRONFORGE_HOME` is free", "make room"
    NO_SNAPSHOT = "no_snapshot", "nothing is stored of a region", "run `ironforge collect`, and read what it says"
    STALE = (
        "stale",
        "a region's newest snapshot is older than `--max-age`",
        "see whether cron runs, and what the last attempts say",
    )
    NOTHING_RAN = (
        "nothing_ran",
        "no attempt to collect a region was made for longer than `--max-age`",
        "see whether cron runs, and whether its line names the program's full path",
    )
    NO_PARTITION = (
        "no_partition",
        "today's or tomorrow's rows have no partition",
        "run `ironforge partitions maintain`, and see whether cron does",
    )
    LOST_ROWS = (
        "lost_rows",
        "rows of the newest day are not those that were stored; looked for by `--deep` alone",
        "bring them back from a backup, or statistics by `ironforge stats recompute`",
    )
    FAILING = (
        "failing",
        "no attempt at a region ended well: three runs or windows in a row, or for two hours",
        "the last message says why",
    )
    LOCKED_OUT = (
        "locked_out",
        "every attempt at a region lost its lock: three runs or windows in a row, or for two hours",
        "find who holds it in `pg_locks`, and end that process",
    )
    FUTURE = (
        "future",
        "the newest snapshot is in the future by this machine's clock: what is published until then is not stored",
        "set the clock; where it is right, `ironforge snapshots drop` takes the snapshot out that bears the wrong time",
    )
    LATE = (
        "late",
        "the next snapshot should be stored by now, by the region's rhythm: it is 35 minutes later than usual",
        "mostly wait: Blizzard publishes late after maintenance; else as for a stale one",
    )
    TOKEN_STALE = (
        "token_stale",
        "a region's newest price of the token is older than `--max-age`, or there is none beside its snapshots",
        "run `ironforge collect`, and read what it says of the token; `scraper_logs` has each attempt",
    )
    MISSING_HOUR = (
        "missing_hour",
        "within the last 24 hours an hour was missed for good, which later ones have followed",
        "nothing brings it back unless a body waits or was refused; the explanation says what to mend",
    )
    CRASHED = (
        "crashed",
        "a run ended without finishing its log row, or a window was killed while it waited; none has made up for it",
        "run its command again; see the system's log for what killed it",
    )
    FAILED_RUN = (
        "failed_run",
        "the last seeding, upkeep of partitions or recomputation failed, within a week",
        "do what its message says; the next good run clears it",
    )
    SPOOL = (
        "spool",
        "bodies wait to be stored",
        "the next run stores them; if it doesn't, `ironforge spool list` says why they are there",
    )
    QUARANTINE = (
        "quarantine",
        "a body was refused within 24 hours, and its hour is still missing",
        "look at it with `ironforge spool list --quarantine`; `ironforge spool replay --quarantine` stores it",
    )
    PENDING_LOGS = "pending_logs", "log rows wait for a database", "the next run of `ironforge collect` writes them"
    AHEAD = (
        "ahead",
        "two or more of the days that `IRONFORGE_PARTITIONS_AHEAD` asks for are not ready",
        "run `ironforge partitions maintain`, and see whether cron does",
    )
    PAST_RETENTION = (
        "past_retention",
        "raw data should have been dropped a day ago or earlier; Blizzard's terms allow 30 days",
        "run `ironforge partitions maintain`, which says why a day stays and by which time days leave",
    )
    DEFAULT_PARTITION = (
        "default_partition",
        "rows lie in a default partition, from which no day leaves",
        "detach it, run `ironforge partitions maintain`, and insert its rows again",
    )
    DETACHING = (
        "detaching",
        "detaching a partition was cut off; until it is finished no other can leave",
        "run `ironforge partitions maintain`, or `ALTER TABLE … DETACH PARTITION … FINALIZE`",
    )
    SELF_CHECK = (
        "self_check",
        "the market does not behave as the estimate of sales supposes, so that these may be misjudged",
        "compare a few items by hand; Blizzard may have changed what it publishes",
    )
    ESTIMATOR = (
        "estimator",
        "the newest sales were computed by the rules of another version",
        "`ironforge stats recompute` makes it even",
    )
    VACUUM = (
        "vacuum",
        "a large table has wanted vacuuming for a week, and neither the server nor `partitions maintain` does it",
        "run `ironforge partitions maintain`, and see whether cron does",
    )
    SEEDER = (
        "seeder",
        "crafting data was complete once and is not any more, as when a newer build of the game appears",
        "run `ironforge seed all`; it goes on where it stopped",
    )

    meaning: str
    advice: str

    def __new__(cls, name: str, meaning: str, advice: str) -> ProblemKind:
        """Make a member whose value is the name alone; the rest is documentation."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        member.advice = advice
        return member


class Problem(Value, frozen=True):
    """Something that a person should look at."""

    kind: ProblemKind
    region: Region | None
    text: str
    """What is wrong and what to do."""
    event: str | None = None
    """Of what is past, and nothing changes any more: its name, by which a person can say to have seen it."""


def problems(found: StatusFindings) -> tuple[Problem, ...]:
    """Everything that is wrong and that nobody has seen, worst first; nothing where all is well."""
    worst_first = list(ProblemKind)
    unseen = [problem for problem in _problems(found) if problem.event not in found.seen]
    return tuple(sorted(unseen, key=lambda problem: worst_first.index(problem.kind)))


def seen(found: StatusFindings) -> tuple[Problem, ...]:
    """What is wrong and somebody has seen."""
    return tuple(problem for problem in _problems(found) if problem.event in found.seen)


def _problems(found: StatusFindings) -> Iterator[Problem]:
    if found.away is not None:
        kind = ProblemKind.SCHEMA if isinstance(found.away, ConfigurationError) else ProblemKind.DATABASE
        yield Problem(kind, None, str(found.away))
    if found.unreadable is not None:
        yield Problem(ProblemKind.UNREADABLE, None, str(found.unreadable))
    if found.is_unused:
        yield Problem(ProblemKind.NO_SNAPSHOT, None, "Nothing has been collected yet. Run `ironforge collect`.")
    for state in () if found.is_unused else found.regions:
        if found.away is None:
            yield from _of_freshness(state, found)
            yield from _of_attempts(state, found)
            yield from _of_days(state, found)
            yield from _of_estimates(state)
            if state.lost_rows:
                yield Problem(ProblemKind.LOST_ROWS, state.region, lost_rows.told(state.region, state.lost_rows))
        yield from _of_bodies(state, found)
    yield from _of_runs(found)
    for table in untidy(found):
        yield Problem(ProblemKind.VACUUM, None, table)
    if found.pending_rows:
        yield Problem(
            ProblemKind.PENDING_LOGS,
            None,
            f"{found.pending_rows} log rows wait for the database: the next run of `ironforge collect` writes them.",
        )
    for seeder in found.seeders:
        if not seeder.completed and seeder.completed_at is not None:
            newer = f"build {seeder.newer_build} of the game is newer" if seeder.newer_build else "is not any more"
            yield Problem(
                ProblemKind.SEEDER,
                None,
                f"The seeder {seeder.seeder} was complete on {_iso(seeder.completed_at)}, and {newer}. "
                "Run `ironforge seed all`.",
            )
    if found.disk.free < LEAST_FREE_SHARE * found.disk.total:
        left = f"{found.disk.free / 1e9:.1f} GB are left"
        yield Problem(ProblemKind.DISK, None, f"The disk of {found.disk.folder} is nearly full: {left}. Make room.")


def _of_freshness(state: RegionFindings, found: StatusFindings) -> Iterator[Problem]:
    region, label, fresh = state.region, state.region.label, state.freshness
    if fresh is None:
        at_work = [attempt for attempt in found.at_work if attempt.region == region and attempt.command in COLLECTING]
        told = (
            f"no snapshot is stored yet; the first collection is under way since {_iso(at_work[-1].timestamp)}."
            if at_work
            else "no snapshot is stored. Run `ironforge collect`."
        )
        yield Problem(ProblemKind.NO_SNAPSHOT, region, f"{label}: {told}")
        return
    due = f", and the next was due at {_iso(fresh.due_at)}" if fresh.due_at and fresh.due_at < found.now else ""
    age = timedelta(seconds=fresh.age_seconds)
    if age > found.max_age:
        told = f"{label}: the newest snapshot is {how_long(age)} old{due}. Does cron run `ironforge poll`?"
        yield Problem(ProblemKind.STALE, region, told)
    elif age < -CLOCKS_DIFFER:
        yield Problem(
            ProblemKind.FUTURE,
            region,
            f"{label}: the newest snapshot, of {_iso(fresh.snapshot_time)}, is in the future by this machine's clock: "
            "what Blizzard publishes until then is taken for old and not stored. Set the clock; if it is right, run "
            f"`ironforge snapshots drop --region {region} {_iso(fresh.snapshot_time)}`.",
        )
    elif fresh.late_seconds is not None and fresh.late_seconds > hours.patience(found.max_age).total_seconds():
        late = timedelta(seconds=fresh.late_seconds)
        told = f"{label}: the next snapshot is {how_long(late)} later than usual{due}. Did the last runs fail?"
        yield Problem(ProblemKind.LATE, region, told)
    token_age = state.token and timedelta(seconds=state.token.age_seconds)
    if token_age is None or token_age > found.max_age:
        told = (
            "no price of the token is stored"
            if token_age is None
            else f"the newest price of the token is {how_long(token_age)} old"
        )
        yield Problem(
            ProblemKind.TOKEN_STALE, region, f"{label}: {told}. Run `ironforge collect`, and read what it says."
        )
    for (since, until), group in groupby(state.missing_lately, key=lambda hour: (hour.since, hour.until)):
        gone = list(group)
        why = " ".join(dict.fromkeys(hour.explanation for hour in gone))
        between = f"between {_iso(since)} and {_iso(until)}" if until else f"since {_iso(since)}"
        told = f"{label}: {len(gone)} h are missing {between}. {why}"
        event = f"missing_hour {region} {_iso(since)} {_iso(until)}"
        yield Problem(ProblemKind.MISSING_HOUR, region, told, event)


def _of_attempts(state: RegionFindings, found: StatusFindings) -> Iterator[Problem]:
    region, label, streak = state.region, state.region.label, state.streak
    if streak is None:
        return
    last = state.last_attempt_at
    if last is None:
        # Where nothing is stored either, that is told already.
        if state.freshness is not None:
            told = f"{label}: no attempt to collect is logged. Does cron run `ironforge poll`?"
            yield Problem(ProblemKind.NOTHING_RAN, region, told)
        return
    if found.now - last > found.max_age:
        told = f"{label}: nothing has tried to collect since {_iso(last)}. Does cron run `ironforge poll`?"
        yield Problem(ProblemKind.NOTHING_RAN, region, told)
    if streak.first_at is None or streak.last_at is None:
        return
    if streak.runs < FEWEST_RUNS and streak.last_at - streak.first_at <= LONGEST_STREAK:
        return
    attempts = sum(streak.counts.values())
    if set(streak.counts) == {"locked"}:
        told = (
            f"{label}: {_all(attempts)} since {_iso(streak.first_at)} lost the lock to another run. "
            "End the process that holds it: see pg_locks."
        )
        yield Problem(ProblemKind.LOCKED_OUT, region, told)
        return
    ended = ", ".join(f"{count} {status}" for status, count in sorted(streak.counts.items()))
    told = f"{label}: no attempt since {_iso(streak.first_at)} ended well ({ended}). The last one: {streak.message}"
    yield Problem(ProblemKind.FAILING, region, told)


def _all(attempts: int) -> str:
    return "the only attempt" if attempts == 1 else f"all {attempts} attempts"


def _of_days(state: RegionFindings, found: StatusFindings) -> Iterator[Problem]:
    region, label, days = state.region, state.region.label, state.days
    if days is None:
        return
    # With a default partition every row has a place; whether that is good is told below.
    if days.default is None:
        if days.ahead is None or (days.ahead == 0 and found.ahead > 0):
            day = "today" if days.ahead is None else "tomorrow"
            told = f"{label}: there is no partition for {day} (UTC). Run `ironforge partitions maintain`; does cron?"
            yield Problem(ProblemKind.NO_PARTITION, region, told)
        elif found.ahead - days.ahead >= _LACKING_AHEAD:
            ready = f"{counted(days.ahead, 'day ahead is', 'days ahead are')} ready instead of {found.ahead}"
            told = f"{label}: {ready}. Run `ironforge partitions maintain`."
            yield Problem(ProblemKind.AHEAD, region, told)
    if days.past_retention:
        what_to_do = (
            "They leave by the time of the newest snapshot, not by the clock: set the clock, if it is wrong, collect "
            "again, or drop each by its date (ironforge partitions drop --force)."
            if set(days.past_retention) <= set(days.held_back)
            else "Run `ironforge partitions maintain`."
        )
        yield Problem(
            ProblemKind.PAST_RETENTION,
            region,
            f"{label}: raw data older than {counted(found.retention_days, 'day')} is still held, from "
            f"{days.past_retention[0]} on "
            f"({counted(len(days.past_retention), 'partition')}). {what_to_do}",
        )
    if days.is_default_used:
        told = (
            f"{label}: rows lie in the default partition {days.default}, and no day leaves it. Detach it, run "
            "`ironforge partitions maintain`, and insert its rows again."
        )
        yield Problem(ProblemKind.DEFAULT_PARTITION, region, told)
    for name in days.detaching:
        told = f"{label}: detaching {name} was cut off. Run `ironforge partitions maintain`, which finishes it."
        yield Problem(ProblemKind.DETACHING, region, told)


def _of_estimates(state: RegionFindings) -> Iterator[Problem]:
    label, check = state.region.label, state.self_check
    if check is None:
        return
    if (
        check.day is not None
        and check.before is not None
        and check.day > SELF_CHECK_FACTOR * check.before
        and check.day > check.before + SELF_CHECK_RISE
    ):
        told = (
            f"{check.day:.1%} of the partly sold auctions of the last 24 hours stood above an untouched cheaper one, "
            f"{check.before:.1%} in the 14 days before. Estimated sales may be off."
        )
        yield Problem(ProblemKind.SELF_CHECK, state.region, f"{label}: {told}")
    told_of = (f"{label}: {doubt.value}. See `ironforge stats check`." for doubt in check.doubts)
    yield from (Problem(ProblemKind.SELF_CHECK, state.region, told) for told in told_of)
    if check.version != ESTIMATOR_VERSION:
        told = (
            f"{label}: the newest sales were estimated by version {check.version} of the rules, this program has "
            f"{ESTIMATOR_VERSION}. `ironforge stats recompute` makes it even."
        )
        yield Problem(ProblemKind.ESTIMATOR, state.region, told)


def _of_bodies(state: RegionFindings, found: StatusFindings) -> Iterator[Problem]:
    label = state.region.label
    if state.spool is not None and state.spool.bodies:
        oldest = f", the oldest since {_iso(state.spool.oldest_at)}" if state.spool.oldest_at else ""
        told = (
            f"{label}: {counted(state.spool.bodies, 'body waits', 'bodies wait')} in the spool{oldest}: "
            f"`ironforge spool list`."
        )
        yield Problem(ProblemKind.SPOOL, state.region, told)
    if state.unresolved and found.away is None:
        newest = max(state.unresolved, key=lambda body: body.received_at)
        told = (
            f"{label}: a body that was refused at {_iso(newest.received_at)} is of an hour that is missing "
            f"({newest.reason}) Look at `ironforge spool list --quarantine`."
        )
        yield Problem(ProblemKind.QUARANTINE, state.region, told, f"quarantine {state.region} {newest.name}")


def _of_runs(found: StatusFindings) -> Iterator[Problem]:
    for attempt in found.crashed:
        if not is_made_up_for(attempt, found):
            told = (
                f"The run {attempt.id} ({_called(attempt)}) of {_iso(attempt.timestamp)} crashed. "
                "Run it again, and see the system's log for what killed it."
            )
            yield Problem(ProblemKind.CRASHED, None, told, f"crashed {attempt.id}")
    for killed in found.killed_windows or ():
        if not has_row(killed, found) and not is_collected_since(killed.seen_at, killed.window.regions, found):
            told = f"{killed.told} See the system's log; the next `ironforge {killed.window.command}` goes on."
            yield Problem(ProblemKind.CRASHED, None, told, f"crashed window {_iso(killed.window.started_at)}")
    for attempt in found.upkeep:
        if attempt.command in UPKEEP and attempt.status not in GOOD:
            said = f": {attempt.error_message}" if attempt.error_message else "."
            told = f"The last run of {_called(attempt)}, of {_iso(attempt.timestamp)}, failed{said} Run it again."
            yield Problem(ProblemKind.FAILED_RUN, None, told, f"failed_run {attempt.id}")


def _called(attempt: LoggedAttempt) -> str:
    return f"{attempt.command} {attempt.region}" if attempt.region else attempt.command


def _iso(moment: datetime | None) -> str:
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z") if moment else "an unknown time"
