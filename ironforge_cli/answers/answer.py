"""What every answer carries beside its rows: of which snapshot it is, how old that is, and what is missing."""

from __future__ import annotations

import gc
import math
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ironforge_cli.answers.columns import Columns, names_of
from ironforge_cli.db.repositories import asked_spans, asking
from ironforge_cli.errors import NothingThereError
from ironforge_cli.market.hours import GAP, left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from ironforge_cli.db.repositories.asking import OneLook, Source
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

Row = TypeVar("Row")
_PLAIN: Final = frozenset({str, int, float, bool, type(None), datetime})
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
SAID_BESIDE: Final = frozenset({"age_seconds", "stale"})
"""Keys that change without the data: over HTTP they are said in headers, so that a body stays what it is."""


@contextmanager
def without_collecting() -> Generator[None]:
    """Keep Python from searching for garbage while an answer is made.

    An answer of thousands of rows makes hundreds of thousands of objects, none of which is garbage; to find that out
    takes as long as all the rest.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks: the database that is read, of which regions, when, and how old an answer may be."""

    database: Source | OneLook
    regions: tuple[Region, ...]
    now: datetime
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer rests on in one region."""

    region: Region
    snapshot_time: datetime | None
    """Of the newest snapshot, or of the one that was asked for; None where nothing is stored."""
    age_seconds: int | None
    stale: bool
    """Whether it is older than was allowed; so is a region that has none."""
    since: datetime | None = None
    """The span is (since, snapshot_time]; None where the answer is of one snapshot."""
    snapshots: int = 1
    """Those of the span that are stored."""
    missing: tuple[datetime, ...] = ()
    """Hours of the span of which nothing is stored, oldest first."""


@dataclass(frozen=True, slots=True)
class MarketAnswer(Generic[Row]):
    """Rows, whose fields are the published keys in their order, and what they rest on."""

    rows: Sequence[Row]
    bases: tuple[Basis, ...]
    names: tuple[str, ...] = ()
    """What the items that were asked for are called, where it is about some."""

    @property
    def is_stale(self) -> bool:
        """Whether any region's part of it is older than was allowed."""
        return any(basis.stale for basis in self.bases)

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries, for programs."""
        if isinstance(self.rows, Columns):
            return self.rows.records()
        return [_record(row) for row in self.rows]


def _record(row: object) -> dict[str, Any]:
    """A row's fields by name. Plain values are taken as they are: `asdict` copies each, over thousands of rows."""
    names, values = _reader(type(row))
    record = dict(zip(names, values(row), strict=True))
    for name, value in record.items():
        if type(value) not in _PLAIN:
            record[name] = _inner(value)
    return record


def _inner(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_inner(one) for one in value]  # pyright: ignore[reportUnknownVariableType] - any sequence
    return _record(value) if is_dataclass(value) else value


@cache
def _reader(kind: type) -> tuple[tuple[str, ...], Callable[[object], tuple[Any, ...]]]:
    """The names of a row's fields, and what reads all of them."""
    names = tuple(names_of(kind))
    if len(names) == 1:
        return names, lambda row: (getattr(row, names[0]),)
    return names, attrgetter(*names)


def basis_of(connection: Transaction, asking_for: Asking, region: Region, *, over: timedelta | None = None) -> Basis:
    """What an answer about a region's newest snapshot rests on, and about a span that ends with it."""
    newest = asking.newest_times(connection, [region]).get(region)
    if newest is None:
        return Basis(region=region, snapshot_time=None, age_seconds=None, stale=True, snapshots=0)
    age = asking_for.now - newest
    known = Basis(
        region=region,
        snapshot_time=newest,
        age_seconds=int(age.total_seconds()),
        stale=age > asking_for.max_age,
    )
    if over is None:
        return known
    since = newest - over
    stored = asked_spans.snapshots(connection, region, since, newest)
    return Basis(
        region=region,
        snapshot_time=newest,
        age_seconds=known.age_seconds,
        stale=known.stale,
        since=since,
        snapshots=len(stored),
        missing=missing_hours(since, stored),
    )


def basis_at(connection: Transaction, asking_for: Asking, region: Region, at: datetime | None) -> Basis:
    """What an answer about one snapshot rests on: the newest, or the newest one that is not newer than `at`.

    Raises `NothingThereError` where there is none so old.
    """
    basis = basis_of(connection, asking_for, region)
    if at is None or basis.snapshot_time is None:
        return basis
    found = asking.snapshot_at(connection, region, at)
    if found is None:
        raise NothingThereError(f"{region.label}: nothing is stored of {at:%Y-%m-%d %H:%M} UTC or before.")
    if found == basis.snapshot_time:
        # Nothing newer is stored: it is judged as what stands for now is.
        return basis
    # A past hour was asked for: it is as old as it should be.
    age = int((asking_for.now - found).total_seconds())
    return replace(basis, snapshot_time=found, age_seconds=age, stale=False)


def missing_hours(since: datetime, stored: Sequence[asked_spans.StoredSnapshot]) -> tuple[datetime, ...]:
    """The hours between snapshots of which nothing is stored, from `since` on.

    >>> from ironforge_cli.db.repositories.asked_spans import StoredSnapshot
    >>> noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
    >>> stored = [StoredSnapshot(noon, None), StoredSnapshot(noon + 2 * HOUR, 7_200)]
    >>> [hour.isoformat() for hour in missing_hours(noon - HOUR, stored)]
    ['2026-01-14T13:00:00+00:00']
    """
    found: list[datetime] = []
    for one in stored:
        if one.interval_seconds is not None and timedelta(seconds=one.interval_seconds) > GAP:
            before = one.time - timedelta(seconds=one.interval_seconds)
            found += [hour for hour in left_out(before, one.time, None) if hour > since]
    return tuple(found)


def start_of_day(moment: datetime) -> datetime:
    """The first instant of a time's UTC day."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def known(value: float | None) -> float | None:
    """A number, or None where it is not known.

    >>> known(float("nan")), known(1.5)
    (None, 1.5)
    """
    return None if value is None or math.isnan(value) else float(value)


def copper(value: float | None) -> int | None:
    """A price in whole copper, or None where it is not known."""
    return None if value is None or math.isnan(value) else int(value)


def first(rows: Iterable[Row], limit: int) -> tuple[Row, ...]:
    """The first so many rows; 0 is all."""
    return tuple(islice(rows, limit or None))
