"""A few hours of a soak on each kind of server, and that its verdict finds what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from ironforge_cli.regions import Region
from ironforge_cli.sandbox.faults import FAULTS, Aim
from ironforge_cli.sandbox.invention import invent
from ironforge_cli.sandbox.stand_in import Sandbox
from tests.jobs import stored
from tests.soak import weather
from tests.soak.home import clear, litter
from tests.soak.hours import FAIR_CHANCE, Hour, RegionHours
from tests.soak.kept import Kept
from tests.soak.lists import lacking
from tests.soak.odd import answered_as
from tests.soak.run import main, soak
from tests.soak.verdict import judged

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.sandbox.faults import Scene
    from ironforge_cli.sandbox.market_token import TokenMarket
    from tests.jobs.conftest import Collector
    from tests.servers import TestServer

# Hours in which windows are killed, a body brings a bug to light, the disk is full, lists lack parts, the clock is set.
HOURS = 12
FIRST_HOURS = 5
SEED = 11
NOW = datetime(2026, 1, 14, 14, 10, tzinfo=UTC)


def survived(server: TestServer, hours: int, home: Path) -> int:
    """How much happened in some hours of bad weather; none that could be had is lost."""
    soaked = soak(server, seed=SEED, hours=hours, home=home)
    assert soaked.wrong == []
    assert all(verdict.stored >= hours // 2 for verdict in soaked.regions)
    return sum(soaked.happened.values())


def test_a_few_hours_of_bad_weather_cost_no_hour_that_could_be_had(server: TestServer, tmp_path: Path) -> None:
    assert survived(server, FIRST_HOURS, tmp_path / "home") >= 2


@pytest.mark.slow
def test_hours_of_bad_weather_cost_no_hour_that_could_be_had(any_server: TestServer, tmp_path: Path) -> None:
    assert survived(any_server, HOURS, tmp_path / "home") >= 4


def test_the_weather_is_that_of_its_seed_and_knows_every_fault_it_names() -> None:
    first, again, other = (list(weather.weather(seed, hours=24 * 7)) for seed in (1, 1, 2))
    assert first == again != other
    named = {event.what for event in (*first, *other) if event.is_fault}
    assert named <= set(FAULTS)
    troubles = {event.what for event in (*first, *other) if not event.is_fault}
    assert troubles == set(weather.Trouble)
    assert {event.kind for event in (*first, *other)} == set(weather.names())


def test_what_hangs_or_lacks_parts_changes_nothing_of_the_rest_of_the_weather() -> None:
    for seed in (1, 2):
        shorter = [event for event in weather.weather(seed, hours=24) if event.kind != "market-halved"]
        longer = [event for event in weather.weather(seed, hours=48) if event.kind != "market-halved"]
        assert [event for event in longer if event in shorter] == shorter
    with pytest.raises(SystemExit):
        main(["--weathers", "frogs"])


@pytest.fixture
def token(collector: Collector) -> TokenMarket:
    """Where the prices of EU's token come from."""
    return collector.sandbox.world.regions[Region.EU].token


@pytest.fixture
def hours(collector: Collector) -> RegionHours:
    """Three hours of EU that are stored, with prices of its token."""
    collector.collect(Region.EU)
    for _ in range(2):
        collector.publish()
        collector.collect(Region.EU)
    return RegionHours(Region.EU, hours=[Hour(*hour) for hour in collector.published[Region.EU]])


def test_the_verdict_on_what_is_as_it_should_be_is_good(
    hours: RegionHours, database: Database, token: TokenMarket, tmp_path: Path
) -> None:
    found = judged(database, hours, token=token, home=tmp_path, now=NOW)
    assert (found.published, found.stored, found.out_of_reach, found.lost, found.wrong) == (3, 3, 0, 0, ())


@pytest.mark.parametrize("is_reachable", [True, False])
def test_an_hour_that_is_missing_is_lost_only_where_it_could_be_had(
    hours: RegionHours, database: Database, token: TokenMarket, tmp_path: Path, *, is_reachable: bool
) -> None:
    missing = hours.hours[1]
    missing.is_reachable = is_reachable
    stored.change(database, "DELETE FROM snapshots WHERE snapshot_time = :time", time=missing.published_at)
    stored.change(database, "DELETE FROM auction_snapshots_eu WHERE snapshot_time = :time", time=missing.published_at)
    found = judged(database, hours, token=token, home=tmp_path, now=NOW)
    assert (found.lost, found.out_of_reach) == ((1, 0) if is_reachable else (0, 1))
    assert any("could be had" in wrong for wrong in found.wrong) is is_reachable
    assert not any("`status`" in wrong for wrong in found.wrong)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE eu_commodity_price_stats SET min_price = min_price + 1 WHERE num_auctions > 1",
        "UPDATE eu_commodity_price_stats SET sales_high = sales_high + 1 WHERE sales_high IS NOT NULL",
        "DELETE FROM auction_snapshots_eu WHERE auction_id = (SELECT max(auction_id) FROM auction_snapshots_eu)",
        "UPDATE snapshots SET auctions = auctions + 1",
        "UPDATE eu_token_price SET price = price + 10000",
        "UPDATE eu_token_price SET timestamp = timestamp + interval '1 second'",
        "DELETE FROM eu_token_price",
    ],
)
def test_anything_that_is_stored_wrong_is_found(
    hours: RegionHours, database: Database, token: TokenMarket, tmp_path: Path, statement: str
) -> None:
    stored.change(database, statement)
    assert judged(database, hours, token=token, home=tmp_path, now=NOW).wrong


