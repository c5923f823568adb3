"""Whole answers that are not newer than what is known: told by their headers, and broken off before their body."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.regions import Region
from tests.blizzard.asking import commodities, kept
from tests.blizzard.stub_server import Said, token_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.blizzard.transport import Transport
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.blizzard.stub_server import Serve


@pytest.mark.parametrize("fault", ["stale", "past_last_modified", "stuck_last_modified"])
def test_the_body_of_a_stale_answer_is_not_received(
    sandbox: Sandbox, make_transport: Callable[..., Transport], fault: str
) -> None:
    transport = make_transport(sandbox)
    known = sandbox.published(Region.EU).published_at
    sandbox.set_fault(fault)
    sandbox.advance()
    known = max(known, sandbox.published(Region.EU).published_at if fault == "past_last_modified" else known)
    answer = transport.get_dynamic(*commodities(sandbox), newer_than=known)
    assert answer.is_stale
    assert not answer.not_modified
    assert answer.body == b""
    assert answer.headers["Last-Modified"]


def test_a_stale_answer_is_not_kept_in_place_of_the_one_that_is(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport = make_transport(sandbox)
    first = kept(transport.get_dynamic(*commodities(sandbox)))
    sandbox.set_fault("stale")
    sandbox.advance()
    known = sandbox.published(Region.EU).published_at
    assert transport.get_dynamic(*commodities(sandbox), newer_than=known).is_stale
    earlier = known - timedelta(hours=2)
    again = transport.get_dynamic(*commodities(sandbox), newer_than=earlier)
    assert again.from_cache
    assert again.body == first.body


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


@pytest.mark.parametrize("modified", [{}, {"Last-Modified": "soon"}], ids=["no time", "no readable time"])
def test_an_answer_that_does_not_say_how_old_it_is_is_received(
    serve: Serve, make_transport: Callable[..., Transport], modified: dict[str, str]
) -> None:
    said = Said(body=b'{"auctions":[]}', headers=modified)
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else said)
    answer = make_transport(oauth_url=f"{stub.url}/token").get_dynamic(
        f"{stub.url}/x", {}, newer_than=datetime(2026, 3, 7, tzinfo=UTC)
    )
    assert (answer.body, answer.is_stale) == (said.body, False)


def test_an_answer_of_the_very_time_that_is_known_is_stale_and_a_second_later_is_new(
    serve: Serve, make_transport: Callable[..., Transport]
) -> None:
    said = Said(body=b"x", headers={"Last-Modified": "Sat, 7 Mar 2026 12:00:05 GMT", "Date": "soon"})
    stub = serve(lambda asked: token_answer() if asked.path == "/token" else said)
    transport, modified = make_transport(oauth_url=f"{stub.url}/token"), datetime(2026, 3, 7, 12, 0, 5, tzinfo=UTC)
    stale = transport.get_dynamic(f"{stub.url}/x", {}, newer_than=modified)
    assert (stale.status, stale.body, stale.is_stale, stale.from_cache) == (200, b"", True, False)
    assert parsedate_to_datetime(stale.headers["Date"]).utcoffset() == timedelta()
    new = transport.get_dynamic(f"{stub.url}/x", {}, newer_than=modified - timedelta(seconds=1))
    assert (new.body, new.is_stale) == (b"x", False)


def test_without_a_known_time_nothing_is_stale(sandbox: Sandbox, make_transport: Callable[..., Transport]) -> None:
    sandbox.set_fault("stale")
    assert make_transport(sandbox).get_dynamic(*commodities(sandbox)).body
