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
from ironforge_cli.market.catalogue import Faction, Item, ItemPage, Named, Reagent, Recipe, SkillTier, SlotType
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.catalogue.work import SeedProgress
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
    unlisted: Collection[int] = ()
    """Recipes that are shown though no list names them."""
    gone_when_asked_again: bool = False
    """Whether recipes are shown only once."""
    empty_once: set[int] = field(default_factory=set[int])
    """Professions whose tier lists nothing the first time."""
    untiered_once: set[int] = field(default_factory=set[int])
    """Professions that name no tier the first time."""
    untiered: Collection[int] = ()
    """Professions that name none at all."""
    takes: Mapping[int, Sequence[Sequence[int]]] = field(default_factory=dict[int, "Sequence[Sequence[int]]"])
    """Items that a recipe takes, answer after answer; the last stays."""
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
    indexed: int = 0
    """How often the index of professions was asked for."""
    lists: dict[tuple[int, str], list[bool]] = field(default_factory=dict[tuple[int, str], "list[bool]"])
    """Professions that were asked for their tiers (""), or for what those list ("A"): whether that was anew."""

    def forget_static(self) -> None:
        self.forgotten += 1

    def professions(self, region: Region) -> Read[list[Named]]:
        del region
        self.indexed += 1
        return Read([Named(number, f"P{number}") for number in reversed(list(self.professions_of))], self.build)

    def skill_tiers(
        self, region: Region, profession: int, *, build: str | None = None, anew: bool = False
    ) -> Read[list[Named]]:
        del region, build
        self.lists.setdefault((profession, ""), []).append(anew)
        if profession in self.away:
            raise UnavailableError("503.")
        if profession in self.untiered:
            return Read([], self.build)
        if profession in self.untiered_once:
            self.untiered_once.remove(profession)
            return Read([], self.build)
        return Read([Named(10 * profession, "A tier")], self.build)

    def skill_tier(
        self, region: Region, profession: int, tier: int, *, build: str | None = None, anew: bool = False
    ) -> Read[SkillTier]:
        del region, build
        self.lists.setdefault((profession, "A"), []).append(anew)
        if profession in self.without_tier:
            self._not_there(tier, is_forbidden=False)
        numbers = self.professions_of[profession]
        if profession in self.empty_once:
            self.empty_once.remove(profession)
            numbers = list[int]()
        listed = tuple(Named(number, f"R{number}") for number in numbers)
        return Read(SkillTier(tier, None, listed), self.build)

    def recipe(
        self, region: Region, recipe_id: int, *, build: str | None = None, anew: bool = False
    ) -> Read[list[Recipe]]:
        del region, build, anew
        times = self.asked.count(recipe_id)
        self._ask(recipe_id)
        listed = {number for numbers in self.professions_of.values() for number in numbers}
        if times and self.gone_when_asked_again:
            self._not_there(recipe_id, is_forbidden=False)
        if recipe_id not in listed and recipe_id not in self.unlisted:
            self._not_there(recipe_id, is_forbidden=False)
        answers = self.takes.get(recipe_id, [[]])
        taken = answers[min(times, len(answers) - 1)]
        answer = {
            "_links": {"self": {"href": "https://eu.api.blizzard.com/"}},
            "media": {"key": {"href": "https://eu.api.blizzard.com/"}, "id": recipe_id},
            "id": recipe_id,
            "name": f"R{recipe_id}",
            "reagents": [{"reagent": {"id": one, "name": f"I{one}"}, "quantity": 1} for one in taken],
        }
        reagents = tuple(Reagent(one, 1, optional=False) for one in taken)
        recipe = Recipe(recipe_id, Faction.NEUTRAL, None, None, reagents, answer)
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

    def slot_type(self, region: Region, slot_type: int, *, build: str | None = None) -> Read[SlotType]:
        del region, build
        self._ask(slot_type)
        return Read(SlotType(slot_type, ()), self.build)

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
    seeder: str,
    source: ListedSource,
    *,
    database: Database,
    clock: TickingClock,
    trial: Trial | None = None,
    progress: SeedProgress | None = None,
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
        progress=progress,
    ).parts
    return part
