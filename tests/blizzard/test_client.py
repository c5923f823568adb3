from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard import payloads
from ironforge_cli.blizzard.client import SEARCH_PAGE_SIZE, BlizzardClient
from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.errors import CredentialsError, ExitStatus, RefusedAnswerError, UnavailableError
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.blizzard.bodies import written
from tests.blizzard.stub_server import Asked, Said, token_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.blizzard.transport import Transport
    from ironforge_cli.market.catalogue import Item
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.blizzard.stub_server import Serve


@pytest.fixture
def client(sandbox: Sandbox, make_transport: Callable[..., Transport]) -> BlizzardClient:
    return BlizzardClient(make_transport(sandbox), api_url=sandbox.api_url, locale="en_US")


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
def test_commodities_are_those_that_the_region_published(
    sandbox: Sandbox, client: BlizzardClient, region: Region
) -> None:
    answer = client.commodities(region, newer_than=None)
    published = sandbox.published(region)
    assert payloads.published_at(answer.headers) == published.published_at
    auctions = payloads.commodities(answer.body, region=region)
    order = published.listings.auction_id.argsort()
    assert auctions.auction_id.tolist() == published.listings.auction_id[order].tolist()
    assert auctions.unit_price.tolist() == published.listings.unit_price[order].tolist()
    assert auctions.quantity.tolist() == published.listings.quantity[order].tolist()
    assert auctions.time_left.tolist() == published.listings.time_left[order].tolist()
    assert client.commodities(region, newer_than=published.published_at).not_modified


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
def test_requests_carry_namespace_and_locale(sandbox: Sandbox, client: BlizzardClient, region: Region) -> None:
    client.token_price(region)
    assert sandbox.requests[-1].query == {"namespace": f"dynamic-{region}", "locale": "en_US"}
    assert sandbox.requests[-1].path == f"/{region}/data/wow/token/index"


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
def test_the_token_price_is_that_of_the_region(sandbox: Sandbox, client: BlizzardClient, region: Region) -> None:
    set_at, price = sandbox.world.token_price(region)
    assert client.token_price(region) == (set_at.replace(microsecond=0), price)


def test_a_forgotten_body_is_asked_for_again(sandbox: Sandbox, client: BlizzardClient) -> None:
    client.commodities(Region.EU, newer_than=None)
    assert client.commodities(Region.EU, newer_than=None).from_cache
    client.forget_commodities(Region.EU)
    assert not client.commodities(Region.EU, newer_than=None).from_cache
    assert [one.status for one in sandbox.requests if one.endpoint == "commodities"] == [200, 200]


def test_commodities_that_are_forbidden_are_a_matter_of_the_api_client(
    sandbox: Sandbox, client: BlizzardClient
) -> None:
    sandbox.set_fault("forbidden", endpoint="commodities")
    with pytest.raises(CredentialsError, match=r"develop\.battle\.net"):
        client.commodities(Region.EU, newer_than=None)


def test_commodities_that_are_not_there_are_unavailable(sandbox: Sandbox, client: BlizzardClient) -> None:
    sandbox.set_fault("not_found", endpoint="commodities")
    with pytest.raises(NotThereError, match="IRONFORGE_API_URL") as missing:
        client.commodities(Region.EU, newer_than=None)
    assert isinstance(missing.value, UnavailableError)
    assert missing.value.status is ExitStatus.UNAVAILABLE


@pytest.mark.parametrize(
    "fault",
    ["truncated", "garbage", "empty", "html", "negative_number", "huge_number", "fractional_number", "null_number"],
)
def test_a_token_price_that_makes_no_sense_is_refused(sandbox: Sandbox, client: BlizzardClient, fault: str) -> None:
    sandbox.set_fault(fault, endpoint="token")
    with pytest.raises(RefusedAnswerError):
        client.token_price(Region.EU)


JUNK = {
    "token": ["", "{", '{"last_updated_timestamp":1,"pri', '{"price":null}', "<html>", "[]", '{"price":5}', "null"],
    "static": ["", "{", '{"professions":[{"id":1', '{"professions":null}', "<html>", "[]", "{}", "null"],
}


def answered(client: BlizzardClient, kind: str) -> object:
    return client.token_price(Region.EU) if kind == "token" else client.professions(Region.EU)


