"""Rows as text: CSV in which a null differs from an empty text, and JSON lines."""

from __future__ import annotations

import json
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def csv_heading(names: Iterable[str]) -> bytes:
    """The first line of a CSV file."""
    return (",".join(names) + "\n").encode()


def csv_line(record: Mapping[str, Any]) -> bytes:
    r"""A row of CSV: a null is nothing, a text stands in quotes, a list is joined by semicolons.

    >>> csv_line({"id": 7, "name": 'Say "x", y', "note": "", "rank": None, "reasons": ("a", "b"), "new": True})
    b'7,"Say ""x"", y","",,"a;b",true\n'
    """
    return (",".join(_cell(value) for value in record.values()) + "\n").encode()


def json_line(record: Mapping[str, Any]) -> bytes:
    r"""A row of JSON lines.

    >>> from datetime import UTC
    >>> json_line({"name": "Erz", "at": datetime(2026, 1, 14, 12, tzinfo=UTC), "rank": None})
    b'{"name":"Erz","at":"2026-01-14T12:00:00Z","rank":null}\n'
    """
    plain = {name: plain_value(value) for name, value in record.items()}
    return (json.dumps(plain, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def plain_value(value: Any) -> Any:
    """A value as JSON knows it; times in ISO 8601."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return _iso(value)
        case tuple():
            return [plain_value(one) for one in value]  # pyright: ignore[reportUnknownVariableType] - any tuple
        case _:
            return value


def _cell(value: Any) -> str:
    match plain_value(value):
        case None:
            return ""
        case True:
            return "true"
        case False:
            return "false"
        case int() | float() as number:
            return repr(number)
        case list():
            return _quoted(";".join(value))
        case text:
            return text if isinstance(value, datetime) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
