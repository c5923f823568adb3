"""Bodies on disk: those that could not be stored yet (the spool), and those that were refused (the quarantine).

A body is one file: a line of JSON that says what it is, then the body, compressed. It is written beside its place,
flushed to the disk and renamed, so that there is never half a file; what a killed process left is swept away by the
next one. A lock on the folder keeps writers and sweepers apart, and ends with its process. What would pass a shelf's
limit is not kept: the oldest bodies stay. A file that can't be read, or is none of these, is warned of by name, and
hinders no other.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec
import zstandard

from ironforge_cli.blizzard.odd_files import removed, warn
from ironforge_cli.decoding import learn
from ironforge_cli.errors import ConfigurationError, RefusedAnswerError
from ironforge_cli.market.retention import has_outlived
from ironforge_cli.ownership import owners_rights
from ironforge_cli.regions import Region
from ironforge_cli.values import Value, replace
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

_SUFFIX: Final = ".body"
_TEMPORARY: Final = ".tmp-"
_LOCK: Final = ".lock"
_LEVEL: Final = 3
_DROP: Final = "ironforge spool drop"
_MEGABYTE: Final = 1_000_000
# Longer than any label is: a file whose first line is longer is not one of these.
_LONGEST_LABEL: Final = 65_536
_LONGEST_REASON: Final = 2_000
_KEPT_HEADERS: Final = {"last-modified", "date", "content-type"}
_NEVER_OLD: Final = datetime.max.replace(tzinfo=UTC)


class _Label(msgspec.Struct, omit_defaults=True):
    """The first line of a file."""

    region: Region
    snapshot_time: datetime | None
    digest: str
    bytes: int
    received_at: datetime
    reason: str
    headers: dict[str, str]
    is_evidence: bool = False
    auctions: int | None = None


learn(_Label)


class Kept(Value, frozen=True):
    """A body on disk."""

    path: Path
    region: Region
    snapshot_time: datetime | None
    """Its Last-Modified, aware UTC; None where Blizzard gave none that can be used."""
    digest: str
    """SHA-256 of the body, hexadecimal."""
    bytes: int
    """Size of the body."""
    received_at: datetime
    reason: str
    """Why it is here."""
    is_evidence: bool = False
    """Whether its snapshot is stored, and it is kept for what was left out of that."""
    auctions: int | None = None
    """How many it lists, where it was refused for being implausibly small."""
    is_readable: bool = True
    """False where the disk doesn't give the file, or it is none: somebody may mend that, so that it stays."""

    @property
    def name(self) -> str:
        """What a person calls it by: the beginning of its digest."""
        return self.digest[:12]


class ShelfFullError(ConfigurationError):
    """A body was not kept, since its shelf may not hold more; what is there has to go first, or the limit up."""


class Limit(Value, frozen=True):
    """How much a shelf may hold, in the words of those who set it."""

    setting: str
    megabytes: int
    """As the files are on disk; 0 for no limit."""
    advice: str
    """What to do when it is reached, beside raising it."""


