"""The answers of the static endpoints, key by key in the order of the recorded ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.sandbox.catalogue import INVENTORY_TYPES, ITEM_CLASSES, QUALITIES
from ironforge_cli.sandbox.words import SEARCH_LOCALES, Name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.sandbox.catalogue import (
        Catalogue,
        Category,
        InventedItem,
        InventedRecipe,
        InventedSkillTier,
        Profession,
        Quantity,
    )
    from ironforge_cli.sandbox.wire import Json, Style


def _reference(style: Style, path: str, name: Name | None, number: int) -> dict[str, Json]:
    """Write a link with a name and an id; the name is left out where there is none."""
    named: dict[str, Json] = {} if name is None else {"name": style.text(name)}
    return {"key": {"href": style.static(path)}, **named, "id": number}


def _media(style: Style, kind: str, number: int) -> dict[str, Json]:
    return {"key": {"href": style.static(f"media/{kind}/{number}")}, "id": number}


def _typed(style: Style, code: str, word: str) -> dict[str, Json]:
    return {"type": code, "name": style.word(word)}


def profession_index(style: Style, catalogue: Catalogue) -> dict[str, Json]:
    """`/data/wow/profession/index`; its own link says `profession/`."""
    return {
        **style.self_link(style.static("profession/")),
        "professions": [
            _reference(style, f"profession/{profession.id}", profession.name, profession.id)
            for profession in catalogue.professions.values()
        ],
    }


def profession(style: Style, catalogue: Catalogue, found: Profession) -> dict[str, Json]:
    """`/data/wow/profession/{id}`."""
    document: dict[str, Json] = {
        **style.self_link(style.static(f"profession/{found.id}")),
        "id": found.id,
        "name": style.text(found.name),
        "description": style.word(found.description),
        "type": _typed(style, found.type, found.type.capitalize()),
        "media": _media(style, "profession", found.id),
    }
    if found.tiers is not None:
        document["skill_tiers"] = [
            _reference(style, f"profession/{found.id}/skill-tier/{tier}", catalogue.tiers[tier].name, tier)
            for tier in found.tiers
        ]
    return document


def skill_tier(style: Style, catalogue: Catalogue, owner: Profession, tier: InventedSkillTier) -> dict[str, Json]:
    """`/data/wow/profession/{id}/skill-tier/{id}`."""
    document: dict[str, Json] = {
        **style.self_link(style.static(f"profession/{owner.id}/skill-tier/{tier.id}")),
        "id": tier.id,
        "name": style.text(tier.name),
        "minimum_skill_level": 1,
        "maximum_skill_level": tier.maximum_skill_level,
    }
    if tier.categories is not None:
        document["categories"] = [_category(style, catalogue, category) for category in tier.categories]
    return document


def _category(style: Style, catalogue: Catalogue, category: Category) -> dict[str, Json]:
    return {
        "name": None if category.name is None else style.text(category.name),
        "recipes": [_listed_recipe(style, catalogue.recipes[recipe]) for recipe in category.recipes],
    }


def _listed_recipe(style: Style, recipe: InventedRecipe) -> dict[str, Json]:
    return {
        "key": {"href": style.static(f"recipe/{recipe.id}")},
        "name": None if recipe.unnamed_in_tier else style.text(recipe.name),
        "id": recipe.id,
    }


def recipe(style: Style, catalogue: Catalogue, found: InventedRecipe) -> dict[str, Json]:
    """`/data/wow/recipe/{id}`."""
    document: dict[str, Json] = {
        **style.self_link(style.static(f"recipe/{found.id}")),
        "id": found.id,
        "name": style.text(found.name),
    }
    if found.has_description:
        document["description"] = None if found.description is None else style.word(found.description)
    document["media"] = _media(style, "recipe", found.id)
    for key, made in (
        ("crafted_item", found.crafted_item),
        ("alliance_crafted_item", found.alliance_crafted_item),
        ("horde_crafted_item", found.horde_crafted_item),
    ):
        if made is not None:
            document[key] = _reference(style, f"item/{made}", catalogue.items[made].name, made)
    if found.reagents:
        document["reagents"] = _reagents(style, catalogue, found.reagents)
    if found.optional_reagents:
        document["optional_reagents"] = _reagents(style, catalogue, found.optional_reagents)
    if found.rank is not None:
        document["rank"] = found.rank
    if found.crafted_quantity is not None:
        document["crafted_quantity"] = _quantity(found.crafted_quantity)
    if found.slots:
        document["modified_crafting_slots"] = [
            {
                "slot_type": _reference(
                    style, f"modified-crafting/reagent-slot-type/{slot}", catalogue.slot_types[slot], slot
                ),
                "display_order": place,
            }
            for place, slot in enumerate(found.slots)
        ]
    return document


def slot_type_index(style: Style, catalogue: Catalogue) -> dict[str, Json]:
    """`/data/wow/modified-crafting/reagent-slot-type/index`; its own link ends with a slash."""
    return {
        **style.self_link(style.static("modified-crafting/reagent-slot-type/")),
        "slot_types": [
            _reference(style, f"modified-crafting/reagent-slot-type/{slot}", name, slot)
            for slot, name in catalogue.slot_types.items()
        ],
    }


def slot_type(style: Style, catalogue: Catalogue, slot: int) -> dict[str, Json]:
    """`/data/wow/modified-crafting/reagent-slot-type/{id}`: what it fits has no name and no number of units here."""
    name = catalogue.slot_types[slot]
    described: dict[str, Json] = {} if name is None else {"description": style.text(name)}
    return {
        **style.self_link(style.static(f"modified-crafting/reagent-slot-type/{slot}")),
        "id": slot,
        **described,
        "compatible_categories": [
            _reference(style, f"modified-crafting/category/{category}", name, category)
            for category in catalogue.slot_categories[slot]
        ],
    }


def _reagents(style: Style, catalogue: Catalogue, reagents: Sequence[tuple[int, int]]) -> list[Json]:
    return [
        {"reagent": _reference(style, f"item/{item}", catalogue.items[item].name, item), "quantity": quantity}
        for item, quantity in reagents
    ]


def _quantity(made: Quantity) -> dict[str, Json]:
    if made.form == "range":
        return {"minimum": made.minimum, "maximum": made.maximum}
    return {"value": float(made.minimum) if made.form == "float_value" else made.minimum}


def _class_names(item: InventedItem) -> tuple[str, str]:
    name, subclasses = ITEM_CLASSES[item.item_class]
    return name, subclasses[item.item_subclass]


def _looks(style: Style, found: InventedItem) -> dict[str, Json]:
    """What an item and its preview both say of class and slot."""
    class_name, subclass_name = _class_names(found)
    class_path = f"item-class/{found.item_class}"
    return {
        "media": _media(style, "item", found.id),
        "item_class": _reference(style, class_path, Name(class_name), found.item_class),
        "item_subclass": _reference(
            style, f"{class_path}/item-subclass/{found.item_subclass}", Name(subclass_name), found.item_subclass
        ),
        "inventory_type": _typed(style, found.inventory_type, INVENTORY_TYPES[found.inventory_type]),
    }


def item(style: Style, found: InventedItem) -> dict[str, Json]:
    """`/data/wow/item/{id}`."""
    described: dict[str, Json] = {} if found.description is None else {"description": style.word(found.description)}
    quality = _typed(style, found.quality, QUALITIES[found.quality])
    document: dict[str, Json] = {
        **style.self_link(style.static(f"item/{found.id}")),
        "id": found.id,
        "name": style.text(found.name),
        "quality": quality,
        "level": found.level,
        "required_level": found.required_level,
        **_looks(style, found),
        "purchase_price": found.purchase_price,
        "sell_price": found.sell_price,
        "max_count": 1 if found.is_unique else 0,
        "is_equippable": found.is_equippable,
        "is_stackable": found.is_stackable,
        **described,
        "preview_item": _preview(style, found, quality=quality, described=described),
        "purchase_quantity": 1,
    }
    return document | _modified_crafting(style, found)


def _modified_crafting(style: Style, found: InventedItem) -> dict[str, Json]:
    category = found.crafting_category
    if category is None:
        return {}
    return {
        "modified_crafting": {
            "id": found.id % 700,
            "category": _reference(style, f"modified-crafting/category/{category}", found.name, category),
            "description": style.text(found.name),
        }
    }


def _preview(
    style: Style, found: InventedItem, *, quality: dict[str, Json], described: dict[str, Json]
) -> dict[str, Json]:
    preview: dict[str, Json] = {
        "item": {"key": {"href": style.static(f"item/{found.id}")}, "id": found.id},
        "quality": quality,
        "name": style.text(found.name),
        **_looks(style, found),
    }
    if found.is_unique:
        preview |= {
            "binding": {"type": "ON_ACQUIRE", "name": style.word("Binds when picked up")},
            "unique_equipped": style.word("Unique"),
        }
    silver, copper = divmod(found.sell_price, 100)
    gold, silver = divmod(silver, 100)
    preview |= {
        "sell_price": {
            "value": found.sell_price,
            "display_strings": {
                "header": style.word("Sell Price:"),
                "gold": style.word(str(gold)),
                "silver": style.word(str(silver)),
                "copper": style.word(str(copper)),
            },
        },
        **described,
        "is_subclass_hidden": True,
    }
    if found.is_reagent:
        preview["crafting_reagent"] = style.word("Crafting Reagent")
    return preview


def search_result(style: Style, found: InventedItem) -> dict[str, Json]:
    """One result of `/data/wow/search/item`: names are in all locales whatever was asked for."""

    def everywhere(english: str) -> Json:
        return Name(english).in_all(SEARCH_LOCALES)

    class_name, subclass_name = _class_names(found)
    return {
        "key": {"href": style.static(f"item/{found.id}")},
        "data": {
            "level": found.level,
            "required_level": found.required_level,
            "sell_price": found.sell_price,
            "item_subclass": {"name": everywhere(subclass_name), "id": found.item_subclass},
            "is_equippable": found.is_equippable,
            "purchase_quantity": 1,
            "media": {"id": found.id},
            "item_class": {"name": everywhere(class_name), "id": found.item_class},
            "quality": {"name": everywhere(QUALITIES[found.quality]), "type": found.quality},
            "max_count": 1 if found.is_unique else 0,
            "is_stackable": found.is_stackable,
            "name": found.name.in_all(SEARCH_LOCALES),
            "purchase_price": found.purchase_price,
            "id": found.id,
            "inventory_type": {
                "name": everywhere(INVENTORY_TYPES[found.inventory_type]),
                "type": found.inventory_type,
            },
            # Nobody recorded whether the real search says it.
            **_category_everywhere(found),
        },
    }


def _category_everywhere(found: InventedItem) -> dict[str, Json]:
    if found.crafting_category is None:
        return {}
    names = found.name.in_all(SEARCH_LOCALES)
    return {"modified_crafting": {"id": found.id % 700, "category": {"name": names, "id": found.crafting_category}}}
