from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from ironforge_cli.sandbox.access import Limits
from ironforge_cli.sandbox.stand_in import Sandbox
from ironforge_cli.sandbox.words import SEARCH_LOCALES

Ask = Callable[..., requests.Response]


def found(answer: requests.Response) -> list[int]:
    return [result["data"]["id"] for result in answer.json()["results"]]


@pytest.fixture(scope="module")
def big() -> Any:
    limits = Limits(per_second=None, per_hour=None)
    with Sandbox(seed=3, auctions=100, items=2_600, recipes=0, commodities=40, limits=limits) as sandbox:
        yield sandbox


@pytest.fixture
def ask_big(big: Sandbox, asker: Callable[[Sandbox], Ask]) -> Ask:
    return asker(big)


def test_walking_by_id_finds_every_searchable_item_once(big: Sandbox, ask_big: Ask) -> None:
    seen: list[int] = []
    for _ in range(10):
        last = seen[-1] if seen else 0
        answer = ask_big("search/item", _pageSize=1000, orderby="id", id=f"({last},)")
        seen += found(answer)
        if "resultCountCapped" not in answer.json():
            break
    expected = [item.id for item in big.catalogue.items.values() if not (item.removed or item.unsearchable)]
    assert len(expected) > 2_000
    assert seen == expected


def test_a_search_never_has_more_than_a_thousand_results_over_all_its_pages(ask_big: Ask) -> None:
    answers = [ask_big("search/item", _pageSize=300, _page=page, orderby="id").json() for page in (1, 4, 5)]
    shapes = [(one["page"], one["pageSize"], one["maxPageSize"], one["pageCount"]) for one in answers]
    assert shapes == [(1, 300, 300, 4), (4, 100, 300, 4), (5, 0, 300, 4)]
    assert all(one["resultCountCapped"] is True for one in answers)
    keys = ["page", "pageSize", "maxPageSize", "pageCount", "resultCountCapped", "results"]
    assert list(answers[0]) == keys


def test_the_cap_is_not_mentioned_where_nothing_was_cut(big: Sandbox, ask_big: Ask) -> None:
    ids = [item.id for item in big.catalogue.searchable]
    exactly = ask_big("search/item", id=f"[{ids[0]},{ids[999]}]", _pageSize=5000)
    assert "resultCountCapped" not in exactly.json()
    assert (exactly.json()["pageSize"], exactly.json()["maxPageSize"]) == (1000, 1000)
    one_more = ask_big("search/item", id=f"[{ids[0]},{ids[1000]}]", _pageSize=1000)
    assert one_more.json()["resultCountCapped"] is True
    assert found(one_more) == found(exactly)


def test_ranges_alternatives_and_order(big: Sandbox, ask_big: Ask) -> None:
    ids = [item.id for item in big.catalogue.searchable]
    assert found(ask_big("search/item", id=f"[{ids[3]},{ids[6]}]")) == ids[3:7]
    assert found(ask_big("search/item", id=f"({ids[3]},{ids[6]})")) == ids[4:6]
    assert found(ask_big("search/item", id=f"(,{ids[2]}]")) == ids[:3]
    assert found(ask_big("search/item", id=f"{ids[9]}||{ids[1]}||[{ids[8]},{ids[9]}]")) == [ids[1], ids[8], ids[9]]
    assert found(ask_big("search/item", orderby="id:desc", _pageSize=3)) == ids[:-4:-1]
    assert len(found(ask_big("search/item"))) == 100


def test_filters_by_other_fields(big: Sandbox, ask_big: Ask) -> None:
    items = big.catalogue.searchable
    epic = [item.id for item in items if item.quality == "EPIC" and item.is_equippable]
    assert epic
    answer = ask_big("search/item", _pageSize=1000, **{"quality.type": "EPIC", "is_equippable": "true"})
    assert found(answer) == epic
    name = items[0].name.english
    named = found(ask_big("search/item", _pageSize=1000, **{"name.en_US": name}))
    words = set(name.casefold().split())
    assert items[0].id in named
    assert set(named) == {item.id for item in items if words & set(item.name.english.casefold().split())}
    assert found(ask_big("search/item", **{"no.such.field": "1"})) == []


@pytest.mark.parametrize("query", [{"id": "seven"}, {"_page": "0"}, {"_pageSize": "many"}, {"orderby": "colour"}])
def test_a_search_that_makes_no_sense_is_a_bad_request(ask_big: Ask, query: dict[str, str]) -> None:
    assert ask_big("search/item", **query).status_code == 400


def test_names_in_results_are_in_all_locales_whatever_was_asked_for(big: Sandbox, ask_big: Ask) -> None:
    item = next(item for item in big.catalogue.searchable if not item.name.only_english)
    for locale in (None, "de_DE"):
        result = ask_big("search/item", id=item.id, locale=locale).json()["results"][0]["data"]
        assert list(result["name"]) == list(SEARCH_LOCALES)
        assert result["name"]["en_US"] == item.name.english


def test_a_result_says_the_same_as_the_item_itself(big: Sandbox, ask_big: Ask) -> None:
    for item in big.catalogue.searchable[::400]:
        result = ask_big("search/item", id=item.id).json()["results"][0]
        alone = ask_big(f"item/{item.id}").json()
        assert result["key"]["href"] == alone["_links"]["self"]["href"]
        for key in ("id", "level", "required_level", "is_equippable", "is_stackable", "max_count", "sell_price"):
            assert result["data"][key] == alone[key]
        assert result["data"]["quality"]["type"] == alone["quality"]["type"]
        assert result["data"]["inventory_type"]["type"] == alone["inventory_type"]["type"]
        for key in ("item_class", "item_subclass"):
            assert result["data"][key]["id"] == alone[key]["id"]


def test_some_items_on_sale_are_not_found_by_the_search_and_some_are_gone(big: Sandbox, ask_big: Ask) -> None:
    unsearchable = next(item for item in big.catalogue.items.values() if item.unsearchable and not item.removed)
    removed = next(item for item in big.catalogue.items.values() if item.removed)
    assert found(ask_big("search/item", id=f"{unsearchable.id}||{removed.id}")) == []
    assert ask_big(f"item/{unsearchable.id}").status_code == 200
    assert ask_big(f"item/{removed.id}").status_code == 404
