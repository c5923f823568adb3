"""What each rule sees now: its value by the same answers that every question gives, and whether that is fresh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.answers import items as naming
from ironforge_cli.answers import naming_crafts
from ironforge_cli.answers.answer import HOUR
from ironforge_cli.answers.crafts import crafts
from ironforge_cli.answers.figured_crafts import Wanted
from ironforge_cli.answers.price import price
from ironforge_cli.answers.spread import spread
from ironforge_cli.answers.token import token
from ironforge_cli.db.repositories import asking
from ironforge_cli.errors import UsageError
from ironforge_cli.market.crafting import Crafter
from ironforge_cli.tell.crossings import WatchedRule
from ironforge_cli.wording import how_long

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.answers.price import Price
    from ironforge_cli.regions import Region
    from ironforge_cli.tell.rules import Rule

_TWO: Final = 2


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one rule sees in one region."""

    rule: Rule
    watched: WatchedRule
    label: str
    """The rule's name, or else what it is remembered by."""
    region: Region
    other: Region | None
    """Of a spread, the region that it is compared with."""
    item_id: int | None
    name: str | None
    """Of the item or the recipe."""
    value: float | None
    missing: str
    """Why there is no value, where there is none."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What all rules see, and of what it is."""

    sightings: tuple[Sighting, ...]
    stale: Mapping[str, str]
    """Sources that are stale, by name, and what there is to say of each."""
    fresh: frozenset[str]


@dataclass(frozen=True, slots=True)
class RuleSubject:
    """What a rule is of, found in what is stored."""

    text: str = ""
    item_id: int | None = None
    name: str | None = None
    recipes: frozenset[int] | None = None
    items: frozenset[int] | None = None
    """Of crafts: the items that they make."""


@dataclass(frozen=True, slots=True)
class RulePlace:
    """A rule in a region, before anything is looked at."""

    rule: Rule
    subject: RuleSubject
    region: Region
    other: Region | None
    """Of a spread, the region that it is compared with."""

    @property
    def label(self) -> str:
        """The rule's name, or else what it is remembered by."""
        return self.rule.name or self.rule.identity(self.subject.text)

    @property
    def regions(self) -> tuple[Region, ...]:
        """Those that it looks at."""
        return (self.region,) if self.other is None else (self.region, self.other)

    @property
    def key(self) -> str:
        """What it is remembered by."""
        return f"{self.rule.identity(self.subject.text)} @ {'/'.join(self.regions)}"

    @property
    def sources(self) -> tuple[str, ...]:
        """What its value rests on."""
        tokens = tuple(_of_token(region) for region in self.regions)
        match self.rule.what:
            case "token":
                return tokens
            case "spread":
                return (*self.regions, *tokens)
            case _:
                return self.regions


@dataclass(frozen=True, slots=True)
class _Found:
    value: float | None
    item_id: int | None = None
    name: str | None = None
    missing: str = ""


def look(
    asking_for: Asking,
    rules: Sequence[Rule],
    *,
    all_regions: Sequence[Region],
    is_chosen: bool,
    only: Sequence[str] = (),
) -> Sight:
    """What rules see now, each in its regions or in those asked for; where they were chosen, in those alone.

    With `only`, rules of these items alone. Raises `UsageError` that names the rule's place, where what it is of is
    nothing that is stored.
    """
    places = placed(asking_for, rules, all_regions=all_regions, is_chosen=is_chosen)
    if only:
        places = _of_items(asking_for, places, only, all_regions)
    found: dict[str, _Found] = {}
    bases: dict[str, Basis] = {}
    for see in (_see_prices, _see_costs, _see_tokens, _see_spreads, _see_crafts):
        see(asking_for, places, found, bases)
    stale = {name: _staleness(name, basis, asking_for) for name, basis in bases.items() if basis.stale}
    sightings = tuple(_sighting(place, found.get(place.key, _Found(None))) for place in places)
    return Sight(sightings, stale, frozenset(bases) - set(stale))


def placed(
    asking_for: Asking, rules: Sequence[Rule], *, all_regions: Sequence[Region], is_chosen: bool
) -> list[RulePlace]:
    """What rules are of, and in which regions each looks. Raises as `look`."""
    subjects = _subjects(asking_for, rules, all_regions)
    places = [
        place
        for rule, subject in zip(rules, subjects, strict=True)
        for place in _places(rule, subject, asking_for.regions, all_regions=all_regions, is_chosen=is_chosen)
    ]
    _require_once(places)
    return places


def _of_items(
    asking_for: Asking, places: Sequence[RulePlace], only: Sequence[str], all_regions: Sequence[Region]
) -> list[RulePlace]:
    with asking.reading(asking_for.database) as connection:
        items = {item.item_id for item in naming.all_of(connection, all_regions, only)}
    chosen = [place for place in places if place.subject.item_id in items]
    if not chosen:
        raise UsageError(f"No rule is of {', '.join(only)}: without --below or --above, items choose among the rules.")
    return chosen


