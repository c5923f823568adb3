"""Where archived files are: a folder, or a bucket of an S3-compatible store. Files appear whole or not at all."""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from ironforge_cli.archive.arrow import arrow, explained
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import datetime
    from typing import BinaryIO

log = logging.getLogger(__name__)

TEMPORARY: Final = ".unfinished-"
"""How the names of files begin that are being written: engines that read folders leave out what begins with a dot."""
_ABANDONED: Final = timedelta(days=1)
"""An unfinished object that is older than another by so much is nobody's any more."""
_CONNECT_SECONDS, _REQUEST_SECONDS, _ATTEMPTS = 10, 60, 3
_OPTIONS: Final = {"endpoint_override", "region", "scheme"}
_FOLDER_ADVICE: Final = "Make room or correct its permissions, or set IRONFORGE_ARCHIVE_URI to another folder."
_BUCKET_ADVICE: Final = (
    "Check that the bucket is there, and the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile), "
    "AWS_REGION and, for a store that is not Amazon's, AWS_ENDPOINT_URL."
)


class ArchiveStore(Protocol):
    """A place for files, by paths below it whose parts are joined by slashes."""

    @property
    def name(self) -> str:
        """The place, as people are told of it."""
        ...

    def put(self, path: str, write: Callable[[BinaryIO], None], *, check: Callable[[Any], None] | None = None) -> int:
        """Have a file written, in place of one that is there; how many bytes. Raises `ArchiveError`; then none is new.

        `check` gets what was written, opened to be read, before it takes its place; where it raises, the old file
        stays. Whoever looks sees the old file or the new one, and a process that is killed leaves the old one. Two who
        write the same file don't disturb each other: the later one's stays.
        """
        ...

    def remove(self, path: str) -> None:
        """Take a file away that is there. Raises `ArchiveError`."""
        ...

    def opened(self, path: str) -> Any:
        """A file to read from anywhere in it, as pyarrow takes it; None where there is none. Raises `ArchiveError`."""
        ...

    def found(self, folder: str) -> dict[str, int]:
        """The bytes of every finished file below a folder, by path. Raises `ArchiveError`."""
        ...


