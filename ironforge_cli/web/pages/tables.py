"""Rows of an answer as a table of a page: each cell as people read it, with the value that it is sorted by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from markupsafe import Markup, escape

from ironforge_cli.web.pages import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ironforge_cli.web.pages.frame import Frame

Record: TypeAlias = dict[str, Any]
_FEW_COLUMNS: Final = 3


@dataclass(frozen=True, slots=True)
class PageColumn:
    """A column: the key of its values, what it is called, and what kind of value it holds."""

    key: str
    head: str
    kind: str = "number"
    is_minor: bool = False
    """Whether it is left out where there is no room."""
    title: str | None = None

    @property
    def sort(self) -> str:
        """How it is sorted: as text, as numbers, or not at all."""
        return {"item": "text", "text": "text", "craft": "text", "shape": ""}.get(self.kind, "number")

    @property
    def css(self) -> str:
        """Its classes."""
        kind = {"item": "", "craft": "", "at": "", "text": "wide", "shape": "shape"}.get(self.kind, "figure")
        return " ".join(part for part in (kind, "minor" if self.is_minor else "") if part)


@dataclass(frozen=True, slots=True)
class PageCell:
    """A value as it is shown and sorted."""

    html: Markup | str
    value: str


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table, ready to be written."""

    caption: str
    columns: Sequence[PageColumn]
    rows: Sequence[Sequence[PageCell]]
    empty: str

    @property
    def is_narrow(self) -> bool:
        """Whether it has so few columns that across a wide page they would stand far from each other."""
        return len(self.columns) <= _FEW_COLUMNS


def table(
    frame: Frame,
    records: Sequence[Record],
    columns: Sequence[PageColumn],
    *,
    caption: str,
    empty: str,
    shapes: Mapping[int, Markup] | None = None,
) -> PageTable:
    """Records as a table; `shapes` are the curves of items, by number."""
    rows = [[_cell(frame, column, record, shapes or {}) for column in columns] for record in records]
    return PageTable(caption=caption, columns=columns, rows=rows, empty=empty)


def item_link(frame: Frame, record: Record, name: str = "name") -> Markup:
    """An item's name as a link to its page, with its rank."""
    rank = record.get("rank")
    said = record[name] if record[name] is not None else f"item {record['item_id']}"
    mark = Markup(' <span class="rankmark">R{}</span>').format(rank) if rank is not None else Markup("")
    return Markup('<a href="{}">{}</a>{}').format(frame.item(record["item_id"]), said, mark)


def _cell(frame: Frame, column: PageColumn, record: Record, shapes: Mapping[int, Markup]) -> PageCell:
    value = record.get(column.key)
    match column.kind:
        case "item":
            return PageCell(item_link(frame, record), str(record["name"] or ""))
        case "craft":
            query = {"batch": record["batch"] if record["batch"] != 1 else None}
            where = frame.url(f"/{frame.region}/crafts/{record['recipe_id']}", **query)
            link = Markup('<a href="{}">{}</a>').format(where, record["name"] or f"recipe {record['recipe_id']}")
            rank = Markup(' <span class="rankmark">R{}</span>').format(record["rank"]) if record["rank"] else ""
            side = "" if record["faction"] == "Neutral" else f" ({record['faction']})"
            return PageCell(Markup("{}{}{}").format(link, rank, side), str(record["name"] or ""))
        case "shape":
            return PageCell(shapes.get(record["item_id"], Markup("")), "")
        case "sold":
            return PageCell(words.band(record["sold_low"], record["sold"], record["sold_high"]), _plain(record["sold"]))
        case "earned":
            shown = words.money(value)
            low, high = record["profit_per_day_low"], record["profit_per_day_high"]
            if value is not None:
                bounds = f"{words.plain_money(low)} to {words.plain_money(high)}"
                shown = Markup('<span title="{}">{}</span>').format(bounds, shown)
            return PageCell(shown, _plain(value))
        case _:
            return PageCell(_KINDS[column.kind](value), _plain(value))


def _text(value: Any) -> Markup:
    return escape(value) if value not in (None, "") else words.number(None)


def _ratio(value: float | None) -> Markup:
    return words.number(None) if value is None else escape(f"{value:,.2f}")


