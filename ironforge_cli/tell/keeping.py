"""What a watch remembers from run to run: in the database or, where that can't be written, in a folder.

It is one document a watch, written whole: what was seen, what was told, and what waits to be delivered, so that a kill
at any moment leaves one state or the next.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from ironforge_cli.db import locks
from ironforge_cli.db.repositories import watch_states
from ironforge_cli.decoding import learn
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.ownership import owners_rights
from ironforge_cli.tell.alerts import Alert
from ironforge_cli.tell.crossings import WatchMemory

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ironforge_cli.db.engine import Database

STDOUT: Final = "stdout"
"""The key of the address that stands for what is printed, where nothing else was given."""
_TOLD: Final = "Another run watches {watch}, and does this work: nothing is lost. Try again when it is done."


@dataclass(frozen=True, slots=True)
class Outbox:
    """What waits for one address."""

    masked: str
    alerts: tuple[Alert, ...] = ()
    held_until: datetime | None = None
    """Before then the address asked to be left alone."""


@dataclass(frozen=True, slots=True)
class WatchState:
    """All that one watch remembers."""

    memory: WatchMemory = field(default_factory=WatchMemory)
    outboxes: dict[str, Outbox] = field(default_factory=dict[str, Outbox])
    """By the addresses' keys; those of which nothing is to be remembered are not among them."""


class Keeping(Protocol):
    """Where states are, each by the name of its watch."""

    def locked(self, watch: str) -> AbstractContextManager[None]:
        """Be the only one who runs a watch; raises `LockedError`."""
        ...

    def load(self, watch: str) -> WatchState:
        """What is remembered; raises `ConfigurationError` where it can't be read."""
        ...

    def save(self, watch: str, state: WatchState) -> None:
        """Remember, whole or not at all, and for good when this returns."""
        ...

    def names(self) -> list[str]:
        """The watches of which anything is remembered."""
        ...


class KeptInDatabase:
    """States in a table; every run of a watch anywhere sees the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def locked(self, watch: str) -> AbstractContextManager[None]:
        """Hold a lock that ends with its session."""
        return locks.watching(self._database, watch, otherwise=_TOLD.format(watch=watch))

    def load(self, watch: str) -> WatchState:
        """Read it."""
        with self._database.transaction() as connection:
            found = watch_states.load(connection, watch)
        return WatchState() if found is None else _decoded(found, f"the table watch_states, for {watch}")

    def save(self, watch: str, state: WatchState) -> None:
        """Write it, in a transaction."""
        with self._database.transaction() as connection:
            watch_states.save(connection, watch, msgspec.json.encode(state).decode())

    def names(self) -> list[str]:
        """Those that have a row."""
        with self._database.transaction() as connection:
            return watch_states.names(connection)


class _Document(msgspec.Struct):
    """A file's content."""

    watch: str
    state: WatchState


learn(_Document)


class KeptInFolder:
    """States in files of one machine: for who may only read the database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def locked(self, watch: str) -> AbstractContextManager[None]:
        """Hold a lock that ends with its process."""
        self._make()
        return locks.watching_in(self._folder, _file_name(watch), otherwise=_TOLD.format(watch=watch))

    def load(self, watch: str) -> WatchState:
        """Read it."""
        found = self._read(self._folder / f"{_file_name(watch)}.json")
        return WatchState() if found is None else found.state

    def save(self, watch: str, state: WatchState) -> None:
        """Write it beside, and rename it."""
        file = self._folder / f"{_file_name(watch)}.json"
        written = file.with_suffix(".new")
        self._make()
        with _told(self._folder), owners_rights(self._folder):
            descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor, made with its rights, has no path
                stream.write(msgspec.json.encode(_Document(watch, state)))
                stream.flush()
                os.fsync(stream.fileno())
            written.replace(file)

    def names(self) -> list[str]:
        """Those that have a file."""
        with _told(self._folder), owners_rights(self._folder):
            files = sorted(self._folder.glob("*.json"))
        found = [self._read(file) for file in files]
        return sorted(one.watch for one in found if one is not None)

    def _make(self) -> None:
        """Make the folder and the home that it is in, each private."""
        with _told(self._folder), owners_rights(self._folder):
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)

    def _read(self, file: Path) -> _Document | None:
        with _told(self._folder), owners_rights(self._folder):
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                return None
        try:
            return msgspec.json.decode(content, type=_Document)
        except msgspec.MsgspecError as error:
            raise _damaged(str(file), error) from error


def keeping_for(database: Database, folder: Path) -> Keeping:
    """Where states can be kept: in the database where that may be written, else in a folder, made when needed."""
    with database.transaction() as connection:
        may_write = watch_states.may_write(connection)
    return KeptInDatabase(database) if may_write else KeptInFolder(folder)


def takes_evidence(database: Database) -> bool:
    """Whether the rows of runs may be written there, too."""
    with database.transaction() as connection:
        return watch_states.may_log(connection)


def _decoded(text: str, place: str) -> WatchState:
    try:
        return msgspec.json.decode(text, type=WatchState)
    except msgspec.MsgspecError as error:
        raise _damaged(place, error) from error


def _damaged(place: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"What a watch remembers is damaged in {place} ({error}). Remove it: every rule then counts as seen for the "
        "first time."
    )


def _file_name(watch: str) -> str:
    return blake2b(watch.encode(), digest_size=12).hexdigest()


@contextmanager
def _told(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"What is watched can't be remembered in {folder} ({error.strerror or error}). Make room or correct its "
            "permissions, or set IRONFORGE_HOME to another folder."
        ) from error
