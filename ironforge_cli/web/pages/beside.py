"""What lies beside every page for programs: the same path with `.json` or `.csv` is the API's answer of the same."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode

from ironforge_cli.web.pages.asked import SPREAD_TURNOVER

_ENDING: Final = re.compile(r"(?P<path>/.*)\.(?P<format>json|csv)")
_ALL: Final = "all"
_LIST: Final = {"limit": "1000"}
_SPAN: Final = {"limit": "10000"}
_NOTHING: Final[dict[str, str]] = {}
_PATHS: Final[tuple[tuple[str, str, dict[str, str] | str, dict[str, str]], ...]] = (
    (r"/(?P<r>[a-z]{2})", "/v1/regions", _NOTHING, _NOTHING),
    (r"/status", "/v1/regions", _NOTHING, _NOTHING),
    (r"/(?P<r>[a-z]{2})/(?P<n>top|movers|deals|crafts)", "/v1/{r}/{n}", _ALL, _LIST),
    (r"/(?P<r>[a-z]{2})/(?P<n>token)", "/v1/{r}/{n}", _ALL, _SPAN),
    (r"/(?P<r>[a-z]{2})/crafts/(?P<i>\d+)", "/v1/{r}/crafts/{i}", _ALL, _NOTHING),
    (r"/(?P<r>[a-z]{2})/items/(?P<i>\d+)", "/v1/{r}/items/{i}/price", {"quantity": "quantity"}, _NOTHING),
    (r"/(?P<r>[a-z]{2})/items/(?P<i>\d+)/(?P<n>history|book)", "/v1/{r}/items/{i}/{n}", _ALL, _SPAN),
    (r"/(?P<r>[a-z]{2})/items/(?P<i>\d+)/explain", "/v1/{r}/items/{i}/explain", _ALL, _NOTHING),
    (
        r"/(?P<r>[a-z]{2})/items/(?P<i>\d+)/week",
        "/v1/{r}/items/{i}/history",
        {"tz": "tz"},
        {"by": "hour-of-week", "since": "28d"},
    ),
    (r"/spread", "/v1/spread", _ALL, {"min_turnover": SPREAD_TURNOVER, **_LIST}),
    (r"/search", "/v1/items", {"q": "search", "limit": "limit"}, _NOTHING),
)
"""Pages, the answer of the API beside each, by which names its query goes there, and what is said where it doesn't."""


def beside(path: str, query: str) -> tuple[str, str] | None:
    """The path and query of the API that a page's `.json` or `.csv` stands for; None where it is none.

    >>> beside("/eu/items/7.csv", "quantity=5&since=7d")
    ('/v1/eu/items/7/price', 'quantity=5&format=csv')
    >>> beside("/search.json", "q=ore&region=us")
    ('/v1/items', 'search=ore&format=json')
    >>> beside("/eu/items/7", "") is None, beside("/v1/eu/top.json", "") is None
    (True, True)
    """
    ending = _ENDING.fullmatch(path)
    if ending is None:
        return None
    for pattern, target, names, usual in _PATHS:
        if match := re.fullmatch(pattern, ending["path"]):
            # An empty field of a form says nothing; of which region a page is, its path says.
            given = {name: value for name, value in parse_qsl(query) if name not in {"format", "region"}}
            kept = given if isinstance(names, str) else {names[name]: given[name] for name in names if name in given}
            return target.format(**match.groupdict()), urlencode({**usual, **kept, "format": ending["format"]})
    return None
