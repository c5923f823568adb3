"""How things stand, as metrics: Prometheus' text format, for the textfile collector of node_exporter.

Names and labels stay. Times are seconds since 1970; what is not known has no sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from ironforge_cli.jobs.health.status import Health
    from ironforge_cli.jobs.health.status_findings import RegionFindings, StatusFindings

_Value = float | int | bool | None


class Metric(Value, frozen=True):
    """A gauge: its name, what it tells, and its samples' one label, if it has one."""

    name: str
    help: str
    label: str | None
    samples: Callable[[Health], Iterable[tuple[str, _Value]]]
    """The label's value, empty without one, and the sample's; None: not known."""


def _single(name: str, help_: str, value: Callable[[StatusFindings], _Value]) -> Metric:
    """A metric with one sample, of everything."""
    return Metric(name, help_, None, lambda health: [("", value(health.found))])


def _regional(name: str, help_: str, value: Callable[[RegionFindings], _Value]) -> Metric:
    """A metric with a sample a region."""
    return Metric(
        name, help_, "region", lambda health: [(one.region.value, value(one)) for one in health.found.regions]
    )


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _problem_kinds(health: Health) -> Iterator[tuple[str, bool]]:
    there = {problem.kind for problem in health.problems}
    for kind in ProblemKind:
        yield kind.value, kind in there