def _sighting(place: RulePlace, found: _Found) -> Sighting:
    rule = place.rule
    return Sighting(
        rule=rule,
        watched=WatchedRule(place.key, rule.threshold, place.sources, rule.cooldown, rule.snooze_until),
        label=place.label,
        region=place.region,
        other=place.other,
        item_id=place.subject.item_id if found.item_id is None else found.item_id,
        name=found.name or place.subject.name,
        value=found.value,
        missing=found.missing or "nothing is known of it",
    )


def _subjects(asking_for: Asking, rules: Sequence[Rule], all_regions: Sequence[Region]) -> list[RuleSubject]:
    """What rules are of: items by names that are read once, and recipes."""
    regions = tuple(dict.fromkeys([*all_regions, *(region for rule in rules for region in rule.regions)]))
    found: list[RuleSubject] = []
    with asking.reading(asking_for.database) as connection:
        single = naming.each_single(connection, regions) if any(rule.item for rule in rules) else None
        for rule in rules:
            if rule.item is None or single is None:
                found.append(RuleSubject())
                continue
            item = _told_where(rule, lambda word: single(word), rule.item)  # noqa: PLW0108 - it may be None elsewhere
            of_crafts = frozenset({item.item_id}) if rule.what == "craft_profit" else None
            found.append(RuleSubject(str(item.item_id), item.item_id, item.name, items=of_crafts))
    meant: dict[str, RuleSubject] = {}
    for number, rule in enumerate(rules):
        if rule.recipe is not None:
            if rule.recipe not in meant:
                asked = replace(asking_for, regions=regions)
                meant[rule.recipe] = _told_where(rule, lambda word, asked=asked: _recipe(asked, word), rule.recipe)
            found[number] = meant[rule.recipe]
    return found


def _recipe(asking_for: Asking, word: str) -> RuleSubject:
    recipes, items = naming_crafts.meant(asking_for, word)
    numbers = sorted(recipes or items or ())
    if len(numbers) > 1:
        listed = ", ".join(map(str, numbers))
        raise UsageError(f'"{word}" names several: {listed}. Say which one by its number.')
    if recipes:
        return RuleSubject(f"recipe {numbers[0]}", recipes=recipes)
    return RuleSubject(str(numbers[0]), numbers[0], items=items)


def _told_where(rule: Rule, find: Callable[[str], Any], word: str) -> Any:
    try:
        return find(word)
    except UsageError as error:
        raise UsageError(f"{rule.place}: {error}") from error


def _places(
    rule: Rule, subject: RuleSubject, regions: Sequence[Region], *, all_regions: Sequence[Region], is_chosen: bool
) -> list[RulePlace]:
    if rule.what != "spread":
        named = rule.regions or tuple(regions)
        return [RulePlace(rule, subject, region, None) for region in named if not is_chosen or region in regions]
    first, *others = rule.regions or tuple(all_regions)
    other = next((region for region in (*others, *all_regions) if region is not first), None)
    if other is None:
        raise UsageError(f'{rule.place}: a spread is of two regions: say which, as region = "eu,us".')
    return [RulePlace(rule, subject, first, other)] if not is_chosen or first in regions else []


def _require_once(places: Iterable[RulePlace]) -> None:
    taken: dict[str, str] = {}
    for place in places:
        if place.key in taken:
            raise UsageError(f"{place.rule.place}: the same is watched by the rule of {taken[place.key]}.")
        taken[place.key] = place.rule.place


def _staleness(name: str, basis: Basis, asking_for: Asking) -> str:
    what = "price of the token" if name != basis.region else "snapshot"
    if basis.snapshot_time is None or basis.age_seconds is None:
        return f"{basis.region.label}: no {what} is stored yet, so that no alert can be made of it"
    age = how_long(asking_for.now - basis.snapshot_time)
    return (
        f"{basis.region.label}: data are stale, the newest {what} is of {basis.snapshot_time:%Y-%m-%d %H:%M} UTC, "
        f"{age} old; no alert is made of it until a newer one is there"
    )


def _of_token(region: Region) -> str:
    return f"{region} token"


def _regions_of(places: Iterable[RulePlace]) -> tuple[Region, ...]:
    return tuple(dict.fromkeys(region for place in places for region in place.regions))


def _see_prices(
    asking_for: Asking, places: Sequence[RulePlace], found: dict[str, _Found], bases: dict[str, Basis]
) -> None:
    wanted = [place for place in places if place.rule.what in _OF_PRICES]
    _see_rows(asking_for, wanted, found, bases, units=None)


def _see_costs(
    asking_for: Asking, places: Sequence[RulePlace], found: dict[str, _Found], bases: dict[str, Basis]
) -> None:
    for units in sorted({place.rule.units for place in places if place.rule.units is not None}):
        wanted = [place for place in places if place.rule.units == units]
        _see_rows(asking_for, wanted, found, bases, units=units)


