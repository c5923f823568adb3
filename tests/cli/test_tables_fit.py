"""Every table of every command, at terminals of several widths and off one: what belongs together stays so."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from ironforge_cli.blizzard.spool import Kept
from ironforge_cli.cli.show import output, status_table
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.catalogue.work import Seeded, SeedOutcome
from ironforge_cli.jobs.collecting.outcomes import Collected
from ironforge_cli.jobs.days.archives import ArchivedDay, CheckedArchive, CheckedDay, DayVerdict
from ironforge_cli.jobs.days.export import Exported, ExportedTables
from ironforge_cli.jobs.days.housekeeping import Maintained, StepOutcome
from ironforge_cli.jobs.days.one_day import Changed, ChangedDays, HeldDay
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.health.status import Health
from ironforge_cli.jobs.history.recomputed import RecomputedRegion, RecomputedStatistics, RecomputeOutcome
from ironforge_cli.market.changes import ColumnChange, StatisticsChange
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.archives import made
from tests.cli.show.test_prometheus_values import EU, FOUND
from tests.cli.test_told import COUNTS, HOUR, LATER, part, region
from tests.cli.test_told_of_days import DAY, TABLE, step

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.cli.frame.options import Shared
    from tests.cli.conftest import Command, Run

WIDTHS = (80, 100, 200)
BELONGS_TOGETHER = re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?|\d{1,3}(?:,\d{3})+|IRONFORGE_\w+")
WHY = "The body is cut off at byte 7,654,321 of 9,876,543 (auctions.12.item.id): https://eu.api.blizzard.com/data/wow"
BODY = Kept(Path("/srv") / ("f" * 64), Region.EU, HOUR, "f" * 64, 7_654_321, HOUR, WHY)
RECOMPUTED = RecomputedRegion(
    *(Region.EU, RecomputeOutcome.RECOMPUTED, ExitStatus.DONE, HOUR, LATER),
    *(1_001, 1_002, 1_003, 1_004, 1_005, 1_006, 1_007, 1_008),
    StatisticsChange(added=1, removed=2, changed=3, columns={"market_value": ColumnChange(1_009, 2.5, 1_234_567.5)}),
    message=None,
)
ALL = tuple(Region)
ENDINGS: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "collect": (
        "collecting.collect.collect",
        Collected(tuple(region(one, Outcome.STORED, snapshot_time=HOUR, counts=COUNTS) for one in ALL), tokens=()),
        ("collect",),
    ),
    "seed": ("catalogue.seed.seed", Seeded((part("recipes", SeedOutcome.LIMITED, rows=10_001),) * 3), ("seed", "all")),
    "recompute": (
        "history.recompute.recompute",
        RecomputedStatistics(tuple(replace(RECOMPUTED, region=one) for one in ALL)),
        ("stats", "recompute"),
    ),
    "maintain": (
        "days.maintain.maintain",
        Maintained((step("archive", StepOutcome.POSTPONED, rows=123_456_789, bytes=2_500),)),
        ("partitions", "maintain"),
    ),
    "list": (
        "days.one_day.listed",
        [
            HeldDay(Region.EU, None, "others", "foreign", HOUR, HOUR, rows=0, bytes=0),
            HeldDay(Region.EU, DAY, TABLE, "restored", HOUR, LATER, 10**7, 10**9, archived_rows=10**7),
        ],
        ("partitions", "list"),
    ),
    "drop": (
        "days.one_day.drop",
        ChangedDays((Changed(Region.EU, DAY, TABLE, "dropped", rows=123_456_789, bytes=2_500),)),
        ("partitions", "drop", "--date", "2026-01-14"),
    ),
    "export": (
        "days.export.export",
        ExportedTables((Exported(Region.EU, f"tables/{'x' * 90}.parquet", "written", rows=10**9, bytes=2_500),)),
        ("partitions", "export"),
    ),
    "archive list": (
        "days.archives.listed",
        [ArchivedDay(Region.EU, DAY, 24, 123_456_789, 10**9, HOUR)],
        ("archive", "list"),
    ),
    "archive check": (
        "days.archives.check",
        CheckedArchive(
            (CheckedDay(Region.EU, DAY, DayVerdict.UNFINISHED, 123_456_789, 10**9, in_database=True),), of=9
        ),
        ("archive", "check"),
    ),
    "spool": ("collecting.spool.listed", [BODY], ("spool", "list")),
}


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Let results be written as for a terminal of so many columns, or for none."""
    made = output._console  # pyright: ignore[reportPrivateUsage] - the runner's stdout is no terminal

    def at(width: int | None) -> None:
        def console(shared: Shared) -> Console:
            if width is None:
                return made(shared)
            return Console(file=sys.stdout, width=width, force_terminal=True, color_system=None, highlight=False)

        monkeypatch.setattr(output, "_console", console)

    return at


def assert_fits(text: str, *, width: int | None) -> None:
    lines = text.splitlines()
    assert lines
    for line in lines:
        assert line == line.rstrip()
        assert width is None or cell_len(line) <= width, line


@pytest.mark.parametrize("width", [*WIDTHS, None], ids=str)
@pytest.mark.parametrize("name", ENDINGS)
def test_a_result_fits_and_breaks_no_date_no_number_and_no_name(
    *,
    told: Callable[..., Command],
    on_a_terminal: Callable[[int | None], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    width: int | None,
) -> None:
    monkeypatch.setenv("IRONFORGE_ARCHIVE_URI", made(tmp_path / "archive"))
    job, ending, words = ENDINGS[name]
    command = told(job, ending)
    on_a_terminal(None)
    meant = BELONGS_TOGETHER.findall(command(*words).stdout)
    on_a_terminal(width)
    shown = command(*words).stdout
    assert_fits(shown, width=width)
    assert set(BELONGS_TOGETHER.findall(shown)) == set(meant)
    assert meant


@pytest.mark.parametrize("width", [*WIDTHS, None], ids=str)
@pytest.mark.parametrize("words", [("config", "show"), ("sandbox", "faults"), ("config", "check")], ids=" ".join)
def test_what_needs_no_job_fits_too(
    run: Run, on_a_terminal: Callable[[int | None], None], words: tuple[str, ...], width: int | None
) -> None:
    variables = {"IRONFORGE_DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/" + "x" * 60}
    records = json.loads(run("-q", *words, "--format", "json", **variables).stdout)
    on_a_terminal(width)
    shown = run("-q", *words, **variables).stdout
    # What is below a table is written as it is.
    assert_fits(shown.rpartition("Config file:")[0] or shown, width=width)
    for record in records:
        assert str(next(iter(record.values() if words[1] != "show" else [record["variable"]]))) in shown


@pytest.mark.parametrize("width", WIDTHS)
def test_how_things_stand_fits(width: int) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None, highlight=False)
    assert EU.quarantine is not None
    quarantine = replace(EU.quarantine, newest_reason=WHY)
    found = replace(FOUND, regions=tuple(replace(EU, region=one, missing=(), quarantine=quarantine) for one in ALL))
    status_table.show(Health(found, (), ExitStatus.DONE), console)
    assert_fits("\n".join(line for line in stream.getvalue().splitlines() if line), width=width)
    assert stream.getvalue().count("newest snapshot") >= 1
    assert stream.getvalue().count("s ago") >= len(ALL)
