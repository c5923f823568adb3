"""Tables for people: as wide as the terminal at most, and nobody's dates, numbers or names in two lines.

Where there is no room, a column that may give way is cut, one that may go leaves, and long texts are broken between
words. Off a terminal nothing is cut and nothing leaves. Lines have no blanks at their ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ironforge_cli.cli.show.encodings import can_write
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

_NARROWEST_CUT: Final = 8
_NARROWEST_TEXT: Final = 16
_LONGEST_WORD: Final = 24


class Column(Value, frozen=True):
    """How a column behaves: its head, and what becomes of it where there is no room."""

    head: str
    right: bool = False
    is_cut: bool = False
    """Its cells may lose their end."""
    least: int = _NARROWEST_CUT
    """Then so many cells are left of it."""
    is_text: bool = False
    """Its cells may be broken between words."""
    goes: bool = False
    """It may leave altogether; the last such column leaves first."""
    style: str = ""
    most: int | None = None
    """Cells that are longer are cut wherever they are shown."""


class Words(Value, frozen=True):
    """A cell that may be broken between words, in a column of others that may not."""

    text: str


Cell = str | Text | Words


@dataclass(slots=True)
class Table:
    """Columns and rows; `show` writes them."""

    columns: Sequence[Column]
    gap: int = 2
    has_heads: bool = True
    rows: list[Sequence[Cell]] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """Add a row; a text is shown as it is, brackets and all."""
        self.rows.append(cells)

    def show(self, console: Console) -> None:
        """Write the table, as wide as the console at most where a person sits at it."""
        lines = self.lines(console.width, is_piped=not console.is_terminal, mark=_mark(console))
        if not console.is_terminal and console.color_system is None:
            # Plain lines: nothing of the library's is to be made of them.
            console.file.write("".join(f"{line.plain}\n" for line in lines))
            return
        for line in lines:
            console.print(line, soft_wrap=True, no_wrap=True, overflow="ignore", crop=False)

    def lines(self, width: int, *, is_piped: bool, mark: str = "…") -> list[Text]:
        """The lines of the table; `mark` stands where something was cut."""
        wanted = [self._wanted(number) for number in range(len(self.columns))]
        least = [self._least(number, want, is_piped=is_piped) for number, want in enumerate(wanted)]
        shown = list(range(len(self.columns)))
        while self._taken(shown, least) > width and not is_piped:
            leaving = [number for number in shown if self.columns[number].goes]
            if not leaving:
                break
            shown.remove(leaving[-1])
        widths = list(wanted)
        for number in reversed(shown):
            over = self._taken(shown, widths) - width
            if over > 0:
                widths[number] = max(least[number], widths[number] - over)
        if not is_piped:
            # Where nothing else helps, long words break.
            for number in reversed(shown):
                over = self._taken(shown, widths) - width
                if over > 0 and self.columns[number].is_text:
                    widths[number] = max(min(widths[number], _NARROWEST_TEXT), widths[number] - over)
        lines: list[Text] = []
        if self.has_heads:
            heads: list[Cell] = [Text(column.head, style="bold") for column in self.columns]
            lines += self._row(heads, shown, widths, mark=mark)
        for row in self.rows:
            lines += self._row(row, shown, widths, mark=mark)
        return lines

    def _taken(self, shown: Sequence[int], widths: Sequence[int]) -> int:
        return sum(widths[number] for number in shown) + self.gap * (len(shown) - 1)

    def _cells(self, number: int) -> Iterable[Cell]:
        return (row[number] for row in self.rows)

    def _head(self, number: int) -> int:
        return cell_len(self.columns[number].head) if self.has_heads else 0

    def _wanted(self, number: int) -> int:
        wanted = max([self._head(number), *(_length(cell) for cell in self._cells(number))])
        most = self.columns[number].most
        return wanted if most is None else min(wanted, most)

    def _least(self, number: int, wanted: int, *, is_piped: bool) -> int:
        column = self.columns[number]
        if column.is_cut and not is_piped:
            return min(wanted, max(self._head(number), column.least))
        if column.most is not None:
            return wanted
        least = self._head(number)
        for cell in self._cells(number):
            if column.is_text or isinstance(cell, Words):
                words = max(map(cell_len, _plain(cell).split()), default=0)
                least = max(least, min(_length(cell), max(min(words, _LONGEST_WORD), _NARROWEST_TEXT)))
            else:
                least = max(least, _length(cell))
        return least

    def _row(self, row: Sequence[Cell], shown: Sequence[int], widths: Sequence[int], *, mark: str) -> list[Text]:
        parts = {number: self._parts(row[number], number, widths[number], mark=mark) for number in shown}
        lines: list[Text] = []
        for level in range(max(map(len, parts.values()))):
            line = Text()
            for position, number in enumerate(shown):
                part = parts[number][level] if level < len(parts[number]) else Text()
                blanks = " " * (widths[number] - part.cell_len)
                if self.columns[number].right:
                    line.append(blanks)
                    line.append_text(part)
                else:
                    line.append_text(part)
                    line.append(blanks)
                if position < len(shown) - 1:
                    line.append(" " * self.gap)
            line.rstrip()
            lines.append(line)
        return lines

    def _parts(self, cell: Cell, number: int, width: int, *, mark: str) -> list[Text]:
        """A cell in as many lines as it takes in its column."""
        column = self.columns[number]
        text = cell if isinstance(cell, Text) else Text(_printable(_plain(cell)), style=column.style)
        if text.cell_len <= width:
            return [text]
        if column.is_cut:
            kept = set_cell_size(text.plain, max(width - cell_len(mark), 0)).rstrip() + mark
            return [Text(kept, style=text.style)]
        if column.is_text or isinstance(cell, Words):
            return [Text(line, style=text.style) for line in _broken(text.plain, width)]
        return [text]


def by_region(heads: Sequence[str], rows: Mapping[str, Sequence[Cell]], console: Console) -> None:
    """A column for each of some things that are alike, with a row for each thing to know of them.

    Where they don't fit beside each other, as many as do stand in one table and the rest in the next.
    """
    label = Column("", style="dim")

    def table(first: int, last: int) -> Table:
        made = Table([label, *(Column(head) for head in heads[first:last])], gap=3)
        for name, cells in rows.items():
            made.add(name.strip(), *cells[first:last])
        return made

    first = 0
    while first < len(heads):
        last = len(heads)
        while last > first + 1 and not _fits(table(first, last), console):
            last -= 1
        if first:
            console.print()
        table(first, last).show(console)
        first = last


def listed(
    console: Console,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    empty: str,
    has_heads: bool = True,
) -> None:
    """A table of rows, or one sentence where there are none."""
    table = Table(columns, has_heads=has_heads)
    for row in rows:
        table.add(*row)
    if table.rows:
        table.show(console)
    else:
        console.print(empty, soft_wrap=True, markup=False)


def _fits(table: Table, console: Console) -> bool:
    if not console.is_terminal:
        return True
    return max(line.cell_len for line in table.lines(console.width, is_piped=False)) <= console.width


def _plain(cell: Cell) -> str:
    match cell:
        case Text():
            return cell.plain
        case Words():
            return cell.text
        case _:
            return cell


def _printable(text: str) -> str:
    """A text in one line, without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)


def _length(cell: Cell) -> int:
    return cell_len(_printable(_plain(cell)))


def _broken(text: str, width: int) -> list[str]:
    """A text in lines of a width, broken between words, and within those that are longer.

    >>> _broken("is cut off at byte 7", 10)
    ['is cut off', 'at byte 7']
    """
    lines, line = list[str](), ""
    for given in text.split():
        word = given
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        while cell_len(word) > width:
            taken = set_cell_size(word, width).rstrip()
            lines.append(taken)
            word = word[len(taken) :]
        line = word
    return [*lines, line] if line else lines


def _mark(console: Console) -> str:
    return "…" if can_write("…", console.file) else "..."
