"""Progress of seeding: a bar with rate and time left on a terminal, else a line for each part that is stored."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from ironforge_cli.cli.show.progress import MovingLines

if TYPE_CHECKING:
    from rich.progress import Task, TaskID

log = logging.getLogger(__name__)


class _Rate(ProgressColumn):
    """Steps a second, over the last ones."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s", style="progress.data.speed")


class SeedBars(MovingLines):
    """A bar for each piece of work; the one before it is full. Safe to use from several threads."""

    def __init__(self, *, no_color: bool) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
            no_color=no_color,
        )
        self._task: TaskID | None = None

    def begin(self, name: str, *, total: int) -> None:
        """Begin a bar of so many steps."""
        self._task = self._progress.add_task(name, total=total)

    def advance(self, steps: int = 1) -> None:
        """Fill the bar by so many steps."""
        if self._task is not None:
            self._progress.advance(self._task, steps)

    def tell(self, line: str) -> None:
        """The bar says enough."""


class SeedLines:
    """A line a part on stderr, as messages are written, with how far the work is. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total, self._done = 0, 0

    def begin(self, name: str, *, total: int) -> None:
        """Count from the beginning."""
        del name
        with self._lock:
            self._total, self._done = total, 0

    def advance(self, steps: int = 1) -> None:
        """Count so many steps."""
        with self._lock:
            self._done += steps

    def tell(self, line: str) -> None:
        """Write the line."""
        with self._lock:
            done, total = self._done, self._total
        log.info("%s (%d of %d)", line, done, total)
