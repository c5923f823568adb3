"""What crafts are said to cost and earn, against plain sums; and how each unknown is told."""

from __future__ import annotations

import csv
import io
from math import isclose
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from ironforge_cli.cli.app import app
from ironforge_cli.regions import Region
from tests.answers import chain
from tests.answers.test_questions import day_values, per_day

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.answers.conftest import Ask
    from tests.servers import TestServer

KEYS = (
    "region recipe_id faction name profession skill_tier item_id item_name rank output_source quantity batch cost"
    " cost_floor revenue revenue_floor profit profit_per_day_low profit_per_day profit_per_day_high sold_per_day"
    " reasons"
)
# Recipe 1 makes two inks of two ores; 2 is of a new era, with a file's slots of two ranks; 3 has twins; the others
# are each unknown in a way of their own.
RECIPES = """
INSERT INTO recipes (id, faction, name, profession, skill_tier, skill_tier_id, crafted_item_id, data) VALUES
    (1, 'Neutral', 'Ink', 'Inscription', 'Old Inscription', 2500, 11, '{}'),
    (2, 'Neutral', 'Ore Work', 'Alchemy', 'Midnight Alchemy', 2906, NULL, '{}'),
    (3, 'Alliance', 'Banner', 'Tailoring', 'Old Tailoring', 2540, 11, '{}'),
    (3, 'Horde', 'Banner', 'Tailoring', 'Old Tailoring', 2540, 14, '{}'),
    (4, 'Neutral', 'No Slots', 'Alchemy', 'Midnight Alchemy', 2906, NULL, '{}'),
    (5, 'Neutral', 'No Output', 'Alchemy', 'Midnight Alchemy', 2906, NULL, '{}'),
    (6, 'Neutral', 'No Yield', 'Alchemy', 'Midnight Alchemy', 2906, NULL, '{}'),
    (7, 'Neutral', 'Of What Is Gone', 'Inscription', 'Old Inscription', 2500, 11, '{}'),
    (8, 'Neutral', 'Of None', 'Inscription', 'Old Inscription', 2500, 11, '{}'),
    (9, 'Neutral', 'Greaves', 'Tailoring', 'Old Tailoring', 2540, 90, '{}');
INSERT INTO recipe_outputs (recipe_id, faction, item_id, source, detail, rank, quantity) VALUES
    (1, 'Neutral', 11, 'api', '', NULL, 2), (2, 'Neutral', 14, 'file', 'mine', NULL, 5),
    (2, 'Neutral', 11, 'name', '', NULL, NULL), (3, 'Alliance', 11, 'api', '', NULL, 1),
    (3, 'Horde', 14, 'api', '', NULL, 1), (4, 'Neutral', 14, 'name', '', NULL, 1),
    (6, 'Neutral', 14, 'name', '', NULL, NULL), (7, 'Neutral', 11, 'api', '', NULL, 1),
    (8, 'Neutral', 11, 'api', '', NULL, 1), (9, 'Neutral', 90, 'api', '', NULL, 1);
INSERT INTO recipe_slots (recipe_id, faction, slot, item_id, source, detail, rank, quantity, required) VALUES
    (2, 'Neutral', 1, 12, 'file', 'mine', NULL, 3, true), (2, 'Neutral', 1, 13, 'file', 'mine', NULL, 3, true),
    (2, 'Neutral', 2, 16, 'file', 'mine', NULL, 1, false), (6, 'Neutral', 1, 16, 'file', 'mine', NULL, 1, true);
INSERT INTO reagents (recipe_id, faction, item_id, quantity, optional) VALUES
    (1, 'Neutral', 16, 8, false), (3, 'Alliance', 16, 1, false), (3, 'Horde', 16, 1, false),
    (4, 'Neutral', 16, 2, false), (5, 'Neutral', 16, 2, false), (7, 'Neutral', 15, 1, false),
    (8, 'Neutral', 16, 0, false), (9, 'Neutral', 16, 1, false);
INSERT INTO items (id, item_name, is_equippable) VALUES (90, 'Greaves', true);
INSERT INTO recipe_slots (recipe_id, faction, slot, item_id, source) VALUES
    (4, 'Neutral', 1, 12, 'api'), (4, 'Neutral', 1, 13, 'api'), (4, 'Neutral', 2, 16, 'api'),
    (1, 'Neutral', 1, 12, 'api');
"""


