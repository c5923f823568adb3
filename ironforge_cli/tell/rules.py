"""Rules of what to watch: what they may say, and that they say nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, cast

from ironforge_cli.errors import UsageError
from ironforge_cli.regions import Region
from ironforge_cli.tell.amounts import Measure, amount, exact, moment, said, span
from ironforge_cli.tell.crossings import Threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

WHATS: Final[Mapping[str, Measure]] = {
    "min_price": Measure.MONEY,
    "cost_of_N": Measure.MONEY,
    "quantity": Measure.UNITS,
    "change_24h": Measure.SHARE,
    "below_usual": Measure.SHARE,
    "token": Measure.MONEY,
    "craft_profit": Measure.MONEY,
    "spread": Measure.RATIO,
}
"""What can be watched, and in which measure."""
KEYS: Final = (
    *("name", "item", "recipe", "region", "what", "below", "above"),
    *("cooldown", "rearm", "snooze_until", "note"),
)
USUAL_REARM: Final = 0.03
_NEVER_NEGATIVE: Final = {"min_price", "cost_of_N", "quantity", "token", "spread"}
_COST: Final = re.compile(r"cost_of_(\d+)", re.ASCII)
_MOST_UNITS: Final = 10**12
_LONGEST_NAME: Final = 100
_LONGEST_NOTE: Final = 300
_LARGEST_REARM: Final = 1_000
_MOST_DIGITS: Final = 13


@dataclass(frozen=True, slots=True)
class Rule:
    """What somebody wants to be told of."""

    place: str
    """Where it stands, for errors: a line of a file, or the arguments."""
    what: str
    """As it was written, such as cost_of_200."""
    threshold: Threshold
    item: str | None = None
    """A number or a name."""
    recipe: str | None = None
    regions: tuple[Region, ...] = ()
    """Each by itself; of a spread, these two. Empty: those that are asked for."""
    cooldown: timedelta = timedelta()
    snooze_until: datetime | None = None
    name: str | None = None
    note: str | None = None

    @property
    def units(self) -> int | None:
        """Of cost_of_N the N."""
        found = _COST.fullmatch(self.what)
        return int(found[1]) if found else None

    @property
    def measure(self) -> Measure:
        """What kind of number it compares."""
        return measure_of(self.what)

    @property
    def side(self) -> str:
        """Below or above."""
        return "above" if self.threshold.is_above else "below"

    def identity(self, subject: str) -> str:
        """What it is remembered by, of an item or a recipe by number: note, name and cooldown can change."""
        return " ".join(part for part in (self.what, subject, self.side, exact(self.threshold.value)) if part)

    def sentence(self) -> str:
        """The threshold, for people.

        >>> Rule("", "min_price", Threshold(125000, is_above=False)).sentence()
        'below 12g 50s'
        """
        return f"{self.side} {said(self.threshold.value, self.measure)}"


def measure_of(what: str) -> Measure:
    """In which measure something is that can be watched.

    >>> measure_of("cost_of_200").name, measure_of("spread").name
    ('MONEY', 'RATIO')
    """
    return WHATS["cost_of_N" if _COST.fullmatch(what) else what]


def one_rule(given: Mapping[str, Any], *, place: Callable[[str | None], str]) -> Rule:
    """A rule of its keys; `place` says where a key stands, or the rule. Raises `UsageError`."""

    def refuse(key: str | None, message: str) -> UsageError:
        return UsageError(f"{place(key)}: {message}.")

    for key in given:
        if key not in KEYS:
            raise refuse(key, f"there is no key {key!r}{_nearest(key, KEYS)}; keys are {', '.join(KEYS)}")
    what = _what(given, refuse)
    kind = "cost_of_N" if _COST.fullmatch(what) else what
    item, recipe = _subject(given, kind, refuse)
    threshold = _threshold(given, kind, refuse)
    return Rule(
        place=place(None),
        what=what,
        threshold=threshold,
        item=item,
        recipe=recipe,
        regions=_regions(given, kind, refuse),
        cooldown=_read(given, "cooldown", span, refuse) or timedelta(),
        snooze_until=_read(given, "snooze_until", moment, refuse),
        name=_line(given, "name", _LONGEST_NAME, refuse),
        note=_line(given, "note", _LONGEST_NOTE, refuse),
    )


def _nearest(name: str, known: Any) -> str:
    close = get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _what(given: Mapping[str, Any], refuse: Callable[[str | None, str], UsageError]) -> str:
    known = ", ".join(WHATS)
    if "what" not in given:
        raise refuse(None, f"`what` is missing: one of {known}")
    what = given["what"]
    if not isinstance(what, str):
        raise refuse("what", f"what = {what!r} is not one of {known}")
    cost = _COST.fullmatch(what)
    if cost is not None and len(cost[1]) <= _MOST_DIGITS and 1 <= int(cost[1]) <= _MOST_UNITS:
        return f"cost_of_{int(cost[1])}"
    if what.startswith("cost_of_") or what == "cost_of":
        raise refuse("what", f"what = {what!r}: N of cost_of_N is a number of units from 1 on, as in cost_of_200")
    if what not in WHATS:
        raise refuse("what", f"what = {what!r} is not one of {known}{_nearest(what, WHATS)}")
    return what


def _subject(
    given: Mapping[str, Any], kind: str, refuse: Callable[[str | None, str], UsageError]
) -> tuple[str | None, str | None]:
    found: dict[str, str] = {}
    for key in ("item", "recipe"):
        if key not in given:
            continue
        value = given[key]
        is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
        if not is_number and not (isinstance(value, str) and value.strip() and value.isprintable()):
            raise refuse(key, f"{key} = {value!r} is no number and no name")
        found[key] = str(value).strip()
    if kind == "token" and found:
        raise refuse(next(iter(found)), "a token is no item: leave item and recipe out")
    if "recipe" in found and kind != "craft_profit":
        raise refuse("recipe", f"{kind} is of an item: give item = …; a recipe is for craft_profit")
    if len(found) > 1:
        raise refuse("recipe", "give an item or a recipe, not both")
    if kind != "token" and not found:
        wanted = "an item or a recipe" if kind == "craft_profit" else "an item"
        raise refuse(None, f"{kind} needs {wanted}, by number or name")
    return found.get("item"), found.get("recipe")


def _threshold(given: Mapping[str, Any], kind: str, refuse: Callable[[str | None, str], UsageError]) -> Threshold:
    sides = [side for side in ("below", "above") if side in given]
    if not sides:
        raise refuse(None, "`below` or `above` is missing, from where on it tells")
    if len(sides) > 1:
        raise refuse("above", "give below or above; for both make two rules")
    side = sides[0]
    value = _read(given, side, lambda one: amount(one, WHATS[kind]), refuse)
    assert value is not None  # noqa: S101 - the key is there, and what can't be read was refused
    if kind in _NEVER_NEGATIVE and (value < 0 or (value == 0 and side == "below")):
        raise refuse(side, f"{side} = {given[side]!r} can never be: {kind} is never negative")
    # A price falls by all of it at most, and stands below another by no more: 20 was to be 20%.
    is_out_of_reach = (kind == "change_24h" and side == "below" and value <= -1) or (
        kind == "below_usual" and side == "above" and value >= 1
    )
    if is_out_of_reach:
        raise refuse(side, f'{side} = {given[side]!r} can never be: {kind} is a fraction, as 0.2 or "20%"')
    rearm = _read(given, "rearm", lambda one: amount(one, Measure.SHARE), refuse)
    most = _LARGEST_REARM if isinstance(given.get("rearm"), str) else 1
    if rearm is not None and not 0 <= rearm <= most:
        raise refuse("rearm", f'rearm = {given["rearm"]!r} is no share of the threshold, as 0.03 or "3%"')
    return Threshold(value, is_above=side == "above", rearm=USUAL_REARM if rearm is None else float(rearm))


def _regions(
    given: Mapping[str, Any], kind: str, refuse: Callable[[str | None, str], UsageError]
) -> tuple[Region, ...]:
    if "region" not in given:
        return ()
    value: Any = given["region"]
    words: list[Any] = []
    if isinstance(value, str):
        words = [*re.split(r"[,/]", value)]
    elif isinstance(value, list):
        words = cast("list[Any]", value)
    names = [word.strip().lower() if isinstance(word, str) else word for word in words]
    known = [region.value for region in Region]
    if not names or any(name not in known for name in names):
        raise refuse("region", f"region = {value!r} is not one of {', '.join(known)}")
    regions = tuple(dict.fromkeys(Region(name) for name in names))
    if kind == "spread" and (len(regions) > 2 or len(regions) < len(names)):  # noqa: PLR2004 - it compares two
        raise refuse("region", f"region = {value!r}: a spread is of two regions, such as eu,us")
    return regions


def _line(
    given: Mapping[str, Any], key: str, longest: int, refuse: Callable[[str | None, str], UsageError]
) -> str | None:
    if key not in given:
        return None
    value = given[key]
    if not isinstance(value, str) or not value.strip():
        raise refuse(key, f"{key} = {value!r} is no text")
    text = " ".join(value.split())
    if len(text) > longest or not text.isprintable():
        raise refuse(key, f"{key} is no line of at most {longest} signs")
    return text


def _read(
    given: Mapping[str, Any], key: str, read: Callable[[object], Any], refuse: Callable[[str | None, str], UsageError]
) -> Any:
    if key not in given:
        return None
    try:
        return read(given[key])
    except ValueError as error:
        raise refuse(key, f"{key}: {error}") from None
