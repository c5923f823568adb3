from __future__ import annotations

import logging
import os
import sqlite3
import struct
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.blizzard.ratelimit import RateLimit
from ironforge_cli.blizzard.ring import OnDisk, Ring
from ironforge_cli.errors import ConfigurationError, InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    """What a counter's file knows, read by its layout alone: in the order in which they leave."""
    content = file.read_bytes()
    magic, capacity, following, _, _, _ = struct.unpack_from("<8sQQddI", content)
    assert magic == b"ironring"
    assert len(content) == 44 + 16 * capacity
    numbers = range(max(0, following - capacity), following)
    entries = [struct.unpack_from("<dII", content, 44 + 16 * (number % capacity)) for number in numbers]
    assert [number for _, number, _ in entries] == list(numbers)
    return [instant for instant, _, _ in entries]


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


@pytest.mark.parametrize("there", ["nothing", "a damaged file", "a smaller ring"])
def test_processes_that_begin_together_share_the_limit(tmp_path: Path, there: str) -> None:
    if there == "a damaged file":
        (tmp_path / "slots").write_bytes(b"no ring")
    if there == "a smaller ring":
        with closing(OnDisk(tmp_path / "slots")) as store:
            Ring.begun(store, capacity=8)
    hurrying = """
        gate, opening = os.pipe()
        children = []
        for _ in range(4):
            children.append(os.fork())
            if not children[-1]:
                os.close(opening)
                os.read(gate, 1)
                for _ in range(10):
                    limit_of(per_second=7, per_hour=30, now=time.time).wait()
                os._exit(0)
        os.close(opening)
        print([os.waitpid(child, 0)[1] for child in children])
    """
    assert said_by(tmp_path, hurrying)[-1] == "[0, 0, 0, 0]"
    slots = reserved(tmp_path / "slots")
    assert len(slots) == 40
    assert most_in(slots, 1.0) <= 7
    assert most_in(slots, 3_600 - 1e-3) <= 30


def test_forks_share_the_limit(tmp_path: Path) -> None:
    forking = """
        limit = limit_of(per_second=7, now=time.time)
        limit.wait()
        children = []
        for _ in range(3):
            children.append(os.fork())
            if not children[-1]:
                break
        for _ in range(5):
            limit.wait()
        for child in children:
            if children[-1]:
                os.waitpid(child, 0)
    """
    assert said_by(tmp_path, forking) == []
    slots = reserved(tmp_path / "slots")
    assert len(slots) == 1 + 4 * 5
    assert most_in(slots, 1.0) <= 7


def test_a_process_that_is_forked_while_another_reserves_holds_nobody_up(tmp_path: Path) -> None:
    forking = """
        reading, writing = os.pipe()
        def fork_and_tell_the_time():
            if not os.fork():
                os.close(writing)
                os.read(reading, 1)
                os._exit(0)
            return 1_800_000_000.0
        limit_of(now=fork_and_tell_the_time).wait()
        limit_of().wait()
    """
    assert said_by(tmp_path, forking) == []
    assert len(reserved(tmp_path / "slots")) == 2