def install(connection: Connection) -> None:
    chain.install(connection)
    connection.execute(text(RECIPES))


@pytest.fixture(scope="session")
def crafting(server: TestServer) -> Generator[str]:
    with server.prepared_database("crafted", install) as url:
        yield url


@pytest.fixture
def crafts(ask: Ask, crafting: str, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setenv("IRONFORGE_READ_URL", crafting)

    def asked(*arguments: str, status: int = 0, stdin: str | None = None) -> list[dict[str, Any]]:
        return ask(*arguments, "--region", "eu", "--max-age", "36500d", status=status, stdin=stdin)

    return asked


def bought(item: int, units: int) -> int:
    """The cheapest so many units, one by one."""
    return sum(sorted(price for price, there in chain.levels(Region.EU, item) for _ in range(there))[:units])


def earned(item: int, units: float) -> float:
    """Units at the smaller of the newest price and the usual one, less the cut."""
    usual = median(value for days, value in day_values(Region.EU, item).items() if 1 <= days <= 14)
    return units * min(chain.hours_of(Region.EU, item)[chain.NEWEST].min_price, usual) * 0.95


def row_of(rows: list[dict[str, Any]], recipe: int, faction: str = "Neutral") -> dict[str, Any]:
    (row,) = [one for one in rows if (one["recipe_id"], one["faction"]) == (recipe, faction)]
    return row


def test_a_craft_costs_its_book_and_earns_what_sells(crafts: Ask) -> None:
    row = row_of(crafts("crafts", "--batch", "3"), 1)
    assert list(row) == KEYS.split()
    assert (row["quantity"], row["cost"], row["cost_floor"]) == (6, bought(16, 24), bought(16, 24))
    assert isclose(row["revenue"], earned(11, 6))
    assert isclose(row["profit"], earned(11, 6) - bought(16, 24))
    sold = per_day(Region.EU, 11)
    assert isclose(row["sold_per_day"], sold)
    assert isclose(row["profit_per_day"], row["profit"] / 6 * min(6, sold))
    assert set(row["reasons"]) <= {"thin_market"}


def test_a_files_word_goes_before_a_name_and_the_cheapest_rank_is_taken(crafts: Ask) -> None:
    row = row_of(crafts("crafts"), 2)
    assert (row["item_id"], row["output_source"], row["quantity"]) == (14, "file", 5)
    assert row["cost"] == min(bought(12, 3), bought(13, 3))
    assert row_of(crafts("crafts", "--rank", "2"), 2)["cost"] == bought(13, 3)
    with_optional = row_of(crafts("crafts", "--optional"), 2)
    assert with_optional["cost"] == min(bought(12, 3), bought(13, 3)) + bought(16, 1)
    assert isclose(row_of(crafts("crafts", "--multicraft", "330"), 2)["quantity"], 6.55625)
    saved = row_of(crafts("crafts", "--resourcefulness", "180"), 2)
    assert isclose(saved["cost"], row["cost"] * 0.94)


@pytest.mark.parametrize(
    ("recipe", "reasons"),
    [
        (4, ["slots_unknown"]),
        (5, ["no_output", "slots_unknown"]),
        (6, ["yield_unknown"]),
        (7, ["reagent_unpriced:15"]),
        (8, ["slots_unknown"]),
        (9, ["no_commodity", "output_unpriced"]),
    ],
)
def test_an_unknown_has_its_name_and_leaves_the_ranking(crafts: Ask, recipe: int, reasons: list[str]) -> None:
    every = crafts("crafts", "--all")
    row = row_of(every, recipe)
    assert [one for one in row["reasons"] if one != "thin_market"] == reasons
    assert row["profit"] is None
    assert recipe not in {one["recipe_id"] for one in crafts("crafts")}
    ranked = [bool(set(one["reasons"]) - {"thin_market"}) for one in every]
    assert ranked == sorted(ranked), "what is unknown stands below"


def test_what_is_known_of_an_unknown_is_a_floor(crafts: Ask) -> None:
    every = crafts("crafts", "--all")
    assert (row_of(every, 4)["cost"], row_of(every, 4)["cost_floor"]) == (None, bought(16, 2))
    without_yield = row_of(every, 6)
    assert (without_yield["quantity"], without_yield["revenue"]) == (None, None)
    assert isclose(without_yield["revenue_floor"], earned(14, 1))
    assert row_of(every, 7)["cost_floor"] is None


def test_twins_are_never_mixed(crafts: Ask) -> None:
    every = crafts("crafts", "--all")
    assert row_of(every, 3, "Alliance")["item_id"] == 11
    assert row_of(every, 3, "Horde")["item_id"] == 14


def test_a_stale_snapshot_ranks_nothing(ask: Ask, crafting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRONFORGE_READ_URL", crafting)
    assert ask("crafts", "--region", "eu") == []
    assert all("stale" in row["reasons"] for row in ask("crafts", "--region", "eu", "--all"))


def test_a_selection_holds_what_was_asked_for(crafts: Ask) -> None:
    assert {row["profession"] for row in crafts("crafts", "--all", "--profession", "alchemy")} == {"Alchemy"}
    assert {row["skill_tier"] for row in crafts("crafts", "--all", "--tier", "2540")} == {"Old Tailoring"}
    assert crafts("crafts", "--min-profit", "99999999g") == []
    assert all(row["sold_per_day"] >= 700 for row in crafts("crafts", "--min-sold", "700"))


@pytest.mark.parametrize("words", [["crafts", "--profession", "Juggling"], ["crafts", "--tier", "x"], ["craft", "Nil"]])
def test_what_there_is_not_is_wrong_usage(crafting: str, tmp_path: Path, words: list[str]) -> None:
    variables = {"IRONFORGE_READ_URL": crafting, "IRONFORGE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    ended = CliRunner().invoke(app, words, env=variables)
    assert ended.exit_code == 2
    assert words[-1] in ended.stderr


def test_one_craft_is_named_by_recipe_or_by_what_it_makes(crafts: Ask) -> None:
    assert [row["recipe_id"] for row in crafts("craft", "1")] == [1]
    assert [row["recipe_id"] for row in crafts("craft", "ore work")] == [2]
    assert {row["recipe_id"] for row in crafts("craft", "eclairs ink")} == {1, 3, 7, 8}
    assert {row["item_id"] for row in crafts("craft", "14")} == {14}


def test_programs_get_a_craft_in_full(crafts: Ask, crafting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = crafts("craft", "1", "--batch", "2", "--resourcefulness", "180")
    assert list(row) == [*KEYS.split(), "price", "usual_price", "saved", "depth", "takes", "open_slots"]
    (taken,) = row["takes"]
    assert (taken["item_id"], taken["units"], taken["units_there"]) == (16, 16, 16)
    assert (taken["required"], taken["made"], taken["parts"], taken["recipe_id"]) == (True, False, [], None)
    assert taken["cost"] == taken["bought_cost"] == bought(16, 16)
    assert isclose(row["saved"], 0.06 * bought(16, 16))
    assert isclose(row["revenue"], row["quantity"] * 0.95 * min(row["price"], row["usual_price"]))
    assert (row["depth"], row["open_slots"]) == (1, [])
    (unknown,) = crafts("craft", "4")
    assert unknown["open_slots"] == [{"slot": 1, "item_ids": [12, 13]}]
    monkeypatch.setenv("IRONFORGE_READ_URL", crafting)
    words = ["craft", "4", "--region", "eu", "--format", "csv", "--max-age", "36500d"]
    (flat,) = csv.DictReader(io.StringIO(CliRunner().invoke(app, words).stdout))
    assert (flat["takes"], flat["open_slots"]) == ("1", "1")


def test_each_figure_of_a_craft_is_explained_to_its_end(crafts: Ask) -> None:
    for recipe in range(1, 10):
        rows = [row for row in crafts("crafts", "--all") if row["recipe_id"] == recipe]
        explained = crafts("explain", str(recipe), "--recipe")
        assert len(explained) == 5 * len(rows)
        for one in explained:
            key = one["recipe_id"], one["faction"], one["item_id"]
            (row,) = [row for row in rows if (row["recipe_id"], row["faction"], row["item_id"]) == key]
            assert one["value"] == one["steps"][-1]["value"] == row[one["figure"]]
    (cost,) = crafts("explain", "2", "--figure", "cost")
    assert [step["value"] for step in cost["steps"]] == [min(bought(12, 3), bought(13, 3))] * 2
    (made,) = crafts("explain", "1", "--figure", "revenue")
    price, usual, smaller, units, revenue = (step["value"] for step in made["steps"])
    assert smaller == min(price, usual)
    assert isclose(revenue, units * smaller * 0.95)


def test_figures_of_crafts_and_of_items_are_not_mixed(crafting: str, tmp_path: Path) -> None:
    variables = {"IRONFORGE_READ_URL": crafting, "IRONFORGE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    for words in (["1", "--recipe", "--figure", "min_price"], ["1", "--recipe", "--at", "yesterday"]):
        assert CliRunner().invoke(app, ["explain", *words], env=variables).exit_code == 2
    shown = CliRunner().invoke(app, ["explain", "5", "--recipe", "--region", "eu"], env=variables)
    assert "no known item, recipe 5" in shown.stdout
    assert "Not known: slots_unknown" in shown.stdout


def test_a_name_of_nothing_is_said_once_with_those_near_it(crafting: str, tmp_path: Path) -> None:
    variables = {"IRONFORGE_READ_URL": crafting, "IRONFORGE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    ended = CliRunner().invoke(app, ["craft", "Bannre"], env=variables)
    assert ended.exit_code == 2
    assert ended.stderr.count("Bannre") == 1
    assert "Near it: Banner" in ended.stderr


def test_slots_that_nobody_fills_are_named_where_they_are_missing(crafting: str, tmp_path: Path) -> None:
    variables = {"IRONFORGE_READ_URL": crafting, "IRONFORGE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    shown = CliRunner().invoke(app, ["craft", "4", "--region", "eu"], env=variables).stdout
    assert "Slot 1 fits" in shown
    assert "(12)" in shown
    assert "(13)" in shown
    assert "Slot 2" not in shown, "what it fits is among what the recipe is known to take"
    known = CliRunner().invoke(app, ["craft", "1", "--region", "eu"], env=variables).stdout
    assert "Slot" not in known, "of this recipe everything is known"


def test_a_shopping_list_holds_what_the_tree_buys(crafts: Ask) -> None:
    (row,) = crafts("craft", "1", "--batch", "2", "--buy")
    assert (row["item_id"], row["units"], row["cost"]) == (16, 16, bought(16, 16))
    assert row["dearest"] == max(sorted(p for p, n in chain.levels(Region.EU, 16) for _ in range(n))[:16])


@pytest.mark.usefixtures("crafts")
def test_people_see_where_each_copper_comes_from(crafting: str) -> None:
    shown = CliRunner().invoke(app, ["craft", "2", "--region", "eu"], env={"IRONFORGE_READ_URL": crafting})
    assert shown.exit_code == 0
    for words in ("Ore Work (2) of Alchemy", "Draconium Ore (14)", "as file says", "Cost:", "Profit a day:", "stale"):
        assert words in shown.stdout


@pytest.mark.usefixtures("crafts")
def test_reasons_are_one_value_in_csv(crafting: str) -> None:
    words = ["crafts", "--all", "--region", "eu", "--format", "csv", "--max-age", "36500d"]
    ended = CliRunner().invoke(app, words, env={"IRONFORGE_READ_URL": crafting})
    rows = list(csv.DictReader(io.StringIO(ended.stdout)))
    assert (
        row_of([{**row, "recipe_id": int(row["recipe_id"])} for row in rows], 5)["reasons"] == "no_output;slots_unknown"
    )
