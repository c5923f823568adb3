"""What all seeders share: where answers come from and go, how many are asked for at once, and what they return."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from ironforge_cli.blizzard.traffic import Traffic
from ironforge_cli.db.repositories import seeders
from ironforge_cli.db.repositories.catalogue import Changes
from ironforge_cli.errors import ExitStatus, UsageError, combined_status
from ironforge_cli.market.builds import is_newer_build

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ironforge_cli.blizzard.client import Read
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Clock
    from ironforge_cli.market.catalogue import Item, ItemPage, Named, Recipe, SkillTier, SlotType
    from ironforge_cli.regions import Region

LEAST_AT_ONCE: Final = 4
MOST_AT_ONCE: Final = 64


class CatalogueSource(Protocol):
    """Where static data comes from: Blizzard's API, as `BlizzardClient` speaks it. Safe to share between threads."""

    @property
    def locale(self) -> str:
        """That of names."""
        ...

    @property
    def traffic(self) -> Traffic:
        """Requests that were sent so far, and cached answers that were used."""
        ...

    def forget_static(self) -> None:
        """Drop every cached answer."""
        ...

    def professions(self, region: Region) -> Read[list[Named]]:
        """The index of professions, asked for anew."""
        ...

    def skill_tiers(
        self, region: Region, profession: int, *, build: str | None = None, anew: bool = False
    ) -> Read[list[Named]]:
        """The tiers of a profession; `anew`, whatever is cached."""
        ...

    def skill_tier(
        self, region: Region, profession: int, tier: int, *, build: str | None = None, anew: bool = False
    ) -> Read[SkillTier]:
        """A tier of a profession, and what it lists; `anew`, whatever is cached."""
        ...

    def recipe(
        self, region: Region, recipe_id: int, *, build: str | None = None, anew: bool = False
    ) -> Read[list[Recipe]]:
        """A recipe, as each faction crafts it; `anew`, whatever is cached."""
        ...

    def items_after(self, region: Region, last: int, *, build: str | None = None) -> Read[ItemPage]:
        """Items that the search knows beyond an id, by rising id."""
        ...

    def slot_type(self, region: Region, slot_type: int, *, build: str | None = None) -> Read[SlotType]:
        """A kind of slots, and the categories of items that fit."""
        ...

    def single_item(self, region: Region, item_id: int, *, build: str | None = None) -> Read[Item]:
        """One item, also one that the search misses."""
        ...


class SeedProgress(Protocol):
    """Whoever shows a person how far seeding is."""

    def begin(self, name: str, *, total: int) -> None:
        """A piece of work of so many steps begins; the one before it is over."""
        ...

    def advance(self, steps: int = 1) -> None:
        """So many steps more are done."""
        ...

    def tell(self, line: str) -> None:
        """A part of the work is done and stored."""
        ...


class SeedOutcome(StrEnum):
    """How a seeder's run ended."""

    COMPLETED = "completed"
    CURRENT = "current"
    """It was complete before."""
    LIMITED = "limited"
    """What was asked for is there, which is not all."""
    INCOMPLETE = "incomplete"
    """Something failed, and the next run has to go on."""
    FAILED = "failed"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class SeededPart:
    """How one seeder's run ended."""

    seeder: str
    """recipes, reagents, items or outputs."""
    outcome: SeedOutcome
    status: ExitStatus
    build: str | None = None
    """The game's build that was read."""
    rows: int | None = None
    """In its table at the end; None where that was not reached."""
    changes: Changes = field(default_factory=Changes)
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many were skipped, by reason."""
    counted: Mapping[str, int] = field(default_factory=dict[str, int])
    """What else was counted, by name."""
    traffic: Traffic = field(default_factory=lambda: Traffic(requests=0, cache_hits=0))
    seconds: float = 0.0
    message: str | None = None
    """What went wrong and what to do, or why this is not all."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """How every seeder's run ended, in their order; what came after an end of everything is missing."""

    parts: tuple[SeededPart, ...]

    @property
    def status(self) -> ExitStatus:
        """The exit code."""
        return combined_status([part.status for part in self.parts])


