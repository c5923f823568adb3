"""Bodies as Blizzard writes them, from values that a test chooses."""

from __future__ import annotations

import json
from typing import Any

HREF = "https://{region}.api.blizzard.com/data/wow/auctions/commodities?namespace=dynamic-{region}"


def auction(number: int, **values: Any) -> dict[str, Any]:
    """One auction, in Blizzard's order of keys."""
    return {
        "id": number,
        "item": {"id": 200_000 + number},
        "quantity": 1 + number,
        "unit_price": 100 * (1 + number),
        "time_left": "LONG",
        **values,
    }


def body_of(auctions: list[Any], *, region: str = "eu") -> bytes:
    """A body of commodities."""
    return written({"_links": {"self": {"href": HREF.format(region=region)}}, "auctions": auctions})


def written(document: Any) -> bytes:
    """JSON as compact as Blizzard's."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
