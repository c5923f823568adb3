"""A source of static data that lists what a test says, without a server: for the rules of what is believed of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from ironforge_cli.blizzard.client import Read
from ironforge_cli.blizzard.traffic import Traffic
from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.errors import RefusedAnswerError, UnavailableError
from ironforge_cli.jobs.catalogue.seed import seed
from ironforge_cli.jobs.catalogue.work import SeededPart, Trial
from ironforge_cli.market.catalogue import Faction, Item, ItemPage, Named, Recipe, SkillTier
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ironforge_cli.db.engine import Database
    from tests.clocks import TickingClock

BUILD = "12.0.1_65617"


@dataclass
class ListedSource:
    """Professions with one tier each, and what becomes of asking for single things. Safe to share between threads."""

    professions_of: Mapping[int, Sequence[int]] = field(default_factory=dict[int, "Sequence[int]"])
    """Ids of recipes, by the number of their profession."""
    away: Collection[int] = ()
    """Professions for which Blizzard is unavailable."""
    without_tier: Collection[int] = ()
    """Professions whose tier is listed and not shown."""
    refused: Collection[int] = ()
    """Recipes or items that make no sense."""
    forbidden: Collection[int] = ()
    gone: Collection[int] = ()
    build: str = BUILD
    build_of_recipes: str = BUILD
    found: Collection[int] = ()
    """Items that the search knows."""
    locale: str = "en_US"
    traffic: Traffic = field(default_factory=lambda: Traffic(requests=0, cache_hits=0))
    forgotten: int = 0
    asked: list[int] = field(default_factory=list[int])
    """Single recipes and items, in any order."""
    searched: list[int] = field(default_factory=list[int])

    def forget_static(self) -> None:
        self.forgotten += 1

    def professions(self, region: Region) -> Read[list[Named]]:
        del region
        return Read([Named(number, f"P{number}") for number in reversed(list(self.professions_of))], self.build)

    def skill_tiers(self, region: Region, profession: int, *, build: str | None = None) -> Read[list[Named]]:
        del region, build
        if profession in self.away:
            raise UnavailableError("503.")
        return Read([Named(10 * profession, "A tier")], self.build)

    def skill_tier(self, region: Region, profession: int, tier: int, *, build: str | None = None) -> Read[SkillTier]:
        del region, build
        if profession in self.without_tier:
            self._not_there(tier, is_forbidden=False)
        listed = tuple(Named(number, f"R{number}") for number in self.professions_of[profession])
        return Read(SkillTier(tier, None, listed), self.build)

    def recipe(self, region: Region, recipe_id: int, *, build: str | None = None) -> Read[list[Recipe]]:
        del region, build
        self._ask(recipe_id)
        recipe = Recipe(recipe_id, Faction.NEUTRAL, None, None, (), {"id": recipe_id})
        return Read([recipe], self.build_of_recipes)

    def items_after(self, region: Region, last: int, *, build: str | None = None) -> Read[ItemPage]:
        del region, build
        self.searched.append(last)
        items = tuple(item(number) for number in sorted(self.found) if number > last)
        return Read(ItemPage(items, items[-1].id if items else 0, more=False, malformed=0), self.build)

    def single_item(self, region: Region, item_id: int, *, build: str | None = None) -> Read[Item]:
        del region, build
        self._ask(item_id)
        return Read(item(item_id), self.build)

    def _ask(self, number: int) -> None:
        self.asked.append(number)
        if number in self.refused:
            raise RefusedAnswerError(f"{number} makes no sense.")
        if number in self.gone or number in self.forbidden:
            self._not_there(number, is_forbidden=number in self.forbidden)

    @staticmethod
    def _not_there(number: int, *, is_forbidden: bool) -> NoReturn:
        raise NotThereError(f"{number} is not shown.", is_forbidden=is_forbidden)


def item(number: int) -> Item:
    return Item(number, f"I{number}", None, None, None, None, None, None, None)


def seeded(
    seeder: str, source: ListedSource, *, database: Database, clock: TickingClock, trial: Trial | None = None
) -> SeededPart:
    """Run one seeder."""
    (part,) = seed(
        (seeder,),
        source=source,
        database=database,
        pending=None,
        region=Region.EU,
        clock=clock,
        at_once=2,
        trial=trial,
    ).parts
    return part
