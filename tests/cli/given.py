"""What stands where something large is made, and remembers what with."""

from __future__ import annotations

from typing import Any


class Given:
    """Stands where something is made, and remembers what with."""

    def __init__(self) -> None:
        self.arguments: tuple[object, ...] = ()
        self.options: dict[str, Any] = {}
        self.closed = 0

    def __call__(self, *arguments: object, **options: Any) -> Given:
        self.arguments, self.options = arguments, options
        return self

    def close(self) -> None:
        self.closed += 1
