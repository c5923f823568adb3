"""A day looked at half as often: what is looked at, what is kept of it, and when it is due."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db import revisions
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.repositories import health, thinning_checks
from ironforge_cli.db.repositories.health import Stored
from ironforge_cli.db.repositories.thinning_checks import ThinningCheck
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.days import checking
from ironforge_cli.jobs.days.housekeeping import StepOutcome
from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.market.doubts import Doubt
from ironforge_cli.regions import Region
from tests.jobs.chains import Chain, hourly

if TYPE_CHECKING:
    from collections.abc import Generator

    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock


@pytest.fixture
def chain(storage: Storage, clock: TickingClock) -> Chain:
    """A day of hourly snapshots, stored for EU."""
    chain = Chain(storage, clock, hourly())
    chain.store(Region.EU)
    return chain


def newest(chain: Chain) -> ThinningCheck | None:
    with chain.database.connect() as connection:
        return thinning_checks.newest(connection, Region.EU)


def test_the_last_day_is_looked_at_as_far_as_it_is_held_and_what_was_found_is_kept(chain: Chain) -> None:
    chain.take_raw_rows(Region.EU, 0, 1)
    # A part of a book is none: neither in between, nor as the last.
    for number in (5, 23):
        at = chain.time(number)
        chain.execute("DELETE FROM auction_snapshots_eu WHERE snapshot_time = :at AND auction_id % 2 = 0", at=at)
    eu, us = checking.check([Region.EU, Region.US], database=chain.database, clock=chain.clock)
    assert eu.thinning is not None
    assert (eu.thinning.since, eu.thinning.until) == (chain.time(2), chain.time(22))
    # So few items say nothing.
    assert eu.thinning.items > 0
    assert eu.thinning.ratio is None
    assert newest(chain) == eu.thinning
    assert (us.thinning, us.doubts) == (None, ())
    # The same snapshots are looked at again, and what was found replaced.
    chain.execute("UPDATE thinning_checks SET items = 99")
    checking.thin(chain.database, Region.EU)
    assert newest(chain) == eu.thinning


def test_maintenance_looks_once_a_day_and_a_failure_is_its_result(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = Attempt(clock=chain.clock, region=Region.EU, progress=Silent())
    (done,) = checking.maintained(Region.EU, chain.database, attempt=attempt)
    assert (done.action, done.outcome, done.day) == ("check", StepOutcome.DONE, chain.time(23).date())
    assert checking.maintained(Region.EU, chain.database, attempt=attempt) == []
    assert checking.maintained(Region.US, chain.database, attempt=attempt) == []
    chain.execute("UPDATE thinning_checks SET until = until - interval '24 hours'")

    def refused(*_: object) -> None:
        raise DatabaseError("Refused.")

    monkeypatch.setattr(checking, "thin", refused)
    (failed,) = checking.maintained(Region.EU, chain.database, attempt=attempt)
    assert (failed.outcome, failed.message, failed.status) == (StepOutcome.FAILED, "Refused.", DatabaseError("").status)


@pytest.mark.parametrize(("held", "is_kept"), [(2, False), (3, True)])
def test_of_fewer_snapshots_than_a_double_step_nothing_is_found_and_nothing_kept(
    storage: Storage, clock: TickingClock, held: int, *, is_kept: bool
) -> None:
    chain = Chain(storage, clock, hourly()[:held])
    chain.store(Region.EU)
    assert (checking.thin(chain.database, Region.EU) is not None) is is_kept
    assert (newest(chain) is not None) is is_kept
    (looked_at,) = checking.check([Region.EU], database=chain.database, clock=clock)
    assert (looked_at.thinning is not None) is is_kept


# What is said of it; no server is needed for that.


class There(MissingDatabase):
    """A database of which a test says what it holds."""

    @contextmanager
    def connect(self, *, autocommit: bool = False) -> Generator[Any]:
        yield autocommit


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> There:
    def current(*_: object) -> None:
        pass

    monkeypatch.setattr(revisions, "require_current", current)
    return There(DatabaseError("It is there."))


@pytest.mark.parametrize(
    ("ratio", "said"), [(None, "too few items sell often"), (0.914, "0.91 of the day's sales"), (0.0, "0.00 of the")]
)
def test_what_was_found_is_told_with_the_day_that_it_ends_on(
    monkeypatch: pytest.MonkeyPatch, there: There, clock: TickingClock, ratio: float | None, said: str
) -> None:
    since = datetime(2026, 1, 13, 0, 3, tzinfo=UTC)

    def found(*_: object) -> ThinningCheck | None:
        return None if clock.slept else ThinningCheck(since, since + timedelta(hours=24), items=50, ratio=ratio)

    def due(*_: object) -> bool:
        return True

    monkeypatch.setattr(checking, "thin", found)
    monkeypatch.setattr(checking, "is_due", due)
    attempt = Attempt(clock=clock, region=Region.EU, progress=Silent())
    (done,) = checking.maintained(Region.EU, there, attempt=attempt)
    assert (done.region, done.day, done.status) == (Region.EU, date(2026, 1, 14), ExitStatus.DONE)
    assert (done.message or "").startswith(said)
    # Of too few snapshots nothing was found, and nothing is told.
    clock.sleep(1)
    assert checking.maintained(Region.EU, there, attempt=attempt) == []


def test_the_figures_are_those_of_the_24_hours_before_the_newest_snapshot(
    monkeypatch: pytest.MonkeyPatch, there: There, clock: TickingClock
) -> None:
    newest_at = clock.now() - timedelta(days=3)

    def kept(age: int, withdrawn: int) -> Stored:
        usual = {"source": "live", "items": 1, "partly_sold": 0, "partly_sold_above_cheaper": 0}
        return Stored(
            newest_at - timedelta(hours=age),
            newest_at,
            auctions=1_000,
            estimator_version=2,
            interval_seconds=3_600,
            withdrawn_auctions=withdrawn,
            **usual,  # pyright: ignore[reportArgumentType] - each has its own type
        )

    # Of the hour that is 24 hours older than the newest nothing counts, nor of any before it.
    held = [kept(age, 90 if age < 24 else 999) for age in range(30)]
    asked: list[tuple[object, int]] = []

    def stored(_: object, region: Region, *, limit: int) -> list[Stored]:
        asked.append((region, limit))
        return held if region is Region.EU else []

    def found(_: object, region: Region) -> ThinningCheck | None:
        return ThinningCheck(newest_at, newest_at, items=50, ratio=0.5) if region is Region.EU else None

    monkeypatch.setattr(health, "stored", stored)
    monkeypatch.setattr(checking, "thin", found)
    eu, us = checking.check([Region.EU, Region.US], database=there, clock=clock)
    assert eu.figures.withdrawn_an_hour == pytest.approx(0.09)
    assert set(eu.doubts) == {Doubt.CANCELLING, Doubt.THINNING}
    assert (us.figures.withdrawn_an_hour, us.thinning, us.doubts) == (None, None, ())
    # A day of hours, with room for those that Blizzard published in between.
    assert asked == [(Region.EU, 200), (Region.US, 200)]
