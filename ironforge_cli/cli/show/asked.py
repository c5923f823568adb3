"""Answers for people: prices in gold, changes with their sign, and below each table what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from ironforge_cli.answers.answer import HOUR
from ironforge_cli.cli.show.render import gold, iso
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.wording import counted, how_long

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from ironforge_cli.answers.answer import Basis
    from ironforge_cli.cli.show.tables import Cell

SNAPSHOT: Final = "snapshot"
UNKNOWN: Final = "\N{EN DASH}"
_BARS: Final = "▁▂▃▄▅▆▇█"
_HEAT: Final = ("blue", "cyan", "yellow", "red")
_HEAT_WIDTH: Final = 2
_MOST_STRETCHES: Final = 3
_FEW: Final = 100
_LEAST, _LEAST_NAME = 8, 12
"""Cells that are left of what is cut, and of a name where other columns leave for it."""


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer as a table shows it."""

    records: Sequence[Mapping[str, Any]]
    """Those within the limit."""
    found: Sequence[Mapping[str, Any]]
    columns: tuple[str, ...]
    bases: Sequence[Basis]
    max_age: timedelta
    empty: str
    below: tuple[str, ...] = ()
    goes: tuple[str, ...] = ()
    """Columns that a narrow terminal does without, the last first."""
    things: str = SNAPSHOT
    """What is counted of a span; of others than snapshots no hour can be missing."""


def show_answer(console: Console, shown: ShownAnswer, show: Callable[[Console, ShownAnswer], None] | None) -> None:
    """Write an answer: its rows, how many more there are, and what it rests on in each region."""
    if shown.records and show is not None:
        show(console, shown)
    else:
        show_rows(console, shown.records, shown.columns, empty=shown.empty, goes=shown.goes)
    for line in shown.below:
        console.print(Text(line))
    if len(shown.found) > len(shown.records):
        left_out = len(shown.found) - len(shown.records)
        console.print(Text(f"{counted(left_out, 'more row')}: --limit 0 shows all.", style="dim"))
    for line in basis_lines(shown):
        # What is wrapped keeps the blank that it was broken at.
        for part in line.wrap(console, console.width):
            part.rstrip()
            console.print(part, soft_wrap=True)


def show_rows(
    console: Console,
    records: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    empty: str = "There is nothing.",
    goes: Sequence[str] = (),
) -> None:
    """Write rows as a table of some of their keys; those of `goes` leave where there is no room, the last first."""
    cells = ([cell(key, record[key]) for key in columns] for record in records)
    listed(console, [_column(key, columns, goes=goes) for key in columns], cells, empty=empty)


def basis_lines(shown: ShownAnswer) -> list[Text]:
    """What an answer rests on: a line for each region, or for those of which the same is to be said."""
    lines = [_basis_line(basis, shown) for basis in shown.bases]
    labels: dict[str, list[str]] = {}
    for basis, line in zip(shown.bases, lines, strict=True):
        labels.setdefault(line.plain, []).append(basis.region.label)
    first_of_each = {line.plain: line for line in reversed(lines)}
    return [
        Text.assemble((f"{', '.join(labels[plain])}: ", "dim"), line)
        for plain, line in reversed(list(first_of_each.items()))
    ]


def _basis_line(basis: Basis, shown: ShownAnswer) -> Text:
    line = Text(style="dim")
    if basis.snapshot_time is None or basis.age_seconds is None:
        line.append("nothing is stored yet; `ironforge collect` fetches the newest hour.", style="bold")
        return line
    line.append(f"{iso(basis.snapshot_time)}, {ago(basis.age_seconds)}")
    if basis.stale:
        line.append(f", stale: older than {how_long(shown.max_age)}", style="bold red")
    if basis.since is not None:
        line.append(f"; {counted(basis.snapshots, shown.things)} since {iso(basis.since)}")
    if basis.since is not None and shown.things == SNAPSHOT:
        line.append(f"; missing: {stretches(basis.missing)}" if basis.missing else ", no hour missing")
    return line


def stretches(hours: Sequence[datetime]) -> str:
    """Hours that are missing, those that follow each other together.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 14, 12, 3, tzinfo=UTC)
    >>> stretches([noon, noon + HOUR, noon + 5 * HOUR])
    '2026-01-14 12:00 to 13:00, 2026-01-14 17:00 (3 hours)'
    """
    found: list[tuple[datetime, datetime]] = []
    for hour in hours:
        if found and hour - found[-1][1] <= 1.5 * HOUR:
            found[-1] = (found[-1][0], hour)
        else:
            found.append((hour, hour))
    said = [
        f"{first:%Y-%m-%d %H}:00" + (f" to {_end_of(first, last)}" if last > first else "")
        for first, last in found[-_MOST_STRETCHES:]
    ]
    earlier = ["earlier ones"] if len(found) > _MOST_STRETCHES else []
    return f"{', '.join([*earlier, *said])} ({counted(len(hours), 'hour')})"


