"""Windows that are open: a file for each, so that one that was killed while it waited leaves a trace.

Between two attempts a window has no row that says `running`, and holds no lock that anybody would miss. Its file lies
beside the locks and is held by `flock`, which ends with its process, whatever killed that. At its end it takes its file
along: one that nobody holds was left behind. No database is needed for any of it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import msgspec

from ironforge_cli.db.repositories import health
from ironforge_cli.decoding import learn
from ironforge_cli.errors import ConfigurationError, DatabaseError
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.ownership import owners_rights
from ironforge_cli.regions import Region
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from typing import BinaryIO

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Evidence

log = logging.getLogger(__name__)

_SUFFIX: Final = ".window"
_UNFINISHED: Final = ".window-part"
_OLD: Final = timedelta(hours=1)
_MOST_BYTES: Final = 10_000


class OpenWindow(msgspec.Struct, frozen=True):
    """What its file says of a window."""

    command: str
    regions: tuple[Region, ...]
    started_at: datetime
    ends_at: datetime


learn(OpenWindow)


class KilledWindow(Value, frozen=True):
    """A window that ended without taking its file along."""

    window: OpenWindow
    seen_at: datetime
    """When the last of its attempts had ended; it was killed later."""
    path: Path

    @property
    def told(self) -> str:
        """What became of it, in a sentence."""
        began, seen = (_iso(moment) for moment in (self.window.started_at, self.seen_at))
        return (
            f"The window that began at {began} was killed while it waited, after {seen}: by kill -9, for want of "
            "memory, or with the machine."
        )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


@contextmanager
def told_as_open(folder: Path, window: OpenWindow) -> Generator[Callable[[datetime], None]]:
    """Keep a window's file in `folder` while the block lasts; it is given what to call when an attempt has ended.

    No failure leaves this: without its file a window is as good, and is said to have none.
    """
    with ExitStack() as held:
        stream: BinaryIO | None = None
        try:
            stream, path = _made(folder, window, held)
        except OSError as error:
            log.warning("A window that is killed will leave no trace in %s (%s).", folder, error.strerror or error)
        else:
            # Before the lock is given back: nobody may find it left behind.
            held.callback(_remove, path)

        def lives(now: datetime) -> None:
            if stream is not None:
                try:
                    os.utime(stream.fileno(), (now.timestamp(), now.timestamp()))
                except OSError:
                    log.debug("The window's file could not be touched", exc_info=True)

        lives(window.started_at)
        yield lives


def _made(folder: Path, window: OpenWindow, held: ExitStack) -> tuple[BinaryIO, Path]:
    """Make the file: under a name of its own until it is held and whole."""
    path = folder / f"{window.command}-{uuid4().hex[:12]}{_SUFFIX}"
    unfinished = path.with_suffix(_UNFINISHED)
    with owners_rights(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stream = held.enter_context(unfinished.open("xb"))
        try:
            os.fchmod(stream.fileno(), 0o600)
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stream.write(msgspec.json.encode(window))
            stream.flush()
            # A power cut must not leave it empty.
            os.fsync(stream.fileno())
            unfinished.rename(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    return stream, path


def _remove(path: Path) -> None:
    try:
        with owners_rights(path.parent):
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s can't be removed (%s): remove it.", path, error.strerror or error)


def killed_windows(folder: Path) -> list[KilledWindow]:
    """The windows of a folder that were killed, oldest first; only looks. Raises `ConfigurationError`."""
    found: list[KilledWindow] = []
    for path in _files(folder, _SUFFIX):
        with _left_behind(path, for_good=False) as killed:
            found += [killed] if killed else []
    return sorted(found, key=lambda one: one.window.started_at)


def _files(folder: Path, suffix: str) -> list[Path]:
    try:
        with owners_rights(folder):
            return sorted(path for path in folder.iterdir() if path.name.endswith(suffix))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error.strerror or str(error)) from error


def _unreadable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(f"{path} can't be read as windows leave it ({why}). Look at it, or remove it.")


@contextmanager
def _left_behind(path: Path, *, for_good: bool) -> Generator[KilledWindow | None]:
    """The window of a file that nobody holds, else None; `for_good` holds it, so that nobody else takes it."""
    with ExitStack() as held:
        killed = None
        try:
            # A pipe of that name would be waited for, and a link can lead anywhere.
            flags = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_RDWR if for_good else os.O_RDONLY)
            with owners_rights(path.parent):
                stream = held.enter_context(os.fdopen(os.open(path, flags), "rb"))
            fcntl.flock(stream, (fcntl.LOCK_EX if for_good else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            status = os.fstat(stream.fileno())
            # One that ended between the two has no name any more.
            if status.st_nlink:
                window = msgspec.json.decode(stream.read(_MOST_BYTES), type=OpenWindow)
                killed = KilledWindow(window, datetime.fromtimestamp(status.st_mtime, UTC), path)
        except (FileNotFoundError, BlockingIOError):
            # It lives, or has just ended.
            pass
        except (OSError, ValueError) as error:
            raise _unreadable(path, str(error)) from error
        yield killed


def settle_killed(folder: Path, *, command: str, database: Database, evidence: Evidence, now: datetime) -> None:
    """Write a row `failed` of each region of each window of a command that was killed, and remove its file.

    A region whose attempt was at work has a row of that already, which says so. Without a database the rows wait on
    disk. A file that can't be read is said, and stays. Raises `ConfigurationError` where the folder refuses.
    """
    for path in _files(folder, _SUFFIX):
        try:
            with _left_behind(path, for_good=True) as killed:
                if killed is None or killed.window.command != command:
                    continue
                log.warning("%s", killed.told)
                at_work = _at_work(database, killed)
                for region in killed.window.regions:
                    if region not in at_work:
                        evidence.note(region, Outcome.FAILED, killed.told, began_at=killed.seen_at)
                _remove(path)
        except ConfigurationError as error:
            log.warning("%s", error)
    for path in _files(folder, _UNFINISHED):
        # Killed before it had said anything. Who makes one just now is done in an instant, or tells that it failed.
        if now - datetime.fromtimestamp(path.lstat().st_mtime, UTC) > _OLD:
            _remove(path)


def _at_work(database: Database, killed: KilledWindow) -> frozenset[str | None]:
    """The regions whose attempts were at work when their window was killed, as far as a database can be asked."""
    try:
        with database.connect() as connection:
            crashed = health.crashed(connection, since=killed.window.started_at)
    except (DatabaseError, ConfigurationError):
        return frozenset()
    return frozenset(row.region for row in crashed if row.command == killed.window.command)
