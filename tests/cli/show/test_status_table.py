from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

from rich.console import Console

from ironforge_cli.cli.show import status_table
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.health.status import Health
from ironforge_cli.jobs.health.status_findings import MissingHour
from tests.jobs.well_found import NOW, WELL, found


def lacking(*reasons: str) -> list[str]:
    """What the table says of hours that lack for these reasons, the newest first."""
    hours = [
        MissingHour(NOW - timedelta(hours=number), NOW - timedelta(days=9), NOW, {}, reason)
        for number, reason in enumerate(reasons)
    ]
    console = Console(file=io.StringIO(), width=200)
    health = Health(found(replace(WELL, missing=tuple(hours))), (), ExitStatus.DONE)
    with console.capture() as captured:
        status_table.show(health, console)
    return [line for line in captured.get().splitlines() if " lacks " in line]


def test_missing_hours_in_a_row_with_the_same_reason_are_one_line() -> None:
    assert [line.partition(": ")[2] for line in lacking("Away.", "Refused.", "Refused.", "Away.")] == [
        "Away.",
        "Refused.",
        "Away.",
    ]
    assert " lacks 2 hours, " in lacking("Refused.", "Refused.")[0]


def test_of_many_lines_of_missing_hours_the_rest_is_counted() -> None:
    told = lacking(*("Away.", "Refused.") * 7, "Refused.")
    assert len(told) == 13
    assert "lacks 3 more: --format json lists them all" in told[-1]
