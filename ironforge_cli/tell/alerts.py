"""What is sent: alerts, and messages of them that are as short as their reader takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody has to be told, once."""

    text: str
    """For people, in a line."""
    at: datetime
    rule: str | None = None
    """None of a notice, as that data are stale."""
    region: str | None = None
    item_id: int | None = None
    value: float | None = None
    threshold: float | None = None
    reason: str = ""
    name: str | None = None
    """Of the item or the recipe."""
    note: str | None = None

    def record(self) -> dict[str, Any]:
        """As programs get it, with the keys of `ironforge watch` first."""
        return {
            "rule": self.rule,
            "region": self.region,
            "item_id": self.item_id,
            "value": self.value,
            "threshold": self.threshold,
            "fired": self.rule is not None,
            "reason": self.reason,
            "name": self.name,
            "note": self.note,
            "text": self.text,
            "at": self.at.isoformat().replace("+00:00", "Z"),
        }


@dataclass(frozen=True, slots=True)
class Digest:
    """One message of all that there is to tell."""

    alerts: tuple[Alert, ...]
    now: datetime

    @property
    def title(self) -> str:
        """What it is about, in a few words."""
        fired = sum(alert.rule is not None for alert in self.alerts)
        notices = len(self.alerts) - fired
        parts = [counted(fired, "alert")] if fired else []
        parts += [counted(notices, "notice")] if notices else []
        return f"ironforge: {', '.join(parts) or 'a message'}"

    @property
    def text(self) -> str:
        """All of it, a line each."""
        return "\n".join(self._line(alert) for alert in self.alerts)

    def _line(self, alert: Alert) -> str:
        # What could not be delivered when it happened says when that was.
        is_late = (self.now - alert.at).total_seconds() >= 60  # noqa: PLR2004 - a minute
        return f"{alert.text} ({alert.at:%Y-%m-%d %H:%M} UTC)" if is_late else alert.text

    def parts(self, most: int, size: Callable[[str], int] = len) -> list[Digest]:
        """The same in messages whose title and text are at most so long; nearly always it is one.

        An alert is never cut in two: one that is longer than that stands alone.
        """
        found: list[Digest] = []
        taken: list[Alert] = []
        for alert in self.alerts:
            longer = Digest((*taken, alert), self.now)
            if taken and size(f"{longer.title}\n{longer.text}") > most:
                found.append(Digest(tuple(taken), self.now))
                taken = []
            taken.append(alert)
        return [*found, Digest(tuple(taken), self.now)] if taken else found


def remaining(alerts: Sequence[Alert], sent: Digest) -> tuple[Alert, ...]:
    """What is left of alerts once a message of some of them is sent."""
    left = list(alerts)
    for alert in sent.alerts:
        left.remove(alert)
    return tuple(left)
