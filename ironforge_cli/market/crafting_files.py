"""Files about crafting that an operator fetched, read into values; each kind is known by what is in it.

No file is trusted: numbers are in their bounds, or the file is refused with the place and what is wrong.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import msgspec
from msgspec import Meta, Struct

from ironforge_cli.decoding import learn
from ironforge_cli.market import game_tables
from ironforge_cli.market.given_recipes import CraftingFileError, GivenOutput, GivenRecipe, GivenSlot
from ironforge_cli.market.lua_tables import LuaTableError, lua_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LARGEST_BYTES: Final = 64 * 2**20
_INT32: Final = 2**31 - 1
_MOST_COPPER: Final = 10**12
_MOST_RANKS: Final = 5
_Id = Annotated[int, Meta(ge=1, le=_INT32)]
_Units = Annotated[int, Meta(ge=0, le=_INT32)]


@dataclass(frozen=True, slots=True)
class GivenFile:
    """All that a file says."""

    kind: str
    recipes: tuple[GivenRecipe, ...] = ()
    ranks: Mapping[int, int] = field(default_factory=dict[int, int])
    """Of items."""
    prices: Mapping[int, int] = field(default_factory=dict[int, int])
    """What vendors ask for items, copper."""
    spells: Mapping[int, int] = field(default_factory=dict[int, int])
    """Recipes by their spell, of the game's own table."""
    table: game_tables.GameTable | None = None
    """Another of its tables, which says something together with others."""


def read_file(name: str, body: bytes) -> GivenFile:
    """What a file says; `name` tells Lua from the others. Raises `CraftingFileError`."""
    if len(body) > LARGEST_BYTES:
        raise CraftingFileError(f"it is larger than {LARGEST_BYTES >> 20} MB")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CraftingFileError(f"it is no text in UTF-8 (byte {error.start})") from error
    if name.lower().endswith(".lua"):
        return _guild_recipe_dex(text)
    if text.lstrip()[:1] in {"[", "{"}:
        return _json(text)
    return _csv(text)


# Koodattu's files.


class _Quality(Struct):
    itemID: _Id  # noqa: N815 - the file's own name
    rank: Annotated[int, Meta(ge=1, le=_MOST_RANKS)]


class _FileOption(Struct):
    reagentItemID: _Id | None  # noqa: N815 - the file's own name


class _FileSlot(Struct):
    quantity: _Units | None
    required: bool
    options: list[_FileOption]


class _FileRecipe(Struct):
    recipeID: _Id  # noqa: N815 - the file's own name
    recipeName: str  # noqa: N815 - the file's own name
    professionName: str  # noqa: N815 - the file's own name
    reagents: list[_FileSlot]
    outputItemID: _Id | None = None  # noqa: N815 - the file's own name
    outputQuantityMin: float | None = None  # noqa: N815 - the file's own name
    outputQuantityMax: float | None = None  # noqa: N815 - the file's own name
    outputQualities: list[_Quality] = []  # noqa: N815 - the file's own name
    salvageTargets: list[Any] = []  # noqa: N815 - the file's own name


class _FileItem(Struct):
    itemID: _Id | None  # noqa: N815 - the file's own name
    qualityRank: Annotated[int, Meta(ge=1, le=_MOST_RANKS)] | None  # noqa: N815 - the file's own name
    qualityRankSource: str | None  # noqa: N815 - the file's own name


class _VendorItem(Struct):
    price: Annotated[int, Meta(ge=0, le=_MOST_COPPER)]


learn(_Quality, _FileOption, _FileSlot, _FileRecipe, _FileItem, _VendorItem)


# Ranks that the file's author guessed by the order of ids, which is wrong for one thing in eight.
_GUESSED: Final = "inferredByItemIDOrder"


def _json(text: str) -> GivenFile:
    body = text.encode()
    try:
        first = msgspec.json.decode(body)
        if isinstance(first, dict):
            vendors = msgspec.convert(first, dict[str, _VendorItem])
            prices = {_item_of(number): one.price for number, one in vendors.items() if one.price}
            return GivenFile("vendor-prices", prices=prices)
        keys: set[str] = set(first[0]) if first and isinstance(first[0], dict) else set()
        if "recipeID" in keys:
            return _koodattu_recipes(msgspec.convert(first, list[_FileRecipe]))
        if "qualityRank" in keys:
            items = msgspec.convert(first, list[_FileItem])
            known = [
                (one.itemID, one.qualityRank)
                for one in items
                if one.itemID and one.qualityRank and one.qualityRankSource != _GUESSED
            ]
            return GivenFile("koodattu-reagents", ranks=_agreed(known))
    except RecursionError as error:
        raise CraftingFileError("its JSON is nested too deep") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise CraftingFileError(f"its JSON is not as such files are: {error}") from error
    raise CraftingFileError("its JSON is of no kind that is known: docs/crafting.md lists the files")