def _see_rows(
    asking_for: Asking,
    wanted: Sequence[RulePlace],
    found: dict[str, _Found],
    bases: dict[str, Basis],
    *,
    units: int | None,
) -> None:
    if not wanted:
        return
    asked = replace(asking_for, regions=_regions_of(wanted))
    answer = price(asked, sorted({place.subject.text for place in wanted}), quantity=units)
    bases.update({basis.region.value: basis for basis in answer.bases})
    rows = {(row.region, row.item_id): row for row in answer.rows}
    for place in wanted:
        row = rows.get((place.region, place.subject.item_id or 0))
        if row is not None:
            found[place.key] = _Found(*_OF_PRICES[place.rule.what if units is None else "cost_of_N"](row))


def _min_price(row: Price) -> tuple[float | None, int, str | None, str]:
    return row.min_price, row.item_id, row.name, "none is for sale"


def _quantity(row: Price) -> tuple[float | None, int, str | None, str]:
    return row.total_quantity, row.item_id, row.name, ""


def _change(row: Price) -> tuple[float | None, int, str | None, str]:
    return row.change_24h, row.item_id, row.name, "its price now or a day before is unknown"


def _below_usual(row: Price) -> tuple[float | None, int, str | None, str]:
    """How far the cheapest unit stands below the usual price, as a fraction; negative above it."""
    value = 1 - row.min_price / row.usual_price if row.min_price is not None and row.usual_price else None
    return value, row.item_id, row.name, "its price, or its usual price of 3 closed days at least, is unknown"


def _cost(row: Any) -> tuple[float | None, int, str | None, str]:
    if row.complete is None:
        return None, row.item_id, row.name, "the newest book is not held any more"
    if not row.complete:
        return None, row.item_id, row.name, f"only {row.units:,} of {row.quantity:,} are for sale"
    return row.cost, row.item_id, row.name, ""


_OF_PRICES: Final[dict[str, Callable[[Any], tuple[float | None, int, str | None, str]]]] = {
    "min_price": _min_price,
    "quantity": _quantity,
    "change_24h": _change,
    "below_usual": _below_usual,
    "cost_of_N": _cost,
}


def _see_tokens(
    asking_for: Asking, places: Sequence[RulePlace], found: dict[str, _Found], bases: dict[str, Basis]
) -> None:
    wanted = [place for place in places if place.rule.what in {"token", "spread"}]
    if not wanted:
        return
    answer = token(replace(asking_for, regions=_regions_of(wanted)), over=HOUR, since=None, until=None)
    bases.update({_of_token(basis.region): basis for basis in answer.bases})
    newest = {row.region: row.price for row in answer.rows}
    for place in wanted:
        if place.rule.what == "token":
            found[place.key] = _Found(newest.get(place.region), name="token")


def _see_spreads(
    asking_for: Asking, places: Sequence[RulePlace], found: dict[str, _Found], bases: dict[str, Basis]
) -> None:
    pairs = dict.fromkeys(place.regions for place in places if place.rule.what == "spread")
    for pair in pairs:
        answer = spread(replace(asking_for, regions=pair), min_turnover=0, limit=0)
        bases.update({basis.region.value: basis for basis in answer.bases})
        rows = {row.item_id: row for row in answer.rows}
        for place in places:
            if place.rule.what == "spread" and place.regions == pair:
                row = rows.get(place.subject.item_id or 0)
                missing = "a price of it, or of a token, is unknown in one of the two regions"
                found[place.key] = _Found(None if row is None else row.ratio, missing=missing)


def _see_crafts(
    asking_for: Asking, places: Sequence[RulePlace], found: dict[str, _Found], bases: dict[str, Basis]
) -> None:
    wanted = [place for place in places if place.rule.what == "craft_profit"]
    for kind in ("recipes", "items"):
        chosen = [place for place in wanted if getattr(place.subject, kind) is not None]
        if not chosen:
            continue
        numbers = frozenset[int]().union(*(getattr(place.subject, kind) for place in chosen))
        only = Wanted(Crafter(), recipes=numbers) if kind == "recipes" else Wanted(Crafter(), items=numbers)
        answer = crafts(replace(asking_for, regions=_regions_of(chosen)), only)
        bases.update({basis.region.value: basis for basis in answer.bases})
        for place in chosen:
            rows = [
                row
                for row in answer.figured.rows
                if row.region is place.region
                and (row.recipe_id if kind == "recipes" else row.item_id) in getattr(place.subject, kind)
            ]
            found[place.key] = _best(rows)


def _best(rows: Sequence[Any]) -> _Found:
    """The most profit of one craft, of several ways to make it."""
    known = [row for row in rows if row.profit is not None]
    if not known:
        why = sorted({reason for row in rows for reason in row.reasons})
        names = {row.name for row in rows}
        missing = f"no profit is known: {', '.join(why)}" if rows else "no recipe that is stored makes it"
        return _Found(None, name=names.pop() if len(names) == 1 else None, missing=missing)
    row = max(known, key=lambda one: one.profit)
    return _Found(row.profit, row.item_id, row.name)
