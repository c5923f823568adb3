from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.models import SEEDER_TYPES
from ironforge_cli.db.repositories import seeders
from ironforge_cli.db.repositories.seeders import SeederState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

OLD, NOW, NEW = "11.2.7_64632", "12.0.1_65617", "12.0.5_66000"


def state(
    *, completed: bool, build: str | None = NOW, locale: str | None = "en_US", newer_build: str | None = None
) -> SeederState:
    return SeederState(
        "recipe", completed=completed, completed_at=None, build=build, locale=locale, newer_build=newer_build
    )


@pytest.mark.parametrize(
    ("held", "build", "locale", "is_current"),
    [
        (state(completed=True), NOW, "en_US", True),
        (state(completed=False), NOW, "en_US", False),
        (state(completed=True), NOW, "de_DE", False),
        (state(completed=True), NEW, "en_US", False),
        # A server that has not heard of the newest patch yet, or names no build, is no news.
        (state(completed=True), OLD, "en_US", True),
        (state(completed=True), None, "en_US", True),
        (state(completed=True), None, "de_DE", False),
        (state(completed=True, build=None), NOW, "en_US", False),
    ],
)
def test_a_seeder_is_current_for_its_locale_and_builds_that_are_no_newer(
    held: SeederState, build: str | None, locale: str, *, is_current: bool
) -> None:
    assert held.is_current(build=build, locale=locale) is is_current


def states(connection: Connection) -> dict[str, tuple[bool, str | None, str | None, str | None]]:
    """Of each seeder whether it is complete, for which build and locale, and what is newer."""
    return {
        name: (one.completed, one.build, one.locale, one.newer_build)
        for name, one in seeders.seeder_states(connection).items()
    }


NEVER = (False, None, None, None)


def test_what_never_ran_is_told_in_the_order_in_which_it_would(shared: Database) -> None:
    with shared.connect() as connection:
        assert list(states(connection)) == list(SEEDER_TYPES)
        assert set(states(connection).values()) == {NEVER}
        seeders.see_build(connection, None)
        assert connection.execute(text("SELECT count(*) FROM seeder_status")).scalar_one() == 0
        seeders.reopen(connection, "item")
        assert list(states(connection)) == list(SEEDER_TYPES)
        assert set(states(connection).values()) == {NEVER}


def test_what_is_complete_is_so_until_a_newer_build_is_seen(shared: Database) -> None:
    with shared.connect() as connection:
        seeders.complete(connection, "item", build=NOW, locale="en_US")
        assert states(connection)["item"] == (True, NOW, "en_US", None)
        assert states(connection)["recipe"] == NEVER
        for build in (None, OLD, NOW):
            seeders.see_build(connection, build)
            assert states(connection)["item"] == (True, NOW, "en_US", None)
        seeders.see_build(connection, NEW)
        assert states(connection)["item"] == (False, NOW, "en_US", NEW)
        # What was never complete lacks no newer build.
        assert states(connection)["recipe"] == NEVER
        # What was seen stays seen, though another server has not heard of it yet.
        seeders.see_build(connection, OLD)
        assert states(connection)["item"] == (False, NOW, "en_US", NEW)


def test_an_older_build_than_was_seen_is_not_enough(shared: Database) -> None:
    with shared.connect() as connection:
        seeders.see_build(connection, NEW)
        seeders.complete(connection, "recipe", build=NOW, locale="de_DE")
        assert states(connection)["recipe"] == (False, NOW, "de_DE", NEW)
        seeders.complete(connection, "recipe", build=NEW, locale="en_US")
        assert states(connection)["recipe"] == (True, NEW, "en_US", None)


def test_what_is_open_again_remembers_when_it_was_complete(shared: Database) -> None:
    with shared.connect() as connection:
        seeders.complete(connection, "recipe", build=NOW, locale="en_US")
        seeders.complete(connection, "reagent", build=NOW, locale="en_US")
        done = seeders.seeder_states(connection)
        assert done["recipe"].completed_at is not None
        assert done["item"].completed_at is None
        seeders.reopen(connection, "recipe")
        again = seeders.seeder_states(connection)
        assert (again["recipe"].completed, again["reagent"].completed) == (False, True)
        assert again["recipe"].completed_at == done["recipe"].completed_at


def test_every_change_is_dated(shared: Database) -> None:
    with shared.connect() as connection:
        seeders.see_build(connection, NOW)
        connection.execute(text("UPDATE seeder_status SET updated_at = '2020-01-01', created_at = '2020-01-01'"))
        seeders.see_build(connection, NOW)
        seeders.reopen(connection, "recipe")
        query = text("SELECT seeder_type FROM seeder_status WHERE updated_at > '2020-01-02'")
        assert connection.execute(query).scalars().all() == ["recipe"]