def store_at(uri: str, *, environment: Mapping[str, str]) -> ArchiveStore:
    """The store of a URI: a path, `file://…`, or `s3://bucket/prefix`.

    Credentials, region and endpoint of S3 come from the environment, as AWS's own tools take them; region, scheme and
    endpoint_override can stand in the URI's query, too. Raises `ConfigurationError` for anything else.
    """
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        return _bucket(uri, environment)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return FolderStore(Path(unquote(parts.path)))
    if "://" in uri or not uri.strip():
        raise ConfigurationError(
            f"The archive {uri.partition('://')[0]}://… is neither a folder nor s3://bucket/prefix. Correct "
            "IRONFORGE_ARCHIVE_URI or --archive."
        )
    try:
        return FolderStore(Path(uri).expanduser().absolute())
    except RuntimeError:
        raise ConfigurationError(
            f"The archive {uri} can't be found: ~ stands for no folder, since there is no such account or it has no "
            "home. Give the whole path by IRONFORGE_ARCHIVE_URI or --archive."
        ) from None


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A folder of this machine."""

    root: Path

    @property
    def name(self) -> str:
        """Where the folder is."""
        return str(self.root)

    def put(self, path: str, write: Callable[[BinaryIO], None], *, check: Callable[[Any], None] | None = None) -> int:
        """Write beside the file's place, flush, check, and rename. What killed processes left there goes first."""
        place = self.root / path
        with explained(f"The archive {self.name} can't be written", _FOLDER_ADVICE):
            # Only what touches the folder is done with its owner's rights: what is written comes from elsewhere.
            with owners_rights(self.root):
                self._make(place.parent)
                _remove_abandoned(place.parent)
            with _unfinished_in(place.parent, owned_as=self.root) as (temporary, stream):
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
                size = stream.tell()
                if check is not None:
                    core = arrow().core
                    with owners_rights(self.root):
                        opened = core.OSFile(str(temporary), "rb")
                    with opened as file:
                        check(file)
                with owners_rights(self.root):
                    temporary.rename(place)
                    _flush_folder(place.parent)
        return size

    def remove(self, path: str) -> None:
        """Delete the file."""
        place = self.root / path
        with explained(f"The archive {self.name} can't be written", _FOLDER_ADVICE), owners_rights(self.root):
            place.unlink()
            _flush_folder(place.parent)

    def opened(self, path: str) -> Any:
        """Open a file of the folder."""
        with explained(f"The archive {self.name} can't be read", _FOLDER_ADVICE):
            place, core = self.root / path, arrow().core
            with owners_rights(self.root):
                return core.OSFile(str(place), "rb") if place.exists() else None

    def found(self, folder: str) -> dict[str, int]:
        """The files below a folder."""
        with explained(f"The archive {self.name} can't be read", _FOLDER_ADVICE), owners_rights(self.root):
            return {
                path.relative_to(self.root).as_posix(): path.stat().st_size
                for path in sorted((self.root / folder).rglob("*"))
                if path.is_file() and not path.name.startswith(TEMPORARY)
            }

    def _make(self, folder: Path) -> None:
        """Make a folder and those above it, to last through a power cut."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            _flush_folder(folder.parent)


@dataclass(frozen=True)
class BucketStore:
    """A bucket of an S3-compatible store, or what is below a prefix in it."""

    root: str
    """Bucket and prefix."""
    options: Mapping[str, Any] = field(repr=False)
    """Of pyarrow's file system: credentials are among them."""

    @cached_property
    def files(self) -> Any:
        """Pyarrow's file system, made when it is used: it takes long to load."""
        filesystems = arrow().filesystems
        with explained(f"The archive {self.name} can't be reached", _BUCKET_ADVICE):
            return filesystems.S3FileSystem(
                **self.options,
                connect_timeout=_CONNECT_SECONDS,
                request_timeout=_REQUEST_SECONDS,
                background_writes=False,
                retry_strategy=filesystems.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            )

    @property
    def name(self) -> str:
        """Bucket and prefix, without what the URI says beside them."""
        return f"s3://{self.root}"

    def put(self, path: str, write: Callable[[BinaryIO], None], *, check: Callable[[Any], None] | None = None) -> int:
        """Write to this machine's disk and send the whole of it: an object appears when it is complete.

        What is to be checked is sent under another name, read back from there, and copied by the store to its place.
        """
        with (
            explained(f"The archive {self.name} can't be written", _BUCKET_ADVICE),
            tempfile.TemporaryFile() as stream,
        ):
            write(stream)
            stream.flush()
            size = stream.seek(0, os.SEEK_END)
            place = f"{self.root}/{path}"
            if check is None:
                self._send(stream, size, place)
                return size
            temporary = f"{place.rpartition('/')[0]}/{TEMPORARY}{token_hex(8)}"
            self._send(stream, size, temporary)
            try:
                with self.files.open_input_file(temporary) as file:
                    check(file)
                self.files.copy_file(temporary, place)
            finally:
                self._remove_unfinished(temporary)
        return size

    def _send(self, stream: BinaryIO, size: int, place: str) -> None:
        target = self.files.open_output_stream(place)
        if size:
            # In one call: closing after a part would make an object of that part.
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                target.write(content)
        target.close()

    def _remove_unfinished(self, own: str) -> None:
        """Delete an unfinished object, and what killed processes left beside it, by the store's clock.

        That it can't be done is no failure: engines leave such objects out.
        """
        filesystems = arrow().filesystems
        with suppress(FileNotFoundError):
            try:
                beside = filesystems.FileSelector(own.rpartition("/")[0], allow_not_found=True)
                there = {
                    info.path: info.mtime
                    for info in self.files.get_file_info(beside)
                    if info.base_name.startswith(TEMPORARY)
                }
                for path in (own, *abandoned_beside(own, there)):
                    self.files.delete_file(path)
            except (OSError, arrow().core.ArrowException) as error:
                log.warning("The unfinished object s3://%s can't be deleted (%s); delete it by hand.", own, error)

    def remove(self, path: str) -> None:
        """Delete the object."""
        with explained(f"The archive {self.name} can't be written", _BUCKET_ADVICE):
            self.files.delete_file(f"{self.root}/{path}")

    def opened(self, path: str) -> Any:
        """Open an object; its parts are fetched as they are read."""
        with explained(f"The archive {self.name} can't be read", _BUCKET_ADVICE):
            try:
                return self.files.open_input_file(f"{self.root}/{path}")
            except FileNotFoundError:
                return None

    def found(self, folder: str) -> dict[str, int]:
        """The objects below a prefix."""
        filesystems = arrow().filesystems
        below = f"{self.root}/{folder}".rstrip("/")
        with explained(f"The archive {self.name} can't be read", _BUCKET_ADVICE):
            selector = filesystems.FileSelector(below, recursive=True, allow_not_found=True)
            return {
                info.path.removeprefix(f"{self.root}/"): int(info.size)
                for info in sorted(self.files.get_file_info(selector), key=lambda info: info.path)
                if info.type == filesystems.FileType.File and not info.base_name.startswith(TEMPORARY)
            }


