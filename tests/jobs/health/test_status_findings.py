from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.spool import Kept
from ironforge_cli.db.repositories.attempts import CRASHED, AttemptTally
from ironforge_cli.db.repositories.health import Gap, Stored
from ironforge_cli.db.repositories.thinning_checks import ThinningCheck
from ironforge_cli.jobs.health import freshness, missing_hours, shelved_bodies
from ironforge_cli.jobs.health.missing_hours import HourSpan
from ironforge_cli.jobs.health.status_findings import (
    Freshness,
    MissingHour,
    SelfCheck,
    Shelved,
    TokenFreshness,
    Unresolved,
)
from ironforge_cli.market.doubts import SoldLots
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.rhythm import Rhythm, Seen
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.healthy import HOUR, MINUTE, NEWEST, NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND = timedelta(seconds=1)
RHYTHM = Rhythm(newest=NEWEST, step=HOUR + SECOND, spread=5 * SECOND, lag=20 * SECOND)


def stored(moment: datetime, **columns: Any) -> Stored:
    usual: dict[str, Any] = {
        "stored_at": moment + 27 * MINUTE,
        "source": "live",
        "auctions": 300_000,
        "items": 9_000,
        "partly_sold": 100,
        "partly_sold_above_cheaper": 4,
        "estimator_version": ESTIMATOR_VERSION,
    }
    return Stored(moment, **{**usual, **columns})


def kept(moment: datetime | None, *, received_at: datetime = NOW, name: str = "a", reason: str = "Cut off.") -> Kept:
    return Kept(Path("/x"), Region.EU, moment, name.ljust(64, "0"), 9, received_at, reason)


# Freshness


def test_without_a_snapshot_nothing_is_fresh() -> None:
    assert freshness.freshness([], RHYTHM, delay=MINUTE, now=NOW) is None


def test_the_newest_snapshot_tells_the_age_and_when_the_next_is_due() -> None:
    held = [stored(NEWEST), stored(NEWEST - HOUR, auctions=1, items=1)]
    assert freshness.freshness(held, RHYTHM, delay=27 * MINUTE, now=NEWEST + 2 * HOUR) == Freshness(
        snapshot_time=NEWEST,
        age_seconds=7_200,
        auctions=300_000,
        items=9_000,
        minute=3,
        due_at=NEWEST + HOUR + SECOND,
        delay_seconds=27 * 60,
        late_seconds=33 * 60 - 1,
    )


def test_a_snapshot_that_may_still_come_is_not_late() -> None:
    fresh = freshness.freshness([stored(NEWEST)], RHYTHM, delay=27 * MINUTE, now=NEWEST + 80 * MINUTE)
    assert fresh is not None
    assert fresh.late_seconds == 0


def test_a_snapshot_in_the_future_is_younger_than_now() -> None:
    fresh = freshness.freshness([stored(NOW + MINUTE)], None, delay=MINUTE, now=NOW)
    assert fresh is not None
    assert fresh.age_seconds == -60
    assert fresh.minute is fresh.due_at is fresh.delay_seconds is fresh.late_seconds is None


def test_after_an_hour_that_waited_in_the_spool_the_one_after_it_is_due() -> None:
    # The rhythm is learned from what was fetched live, and the spooled hour is newer than all of that.
    held = [stored(NEWEST, source="spool", stored_at=NEWEST + 50 * MINUTE), stored(NEWEST - HOUR)]
    rhythm = RHYTHM.after(NEWEST - HOUR)
    fresh = freshness.freshness(held, rhythm, delay=27 * MINUTE, now=NEWEST + 80 * MINUTE)
    assert fresh is not None
    assert fresh.due_at == NEWEST + HOUR + SECOND
    assert fresh.late_seconds == 0


def test_only_what_was_fetched_tells_of_the_rhythm() -> None:
    held = [stored(NEWEST), stored(NEWEST - HOUR, source="spool"), stored(NEWEST - 2 * HOUR, source="file")]
    assert freshness.published_live(held) == [Seen(NEWEST, NEWEST + 27 * MINUTE)]


