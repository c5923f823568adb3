from __future__ import annotations

from datetime import timedelta

import pytest

from ironforge_cli.db.repositories.health import LoggedAttempt
from ironforge_cli.db.repositories.vacuuming import VacuumedTable
from ironforge_cli.jobs.health.rules import ProblemKind, problems
from ironforge_cli.jobs.health.vacuums import LONGEST
from ironforge_cli.values import replace
from tests.jobs.healthy import NOW
from tests.jobs.well_found import found

LONG_AGO = NOW - LONGEST - timedelta(seconds=1)
# Its month began before what is long ago.
TABLE = VacuumedTable(
    "eu_commodity_price_stats_2025_12", 2_000_000, 7, LONG_AGO, LONG_AGO, is_wanted=True, stored_since=LONG_AGO
)


def told(table: VacuumedTable, *upkeep: LoggedAttempt) -> list[str]:
    named = problems(found(vacuumed=(table,), upkeep=upkeep))
    assert {problem.kind for problem in named} <= {ProblemKind.VACUUM, ProblemKind.FAILED_RUN}
    return [problem.text for problem in named if problem.kind is ProblemKind.VACUUM]


def test_a_large_table_that_nobody_vacuums_is_told_with_what_does_it() -> None:
    assert told(TABLE) == [
        (
            "The table eu_commodity_price_stats_2025_12, about 2,000,000 rows, was last vacuumed 7 days ago, and wants"
            " it. Run `ironforge partitions maintain`, and see whether cron does."
        )
    ]
    assert told(replace(TABLE, rows=100_000))
    never = replace(TABLE, vacuumed_at=None)
    assert "was never vacuumed" in told(never)[0]
    for name in ("snapshots", "eu_token_price", "eu_commodity_price_stats_before"):
        assert f"The table {name}, " in told(replace(never, name=name))[0]


@pytest.mark.parametrize(
    "table",
    [
        replace(TABLE, is_wanted=False),
        replace(TABLE, rows=99_999),
        replace(TABLE, vacuumed_at=NOW - LONGEST),
        replace(TABLE, vacuumed_at=None, stored_since=NOW - LONGEST),
        # A month that has just begun is as young as that.
        replace(TABLE, vacuumed_at=None, name=f"eu_commodity_price_stats_{NOW + timedelta(days=20):%Y_%m}"),
        replace(TABLE, vacuumed_at=None, stored_since=None),
    ],
)
def test_a_table_that_is_small_or_wants_it_not_or_not_for_long_is_no_problem(table: VacuumedTable) -> None:
    assert told(table) == []


def test_where_upkeep_runs_well_it_comes_to_it_and_where_it_fails_it_does_not() -> None:
    ran = LoggedAttempt(1, "partitions maintain", None, NOW, "success", None)
    assert told(TABLE, ran) == []
    assert told(TABLE, replace(ran, command="seed items"))
    assert told(TABLE, replace(ran, status="failed"))
