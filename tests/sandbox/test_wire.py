from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.regions import Region
from ironforge_cli.sandbox.market import Listings
from ironforge_cli.sandbox.wire import Style, commodities_body, http_date, last_modified, parse_http_date

TIME_LEFT = ("SHORT", "MEDIUM", "LONG", "VERY_LONG")
AUCTION = st.tuples(
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.integers(0, 10**17),
    st.integers(0, 3),
)


def listings(rows: list[tuple[int, int, int, int, int]]) -> Listings:
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
    return Listings(
        auction_id=np.array(columns[0], dtype=np.int64),
        item_id=np.array(columns[1], dtype=np.int32),
        quantity=np.array(columns[2], dtype=np.int32),
        unit_price=np.array(columns[3], dtype=np.int64),
        time_left=np.array(columns[4], dtype=np.uint8),
    )


@given(st.lists(AUCTION, max_size=20))
def test_a_body_is_what_a_json_writer_would_write(rows: list[tuple[int, int, int, int, int]]) -> None:
    document = {
        "_links": {"self": {"href": "https://us.api.blizzard.com/data/wow/auctions/commodities?namespace=dynamic-us"}},
        "auctions": [
            {"id": i, "item": {"id": item}, "quantity": count, "unit_price": price, "time_left": TIME_LEFT[left]}
            for i, item, count, price, left in rows
        ],
    }
    body = commodities_body(Style(Region.US, locale=None), listings(rows))
    assert body == json.dumps(document, separators=(",", ":")).encode()


def test_bodies_longer_than_one_piece_are_joined_without_a_seam() -> None:
    rows = [(i, i % 7, i % 5 + 1, i * 100, i % 4) for i in range(140_000)]
    auctions = json.loads(commodities_body(Style(Region.EU, locale=None), listings(rows)))["auctions"]
    assert [auction["id"] for auction in auctions] == list(range(140_000))
    assert auctions[65_536] == {
        "id": 65_536,
        "item": {"id": 2},
        "quantity": 2,
        "unit_price": 6_553_600,
        "time_left": "SHORT",
    }


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - the strategy wants naive bounds.
def test_times_in_headers_are_read_back_by_every_client(moment: datetime) -> None:
    second = moment.replace(microsecond=0, tzinfo=UTC)
    assert parsedate_to_datetime(last_modified(second)) == second
    assert parse_http_date(http_date(second)) == second


@pytest.mark.parametrize("text", ["", "soon", "Sat, 3 Oct 2020 21:08:05"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_http_date(text) is None
