"""Results into words: a table for people, JSON, JSON lines or CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import datetime
from enum import Enum
from itertools import groupby, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ironforge_cli.cli.frame.options import Format
from ironforge_cli.errors import ExitStatus
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rich.console import Console

PIPED_WIDTH = 120
"""Columns of a table that nobody's terminal limits."""
_BARS = "▁▂▃▄▅▆▇█"
_COPPER_IN_GOLD = 10_000
_NESTED = (list, tuple, dict)


class Report(Value, frozen=True):
    """What a command has to say: records for programs, and how to show them to a person.

    The keys of the records, once published, stay.
    """

    records: Sequence[Mapping[str, Any]]
    show: Callable[[Console], None]
    format: Format = Format.TABLE
    status: ExitStatus = ExitStatus.DONE
    failures: tuple[str, ...] = ()
    """One line each, for stderr."""
    warnings: tuple[str, ...] = ()
    """The same for what did not fail, and has to be heard even by who wants to hear nothing."""
    details: Callable[[Console], None] | None = None
    """What a person is shown below it with -v."""
    keys: tuple[str, ...] = ()
    """Those of the records, where none of them may be there to show them."""
    text: str | None = None
    """All of it in a format of the command's own, instead of the records."""
    is_news: bool | None = None
    """Whether somebody has to read it, where the exit code does not say so."""
    on_written: Callable[[], None] | None = None
    """Called when all of it is written."""

    @property
    def is_told_by_silence(self) -> bool:
        """Whether all went well, and a person would be shown it: cron's `-q` wants to hear nothing then."""
        says_nothing = self.status is ExitStatus.DONE if self.is_news is None else not self.is_news
        return says_nothing and self.format is Format.TABLE and self.text is None


def failures_of(pieces: Sequence[tuple[str, str | None]]) -> tuple[str, ...]:
    """What failed, a line each cause: pieces of work by name, and what each says; the same words are said once.

    >>> failures_of([("EU", "it is away."), ("US", "it is away."), ("KR", "it is cut off.")])
    ('EU, US: it is away.', 'KR: it is cut off.')
    """
    names: dict[str, list[str]] = {}
    for name, message in pieces:
        names.setdefault(str(message), []).append(name)
    return tuple(f"{', '.join(dict.fromkeys(named))}: {message}" for message, named in names.items())


def written(report: Report, *, ascii_only: bool = False) -> str:
    """The report's records in a format for programs; JSON can be told in any encoding, by its own escapes."""
    if report.text is not None:
        return report.text
    match report.format:
        case Format.JSONL:
            encode = json.JSONEncoder(ensure_ascii=ascii_only, default=_plain).encode
            return "".join(encode(record) + "\n" for record in report.records)
        case Format.CSV:
            return _csv([_plain(record) for record in report.records], report.keys)
        case _:
            return _document(report.records, ascii_only=ascii_only)


def _document(records: Sequence[Mapping[str, Any]], *, ascii_only: bool) -> str:
    r"""The records as `json.dumps` writes them with an indent of 2, but with its fast encoder.

    >>> records = [{"a": 1, "b": ["x", {"c": None}], "d": "y\n%s"}, {"a": [], "b": [], "d": "x"}]
    >>> records += [{"e%": ["x", "y"]}, {}]
    >>> _document(records, ascii_only=False) == json.dumps(records, indent=2) + "\n"
    True
    """
    told: list[str] = []
    for keys, alike in groupby(records, key=tuple):
        told += _alike(keys, list(alike), ascii_only=ascii_only)
    return "[\n" + ",\n".join(told) + "\n]\n" if told else "[]\n"


def _alike(keys: Sequence[str], records: Sequence[Mapping[str, Any]], *, ascii_only: bool) -> Iterable[str]:
    """Records of the same keys, each as it is written: a key's values are encoded in one go, which is the fast way."""
    if not keys:
        return repeat("  {}", len(records))
    names = [json.dumps(key, ensure_ascii=ascii_only).replace("%", "%%") for key in keys]
    form = "  {\n    " + ",\n    ".join(f"{name}: %s" for name in names) + "\n  }"
    columns = [_encoded([record[key] for record in records], ascii_only=ascii_only) for key in keys]
    return map(form.__mod__, zip(*columns, strict=True))


def _encoded(values: Sequence[Any], *, ascii_only: bool) -> Sequence[str]:
    """Values of one key, each as it stands in an indented record."""
    if any(value and isinstance(value, _NESTED) for value in values):
        known: dict[tuple[str, ...], str] = {}
        return [_nested(value, known, ascii_only=ascii_only) for value in values]
    # No line ends within a string of JSON's, nor within a list or an object that is empty.
    text = json.JSONEncoder(ensure_ascii=ascii_only, separators=("\n", ": "), default=_plain).encode(values)
    return text[1:-1].split("\n")


