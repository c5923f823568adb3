"""Plain values, and how one is made of another."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ironforge_cli.values import Value, replace


class Priced(Value, frozen=True):
    copper: int
    units: int = 1


@dataclass(frozen=True, slots=True)
class Named:
    name: str
    rank: int = 1


def test_a_value_is_what_it_holds_and_never_changes() -> None:
    assert Priced(5) == Priced(copper=5, units=1) != Priced(5, 2)
    assert len({Priced(5), Priced(5), Priced(5, 2)}) == 2
    assert Priced(1) != Named("1")
    with pytest.raises(AttributeError):
        Priced(5).copper = 6  # pyright: ignore[reportAttributeAccessIssue] - that is what is tried


def test_one_is_made_of_another_whatever_it_is() -> None:
    assert replace(Priced(5, 7), units=8) == Priced(5, 8)
    assert replace(Named("Ore"), rank=2) == Named("Ore", 2)
    with pytest.raises(TypeError):
        replace(Priced(5), silver=1)
