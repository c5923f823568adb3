"""Whole answers that are not newer than what is known: told by their headers, and broken off before their body."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.regions import Region
from tests.blizzard.asking import commodities

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.blizzard.transport import Transport
    from ironforge_cli.sandbox.stand_in import Sandbox


@pytest.mark.parametrize("fault", ["stale", "past_last_modified", "stuck_last_modified"])
def test_the_body_of_a_stale_answer_is_not_received(
    sandbox: Sandbox, make_transport: Callable[..., Transport], fault: str
) -> None:
    transport = make_transport(sandbox)
    known = sandbox.published(Region.EU).published_at
    sandbox.set_fault(fault)
    sandbox.advance()
    known = max(known, sandbox.published(Region.EU).published_at if fault == "past_last_modified" else known)
    told: list[bool] = []
    answer = transport.get_dynamic(*commodities(sandbox), newer_than=known, when_new=lambda: told.append(True))
    assert answer.is_stale
    assert not answer.not_modified
    assert answer.body == b""
    assert answer.headers["Last-Modified"]
    assert told == []


def test_a_stale_answer_is_not_kept_in_place_of_the_one_that_is(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport = make_transport(sandbox)
    first = transport.get_dynamic(*commodities(sandbox))
    sandbox.set_fault("stale")
    sandbox.advance()
    known = sandbox.published(Region.EU).published_at
    assert transport.get_dynamic(*commodities(sandbox), newer_than=known).is_stale
    earlier = known - timedelta(hours=2)
    kept = transport.get_dynamic(*commodities(sandbox), newer_than=earlier)
    assert kept.from_cache
    assert kept.body == first.body


def test_after_a_stale_answer_the_next_one_is_received_whole(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport = make_transport(sandbox)
    known = sandbox.published(Region.EU).published_at
    sandbox.set_fault("stale")
    sandbox.advance()
    assert transport.get_dynamic(*commodities(sandbox), newer_than=known).is_stale
    sandbox.clear_faults()
    answer = transport.get_dynamic(*commodities(sandbox), newer_than=known)
    assert not answer.is_stale
    assert answer.body == sandbox.published(Region.EU).body


def test_without_a_known_time_nothing_is_stale(sandbox: Sandbox, make_transport: Callable[..., Transport]) -> None:
    sandbox.set_fault("stale")
    assert make_transport(sandbox).get_dynamic(*commodities(sandbox)).body
