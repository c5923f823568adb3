"""One method per endpoint of Blizzard's Game Data API that the tool uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ironforge_cli.blizzard import payloads
from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.errors import CredentialsError, RefusedAnswerError
from ironforge_cli.market.builds import is_newer_build

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.traffic import Traffic
    from ironforge_cli.blizzard.transport import Answer, Transport
    from ironforge_cli.market.catalogue import Item, ItemPage, Named, Recipe, SkillTier, SlotType
    from ironforge_cli.regions import Region

SEARCH_PAGE_SIZE: Final = 1000
"""The most that a search shows, over all its pages."""


_ATTEMPTS: Final = 3
"""At an answer of static data that makes no sense: the next is usually whole."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Read(Generic[_Value]):
    """What an answer of static data says, and the game's build that it is of, where it names one."""

    value: _Value
    build: str | None


class BlizzardClient:
    """Endpoints of every region. Safe to share between threads.

    `api_url` holds `{region}` where the region's name goes, in host or path; `locale` is that of names.
    """

    def __init__(self, transport: Transport, *, api_url: str, locale: str, deadline: Deadline | None = None) -> None:
        self._transport = transport
        self._api_url = api_url
        self._locale = locale
        self._deadline = deadline

    def until(self, deadline: Deadline) -> BlizzardClient:
        """The same API, over the same sessions, whose every wait and attempt ends by a deadline."""
        return BlizzardClient(self._transport, api_url=self._api_url, locale=self._locale, deadline=deadline)

    def commodities(self, region: Region, *, newer_than: datetime | None) -> Answer:
        """The body of a region's commodity auctions; with `newer_than`, only if it is newer.

        The body is not parsed: who stores it needs it as it came. Raises `UnavailableError` or `CredentialsError`.
        """
        try:
            answer = self._dynamic(region, "auctions/commodities", newer_than=newer_than)
        except NotThereError as error:
            if not error.is_forbidden:
                raise
            raise CredentialsError(
                f"{error} Commodities are shown to every API client that is not blocked: "
                "see https://develop.battle.net/access/clients."
            ) from error
        # It takes seconds to judge, and whoever judges it may die meanwhile: then the next run has it at hand.
        answer.keep()
        return answer

    def forget_commodities(self, region: Region) -> None:
        """Drop the cached body of a region, so that the next question reaches Blizzard: that body was refused."""
        self._transport.forget_dynamic(self._url(region, "auctions/commodities"), self._dynamic_params(region))

    def token_price(self, region: Region) -> tuple[datetime, int]:
        """When the price of a WoW token was last set, and the price in copper.

        Raises `UnavailableError`, `CredentialsError` or `RefusedAnswerError`.
        """
        refused: RefusedAnswerError | None = None
        # What is at hand may be what an earlier version kept unread.
        for anew in (False, True):
            answer = self._dynamic(region, "token/index", anew=anew)
            try:
                set_at, price = payloads.token_price(answer.body)
                payloads.require_past(set_at, answer.headers, what="the price of the token was set")
            except RefusedAnswerError as error:
                refused = error
                if answer.from_cache:
                    continue
                raise
            answer.keep()
            return set_at, price
        raise refused or AssertionError("at least one answer was looked at")

    @property
    def locale(self) -> str:
        """That of names."""
        return self._locale

    @property
    def traffic(self) -> Traffic:
        """Requests that were sent so far, and cached answers that were used."""
        return self._transport.counter.traffic

    def forget_static(self) -> None:
        """Drop every cached answer of static data, so that each is asked for again."""
        self._transport.forget_all_static()

    # Static data. `build` is the oldest one that a cached answer may be of: what was kept from before a patch is asked
    # for again. An answer that makes no sense is, too, a few times. All raise `UnavailableError`, `NotThereError`,
    # `CredentialsError` or `RefusedAnswerError`.

    def professions(self, region: Region) -> Read[list[Named]]:
        """The index of professions; asked for each time, since it tells of a new build first."""
        return self._read(region, "profession/index", payloads.professions, anew=True)

    def skill_tiers(
        self, region: Region, profession: int, *, build: str | None = None, anew: bool = False
    ) -> Read[list[Named]]:
        """The tiers of a profession; `anew`, whatever is cached."""
        return self._read(region, f"profession/{profession}", payloads.skill_tiers, build=build, anew=anew)

    def skill_tier(
        self, region: Region, profession: int, tier: int, *, build: str | None = None, anew: bool = False
    ) -> Read[SkillTier]:
        """A tier of a profession, and what it lists; `anew`, whatever is cached."""
        path = f"profession/{profession}/skill-tier/{tier}"
        return self._read(region, path, payloads.skill_tier, build=build, anew=anew)

    def recipe(
        self, region: Region, recipe_id: int, *, build: str | None = None, anew: bool = False
    ) -> Read[list[Recipe]]:
        """A recipe, as each faction crafts it; `anew`, whatever is cached."""

        def parsed(body: bytes, *, locale: str) -> list[Recipe]:
            found = payloads.recipes(body, locale=locale)
            _require_id(found[0].id, recipe_id)
            return found

        return self._read(region, f"recipe/{recipe_id}", parsed, build=build, anew=anew)

    def slot_types(self, region: Region, *, build: str | None = None) -> Read[list[Named]]:
        """The index of the kinds of slots that recipes have."""
        return self._read(region, "modified-crafting/reagent-slot-type/index", payloads.slot_types, build=build)

    def slot_type(self, region: Region, slot_type: int, *, build: str | None = None) -> Read[SlotType]:
        """A kind of slots, and the categories of items that fit."""

        def parsed(body: bytes, *, locale: str) -> SlotType:
            found = payloads.slot_type(body, locale=locale)
            _require_id(found.id, slot_type)
            return found

        return self._read(region, f"modified-crafting/reagent-slot-type/{slot_type}", parsed, build=build)

    def single_item(self, region: Region, item_id: int, *, build: str | None = None) -> Read[Item]:
        """One item, also one that the search misses."""

        def parsed(body: bytes, *, locale: str) -> Item:
            found = payloads.item(body, locale=locale)
            _require_id(found.id, item_id)
            return found

        return self._read(region, f"item/{item_id}", parsed, build=build)

    def items_after(self, region: Region, last: int, *, build: str | None = None) -> Read[ItemPage]:
        """Up to 1,000 items that the search knows beyond an id, by rising id.

        A search shows 1,000 results over all its pages, so that the next has to ask for what follows the last id seen.
        It misses some items that are traded.
        """

        def parsed(body: bytes, *, locale: str) -> ItemPage:
            page = payloads.item_search(body, locale=locale)
            if page.more and page.last_id <= last:
                raise RefusedAnswerError(
                    f"Blizzard's item search says that more follows item {last}, but lists none of it."
                )
            return page

        query = {"orderby": "id", "_pageSize": str(SEARCH_PAGE_SIZE), "id": f"({last},)"}
        return self._read(region, "search/item", parsed, build=build, query=query)

    def _read(
        self,
        region: Region,
        path: str,
        parse: Callable[..., _Value],
        *,
        build: str | None = None,
        query: dict[str, str] | None = None,
        anew: bool = False,
    ) -> Read[_Value]:
        params = {"namespace": region.static_namespace, **({"locale": self._locale} if query is None else query)}
        url = self._url(region, path)
        refused: RefusedAnswerError | None = None
        for _ in range(_ATTEMPTS):
            answer = self._transport.get_static(url, params, anew=anew, deadline=self._deadline)
            # What is asked for again takes the cached answer's place.
            anew = True
            if answer.from_cache and is_newer_build(build, payloads.build(answer.body)):
                answer = self._transport.get_static(url, params, anew=True, deadline=self._deadline)
            try:
                value = Read(parse(answer.body, locale=self._locale), build=payloads.build(answer.body))
            except RefusedAnswerError as error:
                refused = error
                if answer.from_cache:
                    self._transport.forget_static(url, params)
                continue
            answer.keep()
            return value
        raise refused or AssertionError("at least one answer was looked at")

    def _dynamic(
        self,
        region: Region,
        path: str,
        *,
        newer_than: datetime | None = None,
        anew: bool = False,
    ) -> Answer:
        return self._transport.get_dynamic(
            self._url(region, path),
            self._dynamic_params(region),
            newer_than=newer_than,
            anew=anew,
            deadline=self._deadline,
        )

    def _dynamic_params(self, region: Region) -> dict[str, str]:
        return {"namespace": region.dynamic_namespace, "locale": self._locale}

    def _url(self, region: Region, path: str) -> str:
        # Not str.format: a URL can hold other braces.
        return f"{self._api_url.replace('{region}', region.value)}/data/wow/{path}"


def _require_id(found: int, asked: int) -> None:
    if found != asked:
        raise RefusedAnswerError(f"Blizzard was asked for {asked}, and answered with {found}.")
