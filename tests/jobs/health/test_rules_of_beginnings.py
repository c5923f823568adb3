"""What is told where little was begun, of what a person has seen, and of rows and prices that are not there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ironforge_cli.db.repositories.attempts import Streak
from ironforge_cli.db.repositories.health import LoggedAttempt
from ironforge_cli.errors import ConfigurationError, DatabaseError
from ironforge_cli.jobs.health.rules import ProblemKind, problems, seen
from ironforge_cli.jobs.health.status_findings import RegionFindings, Shelved
from ironforge_cli.market import lost_rows
from ironforge_cli.market.lost_rows import CountedSnapshot
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.healthy import MINUTE, NOW
from tests.jobs.well_found import FRESH, PRICED, WELL, found


def told(state: RegionFindings, **everything: Any) -> list[tuple[ProblemKind, str]]:
    """What is wrong with one region, and how it is said."""
    return [(problem.kind, problem.text) for problem in problems(found(state, **everything))]


def test_a_first_collection_that_is_under_way_is_told_with_its_beginning() -> None:
    nothing = RegionFindings(region=Region.EU, streak=Streak(None, {}, 0, None, None, None))

    def at_work(region: str, command: str, age: timedelta) -> LoggedAttempt:
        return LoggedAttempt(1, command, region, NOW - age, "running", None)

    others = (at_work("us", "poll", MINUTE), at_work("eu", "stats recompute", MINUTE))
    assert "no snapshot is stored. Run" in told(nothing, at_work=others)[0][1]
    own = (at_work("eu", "poll", 3 * MINUTE), at_work("eu", "collect", 2 * MINUTE))
    said = "EU: no snapshot is stored yet; the first collection is under way since 2026-01-14T12:33:00Z."
    assert told(nothing, at_work=(*own, *others)) == [(ProblemKind.NO_SNAPSHOT, said)]


@pytest.mark.parametrize(
    "begun",
    [
        {"at_work": (LoggedAttempt(1, "poll", "eu", NOW, "running", None),)},
        {"crashed": (LoggedAttempt(1, "poll", "eu", NOW, "running", None),)},
        {"upkeep": (LoggedAttempt(1, "seed items", None, NOW, "success", None),)},
        {"pending_rows": 1},
        {"unreadable": ConfigurationError("It is another's.")},
        {"away": DatabaseError("Away.")},
        {"killed_windows": (object(),)},
        {"freshness": FRESH},
        {"last_attempts": (LoggedAttempt(1, "poll", "eu", NOW, "failed", None),)},
        {"spool": Shelved(bodies=1)},
    ],
    ids=lambda begun: next(iter(begun)),
)
def test_whatever_was_begun_here_is_not_called_unused(begun: dict[str, Any]) -> None:
    nothing = RegionFindings(region=Region.EU, spool=None)
    of_region = {name: value for name, value in begun.items() if hasattr(nothing, name)}
    everything = {name: value for name, value in begun.items() if name not in of_region}
    assert found(nothing, replace(nothing, spool=Shelved())).is_unused
    assert not found(nothing, replace(nothing, **of_region), **everything).is_unused


def test_what_a_person_has_seen_is_told_apart_from_what_nobody_has() -> None:
    crashed = tuple(LoggedAttempt(number, "poll", "eu", NOW, "running", None) for number in (7, 8))
    given = found(crashed=crashed, seen={"crashed 7": "peter", "crashed 9": "peter"}, pending_rows=1)
    assert [problem.event for problem in problems(given)] == ["crashed 8", None]
    assert [problem.event for problem in seen(given)] == ["crashed 7"]


def test_lost_rows_are_told_of_the_region_that_lost_them() -> None:
    odd = CountedSnapshot(NOW, 10, 5, 8, 5)
    ((kind, text),) = told(replace(WELL, lost_rows=(odd,)))
    assert (kind, text) == (ProblemKind.LOST_ROWS, lost_rows.told(Region.EU, [odd]))
    assert told(replace(WELL, lost_rows=())) == []


def test_a_token_without_any_price_is_told_as_one_whose_price_is_old_and_in_other_words() -> None:
    ((kind, text),) = told(replace(WELL, token=None))
    assert (kind, "no price of the token is stored" in text) == (ProblemKind.TOKEN_STALE, True)
    old = replace(PRICED, age_seconds=3 * 3_600)
    ((kind, text),) = told(replace(WELL, token=old))
    assert (kind, "the newest price of the token is 3 h old" in text) == (ProblemKind.TOKEN_STALE, True)
