"""Collections look after the partitions once something is stored, and never fail for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.collecting.collect import collect
from ironforge_cli.jobs.collecting.poll import poll
from ironforge_cli.jobs.days.housekeeping import Housekeeping
from ironforge_cli.jobs.days.maintain import upkeep_by
from ironforge_cli.regions import Region
from tests.jobs import stored
from tests.jobs.polling import window

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector

ASKED = Housekeeping(ahead=2, retention_days=3, log_retention_days=400)


def run(command: str, collector: Collector) -> ExitStatus:
    if command == "collect":
        return collect(
            [Region.EU],
            market=collector.client,
            storage=collector.storage,
            clock=collector.clock,
            upkeep=upkeep_by(ASKED, clock=collector.clock),
        ).status
    return poll(
        [Region.EU],
        window=window(length=timedelta(0)),
        market=collector.client,
        storage=lambda: collector.storage,
        clock=collector.clock,
        upkeep=upkeep_by(ASKED, clock=collector.clock),
    ).status


def days(database: Database) -> list[str]:
    return [
        name
        for (name,) in stored.rows(
            database,
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'auction_snapshots_eu'::regclass ORDER BY 1",
        )
    ]


def maintained(database: Database) -> list[str]:
    return [
        status
        for (status,) in stored.rows(
            database, "SELECT status FROM scraper_logs WHERE command = 'partitions maintain' ORDER BY id"
        )
    ]


@pytest.mark.parametrize("command", ["collect", "poll"])
def test_days_are_made_ahead_after_a_snapshot_was_stored_and_not_looked_at_again(
    collector: Collector, database: Database, command: str
) -> None:
    assert run(command, collector) is ExitStatus.DONE
    made = days(database)
    assert [name[-10:] for name in made[-2:]] == ["2026_01_15", "2026_01_16"]
    rows = maintained(database)
    assert "success" in rows
    collector.publish()
    assert run(command, collector) is ExitStatus.DONE
    assert run(command, collector) is ExitStatus.DONE
    assert maintained(database) == rows


@pytest.mark.parametrize("command", ["collect", "poll"])
def test_days_past_their_retention_leave_with_the_first_hour_of_another(
    collector: Collector, database: Database, command: str
) -> None:
    assert run(command, collector) is ExitStatus.DONE
    oldest = days(database)[0]
    collector.publish(hours=4 * 24)
    assert run(command, collector) is ExitStatus.DONE
    assert oldest not in days(database)
    assert stored.rows(database, "SELECT to_regclass(:name) IS NULL", name=oldest) == [(True,)]


@pytest.mark.parametrize("command", ["collect", "poll"])
def test_maintenance_that_can_not_be_done_costs_no_hour(
    collector: Collector, database: Database, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    # A table of that name is in the way of the day after.
    stored.change(database, "CREATE TABLE auction_snapshots_eu_2026_01_16 (nothing int)")
    assert run(command, collector) is ExitStatus.DONE
    assert len(stored.times(database, Region.EU)) == 1
    assert any("Partitions:" in record.message for record in caplog.records)
    assert "failed" in maintained(database)