class Shelf:
    """A folder of bodies, a folder a region in it. Raises `ConfigurationError` where the disk refuses.

    With `once` the same body is kept once, whatever its time: a refused answer comes again and again. What would pass
    the limit raises `ShelfFullError`.
    """

    def __init__(self, folder: Path, *, once: bool, limit: Limit) -> None:
        self.folder = folder
        self._once = once
        self._limit = limit

    def keep(
        self,
        body: bytes,
        *,
        region: Region,
        snapshot_time: datetime | None,
        headers: Mapping[str, str],
        received_at: datetime,
        reason: str,
        is_evidence: bool = False,
        auctions: int | None = None,
    ) -> Kept:
        """Put a body on disk: it is there for good when this returns. As evidence it takes the place of itself.

        `auctions` is how many it lists, where it is refused for that.
        """
        digest = sha256(body).hexdigest()
        label = _Label(
            region=region,
            snapshot_time=snapshot_time,
            digest=digest,
            bytes=len(body),
            received_at=received_at,
            reason=reason[:_LONGEST_REASON],
            headers={name: value for name, value in headers.items() if name.lower() in _KEPT_HEADERS},
            is_evidence=is_evidence,
            auctions=auctions,
        )
        with self._writing(region) as folder:
            path = folder / (_name(label) if self._once else _timed_name(label))
            if is_evidence or not path.exists():
                content = msgspec.json.encode(label) + b"\n" + zstandard.ZstdCompressor(level=_LEVEL).compress(body)
                with self._room_for(_kept(path, label), len(content)):
                    _put(content, path)
        return _kept(path, label)

    def kept(self, region: Region | None = None) -> list[Kept]:
        """Every body that is here, or those of one region: by time, then by when they came."""
        with _explained(self.folder), owners_rights(self.folder):
            folders = [self.folder / wanted for wanted in (Region if region is None else (region,))]
            labelled = [_read_label(path) for folder in folders for path in _bodies_in(folder)]
        return sorted(filter(None, labelled), key=_by_time)

    def newest_time(self, region: Region) -> datetime | None:
        """The newest snapshot's time that is here for a region."""
        return max((one.snapshot_time for one in self.kept(region) if one.snapshot_time), default=None)

    def body(self, kept: Kept) -> bytes:
        """Read a body back; raises `RefusedAnswerError` where the file is damaged."""
        if not kept.is_readable:
            raise ConfigurationError(f"{kept.path}: {kept.reason}.")
        try:
            with owners_rights(self.folder):
                stored = kept.path.read_bytes()
        except FileNotFoundError as error:
            raise RefusedAnswerError(f"{kept.path} is gone: somebody stored or dropped it.") from error
        except OSError as error:
            raise ConfigurationError(f"{kept.path} can't be read ({error.strerror or error}).") from error
        try:
            body = zstandard.ZstdDecompressor().decompress(stored.partition(b"\n")[2])
        except zstandard.ZstdError as error:
            raise RefusedAnswerError(f"{kept.path} is damaged ({error}). Remove it: {_DROP} {kept.name}.") from error
        if sha256(body).hexdigest() != kept.digest:
            raise RefusedAnswerError(f"{kept.path} is damaged: its digest differs. Remove it: {_DROP} {kept.name}.")
        return body

    def is_evidence(self, kept: Kept) -> bool:
        """Whether a body is kept as evidence now, whatever it was kept for before."""
        with _explained(self.folder), owners_rights(self.folder):
            label = _read_label(kept.path)
        return label is not None and label.is_evidence

    def adopt(self, kept: Kept) -> None:
        """Take over the file of another shelf as it is, damaged or not; where it can't be, it stays there."""
        with self._writing(kept.region) as folder, self._room_for(kept, kept.path.stat().st_size):
            kept.path.rename(folder / kept.path.name)

    def drop(self, kept: Kept) -> None:
        """Remove a body; one that is gone already is no fault."""
        with _explained(self.folder), owners_rights(self.folder):
            kept.path.unlink(missing_ok=True)

    def sweep(self, region: Region, *, before: datetime | None) -> list[Kept]:
        """Remove what killed processes left half written, and return the bodies older than a time, removed too.

        A body that was received or published since then stays: by a clock that was behind, it was received long ago.
        What can't be removed is warned of, and hinders no other.
        """
        with self._writing(region) as folder:
            for left in folder.glob(f"{_TEMPORARY}*"):
                removed(left)
        old = [kept for kept in self.kept(region) if has_outlived(kept.received_at, kept.snapshot_time, cutoff=before)]
        with _explained(self.folder), owners_rights(self.folder):
            return [kept for kept in old if removed(kept.path)]

    @contextmanager
    def _writing(self, region: Region) -> Generator[Path]:
        folder = self.folder / region
        with _explained(self.folder), owners_rights(self.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(folder):
                yield folder

    @contextmanager
    def _room_for(self, wanted: Kept, size: int) -> Generator[None]:
        """See to it that a file of so many bytes may be added by the block, beside those that other regions add."""
        with _locked(self.folder):
            sizes = [_size(path) for region in Region for path in (self.folder / region).glob(f"*{_SUFFIX}")]
            if self._limit.megabytes and sum(sizes) + size > self._limit.megabytes * _MEGABYTE:
                when = f"of {wanted.snapshot_time:%Y-%m-%d %H:%M} UTC" if wanted.snapshot_time else "without a time"
                raise ShelfFullError(
                    f"{self.folder} is full: it holds {sum(sizes) / _MEGABYTE:,.1f} MB in "
                    f"{counted(len(sizes), 'body', 'bodies')}, and "
                    f"{self._limit.setting} allows {self._limit.megabytes:,} MB. The body {wanted.name} of "
                    f"{wanted.region.label} {when} ({size / _MEGABYTE:,.1f} MB) was NOT kept; the oldest are. "
                    f"{self._limit.advice}, or raise {self._limit.setting}."
                )
            yield


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    """Bytes on disk; none of a file that somebody stored or dropped meanwhile, or that can't be looked at."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _by_time(kept: Kept) -> tuple[datetime, datetime, str]:
    return kept.snapshot_time or kept.received_at, kept.received_at, kept.digest


def _bodies_in(folder: Path) -> list[Path]:
    """The files of a folder that are named as bodies are; a folder that can't be listed raises `OSError`."""
    try:
        with os.scandir(folder) as entries:
            return [folder / entry.name for entry in entries if entry.name.endswith(_SUFFIX)]
    except (FileNotFoundError, NotADirectoryError):
        # Nothing was ever kept there.
        return []


def _put(content: bytes, path: Path) -> None:
    """Write a file that is there whole, and for good, or not at all."""
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(path)
    finally:
        # Gone already, unless the disk had no room for it.
        temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)


