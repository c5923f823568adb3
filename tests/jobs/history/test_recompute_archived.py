"""Statistics computed again from the archive: they equal those from the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.archive.days import DATA, ArchivedDays
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.history.recomputed import RecomputeOutcome
from ironforge_cli.regions import Region
from tests.jobs import stored
from tests.jobs.chains import Chain, every_three_hours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.market.rows import RawRows
    from tests.clocks import TickingClock

ARCHIVED = range(32)
"""The snapshots of the first four days."""


@pytest.fixture
def chain(storage: Storage, clock: TickingClock) -> Chain:
    """Six days of snapshots, one every three hours, stored for EU."""
    chain = Chain(storage, clock, every_three_hours())
    chain.store(Region.EU)
    return chain


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("windows", [False, True])
def test_what_is_archived_is_computed_as_if_it_were_in_the_table(
    chain: Chain, tmp_path: Path, workers: int, *, windows: bool
) -> None:
    auctions, *right = chain.everything(Region.EU)
    if windows:
        # Archived with windows that are wrong: the chain from the region's first snapshot on needs none of them.
        chain.spoil(Region.EU, figures=False)
    archive = chain.archive(tmp_path, Region.EU, *ARCHIVED)
    chain.spoil(Region.EU, windows=False)
    (eu,) = chain.recompute(Region.EU, archive=archive, workers=workers).regions
    found, *recomputed = chain.everything(Region.EU)
    assert recomputed == right
    assert found == [row for row in auctions if row[0] > chain.time(ARCHIVED[-1])]
    assert (eu.snapshots, eu.without_rows, eu.without_previous, eu.still_outdated) == (48, 0, 0, 0)


def test_a_range_is_run_in_over_archived_days(chain: Chain, tmp_path: Path) -> None:
    auctions, statistics, *_ = chain.everything(Region.EU)
    chain.spoil(Region.EU)
    archive = chain.archive(tmp_path, Region.EU, *ARCHIVED)
    chain.recompute(Region.EU, archive=archive, since=30)
    found, recomputed, *_ = chain.everything(Region.EU)
    first = chain.time(30)
    assert [row for row in recomputed if row[1] >= first] == [row for row in statistics if row[1] >= first]
    assert found == [row for row in auctions if row[0] > chain.time(ARCHIVED[-1])]


def test_without_the_archive_its_days_are_left(chain: Chain, tmp_path: Path) -> None:
    chain.archive(tmp_path, Region.EU, *ARCHIVED)
    (eu,) = chain.recompute(
        Region.EU, archive=ArchivedDays(store=chain.archive(tmp_path / "none", Region.EU).store)
    ).regions
    assert (eu.without_rows, eu.without_previous) == (len(ARCHIVED), 1)


def test_of_a_day_in_both_the_table_counts(chain: Chain, tmp_path: Path) -> None:
    right = chain.everything(Region.EU)
    chain.spoil(Region.EU, figures=False)
    archive = chain.archive(tmp_path, Region.EU)
    for number in ARCHIVED:
        archive = chain.archive(tmp_path, Region.EU, number) if number % 2 else archive
    (eu,) = chain.recompute(Region.EU, archive=archive).regions
    _, *recomputed = chain.everything(Region.EU)
    assert recomputed == list(right[1:])
    assert eu.snapshots == 48
    left = {row[0] for row in stored.auctions(chain.database, Region.EU)}
    assert left == {chain.time(number) for number in range(48) if number not in ARCHIVED or number % 2 == 0}
    assert [row for row in right[0] if row[0] in left] == stored.auctions(chain.database, Region.EU)


def test_a_days_file_is_read_once_where_it_fits_into_memory(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = chain.archive(tmp_path, Region.EU, *ARCHIVED)
    read: list[str] = []
    pieces = ArchivedDays.pieces

    def counted(days: ArchivedDays, partition: object, **options: object) -> Iterator[RawRows]:
        read.append(str(partition))
        return pieces(days, partition, **options)  # pyright: ignore[reportArgumentType] - as it was called

    monkeypatch.setattr(ArchivedDays, "pieces", counted)
    chain.recompute(Region.EU, archive=archive)
    assert len(read) == len(set(read)) == 4


def test_a_damaged_archive_is_told_and_what_was_done_before_stays(chain: Chain, tmp_path: Path) -> None:
    right = stored.statistics(chain.database, Region.EU)
    chain.spoil(Region.EU, windows=False)
    archive = chain.archive(tmp_path, Region.EU, *ARCHIVED)
    broken = sorted(tmp_path.rglob(DATA))[2]
    broken.write_bytes(broken.read_bytes()[:-100])
    (eu,) = chain.recompute(Region.EU, archive=archive).regions
    assert (eu.outcome, eu.status) == (RecomputeOutcome.FAILED, ExitStatus.CONFIGURATION)
    assert broken.parent.name in (eu.message or "")
    done = stored.statistics(chain.database, Region.EU)
    begins = chain.time(16).replace(hour=0, minute=0, second=0)
    assert 10 < eu.snapshots < 20
    assert [row for row in done if row[1] < begins] == [row for row in right if row[1] < begins]
