"""Regions that nobody collects unless they are named: with every command as the default ones, and no alarm without."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs import crafts, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ironforge_cli.db.engine import Database
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.cli.conftest import Run

OTHERS = [region for region in Region if region not in DEFAULT_REGIONS]
NAMED = [word for region in OTHERS for word in ("--region", region.value)]


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox of every region, whose newest hour is this one."""
    return make_sandbox(starts_at=datetime.now(tz=UTC) - timedelta(hours=1), regions=list(Region), recipes=5)


@pytest.fixture
def answered(run: Run, database: Database, api: Mapping[str, str]) -> Callable[..., Any]:
    """Run a command that has to end well, and return its records."""

    def by(*arguments: str, **variables: str) -> list[dict[str, Any]]:
        variables = {**api, **variables, "IRONFORGE_DATABASE_URL": database.url, "IRONFORGE_REQUESTS_PER_SECOND": "100"}
        ended = run("-q", *arguments, "--format", "json", **variables)
        assert (ended.exit_code, ended.stderr) == (0, "")
        return json.loads(ended.stdout)

    return by


def test_other_regions_are_collected_kept_and_told_when_they_are_named(
    answered: Callable[..., Any], database: Database, sandbox: Sandbox
) -> None:
    by_variable = {"IRONFORGE_REGIONS": ",".join(OTHERS)}

    collected = answered("collect", *NAMED)
    assert [(one["region"], one["outcome"], one["token_outcome"]) for one in collected] == [
        (region.value, "stored", "stored") for region in OTHERS
    ]
    for region in OTHERS:
        assert stored.times(database, region) == [sandbox.published(region).published_at]
        assert len(stored.auctions(database, region)) == len(sandbox.published(region).listings)
        assert [price for _, price in stored.token_prices(database, region)] == [sandbox.world.token_price(region)[1]]
    sandbox.advance()
    polled = answered("poll", **by_variable)
    assert [(one["region"], one["outcome"]) for one in polled] == [(region.value, "stored") for region in OTHERS]
    assert len(answered("seed", "all", **by_variable)) == 4
    assert crafts.held(database).recipes == crafts.expected(sandbox.catalogue).recipes
    assert {record["region"] for record in answered("partitions", "maintain", "--ahead", "9", **by_variable)} == {
        *OTHERS
    }
    assert {record["region"] for record in answered("partitions", "list", *NAMED)} == {*OTHERS}
    assert [record["snapshots"] for record in answered("stats", "recompute", *NAMED)] == [2] * len(OTHERS)
    told = answered("status", "--check", **by_variable)
    assert ([record["region"] for record in told["regions"]], told["problems"]) == ([*OTHERS], [])
    for region in DEFAULT_REGIONS:
        assert stored.times(database, region) == stored.token_prices(database, region) == []
    assert {exchange.region for exchange in sandbox.requests} <= {None, *OTHERS}


def test_who_names_no_region_neither_collects_the_others_nor_hears_of_them(
    answered: Callable[..., Any], database: Database, sandbox: Sandbox
) -> None:
    for region in OTHERS:
        sandbox.set_fault("html", region=region)
    assert [record["region"] for record in answered("collect")] == list(DEFAULT_REGIONS)
    maintained = answered("partitions", "maintain", "--ahead", "9")
    assert {record["region"] for record in maintained} == {*DEFAULT_REGIONS}
    told = answered("status", "--check")
    assert ([record["region"] for record in told["regions"]], told["problems"]) == ([*DEFAULT_REGIONS], [])
    assert {exchange.region for exchange in sandbox.requests} <= {None, *DEFAULT_REGIONS}
    for region in OTHERS:
        assert stored.times(database, region) == stored.token_prices(database, region) == []
