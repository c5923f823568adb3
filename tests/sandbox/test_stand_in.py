from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import numpy as np
import pytest
import requests

from ironforge_cli.errors import UsageError
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.stand_in import Address, Sandbox, serve
from ironforge_cli.values import replace

Ask = Callable[..., requests.Response]
COMMODITIES = "auctions/commodities"


def test_commodities_carry_the_headers_of_a_recorded_answer(ask: Ask) -> None:
    answer = ask(COMMODITIES)
    assert answer.status_code == 200
    assert list(answer.headers) == [
        "Last-Modified",
        "Cache-Control",
        "Battlenet-Namespace",
        "vary",
        "content-type",
        "content-encoding",
        "Date",
        "transfer-encoding",
        "connection",
    ]
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["Battlenet-Namespace"] == "dynamic-eu"
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    assert answer.headers["transfer-encoding"] == "chunked"


def test_the_day_of_last_modified_is_not_padded(start: Callable[..., Sandbox], asker: Callable[[Sandbox], Ask]) -> None:
    sandbox = start(starts_at=datetime(2026, 3, 3, 12, 0, tzinfo=UTC))
    answer = asker(sandbox)(COMMODITIES)
    assert answer.headers["Last-Modified"] == "Tue, 3 Mar 2026 11:48:07 GMT"
    assert answer.headers["Date"] == "Tue, 03 Mar 2026 12:00:00 GMT"


@pytest.mark.parametrize("region", ["eu", "us"])
def test_a_commodities_body_is_compact_and_in_the_recorded_order(sandbox: Sandbox, ask: Ask, region: str) -> None:
    text = ask(COMMODITIES, region=region).text
    document = json.loads(text)
    assert text == json.dumps(document, separators=(",", ":"))
    assert list(document) == ["_links", "auctions"]
    host = f"https://{region}.api.blizzard.com"
    assert document["_links"]["self"]["href"] == f"{host}/data/wow/auctions/commodities?namespace=dynamic-{region}"
    listings = sandbox.published(Region(region)).listings
    names = ("SHORT", "MEDIUM", "LONG", "VERY_LONG")
    assert document["auctions"] == [
        {"id": i, "item": {"id": item}, "quantity": quantity, "unit_price": price, "time_left": names[left]}
        for i, item, quantity, price, left in zip(
            listings.auction_id.tolist(),
            listings.item_id.tolist(),
            listings.quantity.tolist(),
            listings.unit_price.tolist(),
            listings.time_left.tolist(),
            strict=True,
        )
    ]
    assert len(document["auctions"]) > 200
    assert list(document["auctions"][0]) == ["id", "item", "quantity", "unit_price", "time_left"]


def test_every_auction_is_of_a_commodity_of_the_catalogue(sandbox: Sandbox) -> None:
    traded = {item.id for item in sandbox.catalogue.commodities}
    for region in DEFAULT_REGIONS:
        assert set(np.unique(sandbox.published(region).listings.item_id).tolist()) <= traded


def test_bodies_are_compressed_only_for_clients_that_ask(ask: Ask) -> None:
    plain = ask(COMMODITIES, headers={"Accept-Encoding": "identity"})
    packed = ask(COMMODITIES)
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content


def test_what_the_client_holds_already_is_answered_with_304(sandbox: Sandbox, ask: Ask) -> None:
    first = ask(COMMODITIES)
    held = {"If-Modified-Since": first.headers["Last-Modified"]}
    again = ask(COMMODITIES, headers=held)
    assert again.status_code == 304
    assert again.headers["Last-Modified"] == first.headers["Last-Modified"]
    assert again.content == b""
    sandbox.advance(Region.EU)
    newer = ask(COMMODITIES, headers=held)
    assert newer.status_code == 200
    assert newer.content != first.content
    assert ask(COMMODITIES, headers={"If-Modified-Since": "yesterday"}).status_code == 200


def test_hours_are_published_at_each_regions_own_minute_and_never_ahead_of_the_date(sandbox: Sandbox, ask: Ask) -> None:
    times: dict[str, list[datetime]] = {"eu": [], "us": []}
    for _ in range(4):
        for region, seen in times.items():
            answer = ask(COMMODITIES, region=region)
            seen.append(parsedate_to_datetime(answer.headers["Last-Modified"]))
            assert seen[-1] <= parsedate_to_datetime(answer.headers["Date"])
        sandbox.advance()
    assert (times["eu"][0].minute, times["us"][0].minute) == (48, 3)
    for seen in times.values():
        steps = np.diff([moment.timestamp() for moment in seen])
        assert np.all((steps >= 3_598) & (steps <= 3_602))


