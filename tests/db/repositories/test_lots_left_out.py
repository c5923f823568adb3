"""What was left out is said of the snapshots of one region and span of which something was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from ironforge_cli.db.models import REGISTRY
from ironforge_cli.db.repositories.lots_left_out import left_out, left_out_between
from ironforge_cli.market.auctions import LeftOut
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

HOUR = timedelta(hours=1)
NEXT = timedelta(microseconds=1)
TIMES = [datetime(2026, 1, 14, hour, tzinfo=UTC) for hour in range(5)]
WHOLE = TIMES[2]
LEFT_OUT = {at: LeftOut(1 + place, (7, place), (70, place)) for place, at in enumerate(TIMES) if at != WHOLE}


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    """Five snapshots of which one is whole, and half an hour after each one of another region."""
    with shared.connect() as opened:
        for region, later in ((Region.EU, 0 * HOUR), (Region.US, HOUR / 2)):
            for at in TIMES:
                of = LEFT_OUT.get(at, LeftOut())
                row = {"auctions": 1, "items": 1, "bytes": 1, "digest": "x", "source": "live", "estimator_version": 1}
                span = {"region": region, "snapshot_time": at + later, "interval_seconds": 3600}
                skipped = {"skipped_items": list(of.item_id), "skipped_auctions": list(of.auction_id)}
                opened.execute(insert(REGISTRY).values(row | span | skipped | {"skipped": of.count}))
        yield opened


@pytest.mark.parametrize(
    ("since", "until", "places"),
    [
        (TIMES[0], TIMES[4], (0, 1, 3, 4)),
        (TIMES[1], TIMES[3], (1, 3)),
        (TIMES[0] + NEXT, TIMES[4] - NEXT, (1, 3)),
        (WHOLE, WHOLE, ()),
    ],
)
def test_both_ends_of_a_span_count_and_what_is_whole_is_not_named(
    connection: Connection, since: datetime, until: datetime, places: tuple[int, ...]
) -> None:
    found = left_out_between(connection, Region.EU, since=since, until=until)
    assert found == {TIMES[place]: LEFT_OUT[TIMES[place]] for place in places}


def test_of_what_is_whole_or_not_stored_nothing_was_left_out(connection: Connection) -> None:
    assert left_out(connection, Region.EU, TIMES[3]) == LEFT_OUT[TIMES[3]]
    assert left_out(connection, Region.US, TIMES[3] + HOUR / 2) == LEFT_OUT[TIMES[3]]
    for at in (WHOLE, TIMES[3] + NEXT, TIMES[3] + HOUR / 2):
        assert left_out(connection, Region.EU, at) == LeftOut()
