"""The one way in: a body is judged alike wherever it comes from, and what goes wrong with one is its result."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard import payloads
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.collecting.intake import Known, Neighbours, Received, known_already, not_newer, take_in
from ironforge_cli.jobs.collecting.outcomes import unchanged
from ironforge_cli.jobs.collecting.storing import ImplausibleAnswerError
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Attempt, Evidence, Silent
from ironforge_cli.jobs.storage import Workplace
from ironforge_cli.regions import Region
from tests.conftest import storage_in
from tests.jobs.handed import HOUR, NOON, Breaking, answer, body_of, keep, raising

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.evidence.runs import Progress
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

AWAY = DatabaseError("The server is away.")
LIVE = Received.live(Region.EU, answer(b"", NOON))
GIVEN = Received.given(Region.EU, b"", snapshot_time=NOON)
EARLIER = Known(NOON - HOUR, "earlier")


@pytest.mark.parametrize(
    ("received", "beside", "told", "is_held", "is_odd"),
    [
        (LIVE, Neighbours(None, None), None, True, False),
        (LIVE, Neighbours(None, EARLIER), None, True, False),
        (LIVE, Neighbours(None, Known(NOON, "other")), "the one that is known", True, False),
        (LIVE, Neighbours(None, Known(NOON + HOUR, "new")), "older than the newest", True, False),
        (LIVE, Neighbours(None, Known(NOON - HOUR, "this")), "Blizzard gave it a new time alone", True, True),
        # Any other is stored between others, too.
        (GIVEN, Neighbours(None, EARLIER), None, True, False),
        (GIVEN, Neighbours(Known(NOON, "this"), EARLIER), "with this body", True, False),
        (GIVEN, Neighbours(Known(NOON, "other"), EARLIER), "with another body, which stays", False, False),
        (GIVEN, Neighbours(None, Known(NOON - HOUR, "this")), "Blizzard gave it a new time alone", True, True),
    ],
)
def test_a_body_is_new_known_or_a_repetition(
    received: Received, beside: Neighbours, told: str | None, *, is_held: bool, is_odd: bool
) -> None:
    found = known_already(received, NOON, "this", beside)
    if told is None:
        assert found is None
        return
    assert found is not None
    assert (found.outcome, found.is_held, found.is_odd) == (Outcome.NO_CHANGE, is_held, is_odd)
    assert told in (found.message or "")


def test_only_what_blizzard_answered_is_asked_with_from_then_on() -> None:
    repeated = Neighbours(None, Known(NOON - HOUR, "this"))
    live, given = (known_already(one, NOON, "this", repeated) for one in (LIVE, GIVEN))
    assert live is not None
    assert given is not None
    assert (live.last_modified, given.last_modified) == (NOON, None)
    newer = Known(NOON + HOUR, "new")
    assert known_already(LIVE, NOON, "this", Neighbours(None, newer)) == unchanged(
        Region.EU, NOON + HOUR, not_newer(NOON, known=NOON + HOUR), last_modified=NOON + HOUR
    )


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storage_in(tmp_path, MissingDatabase(AWAY))


def taken_in(
    received: Received,
    storage: Storage,
    clock: TickingClock,
    *,
    progress: Progress | None = None,
    force: bool = False,
    decoding: threading.Lock | None = None,
) -> CollectedRegion:
    return take_in(
        received,
        workplace=Workplace(
            database=storage.database,
            away=AWAY,
            shelves=storage.shelves,
            locks_folder=storage.locks_folder,
            retention_days=0,
            evidence=Evidence(storage.database, pending=None, command="collect", clock=clock),
            decoding=decoding or threading.Lock(),
        ),
        attempt=Attempt(clock=clock, region=received.region, progress=progress or Silent()),
        force=force,
        away=AWAY,
    )


def received_from(source: str, body: bytes, storage: Storage) -> Received:
    match source:
        case "live":
            return Received.live(Region.EU, answer(body, NOON))
        case "file":
            return Received.given(Region.EU, body, snapshot_time=NOON)
        case _:
            shelf = getattr(storage.shelves, source)
            return Received.kept_on(shelf, keep(shelf, body), source=source)


every_source = pytest.mark.parametrize("source", ["live", "file", "spool", "quarantine"])


@every_source
@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), DatabaseError("Cut off.")])
def test_whatever_one_body_raises_is_its_result_and_the_body_is_on_disk(
    storage: Storage, clock: TickingClock, source: str, error: Exception
) -> None:
    received = received_from(source, body_of(3), storage)
    found = taken_in(received, storage, clock, progress=Breaking("decode", raising(error)))
    assert found.status is (ExitStatus.BUG if isinstance(error, ZeroDivisionError) else ExitStatus.DATABASE)
    assert found.outcome is (Outcome.SPOOLED if source in {"live", "file"} else Outcome.FAILED)
    assert found.last_modified == NOON
    assert str(error) in (found.message or "")
    # Once: what lies on a shelf stays there.
    assert len(storage.shelves.spool.kept()) == (source != "quarantine")
    assert len(storage.shelves.quarantine.kept()) == (source == "quarantine")


def test_an_error_without_words_is_the_reason_by_its_name(storage: Storage, clock: TickingClock) -> None:
    taken_in(
        received_from("live", body_of(3), storage), storage, clock, progress=Breaking("decode", raising(KeyError()))
    )
    (kept,) = storage.shelves.spool.kept()
    assert kept.reason == "KeyError"


@pytest.mark.parametrize(("force", "outcome"), [(False, Outcome.REJECTED), (True, Outcome.SPOOLED)])
def test_what_force_takes_is_spooled_while_the_database_is_away(
    storage: Storage, clock: TickingClock, *, force: bool, outcome: Outcome
) -> None:
    too_many_odd = body_of(3).replace(b"[", b"[0, 0, 0, ")
    assert taken_in(received_from("live", too_many_odd, storage), storage, clock, force=force).outcome is outcome


@every_source
def test_a_refused_body_is_kept_once_in_the_quarantine_or_where_it_lies(
    storage: Storage, clock: TickingClock, source: str
) -> None:
    found = taken_in(received_from(source, b"no JSON", storage), storage, clock)
    assert (found.outcome, found.status, found.last_modified) == (Outcome.REJECTED, ExitStatus.REFUSED, NOON)
    assert len(storage.shelves.quarantine.kept()) == (source != "spool")
    assert len(storage.shelves.spool.kept()) == (source == "spool")
    assert ("The body is kept" in (found.message or "")) is (source in {"live", "file"})


@pytest.mark.parametrize("source", ["spool", "quarantine"])
def test_a_file_that_can_not_be_read_is_the_result_of_its_body_alone(
    storage: Storage, clock: TickingClock, source: str
) -> None:
    received = received_from(source, body_of(3), storage)
    assert received.kept is not None
    received.kept.path.unlink()
    received.kept.path.mkdir()
    found = taken_in(received, storage, clock)
    assert (found.outcome, found.status) == (Outcome.FAILED, ExitStatus.CONFIGURATION)
    assert "can't be read" in (found.message or "")


def test_a_time_that_is_given_goes_before_the_one_a_body_was_kept_with(storage: Storage) -> None:
    kept = keep(storage.shelves.spool, body_of(3))
    given = Received.kept_on(storage.shelves.spool, kept, source="spool", snapshot_time=NOON + HOUR)
    assert given.time() == NOON + HOUR


def test_a_body_is_kept_under_blizzard_s_time_and_received_by_this_machine_s(
    storage: Storage, clock: TickingClock
) -> None:
    clock.turn_to(NOON + 2 * HOUR)
    taken_in(received_from("live", body_of(3), storage), storage, clock)
    (kept,) = storage.shelves.spool.kept()
    assert (kept.snapshot_time, kept.received_at) == (NOON, clock.now())


def test_whoever_ends_the_program_loses_no_body(storage: Storage, clock: TickingClock) -> None:
    ended = Breaking("decode", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        taken_in(received_from("live", body_of(3), storage), storage, clock, progress=ended)
    assert len(storage.shelves.spool.kept()) == 1


@every_source
def test_a_body_that_is_refused_for_its_size_says_how_many_it_lists(
    storage: Storage, clock: TickingClock, source: str
) -> None:
    small = Breaking("decode", raising(ImplausibleAnswerError("Too few.", auctions=3)))
    found = taken_in(received_from(source, body_of(3), storage), storage, clock, progress=small)
    assert (found.outcome, found.refused_auctions) == (Outcome.REJECTED, 3)


def test_one_body_is_decoded_at_a_time(storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch) -> None:
    decoding, seen = threading.Lock(), list[bool]()

    def noted(*_: object, **__: object) -> None:
        seen.append(decoding.locked())

    monkeypatch.setattr(payloads, "commodities", noted)
    taken_in(received_from("live", body_of(3), storage), storage, clock, decoding=decoding)
    assert (seen, decoding.locked()) == ([True], False)
