"""The page of an item: prices now, what sells, its history, its book, its ranks, and the crafts that it stands in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from ironforge_cli.answers import book, crafts, explain, history, items, price
from ironforge_cli.answers.figured_crafts import Wanted
from ironforge_cli.errors import UsageError
from ironforge_cli.market.crafting import Crafter
from ironforge_cli.web.pages import marks, tables
from ironforge_cli.web.pages.asked import chosen, whole, zone
from ironforge_cli.web.pages.crafting import record
from ironforge_cli.web.pages.frame import missing
from ironforge_cli.web.pages.meanings import PRICES, figure_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.answers.book import Level
    from ironforge_cli.answers.crafted import Crafted
    from ironforge_cli.answers.history import Period
    from ironforge_cli.web.pages.frame import Frame

_SPANS: Final = (("7d", "7 days"), ("2d", "2 days"), ("30d", "30 days"), ("90d", "90 days"), ("365d", "a year"))
_BY_HOUR: Final = {"2d", "7d"}
_DRAWN_BY_HOUR: Final = {*_BY_HOUR, "30d"}
_LEVELS: Final = 12
_MOST_LEVELS: Final = 500
_MOST_UNITS: Final = 100_000_000
_CRAFTS: Final = 12
_WEEKS: Final = timedelta(days=28)
_MOST_STEPS: Final = 200


def item(frame: Frame, asking_for: Asking, item_id: int) -> dict[str, Any]:
    """What the page of an item shows. Raises `UsageError` where there is none of that number."""
    quantity = whole(frame.query, "quantity", least=1, most=_MOST_UNITS)
    since = chosen(frame.query, "since", "Over", _SPANS)
    found = price.price(asking_for, [str(item_id)], quantity=quantity)
    name = found.rows[0].name if found.rows else None
    of_region = replace(asking_for, regions=(frame.region,))
    periods = _history(of_region, item_id, since.chosen, is_drawn=False)
    shown: dict[str, Any] = {
        "item_id": item_id,
        "name": name,
        "rank": found.rows[0].rank if found.rows else None,
        "item_level": found.rows[0].item_level if found.rows else None,
        "now": _now(frame, found.records()),
        "own": next((one for one in found.records() if one["region"] == frame.region), None),
        "regions_shown": [row.region for row in found.rows],
        "figures": PRICES,
        "bases": found.bases,
        "quantity": quantity,
        "since": since,
        "by": (history.By.HOUR if since.chosen in _BY_HOUR else history.By.DAY).value,
        "missing_hours": missing(periods.bases[0]),
        "periods": tables.table(
            frame,
            periods.records()[::-1],
            tables.PERIODS,
            caption="History",
            empty="Nothing is stored of that time.",
        ),
        "chart": frame.url(f"/{frame.region}/items/{item_id}/picture.json", since=since.chosen)
        if periods.rows
        else None,
        "has_chart": bool(periods.rows),
        **_ranks(frame, of_region, item_id),
        **_book(of_region, item_id),
        **week(frame, of_region, item_id),
        **_crafts(frame, of_region, item_id),
    }
    return shown


def _now(frame: Frame, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The figures of both regions, the page's own first; sales under the keys of a band."""
    rows = [
        {**one, "sold_low": one["sold_per_day_low"], "sold": one["sold_per_day"], "sold_high": one["sold_per_day_high"]}
        for one in records
    ]
    return sorted(rows, key=lambda one: one["region"] != frame.region)


def _ranks(frame: Frame, of_region: Asking, item_id: int) -> dict[str, Any]:
    """The items of the same name, which crafting ranks are."""
    same_name = items.with_its_ranks(of_region, item_id).rows
    if len(same_name) < 2:  # noqa: PLR2004 - the item itself is one of them
        return {"ranks": None}
    same = price.price(of_region, [str(one.item_id) for one in same_name]).records()
    columns = (
        tables.ITEM,
        tables.PageColumn("market_value", "Market value", "money"),
        tables.PageColumn("min_price", "Cheapest", "money", is_minor=True),
        tables.PageColumn("total_quantity", "For sale", "number"),
        tables.PageColumn("sold_per_day", "Sold a day", "number", is_minor=True),
    )
    records = [{**one, "rank": one["rank"] if one["rank"] is not None else "?"} for one in same]
    return {"ranks": tables.table(frame, records, columns, caption="Items of the same name", empty="")}


def _book(of_region: Asking, item_id: int) -> dict[str, Any]:
    """The cheapest levels of the newest book, or why there is none."""
    try:
        rows = book.book(of_region, str(item_id)).rows
    except UsageError as error:
        return {"levels": (), "level_count": 0, "units": 0, "no_book": str(error)}
    units = rows[-1].cumulative_quantity if rows else 0
    return {"levels": rows[:_LEVELS], "level_count": len(rows), "units": units, "no_book": None}


