"""What is believed of lists and answers: how many may be missing, what is deleted, and when others are not tried."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import seeders
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.catalogue.work import SeedOutcome, Trial
from ironforge_cli.values import replace
from tests.jobs.listed_source import BUILD, ListedSource, seeded
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.catalogue.work import SeededPart
    from tests.clocks import TickingClock

NEWER = "12.0.5_66000"


@pytest.fixture
def recipes(database: Database, clock: TickingClock) -> Callable[..., SeededPart]:
    """Seed recipes from what a test lists."""

    def run(source: ListedSource, **trial: Any) -> SeededPart:
        return seeded("recipes", source, database=database, clock=clock, trial=Trial(**trial))

    return run


@pytest.fixture
def items(database: Database, clock: TickingClock) -> Callable[..., SeededPart]:
    """Seed items from what a test lists."""

    def run(source: ListedSource, **trial: Any) -> SeededPart:
        return seeded("items", source, database=database, clock=clock, trial=Trial(**trial))

    return run


def held(database: Database) -> dict[str, list[int]]:
    """The stored recipes by profession."""
    found: dict[str, list[int]] = {}
    with database.connect() as connection:
        for profession, number in connection.execute(text("SELECT profession, id FROM recipes ORDER BY id")):
            found.setdefault(profession, []).append(number)
    return found


def listing(number: int) -> dict[int, range]:
    return {1: range(1, number + 1)}


# Recipes


@pytest.mark.parametrize(("listed", "most"), [(40, 5), (110, 11)])
def test_a_few_recipes_may_make_no_sense_or_a_tenth(
    recipes: Callable[..., SeededPart], database: Database, listed: int, most: int
) -> None:
    # What another profession lists is stored all the same.
    beside = {**listing(listed), 2: [999]}
    many = recipes(ListedSource(beside, refused=range(1, most + 2)))
    assert (many.status, many.outcome) == (ExitStatus.PARTIAL, SeedOutcome.INCOMPLETE)
    assert held(database) == {"P2": [999]}
    assert f"{most + 1} of {listed} recipes make no sense" in (many.message or "")
    few = recipes(ListedSource(beside, refused=range(1, most + 1)))
    assert (few.status, few.outcome) == (ExitStatus.DONE, SeedOutcome.COMPLETED)
    assert few.skipped == {"malformed": most}
    assert held(database) == {"P1": list(range(most + 1, listed + 1)), "P2": [999]}


@pytest.mark.parametrize(("listed", "most"), [(30, 20), (50, 25)])
def test_some_recipes_may_not_be_shown_or_half(
    recipes: Callable[..., SeededPart], database: Database, listed: int, most: int
) -> None:
    many = recipes(ListedSource(listing(listed), gone=[1], forbidden=range(2, most + 2)))
    assert (many.status, held(database)) == (ExitStatus.UNAVAILABLE, {})
    few = recipes(ListedSource(listing(listed), gone=[1], forbidden=range(2, most + 1)))
    assert (few.status, few.skipped) == (ExitStatus.DONE, {"404": 1, "403": most - 1})
    assert held(database) == {"P1": list(range(most + 1, listed + 1))}
    # What was not shown is asked for again when somebody insists, or of another build, and not before.
    again = ListedSource(listing(listed), build=NEWER, build_of_recipes=NEWER)
    recipes(again)
    assert sorted(again.asked) == list(range(1, listed + 1))


def test_what_was_not_shown_is_not_asked_for_again_until_somebody_insists(
    recipes: Callable[..., SeededPart],
) -> None:
    source = ListedSource({1: range(1, 31), 2: [99], 3: [97]}, gone=[1, 2, 97], away=[2])
    assert recipes(source).outcome is SeedOutcome.INCOMPLETE
    again = ListedSource(source.professions_of)
    assert recipes(again).skipped == {"404": 2}
    # But for what is of a profession of which nothing was shown: that may have had another reason.
    assert sorted(again.asked) == [*range(3, 31), 97, 99]
    assert again.forgotten == 0
    anew = ListedSource(source.professions_of)
    assert recipes(anew, force=True).skipped == {}
    assert sorted(anew.asked) == [*range(1, 31), 97, 99]
    assert anew.forgotten == 1


def test_three_professions_in_a_row_that_are_unavailable_leave_the_others_untried(
    recipes: Callable[..., SeededPart], database: Database
) -> None:
    five, six = ({number: [number] for number in range(1, most + 1)} for most in (5, 6))
    part = recipes(ListedSource(five, away=[1, 2, 3]))
    assert (part.status, part.outcome, held(database)) == (ExitStatus.UNAVAILABLE, SeedOutcome.FAILED, {})
    assert (part.message or "").count("was not tried") == 2
    # Two are no reason, nor is a third after another that was well.
    part = recipes(ListedSource(six, away=[1, 2, 4, 5]))
    assert (part.status, part.outcome) == (ExitStatus.PARTIAL, SeedOutcome.INCOMPLETE)
    assert held(database) == {"P3": [3], "P6": [6]}


def test_a_recipe_belongs_to_the_first_profession_that_lists_it(
    recipes: Callable[..., SeededPart], database: Database
) -> None:
    twice = {3: [1, 2, 3], 1: [2, 4]}
    limited = recipes(ListedSource(twice), limit=3)
    assert (limited.outcome, held(database)) == (SeedOutcome.LIMITED, {"P1": [2, 4], "P3": [1]})
    recipes(ListedSource(twice))
    assert held(database) == {"P1": [2, 4], "P3": [1, 3]}


@pytest.mark.parametrize(("stored", "few"), [(30, 10), (120, 12)])
def test_a_few_recipes_that_no_list_names_any_more_are_deleted_or_a_tenth(
    recipes: Callable[..., SeededPart], database: Database, stored: int, few: int
) -> None:
    whole = ListedSource(listing(stored))
    recipes(whole)

    def lacking(number: int, build: str, **otherwise: Any) -> ListedSource:
        listed = {**listing(stored - number), 2: list[int]()}
        return replace(whole, professions_of=listed, build=build, build_of_recipes=build, **otherwise)

    # A list that is not whole says nothing of what it lacks.
    for number, build in ((few, "12.0.2_66000"), (few + 1, "12.0.2_66001")):
        unsaid = recipes(lacking(number, build, without_tier=[2]))
        assert (unsaid.changes.deleted, unsaid.message) == (0, None)
        assert unsaid.skipped == {"skill tier not shown": 1}
    many = recipes(lacking(few + 1, "12.0.3_66002"))
    assert f"{few + 1} stored recipes are not listed any more" in (many.message or "")
    assert held(database) == {"P1": list(range(1, stored + 1))}
    # Nor does one of which only a part was asked for.
    assert recipes(lacking(few, "12.0.4_66003"), profession="P1").changes.deleted == 0
    assert recipes(lacking(few, "12.0.4_66003")).changes.deleted == few
    assert held(database) == {"P1": list(range(1, stored - few + 1))}
    assert recipes(lacking(stored - 1, "12.0.4_66003"), force=True).changes.deleted == stored - few - 1


def test_what_no_list_names_and_blizzard_still_shows_stays_and_the_lists_are_what_is_wrong(
    recipes: Callable[..., SeededPart], database: Database
) -> None:
    recipes(ListedSource({1: range(1, 31), 2: range(31, 40)}))
    # An answer without its categories, an index without a profession, a tier that is not shown: all look like this.
    lists: list[dict[int, Any]] = [{1: range(1, 31), 2: []}, {1: range(1, 31)}, {1: range(1, 26), 2: range(31, 40)}]
    for number, listed in enumerate(lists):
        build = f"12.0.{number + 2}_66000"
        lacking = ListedSource(listed, build=build, build_of_recipes=build, unlisted=range(1, 40))
        part = recipes(lacking)
        assert (part.outcome, part.status) == (SeedOutcome.INCOMPLETE, ExitStatus.PARTIAL)
        assert (part.changes.deleted, lacking.forgotten) == (0, 1)
        assert "lists are wrong, and nothing was deleted" in (part.message or "")
        assert held(database) == {"P1": list(range(1, 31)), "P2": list(range(31, 40))}
        with database.connect() as connection:
            assert not seeders.seeder_states(connection)["recipe"].completed
    whole = ListedSource({1: range(1, 31), 2: range(31, 40)}, build="12.0.9_66000", build_of_recipes="12.0.9_66000")
    assert recipes(whole).outcome is SeedOutcome.COMPLETED


def test_one_unlisted_recipe_that_is_shown_keeps_those_that_are_not(
    recipes: Callable[..., SeededPart], database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    recipes(ListedSource(listing(30)))
    part = recipes(ListedSource(listing(25), unlisted=[29]), force=True)
    assert part.outcome is SeedOutcome.INCOMPLETE
    for said in (part.message or "", caplog.text):
        assert "still shows 1 of the 5 that were asked for, such as 29 R29 (P1, A tier)" in said
    assert held(database) == {"P1": list(range(1, 31))}


def test_recipes_that_are_missing_in_masses_are_asked_for_in_part_and_what_is_shown_tells_of_the_lists(
    recipes: Callable[..., SeededPart],
) -> None:
    recipes(ListedSource(listing(300)))
    lacking = ListedSource(listing(100), build=NEWER, build_of_recipes=NEWER, unlisted=range(101, 301))
    part = recipes(lacking)
    assert (part.outcome, part.changes.deleted) == (SeedOutcome.INCOMPLETE, 0)
    assert len([number for number in lacking.asked if number > 100]) == 50


def test_nothing_is_taken_for_gone_while_what_is_listed_is_not_shown_either(
    recipes: Callable[..., SeededPart], database: Database
) -> None:
    recipes(ListedSource(listing(30)))
    away = ListedSource(listing(28), gone_when_asked_again=True)
    part = recipes(away, force=True)
    assert (part.outcome, part.changes.deleted) == (SeedOutcome.INCOMPLETE, 0)
    assert "none is taken for gone" in (part.message or "")
    assert held(database) == {"P1": list(range(1, 31))}


def test_a_tier_that_lists_nothing_is_asked_for_once_more(
    recipes: Callable[..., SeededPart], database: Database
) -> None:
    once, twice = [False], [False, True]
    # Where a part was asked for, nothing is concluded from what it lacks.
    some = ListedSource({1: range(1, 4), 3: [7]}, empty_once={1}, untiered_once={3})
    assert recipes(some, limit=99).outcome is SeedOutcome.LIMITED
    assert some.lists == {(1, ""): once, (1, "A"): once, (3, ""): once}
    every = ListedSource({1: range(1, 4), 2: [9], 3: [7], 4: [8]}, empty_once={1}, untiered_once={3}, untiered=[4])
    assert recipes(every).outcome is SeedOutcome.COMPLETED
    assert held(database) == {"P1": [1, 2, 3], "P2": [9], "P3": [7]}
    # Tiers of professions, and what those list.
    assert {asked for asked, anew in every.lists.items() if anew == twice} == {(1, "A"), (3, ""), (4, "")}
    assert {asked for asked, anew in every.lists.items() if anew == once} == {(1, ""), (2, ""), (2, "A"), (3, "A")}


@pytest.mark.parametrize(("answers", "left"), [([[7, 8], [7], [7, 8]], [7, 8]), ([[7, 8], [7], [7]], [7])])
def test_a_recipe_that_lacks_what_it_took_is_asked_for_once_more(
    recipes: Callable[..., SeededPart],
    database: Database,
    clock: TickingClock,
    answers: list[list[int]],
    left: list[int],
) -> None:
    takes = ListedSource(listing(3), takes={2: answers})
    recipes(takes)
    seeded("reagents", takes, database=database, clock=clock)
    recipes(takes, force=True)
    seeded("reagents", takes, database=database, clock=clock)
    with database.connect() as connection:
        assert list(connection.execute(text("SELECT item_id FROM reagents ORDER BY 1")).scalars()) == left
    assert takes.asked.count(2) == 3


def test_what_changes_opens_what_comes_after_it_and_what_does_not_leaves_it(
    recipes: Callable[..., SeededPart], database: Database
) -> None:
    def are_complete() -> list[bool]:
        with database.connect() as connection:
            states = seeders.seeder_states(connection)
        return [states[seeder].completed for seeder in ("reagent", "output")]

    def complete() -> None:
        with database.transaction() as connection:
            for seeder in ("reagent", "output"):
                seeders.complete(connection, seeder, build=NEWER, locale="en_US")

    complete()
    assert recipes(ListedSource(listing(3))).changes.inserted == 3
    assert are_complete() == [False, False]
    complete()
    assert not recipes(ListedSource(listing(3)), force=True).changes.any
    assert are_complete() == [True, True]
    assert recipes(ListedSource(listing(2)), force=True).changes.deleted == 1
    # What is made is computed whole each time.
    assert are_complete() == [False, True]


def test_a_build_that_comes_up_meanwhile_is_what_the_next_run_is_for(
    recipes: Callable[..., SeededPart], database: Database
) -> None:
    assert recipes(ListedSource(listing(2), build_of_recipes=NEWER)).build == BUILD
    with database.connect() as connection:
        state = seeders.seeder_states(connection)["recipe"]
    assert (state.completed, state.build, state.newer_build) == (False, BUILD, NEWER)
    recipes(ListedSource(listing(2), build=NEWER, build_of_recipes=BUILD))
    with database.connect() as connection:
        state = seeders.seeder_states(connection)["recipe"]
    assert (state.completed, state.build, state.newer_build) == (True, NEWER, None)
    again = ListedSource(listing(2), build=NEWER)
    found = recipes(again)
    assert (found.outcome, found.rows, again.asked) == (SeedOutcome.CURRENT, 2, [])


# Items


def want(database: Database, *numbers: int) -> None:
    """Let items have been in a snapshot."""
    with database.transaction() as connection:
        make_months(connection, datetime(2026, 1, 14, tzinfo=UTC), datetime.now(tz=UTC))
        connection.execute(
            text(
                "INSERT INTO eu_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions)"
                " SELECT unnest(CAST(:numbers AS int[])), '2026-01-14', 1, 1"
            ),
            {"numbers": list(numbers)},
        )


def known(database: Database) -> list[int]:
    with database.connect() as connection:
        return list(connection.execute(text("SELECT id FROM items ORDER BY id")).scalars())


@pytest.mark.parametrize(("wanted", "is_searched"), [(50, False), (51, True)])
def test_few_items_are_asked_for_one_by_one_and_many_by_the_search(
    items: Callable[..., SeededPart], database: Database, wanted: int, *, is_searched: bool
) -> None:
    want(database, *range(1, wanted + 1))
    source = ListedSource(found=range(1, 60))
    part = items(source)
    assert (part.status, part.rows, part.changes.inserted) == (ExitStatus.DONE, wanted, wanted)
    assert known(database) == list(range(1, wanted + 1))
    assert (source.searched, len(source.asked)) == (([0], 0) if is_searched else ([], wanted))
    assert items(ListedSource()).outcome is SeedOutcome.CURRENT


def test_fewer_than_twenty_items_may_all_be_gone_and_twenty_can_not(
    items: Callable[..., SeededPart], database: Database
) -> None:
    want(database, *range(1, 21))
    source = ListedSource(gone=range(1, 100))
    assert items(source).status is ExitStatus.UNAVAILABLE
    assert items(source, limit=19).skipped == {"404": 19}
    # Those that left the game are not asked for again.
    again = ListedSource()
    assert items(again).outcome is SeedOutcome.COMPLETED
    assert again.asked == [20]


@pytest.mark.parametrize("refused", [[7], range(1, 99)])
def test_twenty_items_of_which_none_makes_sense_are_refused(
    items: Callable[..., SeededPart], database: Database, refused: list[int]
) -> None:
    want(database, *range(1, 21))
    part = items(ListedSource(refused=refused, gone=range(1, 100)))
    assert part.status is ExitStatus.REFUSED
    assert "7 makes no sense" in (part.message or "") or "1 makes no sense" in (part.message or "")


def test_twenty_items_may_make_no_sense_beside_one_that_does(
    items: Callable[..., SeededPart], database: Database
) -> None:
    want(database, *range(1, 23))
    many = items(ListedSource(refused=range(1, 22)))
    assert (many.status, known(database)) == (ExitStatus.REFUSED, [])
    few = items(ListedSource(refused=range(1, 21)))
    assert (few.status, few.skipped, known(database)) == (ExitStatus.DONE, {"malformed": 20}, [21, 22])


def test_items_are_taken_for_gone_where_one_that_the_search_shows_is_shown_alone(
    items: Callable[..., SeededPart], database: Database
) -> None:
    want(database, *range(1, 61))
    missed = range(31, 61)
    # All are not there, also the one that the search has shown.
    untrusted = items(ListedSource(found=range(1, 31), gone=range(1, 61)))
    assert untrusted.status is ExitStatus.UNAVAILABLE
    with database.transaction() as connection:
        connection.execute(text("DELETE FROM items"))
    # A single one that is forbidden is no item that left the game.
    assert (
        items(ListedSource(found=range(1, 31), gone=missed[1:], forbidden=missed[:1])).status is ExitStatus.UNAVAILABLE
    )
    with database.transaction() as connection:
        connection.execute(text("DELETE FROM items"))
    source = ListedSource(found=range(1, 31), gone=missed)
    assert items(source).skipped == {"404": 30}
    assert sorted(source.asked) == [1, *missed]


def test_forbidden_items_are_asked_for_again_and_gone_ones_by_force(
    items: Callable[..., SeededPart], database: Database
) -> None:
    want(database, 1, 2, 3)
    assert items(ListedSource(gone=[1], forbidden=[2])).skipped == {"404": 1, "403": 1}
    again = ListedSource()
    items(again)
    assert again.asked == [2]
    anew = ListedSource()
    assert items(anew, force=True).rows == 3
    assert sorted(anew.asked) == [1, 2, 3]


def test_an_item_that_left_the_game_is_asked_for_again_of_the_next_build(
    items: Callable[..., SeededPart], database: Database
) -> None:
    want(database, 1, 2)
    assert items(ListedSource(gone=[1])).skipped == {"404": 1}
    assert items(ListedSource()).outcome is SeedOutcome.CURRENT
    patched = ListedSource(build=NEWER)
    assert items(patched).outcome is SeedOutcome.COMPLETED
    assert sorted(patched.asked) == [1, 2]
    assert known(database) == [1, 2]


@pytest.mark.parametrize("table", ["eu_commodity_price_stats", "us_commodity_price_stats"])
def test_an_item_that_left_the_game_is_asked_for_again_when_a_later_snapshot_has_it(
    items: Callable[..., SeededPart], database: Database, table: str
) -> None:
    want(database, 1, 2)
    items(ListedSource(gone=[1]))
    with database.transaction() as connection:
        connection.execute(
            text(f"INSERT INTO {table} (item_id, timestamp, total_quantity, num_auctions) VALUES (1, now(), 1, 1)")
        )
    # Until it is there, every later snapshot that has it is a reason.
    still = ListedSource(gone=[1])
    assert (items(still).skipped, still.asked) == ({"404": 1}, [1])
    assert items(ListedSource()).outcome is SeedOutcome.CURRENT
    with database.transaction() as connection:
        connection.execute(text("UPDATE not_shown SET asked_at = now() - interval '1 hour'"))
    again = ListedSource()
    items(again)
    assert (again.asked, known(database)) == ([1], [1, 2])


def test_twenty_items_that_are_still_traded_may_be_gone_where_a_known_one_is_shown(
    items: Callable[..., SeededPart], database: Database
) -> None:
    want(database, *range(1, 31))
    assert items(ListedSource(gone=range(1, 26))).skipped == {"404": 25}
    with database.transaction() as connection:
        connection.execute(text("UPDATE not_shown SET asked_at = '2026-01-01'"))
    again = items(ListedSource(gone=range(1, 26)))
    assert (again.status, again.skipped) == (ExitStatus.DONE, {"404": 25})
