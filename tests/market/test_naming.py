from __future__ import annotations

import pytest

from ironforge_cli.market.naming import folded, holding, holding_any, meant, nearest

NAMES = {
    9: "Iron Ore",
    2: "Iron Ore",
    3: "Iron Bar",
    4: "Rich Iron Ore Vein",
    5: "Éclair's Ink",
    6: "Silk",
    7: "Silk Bolt",
}


@pytest.mark.parametrize(
    ("word", "items"),
    [
        # An exact name before those that begin with it, with all that bear it.
        ("iron ore", [2, 9]),
        ("  IRON   ore ", [2, 9]),
        ("silk", [6]),
        # One name that begins so, before others that hold it.
        ("rich", [4]),
        ("iron b", [3]),
        ("eclairs", [5]),
        # Several that begin so mean nothing, and none of those that hold it is taken instead.
        ("iron", []),
        # None begins so, and one holds it.
        ("vein", [4]),
        ("ore v", [4]),
        ("or", []),
        ("", []),
        ("'", []),
        ("gold", []),
    ],
)
def test_a_word_means_an_exact_name_or_a_unique_beginning_or_a_unique_part(word: str, items: list[int]) -> None:
    assert meant(word, NAMES) == items


def test_a_unique_beginning_that_ranks_share_means_all_of_them() -> None:
    assert meant("ir", {7: "Iron", 3: "Iron", 1: "Silk"}) == [3, 7]
    assert meant("ro", {7: "Iron", 3: "Iron", 1: "Silk"}) == [3, 7]


def test_nothing_means_nothing_even_where_there_is_one_name_alone() -> None:
    assert meant("", {1: "Silk"}) == meant(" ' ", {1: "Silk"}) == []


def test_names_are_compared_without_case_accents_marks_and_more_than_one_space() -> None:
    assert folded("  Ç\u2019É`S\tx ") == "ces x"
    assert folded("'\"") == ""


def test_a_text_is_looked_for_anywhere_and_nothing_finds_nothing() -> None:
    assert holding("ore", NAMES) == [2, 4, 9]
    assert holding("s i", NAMES) == [5]
    assert holding(" ' ", NAMES) == [5]
    assert holding_any([], NAMES) == set()
    assert holding("", {1: "Silk"}) == holding(" ", {1: "Silk"}) == [1]


def test_what_may_have_been_meant_is_told_shortest_first_and_not_all_of_it() -> None:
    assert nearest("iron", NAMES) == ["Iron Bar", "Iron Ore", "Rich Iron Ore Vein"]
    assert nearest("iron", NAMES, most=1) == ["Iron Bar"]
    assert nearest("iran ore", NAMES) == ["Iron Ore", "Iron Bar"]
    assert nearest("iran ore", NAMES, most=1) == ["Iron Ore"]
    assert len(nearest("x", {number: f"x{number}" for number in range(9)})) == 5
