"""What all questions share: words of stdin, and the order of rows."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pytest

from ironforge_cli.cli.frame import asking
from ironforge_cli.cli.frame.asking import ordered, words_of
from ironforge_cli.errors import UsageError


@dataclass
class Row:
    """A row with a key that has no order."""

    region: str
    item_id: int | None
    rank: int | None
    sold: int | None
    steps: tuple[dict[str, int], ...]


ROWS = [
    {"region": region, "item_id": item, "rank": rank, "sold": sold, "steps": [{"a": item or 0}]}
    for region, item, rank, sold in [
        *[("eu", 9, None, 5), ("eu", 7, 2, 1), ("eu", 8, 1, 5), ("eu", None, 1, None)],
        *[("us", 7, 2, 5), ("us", 3, None, None), ("us", 2, 3, 1)],
    ]
]


def numbers(sort: str) -> list[tuple[str, int | None]]:
    return [(row["region"], row["item_id"]) for row in ordered(ROWS, sort, Row)]


def test_rows_of_equal_value_are_ordered_by_item_and_unknown_ones_last() -> None:
    tied = [("us", 7), ("eu", 8), ("eu", 9)]
    assert numbers("sold") == [("us", 2), ("eu", 7), *tied, ("us", 3), ("eu", None)]
    assert numbers("-sold") == [*tied, ("us", 2), ("eu", 7), ("us", 3), ("eu", None)]


def test_rows_are_ordered_by_several_keys_each_its_own_way() -> None:
    by_two = [("us", 7), ("us", 2), ("us", 3), ("eu", 8), ("eu", 9), ("eu", 7), ("eu", None)]
    assert numbers("-region,-sold") == numbers(" -REGION , -sold,") == by_two
    assert numbers("sold,-item_id")[:2] == [("eu", 7), ("us", 2)]


@pytest.mark.parametrize(
    ("sort", "said"),
    [
        ("steps", "'steps' has no order: give one of region, item_id, rank, sold"),
        ("sold,gold", "'gold' is not one of"),
        ("", "'' is not one of"),
        ("-", "'' is not one of"),
        ("--sold", "'-sold' is not one of"),
        ("sold,-sold", "'sold' is given twice"),
    ],
)
def test_keys_that_order_nothing_are_refused(sort: str, said: str) -> None:
    with pytest.raises(UsageError, match="--sort") as refused:
        ordered(ROWS, sort, Row)
    assert said in str(refused.value)


def given(monkeypatch: pytest.MonkeyPatch, content: bytes, *, errors: str = "surrogateescape") -> None:
    monkeypatch.setattr(asking.sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors=errors))


def test_lines_of_stdin_are_words_whatever_wrote_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "\ufeff14\r\n\r\n  Éclair's Ink \r\n15".encode())
    assert words_of(["7", "-", " 8 "]) == ["7", "14", "Éclair's Ink", "15", "8"]


@pytest.mark.parametrize("errors", ["surrogateescape", "strict"])
def test_stdin_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, errors: str) -> None:
    given(monkeypatch, "14\n".encode("utf-16"), errors=errors)
    with pytest.raises(UsageError, match="UTF-8"):
        words_of(["-"])


def test_stdin_that_is_closed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking.sys, "stdin", None)
    with pytest.raises(UsageError, match="stdin is closed"):
        words_of(["-"])
