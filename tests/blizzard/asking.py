"""Questions to the sandbox, and what was asked of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from ironforge_cli.blizzard.transport import Answer, Transport
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.blizzard.stub_server import Asked, Stub


def ask(transport: Transport, sandbox: Sandbox, *, path: str = "token/index", **more: str) -> Answer:
    """Ask for something of EU; another value of a parameter of one's own makes another cache entry."""
    params = {"namespace": "dynamic-eu", "locale": "en_US", **more}
    return kept(transport.get_dynamic(f"{sandbox.api_url.format(region='eu')}/data/wow/{path}", params))


def kept(answer: Answer) -> Answer:
    """An answer that makes sense."""
    answer.keep()
    return answer


def commodities(sandbox: Sandbox, region: Region = Region.EU) -> tuple[str, dict[str, str]]:
    """Where a region's auctions are, and what to ask with."""
    url = f"{sandbox.api_url.format(region=region)}/data/wow/auctions/commodities"
    return url, {"namespace": region.dynamic_namespace}


def professions(sandbox: Sandbox) -> tuple[str, dict[str, str]]:
    """Where the index of professions is, and what to ask with."""
    return f"{sandbox.api_url.format(region='eu')}/data/wow/profession/index", {"namespace": "static-eu"}


def endpoints(sandbox: Sandbox) -> list[str | None]:
    """What was asked of the sandbox, in order."""
    return [exchange.endpoint for exchange in sandbox.requests]


def api(stub: Stub) -> list[Asked]:
    """What was asked of a stub server, but for tokens."""
    return [asked for asked in stub.asked if asked.path != "/token"]
