"""Rows as JSON, as columns, as JSON lines, as CSV and as Parquet, and bodies compressed."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import fields
from datetime import datetime
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ironforge_cli.answers.answer import SAID_BESIDE
from ironforge_cli.answers.columns import Columns, names_of
from ironforge_cli.web.negotiation import AnswerFormat, Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

_encoder: Final = msgspec.json.Encoder()
_TREES: Final = ("tuple[Taken, ...]", "tuple[OpenSlot, ...]")
_SMALLEST: Final = 256
"""Bytes from which on a body is compressed."""
_ZSTD_LEVEL: Final = 3
_BROTLI_QUALITY: Final = 3
_GZIP_LEVEL: Final = 3


def has_brotli() -> bool:
    """Whether the library for it is there."""
    return find_spec("brotli") is not None


def has_parquet() -> bool:
    """Whether the library for it is there."""
    return find_spec("pyarrow") is not None


def encodings() -> tuple[Encoding, ...]:
    """The encodings that there are, the best first."""
    return (Encoding.ZSTD, *((Encoding.BROTLI,) if has_brotli() else ()), Encoding.GZIP, Encoding.IDENTITY)


def keys_of(row: type) -> tuple[str, ...]:
    """The published keys of a kind of row."""
    return tuple(one.name for one in fields(row) if one.name not in SAID_BESIDE)


def written(rows: Sequence[Any], row: type, form: AnswerFormat) -> bytes:
    """Rows of a kind in a format."""
    names = keys_of(row)
    match form:
        case AnswerFormat.COLUMNS:
            return _encoder.encode({name: _column(rows, name) for name in names})
        case AnswerFormat.CSV:
            return _csv(rows, names)
        case AnswerFormat.PARQUET:
            return _parquet(rows, row)
        case AnswerFormat.JSON:
            return _encoder.encode(_records(rows, row, names))
        case AnswerFormat.JSONL:
            return _encoder.encode_lines(_records(rows, row, names))


def _column(rows: Sequence[Any], name: str) -> list[Any]:
    """A field of every row."""
    if isinstance(rows, Columns):
        return rows.columns[names_of(rows.kind).index(name)]
    return [getattr(one, name) for one in rows]


def _records(rows: Sequence[Any], row: type, names: Sequence[str]) -> list[Any]:
    """Rows as they are where all of their keys are published: their fields are written as they stand."""
    if isinstance(rows, Columns):
        return list(map(_structure(row, tuple(names)), *(_column(rows, name) for name in names)))
    if len(names) == len(fields(row)):
        return list(rows)
    return [{name: getattr(one, name) for name in names} for one in rows]


@cache
def _structure(row: type, names: tuple[str, ...]) -> Any:
    """What stands for a row while it is written: nothing is made and written sooner."""
    return msgspec.defstruct(row.__name__, [(name, Any) for name in names], gc=False)


def compressed(body: bytes, encoding: Encoding) -> tuple[bytes, Encoding]:
    """A body in an encoding, and which it is: what is small stays as it is."""
    if len(body) < _SMALLEST:
        return body, Encoding.IDENTITY
    match encoding:
        case Encoding.ZSTD:
            import zstandard  # noqa: PLC0415 - a compressor belongs to one thread

            return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body), encoding
        case Encoding.BROTLI:
            return import_module("brotli").compress(body, quality=_BROTLI_QUALITY), encoding
        case Encoding.GZIP:
            # The time of packing would make equal bodies differ.
            return gzip.compress(body, _GZIP_LEVEL, mtime=0), encoding
        case Encoding.IDENTITY:
            return body, encoding


def _csv(rows: Sequence[Any], names: Sequence[str]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    columns = (_cells(name, _column(rows, name)) for name in names)
    writer.writerows(zip(*columns, strict=True))
    return stream.getvalue().encode()


def _cells(name: str, values: Sequence[Any]) -> list[Any]:
    """A column as CSV on the command line has it."""
    return [
        (";".join(plain) if name == "reasons" else len(plain) or "") if isinstance(plain, (list, tuple)) else plain  # pyright: ignore[reportUnknownArgumentType] - texts, or anything that is counted
        for plain in msgspec.to_builtins(values)
    ]


def _parquet(rows: Sequence[Any], row: type) -> bytes:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    kinds = {
        "int": arrow.int64(),
        "float": arrow.float64(),
        "str": arrow.string(),
        "bool": arrow.bool_(),
        "Region": arrow.string(),
        "datetime": arrow.timestamp("us", tz="UTC"),
        "tuple[str, ...]": arrow.list_(arrow.string()),
        # A tree has no type of its own there: it stands as JSON.
        **dict.fromkeys(_TREES, arrow.string()),
    }
    columns: dict[str, Any] = {}
    for one in fields(row):
        if one.name in SAID_BESIDE:
            continue
        values = _column(rows, one.name)
        if one.type in _TREES:
            values = [_encoder.encode(value).decode() for value in values]
        named = [part for part in str(one.type).split(" | ") if part != "None"]
        # Buckets are times or numbers, all of an answer alike.
        is_number = len(named) > 1 and not any(isinstance(value, datetime) for value in values)
        columns[one.name] = arrow.array(values, type=kinds["int" if is_number else named[0]])
    stream = io.BytesIO()
    parquet.write_table(arrow.table(columns), stream, compression="zstd")
    return stream.getvalue()
