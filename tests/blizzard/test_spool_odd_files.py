"""Files of a shelf that are no bodies, or that the disk doesn't give: each is isolated. No server is needed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.spool import Shelves
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.regions import Region
from tests.blizzard.test_spool import HOUR, NOON, keep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves.of(tmp_path)


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _time_without_zone(path: Path) -> None:
    label: dict[str, object] = {
        "region": "eu",
        "snapshot_time": "2026-01-14T12:00:00",
        "digest": "d" * 64,
        "bytes": 1,
        "received_at": "2026-01-14T12:00:00",
        "reason": "",
        "headers": dict[str, str](),
    }
    path.write_text(json.dumps(label) + "\n")


def _nested(path: Path) -> None:
    path.write_text("[" * 60_000)


def _ageless(path: Path) -> None:
    path.write_text("{}")
    os.utime(path, (2**40, 2**40))


@pytest.mark.parametrize(
    ("make", "is_readable"),
    [
        (_folder, False),
        (_pipe, False),
        (_loop, False),
        (_time_without_zone, True),
        (_nested, True),
        (_ageless, True),
    ],
)
def test_one_odd_file_of_a_shelf_is_warned_of_once_and_hinders_no_other(
    shelves: Shelves, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture, *, is_readable: bool
) -> None:
    good = keep(shelves.spool, region=Region.EU)
    odd = good.path.with_name("odd.body")
    make(odd)
    shelves.spool.kept(Region.EU)
    found = shelves.spool.kept(Region.EU)
    assert [(one.path, one.is_readable) for one in found if one.path == odd] == [(odd, is_readable)]
    assert good in found
    assert shelves.spool.newest_time(Region.EU) == good.snapshot_time
    told = [record.message for record in caplog.records if str(odd) in record.message]
    assert len(told) == 1
    assert keep(shelves.spool, region=Region.EU, body=b"more").path.exists()
    shelves.spool.sweep(Region.EU, before=NOON - 1_000_000 * HOUR)
    assert good.path.exists()
    if not is_readable:
        with pytest.raises(ConfigurationError, match="can't be read"):
            shelves.spool.body(next(one for one in found if one.path == odd))
