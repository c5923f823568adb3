"""How things stand, for programs: one document, in which what is of everything stands once; or a flat row a region.

Null is what is not known. An empty list, or 0, was looked for and is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironforge_cli.cli.show.verdict import word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ironforge_cli.jobs.health.status import Health
    from ironforge_cli.jobs.health.status_findings import MissingHour, RegionFindings, Shelved


def document(health: Health) -> dict[str, Any]:
    """All of it; times are datetimes."""
    found = health.found
    is_known = found.away is None
    return {
        "verdict": word(health),
        "looked_at": found.now,
        "problems": [problem.text for problem in health.problems],
        "problem_kinds": sorted({problem.kind.value for problem in health.problems}),
        "acknowledged": [problem.text for problem in health.seen] if is_known else None,
        "database": found.database,
        "database_error": str(found.away) if found.away else None,
        "bytes": {kind.replace(" ", "_"): size for kind, size in found.sizes.items()} if found.sizes else None,
        "vacuum": None
        if found.vacuumed is None
        else [
            {
                "table": table.name,
                "rows": table.rows,
                "dead_rows": table.dead,
                "vacuumed_at": table.vacuumed_at,
                "analyzed_at": table.analyzed_at,
                "wanted": table.is_wanted,
            }
            for table in found.vacuumed
        ],
        "disk_free": found.disk.free,
        "disk_size": found.disk.total,
        "pending_log_rows": found.pending_rows,
        "crashed": [attempt.id for attempt in found.crashed] if is_known else None,
        "killed_windows": None
        if found.killed_windows is None
        else [
            {
                "command": killed.window.command,
                "regions": [region.value for region in killed.window.regions],
                "started_at": killed.window.started_at,
                "ends_at": killed.window.ends_at,
                "seen_at": killed.seen_at,
            }
            for killed in found.killed_windows
        ],
        "seeders": [
            {
                "seeder": seeder.seeder,
                "completed": seeder.completed,
                "completed_at": seeder.completed_at,
                "build": seeder.build,
                "newer_build": seeder.newer_build,
            }
            for seeder in found.seeders
        ]
        if is_known
        else None,
        "last_runs": [
            {
                "command": last.command,
                "started_at": last.started_at,
                "seconds": last.seconds,
                "status": last.status,
                "error_message": last.message,
            }
            for last in found.last_runs
        ]
        if is_known
        else None,
        "regions": [_region(health, state) for state in found.regions],
    }


def rows(health: Health) -> list[dict[str, Any]]:
    """The same a region, with what is of everything in each."""
    whole = document(health)
    of_all = {key: value for key, value in whole.items() if key != "regions"}
    return [region | {key: of_all[key] for key in of_all if key not in region} for region in whole["regions"]]


def _region(health: Health, state: RegionFindings) -> dict[str, Any]:
    found, fresh, check, days, streak = health.found, state.freshness, state.self_check, state.days, state.streak
    is_known = found.away is None
    return {
        "region": state.region,
        "snapshot_time": fresh and fresh.snapshot_time,
        "age_seconds": fresh and fresh.age_seconds,
        "auctions": fresh and fresh.auctions,
        "skipped": fresh and fresh.skipped,
        "items": fresh and fresh.items,
        "self_check": check and check.newest,
        "gaps": [{"since": gap.since, "until": gap.until, "missing_hours": gap.missing_hours} for gap in state.gaps]
        if is_known
        else None,
        "last_attempts": [
            {
                "timestamp": attempt.timestamp,
                "command": attempt.command,
                "status": attempt.status,
                "error_message": attempt.error_message,
            }
            for attempt in state.last_attempts
        ]
        if is_known
        else None,
        "spooled": state.spool and state.spool.bodies,
        "quarantined": state.quarantine and state.quarantine.bodies,
        "crashed": [attempt.id for attempt in found.crashed if attempt.region in {None, state.region.value}]
        if is_known
        else None,
        "publishes_at_minute": fresh and fresh.minute,
        "due_at": fresh and fresh.due_at,
        "usual_delay_seconds": fresh and fresh.delay_seconds,
        "late_seconds": fresh and fresh.late_seconds,
        "missing": _hours(state.missing) if is_known else None,
        "last_attempt_at": state.last_attempt_at,
        "last_good_attempt_at": streak and streak.last_good_at,
        "attempts_since_good": dict(streak.counts) if streak else None,
        "spool": _shelf(state.spool),
        "quarantine": _shelf(state.quarantine),
        "partitions": days
        and {
            "held": days.held,
            "oldest": days.oldest and days.oldest.isoformat(),
            "newest": days.newest and days.newest.isoformat(),
            "ahead": days.ahead,
            "ahead_wanted": found.ahead,
            "past_retention": days.past_retention,
            "detaching": days.detaching,
            "default": days.default,
        },
        "self_check_day": check and check.day,
        "self_check_before": check and check.before,
        "thinning_ratio": check and check.thinned and check.thinned.ratio,
        "thinning_until": check and check.thinned and check.thinned.until,
        "sold_lots_phase": check and check.phase,
        "withdrawn_an_hour": check and check.withdrawn_an_hour,
        "estimator_version": check and check.version,
        "computed_otherwise": check and check.computed_otherwise,
        "token_price": state.token and state.token.price,
        "token_updated_at": state.token and state.token.updated_at,
        "token_age_seconds": state.token and state.token.age_seconds,
        "lost_rows": None
        if state.lost_rows is None
        else [
            {
                "snapshot_time": one.snapshot_time,
                "auctions": one.auctions,
                "rows": one.rows,
                "items": one.items,
                "statistics": one.statistics,
            }
            for one in state.lost_rows
        ],
    }


def _hours(missing: Iterable[MissingHour]) -> list[dict[str, Any]]:
    return [
        {
            "expected_at": hour.expected_at,
            "since": hour.since,
            "until": hour.until,
            "attempts": dict(hour.attempts),
            "explanation": hour.explanation,
        }
        for hour in missing
    ]


def _shelf(shelved: Shelved | None) -> dict[str, Any] | None:
    return shelved and {
        "bodies": shelved.bodies,
        "bytes": shelved.bytes,
        "oldest_at": shelved.oldest_at,
        "newest_at": shelved.newest_at,
        "newest_reason": shelved.newest_reason,
    }
