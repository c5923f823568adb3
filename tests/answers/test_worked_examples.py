"""The numbers that docs/questions.md works out are those that the program's own formulas give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from ironforge_cli.market import worth
from tests.documentation import PAGES

if TYPE_CHECKING:
    from collections.abc import Callable


def days(*values: float) -> np.ndarray:
    return np.array(values, float)[:, np.newaxis]


def book(*levels: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Units at a price each, as prices and units."""
    return np.array([price for _, price in levels], np.int64), np.array([units for units, _ in levels], np.int64)


def ratio() -> float:
    """50 gold where a token costs 250,000, by 60 where it costs 400,000."""
    return round((50 / 250_000) / (60 / 400_000), 2)


WORKED: Final[dict[str, Callable[[], float]]] = {
    "10, 30 and 20 make **20**": lambda: worth.usual_price(days(10, 30, 20))[0],
    "/ 672 = **90.18**": lambda: round(worth.weighted_market_value(days(50, *[100] * 14))[0], 2),
    "110 after 100 is **0.1**": lambda: round(float(worth.change(np.array([110.0]), np.array([100.0]))[0]), 9),
    "are **14** a day": lambda: worth.per_day(np.array([7.0]), np.array([43_200.0]))[0],
    "15 cost **80**": lambda: worth.cost_of(*book((10, 5), (20, 6)), 15)[1],
    "and 2 it is **2**": lambda: worth.median_of_snapshots(days(1, 9, 2))[0],
    "two at 80 make **80**": lambda: worth.gain_of(*book((2, 70), (2, 80)), usual=100.0, discount=0.2, most=4)[2],
    "the ratio is **1.33**": ratio,
}


@pytest.mark.parametrize("words", list(WORKED))
def test_each_number_of_the_page_is_that_of_its_formula(words: str) -> None:
    page = " ".join((PAGES / "questions.md").read_text("utf-8").split())
    assert words in page
    assert WORKED[words]() == float(words.split("**")[1])