def _read_label(path: Path) -> Kept | None:
    """What a file says of itself; None for one that is gone meanwhile, and a label without a time for a damaged one."""
    try:
        changed_at = _changed_at(path)
        line = _first_line(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _unreadable(path, error)
    try:
        label = msgspec.json.decode(line, type=_Label)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _damaged(path, changed_at, str(error))
    if not all(_is_moment(time) for time in (label.received_at, label.snapshot_time)):
        return _damaged(path, changed_at, "its times are no moments in UTC")
    # No digest covers the first line: a byte of its time that changed would make another hour of the body.
    if label.region != path.parent.name or path.name not in {_name(label), _timed_name(label)}:
        return _damaged(path, changed_at, "its first line tells of another body than its name does")
    return _kept(path, label)


def _is_moment(time: datetime | None) -> bool:
    """Whether a time, where there is one, has a zone and is within the years that UTC has."""
    try:
        return time is None or (time.tzinfo is not None and time.astimezone(UTC).tzinfo is UTC)
    except OverflowError:
        return False


def _name(label: _Label) -> str:
    """The file of a body that is kept once."""
    return f"{label.digest[:32]}{_SUFFIX}"


def _timed_name(label: _Label) -> str:
    """The file of a body that is kept once for each time that it came under."""
    return f"{label.snapshot_time:%Y%m%dT%H%M%SZ}-{_name(label)}" if label.snapshot_time else _name(label)


def _changed_at(path: Path) -> datetime:
    """When a file was last written; a time that no calendar has is never old."""
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, tz=UTC)
    except (ValueError, OverflowError):
        return _NEVER_OLD


def _first_line(path: Path) -> bytes:
    """The label of a file; raises `OSError` for what is none, such as a folder."""
    # What is no file, such as a pipe, would be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no file")
        return stream.readline(_LONGEST_LABEL)


def _unreadable(path: Path, error: OSError) -> Kept:
    """A file that somebody may mend; where not even its time can be seen, the folder is what refuses: `OSError`."""
    told = f"can't be read ({error.strerror or error})"
    warn(path, told)
    return replace(_damaged(path, _changed_at(path), told), reason=told, is_readable=False)


def _damaged(path: Path, changed_at: datetime, why: str) -> Kept:
    told = f"damaged, or not a file of ironforge's ({why})"
    warn(path, told)
    return Kept(
        path=path,
        region=Region(path.parent.name),
        snapshot_time=None,
        digest=path.stem,
        bytes=0,
        received_at=changed_at,
        reason=told,
    )


def _kept(path: Path, label: _Label) -> Kept:
    return Kept(
        path=path,
        region=label.region,
        snapshot_time=label.snapshot_time,
        digest=label.digest,
        bytes=label.bytes,
        received_at=label.received_at,
        reason=label.reason,
        is_evidence=label.is_evidence,
        auctions=label.auctions,
    )


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"Bodies can't be kept in {folder} ({error.strerror or error}). "
            "Make room or correct its permissions, or set IRONFORGE_HOME to another folder."
        ) from error


class Shelves(Value, frozen=True):
    """Both folders of a home: `spool` for what is stored as soon as it can be, `quarantine` for what was refused."""

    spool: Shelf
    quarantine: Shelf

    @classmethod
    def of(cls, home: Path, *, spool_megabytes: int = 0, quarantine_megabytes: int = 0) -> Shelves:
        """The shelves of a home and the most that each may hold; nothing is made before something is kept."""
        in_spool = Limit(
            "IRONFORGE_SPOOL_LIMIT_MB",
            spool_megabytes,
            "Its hour is lost, unless Blizzard still has it when there is room: bring the database back, so that the "
            "next run stores what waits, give up the least wanted (`ironforge spool drop NAME`)",
        )
        in_quarantine = Limit(
            "IRONFORGE_QUARANTINE_LIMIT_MB",
            quarantine_megabytes,
            "Look at those that are there (`ironforge spool list --quarantine`), replay or drop them (`ironforge spool "
            "drop --quarantine`)",
        )
        return cls(
            spool=Shelf(home / "spool", once=False, limit=in_spool),
            quarantine=Shelf(home / "quarantine", once=True, limit=in_quarantine),
        )

    def quarantine_spooled(self, kept: Kept, *, reason: str, auctions: int | None = None) -> None:
        """Take a body out of the spool that was refused when it should have been stored, and say why.

        `auctions` as for `Shelf.keep`.
        """
        try:
            body = self.spool.body(kept)
        except RefusedAnswerError:
            self.quarantine.adopt(kept)
            return
        self.quarantine.keep(
            body,
            region=kept.region,
            snapshot_time=kept.snapshot_time,
            headers={},
            received_at=kept.received_at,
            reason=reason,
            auctions=auctions,
        )
        self.spool.drop(kept)
