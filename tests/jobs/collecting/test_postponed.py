"""What is remembered of bodies that failed to be stored, beside them on disk. No server is needed for that."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.spool import Shelves
from ironforge_cli.jobs.collecting.postponed import Failure, Postponed, pause, waiting
from tests.jobs.handed import HOUR, NOON, body_of, keep

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Kept

SECOND = timedelta(seconds=1)


@pytest.fixture
def bodies(tmp_path: Path) -> list[Kept]:
    spool = Shelves.of(tmp_path).spool
    return [keep(spool, body_of(number), snapshot_time=NOON + number * HOUR) for number in (1, 2)]


def note_of(bodies: list[Kept]) -> Path:
    return bodies[0].path.with_name(".postponed.json")


def read(bodies: list[Kept]) -> Postponed:
    """As the next run reads it."""
    return Postponed(bodies[0].path.parent)


def test_a_failure_is_known_to_the_next_run_and_counts_up(bodies: list[Kept]) -> None:
    first, second = bodies
    assert read(bodies).of(first) is None
    read(bodies).failed(first, "Cut.", now=NOON)
    postponed = read(bodies)
    postponed.failed(first, "Torn.", now=NOON + HOUR)
    postponed.failed(second, "Cut.", now=NOON)
    found = read(bodies)
    assert (found.of(first), found.of(second)) == (Failure(2, NOON + HOUR, "Torn."), Failure(1, NOON, "Cut."))
    # Nothing half written is left beside it.
    assert sorted(path.name for path in first.path.parent.iterdir()) == sorted(
        [".postponed.json", ".lock", first.path.name, second.path.name]
    )


def test_what_is_stored_is_forgotten_and_with_the_last_of_them_the_note_goes(bodies: list[Kept]) -> None:
    first, second = bodies
    postponed = read(bodies)
    for body in bodies:
        postponed.failed(body, "Cut.", now=NOON)
    postponed.forget(first)
    assert (read(bodies).of(first), read(bodies).of(second)) == (None, Failure(1, NOON, "Cut."))
    postponed.forget(second)
    assert not note_of(bodies).exists()
    # Of what is not remembered nothing is written.
    postponed.forget(second)
    assert not note_of(bodies).exists()


def test_a_body_that_somebody_dropped_is_forgotten_when_anything_is_written(
    bodies: list[Kept], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = bodies
    read(bodies).failed(first, "Cut.", now=NOON)
    first.path.unlink()
    read(bodies).failed(second, "Cut.", now=NOON)
    assert (read(bodies).of(first), read(bodies).of(second)) == (None, Failure(1, NOON, "Cut."))
    # Dropped while it was tried, with nothing else to remember.
    second.path.unlink()
    note_of(bodies).unlink()
    read(bodies).failed(second, "Cut.", now=NOON)
    assert (note_of(bodies).exists(), caplog.messages) == (False, [])


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"NAME": 7}', b'{"NAME": {"times": "x"}}'],
)
def test_a_note_that_is_junk_costs_a_pause_and_is_told(
    bodies: list[Kept], caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    note_of(bodies).write_bytes(content.replace(b"NAME", bodies[0].path.name.encode()))
    postponed = read(bodies)
    assert postponed.of(bodies[0]) is None
    (told,) = caplog.messages
    assert told.startswith(f"{note_of(bodies)} can't be read (")
    postponed.failed(bodies[0], "Cut.", now=NOON)
    assert read(bodies).of(bodies[0]) == Failure(1, NOON, "Cut.")


@pytest.mark.parametrize(
    ("times", "at", "is_known"),
    [
        (1, "2026-01-14T12:00:07Z", True),
        (0, "2026-01-14T12:00:07Z", False),
        (-1, "2026-01-14T12:00:07Z", False),
        # Of a time without a zone nobody knows when it was.
        (1, "2026-01-14T12:00:07", False),
    ],
)
def test_what_makes_no_sense_in_a_note_is_left_out_without_a_word(
    bodies: list[Kept], caplog: pytest.LogCaptureFixture, times: int, at: str, *, is_known: bool
) -> None:
    entry = f'{{"{bodies[0].path.name}": {{"times": {times}, "at": "{at}", "message": "Cut."}}}}'
    note_of(bodies).write_text(entry, encoding="utf-8")
    assert (read(bodies).of(bodies[0]) is not None) is is_known
    assert caplog.messages == []


def test_a_note_that_can_not_be_written_is_told_and_remembered_by_this_run(
    bodies: list[Kept], caplog: pytest.LogCaptureFixture
) -> None:
    note_of(bodies).mkdir()
    (note_of(bodies) / "inside").touch()
    postponed = read(bodies)
    caplog.clear()
    postponed.failed(bodies[0], "Cut.", now=NOON)
    (told,) = caplog.messages
    assert told.startswith(f"{note_of(bodies)} can't be written (")
    assert postponed.of(bodies[0]) == Failure(1, NOON, "Cut.")


def test_a_body_waits_for_twice_as_long_each_time_up_to_six_hours() -> None:
    assert [pause(times) for times in (1, 2, 9, 10)] == [timedelta(minutes=minutes) for minutes in (1, 2, 256, 360)]
    failure = Failure(2, NOON, "Cut.")
    at = [NOON - SECOND, NOON, NOON + 120 * SECOND - SECOND, NOON + 120 * SECOND]
    assert [waiting(failure, now=now) for now in at] == [False, True, True, False]
    assert not waiting(None, now=NOON)
