"""What is exactly at a bound, and by which name what is past is known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ironforge_cli.jobs.health.rules import ProblemKind, problems
from ironforge_cli.jobs.health.status_findings import MissingHour, Unresolved
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.healthy import HOUR, MINUTE, NOW
from tests.jobs.well_found import PRICED, WELL, found

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("age", "is_stale"), [(2 * HOUR, False), (2 * HOUR + SECOND, True)])
def test_a_price_of_the_token_is_stale_past_the_limit(age: timedelta, *, is_stale: bool) -> None:
    state = replace(WELL, token=replace(PRICED, age_seconds=int(age.total_seconds())))
    assert [problem.kind for problem in problems(found(state))] == [ProblemKind.TOKEN_STALE] * is_stale


def test_each_gap_is_an_event_of_its_own_which_changes_when_its_end_is_known() -> None:
    def missing(since: int, until: int | None) -> MissingHour:
        ends = None if until is None else NOW - until * HOUR
        return MissingHour(NOW - (since - 1) * HOUR, NOW - since * HOUR, ends, {}, "Nothing ran.")

    gaps = (missing(9, 7), missing(9, None), missing(5, 3))
    states = [replace(WELL, region=region, missing_lately=gaps) for region in (Region.EU, Region.US)]
    events = [problem.event for problem in problems(found(*states))]
    assert events[:2] == [
        "missing_hour eu 2026-01-14T03:35:00Z 2026-01-14T05:35:00Z",
        "missing_hour eu 2026-01-14T03:35:00Z an unknown time",
    ]
    assert len(set(events)) == len(events) == 6


def test_of_the_refused_bodies_the_one_that_came_last_is_told_and_is_the_event() -> None:
    bodies = tuple(Unresolved(name, NOW - minutes * MINUTE, "Cut.") for name, minutes in (("a", 9), ("b", 2), ("c", 5)))
    (problem,) = problems(found(replace(WELL, unresolved=bodies)))
    assert (problem.kind, problem.event) == (ProblemKind.QUARANTINE, "quarantine eu b")
    assert "refused at 2026-01-14T12:33:00Z" in problem.text