def week(frame: Frame, of_region: Asking, item_id: int) -> dict[str, Any]:
    """The market value of the hours of a week, over four weeks, in a zone."""
    where = zone(frame.query)
    found = history.history(
        of_region, [str(item_id)], since=None, until=None, by=history.By.HOUR_OF_WEEK, zone=where, over=_WEEKS
    )
    values = [one.market_value for one in found.rows]
    there = [one for one in values if one is not None]
    return {
        "zone": where.key,
        "week": marks.week_map(values) if there else None,
        "week_low": min(there, default=None),
        "week_high": max(there, default=None),
    }


def _crafts(frame: Frame, of_region: Asking, item_id: int) -> dict[str, Any]:
    """The crafts that make an item, and those that take it."""
    made = crafts.crafts(of_region, Wanted(crafter=Crafter(), items=frozenset({item_id})))
    every = made.recipes.crafts
    takers = frozenset(every.recipe_id[every.taking([item_id])].tolist())
    taking = crafts.crafts(of_region, Wanted(crafter=Crafter(), recipes=takers)) if takers else None

    def shown(rows: Sequence[Crafted], caption: str) -> tables.PageTable | None:
        records = [record(one) for one in rows[:_CRAFTS]]
        return tables.table(frame, records, tables.CRAFTS, caption=caption, empty="") if records else None

    return {
        "makers": shown(made.figured.rows, "Crafts that make it"),
        "takers": shown(taking.figured.rows if taking else (), "Crafts that take it"),
        "taker_count": len(taking.figured) if taking else 0,
    }


def _history(of_region: Asking, item_id: int, since: str, *, is_drawn: bool) -> Any:
    by = history.By.HOUR if since in (_DRAWN_BY_HOUR if is_drawn else _BY_HOUR) else history.By.DAY
    return history.history(
        of_region,
        [str(item_id)],
        since=None,
        until=None,
        by=by,
        zone=ZoneInfo("UTC"),
        over=timedelta(days=int(since.removesuffix("d"))),
    )


def drawn_periods(frame: Frame, asking_for: Asking, item_id: int) -> Sequence[Period]:
    """What an item's picture shows."""
    since = chosen(frame.query, "since", "Over", _SPANS)
    of_region = replace(asking_for, regions=(frame.region,))
    return _history(of_region, item_id, since.chosen, is_drawn=True).rows


def drawn_levels(frame: Frame, asking_for: Asking, item_id: int) -> Sequence[Level]:
    """What the picture of an item's book shows."""
    return book.book(replace(asking_for, regions=(frame.region,)), str(item_id)).rows


def whole_book(frame: Frame, asking_for: Asking, item_id: int) -> dict[str, Any]:
    """The page of an item's whole book. Raises `UsageError` where it is not held."""
    of_region = replace(asking_for, regions=(frame.region,))
    named = price.price(of_region, [str(item_id)])
    found = book.book(of_region, str(item_id))
    name = (named.rows[0].name if named.rows else None) or f"item {item_id}"
    below = (f"The cheapest {_MOST_LEVELS} of {len(found.rows):,} levels: .json and .csv have more.",)
    return {
        "title": f"The book of {name} in {frame.region.label}",
        "lead": "What is for sale in the newest snapshot, cheapest first.",
        "bases": found.bases,
        "choices": (),
        "chart": frame.url(f"/{frame.region}/items/{item_id}/book/picture.json") if found.rows else None,
        "has_chart": bool(found.rows),
        "table": tables.table(
            frame, found.records()[:_MOST_LEVELS], tables.LEVELS, caption="Order book", empty="It is not for sale."
        ),
        "below": below if len(found.rows) > _MOST_LEVELS else (),
    }


def week_page(frame: Frame, asking_for: Asking, item_id: int) -> dict[str, Any]:
    """The hours of the week of an item, by themselves."""
    of_region = replace(asking_for, regions=(frame.region,))
    named = price.price(of_region, [str(item_id)]).rows
    return {"item_id": item_id, "name": named[0].name if named else None, **week(frame, of_region, item_id)}


def explained(frame: Frame, asking_for: Asking, item_id: int) -> dict[str, Any]:
    """The arithmetic of each figure of an item."""
    of_region = replace(asking_for, regions=(frame.region,))
    named = price.price(of_region, [str(item_id)]).rows
    found = explain.explain(of_region, str(item_id))
    money = {key for key in explain.PRICES if key not in {"total_quantity", "num_auctions"}}
    return {
        "item_id": item_id,
        "name": named[0].name if named else None,
        "bases": found.bases,
        "explained": [
            {
                "figure": one.figure,
                "name": figure_name(one.figure),
                "is_money": one.figure in money,
                "value": one.value,
                "steps": one.steps if len(one.steps) <= _MOST_STEPS else (*one.steps[: _MOST_STEPS - 1], one.steps[-1]),
                "left_out": max(0, len(one.steps) - _MOST_STEPS),
            }
            for one in found.rows
        ],
    }
