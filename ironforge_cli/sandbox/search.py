"""The item search: ranges, alternatives and pages, and the limit of a thousand results."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ironforge_cli.sandbox.catalogue import ITEM_CLASSES, QUALITIES
from ironforge_cli.sandbox.documents import search_result
from ironforge_cli.sandbox.wire import to_bytes
from ironforge_cli.sandbox.words import LOCALES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ironforge_cli.sandbox.catalogue import InventedItem
    from ironforge_cli.sandbox.wire import Json, Style

MOST_RESULTS = 1_000
"""No search has more over all its pages (BLIZZARD_API.md, section 6)."""

_USUAL_PAGE = 100
_NOT_A_FILTER = frozenset({"namespace", "locale", "orderby", "_page", "_pageSize", "access_token", ":region"})
_RANGE = re.compile(r"(?P<open>[\[(])(?P<low>\d*),(?P<high>\d*)(?P<close>[\])])")
_NO_LIMIT = 2**31


class BadSearchError(ValueError):
    """The question has no meaning; the answer is a 400."""


@dataclass(frozen=True, slots=True)
class _Range:
    """Whole numbers from `low` to `high`, both included."""

    low: int
    high: int


def _spans(text: str) -> list[_Range]:
    """Read numbers, ranges and alternatives.

    >>> _spans("[3,5]"), _spans("(7,)"), _spans("1||9")
    ([_Range(low=3, high=5)], [_Range(low=8, high=2147483648)], [_Range(low=1, high=1), _Range(low=9, high=9)])
    """
    spans: list[_Range] = []
    for part in text.split("||"):
        if part.isdecimal():
            spans.append(_Range(int(part), int(part)))
            continue
        found = _RANGE.fullmatch(part)
        if found is None:
            raise BadSearchError(f"{part!r} is neither a number nor a range")
        low = int(found["low"]) if found["low"] else 0
        high = int(found["high"]) if found["high"] else _NO_LIMIT
        spans.append(
            _Range(
                low + (found["open"] == "(" and bool(found["low"])),
                high - (found["close"] == ")" and bool(found["high"])),
            )
        )
    return spans


_NUMBERS: Mapping[str, Callable[[InventedItem], int]] = {
    "level": lambda item: item.level,
    "required_level": lambda item: item.required_level,
    "item_class.id": lambda item: item.item_class,
    "item_subclass.id": lambda item: item.item_subclass,
    "purchase_price": lambda item: item.purchase_price,
    "sell_price": lambda item: item.sell_price,
}
_WORDS: Mapping[str, Callable[[InventedItem], str]] = {
    "quality.type": lambda item: item.quality,
    "inventory_type.type": lambda item: item.inventory_type,
    "is_equippable": lambda item: str(item.is_equippable).lower(),
    "is_stackable": lambda item: str(item.is_stackable).lower(),
    "quality.name.en_US": lambda item: QUALITIES[item.quality],
    "item_class.name.en_US": lambda item: ITEM_CLASSES[item.item_class][0],
}
_NAMES = {f"name.{locale}": locale for locale in LOCALES}


def _words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _filtered(items: Iterable[InventedItem], field: str, text: str) -> list[InventedItem]:
    """Keep what matches one filter; a field that no item has matches nothing."""
    if field in _NUMBERS:
        number, spans = _NUMBERS[field], _spans(text)
        return [item for item in items if any(span.low <= number(item) <= span.high for span in spans)]
    if field in _WORDS:
        word, wanted = _WORDS[field], {part.strip("'\"").casefold() for part in text.split("||")}
        return [item for item in items if word(item).casefold() in wanted]
    if field in _NAMES:
        locale, words = _NAMES[field], _words_of(text)
        return [item for item in items if words & _words_of(item.name.in_locale(locale))]
    return []


class ItemSearch:
    """Answers searches over a catalogue's items; `items` come by rising id."""

    def __init__(self, items: Sequence[InventedItem]) -> None:
        self._items = items
        self._ids = [item.id for item in items]

    def answer(self, style: Style, query: Mapping[str, str]) -> bytes:
        """Answer one search; raises `BadSearchError` where the query can't be read.

        As in the recorded answers `maxPageSize` repeats the size asked for, `pageSize` counts the results of
        this page, and `resultCountCapped` is there only when more matched than a search may have.
        """
        asked, page = _page_of(query)
        items = self._with_ids(query["id"]) if "id" in query else self._items
        for field, text in query.items():
            if field not in _NOT_A_FILTER and field != "id":
                items = _filtered(items, field, text)
        items = _ordered(items, query.get("orderby", "id"))
        results = items[:MOST_RESULTS][(page - 1) * asked : page * asked]
        document: dict[str, Json] = {
            "page": page,
            "pageSize": len(results),
            "maxPageSize": asked,
            "pageCount": -(-min(len(items), MOST_RESULTS) // asked),
        }
        if len(items) > MOST_RESULTS:
            document["resultCountCapped"] = True
        document["results"] = [search_result(style, item) for item in results]
        return to_bytes(document)

    def _with_ids(self, text: str) -> Sequence[InventedItem]:
        """Find items by id, each once, by rising id, without looking at all of them."""
        rows: set[int] = set()
        for span in _spans(text):
            rows.update(range(bisect_left(self._ids, span.low), bisect_right(self._ids, span.high)))
        return [self._items[row] for row in sorted(rows)]


def _page_of(query: Mapping[str, str]) -> tuple[int, int]:
    """Return how many results a page has, and which page is asked for."""
    try:
        size, page = int(query.get("_pageSize", _USUAL_PAGE)), int(query.get("_page", 1))
    except ValueError as error:
        raise BadSearchError("_page and _pageSize are numbers") from error
    if size < 1 or page < 1:
        raise BadSearchError("_page and _pageSize start at 1")
    return min(size, MOST_RESULTS), page


def _ordered(items: Sequence[InventedItem], order: str) -> Sequence[InventedItem]:
    """Sort by one field, upwards, or downwards with `:desc` behind it."""
    field, _, direction = order.partition(":")
    if field == "id":
        return items if direction != "desc" else list(reversed(items))
    if field not in _NUMBERS:
        raise BadSearchError(f"can't sort by {field!r}")
    return sorted(items, key=_NUMBERS[field], reverse=direction == "desc")