def _nested(value: Any, known: dict[tuple[str, ...], str], *, ascii_only: bool) -> str:
    """A value that may have parts; the same few texts stand in thousands of rows."""
    texts = _texts(value)
    found = known.get(texts) if texts else None
    if found is None:
        found = json.dumps(value, ensure_ascii=ascii_only, indent=2, default=_plain).replace("\n", "\n    ")
        if texts:
            known[texts] = found
    return found


def _texts(value: Any) -> tuple[str, ...]:
    """The parts of a value that is nothing but texts."""
    parts: list[Any] = list(value) if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType] - any sequence
    return (*parts,) if all(type(one) is str for one in parts) else ()


def one_document(value: Mapping[str, Any], *, indent: int | None = None) -> str:
    """A value as one JSON document."""
    return json.dumps(_plain(value), ensure_ascii=False, indent=indent) + "\n"


def _csv(records: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> str:
    stream = io.StringIO()
    rows = [flat(record) for record in records]
    # A list without rows has its heads, so that whoever reads it finds the columns.
    if columns := list(dict.fromkeys(column for row in rows for column in row)) or list(keys):
        writer = csv.DictWriter(stream, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return stream.getvalue()


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as one row of single values: what has names gets columns of its own, what has parts is counted.

    >>> flat({"steps": {"decode": 0.1}, "kinds": ["late", "disk"], "gaps": [{"hours": 1}], "age": None})
    {'steps_decode': 0.1, 'kinds': 'late disk', 'gaps': 1, 'age': None}
    """
    row: dict[str, Any] = {}
    for key, value in record.items():
        match value:
            case dict():
                row |= {f"{key}_{name}": one for name, one in flat(value).items()}  # pyright: ignore[reportUnknownArgumentType] - any dictionary
            case list() if key == "reasons":
                row[key] = ";".join(value)  # pyright: ignore[reportUnknownArgumentType] - strings alone
            case list() if all(isinstance(one, str) and " " not in one for one in value):  # pyright: ignore[reportUnknownVariableType] - any list
                row[key] = " ".join(value)  # pyright: ignore[reportUnknownArgumentType] - strings alone
            case list():
                row[key] = len(value)  # pyright: ignore[reportUnknownArgumentType] - any list
            case _:
                row[key] = value
    return row


def _plain(value: Any) -> Any:
    """Values as JSON knows them; times in ISO 8601 with a Z."""
    match value:
        case datetime():
            return iso(value)
        case Enum():
            return value.value
        case Path():
            return str(value)
        case dict():
            return {str(key): _plain(inner) for key, inner in value.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any dictionary
        case list() | tuple():
            return [_plain(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType] - any sequence
        case _:
            return value


def iso(moment: datetime) -> str:
    """An aware UTC time, to the second where that is all there is.

    >>> from datetime import UTC
    >>> iso(datetime(2024, 1, 15, 3, 48, 2, tzinfo=UTC))
    '2024-01-15T03:48:02Z'
    """
    return moment.isoformat().replace("+00:00", "Z")


def count(value: float | None) -> str:
    """A whole number with its thousands, or a dash where there is none.

    >>> count(1234567), count(None)
    ('1,234,567', '-')
    """
    return "-" if value is None else f"{value:,.0f}"


def size(number: float) -> str:
    """Bytes as a person reads them.

    >>> size(999), size(2_500_000), size(31_000_000_000)
    ('999 B', '2.5 MB', '31.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:  # noqa: PLR2004 - the step between units
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def plain(text: object) -> Text:
    """A text that goes into a table as it is: brackets in it are no markup."""
    return Text(str(text))


def gold(copper: float | None) -> str:
    """Copper as a person reads it: gold, with silver and copper where the price is small.

    >>> gold(285_123_0000), gold(12_3456), gold(99), gold(None), gold(-1_50_00)
    ('285,123g', '12g 34s 56c', '99c', '-', '-1g 50s')
    """
    if copper is None:
        return "-"
    whole = round(copper)
    if whole < 0:
        return f"-{gold(-whole)}"
    if whole >= 100 * _COPPER_IN_GOLD:
        return f"{whole / _COPPER_IN_GOLD:,.0f}g"
    coins = ((whole // _COPPER_IN_GOLD, "g"), (whole // 100 % 100, "s"), (whole % 100, "c"))
    return " ".join(f"{number}{coin}" for number, coin in coins if number) or "0c"


def sparkline(values: Sequence[float]) -> str:
    """One bar a value, from nothing to the highest.

    >>> sparkline([0, 1, 2, 4])
    '▁▃▅█'
    """
    top = max(values, default=0)
    steps = len(_BARS) - 1
    return "".join(_BARS[math.ceil(value / top * steps)] if top else _BARS[0] for value in values)