def test_a_sandbox_has_the_regions_that_it_was_given_and_answers_404_for_others(
    start: Callable[..., Sandbox], asker: Callable[[Sandbox], Ask]
) -> None:
    sandbox = start(regions=list(Region)[1:])
    ask = asker(sandbox)
    given = {region: ask(COMMODITIES, region=region).status_code for region in Region}
    assert given == {region: 200 if region in list(Region)[1:] else 404 for region in Region}
    assert ask("token/index", region=Region.EU).status_code == 404
    sandbox.prepare()
    assert [*sandbox.world.regions] == list(Region)[1:]
    with pytest.raises(ValueError, match="no region 'eu'"):
        sandbox.advance(Region.EU)


def test_no_two_regions_have_a_market_alike(start: Callable[..., Sandbox]) -> None:
    sandbox = start(regions=list(Region))
    assert len({sandbox.published(region).body for region in Region}) == len(Region)
    assert len({sandbox.published(region).published_at for region in Region}) == len(Region)
    assert len({sandbox.world.token_price(region)[1] for region in Region}) == len(Region)


def test_one_region_can_be_advanced_alone(sandbox: Sandbox) -> None:
    before = {region: sandbox.published(region).published_at for region in DEFAULT_REGIONS}
    sandbox.advance(Region.US, hours=3)
    assert sandbox.published(Region.EU).published_at == before[Region.EU]
    assert timedelta(hours=2) < sandbox.published(Region.US).published_at - before[Region.US] < timedelta(hours=4)


def test_two_sandboxes_with_one_seed_answer_the_same_bytes(
    start: Callable[..., Sandbox], asker: Callable[[Sandbox], Ask]
) -> None:
    pair = [start(), start()]
    other = start(seed=8)
    paths = (COMMODITIES, "token/index", "profession/index", "search/item")
    answers: list[list[bytes]] = []
    for sandbox in (*pair, other):
        sandbox.advance(hours=2)
        ask = asker(sandbox)
        answers.append([ask(path).content for path in paths])
    assert answers[0] == answers[1]
    assert answers[0][0] != answers[2][0]


def test_by_the_clock_an_hour_is_published_when_it_is_due(
    start: Callable[..., Sandbox], asker: Callable[[Sandbox], Ask]
) -> None:
    seconds = [1_000.0]
    sandbox = start(speed=60.0, monotonic=lambda: seconds[0])
    ask = asker(sandbox)
    first = ask(COMMODITIES).headers["Last-Modified"]
    seconds[0] += 30
    assert ask(COMMODITIES).headers["Last-Modified"] == first
    seconds[0] += 30
    answer = ask(COMMODITIES)
    assert answer.headers["Last-Modified"] != first
    assert answer.headers["Date"] == "Wed, 14 Jan 2026 13:00:00 GMT"
    assert len(sandbox.truths(Region.EU)) == 1


@pytest.mark.parametrize("region", ["eu", "us"])
def test_the_token_price_is_dated_in_milliseconds_and_needs_64_bits(sandbox: Sandbox, ask: Ask, region: str) -> None:
    answer = ask("token/index", region=region)
    document = answer.json()
    assert list(document) == ["_links", "last_updated_timestamp", "price"]
    assert document["_links"]["self"]["href"].endswith(f"/data/wow/token/?namespace=dynamic-{region}")
    assert document["price"] > 2**31
    updated = datetime.fromtimestamp(document["last_updated_timestamp"] / 1000, tz=UTC)
    assert timedelta(0) <= sandbox.now - updated < timedelta(minutes=22)
    held = {"If-Modified-Since": answer.headers["Last-Modified"]}
    assert ask("token/index", region=region, headers=held).status_code == 304


def test_the_token_endpoint_can_be_one_that_never_answers_304(
    start: Callable[..., Sandbox], asker: Callable[[Sandbox], Ask]
) -> None:
    ask = asker(start(token_answers_304=False))
    held = {"If-Modified-Since": ask("token/index").headers["Last-Modified"]}
    assert ask("token/index", headers=held).status_code == 200


@pytest.mark.parametrize("path", [COMMODITIES, "token/index", "profession/index", "search/item", "item/1804"])
@pytest.mark.parametrize("namespace", [None, "", "static-us", "dynamic-us", "profile-eu"])
def test_a_missing_or_wrong_namespace_is_forbidden(ask: Ask, path: str, namespace: str | None) -> None:
    answer = ask(path, namespace=namespace)
    assert answer.status_code == 403
    assert answer.text == '{"code":403,"type":"BLZWEBAPI00000403","detail":"Forbidden"}'