METRICS: Final = (
    _single("ironforge_status_timestamp_seconds", "When this was found", lambda found: _seconds(found.now)),
    Metric("ironforge_problems", "How many problems there are", None, lambda h: [("", len(h.problems))]),
    Metric("ironforge_problem", "Whether there is a problem of a kind", "kind", _problem_kinds),
    _single("ironforge_database_up", "Whether the database can be asked", lambda found: found.away is None),
    _regional(
        "ironforge_snapshot_timestamp_seconds",
        "Time of the newest stored snapshot",
        lambda s: s.freshness and _seconds(s.freshness.snapshot_time),
    ),
    _regional(
        "ironforge_snapshot_age_seconds",
        "Age of the newest stored snapshot",
        lambda s: s.freshness and s.freshness.age_seconds,
    ),
    _regional(
        "ironforge_snapshot_auctions", "Auctions in the newest snapshot", lambda s: s.freshness and s.freshness.auctions
    ),
    _regional(
        "ironforge_snapshot_skipped_auctions",
        "Auctions that made no sense and were left out of the newest snapshot",
        lambda s: s.freshness and s.freshness.skipped,
    ),
    _regional("ironforge_snapshot_items", "Items in the newest snapshot", lambda s: s.freshness and s.freshness.items),
    _regional(
        "ironforge_publication_minute",
        "Minute of the hour at which the region publishes",
        lambda s: s.freshness and s.freshness.minute,
    ),
    _regional(
        "ironforge_snapshot_due_timestamp_seconds",
        "Time that the next snapshot is expected to bear",
        lambda s: s.freshness and _seconds(s.freshness.due_at),
    ),
    _regional(
        "ironforge_snapshot_late_seconds",
        "How much later than usual the next snapshot is",
        lambda s: s.freshness and s.freshness.late_seconds,
    ),
    _regional(
        "ironforge_missing_hours",
        "Hours missing in the range that was asked for",
        lambda s: len(s.missing) if s.freshness else None,
    ),
    _regional(
        "ironforge_missing_hours_last_day",
        "Hours of the last 24 that are missing for good",
        lambda s: len(s.missing_lately) if s.freshness else None,
    ),
    _regional(
        "ironforge_attempt_timestamp_seconds",
        "When collect or poll last tried",
        lambda s: _seconds(s.last_attempt_at),
    ),
    _regional(
        "ironforge_good_attempt_timestamp_seconds",
        "When an attempt last ended well",
        lambda s: s.streak and _seconds(s.streak.last_good_at),
    ),
    _regional(
        "ironforge_bad_attempts",
        "Attempts since the last one that ended well",
        lambda s: s.streak and sum(s.streak.counts.values()),
    ),
    _regional(
        "ironforge_token_price_timestamp_seconds",
        "When the newest stored price of the token was set",
        lambda s: s.token and _seconds(s.token.updated_at),
    ),
    _regional(
        "ironforge_lost_rows_snapshots",
        "Snapshots of the newest day whose rows are not those that were stored; by --deep alone",
        lambda s: None if s.lost_rows is None else len(s.lost_rows),
    ),
    _regional("ironforge_spool_bodies", "Bodies that wait to be stored", lambda s: s.spool and s.spool.bodies),
    _regional("ironforge_spool_bytes", "Bytes on disk of bodies that wait", lambda s: s.spool and s.spool.bytes),
    _regional(
        "ironforge_spool_oldest_timestamp_seconds",
        "When the oldest body that waits was received",
        lambda s: s.spool and _seconds(s.spool.oldest_at),
    ),
    _regional("ironforge_quarantine_bodies", "Refused bodies", lambda s: s.quarantine and s.quarantine.bodies),
    _regional(
        "ironforge_quarantine_bytes", "Bytes on disk of refused bodies", lambda s: s.quarantine and s.quarantine.bytes
    ),
    _regional(
        "ironforge_quarantine_newest_timestamp_seconds",
        "When the newest refused body was received",
        lambda s: s.quarantine and _seconds(s.quarantine.newest_at),
    ),
    _single("ironforge_pending_log_rows", "Log rows that wait for the database", lambda found: found.pending_rows),
    _regional("ironforge_partitions", "Partitions of raw snapshots", lambda s: s.days and s.days.held),
    _regional(
        "ironforge_partitions_ahead_days",
        "Days after today that are ready; -1: not even today is",
        lambda s: s.days and (-1 if s.days.ahead is None else s.days.ahead),
    ),
    _regional(
        "ironforge_partitions_past_retention",
        "Partitions that should have been dropped",
        lambda s: s.days and len(s.days.past_retention),
    ),
    _regional(
        "ironforge_self_check_ratio",
        "Share of partly sold auctions above an untouched cheaper one, last 24 hours",
        lambda s: s.self_check and s.self_check.day,
    ),
    _regional(
        "ironforge_self_check_before_ratio",
        "Share of partly sold auctions above an untouched cheaper one, 14 days before",
        lambda s: s.self_check and s.self_check.before,
    ),
    _regional(
        "ironforge_thinning_ratio",
        "A day's sales looked at half as often, to those estimated; near 1 where the estimate holds",
        lambda s: s.self_check and s.self_check.thinned and s.self_check.thinned.ratio,
    ),
    _regional(
        "ironforge_sold_lots_phase_ratio",
        "Sold lots listed just before a snapshot, to what the estimate supposes, last 24 hours",
        lambda s: s.self_check and s.self_check.phase,
    ),
    _regional(
        "ironforge_withdrawn_ratio",
        "Auctions that sellers took back an hour, as a share of all, last 24 hours",
        lambda s: s.self_check and s.self_check.withdrawn_an_hour,
    ),
    _regional(
        "ironforge_computed_otherwise_snapshots",
        "Snapshots of the newest whose sales another version of the rules judged",
        lambda s: s.self_check and s.self_check.computed_otherwise,
    ),
    _regional(
        "ironforge_estimator_version",
        "Version of the rules of the newest snapshot's sales",
        lambda s: s.self_check and s.self_check.version,
    ),
    Metric(
        "ironforge_seeder_complete",
        "Whether crafting data is complete",
        "seeder",
        lambda h: ((seeder.seeder, seeder.completed) for seeder in h.found.seeders),
    ),
    Metric(
        "ironforge_seeder_completed_timestamp_seconds",
        "When crafting data was last complete",
        "seeder",
        lambda h: ((seeder.seeder, _seconds(seeder.completed_at)) for seeder in h.found.seeders),
    ),
    Metric(
        "ironforge_last_run_timestamp_seconds",
        "When a command last began",
        "command",
        lambda h: ((run.command, _seconds(run.started_at)) for run in h.found.last_runs),
    ),
    Metric(
        "ironforge_last_run_duration_seconds",
        "How long a command's last run took",
        "command",
        lambda h: ((run.command, run.seconds) for run in h.found.last_runs),
    ),
    Metric(
        "ironforge_last_run_success",
        "Whether a command's last run ended well",
        "command",
        lambda h: ((run.command, run.status == "success") for run in h.found.last_runs),
    ),
    _single(
        "ironforge_crashed_runs",
        "Runs of the last 7 days that crashed",
        lambda found: None if found.away else len(found.crashed),
    ),
    _single(
        "ironforge_killed_windows",
        "Windows that were killed while they waited, of which no later one has left a row",
        lambda found: None if found.killed_windows is None else len(found.killed_windows),
    ),
    Metric(
        "ironforge_bytes", "Bytes in the database, by kind of data", "kind", lambda h: (h.found.sizes or {}).items()
    ),
    _single("ironforge_disk_free_bytes", "Free bytes of the disk of IRONFORGE_HOME", lambda found: found.disk.free),
    _single("ironforge_disk_size_bytes", "Size of the disk of IRONFORGE_HOME", lambda found: found.disk.total),
)
"""Every metric."""


def metrics(health: Health) -> str:
    """All of it, as a file of the textfile collector holds it."""
    lines: list[str] = []
    for metric in METRICS:
        lines += [f"# HELP {metric.name} {metric.help}.", f"# TYPE {metric.name} gauge"]
        for label, value in metric.samples(health):
            if value is not None:
                labels: Mapping[str, str] = {metric.label: label} if metric.label else {}
                lines.append(f"{metric.name}{_labelled(labels)} {_number(value)}")
    return "\n".join(lines) + "\n"


def _labelled(labels: Mapping[str, str]) -> str:
    r"""The labels of a sample.

    >>> _labelled({"command": 'say "\\n"'}), _labelled({})
    ('{command="say \\"\\\\n\\""}', '')
    """
    if not labels:
        return ""
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def _number(value: float) -> str:
    """A number as Prometheus reads it.

    >>> _number(True), _number(1_768_392_003.0), _number(0.25)
    ('1', '1768392003', '0.25')
    """
    return str(int(value)) if float(value).is_integer() else repr(float(value))
