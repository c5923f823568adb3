"""One run of a watch: look, decide, remember, send.

An alert is remembered before it is sent, and crossed out after it was: so a kill at any moment loses none, and doubles
one message at most.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.tell.alerts import Alert, Digest, remaining
from ironforge_cli.tell.amounts import said
from ironforge_cli.tell.crossings import Decision, RuleVerdict, WatchMemory, decide, snoozed_until
from ironforge_cli.tell.deliveries import LONGEST_HOLD, UndeliveredError, most_letters
from ironforge_cli.tell.keeping import STDOUT, Outbox, WatchState
from ironforge_cli.tell.sightings import Sight, Sighting, look
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.jobs.evidence.runs import Evidence
    from ironforge_cli.regions import Region
    from ironforge_cli.tell.addresses import DeliveryAddress
    from ironforge_cli.tell.deliveries import Sender
    from ironforge_cli.tell.keeping import Keeping
    from ironforge_cli.tell.rules import Rule

log = logging.getLogger(__name__)

_MOST_WAITING: Final = 5_000
"""Alerts that wait for one address; the oldest leave."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched, and by which name it is remembered."""

    name: str
    rules: tuple[Rule, ...]
    asking_for: Asking
    all_regions: tuple[Region, ...]
    """Those that are collected."""
    is_chosen: bool = False
    """Whether regions were asked for by name: rules look at no other."""
    only: tuple[str, ...] = ()
    """Items: rules of others are left alone. Empty: none are."""

    @property
    def is_part(self) -> bool:
        """Whether only some of its rules are looked at now: what is remembered of others stays."""
        return self.is_chosen or bool(self.only)

    def look(self) -> Sight:
        """What the rules see now."""
        return look(self.asking_for, self.rules, all_regions=self.all_regions, is_chosen=self.is_chosen, only=self.only)


