"""How the API writes things down: compact JSON, links, times in headers, and a commodities body in one go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ironforge_cli.sandbox.words import LOCALES, Name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ironforge_cli.regions import Region
    from ironforge_cli.sandbox.market import Listings

Json: TypeAlias = "str | int | float | bool | Mapping[str, Json] | list[Json] | None"
"""What can stand in an answer."""

BUILD = "12.0.9_70114"
"""The game build that links of static data carry."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def to_bytes(document: Json) -> bytes:
    """Write a document as the API does: no spaces, keys in the order given, UTF-8 unescaped.

    >>> to_bytes({"name": "Öl", "ids": [1, 2]}).decode()
    '{"name":"Öl","ids":[1,2]}'
    """
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def last_modified(moment: datetime) -> str:
    """Write a `Last-Modified` as Blizzard does, the day not padded with a zero (BLIZZARD_API.md, section 2).

    >>> from datetime import UTC, datetime
    >>> last_modified(datetime(2020, 10, 3, 21, 8, 5, tzinfo=UTC))
    'Sat, 3 Oct 2020 21:08:05 GMT'
    """
    return f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year} {moment:%H:%M:%S} GMT"


def http_date(moment: datetime) -> str:
    """Write a `Date` as every HTTP server does.

    >>> from datetime import UTC, datetime
    >>> http_date(datetime(2020, 10, 3, 21, 8, 5, tzinfo=UTC))
    'Sat, 03 Oct 2020 21:08:05 GMT'
    """
    return f"{_DAYS[moment.weekday()]}, {moment:%d} {_MONTHS[moment.month - 1]} {moment.year} {moment:%H:%M:%S} GMT"


def parse_http_date(text: str) -> datetime | None:
    """Read a time of either form; None where there is none to read, as servers ignore such a header."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


@dataclass(frozen=True, slots=True)
class Style:
    """How an answer to one request is written: whose links it carries, and in which language."""

    region: Region
    locale: str | None
    """None for names in all locales."""
    build: str = BUILD
    """The game's build that links of static data name."""

    def dynamic(self, path: str) -> str:
        """Return the link of something that changes by the hour."""
        return f"{self._base}/{path}?namespace={self.region.dynamic_namespace}"

    def static(self, path: str) -> str:
        """Return the link of something that changes with a game patch: it names the build.

        >>> from ironforge_cli.regions import Region
        >>> Style(Region.EU, locale=None).static("item/7")
        'https://eu.api.blizzard.com/data/wow/item/7?namespace=static-12.0.9_70114-eu'
        """
        return f"{self._base}/{path}?namespace=static-{self.build}-{self.region.value}"

    @property
    def _base(self) -> str:
        # The links are those of the real API, not of this server: answers are the same bytes on any port.
        return f"https://{self.region.value}.api.blizzard.com/data/wow"

    def text(self, name: Name) -> Json:
        """Return a name in the language asked for, or in all of them."""
        return name.in_all(LOCALES) if self.locale is None else name.in_locale(self.locale)

    def word(self, english: str) -> Json:
        """Return a word of the game that the sandbox does not translate."""
        return self.text(Name(english))

    def self_link(self, href: str) -> dict[str, Json]:
        """Return the key with which every answer begins."""
        return {"_links": {"self": {"href": href}}}


def token_body(style: Style, *, last_updated: datetime, price: int) -> bytes:
    """Write the price of the WoW token: milliseconds and copper."""
    return to_bytes(
        {
            **style.self_link(style.dynamic("token/")),
            "last_updated_timestamp": int(last_updated.timestamp()) * 1_000,
            "price": price,
        }
    )


_ROWS_AT_ONCE = 65_536
_TIME_LEFT = (b"SHORT", b"MEDIUM", b"LONG", b"VERY_LONG")
_LONGEST_TIME_LEFT = max(map(len, _TIME_LEFT))
_Text: TypeAlias = NDArray[np.uint8]
_Kept: TypeAlias = NDArray[np.bool_]


def _digits(column: NDArray[np.integer]) -> tuple[_Text, _Kept]:
    """Write a column of numbers, right-aligned, and say which characters are theirs; shapes (n, width)."""
    width = len(str(int(column.max()))) if len(column) else 1
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    leading = column.astype(np.int64)[:, None] // powers
    kept = leading > 0
    kept[:, -1] = True
    return (leading % 10 + ord("0")).astype(np.uint8), kept


def _constant(text: bytes, rows: int) -> tuple[_Text, _Kept]:
    row = np.frombuffer(text, dtype=np.uint8)
    return np.broadcast_to(row, (rows, len(row))), np.broadcast_to(np.True_, (rows, len(row)))


def _time_left(column: NDArray[np.uint8]) -> tuple[_Text, _Kept]:
    padded = b"".join(name.ljust(_LONGEST_TIME_LEFT, b"\0") for name in _TIME_LEFT)
    table = np.frombuffer(padded, dtype=np.uint8).reshape(len(_TIME_LEFT), _LONGEST_TIME_LEFT)
    text = table[column]
    return text, text > 0


def commodities_body(style: Style, listings: Listings) -> bytes:
    """Write a region's auctions, in the order given.

    All rows are laid out at once as a matrix of characters from which the unused ones are then taken out:
    a million auctions are a few array operations, not a million small strings. Numbers are not negative.
    """
    head = to_bytes({**style.self_link(style.dynamic("auctions/commodities")), "auctions": []})[:-2]
    parts = [head]
    for start in range(0, len(listings), _ROWS_AT_ONCE):
        at = slice(start, start + _ROWS_AT_ONCE)
        rows = len(listings.auction_id[at])
        columns = [
            _constant(b'{"id":', rows),
            _digits(listings.auction_id[at]),
            _constant(b',"item":{"id":', rows),
            _digits(listings.item_id[at]),
            _constant(b'},"quantity":', rows),
            _digits(listings.quantity[at]),
            _constant(b',"unit_price":', rows),
            _digits(listings.unit_price[at]),
            _constant(b',"time_left":"', rows),
            _time_left(listings.time_left[at]),
            _constant(b'"},', rows),
        ]
        text = np.hstack([column for column, _ in columns])
        kept = np.hstack([keep for _, keep in columns])
        parts.append(text[kept].tobytes())
    body = b"".join(parts)
    return (body[:-1] if len(listings) else body) + b"]}"
