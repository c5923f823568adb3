"""Every hour that was published in a soak, and whether there was a fair chance to store it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ironforge_cli.regions import Region
from tests.soak.weather import HARMLESS, MINUTE, NO_NEWS, ODD

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.sandbox.stand_in import LoggedRequest, Sandbox

FAIR_CHANCE = 10 * MINUTE
"""A window that asks a healthy API for that long has to store what is published: no pause is longer than 8 minutes."""


@dataclass
class Hour:
    """One publication of a region."""

    published_at: datetime
    body: bytes
    is_reachable: bool = False
    is_hidden: bool = False
    """Whether its time was given to the hour before: who knows that time is answered 304 from then on."""
    is_handed_over: bool = False
    """Whether its body was answered whole to a run that has not ended yet."""


@dataclass
class RegionHours:
    """What one region published, and how long a window has been asking for the newest of it without hindrance."""

    region: Region
    hours: list[Hour] = field(default_factory=list[Hour])
    asked_for: float = 0.0
    newest_at_start: datetime | None = None
    """The newest that was stored or spooled when the window was opened, as far as is known."""
    is_done: bool = False
    """Whether the open window got something newer, and asks no more."""
    is_rhythm_known: bool = False
    """Whether the open window knows when the next hour is due, and so goes on where it is behind."""

    @property
    def newest(self) -> Hour:
        return self.hours[-1]

    def look(self, sandbox: Sandbox) -> None:
        """Take note of a new publication."""
        publication = sandbox.published(self.region)
        if not self.hours or self.newest.published_at != publication.published_at:
            self.hours.append(Hour(publication.published_at, publication.body))
            self.asked_for = 0.0
            if self.is_rhythm_known:
                self.is_done = False

    def note(self, answers: list[LoggedRequest]) -> None:
        """Take note of what was answered while the newest was the newest."""
        for answer in answers:
            if answer.endpoint != "commodities" or answer.region is not self.region or answer.status != 200:
                continue
            if answer.fault == "same_body_new_time":
                self.newest.is_hidden = True
            whole = answer.fault is None or answer.fault in HARMLESS or answer.fault in ODD
            # An older hour can be news as well, for who can't know that it is old.
            old = answer.fault in NO_NEWS and not self.is_rhythm_known
            newer = self.newest_at_start is None or self.newest.published_at > self.newest_at_start
            if newer and (whole or old):
                self.is_done = True
            if newer and whole:
                self.newest.is_handed_over = True

    def pass_time(self, seconds: float, *, undisturbed: bool) -> None:
        """Let time pass in which a window asked undisturbed, or not."""
        self.asked_for = self.asked_for + seconds if undisturbed and not self.is_done else 0.0
        if self.asked_for >= FAIR_CHANCE and not self.newest.is_hidden:
            self.newest.is_reachable = True

    def end_window(self, *, is_well: bool) -> None:
        """The run has ended: well where nobody ended it, and where it could keep whatever it was given.

        What was answered whole to one that ended well has to be stored, now or later.
        """
        for hour in self.hours:
            if hour.is_handed_over and is_well and not hour.is_hidden:
                hour.is_reachable = True
            hour.is_handed_over = False

    def open_window(self, newest: datetime | None, *, is_rhythm_known: bool) -> None:
        """A window begins, where that is the newest that is stored or spooled."""
        self.newest_at_start, self.is_done, self.asked_for = newest, False, 0.0
        self.is_rhythm_known = is_rhythm_known