@dataclass(frozen=True, slots=True)
class Trial:
    """What was asked for beside the usual."""

    force: bool = False
    """Do again what is complete, ask anew, and ask for what Blizzard didn't show."""
    limit: int | None = None
    """Recipes, or items, at most."""
    profession: str | None = None
    """Its name in the locale, or its number."""

    @property
    def is_partial(self) -> bool:
        """Whether less than everything was asked for, so that nothing can become complete."""
        return self.limit is not None or self.profession is not None


@dataclass(slots=True)
class Work:
    """One run: where answers come from and go, and what was asked for."""

    source: CatalogueSource
    database: Database
    region: Region
    clock: Clock
    progress: SeedProgress
    at_once: int
    """Requests that may be under way."""
    trial: Trial
    _index: Read[list[Named]] | None = None

    def index(self) -> Read[list[Named]]:
        """The index of professions, by rising id, and the build that it is of: asked for once a run, and noted."""
        if self._index is None:
            index = self.source.professions(self.region)
            index.value.sort(key=lambda profession: profession.id)
            with self.database.transaction() as connection:
                seeders.see_build(connection, index.build)
            self._index = index
        return self._index

    @property
    def build(self) -> str | None:
        """The game's build of this run."""
        return self.index().build

    def professions(self) -> list[Named]:
        """The professions to work on. Raises `UsageError` where there is none of the name or number asked for."""
        every = self.index().value
        wanted = self.trial.profession
        if wanted is None:
            return every
        found = [one for one in every if str(one.id) == wanted or (one.name or "").casefold() == wanted.casefold()]
        if not found:
            names = ", ".join(sorted(one.name or str(one.id) for one in every))
            raise UsageError(f"--profession {wanted} is none of Blizzard's in {self.source.locale}: there are {names}.")
        return found[:1]

    @contextmanager
    def asking(self) -> Generator[ThreadPoolExecutor]:
        """Threads that ask; what has not begun is let go when the block ends."""
        pool = ThreadPoolExecutor(max_workers=self.at_once, thread_name_prefix="seed")
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def see(self, build: str | None) -> None:
        """Note a build that came up while the run went on: what it completes is complete for its own alone."""
        if is_newer_build(build, self.build):
            with self.database.transaction() as connection:
                seeders.see_build(connection, build)


class Counts:
    """Counts by name, in the order in which the names came up."""

    def __init__(self) -> None:
        self.by_name: dict[str, int] = {}

    def add(self, name: str, number: int = 1) -> None:
        """Count; nothing leaves no name behind."""
        if number:
            self.by_name[name] = self.by_name.get(name, 0) + number


class Unseen:
    """Shows nobody anything."""

    def begin(self, name: str, *, total: int) -> None:
        """Say nothing."""

    def advance(self, steps: int = 1) -> None:
        """Say nothing."""

    def tell(self, line: str) -> None:
        """Say nothing."""


def at_once(requests_per_second: int) -> int:
    """How many requests may be under way, so that answers that take a second each still use a limit to the full.

    >>> at_once(40), at_once(1), at_once(1_000)
    (40, 4, 64)
    """
    return max(LEAST_AT_ONCE, min(MOST_AT_ONCE, requests_per_second))


def extra_data(part: SeededPart) -> dict[str, Any]:
    """What a run's benchmark keeps of it."""
    return {
        "outcome": part.outcome,
        "build": part.build,
        "inserted": part.changes.inserted,
        "updated": part.changes.updated,
        "deleted": part.changes.deleted,
        "skipped": dict(part.skipped),
        "counted": dict(part.counted),
        "requests": part.traffic.requests,
        "cache_hits": part.traffic.cache_hits,
    }
