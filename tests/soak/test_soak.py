"""A few hours of a soak on each kind of server, and that its verdict finds what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.regions import Region
from ironforge_cli.sandbox.faults import FAULTS
from tests.jobs import stored
from tests.soak import weather
from tests.soak.hours import FAIR_CHANCE, Hour, RegionHours
from tests.soak.run import soak
from tests.soak.verdict import judged

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector
    from tests.servers import TestServer

# Hours in which the database goes away, windows are killed, the disk is full, the clock is set and answers fail.
HOURS = 12
FIRST_HOURS = 5
SEED = 5
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


@pytest.fixture
def hours(collector: Collector) -> RegionHours:
    """Three hours of EU that are stored."""
    collector.collect(Region.EU)
    for _ in range(2):
        collector.publish()
        collector.collect(Region.EU)
    return RegionHours(Region.EU, hours=[Hour(*hour) for hour in collector.published[Region.EU]])


def test_the_verdict_on_what_is_as_it_should_be_is_good(hours: RegionHours, database: Database, tmp_path: Path) -> None:
    found = judged(database, hours, home=tmp_path, now=NOW)
    assert (found.published, found.stored, found.out_of_reach, found.lost, found.wrong) == (3, 3, 0, 0, ())


@pytest.mark.parametrize("is_reachable", [True, False])
def test_an_hour_that_is_missing_is_lost_only_where_it_could_be_had(
    hours: RegionHours, database: Database, tmp_path: Path, *, is_reachable: bool
) -> None:
    missing = hours.hours[1]
    missing.is_reachable = is_reachable
    stored.change(database, "DELETE FROM snapshots WHERE snapshot_time = :time", time=missing.published_at)
    stored.change(database, "DELETE FROM auction_snapshots_eu WHERE snapshot_time = :time", time=missing.published_at)
    found = judged(database, hours, home=tmp_path, now=NOW)
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
    ],
)
def test_anything_that_is_stored_wrong_is_found(
    hours: RegionHours, database: Database, tmp_path: Path, statement: str
) -> None:
    stored.change(database, statement)
    assert judged(database, hours, home=tmp_path, now=NOW).wrong


def test_a_body_that_is_left_in_the_spool_is_found(hours: RegionHours, database: Database, tmp_path: Path) -> None:
    left = tmp_path / "spool" / "eu" / "20260101T000000Z-0.body"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.touch()
    assert any("is left" in one for one in judged(database, hours, home=tmp_path, now=NOW).wrong)


def test_an_hour_can_be_had_when_a_window_asks_undisturbed_for_long_enough() -> None:
    hours = RegionHours(Region.EU, hours=[Hour(datetime(2026, 2, 1, tzinfo=UTC), b"{}")])
    hours.open_window(datetime(2026, 2, 1, tzinfo=UTC) - timedelta(hours=1), is_rhythm_known=False)
    hours.pass_time(FAIR_CHANCE - 1, undisturbed=True)
    hours.pass_time(1, undisturbed=False)
    hours.pass_time(FAIR_CHANCE - 1, undisturbed=True)
    assert not hours.newest.is_reachable
    hours.pass_time(1, undisturbed=True)
    assert hours.newest.is_reachable
