"""An embedded server without a server: whose turn it is and what is done, in which order, is all real."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ironforge_cli.db.embedded import EmbeddedServer
from ironforge_cli.db.embedded.accounts import Account, own_account
from ironforge_cli.db.embedded.cluster import Cluster
from ironforge_cli.db.embedded.file_lock import FileLock, Hold

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@dataclass(slots=True)
class State:
    """What a pretended server is like, and what was done with it."""

    done: list[str] = field(default_factory=list[str])
    exists: bool = False
    up: bool = False
    joins: bool = True
    """Whether one that runs gets ready; else it has gone."""
    launches: int = 0
    """How often starting it fails for a reason that passes."""
    connected: bool = False
    database: Exception | None = None
    stopping: Exception | None = None
    held: list[tuple[bool, bool]] = field(default_factory=list[tuple[bool, bool]])
    """Whether others could have had the start lock alone, and the use lock alone, at each launch or stop."""


@dataclass(frozen=True, slots=True)
class PretendedCluster(Cluster):
    """A cluster of which nothing is on disk."""

    state: State

    @property
    def exists(self) -> bool:
        return self.state.exists

    def refuse_other_majors(self) -> None:
        self.state.done.append("refuse")

    def clear_leftovers(self) -> None:
        self.state.done.append("clear")

    def initialise(self) -> None:
        self.state.done.append("initdb")
        self.state.exists = True

    def is_there(self) -> bool:
        return self.state.up

    def join(self, *, deadline: float) -> bool:
        del deadline
        self.state.done.append("join")
        self.state.up = self.state.joins
        return self.state.joins

    def launch(self, *, deadline: float) -> bool:
        del deadline
        self.state.done.append("launch")
        self.state.held.append(free_locks(self.base))
        if self.state.launches > 0:
            self.state.launches -= 1
            return False
        self.state.up = True
        return True

    def stop(self) -> bool:
        self.state.done.append("stop")
        self.state.held.append(free_locks(self.base))
        if self.state.stopping is not None:
            raise self.state.stopping
        was, self.state.up = self.state.up, False
        return was


class PretendedServer(EmbeddedServer):
    """An embedded server that starts nothing."""

    def __init__(self, home: Path, state: State, *, keep_running: bool = False, start_timeout: float = 0.0) -> None:
        super().__init__(
            home, environment={}, bindir=None, account=None, keep_running=keep_running, start_timeout=start_timeout
        )
        self.state = state

    @cached_property
    def _account(self) -> Account:
        return own_account()

    @cached_property
    def _cluster(self) -> Cluster:
        programs = self._home.parent / "bin"
        programs.mkdir(exist_ok=True)
        for name in ("postgres", "initdb"):
            (programs / name).touch(mode=0o755)
        return PretendedCluster(
            base=self._base,
            data=self._base / "pg18",
            sockets=self._sockets,
            account=self._account,
            bindir=programs,
            environment={},
            state=self.state,
        )

    def is_running(self) -> bool:
        return self.state.up

    def _is_somebody_connected(self) -> bool:
        self.state.done.append("look")
        return self.state.connected

    def _make_database(self) -> None:
        self.state.done.append("database")
        if self.state.database is not None:
            raise self.state.database


@contextmanager
def lock_of(base: Path, name: str) -> Generator[FileLock]:
    """One of the two locks, as another process has it."""
    lock = FileLock(base / f"{name}.lock", account=own_account())
    try:
        yield lock
    finally:
        lock.close()


def free_locks(base: Path) -> tuple[bool, bool]:
    """Whether the start lock and the use lock could be had alone now."""
    found: list[bool] = []
    for name in ("start", "use"):
        with lock_of(base, name) as lock:
            found.append(lock.take(Hold.ALONE, seconds=0))
    return found[0], found[1]


def is_shared(base: Path) -> bool:
    """Whether the use lock is held, and could be shared."""
    with lock_of(base, "use") as lock:
        return not lock.take(Hold.ALONE, seconds=0) and lock.take(Hold.SHARED, seconds=0)
