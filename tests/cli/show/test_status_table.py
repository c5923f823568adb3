from __future__ import annotations

import io
from datetime import timedelta

from rich.console import Console

from ironforge_cli.cli.show import status_document, status_table
from ironforge_cli.db.repositories.vacuuming import VacuumedTable
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.health.status import Health
from ironforge_cli.jobs.health.status_findings import MissingHour
from ironforge_cli.values import replace
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


def test_the_table_that_was_vacuumed_longest_ago_is_named_and_those_that_want_it() -> None:
    def said(*tables: VacuumedTable) -> list[str]:
        console = Console(file=io.StringIO(), width=200)
        with console.capture() as captured:
            status_table.show(Health(found(vacuumed=tables), (), ExitStatus.DONE), console)
        return [line for line in captured.get().splitlines() if line.startswith("vacuumed: ")]

    young = VacuumedTable("snapshots", 20_000, 0, NOW - timedelta(hours=3), NOW, is_wanted=False, stored_since=NOW)
    assert said() == []
    assert said(young) == ["vacuumed: 1 large table, snapshots longest ago (3 h ago); nothing wants it"]
    never = VacuumedTable("eu_commodity_price_days", 20_000, 0, None, None, is_wanted=True, stored_since=NOW)
    assert said(young, never) == [
        "vacuumed: 2 large tables, eu_commodity_price_days longest ago (never); wanted by eu_commodity_price_days"
    ]


def test_programs_are_told_of_each_table_and_null_where_nobody_counts() -> None:
    table = VacuumedTable("snapshots", 20_000, 5, NOW, None, is_wanted=True, stored_since=NOW)
    document = status_document.document(Health(found(vacuumed=(table,)), (), ExitStatus.DONE))
    assert document["vacuum"] == [
        {
            "table": "snapshots",
            "rows": 20_000,
            "dead_rows": 5,
            "vacuumed_at": NOW,
            "analyzed_at": None,
            "wanted": True,
        }
    ]
    assert status_document.document(Health(found(), (), ExitStatus.DONE))["vacuum"] is None
