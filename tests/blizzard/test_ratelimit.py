from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.blizzard.deadline import Deadline
from ironforge_cli.blizzard.ratelimit import RateLimit, reserved_for_collecting
from ironforge_cli.errors import InterruptedRunError, UnavailableError
from tests.blizzard.counting import BEGAN, Machine, limit_of, most_in, reserved

if TYPE_CHECKING:
    from collections.abc import Callable


@given(
    pauses=st.lists(st.one_of(st.just(0.0), st.floats(0, 2), st.floats(0, 900)), min_size=1, max_size=60),
    per_second=st.integers(1, 6),
    per_hour=st.integers(4, 30),
)
def test_no_second_and_no_hour_ever_sees_more_than_the_limit(
    pauses: list[float], per_second: int, per_hour: int
) -> None:
    machine = Machine()
    left_at: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        limit = limit_of(Path(folder) / "slots", machine, per_second=per_second, per_hour=per_hour)
        for pause in pauses:
            machine.sleep(pause)
            limit.wait()
            left_at.append(machine.elapsed)
    assert most_in(left_at, 1.0) <= per_second
    # Instants are sums of floats; an hour less their rounding is an hour.
    assert most_in(left_at, 3_600 - 1e-3) <= per_hour


@given(
    steps=st.lists(st.tuples(st.floats(0, 900), st.one_of(st.just(0.0), st.floats(0, 1e9))), min_size=1, max_size=40),
    per_second=st.integers(1, 4),
    per_hour=st.integers(4, 12),
)
def test_a_clock_that_is_set_back_never_lets_more_through(
    steps: list[tuple[float, float]], per_second: int, per_hour: int
) -> None:
    machine = Machine()
    left_at: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        limit = limit_of(Path(folder) / "slots", machine, per_second=per_second, per_hour=per_hour)
        for pause, back in steps:
            machine.sleep(pause)
            machine.set_by -= back
            limit.wait()
            left_at.append(machine.elapsed)
    assert most_in(left_at, 1.0) <= per_second
    assert most_in(left_at, 3_600 - 1e-3) <= per_hour


@given(
    jumps=st.lists(st.one_of(st.just(0.0), st.floats(-5_000, 5_000), st.floats(-1e9, 1e9)), min_size=1, max_size=60),
    per_second=st.integers(1, 4),
)
def test_a_clock_that_is_set_does_not_hold_requests_up(jumps: list[float], per_second: int) -> None:
    machine = Machine()
    with tempfile.TemporaryDirectory() as folder:
        limit = limit_of(Path(folder) / "slots", machine, per_second=per_second)
        for jump in jumps:
            machine.set_by += jump
            came_at = machine.elapsed
            limit.wait()
            # The place in the queue that the last one waited for, and its own.
            assert machine.elapsed - came_at <= 2 * 1.04 + 0.001


def test_a_request_within_the_limit_waits_for_nothing(tmp_path: Path) -> None:
    machine = Machine()
    limit = limit_of(tmp_path / "slots", machine, per_second=40)
    for _ in range(40):
        limit.wait()
    assert machine.elapsed == 0
    limit.wait()
    assert 1.0 <= machine.elapsed < 1.1


def test_nine_tenths_of_the_limit_can_be_used(tmp_path: Path) -> None:
    machine = Machine()
    limit = limit_of(tmp_path / "slots", machine, per_second=10)
    for _ in range(200):
        limit.wait()
    assert 200 / machine.elapsed >= 0.9 * 10


def test_the_end_of_the_hour_s_limit_is_said_and_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    limit = limit_of(tmp_path / "slots", machine, per_hour=3)
    for _ in range(3):
        limit.wait()
    assert "limit" not in caplog.text
    with caplog.at_level(logging.WARNING):
        limit.wait()
    assert machine.elapsed == pytest.approx(3_600)
    assert "leaves in 3600 s" in caplog.text


def test_limits_over_one_file_are_one_limit(tmp_path: Path) -> None:
    machine = Machine()
    limits = [limit_of(tmp_path / "slots", machine, per_second=5) for _ in range(3)]
    for _ in range(10):
        for limit in limits:
            limit.wait()
    assert most_in(reserved(tmp_path / "slots"), 1.0) <= 5
    assert machine.elapsed >= 5


def test_threads_share_the_limit(tmp_path: Path) -> None:
    limit = RateLimit(tmp_path / "slots", per_second=4, per_hour=36_000, now=lambda: BEGAN, sleep=lambda _: None)
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(limit.wait) for _ in range(40)]:
            done.result()
    slots = reserved(tmp_path / "slots")
    assert len(slots) == 40
    assert most_in(slots, 1.0) == 4


def end(_: float) -> None:
    raise InterruptedRunError("SIGTERM")


