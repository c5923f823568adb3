"""Other tables in the archive: statistics and days by month, token prices; each file read back, with its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from ironforge_cli.archive.arrow import arrow, explained, row_groups
from ironforge_cli.decoding import learn
from ironforge_cli.errors import ArchiveError
from ironforge_cli.market.rows import Count, hashes_of
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ironforge_cli.archive.store import ArchiveStore

Columns: TypeAlias = "Mapping[str, tuple[NDArray[Any], NDArray[np.bool_] | None]]"
"""Values of every column, and where they are null; None where nowhere."""
_TIME: Final = np.dtype("M8[us]")
_MANIFEST: Final = "_manifest.json"
_NOT_WRITTEN: Final = "What was there stays; check the store."
_DAMAGED: Final = "Remove the file; the next export writes it anew."


class TableManifest(msgspec.Struct, frozen=True):
    """What a file of a table holds, as it was read back."""

    rows: int
    checksum: str
    """Hexadecimal: the sum of the hashes of all rows, modulo 2**64."""
    bytes: int
    exported_at: datetime


learn(TableManifest)


class NotWritten(Enum):
    """Why nothing was written."""

    UNCHANGED = "unchanged"
    """The file holds the same rows."""
    EMPTY = "empty"
    """There are no rows, and of those no file is made; one that is there stays."""


@dataclass(frozen=True, slots=True)
class ArchivedTables:
    """The tables of an archive that are no raw days."""

    store: ArchiveStore

    def export(
        self,
        folder: str,
        name: str,
        pieces: Callable[[], Iterable[Columns]],
        *,
        now: datetime,
    ) -> TableManifest | NotWritten:
        """Write a table's rows, unless the file holds the same or there are none.

        `pieces` gives the same rows from the first on each time it is called.
        Raises `ArchiveError` where the archive refuses, or reads back as something else; the file that was there stays
        then.
        """
        wanted = Count(0, 0)
        for piece in pieces():
            wanted = _added(wanted, piece)
        path = f"{folder}/{name}.parquet"
        if not wanted.rows:
            self._remove_without_content(folder, path)
            return NotWritten.EMPTY
        held = self._manifest(folder)
        if held is not None and Count(held.rows, int(held.checksum, 16)) == wanted and self._reads_as(path, wanted):
            return NotWritten.UNCHANGED

        def check(file: Any) -> None:
            with explained(f"{self.store.name}/{path} does not read back", _NOT_WRITTEN):
                found = _counted(file)
            if found != wanted:
                raise ArchiveError(
                    f"{self.store.name}/{path} reads back as {counted(found.rows, 'row')} that "
                    f"{'is' if found.rows == 1 else 'are'} not the {wanted.rows:,} of "
                    f"the table. {_NOT_WRITTEN}"
                )

        size = self.store.put(path, lambda stream: _write(stream, pieces()), check=check)
        manifest = TableManifest(rows=wanted.rows, checksum=f"{wanted.checksum:016x}", bytes=size, exported_at=now)
        content = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        self.store.put(f"{folder}/{_MANIFEST}", lambda stream: _put(stream, content))
        return manifest

    def _manifest(self, folder: str) -> TableManifest | None:
        file = self.store.opened(f"{folder}/{_MANIFEST}")
        if file is None:
            return None
        with explained(f"{self.store.name}/{folder}/{_MANIFEST} can't be read", _DAMAGED), file:
            content = file.read()
        try:
            return msgspec.json.decode(content, type=TableManifest)
        except msgspec.MsgspecError:
            # Written anew, since the table is here.
            return None

    def _reads_as(self, path: str, wanted: Count) -> bool:
        file = self.store.opened(path)
        if file is None:
            return False
        try:
            with explained(f"{self.store.name}/{path} can't be read", _DAMAGED), file:
                return _counted(file) == wanted
        except ArchiveError:
            return False

    def _remove_without_content(self, folder: str, path: str) -> None:
        """Remove a file without a byte: it was left for a month without rows once, and engines can't read it."""
        if self.store.found(folder).get(path) == 0:
            self.store.remove(path)


def _counted(file: Any) -> Count:
    found = Count(0, 0)
    for table in row_groups(file):
        found = _added(found, _read(table))
    return found


def _added(count: Count, piece: Columns) -> Count:
    hashes = hashes_of([_as_integers(*column) for column in piece.values()])
    return Count(count.rows + len(hashes), (count.checksum + int(hashes.sum())) % 2**64)


def _as_integers(values: NDArray[Any], nulls: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """A column's bits, with one number for every null."""
    wide = values.view(np.int64) if values.dtype.kind in "fM" else values.astype(np.int64)
    return wide if nulls is None else np.where(nulls, np.iinfo(np.int64).min, wide)


def _write(stream: Any, pieces: Iterable[Columns]) -> None:
    core, writer = arrow().core, None
    for piece in pieces:
        table = core.table(
            {
                name: core.array(values, mask=nulls) if values.dtype != _TIME else _times(values)
                for name, (values, nulls) in piece.items()
            }
        )
        writer = writer or arrow().parquet.ParquetWriter(
            stream, table.schema, compression="zstd", write_page_checksum=True
        )
        writer.write_table(table, row_group_size=max(1, len(table)))
    if writer:
        writer.close()


def _times(values: NDArray[Any]) -> Any:
    core = arrow().core
    return core.array(values.view(np.int64), core.int64()).cast(core.timestamp("us", tz="UTC"))


def _put(stream: Any, content: bytes) -> None:
    stream.write(content)


def _read(table: Any) -> dict[str, tuple[NDArray[Any], NDArray[np.bool_] | None]]:
    core = arrow().core
    found: dict[str, tuple[NDArray[Any], NDArray[np.bool_] | None]] = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        nulls = column.is_null().to_numpy(zero_copy_only=False)
        if core.types.is_timestamp(column.type):
            column = column.cast(core.int64())
        elif core.types.is_date32(column.type):
            column = column.cast(core.int32())
        filled = column.fill_null(0).to_numpy(zero_copy_only=False)
        found[name] = (filled, nulls if nulls.any() else None)
    return found
