"""One method per endpoint of Blizzard's Game Data API that the tool uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ironforge_cli.blizzard import payloads
from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.errors import CredentialsError, RefusedAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from ironforge_cli.blizzard.transport import Answer, Transport
    from ironforge_cli.market.catalogue import Item
    from ironforge_cli.regions import Region

SEARCH_PAGE_SIZE: Final = 1000
"""The most that a search shows, over all its pages."""


class BlizzardClient:
    """Endpoints of every region. Safe to share between threads.

    `api_url` holds `{region}` where eu or us goes, in host or path; `locale` is that of names.
    """

    def __init__(self, transport: Transport, *, api_url: str, locale: str) -> None:
        self._transport = transport
        self._api_url = api_url
        self._locale = locale

    def commodities(
        self, region: Region, *, newer_than: datetime | None, when_new: Callable[[], None] | None = None
    ) -> Answer:
        """The body of a region's commodity auctions; with `newer_than`, only if it is newer.

        The body is not parsed: who stores it needs it as it came. `when_new` is called as soon as it is known that one
        comes, before it does. Raises `UnavailableError` or `CredentialsError`.
        """
        try:
            return self._dynamic(region, "auctions/commodities", newer_than=newer_than, when_new=when_new)
        except NotThereError as error:
            if not error.is_forbidden:
                raise
            raise CredentialsError(
                f"{error} Commodities are shown to every API client that is not blocked: "
                "see https://develop.battle.net/access/clients."
            ) from error

    def forget_commodities(self, region: Region) -> None:
        """Drop the cached body of a region, so that the next question reaches Blizzard: that body was refused."""
        self._transport.forget_dynamic(self._url(region, "auctions/commodities"), self._dynamic_params(region))

    def token_price(self, region: Region) -> tuple[datetime, int]:
        """When the price of a WoW token was last set, and the price in copper.

        Raises `UnavailableError`, `CredentialsError` or `RefusedAnswerError`.
        """
        answer = self._dynamic(region, "token/index", newer_than=None)
        set_at, price = payloads.token_price(answer.body)
        payloads.require_past(set_at, answer.headers, what="the price of the token was set")
        return set_at, price

    def items(self, region: Region) -> Generator[list[Item]]:
        """Every item that the search knows, by rising id, up to 1,000 a time.

        A search shows 1,000 results over all its pages, so each asks for what follows the last id seen. It misses
        some items that are traded. Raises as `token_price`.
        """
        last = 0
        while True:
            answer = self._static(
                region,
                "search/item",
                {"orderby": "id", "_pageSize": str(SEARCH_PAGE_SIZE), "id": f"({last},)"},
            )
            found, more = payloads.item_search(answer.body, locale=self._locale)
            if found:
                yield found
            if not more:
                return
            highest = max((item.id for item in found), default=last)
            if highest <= last:
                raise RefusedAnswerError(
                    f"Blizzard's item search says that more follows item {last}, but lists none of it."
                )
            last = highest

    def item(self, region: Region, item_id: int) -> Item | None:
        """One item; None where Blizzard has none of that number, or doesn't show it (404, 403). Raises as above."""
        try:
            answer = self._static(region, f"item/{item_id}", {"locale": self._locale})
        except NotThereError:
            return None
        return payloads.item(answer.body, locale=self._locale)

    def _dynamic(
        self, region: Region, path: str, *, newer_than: datetime | None, when_new: Callable[[], None] | None = None
    ) -> Answer:
        return self._transport.get_dynamic(
            self._url(region, path), self._dynamic_params(region), newer_than=newer_than, when_new=when_new
        )

    def _dynamic_params(self, region: Region) -> dict[str, str]:
        return {"namespace": region.dynamic_namespace, "locale": self._locale}

    def _static(self, region: Region, path: str, params: dict[str, str]) -> Answer:
        params = {"namespace": region.static_namespace, **params}
        return self._transport.get_static(self._url(region, path), params)

    def _url(self, region: Region, path: str) -> str:
        # Not str.format: a URL can hold other braces.
        return f"{self._api_url.replace('{region}', region.value)}/data/wow/{path}"