# A process that makes the file, adds to it, puts requests before one that waits, makes it larger, and waits; it is
# killed at one of its calls.
KILLED = """
    import logging
    logging.disable()
    def interrupted(_):
        raise KeyboardInterrupt
    def live(left, real):
        def dies(*given):
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left.pop()
            return real(*given)
        CALL = dies
        low, high = limit_of(per_hour=2, sleep=interrupted), limit_of()
        for limit in (low, low, low, high, high, limit_of(per_hour=50_000), limit_of(per_second=1)):
            try:
                limit.wait()
            except KeyboardInterrupt:
                pass
            print("reserved", end=" ", flush=True)
    home = Path(sys.argv[1]).parent
    for number in range(TIMES + 1):
        sys.argv[1] = str(home / f"{number}")
        child = os.fork()
        if not child:
            live([None] * number, CALL)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.parametrize(("call", "times"), [("os.pwrite", 14), ("os.rename", 5)])
def test_a_process_that_is_killed_anywhere_leaves_a_sound_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, call: str, times: int
) -> None:
    lives = said_by(tmp_path, KILLED.replace("CALL", call).replace("TIMES", str(times)))
    assert len(lives) == times + 1
    for number, told in enumerate(lives):
        *said, ended = told.split()
        # The last number is one too many, so that none before it was one too few.
        assert ended == ("0" if number == times else "-9")
        machine = Machine()
        limit_of(tmp_path / f"{number}", machine).wait()
        assert machine.elapsed == 0
        # Its own is there, too; and one of a process that was killed before it could say so may be.
        assert len(reserved(tmp_path / f"{number}")) - 1 - len(said) in {0, 1}
    assert "anew" not in caplog.text


def said_by(folder: Path, *program: str) -> list[str]:
    """The lines of a process that ends well; its limits are over the file `slots`, and its requests leave at once."""
    beginning = """
        import os, resource, signal, sys, time
        from pathlib import Path
        from ironforge_cli.blizzard.ratelimit import RateLimit
        def limit_of(*, per_second=100, per_hour=36_000, now=lambda: 1_800_000_000.0, sleep=lambda _: None):
            return RateLimit(Path(sys.argv[1]), per_second=per_second, per_hour=per_hour, now=now, sleep=sleep)
    """
    # Both kinds of lines come as they are said, whatever the environment makes of a pipe.
    process = subprocess.run(
        [sys.executable, "-u", "-c", "\n".join(map(textwrap.dedent, (beginning, *program))), str(folder / "slots")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout.splitlines()


def test_a_low_limit_of_one_program_holds_up_no_other(tmp_path: Path) -> None:
    machine = Machine()

    def end(_: float) -> None:
        raise InterruptedRunError("SIGTERM")

    low = RateLimit(tmp_path / "slots", per_second=100, per_hour=2, now=machine.now, sleep=end)
    low.wait()
    low.wait()
    with pytest.raises(InterruptedRunError):
        low.wait()
    high = limit_of(tmp_path / "slots", machine, per_hour=10)
    for _ in range(7):
        high.wait()
    assert machine.elapsed == 0
    assert reserved(tmp_path / "slots") == [BEGAN] * 9 + [BEGAN + 3_600]
    high.wait()
    assert machine.elapsed == 3_600


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


FILLING = "resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))"
COUNTING = """
    limit = limit_of(per_second=3, sleep=lambda seconds: print(f"number {number} waits for {seconds:.2f} s"))
    for number in (1, 2, 3, 4):
        limit.wait()
"""


def test_on_a_full_disk_a_process_counts_for_itself(tmp_path: Path) -> None:
    warning, *waited = said_by(tmp_path, FILLING, COUNTING)
    assert "is full" in warning
    assert "counted for this run alone" in warning
    assert waited == ["number 4 waits for 1.04 s"]
    assert [file.name for file in tmp_path.iterdir()] == ["slots.lock"]


def test_on_a_disk_that_became_full_a_process_goes_on_from_what_was_counted(tmp_path: Path) -> None:
    waited = said_by(tmp_path, COUNTING, FILLING, COUNTING)
    assert waited[0] == "number 4 waits for 1.04 s"
    assert "counted for this run alone" in waited[1]
    # Where nothing was known before it would be number 4 again.
    assert waited[2:] == ["number 3 waits for 1.04 s"]
    assert len(reserved(tmp_path / "slots")) == 4


@pytest.mark.parametrize("where", ["missing/slots", "a-file/slots", "a-folder"])
def test_a_file_that_can_not_be_written_is_told_in_words(tmp_path: Path, where: str) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "a-folder").mkdir()
    with pytest.raises(ConfigurationError, match="request counter") as raised:
        limit_of(tmp_path / where, Machine()).wait()
    assert "writable" in str(raised.value)


def test_what_is_written_is_private(tmp_path: Path) -> None:
    limit_of(tmp_path / "slots", Machine()).wait()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["slots", "slots.lock"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 2
