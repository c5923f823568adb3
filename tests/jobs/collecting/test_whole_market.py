from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.regions import Region
from ironforge_cli.sandbox.market import MODERATE, IdRange, default_profiles
from ironforge_cli.sandbox.world import RegionWorld
from tests.jobs import stored
from tests.jobs.expected import expected_after

if TYPE_CHECKING:
    from tests.jobs.conftest import Collector


@pytest.mark.slow
def test_two_hours_of_350_000_auctions_equal_the_plain_reference(collector: Collector) -> None:
    world = RegionWorld(
        Region.EU,
        profiles=default_profiles(seed=3, items=12_000),
        auctions=350_000,
        seed=3,
        behaviour=MODERATE,
        now=datetime(2026, 1, 14, 12, tzinfo=UTC),
        ids=IdRange(),
    )
    bodies = [(world.publication.published_at, world.publication.body)]
    world.publish()
    bodies.append((world.publication.published_at, world.publication.body))
    for at, body in bodies:
        assert collector.ingest(Region.EU, at, body).status is ExitStatus.DONE
    expected = expected_after(bodies)
    # Not by `==` on the whole lists, whose difference pytest would take minutes to write out.
    for found, wanted in (
        (stored.auctions(collector.database, Region.EU), expected.auctions),
        (stored.statistics(collector.database, Region.EU), expected.statistics),
        (stored.registry(collector.database, Region.EU), expected.registry),
    ):
        assert len(found) == len(wanted)
        assert next((pair for pair in zip(found, wanted, strict=True) if pair[0] != pair[1]), None) is None
    narrowed = sum(1 for row in expected.auctions if row[0] == bodies[1][0] and row[7] - row[6] < 570)
    assert narrowed > 10_000
