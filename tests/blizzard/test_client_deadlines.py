"""The client of a window asks for nothing beyond its end."""

from __future__ import annotations

from typing import Any

import pytest

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.blizzard.deadline import Deadline
from ironforge_cli.errors import UnavailableError
from ironforge_cli.regions import Region


class Asking:
    """A transport that notes how it is asked, and has no answer."""

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []

    def get_dynamic(self, *_: object, **options: Any) -> None:
        self.options.append(options)
        raise UnavailableError("Away.")

    get_static = get_dynamic


@pytest.mark.parametrize("deadline", [None, Deadline(at=5.0, monotonic=lambda: 0.0)])
def test_whatever_is_asked_for_until_a_deadline_is_so(deadline: Deadline | None) -> None:
    asking: Any = Asking()
    client = BlizzardClient(asking, api_url="https://x", locale="de_DE")
    client = client if deadline is None else client.until(deadline)
    for ask in (
        lambda: client.commodities(Region.EU, newer_than=None),
        lambda: client.token_price(Region.EU),
        lambda: client.professions(Region.EU),
        lambda: client.single_item(Region.EU, 7),
    ):
        with pytest.raises(UnavailableError, match="Away"):
            ask()
    assert [options["deadline"] for options in asking.options] == [deadline] * 4
    # The index tells of a new build first.
    assert [options.get("anew", False) for options in asking.options[2:]] == [True, False]
    assert client.locale == "de_DE"
