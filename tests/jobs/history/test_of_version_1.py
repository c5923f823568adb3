"""A database in which version 1 judged everything: what stays, what follows, and how all of it becomes even."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.history import recompute as job
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.regions import Region
from tests.jobs import stored
from tests.jobs.chains import Chain, InterruptedClock, hourly

if TYPE_CHECKING:
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock
    from tests.jobs.expected import Row

UPGRADED = 18
"""The number of the first snapshot that version 2 stored."""


@pytest.fixture
def chain(storage: Storage, clock: TickingClock) -> Chain:
    """A day of hourly snapshots, stored for EU."""
    chain = Chain(storage, clock, hourly())
    chain.store(Region.EU)
    return chain


def as_version_1_left_it(chain: Chain) -> None:
    """Leave of the snapshots before the upgrade what version 1 kept, with estimates of its own."""
    before = {"before": chain.time(UPGRADED)}
    chain.execute(
        "UPDATE eu_commodity_price_stats SET evidence = NULL, seen_sales = NULL, unseen_sales = NULL,"
        " new_at_floor = NULL, estimated_sales = sales_low WHERE timestamp < :before",
        **before,
    )
    quarters = ", ".join(f"sold_lots_quarter_{number} = NULL" for number in range(1, 5))
    chain.execute(
        f"UPDATE snapshots SET estimator_version = 1, withdrawn_auctions = NULL, highest_auction_id = NULL, {quarters},"
        " sold_lots_seen = NULL, sold_lots_unseen = NULL WHERE snapshot_time < :before",
        **before,
    )


def outdated(chain: Chain) -> int:
    return sum(row[-1] != ESTIMATOR_VERSION for row in stored.registry(chain.database, Region.EU))


def rows_since(chain: Chain, number: int) -> list[Row]:
    return [row for row in stored.statistics(chain.database, Region.EU) if row[1] >= chain.time(number)]


def test_hours_after_the_upgrade_count_none_of_version_1_until_all_is_computed_again(chain: Chain) -> None:
    right = chain.everything(Region.EU)
    alone = Chain(chain.storage, chain.clock, hourly())
    as_version_1_left_it(chain)
    chain.execute("DELETE FROM eu_commodity_price_stats WHERE timestamp >= :at", at=chain.time(UPGRADED))
    chain.execute("DELETE FROM auction_snapshots_eu WHERE snapshot_time >= :at", at=chain.time(UPGRADED))
    chain.execute("DELETE FROM snapshots WHERE snapshot_time >= :at", at=chain.time(UPGRADED))
    for number in range(UPGRADED, 24):
        alone.store_one(Region.EU, number)
    young = rows_since(chain, UPGRADED)
    assert young != [row for row in right[1] if row[1] >= chain.time(UPGRADED)]
    (eu,) = chain.recompute(Region.EU, outdated=True).regions
    assert (eu.outdated, eu.still_outdated, eu.snapshots) == (UPGRADED, 0, 24)
    assert chain.everything(Region.EU) == right


def test_a_run_that_is_ended_goes_on_until_what_rests_on_version_1_is_even(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH_SNAPSHOTS", 2)
    right = chain.everything(Region.EU)
    as_version_1_left_it(chain)
    # As hours after the upgrade are that knew nothing of those before it.
    chain.execute(
        "UPDATE eu_commodity_price_stats SET sales_high = sales_high + 1 WHERE timestamp >= :at", at=chain.time(20)
    )
    left: list[int] = []
    for looks in range(60, 400, 40):
        clock = InterruptedClock(chain.clock.now(), looks=looks)
        if chain.recompute(Region.EU, outdated=True, clock=clock).status is ExitStatus.DONE:
            break
        left.append(outdated(chain))
    assert left == sorted(left, reverse=True)
    chain.recompute(Region.EU, outdated=True)
    assert outdated(chain) == 0
    assert chain.everything(Region.EU) == right
