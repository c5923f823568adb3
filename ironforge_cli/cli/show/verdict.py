"""How everything stands in one line for a person, and in one word for a program."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rich.text import Text

from ironforge_cli.wording import counted, how_long

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.jobs.health.rules import Problem
    from ironforge_cli.jobs.health.status import Health

_NAMED: Final = 4
"""Problems that the line names; each is told whole elsewhere."""


def word(health: Health) -> str:
    """`well`, `unhealthy`, `unused` where nothing was ever begun, or `unknown` where the database can't be asked."""
    if health.found.away is not None:
        return "unknown"
    if health.found.is_unused:
        return "unused"
    return "unhealthy" if health.problems else "well"


def line(health: Health) -> Text:
    """All of it in one line, the worst first."""
    found = health.found
    match word(health):
        case "unknown":
            return Text(f"unknown: {found.away}", "bold red")
        case "unused":
            return Text("Nothing has been collected yet. Run `ironforge collect`.", "bold yellow")
        case "well":
            ages = ", ".join(
                f"{state.region.label} {how_long(timedelta(seconds=state.freshness.age_seconds))} old"
                for state in found.regions
                if state.freshness is not None
            )
            return Text(f"all is well: {ages}", "bold green")
        case _:
            named = list(dict.fromkeys(_named(problem) for problem in health.problems))
            more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
            number = counted(len(health.problems), "problem")
            return Text(f"{number}: {', '.join(named[:_NAMED])}{more}", "bold red")


def _named(problem: Problem) -> str:
    kind = problem.kind.value.replace("_", " ")
    return f"{problem.region.label} {kind}" if problem.region else kind


def ago(moment: datetime | None, now: datetime) -> str:
    """When something was, as a person says it.

    >>> from datetime import UTC, datetime, timedelta
    >>> now = datetime(2026, 1, 14, 12, tzinfo=UTC)
    >>> ago(now - timedelta(minutes=41), now), ago(now + timedelta(minutes=12), now), ago(None, now)
    ('41 min ago', 'in 12 min', 'never')
    """
    if moment is None:
        return "never"
    return f"{how_long(now - moment)} ago" if moment <= now else f"in {how_long(moment - now)}"
