"""Storing, computing again and dropping snapshots say that answers are others now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.db import generations
from ironforge_cli.jobs.history.dropping import chosen, drop
from ironforge_cli.regions import Region
from tests.jobs.chains import Chain, hourly

if TYPE_CHECKING:
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock


def test_every_change_of_a_region_raises_its_number_alone(storage: Storage, clock: TickingClock) -> None:
    chain = Chain(storage, clock, hourly()[:4])

    def number() -> int:
        with chain.database.transaction() as connection:
            found = generations.read(connection)
        assert set(found) <= {Region.EU.value}
        return found.get(Region.EU.value, 0)

    told = [number()]
    chain.store(Region.EU)
    told.append(number())
    chain.execute("UPDATE eu_commodity_price_stats SET max_price = max_price + 1")
    assert chain.recompute(Region.EU).regions[0].changed
    told.append(number())
    assert chain.recompute(Region.EU).regions[0].changed == 0
    assert number() == told[-1]
    drop(
        Region.EU,
        chosen(chain.database, Region.EU, [chain.time(1)]),
        storage=storage,
        clock=clock,
    )
    told.append(number())
    assert told == sorted(set(told))
