"""What a cluster is told, by a Spark that only notes it: nobody has to have Java."""

from __future__ import annotations

import os
import sys
from datetime import date
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest

from ironforge_cli.archive import spark
from ironforge_cli.archive.days import ArchivedDays
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.errors import ExitStatus
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from tests.archives import made as marked
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from pathlib import Path


class NotedSpark:
    """Spark's session, its builder and its frames in one: each step is noted, and gives itself."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, tuple[Any, ...]]] = []
        self.rows = 3
        self.fault: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        if name in {"builder", "read", "write", "SparkSession"}:
            return self

        def noted(*arguments: Any) -> Self:
            self.steps.append((name, arguments))
            return self

        return noted

    def mapInArrow(self, work: Any, columns: str) -> Self:  # noqa: N802 - Spark's name
        self.steps.append(("mapInArrow", (work.func, work.keywords, columns)))
        if self.fault is not None:
            raise self.fault
        return self

    def count(self) -> int:
        return self.rows

    def step(self, name: str) -> tuple[Any, ...]:
        (arguments,) = [given for step, given in self.steps if step == name]
        return arguments


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> NotedSpark:
    noted, package = NotedSpark(), ModuleType("pyspark")
    monkeypatch.setitem(sys.modules, "pyspark", package)
    monkeypatch.setitem(sys.modules, "pyspark.sql", noted)
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    monkeypatch.setenv("PYSPARK_PYTHON", "/operators/python")
    return noted


@pytest.fixture
def archive(tmp_path: Path) -> str:
    """Three days of EU and one of US."""
    place = marked(tmp_path / "archive")
    days = ArchivedDays(FolderStore(tmp_path / "archive"))
    for region, numbers in ((Region.EU, (1, 2, 3)), (Region.US, (2,))):
        for number in numbers:
            partition = DailyPartition(region, date(2024, 1, number))
            rows = day_of_rows(partition, snapshots=1, auctions=1)
            days.write(partition, [rows.taken(np.arange(len(rows)))], archived_at=partition.ends_at)
    return place


def test_stretches_of_the_regions_are_spread_and_their_rows_counted(
    session: NotedSpark, archive: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spark.main([archive, "out", "--days", "2", "--master", "local[3]"]) is ExitStatus.DONE
    tasks, columns = session.step("createDataFrame")
    assert tasks == [
        ("eu", "2024-01-01", "2024-01-02"),
        ("eu", "2024-01-03", "2024-01-03"),
        ("us", "2024-01-02", "2024-01-02"),
    ]
    assert columns == "region string, first string, last string"
    assert session.step("master") == ("local[3]",)
    assert session.step("config") == ("spark.sql.session.timeZone", "UTC")
    assert session.step("repartition") == (3,)
    assert session.step("mapInArrow") == (spark._worked, {"archive": archive}, spark._RESULT)  # pyright: ignore[reportPrivateUsage] - what Spark calls
    assert session.step("partitionBy") == ("region", "date")
    # Written to the place that is read again, and nobody's cluster is left busy.
    assert [given for step, given in session.steps if step == "parquet"] == [("out",)] * 2
    assert session.steps[-1] == ("stop", ())
    assert capsys.readouterr().out == "3 rows of statistics are in out\n"
    # What an operator has set stays; otherwise workers run the Python that this is.
    assert os.environ["PYSPARK_PYTHON"] == "/operators/python"


def test_one_region_alone_and_a_week_to_a_task_unless_told_otherwise(
    session: NotedSpark, archive: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYSPARK_PYTHON")
    session.rows = 1
    assert spark.main([archive, "out", "--region", "eu"]) is ExitStatus.DONE
    assert session.step("createDataFrame")[0] == [("eu", "2024-01-01", "2024-01-03")]
    assert session.step("master") == ("local[*]",)
    assert capsys.readouterr().out == "1 row of statistics is in out\n"
    assert os.environ["PYSPARK_PYTHON"] == sys.executable


def test_an_archive_without_days_is_told_and_starts_nothing(
    session: NotedSpark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = marked(tmp_path / "empty")
    assert spark.main([place, "out"]) is ExitStatus.USAGE
    assert "holds no archived days: see `ironforge partitions list`" in capsys.readouterr().err
    assert session.steps == []


def test_a_place_that_is_no_archive_is_told(
    session: NotedSpark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spark.main([str(tmp_path / "typo"), "out"]) is ExitStatus.CONFIGURATION
    assert "There is no archive at" in capsys.readouterr().err
    assert session.steps == []


def test_a_cluster_that_fails_is_let_go(session: NotedSpark, archive: str) -> None:
    session.fault = RuntimeError("a worker was lost")
    with pytest.raises(RuntimeError, match="a worker was lost"):
        spark.main([archive, "out"])
    assert session.steps[-1] == ("stop", ())


def test_a_task_has_a_day_at_least(session: NotedSpark, archive: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert spark.main([archive, "out", "--days", "0"]) is ExitStatus.USAGE
    assert "--days is at least 1" in capsys.readouterr().err
    assert session.steps == []
