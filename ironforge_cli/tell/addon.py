"""The addon for the game: code of ours, and a file of a region's newest figures, written where something changed.

The game reads the files when a player logs in or types /reload, at any moment: so each is whole at any moment, and the
figures come last. What the data look like is told in `Ironforge.lua`, which reads them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ironforge_cli.errors import UsageError
from ironforge_cli.given import named_place
from ironforge_cli.tell.files import put_where_changed, whole_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ironforge_cli.answers.figures import MarketFigures

FOLDER: Final = "Ironforge"
"""The game knows an addon by the name of its folder."""
DATA_FORMAT: Final = 1
_DATA: Final = "Data.lua"
_CODE: Final = ("Ironforge.lua", "Ironforge.toc")
_ITEMS_A_BUCKET: Final = 1_000
_COPPER_A_SILVER: Final = 100
_MANY: Final = 100
"""Units from which on their fractions say nothing."""


@dataclass(frozen=True, slots=True)
class WrittenAddon:
    """What became of an addon's files."""

    folder: Path
    written: tuple[str, ...]
    """The files that were written; none where they held the same."""


def write_addon(figures: MarketFigures, into: Path) -> WrittenAddon:
    """Write the addon into the game's folder of addons, made where it is missing; files that are the same stay.

    Raises `UsageError` where nothing can be written there, and `OutputError`.
    """
    addons = named_place(into)
    if (addons / "Ironforge.toc").exists():
        raise UsageError(f"{into} is the addon itself: name the folder that holds it, Interface/AddOns.")
    contents = addon_files(figures)
    place = addons / FOLDER
    if place.exists() and not place.is_dir():
        raise UsageError(f"{place} is in the way: a file has the addon's name. Rename it.")
    if not place.exists():
        with whole_folder(place) as folder:
            for name, content in contents.items():
                put_where_changed(folder / name, content)
        return WrittenAddon(place, tuple(contents))
    return WrittenAddon(
        place, tuple(name for name, content in contents.items() if put_where_changed(place / name, content))
    )


def addon_files(figures: MarketFigures) -> Mapping[str, bytes]:
    """The addon's files by name, in the order in which they are written."""
    source = files("ironforge_cli.tell") / "addon_source"
    return {
        **{name: (source / name).read_bytes() for name in _CODE},
        _DATA: data_file(figures).encode(),
    }


def data_file(figures: MarketFigures) -> str:
    """The figures as Lua: one assignment, which is none where it is cut off anywhere.

    Lua takes 262,143 constants in a function at most, and each costs time when the game starts: a thousand items are
    one text, of which what is asked for is read then.
    """
    buckets: dict[int, list[str]] = {}
    columns = (
        figures.item_id,
        figures.market_value,
        figures.usual_price,
        figures.min_price,
        figures.sold_per_day_low,
        figures.sold_per_day,
        figures.sold_per_day_high,
        figures.days_since_seen,
    )
    for item, market, usual, cheapest, low, sold, high, days in zip(*(one.tolist() for one in columns), strict=True):
        told = (_silver(market), _silver(usual), _silver(cheapest), _units(low), _units(sold), _units(high))
        bucket, number = divmod(item, _ITEMS_A_BUCKET)
        buckets.setdefault(bucket, []).append(f"{number}:{','.join(told)},{days:.0f};")
    lines = [f'[{bucket}]=";{"".join(entries)}",' for bucket, entries in buckets.items()]
    at = figures.snapshot_time
    return "\n".join(
        [
            f"-- Written by `ironforge export addon`: {figures.region.label}, {at:%Y-%m-%d %H:%M:%S} UTC.",
            "-- Ironforge.lua says how it is read.",
            "select(2, ...).data = {",
            f'format={DATA_FORMAT},region="{figures.region.value}",items={len(figures.item_id)},',
            f"snapshot={int(at.timestamp())},",
            "buckets={",
            *lines,
            "}}",
            "",
        ]
    )


def _silver(copper: float) -> str:
    """A price in silver, nothing where it is not known; below a silver with its copper, so that none is 0.

    >>> _silver(123_456.7), _silver(37.2), _silver(0.2), _silver(99.6), _silver(float("nan"))
    ('1235', '0.37', '0.01', '1', '')
    """
    if math.isnan(copper):
        return ""
    amount = max(1, round(copper))
    return str(round(copper / _COPPER_A_SILVER)) if amount >= _COPPER_A_SILVER else f"0.{amount:02}"


def _units(number: float) -> str:
    """Units a day to three digits, nothing where they are not known; only none at all is 0.

    >>> _units(1_234.5), _units(12.345), _units(0.001), _units(0.0), _units(float("nan"))
    ('1234', '12.3', '0.01', '0', '')
    """
    if math.isnan(number):
        return ""
    if number >= _MANY or number == 0:
        return f"{number:.0f}"
    return f"{max(number, 0.01):.3g}"
