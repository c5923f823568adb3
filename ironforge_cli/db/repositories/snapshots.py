"""Raw snapshots and their registry: what is stored, and storing, reading and replacing one."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from sqlalchemy import delete, func, insert, select, update

from ironforge_cli.db.bulk import CopyColumn, Kind, LabelColumn, copy_in, fetch_columns
from ironforge_cli.db.engine import executor
from ironforge_cli.db.generations import changed
from ironforge_cli.db.models import REGISTRY, SNAPSHOTS
from ironforge_cli.db.repositories.lots_left_out import left_out
from ironforge_cli.db.transactions import reader
from ironforge_cli.market.auctions import Auctions, Book, Windows
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.rhythm import LEARNED_FROM, Seen
from ironforge_cli.market.time_left import TimeLeft
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.sales import Totals
    from ironforge_cli.market.statistics import Summary

TRAILING_SNAPSHOTS: Final = 24
"""How many stored snapshots say what is a plausible size for the next."""

LABELS: Final = tuple(bucket.name for bucket in TimeLeft)
# PostgreSQL's time goes by the number of columns: seven as four take it half as long.
PACKED: Final = sql.SQL(
    "auction_id, unit_price, (item_id::bigint << 32) | quantity,"
    " (CASE time_left {} END::bigint << 32)"
    " | ((expires_after_min & 65535)::bigint << 16) | (expires_before_min & 65535)"
).format(
    sql.SQL(" ").join(
        sql.SQL("WHEN {} THEN {}").format(sql.Literal(label), sql.Literal(code)) for code, label in enumerate(LABELS)
    )
)
"""A raw row's columns but its time, as four numbers."""
_execute = executor("snapshots")
_read = reader("snapshots")


@dataclass(frozen=True, slots=True)
class Registered:
    """A stored snapshot, as the registry knows it."""

    snapshot_time: datetime
    auctions: int
    digest: str


@dataclass(frozen=True, slots=True)
class RegistryRow:
    """All that the registry says of a stored snapshot itself."""

    region: Region
    snapshot_time: datetime
    auctions: int
    items: int
    bytes: int
    skipped: int
    """Auctions of its body that made no sense, and are not among its auctions."""
    source: str
    stored_at: datetime
    interval_seconds: int | None
    estimated_sales: int | None
    estimator_version: int


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """What is stored of a region: from when until when, and how much."""

    since: datetime
    until: datetime
    snapshots: int
    auctions: int


@dataclass(frozen=True, slots=True)
class Body:
    """What is kept of the answer that a snapshot came in: its size, its SHA-256 and whence it came."""

    bytes: int
    digest: str
    source: str


def newest(connection: Connection, region: Region) -> Registered | None:
    """The newest stored snapshot of a region."""
    return _first(connection, region, descending=True)


def at(connection: Connection, region: Region, moment: datetime) -> Registered | None:
    """The stored snapshot of exactly a time."""
    return _first(connection, region, REGISTRY.c.snapshot_time == moment, descending=True)


def before(connection: Connection, region: Region, moment: datetime) -> Registered | None:
    """The newest stored snapshot that is older than a time."""
    return _first(connection, region, REGISTRY.c.snapshot_time < moment, descending=True)


def after(connection: Connection, region: Region, moment: datetime) -> Registered | None:
    """The oldest stored snapshot that is newer than a time."""
    return _first(connection, region, REGISTRY.c.snapshot_time > moment, descending=False)


def stored_times(
    connection: Connection, region: Region, *, since: datetime | None = None, until: datetime | None = None
) -> Sequence[datetime]:
    """When the registered snapshots of a region were published, both ends included, oldest first."""
    time = REGISTRY.c.snapshot_time
    return _execute(connection, _between(select(time), region, since, until).order_by(time)).scalars().all()


