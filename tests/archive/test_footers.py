"""One file of several writers: it reads as one, whatever its groups hold."""

from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from ironforge_cli.archive import exported
from ironforge_cli.archive.exported import ParquetFile, ValueType
from ironforge_cli.archive.footers import Footers

if TYPE_CHECKING:
    from collections.abc import Mapping

pq = cast("Any", import_module("pyarrow.parquet"))
TYPES: Mapping[str, ValueType] = {"region": ValueType.TEXT, "price": ValueType.INT64, "sold": ValueType.REAL}


def written(groups: int) -> tuple[bytes, list[dict[str, Any]]]:
    """A file of groups of three rows each, and its rows."""
    stream, rows = io.BytesIO(), list[dict[str, Any]]()
    file = ParquetFile.begin(stream, TYPES)
    for number in range(groups):
        prices, nulls = np.arange(3) + 2**53 + number, np.array([number % 2 == 0, True, False])
        file.write_columns({"price": (prices, None), "sold": (np.full(3, number / 3), nulls)}, {"region": "eu"})
        rows += [
            {"region": "eu", "price": int(price), "sold": None if null else number / 3}
            for price, null in zip(prices, nulls, strict=True)
        ]
    file.end()
    return stream.getvalue(), rows


@pytest.mark.parametrize("groups", [0, 1, 2, 3, 15, 16, 40])
def test_a_file_that_writers_took_turns_in_reads_as_one(groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "_ROWS_A_GROUP", 1)
    monkeypatch.setattr(exported, "_GROUPS_A_WRITER", 2)
    content, rows = written(groups)
    file = pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True)
    assert (file.metadata.num_row_groups, file.metadata.num_rows) == (groups, len(rows))
    assert file.read().to_pylist() == rows
    assert [file.read_row_group(number).num_rows for number in range(groups)] == [3] * groups
    if groups:
        least = file.metadata.row_group(groups - 1).column(1).statistics.min
        assert least == rows[-3]["price"]


def test_what_ends_no_file_is_refused() -> None:
    content, _ = written(1)
    length = int.from_bytes(content[-8:-4], "little") + 8
    ending = content[-length:]
    for wrong in (b"", ending[:-1], ending[1:], b"PAR1"):
        with pytest.raises(ValueError, match="ends no"):
            Footers().add(wrong, begun_at=0)
    same = Footers()
    same.add(ending, begun_at=0)
    assert same.ending() == ending


def test_what_is_held_of_groups_leaves_with_their_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "_ROWS_A_GROUP", 1)
    monkeypatch.setattr(exported, "_GROUPS_A_WRITER", 2)
    file = ParquetFile.begin(io.BytesIO(), TYPES)
    writers = set[int]()
    kept: list[Any] = []
    for _ in range(6):
        file.write_columns({"price": (np.arange(1), None), "sold": (np.zeros(1), None)}, {"region": "eu"})
        kept.append(file.writer)
        writers.add(id(file.writer))
    file.end()
    assert len(writers) == 3
    assert [one.is_open for one in kept] == [False] * 6
