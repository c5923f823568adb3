"""A day looked at half as often: what is looked at, what is kept of it, and when it is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories import thinning_checks
from ironforge_cli.errors import DatabaseError
from ironforge_cli.jobs.days import checking
from ironforge_cli.jobs.days.housekeeping import StepOutcome
from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.regions import Region
from tests.jobs.chains import Chain, hourly

if TYPE_CHECKING:
    from ironforge_cli.db.repositories.thinning_checks import ThinningCheck
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
    chain.execute("DELETE FROM auction_snapshots_eu WHERE snapshot_time = :at AND auction_id % 2 = 0", at=chain.time(5))
    eu, us = checking.check([Region.EU, Region.US], database=chain.database, clock=chain.clock)
    assert eu.thinning is not None
    assert (eu.thinning.since, eu.thinning.until) == (chain.time(2), chain.time(23))
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