def test_a_low_limit_of_one_program_holds_up_no_other(tmp_path: Path) -> None:
    machine = Machine()
    low = RateLimit(tmp_path / "slots", per_second=2, per_hour=10, now=machine.now, sleep=end)
    low.wait()
    low.wait()
    with pytest.raises(InterruptedRunError):
        low.wait()
    high = limit_of(tmp_path / "slots", machine, per_hour=10)
    for _ in range(7):
        high.wait()
    assert machine.elapsed == 0
    assert reserved(tmp_path / "slots") == pytest.approx([BEGAN] * 9 + [BEGAN + 1.04])
    high.wait()
    assert machine.elapsed == 3_600


def test_who_waits_for_the_next_hour_holds_no_place_meanwhile(tmp_path: Path) -> None:
    machine = Machine()
    low = RateLimit(tmp_path / "slots", per_second=100, per_hour=2, now=machine.now, sleep=end)
    low.wait()
    low.wait()
    # As many as would be in the way of everybody else in any second of theirs.
    for _ in range(150):
        with pytest.raises(InterruptedRunError):
            low.wait()
    assert reserved(tmp_path / "slots") == [BEGAN] * 2
    high = limit_of(tmp_path / "slots", machine)
    for _ in range(98):
        high.wait()
    assert machine.elapsed == 0


def test_seeding_leaves_a_share_of_the_hour_that_collecting_finds(tmp_path: Path) -> None:
    machine = Machine()
    share = reserved_for_collecting(2_000)
    seeding = RateLimit(
        tmp_path / "slots", per_second=2_000, per_hour=2_000, now=machine.now, sleep=machine.sleep, leaves=share
    )
    for _ in range(2_000 - share):
        seeding.wait()
    assert machine.elapsed == 0
    seeds_no_more = RateLimit(
        tmp_path / "slots", per_second=2_000, per_hour=2_000, now=machine.now, sleep=end, leaves=share
    )
    with pytest.raises(InterruptedRunError):
        seeds_no_more.wait()
    collecting = limit_of(tmp_path / "slots", machine, per_second=2_000, per_hour=2_000)
    for _ in range(share):
        collecting.wait()
    assert machine.elapsed == 0
    seeding.wait()
    assert machine.elapsed == pytest.approx(3_600)


@pytest.mark.parametrize(("longest", "left"), [(120.0, None), (None, 600.0), (120.0, 600.0), (None, 0.0), (None, -9.0)])
def test_an_hour_that_is_used_up_is_told_at_once_where_nobody_can_wait_for_the_next(
    tmp_path: Path, longest: float | None, left: float | None
) -> None:
    machine = Machine()
    limit = RateLimit(
        tmp_path / "slots",
        per_second=100,
        per_hour=3,
        now=machine.now,
        sleep=machine.sleep,
        longest_wait=float("inf") if longest is None else longest,
    )
    deadline = None if left is None else Deadline(at=left, monotonic=lambda: machine.elapsed)
    for _ in range(3):
        limit.wait(deadline)
    with pytest.raises(UnavailableError, match=r"in 3,600 s.*IRONFORGE_REQUESTS_PER_HOUR"):
        limit.wait(deadline)
    assert machine.elapsed == 0
    assert len(reserved(tmp_path / "slots")) == 3


@pytest.mark.parametrize("ends", [3_600.0, 3_601.0])
def test_a_wait_that_ends_in_time_is_waited_for(tmp_path: Path, ends: float) -> None:
    machine = Machine()
    limit = limit_of(tmp_path / "slots", machine, per_hour=3)
    for _ in range(4):
        limit.wait(Deadline(at=ends, monotonic=lambda: machine.elapsed))
    assert machine.elapsed == pytest.approx(3_600)


def test_a_place_that_comes_too_late_by_a_moment_is_left_to_others(tmp_path: Path) -> None:
    machine = Machine()
    limit = limit_of(tmp_path / "slots", machine, per_second=1)
    limit.wait()
    with pytest.raises(UnavailableError, match="limit of requests"):
        limit.wait(Deadline(at=0.5, monotonic=lambda: machine.elapsed))
    assert reserved(tmp_path / "slots") == [BEGAN]


def test_a_machine_on_which_everybody_wakes_up_late_gets_on_after_five_places(tmp_path: Path) -> None:
    machine, slept = Machine(), list[float]()

    def oversleep(seconds: float) -> None:
        slept.append(seconds)
        assert len(slept) <= 5
        machine.sleep(seconds + 0.5)
        # Others leave before it wakes up.
        others.wait()

    others = limit_of(tmp_path / "slots", machine, per_second=1)
    others.wait()
    RateLimit(tmp_path / "slots", per_second=1, per_hour=36_000, now=machine.now, sleep=oversleep).wait()
    assert len(slept) == 5


