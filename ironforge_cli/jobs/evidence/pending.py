"""Rows that the database could not take, kept in a file until it can: log rows, benchmarks, prices of the token."""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from ironforge_cli.db.repositories import runs, token_prices
from ironforge_cli.db.repositories.runs import BenchmarkRow, LogRow
from ironforge_cli.decoding import learn
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.ownership import owners_rights
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import BinaryIO

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

log = logging.getLogger(__name__)


_MOST_BYTES: Final = 16_000_000
# The last line of a file that holds as much as it may: what came later was left out.
_FULL: Final = b'{"table":"full"}\n'


class TokenRow(msgspec.Struct, frozen=True):
    """What a token cost from a time on; Blizzard keeps no older prices."""

    region: Region
    timestamp: datetime
    price: int
    """Copper."""


Row: TypeAlias = LogRow | BenchmarkRow | TokenRow
_KINDS: Final[dict[str, type[Row]]] = {"scraper_logs": LogRow, "benchmarks": BenchmarkRow, "token_prices": TokenRow}
_TABLES: Final = {kind: table for table, kind in _KINDS.items()}


class _Line(msgspec.Struct):
    """A row as the file holds it."""

    table: Literal["scraper_logs", "benchmarks", "token_prices"]
    row: msgspec.Raw


learn(_Line, *_KINDS.values())


class PendingRows:
    """A file of rows, a line each, at most so many bytes: the oldest stay. Several processes may use it at once."""

    def __init__(self, file: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        self._file = file
        self._most_bytes = most_bytes

    def add(self, row: Row) -> None:
        """Keep a row; one for which there is no room is left out, and the first of them is said.

        Raises `ConfigurationError` where the disk refuses.
        """
        line = msgspec.json.encode({"table": _TABLES[type(row)], "row": row})
        with self._opened() as stream:
            size, end = stream.tell(), _last_bytes(stream, len(_FULL))
            if end == _FULL:
                return
            if size + len(line) + len(_FULL) + 2 > self._most_bytes:
                log.error(
                    "%s is full (%.0f MB): log rows and prices of the token are left out from now on, the oldest "
                    "wait on. Bring the database back: the next run then writes them.",
                    self._file,
                    size / 1e6,
                )
                line = _FULL.rstrip()
            # A process that was killed while it wrote may have left half a line.
            half = bool(end) and not end.endswith(b"\n")
            stream.write((b"\n" if half else b"") + line + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def waiting(self) -> int:
        """How many rows are kept; only looks. Raises `ConfigurationError` where the file can't be read."""
        try:
            with owners_rights(self._file.parent), self._file.open("rb") as stream:
                return sum(bool(line.strip()) and line != _FULL for line in stream)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise ConfigurationError(
                f"Log rows in {self._file} can't be read ({error.strerror or error}). Correct its permissions."
            ) from error

    def settle(self, database: Database) -> int:
        """Write the kept rows into the database and return how many; none is written twice, none is lost.

        Raises as the database does.
        """
        if not self._file.exists() or not self._file.stat().st_size:
            return 0
        with self._opened() as stream:
            stream.seek(0)
            rows: list[Row] = []
            for line in stream:
                if line == _FULL:
                    log.warning("Some rows of runs that had no database were left out, since %s was full", self._file)
                elif (row := _parsed(line)) is not None:
                    rows.append(row)
            with database.transaction() as connection:
                for row in rows:
                    _write(connection, row)
            stream.truncate(0)
        return len(rows)

    @contextmanager
    def _opened(self) -> Generator[BinaryIO]:
        try:
            with owners_rights(self._file.parent):
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                opened = self._file.open("a+b")
            with opened as stream:
                os.fchmod(stream.fileno(), 0o600)
                fcntl.flock(stream, fcntl.LOCK_EX)
                stream.seek(0, os.SEEK_END)
                yield stream
        except OSError as error:
            raise ConfigurationError(
                f"Log rows can't be kept in {self._file} ({error.strerror or error}). "
                "Make room or correct its permissions."
            ) from error


def _write(connection: Connection, row: Row) -> None:
    """Write a row, unless it is there."""
    match row:
        case LogRow():
            runs.add_log(connection, row)
        case TokenRow():
            token_prices.store(connection, row.region, at=row.timestamp, price=row.price)
        case BenchmarkRow() if not runs.has_benchmark(connection, row):
            runs.add_benchmark(connection, row)
        case _:
            pass


def _last_bytes(stream: BinaryIO, number: int) -> bytes:
    """As many of the last bytes as there are."""
    stream.seek(-min(number, stream.tell()), os.SEEK_END)
    return stream.read(number)


def _parsed(line: bytes) -> Row | None:
    if not line.strip():
        return None
    try:
        found = msgspec.json.decode(line, type=_Line)
        return msgspec.json.decode(found.row, type=_KINDS[found.table])
    except msgspec.MsgspecError as error:
        log.warning("A log row that was kept for the database is damaged and was left out (%s).", error)
        return None
