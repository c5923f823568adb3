"""The hour comes first: nothing that waits on disk, and nothing that stands beside the work, costs it or unmakes it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.deadline import Deadline
from ironforge_cli.blizzard.spool import Shelf
from ironforge_cli.db import locks
from ironforge_cli.db.repositories import runs
from ironforge_cli.errors import ExitStatus, UnavailableError, UnreachableError
from ironforge_cli.jobs.collecting import collect as collecting
from ironforge_cli.jobs.collecting import intake, replaying, tidying
from ironforge_cli.jobs.collecting.collect import collect
from ironforge_cli.jobs.collecting.cycle import Bounds
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import stored
from tests.jobs.handed import HOUR, NOON, Cycle, Handed, answer, body_of, keep, nothing_newer, raising

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy import Connection

    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock


def _spooled(storage: Storage, hours: int) -> list[Any]:
    """Bodies of so many hours from noon on, in EU's spool."""
    return [
        keep(storage.shelves.spool, body_of(5, first=1 + 10 * hour), snapshot_time=NOON + hour * HOUR)
        for hour in range(hours)
    ]


def _failing(error: Exception) -> Callable[..., None]:
    """What raises an error whatever it is given."""

    def fail(*_: object) -> None:
        raise error

    return fail


@dataclass
class Counted:
    """Takes bodies in as the intake does, or lets some of them end otherwise."""

    does: Callable[[intake.Received], object]
    taken: list[object]

    def __call__(self, received: intake.Received, **options: Any) -> Any:
        self.taken.append(received.snapshot_time)
        found = self.does(received)
        return intake.take_in(received, **options) if found is None else found


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    found = Counted(lambda _: None, [])
    monkeypatch.setattr(replaying, "take_in", found)
    return found


# What waits


@pytest.mark.parametrize("error", [UnavailableError("500."), None])
def test_what_waits_is_stored_though_blizzard_is_down_or_has_nothing(
    storage: Storage, clock: TickingClock, error: UnavailableError | None
) -> None:
    _spooled(storage, 2)
    found = Cycle(storage, clock).run(Handed([error or nothing_newer()]))
    assert (found.replayed, found.status) == (2, ExitStatus.UNAVAILABLE if error else ExitStatus.DONE)
    assert stored.times(storage.database, Region.EU) == [NOON, NOON + HOUR]


def test_statistics_are_the_same_though_earlier_hours_come_after_the_hour(
    storage: Storage, clock: TickingClock
) -> None:
    bodies = [body_of(9 - hour, first=1 + hour) for hour in range(3)]
    for region in DEFAULT_REGIONS:
        waiting = bodies[:2] if region is Region.EU else []
        for hour, body in enumerate(waiting):
            keep(storage.shelves.spool, body, snapshot_time=NOON + hour * HOUR)
        given = bodies if region is Region.US else bodies[2:]
        for hour, body in enumerate(given, start=3 - len(given)):
            Cycle(storage, clock, region=region).run(Handed([answer(body, NOON + hour * HOUR)]))
    late, in_order = (stored.statistics(storage.database, region) for region in DEFAULT_REGIONS)
    assert late == in_order


@pytest.mark.parametrize("listing", ["raises", "is no folder"])
def test_a_spool_that_can_not_be_listed_costs_no_hour(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch, listing: str
) -> None:
    if listing == "raises":
        monkeypatch.setattr(Shelf, "kept", _failing(PermissionError("not yours")))
    else:
        storage.shelves.spool.folder.mkdir()
        (storage.shelves.spool.folder / "eu").touch()
    found = Cycle(storage, clock).run(Handed([answer(body_of(4), NOON)]))
    assert found.outcome is Outcome.STORED
    assert found.status is (ExitStatus.PARTIAL if listing == "raises" else ExitStatus.DONE)


def test_a_file_that_can_not_be_read_stays_is_told_and_hinders_neither_the_hour_nor_others(
    storage: Storage, clock: TickingClock
) -> None:
    kept = _spooled(storage, 1)[0]
    folder = kept.path.with_name("folder.body")
    folder.mkdir()
    for hour in (1, 2):
        found = Cycle(storage, clock).run(Handed([answer(body_of(4, first=50 * hour), NOON + hour * HOUR)]))
        assert (found.outcome, found.status) == (Outcome.STORED, ExitStatus.PARTIAL)
        assert f"{folder}: can't be read" in (found.message or "")
    assert folder.is_dir()
    assert stored.times(storage.database, Region.EU) == [NOON, NOON + HOUR, NOON + 2 * HOUR]