@pytest.mark.parametrize(("kind", "junk"), [(kind, junk) for kind, bodies in JUNK.items() for junk in bodies])
def test_an_answer_of_any_endpoint_that_is_refused_is_never_kept(
    serve: Serve, make_transport: Callable[..., Transport], tmp_path: Path, *, kind: str, junk: str
) -> None:
    said = [junk]
    stub = serve(
        lambda asked: (
            token_answer()
            if asked.path == "/token"
            else Said(body=said[0].encode(), headers={"Cache-Control": "max-age=86400"})
        )
    )
    client = BlizzardClient(make_transport(oauth_url=f"{stub.url}/token"), api_url=stub.url, locale="en_US")
    with pytest.raises(RefusedAnswerError):
        answered(client, kind)
    said[0] = '{"last_updated_timestamp":1,"price":5}' if kind == "token" else '{"professions":[{"id":164,"name":"A"}]}'
    assert answered(client, kind)
    kept: list[int] = []
    for path in (tmp_path / "http").glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as file:
            kept += file.execute("SELECT count(*) FROM responses").fetchone()
    # The good one is.
    assert sum(kept) == 1


@pytest.mark.parametrize("kind", JUNK)
@pytest.mark.parametrize("is_writable", [True, False])
def test_an_answer_that_was_kept_unread_by_an_earlier_version_is_asked_for_again(
    serve: Serve,
    make_transport: Callable[..., Transport],
    monkeypatch: pytest.MonkeyPatch,
    *,
    kind: str,
    is_writable: bool,
) -> None:
    said = ["{"]
    stub = serve(
        lambda asked: (
            token_answer()
            if asked.path == "/token"
            else Said(body=said[0].encode(), headers={"Cache-Control": "max-age=86400"})
        )
    )
    transport = make_transport(oauth_url=f"{stub.url}/token")
    client = BlizzardClient(transport, api_url=stub.url, locale="en_US")
    if kind == "token":
        params = {"namespace": "dynamic-eu", "locale": "en_US"}
        transport.get_dynamic(f"{stub.url}/data/wow/token/index", params).keep()
        said[0] = '{"last_updated_timestamp":1,"price":5}'
    else:
        params = {"namespace": "static-eu", "locale": "en_US"}
        transport.get_static(f"{stub.url}/data/wow/recipe/1", params).keep()
        said[0] = '{"id":1,"name":"A","reagents":[],"media":{"id":1}}'
    if not is_writable:
        monkeypatch.setattr("ironforge_cli.blizzard.cache_file.CacheFile.delete", _full)
        monkeypatch.setattr("ironforge_cli.blizzard.cache_file.CacheFile.write", _full)
    for _ in range(2):
        assert client.token_price(Region.EU) if kind == "token" else client.recipe(Region.EU, 1)


def _full(*_: object, **__: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_token_price_of_the_future_is_refused(serve: Serve, make_transport: Callable[..., Transport]) -> None:
    price = written({"last_updated_timestamp": 1_601_759_284_000, "price": 1_894_280_000})
    set_at, _ = payloads.token_price(price)
    asked_at = format_datetime(set_at - timedelta(hours=2), usegmt=True)
    stub = serve(
        lambda asked: token_answer() if asked.path == "/token" else Said(body=price, headers={"Date": asked_at})
    )
    client = BlizzardClient(make_transport(oauth_url=f"{stub.url}/token"), api_url=stub.url, locale="en_US")
    with pytest.raises(RefusedAnswerError, match="the price of the token was set"):
        client.token_price(Region.EU)


def test_a_region_in_the_host_is_replaced_and_other_braces_stay(
    serve: Serve, make_transport: Callable[..., Transport]
) -> None:
    price = written({"last_updated_timestamp": 1, "price": 5})
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else Said(body=price))
    port = stub.url.rpartition(":")[2]
    client = BlizzardClient(
        make_transport(oauth_url=f"{stub.url}/token"),
        api_url=f"http://127.0.0.1:{port}/{{region}}/%7B0%7D",
        locale="en_US",
    )
    assert client.token_price(Region.US)[1] == 5
    assert stub.asked[-1].path.startswith("/us/%7B0%7D/data/wow/token/index?")


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
def test_an_item_is_that_of_the_catalogue_and_one_that_is_not_shown_is_told_apart(
    sandbox: Sandbox, client: BlizzardClient, region: Region
) -> None:
    there = next(item for item in sandbox.catalogue.items.values() if not item.removed)
    found = client.single_item(region, there.id).value
    assert (found.id, found.name) == (there.id, there.name.english)
    with pytest.raises(NotThereError) as gone:
        client.single_item(region, 999_999_999)
    assert not gone.value.is_forbidden
    sandbox.set_fault("forbidden", endpoint="item")
    with pytest.raises(NotThereError) as hidden:
        client.single_item(region, there.id + 1)
    assert hidden.value.is_forbidden


# The item search