def _koodattu_recipes(found: Iterable[_FileRecipe]) -> GivenFile:
    recipes: list[GivenRecipe] = []
    ranks: list[tuple[int, int]] = []
    for one in found:
        least, most = one.outputQuantityMin, one.outputQuantityMax
        quantity = (least + most) / 2 if least and most and 0 < least <= most < _INT32 else None
        outputs = [GivenOutput(made.itemID, made.rank, quantity) for made in one.outputQualities]
        ranks += [(made.itemID, made.rank) for made in one.outputQualities]
        if not outputs and one.outputItemID is not None:
            outputs = [GivenOutput(one.outputItemID, None, quantity)]
        slots = [
            GivenSlot(place, option.reagentItemID, None, slot.quantity or None, slot.required)
            for place, slot in enumerate(one.reagents, start=1)
            for option in slot.options
            if option.reagentItemID is not None
        ]
        if any(slot.required and all(option.reagentItemID is None for option in slot.options) for slot in one.reagents):
            # It takes a currency, which no item stands for: not all that it takes can be said.
            slots = []
        recipes.append(
            GivenRecipe(
                f"{one.professionName}: {one.recipeName}",
                spell=one.recipeID,
                tier=one.professionName,
                name=one.recipeName,
                # What turns many things into others by chance makes nothing that is known.
                outputs=() if one.salvageTargets else tuple(outputs),
                slots=tuple(slots),
            )
        )
    return GivenFile("koodattu-recipes", tuple(recipes), ranks=_agreed(ranks))


