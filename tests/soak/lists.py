"""Catalogues whose lists lack what the single pages still show, as Blizzard's did on days of a patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.values import replace

if TYPE_CHECKING:
    from ironforge_cli.sandbox.catalogue import Catalogue


def lacking(catalogue: Catalogue, *, amount: float) -> Catalogue:
    """The same with a tier without its categories or its recipes, or an index without a profession.

    Which of these, `amount` says, from 0 to 1.
    """
    # The tier that lists the most, and whose it is.
    number = max(catalogue.tiers, key=lambda tier: _recipes(catalogue, tier))
    tier = catalogue.tiers[number]
    if amount < 1 / 3:
        return replace(catalogue, tiers={**catalogue.tiers, number: replace(tier, categories=None)})
    if amount < 2 / 3:
        return replace(catalogue, tiers={**catalogue.tiers, number: replace(tier, categories=())})
    others = {
        one: profession for one, profession in catalogue.professions.items() if number not in (profession.tiers or ())
    }
    return replace(catalogue, professions=others)


def _recipes(catalogue: Catalogue, tier: int) -> int:
    return sum(len(category.recipes) for category in catalogue.tiers[tier].categories or ())
