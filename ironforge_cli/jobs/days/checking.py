"""The estimate of sales held against the market itself, once a day: what a day comes to when looked at half as often.

The other checks cost nothing: each snapshot's registry row has what they need (`ironforge status`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import revisions
from ironforge_cli.db.repositories import health, snapshots, thinning_checks
from ironforge_cli.db.repositories.thinning_checks import ThinningCheck
from ironforge_cli.errors import DatabaseError
from ironforge_cli.jobs.days.housekeeping import Result, StepOutcome
from ironforge_cli.market.checks import thinning
from ironforge_cli.market.daily_checks import day_figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock
    from ironforge_cli.market.auctions import Book
    from ironforge_cli.market.daily_checks import DayFigures
    from ironforge_cli.market.doubts import Doubt
    from ironforge_cli.regions import Region

ACTION: Final = "check"
LOOKED_AT: Final = timedelta(hours=24)
"""How long before the newest snapshot thinning begins."""
_MOST_SNAPSHOTS: Final = 200


@dataclass(frozen=True, slots=True)
class CheckedRegion:
    """What the checks say of a region's last day; figures are None where too little is held to say anything."""

    region: Region
    thinning: ThinningCheck | None
    """None where fewer than three snapshots are held."""
    figures: DayFigures

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What speaks against the estimates."""
        return self.figures.doubts(thinned=self.thinning.ratio if self.thinning else None)


def check(regions: Sequence[Region], *, database: Database, clock: Clock) -> list[CheckedRegion]:
    """Hold each region's estimates of its last day against the market, and keep what was found for `status`.

    Raises as the database does; what was found of a region before stays found.
    """
    with database.connect() as connection:
        revisions.require_current(connection)
    found: list[CheckedRegion] = []
    for region in regions:
        clock.check()
        thinned = thin(database, region)
        with database.connect() as connection:
            stored = health.stored(connection, region, limit=_MOST_SNAPSHOTS)
        newest = stored[0].snapshot_time if stored else clock.now()
        found.append(CheckedRegion(region, thinned, day_figures(stored, since=newest - LOOKED_AT)))
    return found


def maintained(region: Region, database: Database, *, attempt: Attempt) -> list[Result]:
    """Look at a region's last day twice, once a day; a failure is a result."""
    try:
        with database.connect() as connection:
            if not is_due(connection, region):
                return []
        with attempt.step(ACTION):
            found = thin(database, region)
    except DatabaseError as error:
        return [Result(ACTION, StepOutcome.FAILED, region, message=str(error), status=error.status)]
    if found is None:
        return []
    ratio = "too few items sell often" if found.ratio is None else f"{found.ratio:.2f} of the day's sales"
    return [Result(ACTION, StepOutcome.DONE, region, day=found.until.astimezone(UTC).date(), message=ratio)]


def is_due(connection: Connection, region: Region) -> bool:
    """Whether the newest snapshot is a day newer than the last that was looked at."""
    newest = snapshots.newest(connection, region)
    if newest is None:
        return False
    last = thinning_checks.newest(connection, region)
    return last is None or newest.snapshot_time - last.until >= LOOKED_AT


def thin(database: Database, region: Region) -> ThinningCheck | None:
    """Look at a region's last day twice, and keep what was found; None where too few snapshots are held."""
    with database.connect() as connection:
        newest = snapshots.newest(connection, region)
        if newest is None:
            return None
        times = snapshots.stored_times(connection, region, since=newest.snapshot_time - LOOKED_AT)
        looked_at: list[datetime] = []
        result = thinning(_books(connection, region, times, looked_at))
        if len(looked_at) < 3:  # noqa: PLR2004 - one double step
            return None
        found = ThinningCheck(since=looked_at[0], until=looked_at[-1], items=result.items, ratio=result.ratio)
        thinning_checks.keep(connection, region, found)
        connection.commit()
    return found


def _books(
    connection: Connection, region: Region, times: Sequence[datetime], looked_at: list[datetime]
) -> Iterator[Book]:
    """The snapshots whose raw rows are all held, one at a time; `looked_at` become their times."""
    sizes = {one.snapshot_time: one.auctions for one in snapshots.registry(connection, region, since=times[0])}
    for time in times:
        book = snapshots.load(connection, region, time)
        if book is not None and len(book.auctions) == sizes[time]:
            looked_at.append(time)
            yield book