def test_who_waits_for_the_next_hour_and_finds_it_used_up_waits_for_as_many_as_it_takes(tmp_path: Path) -> None:
    machine, slept = Machine(), list[float]()
    others = limit_of(tmp_path / "slots", machine, per_hour=1)

    def be_late(seconds: float) -> None:
        slept.append(seconds)
        machine.sleep(seconds)
        if len(slept) < 9:
            others.wait()

    others.wait()
    RateLimit(tmp_path / "slots", per_second=1, per_hour=1, now=machine.now, sleep=be_late).wait()
    assert slept == [3_600.0] * 9
    assert most_in(reserved(tmp_path / "slots"), 3_600.0) == 1


def test_a_counter_that_a_stopped_process_holds_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ironforge_cli.blizzard.ratelimit._LONGEST_LOCK_SECONDS", 0.01)
    machine = Machine()
    limit = limit_of(tmp_path / "slots", machine, per_second=3)
    limit.wait()
    with (tmp_path / "slots.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for _ in range(3):
            limit.wait()
    # What the file knew counts.
    assert machine.elapsed == pytest.approx(1.04)
    assert caplog.text.count("another process holds it") == 1


def test_a_higher_limit_than_the_file_has_room_for_keeps_what_is_known(tmp_path: Path) -> None:
    machine = Machine()
    for _ in range(3):
        limit_of(tmp_path / "slots", machine, per_second=3).wait()
    limit_of(tmp_path / "slots", machine, per_second=3, per_hour=50_000).wait()
    assert machine.elapsed == pytest.approx(1.04)
    assert reserved(tmp_path / "slots") == pytest.approx([BEGAN] * 3 + [BEGAN + 1.04])
    assert (tmp_path / "slots").stat().st_size == 44 + 16 * 50_001


def test_a_request_reads_and_writes_a_few_bytes_however_many_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine()
    limit = limit_of(tmp_path / "slots", machine, per_second=2_000, per_hour=3_000)
    for _ in range(2_000):
        limit.wait()
    machine.sleep(2)
    moved: list[tuple[str, int]] = []
    pread, pwrite = os.pread, os.pwrite

    def read(descriptor: int, size: int, offset: int) -> bytes:
        moved.append(("read", size))
        return pread(descriptor, size, offset)

    def write(descriptor: int, content: bytes, offset: int) -> int:
        moved.append(("written", len(content)))
        return pwrite(descriptor, content, offset)

    monkeypatch.setattr(os, "pread", read)
    monkeypatch.setattr(os, "pwrite", write)
    limit.wait()
    assert moved == [("read", 44), *[("read", 16)] * 2, ("written", 16), ("written", 44)]


def test_what_is_over_counts_no_more(tmp_path: Path) -> None:
    machine = Machine()
    limit = limit_of(tmp_path / "slots", machine, per_second=20, per_hour=20)
    for _ in range(3):
        for _ in range(20):
            limit.wait()
        machine.sleep(3_601)
    assert machine.elapsed == 3 * 3_601


def of_another_program(file: Path) -> None:
    file.write_bytes(b"no ring" * 1_000)


def of_sqlite(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE slots (at REAL)")


def changed(place: int) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        limit_of(file, Machine()).wait()
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        file.write_bytes(content)

    return change


def cut(file: Path) -> None:
    limit_of(file, Machine()).wait()
    os.truncate(file, 1_000)


@pytest.mark.parametrize(
    "damage",
    [Path.touch, of_another_program, of_sqlite, cut, changed(20), changed(44 + 3)],
    ids=["of no length", "another program's", "of the SQLite of before", "cut", "changed header", "changed entry"],
)
def test_a_damaged_file_is_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    damage(tmp_path / "slots")
    assert caplog.text == ""
    limit = limit_of(tmp_path / "slots", Machine())
    limit.wait()
    limit.wait()
    assert reserved(tmp_path / "slots") == [BEGAN] * 2
    assert caplog.text.count("begun anew") == 1
    assert (tmp_path / "slots").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("where", ["a-file/slots", "a-folder"])
def test_a_file_that_can_not_be_used_is_told_once_and_this_run_counts_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "a-folder").mkdir()
    machine = Machine()
    limit = limit_of(tmp_path / where, machine, per_second=3)
    for _ in range(4):
        limit.wait()
    assert machine.elapsed == pytest.approx(1.04)
    (told,) = [record.getMessage() for record in caplog.records]
    assert "counted for this run alone" in told
    assert "writable" in told


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    limit_of(tmp_path / "missing" / "slots", Machine()).wait()
    assert len(reserved(tmp_path / "missing" / "slots")) == 1


def test_what_is_written_is_private(tmp_path: Path) -> None:
    limit_of(tmp_path / "slots", Machine()).wait()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["slots", "slots.lock"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 2
