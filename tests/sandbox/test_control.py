from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from ironforge_cli.regions import Region
from ironforge_cli.sandbox.faults import FAULTS
from ironforge_cli.sandbox.stand_in import Sandbox

Ask = Callable[..., requests.Response]


@pytest.fixture
def switch(sandbox: Sandbox) -> Callable[..., requests.Response]:
    def switched(method: str, what: str, body: object = None) -> requests.Response:
        return requests.request(method, sandbox.address.control_url + what, json=body, timeout=10)

    return switched


def test_the_state_tells_time_sizes_and_faults(sandbox: Sandbox, switch: Ask) -> None:
    sandbox.set_fault("html", region=Region.EU, count=2)
    state = switch("GET", "state").json()
    assert state["now"] == sandbox.now.isoformat()
    assert state["regions"]["us"] == {
        "published_at": sandbox.published(Region.US).published_at.isoformat(),
        "next_at": sandbox.world.regions[Region.US].next_at.isoformat(),
        "hours": 0,
        "auctions": len(sandbox.published(Region.US).listings),
    }
    assert state["items"] == 160
    assert state["faults"] == [{"name": "html", "region": "eu", "count": 2, "after": 0}]


@pytest.mark.parametrize(
    ("method", "what", "body"),
    [
        ("POST", "advance", {"region": "us"}),
        ("POST", "faults", {"name": "html", "region": "us"}),
        ("DELETE", "faults?region=us", None),
        ("GET", "truth?region=us", None),
    ],
    ids=lambda part: part if isinstance(part, str) else None,
)
def test_a_region_that_is_not_served_is_known_to_none_of_it(
    start: Callable[..., Sandbox], method: str, what: str, body: object
) -> None:
    url = start(regions=[Region.EU]).address.control_url
    refused = requests.request(method, url + what, json=body, timeout=10)
    assert refused.status_code == 400
    assert refused.json()["error"].endswith("there is no region 'us' here, only eu")
    assert list(requests.get(f"{url}state", timeout=10).json()["regions"]) == ["eu"]


def test_hours_are_advanced_by_command(sandbox: Sandbox, switch: Ask) -> None:
    state = switch("POST", "advance", {"hours": 2, "region": "us"}).json()
    assert [state["regions"][region]["hours"] for region in ("eu", "us")] == [0, 2]
    assert switch("POST", "advance").json()["regions"]["eu"]["hours"] == 1
    assert len(sandbox.truths(Region.US)) == 3


def test_faults_are_set_listed_and_cleared(sandbox: Sandbox, switch: Ask, ask: Ask) -> None:
    table = switch("POST", "faults", {"name": "server_error", "endpoint": "token", "status": 503}).json()
    assert table["known"] == {name: fault.description for name, fault in FAULTS.items()}
    assert [one["name"] for one in table["active"]] == ["server_error"]
    assert ask("token/index").status_code == 503
    switch("POST", "faults", {"name": "html", "region": "us"})
    assert [one["name"] for one in switch("DELETE", "faults?name=server_error").json()["active"]] == ["html"]
    assert switch("DELETE", "faults").json()["active"] == []
    assert ask("token/index").status_code == 200
    assert all(not one.path.startswith("/_sandbox/") for one in sandbox.requests)


def test_tokens_are_expired_by_command(switch: Ask, ask: Ask) -> None:
    switch("POST", "tokens/expire")
    assert ask("token/index").status_code == 401


@pytest.mark.parametrize(
    ("what", "body", "status", "words"),
    [
        ("POST faults", {"name": "rain"}, 400, "no fault is called"),
        ("POST faults", {"region": "eu"}, 400, "has a name"),
        ("POST faults", {"name": "html", "count": "two"}, 400, "'count' can't be"),
        ("POST faults", {"name": "html", "colour": 1}, 400, "'colour' is unknown"),
        ("POST faults", [], 400, "JSON object"),
        ("POST advance", {"region": "xx"}, 400, "no region is called"),
        ("POST advance", {"hours": 0.5}, 400, "'hours' can't be"),
        ("POST advance", {"hours": -1}, 400, "only moves forward"),
        ("GET nonsense", None, 404, "unknown"),
    ],
)
def test_what_cannot_be_done_says_why(switch: Ask, what: str, body: object, status: int, words: str) -> None:
    answer = switch(*what.split(), body)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def auctions_of(document: Any) -> dict[int, tuple[int, int]]:
    return {one["id"]: (one["item"]["id"], one["quantity"]) for one in document["auctions"]}


def test_the_truth_covers_every_unit_that_was_seen_to_go(
    start: Callable[..., Sandbox], asker: Callable[[Sandbox], Ask]
) -> None:
    sandbox = start(auctions=3_000)
    ask = asker(sandbox)
    before = auctions_of(ask("auctions/commodities").json())
    sandbox.advance()
    after = auctions_of(ask("auctions/commodities").json())
    url = sandbox.address.control_url + "truth?region=eu"
    (interval,) = requests.get(url, timeout=10).json()["eu"]
    assert interval["until"] == sandbox.published(Region.EU).published_at.isoformat()
    gone: dict[int, int] = {}
    for auction, (item, quantity) in before.items():
        left = after[auction][1] if auction in after else 0
        gone[item] = gone.get(item, 0) + quantity - left
    left_the_book = {row["item"]: row["sold"] + row["expired"] + row["cancelled"] for row in interval["items"]}
    assert sum(gone.values()) > 0
    assert all(left_the_book.get(item, 0) >= units for item, units in gone.items())
    assert sum(row["sold"] for row in interval["items"]) > 0