def _tokens(value: float | None) -> Markup:
    """A share of a token, with three digits that say something.

    >>> print(_tokens(0.0000579123)); print(_tokens(1.5))
    0.0000579
    1.50
    """
    if value is None:
        return words.number(None)
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return escape(f"{value:,.{digits}f}")


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


_KINDS: Final[dict[str, Callable[[Any], Markup]]] = {
    "money": words.money,
    "number": words.number,
    "change": words.change,
    "text": _text,
    "ratio": _ratio,
    "tokens": _tokens,
    "at": words.at,
}

ITEM: Final = PageColumn("name", "Item", "item")
WEEK: Final = PageColumn("item_id", "7 days", "shape")
TOP: Final = (
    ITEM,
    WEEK,
    PageColumn("market_value", "Price", "money", title="market value in the newest snapshot"),
    PageColumn("total_quantity", "For sale", "number", is_minor=True),
    PageColumn("sold", "Sold", "sold", title="estimate, with its low and high bound"),
    PageColumn("turnover", "Turnover", "money", is_minor=True),
)
MOVERS: Final = (
    ITEM,
    WEEK,
    PageColumn("price_then", "Then", "money", is_minor=True),
    PageColumn("price_now", "Now", "money"),
    PageColumn("change", "Change", "change"),
    PageColumn("turnover_per_day", "Turnover a day", "money", is_minor=True),
)
DEALS: Final = (
    ITEM,
    PageColumn("usual_price", "Usual price", "money", is_minor=True),
    PageColumn("min_price", "From", "money"),
    PageColumn("units", "Units", "number", is_minor=True),
    PageColumn("cost", "Cost", "money", is_minor=True),
    PageColumn("gain", "Gain", "money", title="0.95 of the usual price, less what the units cost"),
    PageColumn("sold_per_day", "Sold a day", "number", is_minor=True),
)
# Beside each other there is room for less.
MOVERS_IN_SHORT: Final = tuple(one for one in MOVERS if one.key != "price_then")
DEALS_IN_SHORT: Final = tuple(one for one in DEALS if one.key not in {"cost", "sold_per_day"})
SPREAD: Final = (
    ITEM,
    PageColumn("price_a", "", "money"),
    PageColumn("price_b", "", "money"),
    PageColumn("tokens_a", "", "tokens", is_minor=True),
    PageColumn("tokens_b", "", "tokens", is_minor=True),
    PageColumn("ratio", "Ratio", "ratio", title="tokens in the first region by tokens in the second"),
)
CRAFTS: Final = (
    PageColumn("name", "Craft", "craft"),
    PageColumn("profession", "Profession", "text", is_minor=True),
    PageColumn("cost", "Cost", "money", is_minor=True),
    PageColumn("revenue", "Revenue", "money", is_minor=True),
    PageColumn("profit", "Profit", "money"),
    PageColumn("profit_per_day", "Profit a day", "earned", title="bounded by what sells"),
    PageColumn("sold_per_day", "Sold a day", "number", is_minor=True),
)
CRAFTS_WITH_REASONS: Final = (*CRAFTS, PageColumn("reasons", "Not known, or to be minded", "text", is_minor=True))
FOUND: Final = (
    ITEM,
    PageColumn("item_class", "Kind", "text", is_minor=True),
    PageColumn("quality", "Quality", "text", is_minor=True),
    PageColumn("item_level", "Item level", "number", is_minor=True),
    PageColumn("total_quantity", "For sale", "number"),
)
LEVELS: Final = (
    PageColumn("price", "Price", "money"),
    PageColumn("quantity", "Units", "number"),
    PageColumn("auctions", "Auctions", "number", is_minor=True),
    PageColumn("cumulative_quantity", "Units so far", "number"),
    PageColumn("cumulative_cost", "Cost so far", "money", is_minor=True),
)
PERIODS: Final = (
    PageColumn("bucket", "From", "at"),
    PageColumn("min_price", "Cheapest", "money", is_minor=True),
    PageColumn("market_value", "Market value", "money"),
    PageColumn("total_quantity", "For sale", "number", is_minor=True),
    PageColumn("sold", "Sold", "sold"),
    PageColumn("snapshots", "Snapshots", "number", is_minor=True),
)
TOKENS: Final = (PageColumn("timestamp", "From", "at"), PageColumn("price", "Price", "money"))
