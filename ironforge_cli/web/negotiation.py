"""Which form of an answer a client takes best: by the headers `Accept` and `Accept-Encoding`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


class AnswerFormat(StrEnum):
    """How rows are written."""

    JSON = "json"
    COLUMNS = "columns"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Encoding(StrEnum):
    """How a body is compressed."""

    ZSTD = "zstd"
    BROTLI = "br"
    GZIP = "gzip"
    IDENTITY = "identity"


MEDIA_TYPES: Final = {
    AnswerFormat.JSON: "application/json",
    AnswerFormat.COLUMNS: "application/vnd.ironforge.columns+json",
    AnswerFormat.JSONL: "application/x-ndjson",
    AnswerFormat.CSV: "text/csv",
    AnswerFormat.PARQUET: "application/vnd.apache.parquet",
}
CONTENT_TYPES: Final = {**MEDIA_TYPES, AnswerFormat.CSV: "text/csv; charset=utf-8; header=present"}
_ALIASES: Final = {"application/jsonl": AnswerFormat.JSONL, "application/x-jsonlines": AnswerFormat.JSONL}
_MOST_RANGES: Final = 50
"""Of a header that are looked at: nobody sends more."""


def weighed(header: str) -> list[tuple[str, float]]:
    """The values of a header with their weights, as they come; what makes no sense is left out.

    >>> weighed("text/csv;q=0.5, application/json;v=1, */*;q=x")
    [('text/csv', 0.5), ('application/json', 1.0)]
    """
    found: list[tuple[str, float]] = []
    for part in header.split(",")[:_MOST_RANGES]:
        value, *parameters = (one.strip() for one in part.split(";"))
        weight = 1.0
        for name, _, given in (one.partition("=") for one in parameters):
            if name.strip().lower() == "q":
                try:
                    weight = float(given)
                except ValueError:
                    weight = -1.0
        if value and 0 <= weight <= 1:
            found.append((value.lower(), weight))
    return found


def best_format(accept: str | None, offered: Sequence[AnswerFormat]) -> AnswerFormat | None:
    """The offered format that a client wants most, the first of equals; None where it takes none of them.

    >>> best_format("text/csv, */*;q=0.1", [AnswerFormat.JSON, AnswerFormat.CSV])
    <AnswerFormat.CSV: 'csv'>
    >>> best_format("image/png", [AnswerFormat.JSON]) is None
    True
    """
    if accept is None or not accept.strip():
        return offered[0]
    wanted = weighed(accept)
    best, most = None, 0.0
    for one in offered:
        weight = _weight_of(one, wanted)
        if weight > most:
            best, most = one, weight
    return best


def _weight_of(one: AnswerFormat, wanted: Sequence[tuple[str, float]]) -> float:
    """The weight of the range that names a format most exactly; 0 where none does."""
    exact = {MEDIA_TYPES[one], *(name for name, meant in _ALIASES.items() if meant is one)}
    whole = f"{MEDIA_TYPES[one].partition('/')[0]}/*"
    found = (-1, 0.0)
    for value, weight in wanted:
        rank = 2 if value in exact else 1 if value == whole else 0 if value == "*/*" else -1
        if rank >= 0 and (rank > found[0] or (rank == found[0] and weight > found[1])):
            found = (rank, weight)
    return found[1]


def best_encoding(accept: str | None, offered: Sequence[Encoding]) -> Encoding | None:
    """The offered encoding that a client wants most, the first of equals; None where it refuses even a plain body.

    >>> best_encoding("gzip, br;q=0.9", [Encoding.ZSTD, Encoding.BROTLI, Encoding.GZIP])
    <Encoding.GZIP: 'gzip'>
    >>> best_encoding("identity;q=0, *;q=0", [Encoding.GZIP]) is None
    True
    """
    if accept is None:
        return Encoding.IDENTITY
    wanted = dict(weighed(accept))
    others = wanted.get("*")
    best, most = None, 0.0
    for one in offered:
        weight = wanted.get(one.value, others if others is not None and one is not Encoding.IDENTITY else None)
        if weight is not None and weight > most and one is not Encoding.IDENTITY:
            best, most = one, weight
    plain = wanted.get("identity", 0.0 if others == 0 else None)
    if plain == 0:
        return best
    # A plain body that was asked for in so many words, and more than the others, is given.
    if best is None or (plain is not None and plain > most):
        return Encoding.IDENTITY
    return best
