"""What watches remember, looked at and silenced by hand; and messages that try whether addresses work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ironforge_cli.errors import UsageError
from ironforge_cli.tell.alerts import Alert, Digest
from ironforge_cli.tell.crossings import RuleMark
from ironforge_cli.tell.deliveries import UndeliveredError
from ironforge_cli.tell.sightings import placed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ironforge_cli.tell.addresses import DeliveryAddress
    from ironforge_cli.tell.deliveries import Sender
    from ironforge_cli.tell.keeping import Keeping, Outbox, WatchState
    from ironforge_cli.tell.watching import Watch


@dataclass(frozen=True, slots=True)
class RememberedRule:
    """What is remembered of one rule in one region; None where it was never seen."""

    watch: str
    """The file of rules, or the arguments."""
    rule: str
    region: str
    what: str
    """What it compares, such as min_price."""
    is_armed: bool
    value: float | None
    seen_at: datetime | None
    fired_at: datetime | None
    snoozed_until: datetime | None


@dataclass(frozen=True, slots=True)
class Tried:
    """How a message to one address ended."""

    address: str
    """Masked."""
    kind: str
    problem: str | None


def listed(keeping: Keeping, watch: Watch | None) -> tuple[list[RememberedRule], list[Outbox]]:
    """The rules of a watch with what is remembered, or all that is remembered; and what waits to be delivered."""
    if watch is not None:
        state = keeping.load(watch.name)
        return list(_of_watch(watch, state)), _waiting(state)
    rules: list[RememberedRule] = []
    waiting: list[Outbox] = []
    for name in keeping.names():
        state = keeping.load(name)
        rules += [_remembered(name, key, mark) for key, mark in sorted(state.memory.marks.items())]
        waiting += _waiting(state)
    return rules, waiting


def _of_watch(watch: Watch, state: WatchState) -> Iterator[RememberedRule]:
    for place in placed(watch.asking_for, watch.rules, all_regions=watch.all_regions, is_chosen=watch.is_chosen):
        mark = state.memory.marks.get(place.key, RuleMark())
        yield _remembered(watch.name, place.key, mark, label=place.label, by_file=place.rule.snooze_until)


def _remembered(
    watch: str, key: str, mark: RuleMark, *, label: str | None = None, by_file: datetime | None = None
) -> RememberedRule:
    rule, region = _parts(key)
    until = max([one for one in (mark.snoozed_until, by_file) if one is not None], default=None)
    return RememberedRule(
        watch=watch,
        rule=label or rule,
        region=region,
        what=rule.partition(" ")[0],
        is_armed=mark.is_armed,
        value=mark.value,
        seen_at=mark.seen_at,
        fired_at=mark.fired_at,
        snoozed_until=until,
    )


def _waiting(state: WatchState) -> list[Outbox]:
    return [outbox for outbox in state.outboxes.values() if outbox.alerts]


def _parts(key: str) -> tuple[str, str]:
    rule, _, region = key.rpartition(" @ ")
    return rule, region


def snooze(keeping: Keeping, watch: Watch | None, wanted: str, *, until: datetime | None) -> list[RememberedRule]:
    """Silence a rule until a time, in all its regions; None ends that. Raises `UsageError` where there is no such rule.

    It is named as the list shows it, or by its number in the file; without a file among all that is remembered.
    """
    if watch is not None:
        with keeping.locked(watch.name):
            state = keeping.load(watch.name)
            keys = _keys_in(watch, wanted)
            keeping.save(watch.name, _snoozed(state, keys, until))
        return [one for one in _of_watch(watch, keeping.load(watch.name)) if one.rule in set(keys.values())]
    known = {name: keeping.load(name) for name in keeping.names()}
    rules = {_parts(key)[0] for state in known.values() for key in state.memory.marks}
    if wanted not in rules:
        raise _no_rule(wanted, rules, "Among what is remembered")
    found: list[RememberedRule] = []
    for name in known:
        with keeping.locked(name):
            state = keeping.load(name)
            keys = {key: wanted for key in state.memory.marks if _parts(key)[0] == wanted}
            if keys:
                state = _snoozed(state, keys, until)
                keeping.save(name, state)
                found += [_remembered(name, key, state.memory.marks[key]) for key in keys]
    return found


def _keys_in(watch: Watch, wanted: str) -> dict[str, str]:
    """The keys of a rule, in each of its regions, with its label."""
    places = placed(watch.asking_for, watch.rules, all_regions=watch.all_regions, is_chosen=watch.is_chosen)
    chosen = {place.key: place.label for place in places if place.label == wanted}
    if not chosen and wanted.isascii() and wanted.isdigit() and 1 <= int(wanted[:9]) <= len(watch.rules):
        rule = watch.rules[int(wanted[:9]) - 1]
        chosen = {place.key: place.label for place in places if place.rule is rule}
    if not chosen:
        raise _no_rule(wanted, {place.label for place in places}, f"In {watch.name}")
    return chosen


def _no_rule(wanted: str, known: set[str], where: str) -> UsageError:
    close = get_close_matches(wanted, sorted(known), n=3, cutoff=0.3)
    near = f" Near it: {', '.join(map(repr, close))}." if close else ""
    return UsageError(f"{where} there is no rule {wanted!r}.{near} `ironforge watch list` shows them.")


def _snoozed(state: WatchState, keys: dict[str, str], until: datetime | None) -> WatchState:
    marks = dict(state.memory.marks)
    for key in keys:
        marks[key] = replace(marks.get(key, RuleMark()), snoozed_until=until)
    return replace(state, memory=replace(state.memory, marks=marks))


def tried(addresses: Sequence[DeliveryAddress], sender: Sender, *, now: datetime) -> list[Tried]:
    """Send a message to each address, which says that it is a test."""
    digest = Digest((Alert("This is a test of ironforge watch: alerts arrive here.", now, reason="test"),), now)
    found: list[Tried] = []
    for address in addresses:
        problem = None
        try:
            sender.send(address, digest)
        except UndeliveredError as error:
            problem = str(error)
        found.append(Tried(address.masked, address.kind.value, problem))
    return found
