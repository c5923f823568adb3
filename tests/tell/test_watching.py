"""Thirty days of runs that fail, are killed and see nothing: each crossing is told, and at most doubled by a kill."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import pytest

from ironforge_cli.answers.answer import Asking
from ironforge_cli.errors import ExitStatus
from ironforge_cli.regions import Region
from ironforge_cli.tell import watching
from ironforge_cli.tell.addresses import address_of
from ironforge_cli.tell.crossings import Threshold, WatchedRule
from ironforge_cli.tell.deliveries import Sender, UndeliveredError
from ironforge_cli.tell.keeping import STDOUT, WatchState
from ironforge_cli.tell.rules import Rule
from ironforge_cli.tell.sightings import Sight, Sighting
from ironforge_cli.tell.watching import Watch, WatchRun
from ironforge_cli.values import replace
from tests.clocks import TickingClock
from tests.tell.reference import crossings

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ironforge_cli.db.engine import Database
    from ironforge_cli.tell.addresses import DeliveryAddress
    from ironforge_cli.tell.alerts import Digest

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
HOURS: Final = 30 * 24
TWO: Final = tuple(address_of(f"https://host{number}.example/secret", place="test") for number in (1, 2))


class KilledError(BaseException):
    """The process is gone."""


@dataclass
class InMemory:
    """A place for states that forgets nothing once it was written, and kills before or after that."""

    documents: dict[str, bytes] = field(default_factory=dict[str, bytes])
    killing: Callable[[], bool] = lambda: False
    saves: int = 0

    def locked(self, watch: str) -> AbstractContextManager[None]:
        del watch
        return nullcontext()

    def load(self, watch: str) -> WatchState:
        found = self.documents.get(watch)
        return WatchState() if found is None else msgspec.json.decode(found, type=WatchState)

    def save(self, watch: str, state: WatchState) -> None:
        if self.killing():
            raise KilledError
        self.documents[watch] = msgspec.json.encode(state)
        self.saves += 1
        if self.killing():
            raise KilledError

    def names(self) -> list[str]:
        return list(self.documents)


@dataclass
class Post:
    """Takes messages, or fails."""

    clock: TickingClock
    sent: list[tuple[str, Digest]] = field(default_factory=list[tuple[str, "Digest"]])
    failing: Callable[[DeliveryAddress], UndeliveredError | None] = lambda _: None

    def send(self, address: DeliveryAddress, digest: Digest) -> None:
        error = self.failing(address)
        if error is not None:
            raise error
        self.sent.append((address.key, digest))


@dataclass
class Stage:
    """A watch whose rules see what a test says."""

    monkeypatch: pytest.MonkeyPatch
    keeping: InMemory = field(default_factory=InMemory)
    post: Post = field(default_factory=lambda: Post(TickingClock(START)))

    def run(
        self,
        values: dict[str, float | None],
        *,
        hour: int = 0,
        stale: bool = False,
        addresses: tuple[DeliveryAddress, ...] = TWO,
        rules: dict[str, Threshold] | None = None,
    ) -> WatchRun:
        sight = self.sight(values, stale=stale, rules=rules or dict.fromkeys(values, Threshold(100, is_above=False)))
        self.sees(sight)
        now = START + hour * HOUR
        asking_for = Asking(cast("Database", None), (Region.EU,), now, 2 * HOUR)
        watch = Watch("rules.toml", (), asking_for, (Region.EU,))
        return watching.run(watch, self.keeping, addresses, cast("Sender", self.post), evidence=None)

    def sees(self, sight: Sight) -> None:
        """Let whoever looks see that."""

        def look(*_: Any, **__: Any) -> Sight:
            return sight

        self.monkeypatch.setattr(watching, "look", look)

    @staticmethod
    def sight(values: dict[str, float | None], *, stale: bool, rules: dict[str, Threshold]) -> Sight:
        sightings = tuple(
            Sighting(
                rule=Rule("rules.toml", "quantity", rules[name], item=name),
                watched=WatchedRule(name, rules[name], sources=("eu",)),
                label=name,
                region=Region.EU,
                other=None,
                item_id=1,
                name=name,
                value=value,
                missing="none is for sale",
            )
            for name, value in values.items()
        )
        told = {"eu": "EU: data are stale"} if stale else {}
        return Sight(sightings, told, frozenset() if stale else frozenset({"eu"}))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


@pytest.mark.parametrize("seed", range(3))
def test_thirty_days_of_trouble_lose_no_alert_and_double_one_message_a_kill_at_most(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - weather, no secret
    rules = {
        f"{side} {at}": Threshold(at, is_above=side == "above", rearm=rearm)
        for side, at, rearm in (("below", 95, 0.03), ("above", 105, 0.03), ("below", 100, 0.0), ("above", -3, 0.1))
    }
    middles = {name: -3.0 if "-" in name else 100.0 for name in rules}
    walks = dict(middles)
    series: dict[str, list[float | None]] = {name: [] for name in rules}
    stale_days = set(chance.sample(range(30), 3))
    kills = notices = 0
    was_stale = False
    stage.keeping.killing = lambda: chance.random() < 0.01
    for hour in range(HOURS):
        # They wander, and come back to the middle in the end.
        drawn = {name: at + 0.9 * (walks[name] - at) for name, at in middles.items()}
        walks = {name: round(value + chance.gauss(0, 2.5), 2) for name, value in drawn.items()}
        values = {name: None if chance.random() < 0.05 else value for name, value in walks.items()}
        is_stale = hour // 24 in stale_days
        is_away = chance.random() < 0.02
        away = {address.key for address in TWO if chance.random() < 0.15}
        stage.post.failing = lambda address, away=away: UndeliveredError("away") if address.key in away else None
        before = stage.keeping.saves
        if not is_away:
            try:
                stage.run(values, hour=hour, stale=is_stale, rules=rules)
            except KilledError:
                kills += 1
        # A run that was killed before it had remembered anything was none.
        was_remembered = stage.keeping.saves > before
        for name, value in values.items():
            series[name].append(value if was_remembered and not is_stale else None)
        if was_remembered:
            notices += is_stale and not was_stale
            was_stale = is_stale
    stage.keeping.killing, stage.post.failing = lambda: False, lambda _: None
    stage.run(dict.fromkeys(rules), hour=HOURS, rules=rules)
    expected = Counter(
        (name, START + place * HOUR)
        for name, rule in rules.items()
        for place in crossings(series[name], threshold=rule.value, is_above=rule.is_above, rearm=rule.rearm)
    )
    assert kills > 5
    assert len(expected) > 40
    doubled = 0
    for address in TWO:
        messages = [digest for key, digest in stage.post.sent if key == address.key]
        told = Counter((alert.rule, alert.at) for digest in messages for alert in digest.alerts if alert.rule)
        assert set(told) == set(expected)
        said = {alert.at for digest in messages for alert in digest.alerts if alert.rule is None}
        assert len(said) == notices
        batches = Counter(alert for digest in messages for alert in digest.alerts)
        doubled += len({alert.at for alert, times in batches.items() if times > 1})
    assert doubled <= kills


def test_a_kill_between_sending_and_remembering_doubles_one_message(stage: Stage) -> None:
    saves = iter([False, False, True])
    stage.keeping.killing = lambda: next(saves)
    with pytest.raises(KilledError):
        stage.run({"ore": 90}, addresses=TWO[:1])
    stage.keeping.killing = lambda: False
    stage.run({"ore": 90}, hour=1, addresses=TWO[:1])
    stage.run({"ore": 90}, hour=2, addresses=TWO[:1])
    first, again = (digest for _, digest in stage.post.sent)
    assert again.alerts == first.alerts
    assert "2026-01-01 00:00 UTC" in again.text
    assert "UTC" not in first.text


def test_many_hits_are_one_message_and_what_failed_is_in_the_next_one(stage: Stage) -> None:
    stage.post.failing = lambda _: UndeliveredError("it can't be reached")
    failed = stage.run({"ore": 90, "herb": 80, "gem": 120})
    assert failed.status(tells_nothing=True) is ExitStatus.PARTIAL
    assert failed.failures[0] == "https://host1.example/…: it can't be reached; 2 alerts wait for the next run."
    stage.post.failing = lambda _: None
    done = stage.run({"ore": 90, "herb": 80, "gem": 70}, hour=1)
    assert done.status(tells_nothing=True) is ExitStatus.DONE
    assert [(key, [alert.rule for alert in digest.alerts]) for key, digest in stage.post.sent] == [
        (address.key, ["ore", "herb", "gem"]) for address in TWO
    ]
    assert stage.post.sent[0][1].title == "ironforge: 3 alerts"
    assert stage.run({"ore": 90}, hour=2).delivered == ()


def test_one_address_that_is_away_costs_the_other_nothing(stage: Stage) -> None:
    stage.post.failing = lambda address: UndeliveredError("away") if address is TWO[0] else None
    for hour in range(3):
        stage.run({"ore": 90}, hour=hour)
    assert [key for key, _ in stage.post.sent] == [TWO[1].key]


def test_an_address_that_asks_for_longer_is_left_alone_until_then(stage: Stage) -> None:
    stage.post.failing = lambda _: UndeliveredError("it answered 429", retry_after=5_400)
    stage.run({"ore": 90}, addresses=TWO[:1])
    stage.post.failing = lambda _: None
    held = stage.run({"ore": 90}, hour=1, addresses=TWO[:1])
    assert held.failures == (
        "https://host1.example/…: it asked to be left alone until 2026-01-01 01:30 UTC; 1 alert waits.",
    )
    assert stage.post.sent == []
    assert stage.run({"ore": 90}, hour=2, addresses=TWO[:1]).failures == ()
    assert len(stage.post.sent) == 1


def test_an_address_is_not_left_alone_for_longer_than_anybody_may_ask(stage: Stage) -> None:
    # As where the clock was a year ahead when it asked.
    stage.post.clock.turn_to(START + timedelta(days=365))
    stage.post.failing = lambda _: UndeliveredError("it answered 429", retry_after=5_400)
    stage.run({"ore": 90}, addresses=TWO[:1])
    stage.post.failing = lambda _: None
    assert stage.run({"ore": 90}, hour=1, addresses=TWO[:1]).failures == ()
    assert len(stage.post.sent) == 1


def test_stale_data_are_one_notice_and_no_alert(stage: Stage) -> None:
    runs = [stage.run({"ore": 90}, hour=hour, stale=hour < 3) for hour in range(4)]
    assert [run.status(tells_nothing=False) for run in runs] == [ExitStatus.UNHEALTHY] * 3 + [ExitStatus.DONE]
    texts = [digest.text for key, digest in stage.post.sent if key == TWO[0].key]
    assert texts == ["EU: data are stale.", "ore, EU: quantity 90, below 100"]


def test_nothing_fired_has_an_exit_code_where_it_was_asked_for(stage: Stage) -> None:
    run = stage.run({"ore": 110})
    assert run.status(tells_nothing=True) is ExitStatus.NOTHING_FIRED
    assert run.status(tells_nothing=False) is ExitStatus.DONE
    assert stage.run({"ore": 90}).status(tells_nothing=True) is ExitStatus.DONE


def test_what_is_to_be_printed_waits_until_it_was(stage: Stage) -> None:
    first = stage.run({"ore": 90}, addresses=())
    assert (first.is_printed, first.late) == (True, ())
    # Nobody confirmed that, as where the disk was full.
    again = stage.run({"ore": 90}, hour=1, addresses=())
    assert [alert.rule for alert in again.late] == ["ore"]
    assert again.has_fired
    assert again.confirm is not None
    again.confirm()
    assert stage.keeping.load("rules.toml").outboxes == {}
    assert stage.run({"ore": 90}, hour=2, addresses=()).late == ()


def test_what_waits_for_an_address_that_is_not_given_stays_and_is_said(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.post.failing = lambda _: UndeliveredError("away")
    stage.run({"ore": 90}, addresses=TWO[:1])
    stage.post.failing = lambda _: None
    stage.run({"ore": 90}, hour=1, addresses=TWO[1:])
    assert "1 alert waits for https://host1.example/…" in caplog.text
    stage.run({"ore": 90}, hour=2, addresses=TWO[:1])
    assert [key for key, _ in stage.post.sent] == [TWO[0].key]


def test_nothing_remembered_holds_an_address_s_secret(stage: Stage) -> None:
    stage.post.failing = lambda _: UndeliveredError("away")
    stage.run({"ore": 90})
    assert b"secret" not in stage.keeping.documents["rules.toml"]
    assert b"host1.example" in stage.keeping.documents["rules.toml"]


def test_a_rule_that_left_the_file_is_forgotten_and_a_choice_of_regions_forgets_nothing(stage: Stage) -> None:
    stage.run({"ore": 90, "herb": 90})
    stage.run({"ore": 90}, hour=1)
    assert set(stage.keeping.load("rules.toml").memory.marks) == {"ore"}
    chosen = replace(Watch("rules.toml", (), Asking(cast("Database", None), (), START, HOUR), ()), only=("herb",))
    sight = Stage.sight({"herb": 90}, stale=False, rules={"herb": Threshold(100, is_above=False)})
    stage.sees(sight)
    watching.run(chosen, stage.keeping, (), cast("Sender", stage.post), evidence=None)
    state = stage.keeping.load("rules.toml")
    assert set(state.memory.marks) == {"ore", "herb"}
    assert list(state.outboxes) == [STDOUT]


def test_each_verdict_says_why(stage: Stage) -> None:
    def reason(value: float | None, hour: int, **more: Any) -> str:
        return stage.run({"ore": value}, hour=hour, **more).rows[0].reason

    assert reason(90, 0) == "fired"
    assert reason(90, 1) == "told before: armed again at 103"
    assert reason(101, 2) == "not yet back: armed again at 103"
    assert reason(None, 3) == "unknown: none is for sale"
    assert reason(103, 4) == "not beyond"
    assert reason(103, 5, stale=True) == "stale"


def test_an_address_that_never_answers_keeps_the_newest_and_that_is_said(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.monkeypatch.setattr(watching, "_MOST_WAITING", 2)
    stage.post.failing = lambda _: UndeliveredError("away")
    stage.run({"ore": 90, "herb": 80}, addresses=TWO[:1])
    assert caplog.text == ""
    stage.run({"ore": 90, "herb": 80, "gem": 70}, hour=1, addresses=TWO[:1])
    assert "More than 2 alerts wait for https://host1.example/…" in caplog.text
    (outbox,) = stage.keeping.load("rules.toml").outboxes.values()
    assert [alert.rule for alert in outbox.alerts] == ["herb", "gem"]


@pytest.mark.parametrize(
    ("name", "item_id", "recipe", "said"),
    [
        ("Ore", 1, None, "Ore"),
        (None, 1, None, "item 1"),
        (None, None, "Flask", "Flask"),
        (None, None, None, "quantity"),
    ],
)
def test_an_alert_names_what_it_is_of_as_well_as_it_can(
    stage: Stage, name: str | None, item_id: int | None, recipe: str | None, said: str
) -> None:
    sight = Stage.sight({"ore": 90}, stale=False, rules={"ore": Threshold(100, is_above=False)})
    (seen,) = sight.sightings
    rule = replace(seen.rule, item=None, recipe=recipe, name="mine", note="buy")
    stage.sees(replace(sight, sightings=(replace(seen, name=name, item_id=item_id, rule=rule, other=Region.US),)))
    watch = Watch("rules.toml", (), Asking(cast("Database", None), (), START, HOUR), ())
    watching.run(watch, stage.keeping, TWO[:1], cast("Sender", stage.post), evidence=None)
    assert stage.post.sent[0][1].text == f"mine: {said}, EU/US: quantity 90, below 100. buy"
