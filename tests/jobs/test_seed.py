from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.seeding import SeedOutcome
from tests.jobs import crafts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.jobs.seeders import Seeder

COMPLETED = [SeedOutcome.COMPLETED] * 3
CURRENT = [SeedOutcome.CURRENT] * 3


def test_everything_is_stored_as_the_catalogue_has_it(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    seeded = seeder()
    assert seeded.status is ExitStatus.DONE
    assert [part.outcome for part in seeded.parts] == COMPLETED
    assert crafts.held(seeder.database) == crafts.expected(seeder.sandbox.catalogue)


def test_a_second_run_asks_for_the_index_alone(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    seeder()
    seeder.sandbox.forget_requests()
    seeded = seeder()
    assert [part.outcome for part in seeded.parts] == CURRENT
    assert seeder.asked() == ["/eu/data/wow/profession/index"]
