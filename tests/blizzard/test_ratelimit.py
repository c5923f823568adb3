from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGAN = 1_800_000_000.0


class Machine:
    """A machine whose time passes only by sleeping, and whose clock somebody sets."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.set_by = 0.0

    def now(self) -> float:
        return BEGAN + self.elapsed + self.set_by

    def sleep(self, seconds: float) -> None:
        self.elapsed += seconds


def limit_of(file: Path, machine: Machine, *, per_second: int = 100, per_hour: int = 36_000) -> RateLimit:
    return RateLimit(file, per_second=per_second, per_hour=per_hour, now=machine.now, sleep=machine.sleep)


def most_in(left_at: Sequence[float], seconds: float) -> int:
    """The most requests in any span of so many seconds, its end left out."""
    times = sorted(left_at)
    return max((sum(start <= time < start + seconds for time in times) for start in times), default=0)


def reserved(file: Path) -> list[float]:
    with closing(sqlite3.connect(file)) as connection:
        return [at for (at,) in connection.execute("SELECT at FROM slots ORDER BY at")]


@settings(deadline=None)
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


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(0, 3), st.one_of(st.just(0.0), st.floats(0, 5_000))), min_size=1, max_size=40),
    per_second=st.integers(1, 4),
)
def test_a_clock_that_is_set_back_never_lets_more_through(steps: list[tuple[float, float]], per_second: int) -> None:
    machine = Machine()
    left_at: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        limit = limit_of(Path(folder) / "slots", machine, per_second=per_second)
        for pause, back in steps:
            machine.sleep(pause)
            machine.set_by -= back
            limit.wait()
            left_at.append(machine.elapsed)
    assert most_in(left_at, 1.0) <= per_second


@settings(deadline=None)
@given(before=st.integers(1, 30), back=st.floats(0, 5_000), per_second=st.integers(1, 4))
def test_a_clock_that_is_set_back_does_not_hold_requests_up(before: int, back: float, per_second: int) -> None:
    machine = Machine()
    with tempfile.TemporaryDirectory() as folder:
        limit = limit_of(Path(folder) / "slots", machine, per_second=per_second)
        for _ in range(before):
            limit.wait()
        machine.set_by -= back
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


def test_processes_that_begin_together_share_the_limit(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from ironforge_cli.blizzard.ratelimit import RateLimit
        limit = RateLimit(Path(sys.argv[1]), per_second=7, per_hour=30, now=time.time, sleep=lambda _: None)
        for _ in range(10):
            limit.wait()
    """)
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "slots")], stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [process.wait() for process in running] == [0] * 4
    slots = reserved(tmp_path / "slots")
    assert len(slots) == 40
    assert most_in(slots, 1.0) <= 7
    assert most_in(slots, 3_600 - 1e-3) <= 30


def test_what_is_over_is_forgotten(tmp_path: Path) -> None:
    machine = Machine()
    limit = limit_of(tmp_path / "slots", machine)
    for _ in range(20):
        limit.wait()
    machine.sleep(3_700)
    limit.wait()
    assert len(reserved(tmp_path / "slots")) == 1


def test_a_damaged_file_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "slots").write_bytes(b"no database" * 1_000)
    limit_of(tmp_path / "slots", Machine()).wait()
    assert len(reserved(tmp_path / "slots")) == 1
    assert "begun anew" in caplog.text


@pytest.mark.parametrize("where", ["missing/slots", "a-file/slots", "a-folder"])
def test_a_file_that_can_not_be_written_is_told_in_words(tmp_path: Path, where: str) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "a-folder").mkdir()
    with pytest.raises(ConfigurationError, match="request counter") as raised:
        limit_of(tmp_path / where, Machine()).wait()
    assert "writable" in str(raised.value)


def test_the_file_is_private(tmp_path: Path) -> None:
    limit_of(tmp_path / "slots", Machine()).wait()
    assert (tmp_path / "slots").stat().st_mode & 0o077 == 0
