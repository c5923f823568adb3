"""Blizzard's JSON into values of the market. Only this module and `commodities` know Blizzard's key names.

Every function takes the body as it came (a UTF-8 byte order mark is no fault) and raises `RefusedAnswerError` where it
is not what the API's documentation and recorded answers say; unknown keys are no fault.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct, field

from ironforge_cli.blizzard.commodities import DEAREST_UNIT, INT32_MAX, Id, Link
from ironforge_cli.blizzard.commodities import commodities as commodities  # noqa: PLC0414 - every answer is read here
from ironforge_cli.blizzard.headers import header, http_time
from ironforge_cli.blizzard.malformed import NOT_JSON, not_json, sentence, without_mark
from ironforge_cli.decoding import learn
from ironforge_cli.errors import RefusedAnswerError
from ironforge_cli.market.catalogue import Faction, Item, ItemPage, Named, Reagent, Recipe, SkillTier, SlotType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
FIRST_TIME: Final = datetime(2004, 1, 1, tzinfo=UTC)
"""The game's first year: nothing of it was published before."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND: Final = 253_402_300_799_999
"""Of the year 9999, the last that a datetime can hold."""
# Links of static data name the game's build: `namespace=static-12.0.1_65617-eu`.
_BUILD: Final = re.compile(rb"[?&]namespace=static-([\w.]{1,40})-[a-z]{2}\b")

# Without `locale` a name is a dictionary of all locales; some names are null.
_Name = str | dict[str, str | None] | None


class _Token(Struct):
    last_updated_timestamp: Annotated[int, Meta(ge=1, le=_LAST_MILLISECOND)]
    price: Annotated[int, Meta(ge=1, le=DEAREST_UNIT)]


class _NamedLink(Struct):
    id: Id
    name: _Name = None


class _Typed(Struct):
    type: str | None = None
    name: _Name = None


class _Professions(Struct):
    professions: list[_NamedLink]


class _Profession(Struct):
    id: Id
    name: _Name
    skill_tiers: list[_NamedLink] | None = None


class _Category(Struct):
    recipes: list[_NamedLink] | None = None


class _Tier(Struct):
    id: Id
    name: _Name
    categories: list[_Category] | None = None


class _Reagent(Struct):
    reagent: _NamedLink
    quantity: Annotated[int, Meta(ge=0, le=INT32_MAX)]


class _Recipe(Struct):
    id: Id
    name: _Name
    media: msgspec.Raw
    """Not read, but every recipe has it, and no other answer that looks like one."""


# What a recipe may say beside these; each alone can be of another shape without making the recipe worthless.
_PARTS: Final[dict[str, Any]] = {
    "crafted_item": _NamedLink,
    "alliance_crafted_item": _NamedLink,
    "horde_crafted_item": _NamedLink,
    "reagents": list[_Reagent],
    "optional_reagents": list[_Reagent],
    "modified_crafting_slots": list[dict[str, Any]],
}
_UNREAD: Final = {"_links", "id", "name", "media", "description", "crafted_quantity", "rank"}


class _Item(Struct):
    id: Id
    name: _Name
    item_class: _Typed | None
    level: Annotated[int, Meta(ge=0, le=INT32_MAX)] | None = None
    item_subclass: _Typed | None = None
    inventory_type: _Typed | None = None
    quality: _Typed | None = None
    is_equippable: bool | None = None
    is_stackable: bool | None = None
    modified_crafting: Any = None
    """Read by itself: it is a detail, and must not cost the item."""


class _CategoryLink(Struct):
    category: Link


class _SlotType(Struct):
    id: Id
    compatible_categories: list[Link] | None = None


class _SlotTypes(Struct):
    slot_types: list[_NamedLink]


class _SearchResult(Struct):
    data: _Item


class _SearchLink(Struct):
    data: Link


class _Search(Struct):
    results: list[msgspec.Raw]
    result_count_capped: bool = field(name="resultCountCapped", default=False)


class _Fault(Struct):
    detail: str | None = None


learn(_Token, _Professions, _Profession, _Tier, _Recipe, _Item, _SlotTypes, _SlotType, _Search, _SearchLink)
learn(_SearchResult, _Fault, _NamedLink, _Typed, _Category, _Reagent, _CategoryLink)


_Answer = TypeVar("_Answer")


