"""How many answers about single items may make no sense before none of them is believed."""

from __future__ import annotations

from typing import Any

import pytest

from ironforge_cli.errors import RefusedAnswerError
from ironforge_cli.jobs.catalogue import items
from ironforge_cli.market.catalogue import Item

SHOWN = Item(1, "Silk", None, None, None, None, None, None, None)


@pytest.mark.parametrize(("total", "most"), [(30, 20), (200, 20), (240, 24), (249, 24)])
def test_some_that_make_no_sense_are_believed_to_be_odd_and_more_are_not(total: int, most: int) -> None:
    asked: Any = items._AskedItem  # pyright: ignore[reportPrivateUsage] - a rule between two numbers alone
    trusted: Any = items._require_plausible  # pyright: ignore[reportPrivateUsage] - the same

    def answers(refused: int) -> list[Any]:
        return [
            asked(number, refused="odd") if number < refused else asked(number, item=SHOWN) for number in range(total)
        ]

    assert trusted(None, answers(most), tallies=None) is True
    assert trusted(None, answers(0), tallies=None) is True
    with pytest.raises(RefusedAnswerError, match=f"{most + 1} of {total} items make no sense, the first since: odd"):
        trusted(None, answers(most + 1), tallies=None)
