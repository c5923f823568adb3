"""Files that are there whole or not at all: written beside their place, on the disk, and then renamed."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import zstandard

from ironforge_cli.errors import OutputError, UsageError
from ironforge_cli.given import named_place

if TYPE_CHECKING:
    from collections.abc import Generator

PACKED = (".gz", ".zst")
"""Endings of names whose files are packed."""


@contextmanager
def written_whole(path: Path) -> Generator[IO[bytes]]:
    """A stream into a file that takes its place when the block ends well; else what was there stays, and nothing else.

    A name that ends in .gz or .zst is packed. Devices and pipes are written as they are. Raises `UsageError` where
    nothing can be written there, and `OutputError` where the disk refuses more.
    """
    place = named_place(path).resolve()
    if place.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it.")
    if place.exists() and not place.is_file():
        with _refusals(path), place.open("wb") as stream:
            yield stream
        return
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name a file in a folder of yours.") from error
    try:
        with _refusals(path):
            with os.fdopen(descriptor, "wb") as stream:
                with packing(stream, place.name) as inner:
                    yield inner
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(_rights_of(place))
            Path(temporary).replace(place)
            _sync(place.parent)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()


@contextmanager
def packing(stream: IO[bytes], name: str) -> Generator[IO[bytes]]:
    """A stream that packs what goes into another, by the ending of a name; else that stream itself."""
    ending = Path(name).suffix.lower()
    if ending == ".gz":
        # Neither a name nor a time within: the same rows are the same file.
        with gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=6, mtime=0) as packed:
            yield packed  # pyright: ignore[reportReturnType] - a GzipFile takes bytes as any stream does
    elif ending == ".zst":
        with zstandard.ZstdCompressor(level=6).stream_writer(stream, closefd=False) as packed:
            yield packed
    else:
        yield stream


def put_where_changed(path: Path, content: bytes) -> bool:
    """Write a small file unless it holds just that already; whether it was written. Raises as `written_whole`."""
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UsageError(f"{path} can't be read ({error.strerror}): name a folder of yours.") from error
    with written_whole(path) as stream:
        stream.write(content)
    return True


@contextmanager
def whole_folder(place: Path) -> Generator[Path]:
    """A new folder that takes its place when the block ends well; else there is nothing of it. Raises `UsageError`."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    except OSError as error:
        raise UsageError(f"{place} can't be made ({error.strerror}): name a folder of yours.") from error
    try:
        yield temporary
        with _refusals(place):
            temporary.chmod(0o777 & ~_umask())
            temporary.rename(place)
            _sync(place.parent)
    finally:
        if temporary.exists():
            for one in temporary.iterdir():
                one.unlink()
            temporary.rmdir()


class UnseekableStream(io.RawIOBase):
    """A stream that knows how much went into it, for writers that ask for that alone."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.written = 0

    def writable(self) -> bool:
        """Whether it takes bytes: it does."""
        return True

    def write(self, data: bytes, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - buffers come as well
        """Write all of it."""
        self._stream.write(data)
        length = memoryview(data).nbytes
        self.written += length
        return length

    def tell(self) -> int:
        """How many bytes went into it."""
        return self.written

    def close(self) -> None:
        """Leave the stream behind it open: whoever opened that closes it."""


@contextmanager
def _refusals(path: Path) -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path} could not be written ({reason}): make room; nothing of it is there.") from error


def _sync(folder: Path) -> None:
    """Have the folder's entries on the disk, where its file system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _rights_of(place: Path) -> int:
    """Those of the file that is replaced, else those that a new one gets."""
    try:
        return stat.S_IMODE(place.stat().st_mode) & 0o777
    except OSError:
        return 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
