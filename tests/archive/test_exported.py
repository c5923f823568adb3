"""A Parquet file of rows by their names or by columns: the bytes that the library writes of them, and none to spare."""

from __future__ import annotations

import gc
import io
from array import array
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from ironforge_cli.archive import exported
from ironforge_cli.archive.exported import ParquetFile, ValueType

if TYPE_CHECKING:
    from collections.abc import Mapping

pa = cast("Any", import_module("pyarrow"))
pq = cast("Any", import_module("pyarrow.parquet"))

GROUP = 49_152
TYPES: Mapping[str, ValueType] = {one.name.casefold(): one for one in ValueType}
ROW: Mapping[str, Any] = {
    "int16": -(2**15),
    "int32": 2**31 - 1,
    "int64": 2**63 - 1,
    "real": 0.1,
    "text": "Bärbel",
    "truth": True,
    "time": datetime(2026, 1, 14, 12, 30, 0, 1, tzinfo=UTC),
    "texts": ["a", "b"],
}
NULLS: Mapping[str, Any] = dict.fromkeys(TYPES)


def test_rows_by_their_names_keep_their_types_their_order_and_what_is_null() -> None:
    stream = io.BytesIO()
    file = ParquetFile.begin(stream, TYPES)
    for rows in ([ROW, NULLS], [NULLS], [ROW]):
        file.write_records(rows)
    assert stream.getvalue() == b"PAR1"
    file.end()
    table = pq.read_table(io.BytesIO(stream.getvalue()))
    assert [str(one) for one in table.schema.types] == [
        *("int16", "int32", "int64", "double", "string", "bool", "timestamp[us, tz=UTC]", "list<element: string>"),
    ]
    assert table.to_pylist() == [ROW, NULLS, NULLS, ROW]
    assert not stream.closed
    assert file.stream.writable()


def test_a_file_of_one_writer_is_byte_for_byte_what_the_library_makes_of_its_groups() -> None:
    """Pages of 64 KiB with checksums, packed by zstd; a dictionary of texts alone; nothing between and behind."""
    types = {"region": ValueType.TEXT, "price": ValueType.INT64}
    stream, prices = io.BytesIO(), np.arange(GROUP + 5) % 1_000
    file = ParquetFile.begin(stream, types)
    nulls = prices == 7
    for begin, end in ((0, GROUP - 1), (GROUP - 1, GROUP), (GROUP, GROUP + 5)):
        assert (file.groups, sum(map(len, file.held))) == (begin // GROUP, begin % GROUP)
        file.write_columns({"price": (prices[begin:end], nulls[begin:end])}, {"region": "eu"})
    file.end()

    table = pa.table({"region": ["eu"] * len(prices), "price": pa.array(prices, mask=nulls)})
    expected = io.BytesIO()
    options = {"compression": "zstd", "write_page_checksum": True, "data_page_size": 65_536}
    with pq.ParquetWriter(expected, table.schema, use_dictionary=["region"], **options) as writer:
        writer.write_table(table.slice(0, GROUP), row_group_size=GROUP)
        writer.write_table(table.slice(GROUP), row_group_size=5)
    assert stream.getvalue() == expected.getvalue()


def test_a_writer_has_its_turn_for_so_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "_ROWS_A_GROUP", 1)
    file = ParquetFile.begin(io.BytesIO(), {"id": ValueType.INT16})
    first = file.writer
    for number in range(32):
        file.write_records([{"id": number}])
    assert (file.writer is first, file.groups, file.begun_at) == (True, 32, 0)
    file.write_records([{"id": 32}])
    assert (file.writer is first, file.groups) == (False, 1)
    assert 0 < file.begun_at < file.stream.written
    assert file.stream.kept is None
    assert not first.is_open
    file.abandon()


def test_what_is_abandoned_is_no_file_even_when_nobody_holds_it_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "_ROWS_A_GROUP", 2)
    stream = io.BytesIO()
    file = ParquetFile.begin(stream, TYPES)
    file.write_records([ROW, NULLS])
    file.write_records([ROW])
    written = stream.getvalue()
    assert len(written) > len(b"PAR1")
    file.abandon()
    del file
    gc.collect()
    assert stream.getvalue() == written


def test_a_stream_takes_buffers_of_any_items_and_counts_bytes() -> None:
    behind = io.BytesIO()
    stream = exported._KeptEnds(behind)  # pyright: ignore[reportPrivateUsage] - libraries write buffers of any kind
    assert stream.write(cast("bytes", memoryview(array("i", range(3))))) == 12
    stream.kept, stream.is_withheld = bytearray(), True
    assert stream.write(b"ab") == 2
    assert (stream.written, bytes(stream.kept), behind.getvalue()[-2:]) == (14, b"ab", b"\x00\x00")
    stream.close()
    assert not behind.closed