def _end_of(first: datetime, last: datetime) -> str:
    return f"{last:%H}:00" if first.date() == last.date() else f"{last:%Y-%m-%d %H}:00"


def ago(seconds: int) -> str:
    """How old something is.

    >>> ago(2_460), ago(20)
    ('41 min ago', 'just now')
    """
    return f"{how_long(timedelta(seconds=seconds))} ago" if seconds >= 60 else "just now"  # noqa: PLR2004 - a minute


def change(value: float | None) -> Text:
    """A change with its sign, and a colour beside it.

    >>> change(0.123).plain, change(-0.04).plain, change(None).plain == UNKNOWN
    ('+12.3%', '-4.0%', True)
    """
    if value is None:
        return Text(UNKNOWN)
    style = "green" if value > 0 else "red" if value < 0 else ""
    return Text(f"{value:+,.1%}", style=style)


def money(value: float | None) -> str:
    """Copper in gold, or a dash where it is not known."""
    return UNKNOWN if value is None else gold(value)


def number(value: float | None) -> str:
    """Units, with a decimal where they are few and a mean.

    >>> number(1234.0), number(0.25), number(3), number(None) == UNKNOWN
    ('1,234', '0.25', '3', True)
    >>> number(2**63 - 1)
    '9,223,372,036,854,775,807'
    """
    if value is None:
        return UNKNOWN
    if value == int(value):
        return f"{int(value):,}"
    if value >= _FEW:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def rank(value: int | None) -> str:
    """A crafting rank; R? where it is not known.

    >>> rank(2), rank(None)
    ('R2', 'R?')
    """
    return f"R{value or '?'}"


def bar(share: float, width: int) -> str:
    """A bar of a share of the largest, at least a little of one."""
    return "█" * max(1, round(share * width))