def registry(
    connection: Transaction,
    region: Region,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> list[RegistryRow]:
    """The newest registered snapshots of a region, both ends included, oldest first."""
    names = ", ".join(one.name for one in fields(RegistryRow)[1:])
    begins = "" if since is None else " AND snapshot_time >= %(since)s"
    ends = "" if until is None else " AND snapshot_time <= %(until)s"
    statement = (
        f"SELECT {names} FROM snapshots WHERE region = %(region)s{begins}{ends}"  # noqa: S608 - names of our own
        " ORDER BY snapshot_time DESC LIMIT %(limit)s"
    )
    rows = _read(connection, statement, {"region": region, "since": since, "until": until, "limit": limit})
    return [RegistryRow(region, *row) for row in reversed(rows)]


def count(
    connection: Connection, region: Region, *, since: datetime | None = None, until: datetime | None = None
) -> int:
    """How many snapshots of a region are registered, both ends included."""
    return int(_execute(connection, _between(select(func.count()), region, since, until)).scalar_one())


def outdated_times(
    connection: Connection, region: Region, *, since: datetime | None = None, until: datetime | None = None
) -> Sequence[datetime]:
    """The times of the snapshots that other rules than today's judged, both ends included, oldest first."""
    time = REGISTRY.c.snapshot_time
    statement = _between(select(time), region, since, until).where(REGISTRY.c.estimator_version != ESTIMATOR_VERSION)
    return _execute(connection, statement.order_by(time)).scalars().all()


def _between(
    statement: Select[*tuple[Any, ...]], region: Region, since: datetime | None, until: datetime | None
) -> Select[*tuple[Any, ...]]:
    time = REGISTRY.c.snapshot_time
    statement = statement.where(REGISTRY.c.region == region)
    statement = statement if since is None else statement.where(time >= since)
    return statement if until is None else statement.where(time <= until)


def _first(
    connection: Connection, region: Region, *conditions: ColumnElement[bool], descending: bool
) -> Registered | None:
    time = REGISTRY.c.snapshot_time
    statement = (
        select(time, REGISTRY.c.auctions, REGISTRY.c.digest)
        .where(REGISTRY.c.region == region, *conditions)
        .order_by(time.desc() if descending else time.asc())
        .limit(1)
    )
    row = _execute(connection, statement).one_or_none()
    return None if row is None else Registered(*row)


def span(connection: Connection, region: Region) -> StoredSpan | None:
    """From when until when snapshots of a region are stored, and how many auctions they hold; None without any."""
    time = REGISTRY.c.snapshot_time
    statement = select(func.min(time), func.max(time), func.count(), func.sum(REGISTRY.c.auctions)).where(
        REGISTRY.c.region == region
    )
    since, until, stored, auctions = _execute(connection, statement).one()
    return StoredSpan(since, until, int(stored), int(auctions)) if stored else None


def seen(connection: Transaction, region: Region) -> list[Seen]:
    """The newest snapshots of a region, as far as its rhythm is learned from: when they were published and stored."""
    statement = (
        "SELECT snapshot_time, stored_at FROM snapshots WHERE region = %(region)s"
        " ORDER BY snapshot_time DESC LIMIT %(most)s"
    )
    return [Seen(*row) for row in _read(connection, statement, {"region": region, "most": LEARNED_FROM})]


def trailing_median(connection: Connection, region: Region, moment: datetime) -> tuple[float, int]:
    """The median number of auctions of the last snapshots before a time, and how many there are (24 at most)."""
    statement = (
        select(REGISTRY.c.auctions)
        .where(REGISTRY.c.region == region, REGISTRY.c.snapshot_time < moment)
        .order_by(REGISTRY.c.snapshot_time.desc())
        .limit(TRAILING_SNAPSHOTS)
    )
    sizes = _execute(connection, statement).scalars().all()
    return (float(median(sizes)) if sizes else 0.0), len(sizes)


def load(connection: Connection, region: Region, moment: datetime) -> Book | None:
    """Read a stored snapshot back, with what was left out of it; None where its raw rows have left (or never were)."""
    query = sql.SQL("SELECT {} FROM {} WHERE snapshot_time = %s").format(PACKED, sql.Identifier(SNAPSHOTS[region].name))
    kinds = (Kind.INT8, Kind.INT8, Kind.INT8, Kind.INT8)
    ids, prices, lots, expiries = fetch_columns(connection, query, [moment], kinds, slice_name="snapshots")
    if not len(ids):
        return None
    if not (ids[1:] > ids[:-1]).all():
        # Rows come as they were stored, in order, unless something was deleted among them.
        order = ids.argsort(kind="stable")
        ids, prices, lots, expiries = ids[order], prices[order], lots[order], expiries[order]
    # Casting to fewer bits keeps the lowest ones.
    return Book(
        auctions=Auctions(
            auction_id=ids,
            item_id=(lots >> 32).astype("i4"),
            unit_price=prices,
            quantity=lots.astype("i4"),
            time_left=(expiries >> 32).astype("u1"),
            left_out=left_out(connection, region, moment),
        ),
        windows=Windows(
            expires_after_min=(expiries >> 16).astype("i2"),
            expires_before_min=expiries.astype("i2"),
        ),
        snapshot_time=moment,
    )


def with_left_out(connection: Connection, region: Region, book: Book) -> Book:
    """A stored snapshot whose rows were read elsewhere, with what was left out of it."""
    return replace(book, auctions=replace(book.auctions, left_out=left_out(connection, region, book.snapshot_time)))


def store(connection: Connection, region: Region, book: Book) -> None:
    """Append a snapshot's rows, in the caller's transaction; the partition of its day has to be there."""
    changed(connection, region)
    auctions, windows = book.auctions, book.windows
    copy_in(
        connection,
        SNAPSHOTS[region].name,
        [
            CopyColumn("snapshot_time", Kind.TIMESTAMPTZ, book.snapshot_time),
            CopyColumn("auction_id", Kind.INT8, auctions.auction_id),
            CopyColumn("unit_price", Kind.INT8, auctions.unit_price),
            CopyColumn("item_id", Kind.INT4, auctions.item_id),
            CopyColumn("quantity", Kind.INT4, auctions.quantity),
            LabelColumn("time_left", auctions.time_left, LABELS),
            CopyColumn("expires_after_min", Kind.INT2, windows.expires_after_min),
            CopyColumn("expires_before_min", Kind.INT2, windows.expires_before_min),
        ],
        rows=len(auctions),
        slice_name="snapshots",
    )


def remove(connection: Connection, region: Region, moment: datetime) -> None:
    """Take a snapshot's rows out, to store them again with other windows in the same transaction."""
    table = SNAPSHOTS[region]
    changed(connection, region)
    _execute(connection, delete(table).where(table.c.snapshot_time == moment))


def register(connection: Connection, region: Region, summary: Summary, body: Body) -> None:
    """Write the registry row of a new snapshot, in the caller's transaction."""
    auctions = summary.book.auctions
    values = {
        "region": region,
        "snapshot_time": summary.book.snapshot_time,
        "auctions": len(auctions),
        "items": auctions.items,
        "bytes": body.bytes,
        "skipped": auctions.left_out.count,
        "skipped_items": list(auctions.left_out.item_id),
        "skipped_auctions": list(auctions.left_out.auction_id),
        "digest": body.digest,
        "source": body.source,
    }
    changed(connection, region)
    _execute(connection, insert(REGISTRY).values(**values, **_compared(summary)))


def unregister(connection: Connection, region: Region, moment: datetime) -> None:
    """Take a snapshot's row out of the registry, in the caller's transaction."""
    changed(connection, region)
    _execute(connection, delete(REGISTRY).where(REGISTRY.c.region == region, REGISTRY.c.snapshot_time == moment))


def reregister(connection: Connection, region: Region, summary: Summary) -> None:
    """Correct what the registry says of a snapshot's comparison after it was computed again."""
    changed(connection, region)
    _execute(
        connection,
        update(REGISTRY)
        .where(REGISTRY.c.region == region, REGISTRY.c.snapshot_time == summary.book.snapshot_time)
        .values(**_compared(summary)),
    )


def agrees(connection: Connection, region: Region, summary: Summary) -> bool:
    """Whether the registry says of a snapshot's comparison what a summary does."""
    compared = _compared(summary)
    statement = select(*(REGISTRY.c[name] for name in compared)).where(
        REGISTRY.c.region == region, REGISTRY.c.snapshot_time == summary.book.snapshot_time
    )
    return tuple(_execute(connection, statement).one()) == tuple(compared.values())


def _compared(summary: Summary) -> dict[str, float | None]:
    totals: Totals | None = summary.totals
    ids, lots = summary.book.auctions.auction_id, summary.lots
    return {
        "interval_seconds": summary.interval_seconds,
        "new_auctions": totals and totals.new_auctions,
        "gone_auctions": totals and totals.gone_auctions,
        "estimated_sales": summary.estimated_sales,
        "sales_low": summary.sales_low,
        "sales_high": summary.sales_high,
        "expired_units": totals and totals.expired_units,
        "withdrawn_units": totals and totals.withdrawn_units,
        "withdrawn_auctions": totals and totals.withdrawn_auctions,
        "partly_sold": totals and totals.partly_sold_auctions,
        "partly_sold_above_cheaper": totals and totals.partly_sold_above_cheaper,
        "window_misfits": totals and totals.window_misfits,
        "highest_auction_id": int(ids[-1]) if len(ids) else None,
        # The interval's last quarter is the one just before the snapshot that first shows the lot.
        **{f"sold_lots_quarter_{4 - number}": lots and lots.quarters[number] for number in range(4)},
        "sold_lots_seen": lots and lots.seen,
        "sold_lots_unseen": lots and lots.unseen,
        "estimator_version": ESTIMATOR_VERSION,
    }
