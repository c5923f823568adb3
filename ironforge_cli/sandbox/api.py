"""The API without its sockets: a request goes in as a value, an answer comes out as one."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from ironforge_cli.regions import Region
from ironforge_cli.sandbox import documents
from ironforge_cli.sandbox.access import COMMODITIES_POINTS
from ironforge_cli.sandbox.active_faults import ActiveFaults
from ironforge_cli.sandbox.answers import (
    Reply,
    content_headers,
    error_answer,
    json_answer,
    not_modified,
)
from ironforge_cli.sandbox.catalogue import InventedRecipe
from ironforge_cli.sandbox.faults import Edition
from ironforge_cli.sandbox.search import BadSearchError, ItemSearch
from ironforge_cli.sandbox.wire import Json, Style, last_modified, parse_http_date, to_bytes, token_body
from ironforge_cli.sandbox.words import LOCALES, Name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ironforge_cli.sandbox.access import Quota, Tokens
    from ironforge_cli.sandbox.world import World

_DYNAMIC_AGE, _STATIC_AGE = 300, 86_400
_ROUTES = {
    "commodities": re.compile(r"/data/wow/auctions/commodities"),
    "token": re.compile(r"/data/wow/token/(?:index)?"),
    "professions": re.compile(r"/data/wow/profession/(?:index)?"),
    "profession": re.compile(r"/data/wow/profession/(\d+)"),
    "skill_tier": re.compile(r"/data/wow/profession/(\d+)/skill-tier/(\d+)"),
    "recipe": re.compile(r"/data/wow/recipe/(\d+)"),
    "slot_types": re.compile(r"/data/wow/modified-crafting/reagent-slot-type/(?:index)?"),
    "slot_type": re.compile(r"/data/wow/modified-crafting/reagent-slot-type/(\d+)"),
    "item": re.compile(r"/data/wow/item/(\d+)"),
    "item_search": re.compile(r"/data/wow/search/item"),
}
_DYNAMIC = ("commodities", "token")
_NO_RECIPE = InventedRecipe(id=0, name=Name(""), status=404)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that reached the server."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in small letters."""
    form: Mapping[str, str]
    """The fields of a posted form."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and what it was an answer to."""

    answer: Reply
    region: Region | None = None
    endpoint: str | None = None
    fault: str | None = None
    """Name of the fault that struck it."""


def _placed(asked: Asked) -> tuple[Region | None, str]:
    """Find the region that is asked, from the path's first part or the host's, and the path within it.

    >>> asked = Asked(method="GET", path="/eu/data/wow/token/index", query={}, headers={}, form={})
    >>> _placed(asked)
    (<Region.EU: 'eu'>, '/data/wow/token/index')
    """
    first, slash, rest = asked.path.removeprefix("/").partition("/")
    if first in list(Region):
        return Region(first), slash + rest
    host = asked.headers.get("host", "").partition(".")[0]
    return (Region(host) if host in list(Region) else None), asked.path


