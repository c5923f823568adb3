"""The raw rows of one day's table, attached or not: reading them as they pack, counting them, and putting them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from psycopg import sql

from ironforge_cli.db.bulk import CopyColumn, Kind, LabelColumn, copy_in, fetch_columns
from ironforge_cli.db.generations import changed
from ironforge_cli.db.repositories.snapshots import LABELS, PACKED
from ironforge_cli.db.transactions import driver
from ironforge_cli.market.rows import RawRows, RowTally, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.market.partitions import DailyPartition

ROWS_AT_ONCE: Final = 250_000
"""About so many rows are read at once."""
_SAMPLED: Final = 20_000
_KINDS: Final = (Kind.TIMESTAMPTZ, Kind.INT8, Kind.INT8, Kind.INT8, Kind.INT8)
_SLICE: Final = "archive"


def snapshot_times(connection: Connection, partition: DailyPartition) -> list[int]:
    """The microseconds since 1970 of every snapshot in a day's table, oldest first."""
    # From one to the next by the primary key: a DISTINCT would read every row.
    query = sql.SQL(
        "WITH RECURSIVE times AS (SELECT min(snapshot_time) AS moment FROM {table}"
        " UNION ALL SELECT (SELECT min(snapshot_time) FROM {table} WHERE snapshot_time > moment) FROM times"
        " WHERE moment IS NOT NULL) SELECT moment FROM times WHERE moment IS NOT NULL"
    ).format(table=sql.Identifier(partition.name))
    (times,) = fetch_columns(connection, query, [], (Kind.TIMESTAMPTZ,), slice_name=_SLICE)
    return np.sort(times.astype(np.int64)).tolist()


def snapshot(connection: Connection, partition: DailyPartition, time: int) -> RawRows:
    """The rows of one snapshot of a day's table."""
    query = sql.SQL("SELECT snapshot_time, {} FROM {} WHERE snapshot_time = %s").format(
        PACKED, sql.Identifier(partition.name)
    )
    return _fetched(connection, query, [moment_of(time)])


def tally(connection: Connection, partition: DailyPartition) -> RowTally:
    """Count and sum up all rows of a day's table, snapshot by snapshot."""
    return RowTally.of(snapshot(connection, partition, time) for time in snapshot_times(connection, partition))


def pieces_by_auction(connection: Connection, partition: DailyPartition) -> Iterator[RawRows]:
    """All rows of a day's table in the order of their auctions and times, about `ROWS_AT_ONCE` at a time."""
    times = [moment_of(time) for time in snapshot_times(connection, partition)]
    # One range of the primary key for every snapshot and piece: what is sorted already is not sorted again.
    query = sql.SQL(
        "SELECT piece.* FROM unnest(%s::timestamptz[]) AS moment,"
        " LATERAL (SELECT snapshot_time, {} FROM {} WHERE snapshot_time = moment"
        " AND auction_id BETWEEN %s AND %s) AS piece"
    ).format(PACKED, sql.Identifier(partition.name))
    for first, last in _ranges(connection, partition):
        rows = _fetched(connection, query, [times, first, last])
        if len(rows):
            yield rows.by_auction()


def append(connection: Connection, partition: DailyPartition, rows: RawRows) -> None:
    """Put rows into a day's table, whether it is attached or not, in the caller's transaction."""
    changed(connection, partition.region)
    copy_in(
        connection,
        partition.name,
        [
            CopyColumn("snapshot_time", Kind.TIMESTAMPTZ, rows.snapshot_time.view("M8[us]")),
            CopyColumn("auction_id", Kind.INT8, rows.auction_id),
            CopyColumn("unit_price", Kind.INT8, rows.unit_price),
            CopyColumn("item_id", Kind.INT4, rows.item_id),
            CopyColumn("quantity", Kind.INT4, rows.quantity),
            LabelColumn("time_left", rows.time_left, LABELS),
            CopyColumn("expires_after_min", Kind.INT2, rows.expires_after_min),
            CopyColumn("expires_before_min", Kind.INT2, rows.expires_before_min),
        ],
        rows=len(rows),
        slice_name=_SLICE,
    )


def _ranges(connection: Connection, partition: DailyPartition) -> list[tuple[int, int]]:
    """Ranges of auction ids in which about `ROWS_AT_ONCE` rows lie each, and all ids together."""
    table = sql.Identifier(partition.name)
    rows = _run(connection, sql.SQL("SELECT count(*) FROM {}").format(table))
    pieces = -(-rows // ROWS_AT_ONCE)
    if pieces < 2:  # noqa: PLR2004 - one piece needs no edge
        return _ranges_between([])
    query = sql.SQL("SELECT auction_id FROM {} TABLESAMPLE BERNOULLI ({}) REPEATABLE (1)").format(
        table, sql.Literal(min(100.0, 100.0 * _SAMPLED / rows))
    )
    (sampled,) = fetch_columns(connection, query, [], (Kind.INT8,), slice_name=_SLICE)
    if not len(sampled):
        return _ranges_between([])
    # By whole numbers alone: a float can't hold an id at the end of 64 bits.
    ordered = np.sort(sampled)
    return _ranges_between(np.unique(ordered[np.arange(1, pieces) * len(ordered) // pieces]).tolist())


def _ranges_between(edges: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of ids, their ends included, of which each but the first begins with an edge; no id is outside them.

    >>> _ranges_between([5, 9])
    [(-9223372036854775808, 4), (5, 8), (9, 9223372036854775807)]
    >>> _ranges_between([-(2**63), 5])
    [(-9223372036854775808, 4), (5, 9223372036854775807)]
    """
    lowest, highest = -(2**63), 2**63 - 1
    inner = [edge for edge in edges if edge > lowest]
    return list(zip([lowest, *inner], [*(edge - 1 for edge in inner), highest], strict=True))


def _fetched(connection: Connection, query: sql.Composable, parameters: Sequence[Any]) -> RawRows:
    times, ids, prices, lots, expiries = fetch_columns(connection, query, parameters, _KINDS, slice_name=_SLICE)
    # Casting to fewer bits keeps the lowest ones.
    return RawRows(
        snapshot_time=times.astype(np.int64),
        auction_id=ids,
        item_id=(lots >> 32).astype(np.int32),
        unit_price=prices,
        quantity=lots.astype(np.int32),
        time_left=(expiries >> 32).astype(np.uint8),
        expires_after_min=(expiries >> 16).astype(np.int16),
        expires_before_min=expiries.astype(np.int16),
    )


def _run(connection: Connection, statement: sql.Composable) -> int:
    """Run a statement, and return its number, or 0 where it has none."""
    with driver(connection) as speaking:
        cursor = speaking.execute(sql.SQL("/* ironforge archive */ {}").format(statement))
        found = cursor.fetchone() if cursor.description else None
    return int(found[0]) if found else 0
