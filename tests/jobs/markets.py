"""Markets that stand between the job and the sandbox: they let a test look in, or change what came."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from ironforge_cli.regions import DEFAULT_REGIONS
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ironforge_cli.blizzard.client import BlizzardClient
    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.transport import Answer
    from ironforge_cli.regions import Region

ONE_AND_THE_OTHERS: Final = (
    DEFAULT_REGIONS[0],
    *(pytest.param(region, marks=pytest.mark.slow) for region in DEFAULT_REGIONS[1:]),
)
"""Regions as parameters of a claim that takes a whole window, or hours: the same of another region is a slow test."""


@dataclass
class Between:
    """Asks the sandbox, and does what a test wants before the auctions are handed on."""

    client: BlizzardClient
    meanwhile: Callable[[Region], None] = lambda _: None
    rewrite: Callable[[bytes], bytes] = lambda body: body
    asked_for: list[tuple[Region, datetime | None]] = field(default_factory=list["tuple[Region, datetime | None]"])
    """Whose auctions were asked for, and newer than what."""

    def commodities(self, region: Region, *, newer_than: datetime | None) -> Answer:
        self.asked_for.append((region, newer_than))
        answer = self.client.commodities(region, newer_than=newer_than)
        self.meanwhile(region)
        return answer if answer.not_modified else replace(answer, body=self.rewrite(answer.body))

    def until(self, deadline: Deadline) -> Between:
        return replace(self, client=self.client.until(deadline))

    def forget_commodities(self, region: Region) -> None:
        self.client.forget_commodities(region)

    def token_price(self, region: Region) -> tuple[datetime, int]:
        return self.client.token_price(region)


def with_auctions(body: bytes, *, auctions: int) -> bytes:
    """The same body with so many auctions alone."""
    answer = json.loads(body)
    return json.dumps({**answer, "auctions": answer["auctions"][:auctions]}, separators=(",", ":")).encode()