def walked(client: BlizzardClient) -> list[list[Item]]:
    """Every page of the search that lists anything."""
    pages: list[list[Item]] = []
    last, more = 0, True
    while more:
        page = client.items_after(Region.EU, last).value
        pages += [list(page.items)] if page.items else []
        last, more = page.last_id, page.more
    return pages


def test_the_search_walks_every_item_by_rising_id(
    make_sandbox: Callable[..., Sandbox], make_transport: Callable[..., Transport]
) -> None:
    sandbox = make_sandbox(items=2_300, auctions=100)
    client = BlizzardClient(make_transport(sandbox), api_url=sandbox.api_url, locale="de_DE")
    pages = walked(client)
    assert [len(page) for page in pages[:-1]] == [SEARCH_PAGE_SIZE] * (len(pages) - 1)
    items = [item for page in pages for item in page]
    ids = [item.id for item in items]
    assert ids == sorted(set(ids))
    catalogue = sandbox.catalogue.items
    assert set(ids) <= catalogue.keys()
    assert len(ids) > 0.9 * len(catalogue)
    assert {item.name for item in items} <= {
        name for one in catalogue.values() for name in (one.name.in_locale("de_DE"), one.name.in_locale("en_US"))
    }


def searched(documents: list[dict[str, Any]]) -> Callable[[Asked], Said]:
    """Answer the token, then these pages, the last of them for ever."""

    def answer(asked: Asked) -> Said:
        if asked.path == "/token":
            return token_answer()
        document = documents.pop(0) if len(documents) > 1 else documents[0]
        return Said(body=written(document))

    return answer


def page(ids: list[int], *, capped: bool) -> dict[str, Any]:
    results = [{"data": {"id": number, "name": {"en_US": "x"}, "item_class": None}} for number in ids]
    return {"results": results} | ({"resultCountCapped": True} if capped else {})


@pytest.mark.parametrize(
    "pages",
    [[page([1, 2], capped=True)], [page([1, 2], capped=True), page([], capped=True)]],
    ids=["the same again", "nothing"],
)
def test_a_search_that_leads_nowhere_is_refused_instead_of_walked_for_ever(
    serve: Serve, make_transport: Callable[..., Transport], pages: list[dict[str, Any]]
) -> None:
    stub = serve(searched(pages))
    client = BlizzardClient(make_transport(oauth_url=f"{stub.url}/token"), api_url=stub.url, locale="en_US")
    with pytest.raises(RefusedAnswerError, match="follows item 2"):
        walked(client)


def test_an_empty_search_is_no_items(serve: Serve, make_transport: Callable[..., Transport]) -> None:
    stub = serve(searched([page([], capped=False)]))
    client = BlizzardClient(make_transport(oauth_url=f"{stub.url}/token"), api_url=stub.url, locale="en_US")
    assert walked(client) == []


# Answers of static data


BUILDS = {name: f"12.0.{number}_6{number}000" for number, name in enumerate(("older", "kept", "newer"))}


def recipe(number: int, *, build: str = BUILDS["kept"]) -> bytes:
    link = f"https://eu.api.blizzard.com/data/wow/recipe/{number}?namespace=static-{build}-eu"
    return written({"_links": {"self": {"href": link}}, "id": number, "name": f"of {build}", "media": {}})


@pytest.fixture
def static(serve: Serve, make_transport: Callable[..., Transport]) -> Callable[..., tuple[BlizzardClient, list[str]]]:
    """A client whose static data are these bodies, one after the other and kept for a day; and what it asks for."""

    def made(*bodies: bytes) -> tuple[BlizzardClient, list[str]]:
        left, asked_for = list(bodies), list[str]()

        def answer(asked: Asked) -> Said:
            if asked.path == "/token":
                return token_answer()
            asked_for.append(asked.path)
            return Said(body=left.pop(0), headers={"Cache-Control": "max-age=86400"})

        stub = serve(answer)
        transport = make_transport(oauth_url=f"{stub.url}/token")
        return BlizzardClient(transport, api_url=f"{stub.url}/{{region}}", locale="de_DE"), asked_for

    return made


