"""The page that says how everything stands: each region's newest hour, when the next is due, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironforge_cli.answers import freshness, lists
from ironforge_cli.answers.answer import WEEK
from ironforge_cli.web.pages.frame import missing

if TYPE_CHECKING:
    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.web.pages.frame import Frame


def standing(frame: Frame, asking_for: Asking) -> dict[str, Any]:
    """What the status page shows of each region."""
    del frame
    found = freshness.regions(asking_for)
    # The span of a week, as every answer over one says it.
    over = {basis.region: basis for basis in lists.top(asking_for, by=lists.TopBy.UNITS, over=WEEK, limit=1).bases}
    return {
        "max_age": asking_for.max_age,
        "regions": [
            {
                "row": row,
                "basis": over[row.region],
                "missing": missing(over[row.region]),
            }
            for row in found.rows
        ],
    }
