from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from ironforge_cli.archive.days import ArchivedDays
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from tests.archives import made
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

DAY = DailyPartition(Region.EU, date(2026, 1, 14))
AT = datetime(2026, 1, 15, 3, 4, 5, tzinfo=UTC)


def test_an_archive_is_made_where_it_is_said_and_else_where_the_settings_say(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "not" / "there"
    first = run("archive", "init", str(place))
    assert (first.exit_code, first.stdout) == (0, f"{place} is an archive now.\nIt holds nothing yet.\n")
    again = run("archive", "init", "--format", "json", IRONFORGE_ARCHIVE_URI=str(place))
    (record,) = json.loads(again.stdout)
    assert {**record, "made_at": None} == {
        "archive": str(place),
        "made_at": None,
        "was_made": True,
        "days": {},
        "tables": 0,
    }
    nowhere = run("archive", "init")
    assert nowhere.exit_code == 78
    assert "No archive is named" in nowhere.stderr
    assert run("archive", "init", "ftp://x").exit_code == 78


def test_an_archive_is_listed_and_checked_against_the_database(run: Run, database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    ArchivedDays(FolderStore(folder)).write(DAY, [day_of_rows(DAY, snapshots=3, auctions=4)], archived_at=AT)
    variables = {"IRONFORGE_ARCHIVE_URI": str(folder), "IRONFORGE_DATABASE_URL": database_url}
    for command in ("list", "check"):
        refused = run("archive", command, **variables)
        assert (refused.exit_code, refused.stdout) == (78, "")
        assert "is it mounted" in refused.stderr
    assert "EU: 1 day, 2026-01-14 to 2026-01-14" in run("archive", "init", **variables).stdout
    (listed,) = json.loads(run("archive", "list", "--format", "json", **variables).stdout)
    assert (listed["region"], listed["date"], listed["rows"], listed["message"]) == ("eu", "2026-01-14", 12, None)
    (checked,) = json.loads(run("archive", "check", "--sample", "1", "--format", "json", **variables).stdout)
    assert (checked["verdict"], checked["in_database"]) == ("whole", False)
    (folder / "region=eu" / "date=2026-01-14" / "auctions.parquet").write_bytes(b"")
    ended = run("archive", "check", **variables)
    assert ended.exit_code == 78
    assert "damaged" in ended.stdout
    assert "EU 2026-01-14: " in ended.stderr


def test_a_check_without_a_database_is_no_success(run: Run, tmp_path: Path) -> None:
    away = {"IRONFORGE_DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    ended = run("archive", "check", "--archive", made(tmp_path), **away)
    assert ended.exit_code == 74
    assert ended.stdout == "The archive holds no days.\n"
    assert "No day was compared with the database" in ended.stderr
