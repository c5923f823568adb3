"""Lua files that hold tables alone, read as data: nothing of them is ever run.

Understood are comments, `local` names of the addon, and assignments of tables, numbers, strings, booleans and nil.
Whatever could do something, as a call or an operator, is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST: Final = 32
_TOKEN: Final = re.compile(
    r"""
    (?P<blank>\s+|--\[(?P<eq>=*)\[.*?\](?P=eq)\]|--[^\n]*)
    |(?P<dots>\.\.\.)
    |(?P<number>-?0[xX][0-9a-fA-F]+|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<sign>[{}\[\]=,;.])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_WORDS: Final = {"true": True, "false": False, "nil": None}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_RESERVED: Final = {
    *("and", "break", "do", "else", "elseif", "end", "for", "function", "goto", "if", "in", "not"),
    *("or", "repeat", "return", "then", "until", "while"),
}


class LuaTableError(ValueError):
    """A Lua file that holds something else than tables; says where and what."""


def lua_tables(text: str) -> dict[str, Any]:
    """The tables of a Lua file by the name that they are assigned to; tables are dictionaries, lists count from 1.

    Raises `LuaTableError`.

    >>> lua_tables("local _, ns = ... ns.Items = { [7] = {quantity=2, 5, 'six'}, } -- done")
    {'ns.Items': {7: {'quantity': 2, 1: 5, 2: 'six'}}}
    """
    return _Reader(text).chunk()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan()
        self._kind, self._value, self._at = "", "", 0
        self._next()

    def _scan(self) -> Iterator[tuple[str, str, int]]:
        at, end = 0, len(self._text)
        while at < end:
            found = _TOKEN.match(self._text, at)
            if found is None:
                raise self._error(at, f"{self._text[at : at + 20]!r} is no data")
            kind = found.lastgroup or ""
            # The signs of a long comment are a group within the blank.
            if found["blank"] is None:
                yield kind, found[0], at
            at = found.end()

    def _error(self, at: int, what: str) -> LuaTableError:
        return LuaTableError(f"line {self._text.count(chr(10), 0, at) + 1}: {what}")

    def _next(self) -> None:
        self._kind, self._value, self._at = next(self._tokens, ("end", "", len(self._text)))

    def _take(self, value: str) -> None:
        if self._value != value:
            raise self._error(self._at, f"{value!r} was expected, not {self._value or 'the end'!r}")
        self._next()

    def _name(self) -> str:
        if self._kind != "word" or self._value in _RESERVED:
            raise self._error(
                self._at, f"{self._value or 'the end'!r} is no table: only tables are read, nothing is run"
            )
        name = self._value
        self._next()
        return name

    def chunk(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._kind != "end":
            if self._value == ";":
                self._next()
                continue
            is_local = self._value == "local"
            if is_local:
                self._next()
            name = self._name()
            while self._value in {".", ","}:
                sign = self._value
                self._next()
                name += sign + self._name()
            self._take("=")
            if self._kind == "dots":
                self._next()
                continue
            found[name] = self._read(0)
        return found

    def _read(self, depth: int) -> Any:
        kind, value, at = self._kind, self._value, self._at
        if depth > _DEEPEST:
            raise self._error(at, f"tables lie in tables more than {_DEEPEST} deep")
        if value == "{":
            return self._table(depth)
        self._next()
        if kind == "number":
            return _number(value)
        if kind == "text":
            return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), value[1:-1], flags=re.DOTALL)
        if kind == "word" and value in _WORDS:
            return _WORDS[value]
        raise self._error(at, f"{value or 'the end'!r} is no data: only tables are read, nothing is run")

    def _table(self, depth: int) -> dict[Any, Any]:
        self._take("{")
        table: dict[Any, Any] = {}
        place = 1
        while self._value != "}":
            at = self._at
            if self._value == "[":
                self._next()
                key = self._read(depth + 1)
                if isinstance(key, dict) or key is None:
                    raise self._error(at, "a key is a number or a string")
                self._take("]")
                self._take("=")
                table[key] = self._read(depth + 1)
            elif self._kind == "word" and self._value not in _WORDS:
                key = self._name()
                self._take("=")
                table[key] = self._read(depth + 1)
            else:
                table[place] = self._read(depth + 1)
                place += 1
            if self._value in {",", ";"}:
                self._next()
            elif self._value != "}":
                raise self._error(self._at, f"',' or '}}' was expected, not {self._value or 'the end'!r}")
        self._take("}")
        return table


def _number(text: str) -> int | float:
    if "x" in text.lower():
        return int(text, 16)
    return float(text) if any(sign in text for sign in ".eE") else int(text)
