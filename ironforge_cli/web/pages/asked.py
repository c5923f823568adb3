"""What a page's address asks for: numbers and choices, each with what it is where nothing is said, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, available_timezones

from ironforge_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_DIGITS: Final = 9
SPREAD_TURNOVER: Final = "1000"
"""Gold a day that an item turns over at least in both regions, where nothing is said."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of a page's form."""

    name: str
    says: str
    values: Sequence[tuple[str, str]]
    """Each value with what it is called; the first stands where nothing is said."""
    chosen: str


def chosen(query: Mapping[str, str], name: str, says: str, values: Sequence[tuple[str, str]]) -> Choice:
    """One of some values. Raises `UsageError` where another was asked for.

    >>> chosen({"over": "7d"}, "over", "Over", (("24h", "24 hours"), ("7d", "7 days"))).chosen
    '7d'
    """
    given = query.get(name) or values[0][0]
    if given not in {value for value, _ in values}:
        known = ", ".join(value for value, _ in values)
        raise UsageError(f"{name}={given[:40]!r} is not one of {known}.")
    return Choice(name, says, values, given)


def whole(query: Mapping[str, str], name: str, *, least: int, most: int) -> int | None:
    """A whole number, None where nothing is said. Raises `UsageError` where it is none, or out of bounds.

    >>> whole({"quantity": "20"}, "quantity", least=1, most=100), whole({"quantity": ""}, "quantity", least=1, most=9)
    (20, None)
    """
    given = query.get(name, "").strip()
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= _MOST_DIGITS and least <= int(given) <= most):
        raise UsageError(f"{name}={given[:40]!r} is no whole number from {least:,} to {most:,}.")
    return int(given)


def zone(query: Mapping[str, str]) -> ZoneInfo:
    """The time zone of `tz`, UTC where none is said. Raises `UsageError` where there is none such."""
    given = query.get("tz") or "UTC"
    if given != "UTC" and given not in available_timezones():
        raise UsageError(f"tz={given[:40]!r} is no time zone such as Europe/Paris.")
    return ZoneInfo(given)
