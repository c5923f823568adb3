"""A curve in the terminal, with axes and the band around it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from ironforge_cli.cli.show.encodings import can_write
from ironforge_cli.cli.show.render import gold
from ironforge_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_WIDEST: Final = 120
_HIGH: Final = 16
_TICKS: Final = 4


def plotter() -> Any:
    """plotext, which plots alone need; raises `ConfigurationError` where it is not installed."""
    try:
        return import_module("plotext")
    except ImportError as error:
        raise ConfigurationError(
            f"--plot needs plotext, which can't be loaded ({error}). Install it with ironforge: "
            "pip install 'ironforge-cli[plot]'."
        ) from error


def plot(
    console: Console,
    plotext: Any,
    *,
    title: str,
    labels: Sequence[str],
    curves: Sequence[tuple[str, Sequence[float | None]]],
    in_gold: bool,
) -> None:
    """Plot curves over the same places, the first one strong and the others dotted; what is unknown is a gap.

    `labels` name the places; `curves` are names and values, copper where they are shown in gold.
    """
    there = [value for _, values in curves for value in values if value is not None]
    if not there:
        console.print(Text(f"{title}: nothing is known."))
        return
    # What is before the first that is known, and after the last, takes no room.
    first, last = _ends([values for _, values in curves])
    labels, curves = labels[first:last], [(name, values[first:last]) for name, values in curves]
    plain = not can_write("⠿│┤", console.file)
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(min(console.width, _WIDEST), _HIGH)
    for number, (_, values) in enumerate(curves):
        marker = ("*" if plain else "braille") if number == 0 else "."
        for begins, stretch in stretches(values):
            plotext.plot(range(begins, begins + len(stretch)), stretch, marker=marker)
    places = _spaced(len(labels))
    plotext.xlim(0, max(len(labels) - 1, 1))
    plotext.xticks(places, [labels[place] for place in places])
    low, high = min(there), max(there)
    values = sorted({low + (high - low) * step / _TICKS for step in range(_TICKS + 1)})
    plotext.yticks(values, [gold(value) if in_gold else f"{value:,.4g}" for value in values])
    drawn = Text.from_ansi(plotext.uncolorize(plotext.build())).plain
    strong, *dotted = (name for name, _ in curves)
    console.print(Text.assemble((title, "bold"), f": {strong}", f"; dotted: {', '.join(dotted)}" if dotted else ""))
    for line in drawn.splitlines():
        console.print(
            Text(_ascii(line) if plain else line).plain.rstrip(), markup=False, highlight=False, soft_wrap=True
        )


def stretches(values: Sequence[float | None]) -> list[tuple[int, list[float]]]:
    """The stretches of values without a gap, and where each begins.

    >>> stretches([None, 1, 2, None, 3])
    [(1, [1, 2]), (4, [3])]
    """
    found: list[tuple[int, list[float]]] = []
    is_open = False
    for place, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        if not is_open:
            found.append((place, []))
        is_open = True
        found[-1][1].append(value)
    return found


def _ends(curves: Sequence[Sequence[float | None]]) -> tuple[int, int]:
    """Where the first curve begins to be known, and where the last one ends.

    >>> _ends([[None, 1, None, None], [None, None, 2, None]])
    (1, 3)
    """
    known = [place for place in range(len(curves[0])) if any(values[place] is not None for values in curves)]
    return known[0], known[-1] + 1


def _spaced(count: int) -> list[int]:
    """Up to five places, from the first to the last.

    >>> _spaced(9), _spaced(1)
    ([0, 2, 4, 6, 8], [0])
    """
    return sorted({round((count - 1) * step / _TICKS) for step in range(_TICKS + 1)})


_FRAME: Final = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")


def _ascii(line: str) -> str:
    return line.translate(_FRAME)