def test_the_namespace_of_a_link_is_good_as_well(ask: Ask) -> None:
    href = ask("profession/index").json()["professions"][0]["key"]["href"]
    path, _, namespace = href.removeprefix("https://eu.api.blizzard.com/data/wow/").partition("?namespace=")
    assert ask(path, namespace=namespace).status_code == 200


@pytest.mark.parametrize(
    "path", ["item/999999999", "recipe/999999999", "profession/1", "profession/171/skill-tier/1", "nonsense"]
)
def test_what_is_not_there_answers_the_recorded_404(ask: Ask, path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 404
    assert answer.text == '{"code":404,"type":"BLZWEBAPI00000404","detail":"Not Found"}'


def test_a_region_can_be_named_by_the_host_instead_of_the_path(sandbox: Sandbox, ask: Ask) -> None:
    url = sandbox.address.control_url.removesuffix("_sandbox/") + "data/wow/auctions/commodities"
    authorization = str(ask("token/index").request.headers["Authorization"])
    headers = {"Host": "us.api.localhost", "Authorization": authorization}
    answer = requests.get(url, params={"namespace": "dynamic-us"}, headers=headers, timeout=10)
    assert answer.content == sandbox.published(Region.US).body


def test_head_is_as_unreliable_as_the_real_one(ask: Ask) -> None:
    answers = [ask(COMMODITIES, method="HEAD") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [403, 200, 200]
    assert ["Last-Modified" in answer.headers for answer in answers] == [False, False, True]


def test_the_log_counts_what_was_asked(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.forget_requests()
    answer = ask(COMMODITIES, region="us")
    ask("recipe/1")
    seen = sandbox.requests
    assert [(one.method, one.path, one.status, one.endpoint) for one in seen] == [
        ("GET", "/us/data/wow/auctions/commodities", 200, "commodities"),
        ("GET", "/eu/data/wow/recipe/1", 404, "recipe"),
    ]
    assert seen[0].region is Region.US
    assert seen[0].bytes == len(sandbox.published(Region.US).gzipped) < len(answer.content)


def test_a_taken_port_is_a_usage_error(sandbox: Sandbox) -> None:
    port = int(sandbox.oauth_url.split(":")[2].partition("/")[0])
    with pytest.raises(UsageError, match="choose another port"):
        Sandbox(auctions=100, items=30, recipes=0, port=port)


def test_serving_says_where_and_ends_when_told(sandbox: Sandbox) -> None:
    ending = threading.Event()
    told: list[Address] = []

    def ready(address: Address) -> None:
        told.append(address)
        ending.set()

    serve(Sandbox(auctions=100, items=30, recipes=0), when_ready=ready, ending=ending)
    assert told[0].environment == {
        "IRONFORGE_API_URL": told[0].api_url,
        "IRONFORGE_OAUTH_URL": told[0].oauth_url,
        "BLIZZARD_CLIENT_ID": sandbox.client_id,
        "BLIZZARD_CLIENT_SECRET": sandbox.client_secret,
    }
    assert "{region}" in told[0].api_url
    with pytest.raises(requests.ConnectionError):
        requests.get(told[0].control_url + "state", timeout=10)


def test_a_patch_brings_a_build_that_links_name(sandbox: Sandbox, ask: Ask) -> None:
    before = ask("profession/171", locale="en_US")
    changed = replace(sandbox.catalogue, items={})
    sandbox.patch("12.1.0_70500", changed)
    after = ask("profession/171", locale="en_US")
    assert "static-12.1.0_70500-" in after.json()["_links"]["self"]["href"]
    assert before.json()["id"] == after.json()["id"]
    assert before.headers["Last-Modified"] != after.headers["Last-Modified"]
    assert ask("search/item").json()["results"] == []


def test_a_market_that_shrinks_publishes_a_share_of_its_auctions_and_always_the_same_ones() -> None:
    with Sandbox(auctions=1_000, items=100, recipes=2) as sandbox:
        whole = sandbox.published(Region.EU).listings
        sandbox.world.shrink(Region.EU, share=0.4)
        assert sandbox.published(Region.EU).listings is whole
        sandbox.advance()
        first = sandbox.published(Region.EU).listings
        assert 0.3 * len(whole) < len(first) < 0.5 * len(whole)
        sandbox.advance()
        second = sandbox.published(Region.EU).listings
        still = set(map(int, whole.auction_id)) & set(map(int, second.auction_id))
        assert still <= set(map(int, first.auction_id))
        assert len(sandbox.published(Region.US).listings) > 0.8 * len(whole)
