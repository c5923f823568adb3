"""Rows of an answer that are held as a list a field: there are thousands, and mostly they are written as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Row = TypeVar("Row")


class Columns(Sequence[Row]):
    """Rows of a kind, whose fields are lists of one length; a row is made when somebody looks at it."""

    def __init__(self, kind: type[Row], columns: Sequence[list[Any]]) -> None:
        self.kind: type[Row] = kind
        self.columns = columns
        """A list for each field of the kind, in their order."""

    @classmethod
    def joined(cls, kind: type[Row], parts: Iterable[Columns[Row]]) -> Columns[Row]:
        """The rows of all parts, one part after the other."""
        columns: list[list[Any]] = [[] for _ in names_of(kind)]
        for part in parts:
            for column, more in zip(columns, part.columns, strict=True):
                column.extend(more)
        return cls(kind, columns)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.columns[0])

    def __iter__(self) -> Iterator[Row]:
        """Every row, made one after the other."""
        return map(self.kind, *self.columns)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Columns[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Columns[Row]:
        """A row, or some of them as columns."""
        if isinstance(place, slice):
            return Columns(self.kind, [column[place] for column in self.columns])
        return self.kind(*(column[place] for column in self.columns))

    def __eq__(self, other: object) -> bool:
        """Whether these are the same rows, however they are held."""
        if isinstance(other, Columns | tuple | list):
            return list(self) == list(other)  # pyright: ignore[reportUnknownArgumentType] - rows of whatever kind
        return NotImplemented

    __hash__ = None  # pyright: ignore[reportAssignmentType] - as of all that holds lists

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        names = names_of(self.kind)
        columns = (
            list(map(list, column)) if str(field.type).startswith("tuple[") else column
            for field, column in zip(fields(self.kind), self.columns, strict=True)  # pyright: ignore[reportArgumentType] - kinds of rows are dataclasses
        )
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


@cache
def names_of(kind: type) -> tuple[str, ...]:
    """The fields of a kind of row."""
    return tuple(field.name for field in fields(kind))