def test_static_data_at_hand_is_taken_until_its_build_is_older_than_the_newest(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    client, asked_for = static(recipe(5), recipe(5, build=BUILDS["newer"]))
    for build in (None, BUILDS["older"], BUILDS["kept"]):
        read = client.recipe(Region.EU, 5, build=build)
        assert (read.build, read.value[0].name) == (BUILDS["kept"], f"of {BUILDS['kept']}")
    assert asked_for == ["/eu/data/wow/recipe/5?namespace=static-eu&locale=de_DE"]
    for _ in range(2):
        assert client.recipe(Region.EU, 5, build=BUILDS["newer"]).build == BUILDS["newer"]
    assert len(asked_for) == 2
    assert client.traffic.requests == 1 + 2


def test_an_answer_that_came_just_now_is_taken_though_its_build_is_older(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    client, asked_for = static(recipe(5))
    assert client.recipe(Region.EU, 5, build=BUILDS["newer"]).build == BUILDS["kept"]
    assert len(asked_for) == 1


def test_static_data_that_was_forgotten_is_asked_for_again(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    client, asked_for = static(recipe(5), recipe(5))
    client.recipe(Region.EU, 5)
    client.forget_static()
    client.recipe(Region.EU, 5)
    assert len(asked_for) == 2


def test_the_index_of_professions_is_asked_for_each_time(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    index = written({"professions": [{"id": 171, "name": {"de_DE": "Alchemie", "en_US": "Alchemy"}}]})
    client, asked_for = static(index, index)
    for _ in range(2):
        assert [(one.id, one.name) for one in client.professions(Region.US).value] == [(171, "Alchemie")]
    assert asked_for == ["/us/data/wow/profession/index?namespace=static-us&locale=de_DE"] * 2


def test_an_answer_that_makes_no_sense_is_asked_for_again_and_the_whole_one_kept(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    client, asked_for = static(b"<html>", recipe(6), recipe(5))
    assert client.recipe(Region.EU, 5).value[0].id == 5
    assert len(asked_for) == 3
    assert client.recipe(Region.EU, 5).value[0].id == 5
    assert len(asked_for) == 3


def test_an_answer_that_makes_no_sense_three_times_is_refused_by_its_last(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    client, asked_for = static(b"<html>", b"", recipe(6))
    with pytest.raises(RefusedAnswerError, match="asked for 5, and answered with 6"):
        client.recipe(Region.EU, 5)
    assert len(asked_for) == 3


def test_an_item_of_another_number_is_refused(static: Callable[..., tuple[BlizzardClient, list[str]]]) -> None:
    other = written({"id": 8, "name": "Ore", "item_class": None})
    client, asked_for = static(other, other, other)
    with pytest.raises(RefusedAnswerError, match="asked for 7, and answered with 8"):
        client.single_item(Region.EU, 7)
    assert asked_for[0] == "/eu/data/wow/item/7?namespace=static-eu&locale=de_DE"


def test_kinds_of_slots_are_asked_for_by_their_numbers_and_those_of_another_refused(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    index = written({"slot_types": [{"id": 44, "name": "Spark"}]})
    kind = written({"id": 44, "compatible_categories": [{"id": 61}, {"id": 60}]})
    client, asked_for = static(index, kind, kind, kind, kind)
    assert [one.id for one in client.slot_types(Region.EU).value] == [44]
    assert client.slot_type(Region.EU, 44).value.categories == (60, 61)
    assert [path.partition("?")[0].rpartition("modified-crafting/")[2] for path in asked_for] == [
        "reagent-slot-type/index",
        "reagent-slot-type/44",
    ]
    with pytest.raises(RefusedAnswerError, match="asked for 45, and answered with 44"):
        client.slot_type(Region.EU, 45)


def test_tiers_and_what_they_list_are_asked_for_by_their_numbers(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    tiers = written({"id": 171, "name": None, "skill_tiers": [{"id": 2823, "name": "x"}]})
    tier = written({"id": 2823, "name": "x", "categories": [{"recipes": [{"id": 5, "name": "y"}]}]})
    client, asked_for = static(tiers, tier)
    assert [one.id for one in client.skill_tiers(Region.EU, 171).value] == [2823]
    assert [one.id for one in client.skill_tier(Region.EU, 171, 2823).value.recipes] == [5]
    assert [path.partition("?")[0] for path in asked_for] == [
        "/eu/data/wow/profession/171",
        "/eu/data/wow/profession/171/skill-tier/2823",
    ]


def test_the_search_asks_for_what_follows_an_item_in_every_locale(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    client, asked_for = static(written(page([6, 7], capped=True)))
    found = client.items_after(Region.EU, 6)
    assert (found.value.last_id, found.value.more) == (7, True)
    assert asked_for == ["/eu/data/wow/search/item?namespace=static-eu&orderby=id&_pageSize=1000&id=%286%2C%29"]


def test_the_last_items_of_a_search_may_end_where_it_began(
    static: Callable[..., tuple[BlizzardClient, list[str]]],
) -> None:
    client, _ = static(written(page([], capped=False)))
    assert client.items_after(Region.EU, 6).value.items == ()
    again, _ = static(*[written(page([6], capped=True))] * 3)
    with pytest.raises(RefusedAnswerError, match="more follows item 6"):
        again.items_after(Region.EU, 6)