def published_at(headers: Mapping[str, str]) -> datetime:
    """A snapshot's identity: `Last-Modified`, aware UTC, whose day Blizzard does not pad.

    Refused where it is missing, no date, or more than 5 minutes ahead of the answer's `Date`.
    """
    given = header(headers, "Last-Modified")
    if given is None:
        raise RefusedAnswerError("Blizzard's answer has no Last-Modified, so that nobody knows which hour it shows.")
    published = http_time(given)
    if published is None:
        raise RefusedAnswerError(f"Blizzard's answer has a Last-Modified that is no date: {given!r}.")
    require_past(published, headers, what="it was last modified")
    if published < FIRST_TIME:
        raise RefusedAnswerError(f"Blizzard's answer has a Last-Modified before the game was: {given!r}.")
    return published


def require_past(moment: datetime, headers: Mapping[str, str], *, what: str) -> None:
    """Refuse a time that is more than 5 minutes ahead of the answer's own `Date`."""
    answered = http_time(header(headers, "Date") or "")
    if answered is not None and moment > answered + FUTURE_TOLERANCE:
        raise RefusedAnswerError(
            f"Blizzard's answer says {what} at {moment.isoformat()}, but it was given at {answered.isoformat()}."
        )


def token_price(body: bytes) -> tuple[datetime, int]:
    """When the price of a WoW token was last set (aware UTC), and the price in copper."""
    token = _decoded(body, _Token)
    return _EPOCH + timedelta(milliseconds=token.last_updated_timestamp), token.price


def professions(body: bytes, *, locale: str) -> list[Named]:
    """The index of professions, pseudo ones included, unordered as Blizzard gives it."""
    return _named(_decoded(body, _Professions).professions, locale)


def skill_tiers(body: bytes, *, locale: str) -> list[Named]:
    """The tiers of a profession; some have none."""
    return _named(_decoded(body, _Profession).skill_tiers or (), locale)


def skill_tier(body: bytes, *, locale: str) -> SkillTier:
    """A tier and the recipes of its categories."""
    tier = _decoded(body, _Tier)
    links = _named((link for category in tier.categories or () for link in category.recipes or ()), locale)
    once = {link.id: link for link in reversed(links)}
    return SkillTier(id=tier.id, name=_localised(tier.name, locale), recipes=tuple(reversed(once.values())))


def slot_types(body: bytes, *, locale: str) -> list[Named]:
    """The index of the kinds of slots that recipes have; some have no name."""
    return _named(_decoded(body, _SlotTypes).slot_types, locale)


def slot_type(body: bytes, *, locale: str) -> SlotType:  # noqa: ARG001 - every answer of static data is read so
    """A kind of slots, and what fits."""
    found = _decoded(body, _SlotType)
    return SlotType(id=found.id, categories=tuple(sorted({link.id for link in found.compatible_categories or ()})))


def build(body: bytes) -> str | None:
    """The game's build that an answer of static data is of, such as `12.0.1_65617`; None where no link names one.

    >>> build(b'{"_links":{"self":{"href":"https://eu.api.blizzard.com/x?namespace=static-12.0.1_65617-eu"}}}')
    '12.0.1_65617'
    """
    found = _BUILD.search(body)
    return found[1].decode("ascii", "replace") if found else None


def recipes(body: bytes, *, locale: str) -> list[Recipe]:
    """A recipe: once, or once per faction where the factions craft different items.

    A part of it that is not of the shape that such parts have, or that nobody has seen before, is among `surprises`
    and stays in `answer`; the rest is read.
    """
    recipe = _decoded(body, _Recipe)
    answer = _storable(_decoded(body, dict[str, Any]))
    surprises = [f"the key {key!r}" for key in answer if key not in _PARTS and key not in _UNREAD]
    parts = {key: _part(answer.get(key), kind, key, surprises) for key, kind in _PARTS.items()}
    by_faction = {
        faction: item.id
        for faction, item in (
            (Faction.ALLIANCE, parts["alliance_crafted_item"]),
            (Faction.HORDE, parts["horde_crafted_item"]),
        )
        if item is not None
    }
    if not by_faction:
        by_faction = {Faction.NEUTRAL: parts["crafted_item"].id if parts["crafted_item"] else None}
    # An item that is listed as both is needed.
    reagents = _reagents(parts["optional_reagents"] or [], optional=True)
    reagents |= _reagents(parts["reagents"] or [], optional=False)
    return [
        Recipe(
            id=recipe.id,
            faction=faction,
            name=_localised(recipe.name, locale),
            crafted_item_id=item_id,
            reagents=tuple(reagents[item] for item in sorted(reagents)),
            answer=answer,
            slots=len(parts["modified_crafting_slots"] or []),
            surprises=tuple(surprises),
        )
        for faction, item_id in by_faction.items()
    ]