@dataclass(frozen=True, slots=True)
class WatchRow:
    """What one rule saw in one region, and what became of that."""

    sighting: Sighting
    verdict: RuleVerdict
    reason: str

    @property
    def fired(self) -> bool:
        """Whether somebody is told of it now."""
        return self.verdict is RuleVerdict.FIRED

    def record(self) -> dict[str, Any]:
        """As programs get it."""
        seen = self.sighting
        return {
            "rule": seen.label,
            "region": seen.region,
            "item_id": seen.item_id,
            "value": seen.value,
            "threshold": seen.rule.threshold.value,
            "fired": self.fired,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class WatchRun:
    """How a run ended."""

    rows: tuple[WatchRow, ...]
    notices: tuple[str, ...]
    """Sources that are stale since this run, in words."""
    is_stale: bool
    failures: tuple[str, ...] = ()
    """Addresses, masked, that could not be delivered to, and why."""
    delivered: tuple[str, ...] = ()
    """What was sent, in words."""
    late: tuple[Alert, ...] = ()
    """Alerts of earlier runs that were to be printed, and were not."""
    is_printed: bool = True
    """Whether what fired goes to stdout and nowhere else."""
    confirm: Callable[[], None] | None = None
    """To be called when it is printed."""

    @property
    def has_fired(self) -> bool:
        """Whether anybody is told of anything that a rule saw."""
        return any(row.fired for row in self.rows) or bool(self.late)

    def status(self, *, tells_nothing: bool) -> ExitStatus:
        """The exit code; `tells_nothing` gives one of its own to a run in which no rule fired."""
        if self.failures:
            return ExitStatus.PARTIAL
        if self.is_stale:
            return ExitStatus.UNHEALTHY
        return ExitStatus.NOTHING_FIRED if tells_nothing and not self.has_fired else ExitStatus.DONE


def dry_run(watch: Watch, keeping: Keeping) -> WatchRun:
    """What a run would find now; nothing is sent, and nothing remembered."""
    sight = watch.look()
    decision = _decided(sight, keeping.load(watch.name).memory, watch.asking_for.now)
    return WatchRun(_rows(sight, decision), _notices(sight, decision), is_stale=bool(sight.stale))


def run(
    watch: Watch,
    keeping: Keeping,
    addresses: Sequence[DeliveryAddress],
    sender: Sender,
    *,
    evidence: Evidence | None,
) -> WatchRun:
    """Look, and tell of what crossed; with no address, whoever calls prints it and confirms that.

    Raises `LockedError` where another run does, `UsageError` for rules of what is not there, and as the database does.
    """
    with ExitStack() as around:
        recorded = around.enter_context(evidence.run()) if evidence else None
        attempt = around.enter_context(evidence.attempt(None, progress=Silent())) if evidence else None
        around.enter_context(keeping.locked(watch.name))
        found = _Run(watch, keeping, addresses, sender).done()
        if recorded is not None and attempt is not None:
            recorded.record_count = sum(row.fired for row in found.rows)
            recorded.status = found.status(tells_nothing=False)
            recorded.message = "; ".join(found.failures) or None
            if found.failures:
                attempt.ends(Outcome.FAILED, "; ".join(found.failures))
            else:
                attempt.ends(Outcome.DONE if found.has_fired else Outcome.NO_CHANGE, "; ".join(found.notices) or None)
    return found


class _Run:
    """One run, step by step."""

    def __init__(self, watch: Watch, keeping: Keeping, addresses: Sequence[DeliveryAddress], sender: Sender) -> None:
        self._watch = watch
        self._keeping = keeping
        self._addresses = addresses
        self._sender = sender
        self._now = watch.asking_for.now
        self._state = WatchState()
        self._failures: list[str] = []
        self._delivered: list[str] = []

    def done(self) -> WatchRun:
        sight = self._watch.look()
        self._state = self._keeping.load(self._watch.name)
        decision = _decided(sight, self._state.memory, self._now)
        rows, notices = _rows(sight, decision), _notices(sight, decision)
        alerts = [Alert(text, self._now, reason=RuleVerdict.STALE) for text in notices]
        alerts += [_alert(row, self._now) for row in rows if row.fired]
        memory = decision.memory if self._watch.is_part else _without_former(decision.memory, sight)
        printed = self._state.outboxes.get(STDOUT, Outbox(STDOUT))
        self._remember(replace(self._state, memory=memory, outboxes=self._filled(alerts)))
        for address in self._addresses:
            self._deliver(address)
        self._warn_of_others()
        return WatchRun(
            rows,
            notices,
            is_stale=bool(sight.stale),
            failures=tuple(self._failures),
            delivered=tuple(self._delivered),
            late=() if self._addresses else tuple(alert for alert in printed.alerts if alert.rule is not None),
            is_printed=not self._addresses,
            confirm=None if self._addresses else self._confirm,
        )

    def _filled(self, alerts: Sequence[Alert]) -> dict[str, Outbox]:
        """What waits for whom, with the new alerts for everybody who is given now."""
        outboxes = dict(self._state.outboxes)
        keys = {address.key: address.masked for address in self._addresses} or {STDOUT: STDOUT}
        for key, masked in keys.items():
            before = outboxes.get(key, Outbox(masked))
            waiting = (*before.alerts, *alerts)
            if len(waiting) > _MOST_WAITING:
                log.error("More than %d alerts wait for %s: the oldest are let go.", _MOST_WAITING, masked)
            if waiting or before.held_until:
                outboxes[key] = replace(before, alerts=waiting[-_MOST_WAITING:])
        return outboxes

    def _deliver(self, address: DeliveryAddress) -> None:
        outbox = self._state.outboxes.get(address.key)
        if outbox is None or not outbox.alerts:
            return
        if outbox.held_until is not None and self._now < outbox.held_until <= self._now + LONGEST_HOLD:
            waits = counted(len(outbox.alerts), "alert waits", "alerts wait")
            self._failures.append(
                f"{address.masked}: it asked to be left alone until {outbox.held_until:%Y-%m-%d %H:%M} UTC; {waits}."
            )
            return
        for part in Digest(outbox.alerts, self._now).parts(*most_letters(address)):
            try:
                self._sender.send(address, part)
            except UndeliveredError as error:
                self._keep_waiting(address, outbox, error)
                return
            outbox = replace(outbox, alerts=remaining(outbox.alerts, part), held_until=None)
            self._remember(self._with(address.key, outbox))
            self._delivered.append(f"{address.masked}: {part.title.removeprefix('ironforge: ')}")

    def _keep_waiting(self, address: DeliveryAddress, outbox: Outbox, error: UndeliveredError) -> None:
        waits = counted(len(outbox.alerts), "alert waits", "alerts wait")
        self._failures.append(f"{address.masked}: {error}; {waits} for the next run.")
        if error.retry_after is not None:
            until = self._sender.clock.now() + timedelta(seconds=error.retry_after)
            self._remember(self._with(address.key, replace(outbox, held_until=until)))

    def _with(self, key: str, outbox: Outbox) -> WatchState:
        outboxes = {**self._state.outboxes, key: outbox}
        if not outbox.alerts:
            del outboxes[key]
        return replace(self._state, outboxes=outboxes)

    def _remember(self, state: WatchState) -> None:
        self._keeping.save(self._watch.name, state)
        self._state = state

    def _warn_of_others(self) -> None:
        given = {address.key for address in self._addresses} | {STDOUT}
        for key, outbox in self._state.outboxes.items():
            if key not in given and outbox.alerts:
                waits = counted(len(outbox.alerts), "alert waits", "alerts wait")
                log.warning("%s for %s, which this run was not given.", waits, outbox.masked)

    def _confirm(self) -> None:
        """Cross out what was printed."""
        shown = self._state.outboxes.get(STDOUT)
        if shown is None or not shown.alerts:
            return
        with self._keeping.locked(self._watch.name):
            state = self._keeping.load(self._watch.name)
            there = state.outboxes.get(STDOUT, Outbox(STDOUT))
            left = tuple(alert for alert in there.alerts if alert not in shown.alerts)
            self._state = state
            self._remember(self._with(STDOUT, replace(there, alerts=left)))


def _decided(sight: Sight, memory: WatchMemory, now: datetime) -> Decision:
    return decide(
        [seen.watched for seen in sight.sightings],
        memory,
        {seen.watched.key: seen.value for seen in sight.sightings},
        stale=sight.stale,
        fresh=sight.fresh,
        now=now,
    )


def _without_former(memory: WatchMemory, sight: Sight) -> WatchMemory:
    """What is remembered of rules that are there still."""
    keys = {seen.watched.key for seen in sight.sightings}
    return replace(memory, marks={key: mark for key, mark in memory.marks.items() if key in keys})


def _rows(sight: Sight, decision: Decision) -> tuple[WatchRow, ...]:
    return tuple(
        WatchRow(seen, verdict, _why(seen, verdict, decision.memory))
        for seen, verdict in zip(sight.sightings, decision.verdicts, strict=True)
    )


def _notices(sight: Sight, decision: Decision) -> tuple[str, ...]:
    return tuple(f"{sight.stale[name]}." for name in decision.newly_stale)


def _why(seen: Sighting, verdict: RuleVerdict, memory: WatchMemory) -> str:
    """The verdict, and what there is to say of it."""
    mark = memory.marks.get(seen.watched.key)
    match verdict:
        case RuleVerdict.UNKNOWN:
            more = f": {seen.missing}"
        case RuleVerdict.BEYOND | RuleVerdict.NEAR:
            more = f": armed again at {said(float(seen.rule.threshold.armed_at), seen.rule.measure)}"
        case RuleVerdict.SNOOZED:
            until = snoozed_until(seen.watched, mark)
            more = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
        case RuleVerdict.COOLING:
            until = mark.fired_at + seen.watched.cooldown if mark and mark.fired_at else None
            more = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
        case _:
            more = ""
    return f"{verdict.value}{more}"


def _alert(row: WatchRow, now: datetime) -> Alert:
    seen = row.sighting
    rule = seen.rule
    what = seen.name or (f"item {seen.item_id}" if seen.item_id is not None else rule.recipe or rule.what)
    where = "/".join(region.label for region in (seen.region, seen.other) if region is not None)
    named = f"{rule.name}: " if rule.name else ""
    noted = f". {rule.note}" if rule.note else ""
    value = said(seen.value, rule.measure)
    return Alert(
        text=f"{named}{what}, {where}: {rule.what} {value}, {rule.sentence()}{noted}",
        at=now,
        rule=seen.label,
        region=seen.region,
        item_id=seen.item_id,
        value=seen.value,
        threshold=rule.threshold.value,
        reason=row.reason,
        name=seen.name,
        note=rule.note,
    )
