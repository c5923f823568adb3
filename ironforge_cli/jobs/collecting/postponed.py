"""Bodies on disk that failed to be stored: remembered beside them, and tried again after growing pauses.

A poll tries every half minute, and a body that always fails takes seconds each time. The note is a file in the folder
of its region, so that the next run knows of it, too; one that can't be read or written costs a pause, and nothing else.
"""

from __future__ import annotations

import logging
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from ironforge_cli.decoding import learn
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Kept

log = logging.getLogger(__name__)

SHORTEST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=6)
_NOTE: Final = ".postponed.json"


class Failure(msgspec.Struct, frozen=True):
    """How often a body failed to be stored, when last, and why."""

    times: int
    at: datetime
    message: str


learn(Failure)


def pause(times: int) -> timedelta:
    """How long a body waits that failed so many times: twice as long each time, up to a limit.

    >>> [str(pause(times)) for times in (1, 2, 5, 9, 10, 10_000)]
    ['0:01:00', '0:02:00', '0:16:00', '4:16:00', '6:00:00', '6:00:00']
    """
    return min(SHORTEST_PAUSE * 2 ** min(times - 1, 20), LONGEST_PAUSE)


def waiting(failure: Failure | None, *, now: datetime) -> bool:
    """Whether it is too early to try a body again; a failure that a clock dates to the future is over.

    >>> from datetime import UTC
    >>> noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
    >>> failure = Failure(times=2, at=noon, message="Cut.")
    >>> [waiting(failure, now=noon + minutes * timedelta(minutes=1)) for minutes in (-1, 0, 1, 2)]
    [False, True, True, False]
    """
    return failure is not None and timedelta(0) <= now - failure.at < pause(failure.times)


class Postponed:
    """The failures of one folder of bodies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NOTE
        self._failures = self._read()

    def of(self, kept: Kept) -> Failure | None:
        """What is remembered of a body."""
        return self._failures.get(kept.path.name)

    def failed(self, kept: Kept, message: str, *, now: datetime) -> None:
        """Remember that a body failed."""
        before = self.of(kept)
        self._failures[kept.path.name] = Failure(before.times + 1 if before else 1, now, message)
        self._write()

    def forget(self, kept: Kept) -> None:
        """Forget a body that is stored, or elsewhere."""
        if self._failures.pop(kept.path.name, None) is not None:
            self._write()

    def _read(self) -> dict[str, Failure]:
        try:
            with owners_rights(self._path.parent):
                found = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Failure])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s can't be read (%s): every body is tried again.", self._path, error)
            return {}
        return {name: failure for name, failure in found.items() if failure.at.tzinfo is not None and failure.times > 0}

    def _write(self) -> None:
        temporary = self._path.with_name(f".tmp-postponed-{os.getpid()}")
        try:
            with owners_rights(self._path.parent):
                # Whoever dropped a body forgot nothing here.
                self._failures = {
                    name: failure for name, failure in self._failures.items() if (self._path.parent / name).exists()
                }
                if not self._failures:
                    self._path.unlink(missing_ok=True)
                    return
                temporary.write_bytes(msgspec.json.encode(self._failures))
                temporary.rename(self._path)
        except OSError as error:
            log.warning("%s can't be written (%s): a body may be tried again too soon.", self._path, error)