def curve(values: Sequence[float | None], *, width: int) -> str:
    """One bar a value from the lowest to the highest, a blank where nothing is known; means where there is no room.

    >>> curve([1, None, 2, 3], width=10), curve([1, 1, 3, 3], width=2)
    ('▁ ▅█', '▁█')
    """
    if len(values) > width:
        edges = [place * len(values) // width for place in range(width + 1)]
        parts = [[one for one in values[begins:ends] if one is not None] for begins, ends in zip(edges, edges[1:])]  # noqa: B905, RUF007 - each with the next
        values = [sum(part) / len(part) if part else None for part in parts]
    there = [one for one in values if one is not None]
    if not there:
        return ""
    low, high = min(there), max(there)
    steps = len(_BARS) - 1
    return "".join(
        " " if one is None else _BARS[int((one - low) / (high - low) * steps + 0.5) if high > low else 0]
        for one in values
    )


def curve_line(label: str, values: Sequence[float | None], console: Console) -> Text:
    """A curve of prices with its scale, in a line."""
    there = [one for one in values if one is not None]
    scale = f"  {money(min(there))} to {money(max(there))}" if there else "  no price is known"
    room = max(10, console.width - len(label) - len(scale) - 2)
    return Text(f"{label}  {curve(values, width=min(room, 100))}{scale}")


def heat_map(label: str, values: Sequence[float | None], *, is_money: bool) -> list[Text]:
    """Values of the 168 hours of a week as a row a day, with the scale above: the higher the bar, the higher the value.

    >>> heat_map("EU 7", [1.0] * 24 + [None] * 120 + [3.0] * 24, is_money=False)[2].plain[:8]
    'Mon  ▁▁▁'
    """
    there = [one for one in values if one is not None]
    if not there:
        return [Text(f"{label}: nothing is known")]
    low, high = min(there), max(there)
    steps = len(_BARS) - 1
    say = money if is_money else number
    lines = [Text(f"{label}: {_BARS[0]} {say(low)} to {_BARS[-1]} {say(high)}, a blank is unknown")]
    lines.append(
        Text("     " + "".join(f"{hour:02}".ljust(_HEAT_WIDTH * 3) for hour in range(0, 24, 3)).rstrip(), style="dim")
    )
    for day, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        line = Text(f"{name}  ")
        for one in values[24 * day : 24 * day + 24]:
            place = None if one is None else int((one - low) / (high - low) * steps + 0.5) if high > low else 0
            bars = " " if place is None else _BARS[place]
            line.append(bars * _HEAT_WIDTH, style="" if place is None else _HEAT[place * len(_HEAT) // len(_BARS)])
        line.rstrip()
        lines.append(line)
    return lines


def cell(key: str, value: Any) -> Cell:
    """A value as a table shows it, by its key."""
    return _KINDS.get(key, _Kind(_plain))(value)


def head(key: str) -> str:
    """What a column is called."""
    kind = _KINDS.get(key)
    return key.replace("_", " ") if kind is None or not kind.head else kind.head


def _column(key: str, columns: Sequence[str], *, goes: Sequence[str]) -> Column:
    kind = _KINDS.get(key, _Kind(_plain))
    return Column(
        head(key),
        right=kind.right,
        is_cut=key in {"name", "item_name", "item_class", "reasons"},
        # What a narrow table can do without, where cut names are not enough.
        least=_LEAST_NAME if key in {"name", "item_name"} and goes else _LEAST,
        goes=key in goes or key in {"snapshots", "total_quantity"} or (key == "cost" and "gain" in columns),
        style="bold" if key == "name" else "",
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    show: Callable[[Any], Cell]
    head: str = ""
    right: bool = False

    def __call__(self, value: Any) -> Cell:
        return self.show(value)


def _plain(value: Any) -> str:
    match value:
        case None:
            return UNKNOWN
        case bool():
            return "yes" if value else "no"
        case datetime():
            return iso(value)
        case _:
            return str(value)


def _listed(value: Sequence[str]) -> str:
    return ", ".join(value)


def _counted(value: Sequence[object]) -> str:
    return str(len(value))


def _region(value: Any) -> str:
    return value.label


def _tokens(value: float) -> str:
    return f"{value:.3g}"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


_MONEY: Final = {
    **dict.fromkeys(
        (
            "market_value",
            "cheapest_15_percent_price",
            "median_price",
            "mean_price",
            "max_price",
            "weighted_market_value",
        ),
        "",
    ),
    "min_price": "cheapest",
    "usual_price": "usual",
    "turnover": "",
    "turnover_per_day": "turnover/day",
    "price": "",
    "cost": "",
    "mean_cost": "",
    "floor_after": "cheapest after",
    "cumulative_cost": "cost so far",
    "price_then": "then",
    "price_now": "now",
    "gain": "",
    "revenue": "",
    "cost_floor": "cost floor",
    "revenue_floor": "revenue floor",
    "profit": "",
    "profit_per_day": "profit/day",
    "profit_per_day_low": "profit/day low",
    "profit_per_day_high": "profit/day high",
    "dearest": "",
    "price_a": "price a",
    "price_b": "price b",
}
_NUMBERS: Final = {
    "total_quantity": "for sale",
    "num_auctions": "auctions",
    "quantity": "units",
    "auctions": "",
    "units": "",
    "cumulative_quantity": "units so far",
    "snapshots": "",
    "sold": "",
    "sold_low": "low",
    "sold_high": "high",
    "sold_per_day": "sold/day",
    "sold_per_day_low": "sold/day low",
    "sold_per_day_high": "sold/day high",
}
_KINDS: Final[dict[str, _Kind]] = {
    **{key: _Kind(money, called, right=True) for key, called in _MONEY.items()},
    **{key: _Kind(number, called, right=True) for key, called in _NUMBERS.items()},
    **{
        key: _Kind(change, called, right=True)
        for key, called in (("change", ""), ("change_24h", ""), ("change_7d", ""))
    },
    **{key: _Kind(_region, called) for key, called in (("region", ""), ("region_a", "a"), ("region_b", "b"))},
    **{key: _Kind(_tokens, called, right=True) for key, called in (("tokens_a", "tokens a"), ("tokens_b", "tokens b"))},
    "ratio": _Kind(_ratio, right=True),
    "rank": _Kind(rank),
    "reasons": _Kind(_listed),
    **{key: _Kind(_counted, called, right=True) for key, called in (("takes", ""), ("open_slots", "open slots"))},
    "item_id": _Kind(_plain, "id", right=True),
    "item_level": _Kind(_plain, "level", right=True),
    "item_class": _Kind(_plain, "class"),
    "age_seconds": _Kind(ago, "age"),
    "bucket": _Kind(_plain, "from"),
}
