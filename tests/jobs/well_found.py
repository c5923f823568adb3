"""What is found of an installation that is well, as values: each test says what is otherwise."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from ironforge_cli.db.repositories.attempts import Streak
from ironforge_cli.jobs.health.status_findings import (
    Days,
    Disk,
    Freshness,
    RegionFindings,
    SelfCheck,
    StatusFindings,
    TokenFreshness,
)
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.regions import Region
from tests.jobs.healthy import HOUR, MINUTE, NEWEST, NOW

FRESH = Freshness(
    snapshot_time=NEWEST,
    age_seconds=32 * 60,
    auctions=300_000,
    items=9_000,
    minute=3,
    due_at=NEWEST + HOUR,
    delay_seconds=27 * 60,
    late_seconds=0,
)
READY = Days(
    held=9,
    oldest=date(2026, 1, 12),
    newest=date(2026, 1, 21),
    ahead=7,
    past_retention=(),
    held_back=(),
    detaching=(),
    default=None,
    is_default_used=False,
)
ENDED_WELL = Streak(NOW - 5 * MINUTE, {}, 0, None, None, None)
CHECKED = SelfCheck(newest=0.04, day=0.04, before=0.04, version=ESTIMATOR_VERSION, computed_otherwise=0)
PRICED = TokenFreshness(NOW - 20 * MINUTE, age_seconds=20 * 60, price=300_000 * 10_000)
WELL = RegionFindings(
    region=Region.EU, freshness=FRESH, self_check=CHECKED, days=READY, streak=ENDED_WELL, token=PRICED
)


def found(*states: RegionFindings, **everything: Any) -> StatusFindings:
    """What is found where all is well but for what is given."""
    well: dict[str, Any] = {
        "now": NOW,
        "max_age": 2 * HOUR,
        "database": "x",
        "away": None,
        "disk": Disk(Path("/srv"), free=50, total=100),
        "ahead": 7,
        "retention_days": 30,
    }
    return StatusFindings(regions=states or (WELL,), **{**well, **everything})
