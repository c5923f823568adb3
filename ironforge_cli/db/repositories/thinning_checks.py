"""What days of snapshots came to when looked at half as often: writing it, and the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import THINNING_CHECKS
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

_execute = executor("checks")


class ThinningCheck(Value, frozen=True):
    """A day of a region, looked at twice."""

    since: datetime
    until: datetime
    items: int
    """Those with evidence of sales often enough to count."""
    ratio: float | None
    """The median item's sales in double steps to those in single ones; None for too few items."""


def newest(connection: Connection, region: Region) -> ThinningCheck | None:
    """The newest day of a region that was looked at twice."""
    columns = THINNING_CHECKS.c
    statement = (
        select(columns.since, columns.until, columns["items"], columns.ratio)
        .where(columns.region == region)
        .order_by(columns.until.desc())
        .limit(1)
    )
    row = _execute(connection, statement).one_or_none()
    return None if row is None else ThinningCheck(*row)


def keep(connection: Connection, region: Region, check: ThinningCheck) -> None:
    """Write what was found, over what the same snapshots were found to be before."""
    values = {"since": check.since, "items": check.items, "ratio": check.ratio, "checked_at": func.now()}
    statement = insert(THINNING_CHECKS).values(region=region, until=check.until, **values)
    _execute(connection, statement.on_conflict_do_update(index_elements=["region", "until"], set_=values))
