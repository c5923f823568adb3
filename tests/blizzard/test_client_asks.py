"""What the client asks for: each path, namespace and query, and whether what is cached is good enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.transport import Answer
from ironforge_cli.errors import RefusedAnswerError, UnavailableError
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable

STATIC = {"namespace": "static-eu", "locale": "de_DE"}
DYNAMIC = {"namespace": "dynamic-eu", "locale": "de_DE"}


class Asking:
    """A transport that notes what it is asked, and has no answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bool]] = []

    def get(self, url: str, params: dict[str, str], *, anew: bool = False, **_: Any) -> None:
        self.asked.append((url.removeprefix("https://eu.x{0}/data/wow/"), params, anew))
        raise UnavailableError("Away.")

    get_dynamic = get_static = get


Ask: TypeAlias = "Callable[[BlizzardClient], object]"
ASKS: Final[list[tuple[Ask, str, dict[str, str], bool]]] = [
    (lambda client: client.professions(Region.EU), "profession/index", STATIC, True),
    (lambda client: client.skill_tiers(Region.EU, 171), "profession/171", STATIC, False),
    (lambda client: client.skill_tiers(Region.EU, 171, anew=True), "profession/171", STATIC, True),
    (lambda client: client.skill_tier(Region.EU, 171, 7), "profession/171/skill-tier/7", STATIC, False),
    (lambda client: client.skill_tier(Region.EU, 171, 7, anew=True), "profession/171/skill-tier/7", STATIC, True),
    (lambda client: client.recipe(Region.EU, 5), "recipe/5", STATIC, False),
    (lambda client: client.recipe(Region.EU, 5, anew=True), "recipe/5", STATIC, True),
    (lambda client: client.slot_types(Region.EU), "modified-crafting/reagent-slot-type/index", STATIC, False),
    (lambda client: client.slot_type(Region.EU, 9), "modified-crafting/reagent-slot-type/9", STATIC, False),
    (lambda client: client.single_item(Region.EU, 3), "item/3", STATIC, False),
    (
        # A search shows every locale.
        lambda client: client.items_after(Region.EU, 3),
        "search/item",
        {"namespace": "static-eu", "orderby": "id", "_pageSize": "1000", "id": "(3,)"},
        False,
    ),
    (lambda client: client.token_price(Region.EU), "token/index", DYNAMIC, False),
    (lambda client: client.commodities(Region.EU, newer_than=None), "auctions/commodities", DYNAMIC, False),
]


@pytest.mark.parametrize(("ask", "path", "params", "anew"), ASKS)
def test_each_thing_has_its_place_and_is_asked_anew_where_that_is_said(
    ask: Ask, path: str, params: dict[str, str], *, anew: bool
) -> None:
    asking: Any = Asking()
    with pytest.raises(UnavailableError):
        ask(BlizzardClient(asking, api_url="https://{region}.x{0}", locale="de_DE"))
    assert asking.asked == [(path, params, anew)]


class Garbled:
    """A transport whose answers make no sense, the first of them from the cache where that is said."""

    def __init__(self, *, is_cached: bool) -> None:
        self.asked: list[bool] = []
        self.forgotten: list[str] = []
        self._is_cached = is_cached

    def get_static(self, url: str, params: dict[str, str], *, anew: bool, **_: Any) -> Answer:
        del url, params
        self.asked.append(anew)
        return Answer(200, b"{}", {}, from_cache=self._is_cached and not anew)

    def forget_static(self, url: str, params: dict[str, str]) -> None:
        self.forgotten.append(f"{url} {params['namespace']}")


@pytest.mark.parametrize(("is_cached", "forgotten"), [(False, []), (True, ["eu/data/wow/recipe/5 static-eu"])])
def test_what_makes_no_sense_is_asked_for_anew_and_a_cached_answer_goes(
    forgotten: list[str], *, is_cached: bool
) -> None:
    garbled: Any = Garbled(is_cached=is_cached)
    with pytest.raises(RefusedAnswerError):
        BlizzardClient(garbled, api_url="{region}", locale="de_DE").recipe(Region.EU, 5)
    assert (garbled.asked, garbled.forgotten) == ([False, True, True], forgotten)
