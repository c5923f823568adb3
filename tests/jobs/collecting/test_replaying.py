"""What becomes of the spool is told with the hour that was asked for, and never instead of it. No server is needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import ExitStatus, UnavailableError
from ironforge_cli.jobs.collecting import replaying
from ironforge_cli.jobs.collecting.outcomes import failed, unchanged
from ironforge_cli.jobs.collecting.postponed import Postponed
from ironforge_cli.jobs.collecting.replaying import Replayed, replay
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Attempt, Evidence, Silent
from ironforge_cli.jobs.storage import Workplace
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.clocks import TickingClock
from tests.conftest import storage_in
from tests.jobs.handed import NOON, body_of, keep

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.collecting.postponed import Failure

GOOD = unchanged(Region.US, NOON, "It is night.")


def test_what_was_stored_from_the_spool_is_counted_with_the_hour() -> None:
    assert Replayed(stored=0).told_with(GOOD) == GOOD
    assert Replayed(stored=3).told_with(GOOD) == replace(GOOD, replayed=3)


def test_bodies_that_stay_make_a_good_hour_partial_and_leave_it_its_outcome() -> None:
    told = Replayed(stored=1, problems=("Cut.", "Away.")).told_with(GOOD)
    assert (told.outcome, told.status, told.replayed) == (Outcome.NO_CHANGE, ExitStatus.PARTIAL, 1)
    assert told.message == "Not all of the spool could be stored: Cut. Away."


def test_an_hour_that_is_worth_a_look_keeps_its_message_beside_what_stays() -> None:
    odd = replace(GOOD, message="It has shrunk.", is_odd=True)
    told = Replayed(stored=0, problems=("Cut.",)).told_with(odd)
    assert told.message == "It has shrunk. Not all of the spool could be stored: Cut."


def test_an_hour_that_failed_keeps_its_own_code_and_reason() -> None:
    down = failed(Region.US, UnavailableError("Down."))
    assert Replayed(stored=1, problems=("Cut.",)).told_with(down) == replace(down, replayed=1)


def replayed(home: Path, result: CollectedRegion, *, times: int, monkeypatch: pytest.MonkeyPatch) -> list[Replayed]:
    """Replay one body that waits so often, where taking it in ends so; nothing is removed."""
    database = MissingDatabase(UnavailableError("There is none."))
    storage = storage_in(home, database)
    keep(storage.shelves.spool, body_of(3), region=Region.US)
    clock = TickingClock(NOON)
    taken: list[Replayed] = []

    def take_in(*_: object, **__: object) -> CollectedRegion:
        return result

    monkeypatch.setattr(replaying, "take_in", take_in)
    for _ in range(times):
        workplace = Workplace(
            database=database,
            away=None,
            shelves=storage.shelves,
            locks_folder=storage.locks_folder,
            retention_days=30,
            evidence=Evidence(database, pending=None, command="collect", clock=clock),
            decoding=threading.Lock(),
        )
        attempt = Attempt(clock=clock, region=Region.US, progress=Silent())
        taken.append(replay(Region.US, workplace=workplace, attempt=attempt, force=False))
    return taken


def failures(home: Path) -> list[Failure | None]:
    """What is remembered of each body that waits."""
    spool = storage_in(home, MissingDatabase(UnavailableError("There is none."))).shelves.spool
    remembered = Postponed(spool.folder / Region.US)
    return [remembered.of(kept) for kept in spool.kept(Region.US)]


def test_a_body_that_is_held_already_is_gone_and_nothing_is_remembered_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = replace(GOOD, status=ExitStatus.DATABASE, message="Full.")
    assert replayed(tmp_path, bad, times=1, monkeypatch=monkeypatch) == [Replayed(0, ("Full.",))]
    note = next((tmp_path / "spool").rglob(".postponed.json"))
    assert b"Full." in note.read_bytes()
    shelf = storage_in(tmp_path, MissingDatabase(UnavailableError("There is none."))).shelves.spool
    monkeypatch.setattr(replaying, "waiting", lambda *_, **__: False)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - its pause is over
    assert replayed(tmp_path, GOOD, times=1, monkeypatch=monkeypatch) == [Replayed(0)]
    assert shelf.kept(Region.US) == []
    assert not note.exists() or b"Full." not in note.read_bytes()


def test_a_body_that_failed_is_told_of_and_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = replace(GOOD, status=ExitStatus.DATABASE, message="Full.")
    assert replayed(tmp_path, bad, times=2, monkeypatch=monkeypatch) == [Replayed(0, ("Full.",))] * 2
    assert [failure and failure.message for failure in failures(tmp_path)] == ["Full."]


@pytest.mark.parametrize(("outcome", "is_refused"), [(Outcome.REJECTED, True), (Outcome.FAILED, False)])
def test_only_a_body_that_was_judged_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, *, is_refused: bool
) -> None:
    away = replace(GOOD, outcome=outcome, status=ExitStatus.REFUSED, message="No snapshot.", is_held=False)
    (found,) = replayed(tmp_path, away, times=1, monkeypatch=monkeypatch)
    assert found.refused == ({NOON} if is_refused else set())
    assert storage_in(tmp_path, MissingDatabase(UnavailableError("There is none."))).shelves.quarantine.kept()
