"""What a command says of what its job did, and the code that it ends with; the job itself does nothing here."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.traffic import Traffic
from ironforge_cli.db.repositories.catalogue import Changes
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.catalogue.work import Seeded, SeededPart, SeedOutcome
from ironforge_cli.jobs.collecting.outcomes import Collected, CollectedRegion, CollectedToken
from ironforge_cli.jobs.collecting.poll import Polled, PolledRegion
from ironforge_cli.jobs.collecting.storing import SnapshotCounts
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.history.recomputed import RecomputedRegion, RecomputedStatistics, RecomputeOutcome
from ironforge_cli.market.changes import ColumnChange, StatisticsChange
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Command

HOUR = datetime(2026, 1, 14, 12, 3, 7, tzinfo=UTC)
LATER = HOUR + timedelta(hours=1, microseconds=5)
COUNTS = SnapshotCounts(
    auctions=1_001,
    items=1_002,
    interval_seconds=1_003,
    new_auctions=1_004,
    gone_auctions=1_005,
    sales_low=1_006,
    estimated_sales=1_007,
    sales_high=1_008,
    expired_units=1_009,
    withdrawn_units=1_010,
    skipped=1_011,
)


def rows_of(text: str) -> dict[str, list[str]]:
    """The lines of a table by what their first two blanks end."""
    split = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    return {cells[0]: cells[1:] for cells in split if cells}


def region(
    region: Region, outcome: Outcome, status: ExitStatus = ExitStatus.DONE, *, message: str | None = None, **more: Any
) -> CollectedRegion:
    held: dict[str, Any] = {"snapshot_time": None, "counts": None, **more}
    return CollectedRegion(region=region, outcome=outcome, status=status, message=message, **held)


def token(
    region: Region, outcome: Outcome, status: ExitStatus = ExitStatus.DONE, *, message: str | None = None, **more: Any
) -> CollectedToken:
    price: dict[str, Any] = {"updated_at": None, "price": None, **more}
    return CollectedToken(region=region, outcome=outcome, status=status, message=message, **price)


STORED = region(
    Region.US,
    Outcome.STORED,
    snapshot_time=HOUR,
    counts=COUNTS,
    replayed=2,
    steps={"download": 1.23456, "store": 0.5},
)
REFUSED = region(Region.EU, Outcome.REJECTED, ExitStatus.REFUSED, message="[eu] is cut off at byte 7.")
COLLECTED = Collected(
    regions=(REFUSED, STORED),
    tokens=(
        token(Region.EU, Outcome.STORED, updated_at=LATER, price=3_000_000_000),
        token(Region.US, Outcome.FAILED, ExitStatus.UNAVAILABLE, message="nobody answers."),
    ),
)
NOTHING = dict.fromkeys(
    (
        *("auctions", "items", "interval_seconds", "new_auctions", "gone_auctions", "sales_low", "estimated_sales"),
        *("sales_high", "expired_units", "withdrawn_units", "skipped"),
    )
)
RECORDS: list[dict[str, Any]] = [
    {
        "region": "eu",
        "outcome": "rejected",
        "snapshot_time": None,
        "replayed": 0,
        **NOTHING,
        "token_outcome": "stored",
        "token_price": 3_000_000_000,
        "token_updated_at": "2026-01-14T13:03:07.000005Z",
        "message": "[eu] is cut off at byte 7.",
        "steps": {},
    },
    {
        "region": "us",
        "outcome": "stored",
        "snapshot_time": "2026-01-14T12:03:07Z",
        "replayed": 2,
        **{name: 1_001 + position for position, name in enumerate(NOTHING)},
        "token_outcome": "failed",
        "token_price": None,
        "token_updated_at": None,
        "message": None,
        "steps": {"download": 1.2346, "store": 0.5},
    },
]


def test_a_collection_tells_each_piece_of_work_and_what_failed(told: Callable[..., Command]) -> None:
    collect = told("collecting.collect.collect", COLLECTED)
    ended = collect("collect", "--format", "json")
    assert json.loads(ended.stdout) == RECORDS
    assert ended.exit_code == 3
    assert [line.partition("ERROR ")[2] for line in ended.stderr.splitlines()] == [
        "EU: [eu] is cut off at byte 7.",
        "US token price: nobody answers.",
    ]
    shown = rows_of(collect("collect").stdout)
    assert list(shown.items()) == [
        ("EU", ["US"]),
        ("rejected", ["stored"]),
        ("snapshot", ["2026-01-14T12:03:07Z"]),
        ("from the spool", ["2"]),
        ("auctions", ["1,001"]),
        ("auctions left out", ["1,011"]),
        ("items", ["1,002"]),
        ("new", ["1,004"]),
        ("gone", ["1,005"]),
        ("units sold", ["1,007", "(1,006 to 1,008)"]),
        ("units expired", ["1,009"]),
        ("units withdrawn", ["1,010"]),
        ("token", ["300,000g"]),
    ]
    seconds = rows_of(collect("-v", "collect").stdout)
    assert seconds["download"] == ["1.23"]
    assert seconds["store"] == ["0.50"]


def test_a_first_snapshot_has_no_sales_and_nothing_new_is_told_below_the_table(told: Callable[..., Command]) -> None:
    first = SnapshotCounts(1, 1, None, None, None, None, None, None, None, None, 0)
    nothing_new = region(Region.US, Outcome.NO_CHANGE, message="Nothing is newer than 12:03.")
    ended = told(
        "collecting.collect.collect",
        Collected((region(Region.EU, Outcome.STORED, counts=first), nothing_new), tokens=()),
    )("collect")
    assert (ended.exit_code, ended.stderr) == (0, "")
    shown = rows_of(ended.stdout)
    assert shown["units sold"] == ["-"]
    assert shown["stored"] == ["no change"]
    assert ended.stdout.endswith("US: Nothing is newer than 12:03.\n")
    assert not {"token", "from the spool", "attempts", "snapshot"} & set(shown)


def test_with_q_a_cron_command_prints_nothing_where_all_went_well_and_all_where_not(
    told: Callable[..., Command],
) -> None:
    well = told("collecting.collect.collect", Collected((STORED,), tokens=()))
    assert well("-q", "collect").stdout == ""
    assert json.loads(well("-q", "collect", "--format", "json").stdout)
    assert "stored" in well("collect").stdout
    assert "stored" in told("collecting.collect.collect", COLLECTED)("-q", "collect").stdout


def test_one_cause_is_one_line(told: Callable[..., Command]) -> None:
    away = [region(one, Outcome.FAILED, ExitStatus.DATABASE, message="it is away.") for one in (Region.EU, Region.US)]
    tokens = [token(one, Outcome.FAILED, ExitStatus.DATABASE, message="it is away.") for one in (Region.EU, Region.US)]
    ended = told("collecting.collect.collect", Collected(tuple(away), tuple(tokens)))("collect")
    assert ended.exit_code == 74
    assert [line.partition("ERROR ")[2] for line in ended.stderr.splitlines()] == [
        "EU, US, EU token price, US token price: it is away."
    ]


@pytest.mark.parametrize("status", [ExitStatus.REFUSED, ExitStatus.LOCKED, ExitStatus.DATABASE])
@pytest.mark.parametrize(
    ("job", "command"),
    [
        ("collecting.collect.collect", ("collect",)),
        ("collecting.collect.ingest", ("collect", "--from", "-", "--region", "eu", "--snapshot-time", "2026-01-14")),
    ],
)
def test_a_collection_ends_with_the_code_of_what_failed(
    told: Callable[..., Command], status: ExitStatus, job: str, command: tuple[str, ...]
) -> None:
    failed = Collected((region(Region.EU, Outcome.FAILED, status, message="it failed."),), tokens=())
    ended = told(job, failed)(*command)
    assert ended.exit_code == status
    assert ended.stderr.endswith("ERROR EU: it failed.\n")


def test_a_replay_ends_with_the_code_of_what_failed(
    told: Callable[..., Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(*_: Any, **__: Any) -> list[str]:
        return ["a body"]

    monkeypatch.setattr("ironforge_cli.jobs.collecting.spool.chosen", chosen)
    ended = told("collecting.replay.replay", Collected((REFUSED,), tokens=()))("spool", "replay")
    assert ended.exit_code == 65
    assert "is cut off at byte 7." in ended.stderr


def test_a_window_tells_of_its_attempts_and_of_who_published_nothing(told: Callable[..., Command]) -> None:
    quiet = region(Region.EU, Outcome.NO_CHANGE, snapshot_time=HOUR)
    polled = Polled(
        started_at=HOUR,
        ended_at=LATER,
        regions=(
            PolledRegion(collected=quiet, attempts=60, is_new=False, delay=None),
            PolledRegion(
                collected=STORED, attempts=1_234, is_new=True, delay=timedelta(seconds=1_800, microseconds=49_000)
            ),
        ),
        tokens=(),
    )
    ended = told("collecting.poll.poll", polled)("poll", "--format", "json")
    assert ended.exit_code == 0
    eu, us = json.loads(ended.stdout)
    assert [eu[name] for name in ("attempts", "is_new", "delay_seconds")] == [60, False, None]
    assert [us[name] for name in ("attempts", "is_new", "delay_seconds")] == [1_234, True, 1_800.0]
    window = "from 2026-01-14T12:03:07Z to 2026-01-14T13:03:07Z"
    told_of = f"EU: Blizzard published nothing new {window}. The next window goes on.\n"
    assert ended.stderr.partition("WARNING ")[2] == told_of
    shown = rows_of(told("collecting.poll.poll", polled)("poll").stdout)
    assert shown["attempts"] == ["60", "1,234"]
    assert shown["after it was published"] == ["1,800 s"]


def part(seeder: str, outcome: SeedOutcome, status: ExitStatus = ExitStatus.DONE, **more: Any) -> SeededPart:
    return SeededPart(seeder=seeder, outcome=outcome, status=status, **more)


def test_a_seeding_tells_each_seeder_and_what_failed(told: Callable[..., Command]) -> None:
    seeded = Seeded(
        (
            part(
                "recipes",
                SeedOutcome.LIMITED,
                build="12.0.1",
                rows=10_001,
                changes=Changes(inserted=1_002, updated=1_003, deleted=1_004, filtered=1_005),
                skipped={"not shown": 6},
                counted={"variants": 7},
                traffic=Traffic(requests=1_008, cache_hits=1_009),
                seconds=1.23456,
                message="[only] ten were asked for.",
            ),
            part("items", SeedOutcome.INCOMPLETE, ExitStatus.UNAVAILABLE, message="nobody answers."),
        )
    )
    seed = told("catalogue.seed.seed", seeded)
    ended = seed("seed", "all", "--format", "json")
    recipes, items = json.loads(ended.stdout)
    assert recipes == {
        "seeder": "recipes",
        "outcome": "limited",
        "build": "12.0.1",
        "rows": 10_001,
        "inserted": 1_002,
        "updated": 1_003,
        "deleted": 1_004,
        "skipped": {"not shown": 6},
        "counted": {"variants": 7},
        "requests": 1_008,
        "cache_hits": 1_009,
        "seconds": 1.235,
        "message": "[only] ten were asked for.",
    }
    assert (items["outcome"], items["rows"]) == ("incomplete", None)
    assert ended.exit_code == 3
    assert ended.stderr.partition("ERROR ")[2] == "Seeding items: nobody answers.\n"
    shown = seed("seed", "all").stdout
    assert list(rows_of(shown).items())[:-1] == [
        ("recipes", ["items"]),
        ("limited", ["incomplete"]),
        ("build", ["12.0.1"]),
        ("stored", ["10,001"]),
        ("new", ["1,002", "0"]),
        ("changed", ["1,003", "0"]),
        ("deleted", ["1,004"]),
        ("skipped: not shown", ["6"]),
        ("variants", ["7"]),
        ("requests", ["1,008", "0"]),
        ("from the cache", ["1,009"]),
        ("seconds", ["1.2", "0.0"]),
    ]
    assert shown.endswith("\nrecipes: [only] ten were asked for.\n")


def test_a_recomputation_tells_each_region_and_what_failed(told: Callable[..., Command]) -> None:
    eu = RecomputedRegion(
        region=Region.EU,
        outcome=RecomputeOutcome.RECOMPUTED,
        status=ExitStatus.DONE,
        since=HOUR,
        until=LATER.replace(microsecond=0),
        snapshots=1_001,
        changed=1_002,
        registry=1_003,
        without_rows=1_004,
        without_previous=1_005,
        outdated=1_006,
        still_outdated=1_007,
        auctions=1_008,
        statistics=StatisticsChange(
            added=10,
            removed=20,
            changed=1_030,
            columns={"min_price": ColumnChange(rows=1_009, largest=2, total=12_345)},
        ),
        message="[some] are left.",
        steps={"compute": 1.23456},
    )
    us = RecomputedRegion(
        Region.US,
        RecomputeOutcome.LOCKED,
        ExitStatus.LOCKED,
        None,
        None,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        StatisticsChange(),
        "it is held.",
    )
    recompute = told("history.recompute.recompute", RecomputedStatistics((eu, us)))
    ended = recompute("stats", "recompute", "--format", "json")
    record, _ = json.loads(ended.stdout)
    assert record == {
        "region": "eu",
        "outcome": "recomputed",
        "since": "2026-01-14T12:03:07Z",
        "until": "2026-01-14T13:03:07Z",
        "snapshots": 1_001,
        "changed": 1_002,
        "registry_changed": 1_003,
        "without_rows": 1_004,
        "without_previous": 1_005,
        "outdated": 1_006,
        "still_outdated": 1_007,
        "windows_changed": 1_008,
        "rows_changed": 1_060,
        "rows_added": 10,
        "rows_removed": 20,
        "columns": {"min_price": {"rows": 1_009, "largest": 2, "total": 12_345}},
        "message": "[some] are left.",
        "steps": {"compute": 1.2346},
    }
    assert (ended.exit_code, ended.stderr.partition("ERROR ")[2]) == (3, "US: it is held.\n")
    shown = recompute("stats", "recompute").stdout
    assert list(rows_of(shown.partition("\n\n")[0]).items()) == [
        ("EU", ["US"]),
        ("recomputed", ["locked"]),
        ("from", ["2026-01-14T12:03:07Z", "-"]),
        ("to", ["2026-01-14T13:03:07Z", "-"]),
        ("snapshots computed", ["1,001", "0"]),
        ("snapshots changed", ["1,002", "0"]),
        ("left: raw rows not held", ["1,004", "0"]),
        ("left: snapshot before not held", ["1,005", "0"]),
        ("of another estimator before", ["1,006", "0"]),
        ("of another estimator after", ["1,007", "0"]),
        ("expiry windows changed", ["1,008", "0"]),
        ("rows of statistics changed", ["1,060", "0"]),
    ]
    assert rows_of(shown)["EU"] == ["min_price", "1,009", "2", "12,345"]
    assert shown.endswith("EU: [some] are left.\n")
    assert "it is held" not in shown
