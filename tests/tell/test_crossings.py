"""When a rule fires: once per crossing, compared with a plain count of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ironforge_cli.tell.crossings import Decision, RuleMark, RuleVerdict, Threshold, WatchedRule, WatchMemory, decide
from tests.tell.reference import crossings

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def verdicts(rule: WatchedRule, values: list[float | None], memory: WatchMemory | None = None) -> list[RuleVerdict]:
    """What hourly runs find."""
    found: list[RuleVerdict] = []
    memory = memory or WatchMemory()
    for number, value in enumerate(values):
        decision = once(rule, value, memory, now=START + number * HOUR)
        memory = decision.memory
        found += decision.verdicts
    return found


def once(
    rule: WatchedRule, value: float | None, memory: WatchMemory, *, now: datetime = START, is_stale: bool = False
) -> Decision:
    stale, fresh = (rule.sources, ()) if is_stale else ((), rule.sources)
    return decide([rule], memory, {rule.key: value}, stale=stale, fresh=fresh, now=now)


def fired(found: list[RuleVerdict]) -> list[int]:
    return [place for place, verdict in enumerate(found) if verdict is RuleVerdict.FIRED]


@settings(max_examples=100)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-120, 120)), max_size=40),
    threshold=st.sampled_from([-100, -10, 0, 1, 10, 100]),
    is_above=st.booleans(),
    rearm=st.sampled_from([0.0, 0.03, 0.1, 1.0]),
)
@example(values=[99, 103, 99, 102, 99], threshold=100, is_above=False, rearm=0.03)
def test_alerts_are_those_of_a_plain_count(
    values: list[float | None], threshold: int, *, is_above: bool, rearm: float
) -> None:
    rule = WatchedRule("rule", Threshold(threshold, is_above=is_above, rearm=rearm))
    expected = crossings(values, threshold=threshold, is_above=is_above, rearm=rearm)
    assert fired(verdicts(rule, values)) == expected


@pytest.mark.parametrize("is_above", [False, True])
def test_the_threshold_itself_is_not_beyond_it_and_the_first_sight_counts(*, is_above: bool) -> None:
    rule = WatchedRule("rule", Threshold(100, is_above=is_above))
    beyond = 101 if is_above else 99
    assert verdicts(rule, [100, beyond]) == [RuleVerdict.NOT_BEYOND, RuleVerdict.FIRED]
    assert verdicts(rule, [beyond, beyond]) == [RuleVerdict.FIRED, RuleVerdict.BEYOND]


def test_it_is_armed_again_at_3_percent_of_the_threshold_s_size_exactly() -> None:
    below = WatchedRule("rule", Threshold(0.2, is_above=False))
    assert verdicts(below, [0.1, 0.2059, 0.1])[2] is RuleVerdict.BEYOND
    assert verdicts(below, [0.1, 0.206, 0.1])[2] is RuleVerdict.FIRED
    negative = WatchedRule("rule", Threshold(-100, is_above=True))
    assert verdicts(negative, [-99, -102, -99])[2] is RuleVerdict.BEYOND
    assert verdicts(negative, [-99, -103, -99])[2] is RuleVerdict.FIRED


def test_nothing_known_and_nothing_fresh_change_nothing() -> None:
    rule = WatchedRule("rule", Threshold(100, is_above=False), sources=("eu",))
    memory = WatchMemory({"rule": RuleMark(is_armed=False, value=90, fired_at=START)})
    assert once(rule, None, memory).memory == memory
    stale = once(rule, 500, memory, is_stale=True)
    assert (stale.verdicts, stale.memory.marks) == ((RuleVerdict.STALE,), memory.marks)


def test_staleness_is_said_once_and_again_after_it_was_over() -> None:
    rule = WatchedRule("rule", Threshold(100, is_above=False), sources=("eu", "eu token"))
    memory, said = WatchMemory(), list[tuple[str, ...]]()
    for is_stale in (True, True, False, True):
        decision = once(rule, 90, memory, is_stale=is_stale)
        memory = decision.memory
        said.append(decision.newly_stale)
    both = ("eu", "eu token")
    assert said == [both, (), (), both]
    assert set(memory.stale_since) == set(both)


def test_a_source_that_was_not_looked_at_stays_as_it_was_said() -> None:
    memory = WatchMemory(stale_since={"us": START})
    rule = WatchedRule("rule", Threshold(100, is_above=False), sources=("eu",))
    assert once(rule, 90, memory).memory.stale_since == {"us": START}


def test_a_cooldown_and_a_snooze_hold_back_and_lose_nothing() -> None:
    cooling = WatchedRule("rule", Threshold(100, is_above=False), cooldown=5 * HOUR)
    found = verdicts(cooling, [90, 110, 90, 90, 90, 90])
    assert fired(found) == [0, 5]
    assert found[2:5] == [RuleVerdict.COOLING] * 3
    assert fired(verdicts(cooling, [90, 110, 90, 110, 110, 110])) == [0]
    snoozing = WatchedRule("rule", Threshold(100, is_above=False), snooze_until=START + 2 * HOUR)
    assert verdicts(snoozing, [90, 90, 90]) == [RuleVerdict.SNOOZED, RuleVerdict.SNOOZED, RuleVerdict.FIRED]
    by_hand = WatchMemory({"rule": RuleMark(snoozed_until=START + HOUR)})
    rule = WatchedRule("rule", Threshold(100, is_above=False))
    assert verdicts(rule, [90, 90], by_hand) == [RuleVerdict.SNOOZED, RuleVerdict.FIRED]
    # What was told before a silence, and did not come back, is not told after it.
    told = WatchMemory({"rule": RuleMark(is_armed=False, snoozed_until=START + HOUR)})
    assert fired(verdicts(rule, [90, 90, 90], told)) == []
    # What comes back in a silence is armed by that.
    assert fired(verdicts(rule, [110, 90], told)) == [1]


def test_a_clock_that_was_wrong_silences_no_rule_for_longer_than_its_cooldown() -> None:
    rule = WatchedRule("rule", Threshold(100, is_above=False), cooldown=5 * HOUR)
    ahead = WatchMemory({"rule": RuleMark(fired_at=START + timedelta(days=400))})
    assert once(rule, 90, ahead).verdicts == (RuleVerdict.FIRED,)
    a_little = WatchMemory({"rule": RuleMark(fired_at=START + timedelta(seconds=5))})
    assert once(rule, 90, a_little).verdicts == (RuleVerdict.COOLING,)


def test_rules_are_remembered_apart() -> None:
    low, high = (WatchedRule(f"{at}", Threshold(at, is_above=False)) for at in (100, 200))
    first = decide([low, high], WatchMemory(), {"100": 150, "200": 150}, stale=(), fresh=(), now=START)
    assert first.verdicts == (RuleVerdict.NOT_BEYOND, RuleVerdict.FIRED)
    second = decide([high, low], first.memory, {"100": 90, "200": 150}, stale=(), fresh=(), now=START)
    assert second.verdicts == (RuleVerdict.BEYOND, RuleVerdict.FIRED)
