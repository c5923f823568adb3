"""When a rule fires: once per crossing. Pure: what was seen and what is remembered in, what is remembered and told out.

A rule is armed until its value is strictly beyond the threshold, which fires it, and again when the value has come
back by a share of the threshold's size. Nothing known and nothing fresh change nothing. What is held back, by a
cooldown or a snooze, stays armed: it fires when that is over, if the value is still beyond.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number, the side of it that fires, and how far the value has to come back."""

    value: float
    is_above: bool
    rearm: float = 0.03
    """A share of the threshold's size."""

    def is_beyond(self, value: float) -> bool:
        """Whether a value fires: strictly beyond.

        >>> Threshold(100, is_above=False).is_beyond(100), Threshold(100, is_above=False).is_beyond(99)
        (False, True)
        """
        return value > self.value if self.is_above else value < self.value

    def is_back(self, value: float) -> bool:
        """Whether a value has come back far enough for the next crossing to count.

        >>> Threshold(100, is_above=False).is_back(102), Threshold(100, is_above=False).is_back(103)
        (False, True)
        """
        # In decimals, as people write them: 3% of 100 is 3, and not a little more.
        found, at = Decimal(repr(float(value))), self.armed_at
        return found <= at if self.is_above else found >= at

    @property
    def armed_at(self) -> Decimal:
        """The value from which on it is armed again.

        >>> Threshold(-0.1, is_above=False).armed_at, Threshold(0, is_above=True).armed_at
        (Decimal('-0.097'), Decimal('0.00'))
        """
        at = Decimal(repr(self.value))
        back = Decimal(repr(self.rearm)) * abs(at)
        return at - back if self.is_above else at + back


@dataclass(frozen=True, slots=True)
class WatchedRule:
    """One rule in one region."""

    key: str
    """What it is remembered by."""
    threshold: Threshold
    sources: tuple[str, ...] = ()
    """What its value rests on, which has to be fresh."""
    cooldown: timedelta = timedelta()
    """How long after an alert there is no other."""
    snooze_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RuleMark:
    """What is remembered of a rule in a region."""

    is_armed: bool = True
    value: float | None = None
    """The last one that was known."""
    seen_at: datetime | None = None
    """When that was looked at."""
    fired_at: datetime | None = None
    snoozed_until: datetime | None = None
    """By `watch snooze`."""


@dataclass(frozen=True, slots=True)
class WatchMemory:
    """All that is remembered from run to run, by the rules' keys and the sources' names."""

    marks: dict[str, RuleMark] = field(default_factory=dict[str, RuleMark])
    stale_since: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """Sources of which it was said that they are stale, and when."""


class RuleVerdict(StrEnum):
    """What a run finds of a rule."""

    FIRED = "fired"
    BEYOND = "told before"
    """Beyond, and told already."""
    NEAR = "not yet back"
    """Not beyond any more, and not yet armed again."""
    NOT_BEYOND = "not beyond"
    COOLING = "cooling down"
    SNOOZED = "snoozed"
    UNKNOWN = "unknown"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from what was seen."""

    memory: WatchMemory
    verdicts: tuple[RuleVerdict, ...]
    """In the order of the rules."""
    newly_stale: tuple[str, ...]
    """Sources of which it has to be said, once, that they are stale."""


def decide(
    rules: Sequence[WatchedRule],
    memory: WatchMemory,
    values: Mapping[str, float | None],
    *,
    stale: Collection[str],
    fresh: Collection[str],
    now: datetime,
) -> Decision:
    """Which rules fire, by their values by key; `stale` and `fresh` are the sources that were looked at.

    >>> from datetime import UTC
    >>> rule, now = WatchedRule("ore", Threshold(100, is_above=False)), datetime(2026, 1, 14, tzinfo=UTC)
    >>> memory, found = WatchMemory(), []
    >>> for value in (90, 80, 101, 95, None, 103, 99):
    ...     decision = decide([rule], memory, {"ore": value}, stale=(), fresh=(), now=now)
    ...     memory = decision.memory
    ...     found.append(decision.verdicts[0].value)
    >>> found
    ['fired', 'told before', 'not yet back', 'told before', 'unknown', 'not beyond', 'fired']
    """
    marks = dict(memory.marks)
    verdicts: list[RuleVerdict] = []
    for rule in rules:
        verdict, mark = _judged(rule, marks.get(rule.key), values.get(rule.key), stale=stale, now=now)
        verdicts.append(verdict)
        if mark is not None:
            marks[rule.key] = mark
    told = {name: since for name, since in memory.stale_since.items() if name not in fresh}
    newly = tuple(sorted(name for name in set(stale) if name not in told))
    return Decision(WatchMemory(marks, told | dict.fromkeys(newly, now)), tuple(verdicts), newly)


def _judged(
    rule: WatchedRule, known: RuleMark | None, value: float | None, *, stale: Collection[str], now: datetime
) -> tuple[RuleVerdict, RuleMark | None]:
    is_stale = any(name in stale for name in rule.sources)
    if is_stale or value is None:
        return (RuleVerdict.STALE if is_stale else RuleVerdict.UNKNOWN), known
    before = known or RuleMark()
    is_armed = before.is_armed or rule.threshold.is_back(value)
    mark = replace(before, is_armed=is_armed, value=value, seen_at=now)
    if not rule.threshold.is_beyond(value):
        return (RuleVerdict.NOT_BEYOND if is_armed else RuleVerdict.NEAR), mark
    if not is_armed:
        return RuleVerdict.BEYOND, mark
    held_back = _held_back(rule, before, now)
    return (held_back, mark) if held_back else (RuleVerdict.FIRED, replace(mark, is_armed=False, fired_at=now))


def _held_back(rule: WatchedRule, mark: RuleMark, now: datetime) -> RuleVerdict | None:
    until = snoozed_until(rule, mark)
    if until is not None and now < until:
        return RuleVerdict.SNOOZED
    # A time ahead was written by a clock that was wrong: it holds back no longer than one that is past.
    is_cooling = mark.fired_at is not None and abs(now - mark.fired_at) < rule.cooldown
    return RuleVerdict.COOLING if is_cooling else None


def snoozed_until(rule: WatchedRule, mark: RuleMark | None) -> datetime | None:
    """Until when a rule is silent: by its file or by hand, whichever is later."""
    given = [until for until in (rule.snooze_until, mark.snoozed_until if mark else None) if until is not None]
    return max(given, default=None)
