"""Processes that share a counter: none passes the limit, and none that is killed or out of room spoils it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.reservations import OnDisk, Ring
from tests.blizzard.counting import Machine, limit_of, most_in, reserved

if TYPE_CHECKING:
    from pathlib import Path


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
        low, high = limit_of(per_second=2, sleep=interrupted), limit_of()
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
        [
            sys.executable,
            "-B",
            "-u",
            "-c",
            "\n".join(map(textwrap.dedent, (beginning, *program))),
            str(folder / "slots"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout.splitlines()


FILLING = "resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))"
COUNTING = """
    limit = limit_of(per_second=3, sleep=lambda seconds: print(f"number {number} waits for {seconds:.2f} s"))
    for number in (1, 2, 3, 4):
        limit.wait()
"""


def test_on_a_full_disk_a_process_counts_for_itself(tmp_path: Path) -> None:
    warning, *waited = said_by(tmp_path, FILLING, COUNTING)
    assert "File too large" in warning
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
