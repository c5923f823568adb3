from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import requests

from ironforge_cli.sandbox.access import Limits
from ironforge_cli.sandbox.stand_in import Sandbox

Ask = Callable[..., requests.Response]


@pytest.fixture
def start() -> Iterator[Callable[..., Sandbox]]:
    """Start small sandboxes that end with the test."""
    running = ExitStack()

    def started(**options: object) -> Sandbox:
        usual: dict[str, object] = {
            "seed": 7,
            "auctions": 400,
            "items": 160,
            "recipes": 130,
            "limits": Limits(per_second=None, per_hour=None),
        }
        sandbox = Sandbox(**{**usual, **options})  # pyright: ignore[reportArgumentType] - the options are Sandbox's own.
        return running.enter_context(sandbox)

    with running:
        yield started


@pytest.fixture
def sandbox(start: Callable[..., Sandbox]) -> Sandbox:
    return start()


@pytest.fixture
def asker() -> Iterator[Callable[[Sandbox], Ask]]:
    """Make a function that asks a sandbox for a path, with a token that it fetched."""
    sessions = ExitStack()

    def made(sandbox: Sandbox) -> Ask:
        session = sessions.enter_context(requests.Session())
        granted = session.post(
            sandbox.oauth_url,
            data={"grant_type": "client_credentials"},
            auth=(sandbox.client_id, sandbox.client_secret),
            timeout=10,
        )
        session.headers["Authorization"] = f"Bearer {granted.json()['access_token']}"

        def ask(
            path: str,
            *,
            region: str = "eu",
            method: str = "GET",
            timeout: float = 10,
            headers: dict[str, str] | None = None,
            **query: str | int | None,
        ) -> requests.Response:
            kind = "dynamic" if path.startswith(("auctions", "token")) else "static"
            return session.request(
                method,
                f"{sandbox.api_url.format(region=region)}/data/wow/{path}",
                params={"namespace": f"{kind}-{region}", **query},
                headers=headers,
                timeout=timeout,
            )

        return ask

    with sessions:
        yield made


@pytest.fixture
def ask(sandbox: Sandbox, asker: Callable[[Sandbox], Ask]) -> Ask:
    return asker(sandbox)