def abandoned_beside(own: str, there: Mapping[str, datetime]) -> list[str]:
    """Of the unfinished objects that are there, by when each was sent, those that are nobody's any more.

    What time it is one's own object says, by the store's clock: where that is not there, none is abandoned.
    """
    sent_at = there.get(own)
    return [path for path, time in there.items() if sent_at and path != own and sent_at - time > _ABANDONED]


def _bucket(uri: str, environment: Mapping[str, str]) -> BucketStore:
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query))
    unknown = options.keys() - _OPTIONS
    bucket = parts.netloc.rpartition("@")[2]
    if unknown or not bucket or "@" in parts.netloc:
        what = f"{', '.join(sorted(unknown))} can't stand in its query" if unknown else "it names a bucket and no more"
        raise ConfigurationError(
            f"The archive s3://{bucket or '…'} can't be read: {what}. Give it as s3://bucket/prefix, with region, "
            "scheme or endpoint_override after a question mark where needed; credentials stand in the environment."
        )
    endpoint = (
        options.get("endpoint_override")
        or environment.get("AWS_ENDPOINT_URL_S3")
        or environment.get("AWS_ENDPOINT_URL")
    )
    region = options.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    return BucketStore(
        root=f"{bucket}{unquote(parts.path)}".rstrip("/"),
        options={
            "access_key": environment.get("AWS_ACCESS_KEY_ID"),
            "secret_key": environment.get("AWS_SECRET_ACCESS_KEY"),
            "session_token": environment.get("AWS_SESSION_TOKEN"),
            "region": region or ("us-east-1" if endpoint else None),
            "endpoint_override": endpoint,
            "scheme": options.get("scheme") or ("http" if endpoint and endpoint.startswith("http:") else None),
        },
    )


@contextmanager
def _unfinished_in(folder: Path, *, owned_as: Path) -> Generator[tuple[Path, BinaryIO]]:
    """A new file to write, locked while it is written, and gone afterwards unless it was renamed."""
    while True:
        path = folder / f"{TEMPORARY}{token_hex(8)}"
        with owners_rights(owned_as):
            opened = path.open("xb")
        with opened as stream:
            try:
                # Where a file system has no locks, nobody removes what another one writes, either.
                with suppress(OSError):
                    fcntl.flock(stream, fcntl.LOCK_EX)
                # Whoever removes what was left may have had it in the instant before it was locked.
                if os.fstat(stream.fileno()).st_nlink:
                    yield path, stream
                    return
            finally:
                with owners_rights(owned_as):
                    path.unlink(missing_ok=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove files that nobody writes any more: their locks ended with their processes."""
    for path in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError), path.open("r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
