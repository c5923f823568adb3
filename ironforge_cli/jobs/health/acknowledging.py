"""A person's word of having seen what went wrong: it is no problem any more, and the logs say who said so and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.db.repositories import runs
from ironforge_cli.db.repositories.health import ACKNOWLEDGE
from ironforge_cli.db.repositories.runs import BenchmarkRow, LogRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.health.rules import Problem


def acknowledge(problems: Sequence[Problem], *, database: Database, now: datetime, by: str) -> tuple[Problem, ...]:
    """Write down that somebody has seen what of the problems is past, and return those; a state can only be mended.

    What happens later is told again. Raises as the database does; then nothing is acknowledged.
    """
    past = tuple(problem for problem in problems if problem.event is not None)
    if past:
        events = sorted({problem.event for problem in past if problem.event is not None})
        message = f"{by} has seen: {'; '.join(events)}"
        with database.transaction() as connection:
            runs.add_log(
                connection,
                LogRow(ACKNOWLEDGE, None, now, "success", last_modified=None, error_message=message, poll_attempts=1),
            )
            runs.add_benchmark(
                connection,
                BenchmarkRow(
                    operation_type="command",
                    operation_name=ACKNOWLEDGE,
                    region=None,
                    start_time=now,
                    end_time=now,
                    duration_seconds=0.0,
                    record_count=len(events),
                    status="success",
                    error_message=message,
                    extra_data={"seen": events, "by": by},
                ),
            )
    return past