def _part(value: Any, kind: Any, key: str, surprises: list[str]) -> Any:
    """A part of a recipe as far as it can be read; None where it is missing or can't be."""
    if value is None:
        return None
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        surprises.append(f"the shape of {key!r} ({sentence(error).rstrip('.')})")
    element = next(iter(get_args(kind)), None)
    if element is None or not isinstance(value, list):
        return None
    # One reagent that makes no sense must not hide the others.
    readable: list[Any] = []
    for one in value:  # pyright: ignore[reportUnknownVariableType] - any JSON
        with contextlib.suppress(msgspec.ValidationError):
            readable.append(msgspec.convert(one, element))
    return readable


def _storable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer that `jsonb` takes: PostgreSQL's texts hold everything but the character 0."""
    text = msgspec.json.encode(answer)
    return msgspec.json.decode(text.replace(rb"\u0000", rb"\ufffd")) if rb"\u0000" in text else answer


def _reagents(links: list[_Reagent], *, optional: bool) -> dict[int, Reagent]:
    """Reagents by item; one that is listed twice takes both quantities."""
    units: dict[int, int] = {}
    for link in links:
        units[link.reagent.id] = units.get(link.reagent.id, 0) + link.quantity
    return {
        item_id: Reagent(item_id=item_id, quantity=min(quantity, INT32_MAX), optional=optional)
        for item_id, quantity in units.items()
    }


def item(body: bytes, *, locale: str) -> Item:
    """One item."""
    return _item(_decoded(body, _Item), locale)


def item_search(body: bytes, *, locale: str) -> ItemPage:
    """A page of the item search; a result that makes no sense is counted, and costs no other."""
    page = _decoded(body, _Search)
    found: list[Item] = []
    last, malformed = 0, 0
    for result in page.results:
        try:
            last = max(last, msgspec.json.decode(result, type=_SearchLink).data.id)
            found.append(_item(msgspec.json.decode(result, type=_SearchResult).data, locale))
        except NOT_JSON:
            malformed += 1
    return ItemPage(items=tuple(found), last_id=last, more=page.result_count_capped, malformed=malformed)


def fault_detail(body: bytes) -> str | None:
    """What Blizzard says of an error, where it says anything: its error bodies are JSON, or HTML from the gateway."""
    try:
        return msgspec.json.decode(without_mark(body), type=_Fault).detail
    except NOT_JSON:
        return None


def _decoded(body: bytes, kind: type[_Answer]) -> _Answer:
    text = without_mark(body)
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise RefusedAnswerError(f"Blizzard's answer is malformed: {sentence(error)}") from error
    except NOT_JSON as error:
        raise RefusedAnswerError(not_json(body, text, error)) from error


def _localised(name: _Name, locale: str) -> str | None:
    """A name in a locale; placeholder items have only English ones, and some only others."""
    if isinstance(name, dict):
        name = next((found for key in (locale, "en_US", "en_GB", *name) if (found := name.get(key))), None)
    # PostgreSQL's texts hold everything but the character 0.
    return name.replace("\0", "\ufffd") if name else name


def _named(links: Iterable[_NamedLink], locale: str) -> list[Named]:
    return [Named(id=link.id, name=_localised(link.name, locale)) for link in links]


def _item(found: _Item, locale: str) -> Item:
    def named(value: _Typed | None) -> str | None:
        return _localised(value.name, locale) if value else None

    return Item(
        id=found.id,
        name=_localised(found.name, locale),
        level=found.level,
        item_class=named(found.item_class),
        item_subclass=named(found.item_subclass),
        inventory_type=named(found.inventory_type),
        is_equippable=found.is_equippable,
        is_stackable=found.is_stackable,
        quality=named(found.quality),
        crafting_category_id=_crafting_category(found.modified_crafting),
    )


def _crafting_category(found: Any) -> int | None:
    """The category of modified crafting that an item says; None where it says none that can be read."""
    with contextlib.suppress(msgspec.ValidationError):
        return msgspec.convert(found, _CategoryLink).category.id
    return None
