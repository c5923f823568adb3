"""What lies beside every page for programs: the same path with `.json` or `.csv` is the API's answer of the same."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode

_ENDING: Final = re.compile(r"(?P<path>/.*)\.(?P<format>json|csv)")
_AS_IT_IS: Final = None
_PATHS: Final = (
    (r"/(?P<r>[a-z]{2})", "/v1/regions", {}),
    (r"/status", "/v1/regions", {}),
    (r"/(?P<r>[a-z]{2})/(?P<n>top|movers|deals|token|crafts)", "/v1/{r}/{n}", _AS_IT_IS),
    (r"/(?P<r>[a-z]{2})/crafts/(?P<i>\d+)", "/v1/{r}/crafts/{i}", _AS_IT_IS),
    (r"/(?P<r>[a-z]{2})/items/(?P<i>\d+)", "/v1/{r}/items/{i}/price", {"quantity": "quantity"}),
    (r"/(?P<r>[a-z]{2})/items/(?P<i>\d+)/(?P<n>history|book|explain)", "/v1/{r}/items/{i}/{n}", _AS_IT_IS),
    (r"/(?P<r>[a-z]{2})/items/(?P<i>\d+)/week", "/v1/{r}/items/{i}/history", {"tz": "tz"}),
    (r"/spread", "/v1/spread", {"min_turnover": "min_turnover"}),
    (r"/search", "/v1/items", {"q": "search", "limit": "limit"}),
)
"""Pages, the answer of the API beside each, and what of the query goes to it, by which names."""
_WEEK: Final = {"by": "hour-of-week", "since": "28d"}


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
    for pattern, target, names in _PATHS:
        if match := re.fullmatch(pattern, ending["path"]):
            given = [pair for pair in parse_qsl(query) if pair[0] not in {"format", "region"}]
            kept = given if names is None else [(names[name], value) for name, value in given if name in names]
            if ending["path"].endswith("/week"):
                kept += _WEEK.items()
            return target.format(**match.groupdict()), urlencode([*kept, ("format", ending["format"])])
    return None
