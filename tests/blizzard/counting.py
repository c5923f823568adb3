"""Rate limits on machines whose time passes only by sleeping, and what their counters know."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ironforge_cli.blizzard.ratelimit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
