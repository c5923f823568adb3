"""Each path answers with what the command of the same name prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.web.client import Client

PATHS = (
    "/v1/regions",
    "/v1/items?search=ore",
    "/v1/items/12",
    "/v1/spread",
    "/v1/eu/prices",
    "/v1/eu/prices?ids=12,15",
    "/v1/eu/items/12/price",
    "/v1/eu/items/12/price?quantity=5",
    "/v1/eu/items/12/history",
    "/v1/eu/items/12/book",
    "/v1/eu/items/12/explain",
    "/v1/eu/top",
    "/v1/eu/movers",
    "/v1/eu/deals",
    "/v1/eu/crafts",
    "/v1/us/token",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 200, answer
    assert answer.headers["etag"]