def test_replay_ends_at_the_first_error_of_the_connection(
    storage: Storage, clock: TickingClock, counted: Counted
) -> None:
    waiting = _spooled(storage, 3)
    counted.does = lambda _: replaying.failed(Region.EU, UnreachableError("It hangs."))
    found = Cycle(storage, clock).run(Handed([answer(body_of(4), NOON + 3 * HOUR)]))
    assert (found.outcome, found.status) == (Outcome.STORED, ExitStatus.PARTIAL)
    assert "It hangs." in (found.message or "")
    assert counted.taken == [NOON]
    assert storage.shelves.spool.kept() == waiting


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), MemoryError("none"), RecursionError("deep")])
def test_a_body_that_always_fails_is_tried_after_growing_pauses_and_told_meanwhile(
    storage: Storage, clock: TickingClock, counted: Counted, error: Exception
) -> None:
    poisonous, healthy = _spooled(storage, 2)
    counted.does = lambda received: raising(error)() if received.snapshot_time == NOON else None
    for _ in range(40):
        found = Cycle(storage, clock).run(Handed([nothing_newer()]))
        assert found.status is ExitStatus.PARTIAL
        assert str(error) in (found.message or "")
        clock.sleep(30)
    assert not healthy.path.exists()
    # In twenty minutes: at once, and after 1, 2, 4 and 8 minutes.
    assert counted.taken.count(NOON) == 5
    counted.does = lambda _: None
    clock.sleep(timedelta(hours=6).total_seconds())
    assert Cycle(storage, clock).run(Handed([nothing_newer()])).replayed == 1
    assert [path.name for path in poisonous.path.parent.iterdir()] == [".lock"]


def test_a_note_of_failures_that_is_junk_costs_nothing(storage: Storage, clock: TickingClock) -> None:
    (kept,) = _spooled(storage, 1)
    kept.path.with_name(".postponed.json").write_text('{"x": 1')
    assert Cycle(storage, clock).run(Handed([nothing_newer()])).replayed == 1


def test_what_waits_ends_with_its_bound_and_goes_on_in_the_next_cycle(
    storage: Storage, clock: TickingClock, counted: Counted
) -> None:
    _spooled(storage, 5)
    counted.does = lambda _: clock.sleep(10)
    for given, taken in ((answer(body_of(4), NOON + 5 * HOUR), 2), (nothing_newer(), 3)):
        ends = Deadline(at=clock.monotonic() + 15, monotonic=clock.monotonic)
        short = Deadline(at=clock.monotonic() + 5, monotonic=clock.monotonic)
        cycle = Cycle(storage, clock)
        cycle.bounds = Bounds(with_hour=ends, without=short)
        found = cycle.run(Handed([given]))
        assert found.status is ExitStatus.DONE
        assert len(counted.taken) == taken


# Nothing unmakes what is stored


def _break(monkeypatch: pytest.MonkeyPatch, where: str) -> dict[str, Any]:
    """Let one thing beside the work raise an unexpected error."""
    fail = raising(ValueError("unexpected"))
    options: dict[str, Any] = {}

    def broken(*_: object, **__: object) -> None:
        fail()

    class Broken:
        def step(self, region: Region | None, name: str) -> None:
            del region, name
            fail()

    match where:
        case "log row":
            monkeypatch.setattr(runs, "add_log", broken)
        case "benchmark":
            monkeypatch.setattr(runs, "add_benchmark", broken)
        case "upkeep":
            options["upkeep"] = broken
        case "telling":
            monkeypatch.setattr(collecting, "tell", broken)
        case "summing up":
            monkeypatch.setattr(collecting, "summarise", broken)
        case "tidying":
            monkeypatch.setattr(tidying, "trusted_time", broken)
        case "sweeping":
            monkeypatch.setattr(Shelf, "sweep", broken)
        case "progress":
            options["progress"] = Broken()
        case "lock":
            give_back = locks.give_back

            def given_back_badly(connection: Connection, name: str) -> None:
                give_back(connection, name)
                if name.startswith("store:"):
                    fail()

            monkeypatch.setattr(locks, "give_back", given_back_badly)
        case "replay":
            monkeypatch.setattr(replaying, "Postponed", broken)
        case _:
            raise AssertionError(where)
    return options


@pytest.mark.parametrize(
    "where",
    [
        "log row",
        "benchmark",
        "upkeep",
        "telling",
        "summing up",
        "tidying",
        "sweeping",
        "progress",
        "lock",
        "replay",
    ],
)
def test_an_unexpected_error_beside_the_work_unmakes_nothing_of_a_stored_hour(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    keep(storage.shelves.spool, body_of(5), snapshot_time=NOON)
    options = _break(monkeypatch, where)
    source = Handed([answer(body_of(4), NOON + HOUR)])
    found = collect(DEFAULT_REGIONS, market=source, storage=storage, clock=clock, **options)
    assert [region.outcome for region in found.regions] == [Outcome.STORED, Outcome.STORED]
    assert found.status is (ExitStatus.PARTIAL if where == "replay" else ExitStatus.DONE)
    monkeypatch.undo()
    for region in DEFAULT_REGIONS:
        assert NOON + HOUR in stored.times(storage.database, region)


def test_a_cached_answer_that_can_not_be_forgotten_leaves_a_refusal_a_refusal(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handed, "forget_commodities", _failing(ValueError("unexpected")))
    source = Handed([answer(b"no JSON", NOON), answer(body_of(4), NOON)])
    assert Cycle(storage, clock).run(source).outcome is Outcome.STORED


def test_a_lock_of_a_run_without_a_database_that_can_not_be_given_back_costs_no_body(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def holding(*_: object) -> Generator[None]:
        yield
        raise ValueError("unexpected")

    monkeypatch.setattr(locks, "storing_in", holding)
    cycle = Cycle(storage, clock, away=UnreachableError("It is away."))
    assert cycle.run(Handed([answer(body_of(4), NOON)])).outcome is Outcome.SPOOLED