def test_the_age_of_a_token_price_counts_from_its_own_time() -> None:
    assert freshness.token_freshness(None, now=NOW) is None
    assert freshness.token_freshness((NOW - 20 * MINUTE, 7), now=NOW) == TokenFreshness(
        NOW - 20 * MINUTE, age_seconds=1_200, price=7
    )


# Missing hours


def spans(gaps: Sequence[Gap], *, rhythm: Rhythm | None = None, **silent: Any) -> list[HourSpan]:
    return missing_hours.hour_spans(gaps, rhythm, silent=silent.get("silent"))


def test_each_hour_of_a_gap_ends_with_the_next_and_the_last_with_what_is_stored() -> None:
    gap = Gap(NEWEST - 4 * HOUR, NEWEST - 50 * MINUTE, missing_hours=2)
    assert spans([gap]) == [
        HourSpan(NEWEST - 2 * HOUR, NEWEST - 50 * MINUTE, gap.since, gap.until),
        HourSpan(NEWEST - 3 * HOUR, NEWEST - 2 * HOUR, gap.since, gap.until),
    ]


def test_the_hours_of_several_gaps_and_of_a_silence_come_newest_first() -> None:
    gaps = [Gap(NEWEST - (age + 2) * HOUR, NEWEST - age * HOUR, missing_hours=1) for age in (9, 2, 5)]
    silence = [NEWEST + HOUR, NEWEST + 2 * HOUR]
    found = spans(gaps, silent=(NEWEST, silence))
    assert [span.expected_at for span in found] == [
        NEWEST + 2 * HOUR,
        NEWEST + HOUR,
        *(NEWEST - age * HOUR for age in (3, 6, 10)),
    ]
    assert [(span.since, span.until) for span in found[:2]] == [(NEWEST, None)] * 2


@pytest.mark.parametrize(("rhythm", "step"), [(None, HOUR), (RHYTHM, HOUR + SECOND)])
def test_an_hour_of_a_silence_could_be_fetched_until_the_next_was_expected(
    rhythm: Rhythm | None, step: timedelta
) -> None:
    (span,) = spans([], rhythm=rhythm, silent=(NEWEST, [NEWEST + HOUR]))
    assert (span.expected_at, span.ends_at) == (NEWEST + HOUR, NEWEST + HOUR + step)


def explained(
    *tallies: AttemptTally,
    spool: Sequence[Kept] = (),
    quarantine: Sequence[Kept] = (),
    oldest_log: datetime | None = NEWEST - 99 * HOUR,
    pending_rows: int = 0,
) -> list[str]:
    """What is said of the two missing hours before the newest."""
    missing = [HourSpan(NEWEST - age * HOUR, NEWEST - (age - 1) * HOUR, NEWEST - 3 * HOUR, NEWEST) for age in (1, 2)]
    found = missing_hours.missing_hours(
        missing, tallies, spool=spool, quarantine=quarantine, oldest_log=oldest_log, pending_rows=pending_rows
    )
    return [hour.explanation for hour in found]


def test_each_hour_gets_what_is_logged_of_it() -> None:
    missing = [HourSpan(NEWEST - age * HOUR, NEWEST, NEWEST - 3 * HOUR, NEWEST) for age in (1, 2)]
    tallies = [
        AttemptTally(1, "failed", 2, None),
        AttemptTally(1, "locked", 1, "Held."),
        AttemptTally(0, "failed", 5, None),
    ]
    found = missing_hours.missing_hours(missing, tallies, spool=(), quarantine=(), oldest_log=None, pending_rows=0)
    assert found == [
        MissingHour(NEWEST - HOUR, NEWEST - 3 * HOUR, NEWEST, {"failed": 5}, "Failed 5 times."),
        MissingHour(
            NEWEST - 2 * HOUR,
            NEWEST - 3 * HOUR,
            NEWEST,
            {"failed": 2, "locked": 1},
            "Failed twice; locked out once by another run (Held.).",
        ),
    ]


