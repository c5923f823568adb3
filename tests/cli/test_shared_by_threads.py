"""What threads of a command share on its way to a person: bars, lines, and the last of what was said."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.progress import Progress

from ironforge_cli.cli.frame import logs
from ironforge_cli.cli.frame.options import Shared
from ironforge_cli.cli.show.progress import Bars
from ironforge_cli.cli.show.seed_progress import SeedLines
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.progress import TaskID

THREADS = 6


@pytest.fixture(autouse=True)
def restless() -> Generator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_the_last_lines_can_be_read_while_threads_still_say_more() -> None:
    log = logging.getLogger(f"{logs.PACKAGE}.threads")
    said = StringIO()
    with logs.written_to(said, Shared(), environment={}), ThreadPoolExecutor(THREADS) as pool:
        last = logs.last_lines()
        saying = [pool.submit(lambda: [log.warning("One more.") for _ in range(100)]) for _ in range(THREADS)]
        while not all(work.done() for work in saying):
            last()
        for work in saying:
            work.result()
        assert last().count("One more.") == len(last().splitlines()) == 30
    assert said.getvalue().count("One more.\n") == 100 * THREADS


def test_a_region_has_one_bar_however_many_threads_work_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)
    made: list[str] = []
    add_task = Progress.add_task

    def add_together(progress: Progress, description: str, *, total: float, region: str) -> TaskID:
        made.append(region)
        # Whoever is let in here beside another has made a second bar.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.05)
        return add_task(progress, description, total=total, region=region)

    monkeypatch.setattr(Progress, "add_task", add_together)
    bars = Bars(no_color=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(bars.step, [Region.EU] * 2, ["download"] * 2))
    assert made == ["EU"]


def test_lines_count_every_step_of_every_thread(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lines = SeedLines()
    lines.begin("items", total=100 * THREADS)

    def work(_: int) -> None:
        for _ in range(100):
            lines.advance()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    lines.tell("done")
    assert caplog.messages == [f"done ({100 * THREADS} of {100 * THREADS})"]
