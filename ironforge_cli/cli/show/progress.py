"""Progress on a terminal: a line a region, on stderr, and what moves there at all."""

from __future__ import annotations

import sys
import threading
from typing import IO, TYPE_CHECKING, Final, Self, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from ironforge_cli.cli.show.encodings import can_write
from ironforge_cli.cli.show.output import LastingStderr

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, TaskID

    from ironforge_cli.regions import Region

_STEPS: Final = ("prepare", "download", "decode", "read previous", "compare", "store", "commit", "done")


class MovingLines:
    """Lines at the bottom of a terminal that move while a job works, and leave no trace: a context.

    What is said meanwhile goes above them, by `say`. stdout is left alone: results may go to a file.
    """

    def __init__(self, *columns: ProgressColumn, no_color: bool) -> None:
        self._progress = Progress(
            *columns,
            console=Console(file=cast("IO[str]", LastingStderr()), no_color=no_color or None, emoji=False),
            transient=True,
            redirect_stdout=False,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Write a line, which may hold codes for colours, above those that move."""
        self._progress.console.print(Text.from_ansi(line), soft_wrap=True)


class Bars(MovingLines):
    """A bar for each region that a job works on; it moves as steps begin. Safe to use from several threads."""

    def __init__(self, *, no_color: bool) -> None:
        super().__init__(
            SpinnerColumn("dots" if can_write("⠋", sys.stderr) else "line"),
            TextColumn("{task.fields[region]}"),
            BarColumn(bar_width=16),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            no_color=no_color,
        )
        self._lock = threading.Lock()
        self._tasks: dict[Region | None, TaskID] = {}

    def step(self, region: Region | None, name: str) -> None:
        """Show that a step of a region's work begins."""
        with self._lock:
            if region not in self._tasks:
                label = region.label if region else ""
                self._tasks[region] = self._progress.add_task(name, total=len(_STEPS), region=label)
        done = _STEPS.index(name) if name in _STEPS else None
        self._progress.update(self._tasks[region], description=name, completed=done)