@pytest.mark.parametrize(
    ("oldest_log", "told"),
    [
        (None, ["No logs are kept of that time."] * 2),
        (NEWEST - HOUR, ["Nothing ran.", "No logs are kept of that time."]),
        # A row of its last second would still be there.
        (NEWEST - HOUR - SECOND, ["Nothing ran."] * 2),
    ],
)
def test_nothing_ran_only_where_logs_are_kept(oldest_log: datetime | None, told: list[str]) -> None:
    assert explained(oldest_log=oldest_log) == told


def test_rows_that_wait_can_only_explain_an_hour_without_any() -> None:
    assert explained(AttemptTally(0, "failed", 1, None), pending_rows=3) == [
        "Failed once.",
        "Nothing ran, or its log rows still wait for the database.",
    ]


def test_a_body_that_waits_is_told_before_one_that_was_refused() -> None:
    waiting, refused = [kept(NEWEST - HOUR)], [kept(NEWEST - HOUR), kept(NEWEST - 2 * HOUR)]
    assert explained(spool=waiting, quarantine=refused) == [
        "Nothing ran; its body waits in the spool, and the next run stores it.",
        "Nothing ran; a refused body of it is kept: `ironforge spool list --quarantine`.",
    ]
    assert explained() == ["Nothing ran."] * 2


def test_attempts_are_told_from_what_explains_most_to_what_explains_least() -> None:
    ends = ("no_change", "success", "running", CRASHED, "locked", "failed", "rejected", "spooled")
    told = missing_hours.attempts_in_words([AttemptTally(0, end, 1, None) for end in ends])
    assert told == (
        "received once and put into the spool, since it could not be stored; Blizzard's answer was refused once; "
        "failed once; locked out once by another run; crashed once; still at work once; "
        "another snapshot was stored once; Blizzard had published nothing new once"
    )


@pytest.mark.parametrize(
    ("moment", "received_at", "belongs"),
    [
        (NEWEST - 30 * MINUTE, NOW, True),
        (NEWEST - 30 * MINUTE - SECOND, NEWEST, False),
        (NEWEST + 30 * MINUTE, NOW, True),
        (NEWEST + 30 * MINUTE + SECOND, NEWEST, False),
        (None, NEWEST + 45 * MINUTE, True),
        (None, NEWEST + 45 * MINUTE + SECOND, False),
        (None, NEWEST - 5 * MINUTE, True),
        (None, NEWEST - 5 * MINUTE - SECOND, False),
    ],
)
def test_a_body_is_of_the_hour_of_its_time_or_without_one_of_that_before_it_came(
    moment: datetime | None, received_at: datetime, *, belongs: bool
) -> None:
    assert shelved_bodies.is_of(kept(moment, received_at=received_at), NEWEST) is belongs


# Bodies


def test_a_shelf_is_told_by_its_size_its_oldest_and_its_newest_body() -> None:
    bodies = [
        kept(NEWEST, received_at=NOW - 2 * HOUR, name="b", reason="Second."),
        kept(NEWEST, received_at=NOW - HOUR, name="c", reason="Third."),
        kept(NEWEST, received_at=NOW - 3 * HOUR, name="a", reason="First."),
    ]
    sizes = {body.name: size for body, size in zip(bodies, (10, 200), strict=False)}
    assert shelved_bodies.shelved(bodies, sizes) == Shelved(3, 210, NOW - 3 * HOUR, NOW - HOUR, "Third.")
    assert shelved_bodies.shelved([], {}) == Shelved()


@pytest.mark.parametrize(
    ("received_at", "moment", "is_unresolved"),
    [
        (NOW - 24 * HOUR + SECOND, NEWEST - HOUR, True),
        (NOW - 24 * HOUR, NEWEST - HOUR, False),
        (NOW - MINUTE, NEWEST, False),
        (NOW - MINUTE, NEWEST - 2 * HOUR, False),
    ],
)
def test_a_refused_body_is_unresolved_for_a_day_while_no_snapshot_is_of_its_hour(
    received_at: datetime, moment: datetime, *, is_unresolved: bool
) -> None:
    body = kept(moment, received_at=received_at)
    held = [stored(NEWEST), stored(NEWEST - 2 * HOUR)]
    assert shelved_bodies.unresolved([body], held, now=NOW) == (
        [Unresolved(body.name, received_at, "Cut off.")] if is_unresolved else []
    )