class Api:
    """Answers as Blizzard's API does, faults included; safe to use from several threads."""

    def __init__(self, world: World, *, tokens: Tokens, quota: Quota, token_answers_304: bool) -> None:
        self._world = world
        self._tokens = tokens
        self._quota = quota
        self._token_answers_304 = token_answers_304
        self._searched = world.catalogue
        self._search = ItemSearch(world.catalogue.searchable)
        self._heads = 0
        self._counting = threading.Lock()
        self.faults = ActiveFaults(world)

    def answer(self, asked: Asked) -> Answered:
        """Answer one request."""
        if asked.path in ("/oauth/token", "/token"):
            return self._granted(asked)
        region, path = _placed(asked)
        if region not in self._world.regions:
            region = None
        refusal = self._refusal(asked, path)
        if refusal is not None:
            return Answered(refusal, region=region)
        for endpoint, route in _ROUTES.items():
            found = route.fullmatch(path)
            if found is not None and region is not None:
                return self._found(asked, region, endpoint, [int(number) for number in found.groups()])
        return Answered(error_answer(404), region=region)

    def _granted(self, asked: Asked) -> Answered:
        if asked.method == "POST":
            authorization = asked.headers.get("authorization")
            # Some clients put the fields of the form into the query, and are let in.
            fields = {**asked.query, **asked.form}
            answer = json_answer(*self._tokens.grant(authorization=authorization, form=fields))
        else:
            error: Json = {
                "error": "invalid_request",
                "error_description": f"Request method {asked.method!r} not supported",
            }
            answer = json_answer(400, to_bytes(error))
        answer, fault = self.faults.applied(
            region=None, endpoint="oauth", path=asked.path, answer=answer, republished=lambda _: answer
        )
        return Answered(answer, endpoint="oauth", fault=fault)

    def _refusal(self, asked: Asked, path: str) -> Reply | None:
        """Say no before looking at what is asked for: wrong method, no good token, too many requests."""
        if asked.method not in ("GET", "HEAD"):
            return error_answer(405)
        # A token in the query is not looked at: the real API refuses it since September 2024.
        if not self._tokens.accepts(asked.headers.get("authorization")):
            return error_answer(401)
        dear = _ROUTES["commodities"].fullmatch(path) is not None
        wait = self._quota.take(points=COMMODITIES_POINTS if dear else 1)
        if wait is not None:
            return error_answer(429, retry_after=wait if self._quota.says_when else None)
        return None

    def _found(self, asked: Asked, region: Region, endpoint: str, numbers: list[int]) -> Answered:
        namespace = asked.query.get("namespace", asked.headers.get("battlenet-namespace"))
        if endpoint in _DYNAMIC:
            allowed = (region.dynamic_namespace,)
        else:
            allowed = (region.static_namespace, f"static-{self._world.build}-{region.value}")
        if namespace is None or namespace not in allowed:
            return Answered(error_answer(403), region=region, endpoint=endpoint)
        locale = asked.query.get("locale")
        known = locale if locale is None or locale in LOCALES else "en_US"
        style = Style(region, locale=known, build=self._world.build)
        if endpoint == "commodities":
            return self._commodities(asked, region)
        if endpoint == "token":
            answer = self._token(asked, style)
        else:
            answer = self._static(asked, style, endpoint, numbers, namespace)
        answer, fault = self.faults.applied(
            region=region, endpoint=endpoint, path=asked.path, answer=answer, republished=lambda _: answer
        )
        return Answered(answer, region=region, endpoint=endpoint, fault=fault)

    def _commodities(self, asked: Asked, region: Region) -> Answered:
        if asked.method == "HEAD":
            return Answered(self._head(region), region=region, endpoint="commodities")
        current, _ = self._world.publications(region)
        answer, fault = self.faults.applied(
            region=region,
            endpoint="commodities",
            path=asked.path,
            answer=_published(Edition.of(current), asked),
            republished=lambda edition: _published(edition, asked),
        )
        return Answered(answer, region=region, endpoint="commodities", fault=fault)

    def _head(self, region: Region) -> Reply:
        """Answer a HEAD as unreliably as the network in front of the API does: each time another way."""
        with self._counting:
            self._heads += 1
            turn = self._heads % 3
        if turn == 1:
            return error_answer(403)
        _, previous = self._world.publications(region)
        modified = None if turn == 2 else last_modified(previous.published_at)  # noqa: PLR2004 - the second of three ways.
        headers = content_headers(modified=modified, max_age=_DYNAMIC_AGE, namespace=region.dynamic_namespace)
        return Reply(status=200, headers=headers)

    def _token(self, asked: Asked, style: Style) -> Reply:
        updated_at, price = self._world.token_price(style.region)
        return _kept(
            asked if self._token_answers_304 else None,
            token_body(style, last_updated=updated_at, price=price),
            modified_at=updated_at,
            max_age=_DYNAMIC_AGE,
            namespace=style.region.dynamic_namespace,
        )

    def _static(self, asked: Asked, style: Style, endpoint: str, numbers: list[int], namespace: str) -> Reply:
        if endpoint == "item_search":
            try:
                body = self._item_search().answer(style, asked.query)
            except BadSearchError:
                return error_answer(400)
        else:
            document = self._document(style, endpoint, numbers)
            if isinstance(document, int):
                return error_answer(document)
            body = to_bytes(document)
        return _kept(asked, body, modified_at=self._world.patched_at, max_age=_STATIC_AGE, namespace=namespace)

    def _item_search(self) -> ItemSearch:
        """The search over the items that there are now: a patch can bring others."""
        catalogue = self._world.catalogue
        with self._counting:
            if self._searched is not catalogue:
                self._searched, self._search = catalogue, ItemSearch(catalogue.searchable)
            return self._search

    def _document(self, style: Style, endpoint: str, numbers: list[int]) -> Json:
        """Return a document, or the status of an answer without one."""
        catalogue = self._world.catalogue
        if endpoint == "professions":
            return documents.profession_index(style, catalogue)
        if endpoint == "slot_types":
            return documents.slot_type_index(style, catalogue)
        if endpoint == "slot_type":
            slot = numbers[0]
            return documents.slot_type(style, catalogue, slot) if slot in catalogue.slot_types else 404
        if endpoint == "item":
            item = catalogue.items.get(numbers[0])
            return 404 if item is None or item.removed else documents.item(style, item)
        if endpoint == "recipe":
            recipe = catalogue.recipes.get(numbers[0], _NO_RECIPE)
            return documents.recipe(style, catalogue, recipe) if recipe.status == HTTPStatus.OK else recipe.status
        return self._profession(style, *numbers)

    def _profession(self, style: Style, profession_id: int, tier_id: int | None = None) -> Json:
        catalogue = self._world.catalogue
        profession = catalogue.professions.get(profession_id)
        if profession is None:
            return 404
        if tier_id is None:
            return documents.profession(style, catalogue, profession)
        if tier_id not in (profession.tiers or ()):
            return 404
        return documents.skill_tier(style, catalogue, profession, catalogue.tiers[tier_id])


def _is_current(asked: Asked, modified_at: datetime) -> bool:
    """Whether the client says that it holds what was published at that time."""
    held = parse_http_date(asked.headers.get("if-modified-since", ""))
    # Headers have whole seconds: what was published within the second that the client names is not newer.
    return held is not None and modified_at < held + timedelta(seconds=1)


def _published(edition: Edition, asked: Asked) -> Reply:
    publication = edition.publication
    namespace = publication.region.dynamic_namespace
    if edition.modified_at is not None and _is_current(asked, edition.modified_at):
        return not_modified(modified_at=edition.modified_at, max_age=_DYNAMIC_AGE, namespace=namespace)
    return Reply(
        status=200,
        headers=content_headers(modified=edition.modified, max_age=_DYNAMIC_AGE, namespace=namespace),
        body=publication.body,
        gzipped=publication.gzipped if "gzip" in asked.headers.get("accept-encoding", "") else None,
    )


def _kept(asked: Asked | None, body: bytes, *, modified_at: datetime, max_age: int, namespace: str) -> Reply:
    """Answer with a body, or 304 where `asked` says that the client holds it."""
    if asked is not None and _is_current(asked, modified_at):
        return not_modified(modified_at=modified_at, max_age=max_age, namespace=namespace)
    headers = content_headers(modified=last_modified(modified_at), max_age=max_age, namespace=namespace)
    return Reply(status=200, headers=headers, body=body)
