"""What the service runs on: its limits, the database that it reads, and what it knows of each region's state."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.answers import freshness
from ironforge_cli.answers.answer import Asking
from ironforge_cli.errors import IronforgeError
from ironforge_cli.web.bodies import Bodies
from ironforge_cli.web.limits import CallerLimit
from ironforge_cli.web.measures import Measures

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from ironforge_cli.answers.freshness import Due
    from ironforge_cli.db.engine import Database
    from ironforge_cli.regions import Region
    from ironforge_cli.web.keys import Keys

CATALOGUE: Final = freshness.CATALOGUE
_KNOWN_FOR_SECONDS: Final = 0.2
"""How long a region's generation is taken as it was read: what is newer is known after so long."""
_OVERDUE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What one request, and all of them together, may take."""

    threads: int = 4
    """Answers that are made at once: so many connections to the database there are, too.

    Of Python's threads one works at a time: more of them wait for each other, and each answer costs more.
    """
    waiting: int = 64
    """Requests that wait for a thread at most; those beyond are told to come again."""
    longest_wait_seconds: float = 5.0
    statement_seconds: float = 10.0
    connections: int = 1_000
    header_bytes: int = 16_384
    body_bytes: int = 16_384
    header_seconds: float = 10.0
    """How long a client may take to send the head of a request."""
    write_seconds: float = 60.0
    """How long a client may let an answer wait that it does not take."""
    kept_bytes: int = 64_000_000
    """Of encoded bodies that are kept to be sent again."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What of the settings concerns the service."""

    regions: tuple[Region, ...]
    max_age: timedelta
    """An older answer is stale."""
    version: str
    base_url: str | None = None
    """Its address as others see it, without a slash at its end; None: as each request names it."""
    root_path: str = ""
    origins: tuple[str, ...] = ()
    """Pages of these may ask from a browser."""
    requests_per_minute: int = 0
    """By key or address; 0 is no limit."""
    limits: ServiceLimits = field(default_factory=ServiceLimits)


@dataclass(frozen=True, slots=True)
class KnownState:
    """What is known of all regions at one moment."""

    generations: Mapping[str, int]
    due: Mapping[Region, Due]

    def generation(self, scopes: Sequence[str]) -> str:
        """The generations of some scopes as one word."""
        return ".".join(f"{self.generations.get(scope, 0):x}" for scope in scopes)


class Service:
    """The database that is read, by the settings; safe to use from several threads."""

    def __init__(
        self,
        database: Callable[[], Database],
        settings: ServiceSettings,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        keys: Keys | None = None,
    ) -> None:
        self.settings = settings
        self.keys = keys
        self.now = now
        self.monotonic = monotonic
        self.bodies = Bodies(settings.limits.kept_bytes)
        self.measures = Measures()
        self.rate_limit = CallerLimit(settings.requests_per_minute, monotonic=monotonic)
        self._database = database
        self._cancels: set[Callable[[], None]] = set()
        self._lock = threading.Lock()
        self._state: KnownState | None = None
        self._read_at = float("-inf")

    @property
    def database(self) -> Database:
        """The database; an embedded server that ended is started again. Raises `IronforgeError`."""
        return self._database()

    @contextmanager
    def reading(self, regions: Sequence[Region] | None = None) -> Generator[Asking]:
        """Ask questions that are answered of one moment: what the functions of `answers` take.

        Raises `DatabaseError` or `ConfigurationError`.
        """
        asking_for = Asking(
            database=self.database,
            regions=self.settings.regions if regions is None else tuple(regions),
            now=self.now(),
            max_age=self.settings.max_age,
        )
        with freshness.one_look(
            asking_for, seconds=self.settings.limits.statement_seconds, cancels=self._cancels
        ) as look:
            yield look

    def give_up(self) -> None:
        """Have the database end whatever it works at for the service: nobody waits for it any more."""
        for cancel in list(self._cancels):
            cancel()

    def state(self) -> KnownState:
        """What is known of all regions now, read anew where it may have changed. Raises as `reading`.

        It costs one small query, and when something changed a few more.
        """
        known = self.known_state()
        if known is not None:
            return known
        with self._lock:
            known = self.known_state()
            if known is not None:
                return known
            before = self._state
            try:
                with self.reading() as look:
                    read_at = self.monotonic()
                    generations = freshness.generations_of(look)
                    due = {
                        region: before.due[region]
                        if before is not None and before.generations[region] == generations[region]
                        else freshness.due(look, region)
                        for region in self.settings.regions
                    }
            except IronforgeError:
                self._read_at = float("-inf")
                raise
            self._state, self._read_at = KnownState(generations, due), read_at
            return self._state

    def known_state(self) -> KnownState | None:
        """The state where it was read just now, else None; it waits for nothing."""
        if self.monotonic() - self._read_at < _KNOWN_FOR_SECONDS:
            return self._state
        return None

    def latest(self, generations: Mapping[str, int]) -> KnownState:
        """What was known last, with the generations of a look that reads answers."""
        return KnownState(generations, self._state.due if self._state is not None else {})

    def generation(self, region: Region) -> int:
        """The number of a region's state, which rises whenever answers about it change. Raises as `reading`."""
        return self.state().generations[region]

    def is_stale(self, region: Region, state: KnownState) -> bool:
        """Whether a region's newest snapshot is older than is allowed, or there is none."""
        due = state.due.get(region)
        newest = None if due is None else due.snapshot_time
        return newest is None or self.now() - newest > self.settings.max_age

    def fresh_seconds(self, state: KnownState, regions: Sequence[Region], *, is_of_tokens: bool = False) -> int:
        """How long an answer about some regions can be taken as it is: until the next is due, else a minute."""
        now = self.now()
        ends = [due.next_token_at if is_of_tokens else due.next_due_at for due in map(state.due.__getitem__, regions)]
        left = [int((end - now).total_seconds()) if end is not None and end > now else 0 for end in ends]
        least = min(left, default=0)
        return least if least > 0 else int(_OVERDUE.total_seconds())