def test_a_body_that_is_left_in_the_spool_is_found(
    hours: RegionHours, database: Database, token: TokenMarket, tmp_path: Path
) -> None:
    left = tmp_path / "spool" / "eu" / "20260101T000000Z-0.body"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.touch()
    assert any("is left" in one for one in judged(database, hours, token=token, home=tmp_path, now=NOW).wrong)


def test_what_was_answered_whole_has_to_be_stored_unless_the_run_was_ended_or_had_no_room() -> None:
    hours = RegionHours(Region.EU, hours=[Hour(datetime(2026, 2, 1, tzinfo=UTC), b"{}")])
    for is_well in (False, True):
        hours.open_window(None, is_rhythm_known=False)
        hours.newest.is_handed_over = True
        hours.end_window(is_well=is_well)
        assert hours.newest.is_reachable is is_well


def test_rows_that_are_gone_are_found_and_such_as_are_too_old_are_not_missed(database: Database) -> None:
    kept = Kept()
    for number, days in enumerate((0, 500)):
        stored.change(
            database,
            "INSERT INTO scraper_logs (command, timestamp, status) VALUES ('collect', :at, 'success')",
            at=NOW - timedelta(days=days),
        )
        stored.change(database, "INSERT INTO items (id) VALUES (:number)", number=number + 1)
    kept.look(database, now=NOW, when="at first")
    stored.change(database, "DELETE FROM scraper_logs WHERE timestamp < :old", old=NOW - timedelta(days=450))
    kept.look(database, now=NOW, when="later")
    assert (kept.wrong, kept.counts["items"]) == ([], 2)
    stored.change(database, "DELETE FROM scraper_logs")
    stored.change(database, "DELETE FROM items WHERE id = 1")
    kept.look(database, now=NOW, when="at the end")
    assert kept.wrong == ["1 log rows were destroyed, found at the end", "1 items were destroyed, found at the end"]


@pytest.mark.parametrize("amount", [0.1, 0.5, 0.9])
def test_a_list_lacks_what_its_single_pages_still_show(amount: float) -> None:
    whole = invent(seed=1, items=40, recipes=5)
    part = lacking(whole, amount=amount)
    assert part.recipes == whole.recipes
    listed = [
        {
            recipe
            for profession in catalogue.professions.values()
            for tier in profession.tiers or ()
            for category in catalogue.tiers[tier].categories or ()
            for recipe in category.recipes
        }
        for catalogue in (whole, part)
    ]
    assert listed[1] < listed[0]


@pytest.mark.parametrize("fault", weather.ODD)
def test_a_body_with_one_odd_auction_is_known_by_its_digest(fault: str) -> None:
    with Sandbox(auctions=50, items=20, recipes=2) as sandbox:
        body = sandbox.published(Region.EU).body
    rewrite = FAULTS[fault].rewrite
    assert rewrite is not None
    changed = rewrite(body, cast("Scene", SimpleNamespace(aim=Aim(fault), struck=0)))
    assert answered_as(body, sha256(changed).hexdigest()) == changed
    assert answered_as(body, sha256(body).hexdigest()) == body != changed


def test_what_is_put_into_a_spool_is_taken_away_again(tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "eu"
    assert not litter(tmp_path, Region.EU, amount=0.0)
    folder.mkdir(parents=True)
    for amount in (0.0, 0.3, 0.6, 0.9):
        assert litter(tmp_path, Region.EU, amount=amount)
    assert len(list(folder.iterdir())) == 4
    clear(tmp_path)
    assert list(folder.iterdir()) == []


def test_an_hour_can_be_had_when_a_window_asks_undisturbed_for_long_enough() -> None:
    hours = RegionHours(Region.EU, hours=[Hour(datetime(2026, 2, 1, tzinfo=UTC), b"{}")])
    hours.open_window(datetime(2026, 2, 1, tzinfo=UTC) - timedelta(hours=1), is_rhythm_known=False)
    hours.pass_time(FAIR_CHANCE - 1, undisturbed=True)
    hours.pass_time(1, undisturbed=False)
    hours.pass_time(FAIR_CHANCE - 1, undisturbed=True)
    assert not hours.newest.is_reachable
    hours.pass_time(1, undisturbed=True)
    assert hours.newest.is_reachable
