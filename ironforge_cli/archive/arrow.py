"""pyarrow, loaded when Parquet is used: it is large, and belongs to an extra of its own."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ironforge_cli.errors import ArchiveError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@dataclass(frozen=True, slots=True)
class Arrow:
    """The modules of pyarrow, which come without types."""

    core: Any
    parquet: Any
    filesystems: Any


@cache
def arrow() -> Arrow:
    """Load pyarrow; raises `ConfigurationError` where it is not installed."""
    try:
        return Arrow(*(import_module(name) for name in ("pyarrow", "pyarrow.parquet", "pyarrow.fs")))
    except ImportError as error:
        raise ConfigurationError(
            f"Parquet needs pyarrow, which can't be loaded ({error}). Install it with ironforge: "
            "pip install 'ironforge-cli[archive]'."
        ) from error


@contextmanager
def explained(what: str, advice: str) -> Generator[None]:
    """Turn the errors of pyarrow and of files into `ArchiveError`, with what could not be done and what to do."""
    try:
        yield
    except (OSError, arrow().core.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = " ".join(reason.split()).rstrip(".")
        raise ArchiveError(f"{what} ({reason}). {advice}") from error


def row_groups(file: Any) -> Iterator[Any]:
    """The pieces of a Parquet file as tables, one after the other, each page checked against its checksum."""
    parquet = arrow().parquet.ParquetFile(file, page_checksum_verification=True)
    for group in range(parquet.num_row_groups):
        yield parquet.read_row_group(group)
