"""The small curves of items in lists: their market value over a week."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ironforge_cli.answers import history
from ironforge_cli.answers.answer import WEEK
from ironforge_cli.web.pages import marks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markupsafe import Markup

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.regions import Region


def of_items(asking_for: Asking, region: Region, records: Iterable[dict[str, Any]]) -> dict[int, Markup]:
    """A curve of each item in some rows, by its number; none where fewer than two hours are known."""
    names = {record["item_id"]: record["name"] or f"item {record['item_id']}" for record in records}
    if not names:
        return {}
    found = history.history(
        replace(asking_for, regions=(region,)),
        [str(number) for number in names],
        since=None,
        until=None,
        by=history.By.HOUR,
        zone=ZoneInfo("UTC"),
        over=WEEK,
    )
    values: dict[int, list[float | None]] = {number: [] for number in names}
    for row in found.rows:
        values[row.item_id].append(row.market_value)
    return {number: marks.sparkline(curve, label=names[number]) for number, curve in values.items()}