# The self-check


def test_the_self_check_compares_the_last_day_with_the_fourteen_before_it() -> None:
    day_ago = NOW - 24 * HOUR
    held = [
        stored(NOW - HOUR, partly_sold=50, partly_sold_above_cheaper=5, estimator_version=ESTIMATOR_VERSION - 1),
        # Of the first snapshot after a gap nothing can be told.
        stored(NOW - 2 * HOUR, partly_sold=None, partly_sold_above_cheaper=None),
        stored(day_ago + SECOND, partly_sold=150, partly_sold_above_cheaper=45),
        stored(day_ago, partly_sold=100, partly_sold_above_cheaper=1),
        stored(day_ago - timedelta(days=14) + SECOND, partly_sold=100, partly_sold_above_cheaper=1),
        stored(day_ago - timedelta(days=14), partly_sold=9_999, partly_sold_above_cheaper=9_999),
        stored(day_ago - timedelta(days=99), estimator_version=ESTIMATOR_VERSION + 1),
    ]
    assert freshness.self_check(held, now=NOW) == SelfCheck(
        newest=0.1, day=0.25, before=0.01, version=ESTIMATOR_VERSION - 1, computed_otherwise=2
    )


def test_what_snapshots_keep_of_the_last_day_and_what_thinning_found_lately_are_told() -> None:
    lots = SoldLots((150.0, 100.0, 100.0, 50.0), seen=400.0, unseen=100.0)
    found = {"interval_seconds": 3600, "auctions": 1_000, "withdrawn_auctions": 150, "lots": lots}
    held = [stored(NOW - age * HOUR, **found) for age in range(1, 21)]
    day_ago = stored(NOW - 25 * HOUR, **found | {"withdrawn_auctions": 999, "lots": None})
    thinned = ThinningCheck(since=NOW - 27 * HOUR, until=NOW - 3 * HOUR, items=50, ratio=0.9)
    check = freshness.self_check([*held, day_ago], now=NOW, thinned=thinned)
    assert check is not None
    assert check.withdrawn_an_hour == pytest.approx(0.15)
    assert check.phase == sum([lots] * 20, SoldLots()).phase
    # Some hours alone, or long ones, may lie where the market rises.
    for some in (held[:19], [replace(one, interval_seconds=7_200) for one in held]):
        less = freshness.self_check([*some, day_ago], now=NOW)
        assert less is not None
        assert less.phase is None
    assert check.thinned == thinned
    old = replace(thinned, until=NOW - timedelta(days=3))
    few = freshness.self_check([*held[:1], day_ago], now=NOW, thinned=old)
    assert few is not None
    assert (few.withdrawn_an_hour, few.thinned) == (None, None)


def test_too_few_auctions_say_nothing_but_of_the_newest_snapshot_alone() -> None:
    held = [
        stored(NOW - HOUR, partly_sold=1, partly_sold_above_cheaper=1),
        # Of the first snapshot of a region nothing can be told.
        stored(NOW - 2 * HOUR, partly_sold=None, partly_sold_above_cheaper=None),
        stored(NOW - 3 * HOUR, partly_sold=198, partly_sold_above_cheaper=0),
        stored(NOW - 30 * HOUR, partly_sold=199),
    ]
    check = freshness.self_check(held, now=NOW)
    assert check is not None
    assert (check.newest, check.day, check.before) == (1.0, None, None)


def test_a_snapshot_in_which_nothing_was_partly_sold_has_no_share() -> None:
    check = freshness.self_check([stored(NOW - HOUR, partly_sold=0, partly_sold_above_cheaper=0)], now=NOW)
    assert check is not None
    assert check.newest is None
    assert freshness.self_check([], now=NOW) is None


def test_a_share_counts_every_snapshot_of_its_span() -> None:
    held = [stored(NOW - age * HOUR, partly_sold=100, partly_sold_above_cheaper=age) for age in (1, 2, 3)]
    check = freshness.self_check(held, now=NOW)
    assert check is not None
    assert check.day == pytest.approx(6 / 300)
    assert replace(check, newest=None, day=None) == SelfCheck(None, None, None, ESTIMATOR_VERSION, 0)
