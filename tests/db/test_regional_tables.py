"""Tables of a region are described when they are first asked for, once, whoever asks."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from ironforge_cli.db.models import REGIONAL, whole_schema
from ironforge_cli.db.regional_tables import RegionalTables
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def impatient() -> Generator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def described(metadata: MetaData, region: Region) -> Table:
    return Table(f"{region}_things", metadata, Column("id", Integer, primary_key=True))


def test_a_table_is_described_when_it_is_asked_for_and_is_the_same_one_then() -> None:
    metadata = MetaData()
    tables = RegionalTables(metadata, described)
    assert not metadata.tables
    assert tables[Region.US] is tables[Region.US]
    assert list(metadata.tables) == ["us_things"]
    tables.make_all()
    assert {*metadata.tables} == {f"{region}_things" for region in Region}
    assert [table.name for table in tables.values()] == [f"{region}_things" for region in Region]
    assert len(tables) == len(Region)


@pytest.mark.usefixtures("impatient")
def test_threads_that_ask_at_once_get_one_table() -> None:
    for _ in range(20):
        tables = RegionalTables(MetaData(), described)
        with ThreadPoolExecutor(8) as threads:
            asked = list(threads.map(tables.__getitem__, [Region.EU, Region.US] * 8))
        assert {id(table) for table in asked} == {id(tables[Region.EU]), id(tables[Region.US])}


def test_what_is_no_region_has_no_table() -> None:
    tables = RegionalTables(MetaData(), described)
    with pytest.raises(KeyError):
        _ = tables["cn"]  # pyright: ignore[reportArgumentType] - that is what is tried
    assert "cn" not in tables
    assert "eu" in tables


def test_the_whole_schema_has_each_regions_tables() -> None:
    names = set(whole_schema().tables)
    assert names >= {tables[region].name for tables in REGIONAL for region in Region}