def _agreed(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Ranks of items; of one that has two nobody knows which."""
    found: dict[int, set[int]] = {}
    for item, rank in pairs:
        found.setdefault(item, set()).add(rank)
    return {item: ranks.pop() for item, ranks in found.items() if len(ranks) == 1}


# GuildRecipeDex.

_KINDS_OF_SLOTS: Final = {"required": True, "modifying": False, "finishing": False}


def _guild_recipe_dex(text: str) -> GivenFile:
    try:
        tables = lua_tables(text)
    except LuaTableError as error:
        raise CraftingFileError(f"its Lua is more than tables, or cut: {error}") from error
    found = next((value for name, value in tables.items() if name.endswith("Catalog.recipes")), None)
    if not found:
        raise CraftingFileError("it has no table Catalog.recipes")
    professions: Any = next((value for name, value in tables.items() if name.endswith("Catalog.professions")), None)
    names = {
        number: str(_table(one, f"the profession {number}").get("name", ""))
        for number, one in _table(professions or {}, "Catalog.professions").items()
    }
    recipes: list[GivenRecipe] = []
    for spell, given in _table(found, "Catalog.recipes").items():
        one = _table(given, f"the recipe {spell}")
        item = _number_in(one.get("item", 0), f"item of {spell}")
        recipes.append(
            GivenRecipe(
                f"spell {spell}",
                spell=_number_in(spell, "a recipe's number", least=1),
                profession=names.get(one.get("skillLine")),
                named_by=item or None,
                outputs=(GivenOutput(item, None, None),) if item else (),
                slots=tuple(_lua_slots(spell, _table(one.get("reagents", {}), f"the reagents of {spell}"))),
            )
        )
    return GivenFile("guildrecipedex", tuple(recipes))


def _lua_slots(spell: Any, reagents: dict[Any, Any]) -> list[GivenSlot]:
    """The slots of a recipe; none where it requires a currency, which no item stands for."""
    found: list[GivenSlot] = []
    place = 0
    for kind, required in _KINDS_OF_SLOTS.items():
        for given in _table(reagents.get(kind, {}), f"the reagents of {spell}").values():
            slot = _table(given, f"a slot of {spell}")
            options = _table(slot.get(2), f"the options of a slot of {spell}")
            quantity = _number_in(slot.get(1), f"a quantity of {spell}")
            place += 1
            if slot.get("c"):
                if required:
                    return []
                continue
            for item in dict.fromkeys(options.values()):
                number = _number_in(item, f"an item of {spell}", least=1)
                found.append(GivenSlot(place, number, None, quantity or None, required))
    return found


def _table(value: Any, what: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise CraftingFileError(f"{what} should be a table, and is not")
    return cast("dict[Any, Any]", value)


def _number_in(value: Any, what: str, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _INT32:
        raise CraftingFileError(f"{what} is {value!r}, and no number from {least} to {_INT32}")
    return value


# Tables of the game, and one's own.

_SPELLS: Final = {"ID", "SkillLine", "Spell"}
_OUTPUTS: Final = ("recipe_id", "item_id", "rank", "quantity")
_SLOTS: Final = ("recipe_id", "slot", "item_id", "rank", "quantity", "required")
_PRICES: Final = ("item_id", "copper")
_TRUTHS: Final = {"true": True, "false": False, "": None}


def _csv(text: str) -> GivenFile:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        if set(columns) >= _SPELLS:
            pairs = _rows(reader, lambda row: (_whole(row, "Spell", least=0), _whole(row, "ID")))
            return GivenFile("skill-line-ability", spells={spell: number for spell, number in pairs if spell})
        if set(columns) == set(_SLOTS):
            return GivenFile("own-slots", _by_recipe(_rows(reader, _slot), outputs=False))
        if set(columns) == set(_OUTPUTS):
            return GivenFile("own-outputs", _by_recipe(_rows(reader, _output), outputs=True))
        if set(columns) == set(_PRICES):
            prices = dict(_rows(reader, lambda row: (_whole(row, "item_id"), _whole(row, "copper", most=_MOST_COPPER))))
            return GivenFile("vendor-prices", prices=prices)
        table = game_tables.name_of(columns)
        if table is not None:
            some = _rows(reader, lambda row: game_tables.row_of(table, row))
            kept = [row for row in some if row is not None]
            return GivenFile("game-tables", table=game_tables.GameTable(table, kept))
    except csv.Error as error:
        raise CraftingFileError(f"line {reader.line_num}: its CSV is broken ({error})") from error
    shown = ",".join(columns)[:80]
    raise CraftingFileError(
        f"it is neither JSON nor a CSV with a header that is known ({shown!r}): docs/crafting.md lists the files"
    )


def _rows(reader: csv.DictReader[str], read: Callable[[dict[str, str]], Any]) -> list[Any]:
    found: list[Any] = []
    for row in reader:
        if None in row or None in row.values():
            raise CraftingFileError(f"line {reader.line_num} has not as many values as the header")
        try:
            found.append(read({key: value.strip() for key, value in row.items()}))
        except ValueError as error:
            raise CraftingFileError(f"line {reader.line_num}: {error}") from error
    if not found:
        raise CraftingFileError("it has a header and no rows")
    return found


def _whole(row: Mapping[str, str], column: str, *, least: int = 1, most: int = _INT32) -> int:
    value = row[column]
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(most)) and least <= int(value) <= most):
        raise ValueError(f"{column} is {value!r}, and no whole number from {least} to {most}")
    return int(value)


def _known(row: Mapping[str, str], column: str, *, most: int = _INT32) -> int | None:
    return _whole(row, column, most=most) if row[column] else None


def _output(row: Mapping[str, str]) -> tuple[int, GivenOutput]:
    quantity = row["quantity"]
    units: float | None = None
    if quantity:
        units = float(quantity)
        if not 0 < units <= _INT32:
            raise ValueError(f"quantity is {quantity!r}, and not above 0")
    rank = _known(row, "rank", most=_MOST_RANKS)
    return _whole(row, "recipe_id"), GivenOutput(_whole(row, "item_id"), rank, units)


def _slot(row: Mapping[str, str]) -> tuple[int, GivenSlot]:
    required = row["required"].lower()
    if required not in _TRUTHS:
        raise ValueError(f"required is {row['required']!r}, and neither true nor false")
    return _whole(row, "recipe_id"), GivenSlot(
        _whole(row, "slot", least=0),
        _whole(row, "item_id"),
        _known(row, "rank", most=_MOST_RANKS),
        _known(row, "quantity"),
        _TRUTHS[required],
    )


def _by_recipe(rows: Iterable[tuple[int, Any]], *, outputs: bool) -> tuple[GivenRecipe, ...]:
    found: dict[int, list[Any]] = {}
    for number, one in rows:
        found.setdefault(number, []).append(one)
    for number, some in found.items():
        keys = [one.item_id if outputs else (one.slot, one.item_id) for one in some]
        if len(set(keys)) < len(keys):
            raise CraftingFileError(f"the recipe {number} has an item twice" + ("" if outputs else " in a slot"))
    return tuple(
        GivenRecipe(
            f"recipe {number}",
            recipe_id=number,
            outputs=tuple(some) if outputs else (),
            slots=() if outputs else tuple(some),
        )
        for number, some in found.items()
    )


def _item_of(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_INT32)) and 1 <= int(text) <= _INT32):
        raise CraftingFileError(f"{text!r} is no number of an item")
    return int(text)
